"""Tables inside the page, to be saved from it: CSV that a spreadsheet takes for data."""

import base64
import gzip
import re
from dataclasses import dataclass

import pandas as pd

from scscope.gather import COST

# A spreadsheet runs a text that begins so as a formula.
FORMULA = re.compile(r"^[=+\-@\t\r]")
NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$", re.IGNORECASE)
# Of the scores: what a figure shows. Hashes, and most costs, stand in the tables of the run alone.
SHOWN = [
    *("dataset", "method", "label", "scale", "control", "seed", "clusterer", "metric", "value"),
    *("status", "n_cells", "sparsity"),
]
DIGITS = 6
MAX_PLAIN = 100_000  # bytes; a longer table is compressed, so that the page stays small
MAX_ROWS = 1_000  # of a table inside the page beside the scores: a quarter of a megabyte


@dataclass(frozen=True)
class Download:
    """A table that can be saved from the page.

    Parameters
    ----------
    file
        Name of the file, which ends with .csv, or with .csv.gz where it is long.
    uri
        Its content.
    n_rows
        Rows of the table.
    """

    file: str
    uri: str
    n_rows: int


def download(name: str, table: pd.DataFrame) -> Download:
    """A table as a file of CSV; no cell of it is a formula."""
    csv = table.map(plain_cell).rename(columns=plain_cell).to_csv(index=False).encode()
    if len(csv) <= MAX_PLAIN:
        return Download(f"{name}.csv", data_uri("text/csv;charset=utf-8", csv), len(table))
    # Without a time, so that the same table is the same file.
    packed = gzip.compress(csv, mtime=0)
    return Download(f"{name}.csv.gz", data_uri("application/gzip", packed), len(table))


def data_uri(kind: str, content: bytes) -> str:
    """Content that stands in the page itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


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


def shown_scores(
    scores: pd.DataFrame, metrics: tuple[str, ...], *, costs: bool = False
) -> pd.DataFrame:
    """The scores behind a figure: rows of its metrics (all, if none is named).

    With `costs`, what their runs took stands beside them.
    """
    rows = scores[scores["metric"].isin(metrics)] if metrics else scores
    return rows[[name for name in SHOWN + COST * costs if name in rows]]
