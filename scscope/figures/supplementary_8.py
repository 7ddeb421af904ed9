"""Supplementary Figure 8: P of tests of marker genes between kinds of enterocytes and other cells."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.figures import details
from scscope.figures.style import GREY, MM, WIDTH, styled
from scscope.figures.supplementary_7 import (
    AGES,
    OTHERS,
    SIDES,
    SUBTYPES,
    by_side,
    genes_note,
    of_subtypes,
)

TESTS = {"p_t": "t", "p_rank_sum": "rank-sum"}
LINE = 4.4 * MM  # height of a gene
COLOURS = colormaps["YlGnBu"]
DARKEST = 100.0  # -log10 P; smaller P have the colour of this
SIGNIFICANT = 0.05


@styled
def marker_tests(scores: pd.DataFrame, *, expression: pd.DataFrame) -> Figure:
    """Draw P of each marker gene between immature, mature and all other cells, by two tests.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    expression
        Means of genes by group, with P of two tests against another group.
    """
    rows = of_subtypes(expression)
    run = details.shown_run(scores, rows[rows["against"].isin([*SUBTYPES, OTHERS])])
    if run is None:
        return details.nothing_to_show(scores, "tests between subtypes of enterocytes")
    rows = run.of(rows)
    means = rows.drop_duplicates(["gene", "group"]).pivot(
        index="gene", columns="group", values="mean"
    )
    means = means.reindex(columns=[*SUBTYPES, OTHERS])
    genes = by_side(means)
    tests = rows[rows["against"].isin([*SUBTYPES, OTHERS])].set_index(["gene", "group", "against"])

    figure = Figure((WIDTH, len(genes) * LINE + 36 * MM), layout="constrained")
    cells = figure.subplots(1, len(SIDES), sharey=True)
    sizes = rows.drop_duplicates("group").set_index("group")["n_cells"]
    for axes, side in zip(cells, SIDES, strict=True):
        _write_tests(axes, tests, means.loc[genes], comparisons(side))
        n = [f"{name} n = {sizes[name]:,.0f}" for name in _groups_of(side) if name in sizes.index]
        details.heading(axes, f"{side} enterocytes", ", ".join(n).replace(f"{side} ", ""))
    figure.suptitle(run.title, x=0.012, ha="left", fontweight="bold", fontsize=7)
    words = (
        f"numbers: −log10 P, below {-np.log10(SIGNIFICANT):.1f} in grey; ▼: less in the first group"
    )
    if tests["descriptive"].astype(bool).any():
        words += (
            "; descriptive: the groups were made from the same values, and cells are no replicates"
        )
    details.footnote(figure, [words, genes_note(len(genes), len(means)), run.note])
    return figure


def _groups_of(side: str) -> list[str]:
    return [f"{side} {age}" for age in AGES] + [OTHERS]


def comparisons(side: str) -> list[tuple[str, str]]:
    """Pairs of groups that are compared: immature and mature with each other and with all others."""
    young, old, others = _groups_of(side)
    return [(young, old), (young, others), (old, others)]


def _write_tests(axes: Axes, tests: pd.DataFrame, means: pd.DataFrame, pairs: list) -> None:
    columns = [(pair, test) for pair in pairs for test in TESTS]
    for y, (gene, mean) in enumerate(means.iterrows()):
        for x, (pair, test) in enumerate(columns):
            _write_p(
                axes, x, y, _find(tests, gene, *pair, test), lower=mean[pair[0]] < mean[pair[1]]
            )
    details.cell_axis(axes, list(means.index), len(columns), fontstyle="italic")
    names = [f"{a.split(' ')[-1]}\n– {b.split(' ')[-1]}\n{TESTS[test]}" for (a, b), test in columns]
    axes.set_xticks(np.arange(len(columns)) + 0.5, names, fontsize=5.5)
    axes.tick_params(labelleft=True)
    for x in range(len(TESTS), len(columns), len(TESTS)):
        axes.axvline(x - 0.015, color="white", linewidth=2.5)


def _find(tests: pd.DataFrame, gene: str, first: str, second: str, test: str) -> float:
    """P of two groups, in whichever order they stand in the table; NaN if they do not."""
    for key in ((gene, first, second), (gene, second, first)):
        if key in tests.index:
            return float(tests.loc[[key], test].iloc[0])
    return np.nan


def _write_p(axes: Axes, x: int, y: int, p: float, *, lower: bool) -> None:
    if np.isnan(p):
        details.empty_cell(axes, x, y)
        return
    value = float(details.minus_log10(pd.Series([p]))[0])
    words = f"{value:.1f}" if value < 10 else f"{value:.0f}"
    words = f">{words}" if value == details.MAX_P else words
    colour = COLOURS(0.9 * min(value / DARKEST, 1.0))
    look = {"color": GREY} if p >= SIGNIFICANT else {}
    details.write_cell(axes, x, y, f"▼ {words}" if lower else words, colour, **look)
