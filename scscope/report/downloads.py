"""Tables inside the page, to be saved from it: CSV that a spreadsheet takes for data."""

import base64
import re

import pandas as pd

# A spreadsheet runs a text that begins so as a formula.
FORMULA = re.compile(r"^[=+\-@\t\r]")
NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$", re.IGNORECASE)
# Of the scores: what a figure shows. Costs and hashes stand in the tables of the run.
SHOWN = [
    *("dataset", "method", "label", "scale", "control", "seed", "clusterer", "metric", "value"),
    *("status", "n_cells", "sparsity"),
]
DIGITS = 6
MAX_ROWS = 1_000  # of a table inside the page beside the scores: a quarter of a megabyte


def csv_uri(table: pd.DataFrame) -> str:
    """A table as a data URI of CSV; no cell of it is a formula."""
    text = table.map(plain_cell).rename(columns=plain_cell).to_csv(index=False)
    return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def plain_cell(value):
    """A cell that is data in every spreadsheet: text that would run gets an apostrophe before it."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, str) and FORMULA.match(value) and not NUMBER.match(value):
        return f"'{value}"
    return value


def short_enough(table: pd.DataFrame) -> pd.DataFrame | None:
    """The table, or None if the page would become too large with it."""
    return table if len(table) <= MAX_ROWS else None


def shown_scores(scores: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """The scores behind a figure: rows of its metrics (all, if none is named), without costs."""
    rows = scores[scores["metric"].isin(metrics)] if metrics else scores
    return rows[[name for name in SHOWN if name in rows]]
