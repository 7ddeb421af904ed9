"""The same in plain text, for the terminal."""

from pathlib import Path

import pandas as pd

from scscope.report.content import MAIN, Cell, Table, score_tables, verdict

WIDTH = 100
SHOWN = ("", "phenograph", "kmeans")
GAP = "  "


def summary(
    scores: pd.DataFrame, runs: pd.DataFrame, *, figures: str | Path, report: str | Path
) -> str:
    """Scores, statuses and places of the results as text of at most about 100 columns.

    Parameters
    ----------
    scores, runs
        The gathered tables.
    figures, report
        Where they lie.
    """
    parts = [
        block
        for (metric, clusterer), table in score_tables(scores).items()
        if metric in MAIN and clusterer in SHOWN
        for block in _blocks(table)
    ]
    places = f"Figures  {figures}\nReport   {report}"
    return "\n\n".join([*parts, verdict(runs).text, places]) + "\n"


def _blocks(table: Table) -> list[str]:
    """The table as text, its datasets in groups that fit beside the names of the methods."""
    names = _padded(["", *(f"{entry.method} [{entry.scale}]" for entry, _ in table.rows)])
    columns = [
        _padded([dataset, *(_short(cells[i]) for _, cells in table.rows)])
        for i, dataset in enumerate(table.datasets)
    ]
    groups, used = [], WIDTH
    for column in columns:
        if used + len(GAP + column[0]) > WIDTH:
            groups.append([names])
            used = len(names[0])
        groups[-1].append(column)
        used += len(GAP + column[0])
    return [
        "\n".join([table.title, *(GAP.join(line).rstrip() for line in zip(*group, strict=True))])
        for group in groups
    ]


def _short(cell: Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text


def _padded(texts: list[str]) -> list[str]:
    width = max(map(len, texts))
    return [text.ljust(width) for text in texts]
