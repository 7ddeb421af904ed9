"""The tables that describe runs, and how they are gathered. See `scscope.describe.run`."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from scscope.describe import COLUMNS
from scscope.gather import RUN, read_table


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
