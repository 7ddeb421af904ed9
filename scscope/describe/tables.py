"""Columns of the tables that describe runs, and how they are gathered. See `scscope.describe.run`."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from scscope.gather import RUN, read_table

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
# Without the run, which all of them name first.
COLUMNS = {
    "compositions": ["clusterer", "sample", "condition", "type", "n_cells"],
    "markers": [
        *("clusterer", "grouping", "group", "gene", "log2_fold_change", "p", "p_adjusted"),
        *("is_marker", "descriptive", "n_cells"),
    ],
    "maps": ["clusterer", "x", "y", "cluster", "type", "label", "condition"],
    "expression": [
        *("clusterer", "gene", "group", "condition", "n_cells", "mean", *QUANTILES),
        *("against", "p_t", "p_rank_sum", "descriptive"),
    ],
}
# Those that say nothing of data whose types no panel tells.
OF_TYPES = ("compositions", "expression")


def empty(table: str) -> pd.DataFrame:
    """The table of a run that has nothing to say in it."""
    return pd.DataFrame(columns=COLUMNS[table])


def of_run(table: pd.DataFrame, **run: object) -> pd.DataFrame:
    """The table with dataset, method and seed of its run before the other columns."""
    named = pd.DataFrame({name: [run[name]] * len(table) for name in RUN}, index=table.index)
    return pd.concat([named, table], axis=1)


def gathered(paths: Iterable[Path]) -> pd.DataFrame:
    """Tables of one kind of several runs, one below the other."""
    tables = [read_table(path) for path in paths]
    filled = [rows for rows in tables if len(rows)] or tables[:1]
    return pd.concat(filled, ignore_index=True)
