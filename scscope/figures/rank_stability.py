"""How the order of methods changes over what a benchmark is free to choose."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.comparisons import CONDITION, agreement, condition_order, rank_stability
from scscope.figures import marks
from scscope.figures.style import GREY, MM, PALE, WIDTH, styled
from scscope.figures.tables import CLUSTERERS, SCALES, ordered
from scscope.metrics import METRICS

ROW, LABELS, HEAD = 5 * MM, 27 * MM, 9 * MM  # heights: of a method, below and above the ranks
CHOICE, FOOT, GAP = (
    4.5 * MM,
    17 * MM,
    4 * MM,
)  # of a choice, around all of them, and between a and b
LEFT, RIGHT = 25 * MM, 4 * MM  # margins
CHOICES = {"scale": "another scale", "clusterer": "another clusterer", "metric": "another metric"}
COLOURS = colormaps["YlGnBu_r"]


@styled
def order_of_methods(scores: pd.DataFrame) -> Figure:
    """Draw the rank of every method in every condition, and how far orders agree.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`.
    """
    table = rank_stability(scores)
    if table.empty:
        return marks.empty_figure("No condition of this study has two methods to put in order.")
    names = list(ordered(table[["name", "use"]].drop_duplicates("name"))["name"])
    conditions = condition_order(table)
    agreed = agreement(table)
    heights = [HEAD + len(names) * ROW + LABELS, GAP + len(CHOICES) * CHOICE + FOOT]
    figure = Figure((WIDTH, sum(heights)))
    ranks, choices = _places(figure, len(names), heights)
    _draw_ranks(ranks, table, names, conditions)
    _draw_agreement(choices, agreed, _n_text(table))
    return figure


def _places(figure: Figure, n_names: int, heights: list[float]) -> tuple[Axes, Axes]:
    """Axes of ranks and of agreement, at fixed places: cells are as wide as the page allows."""
    width, height = figure.get_size_inches()
    inner = (width - LEFT - RIGHT) / width
    bottom = (heights[1] + LABELS) / height
    ranks = figure.add_axes([LEFT / width, bottom, inner, n_names * ROW / height])
    foot = (FOOT - 4 * MM) / height
    choices = figure.add_axes([LEFT / width, foot, 0.55 * inner, len(CHOICES) * CHOICE / height])
    return ranks, choices


def _draw_ranks(axes: Axes, table: pd.DataFrame, names: list, conditions: list) -> None:
    rows = {(*key, name): row for *key, name, row in _rows(table)}
    axes.set_xlim(0, len(conditions))
    axes.set_ylim(len(names), 0)
    for x, condition in enumerate(conditions):
        for y, name in enumerate(names):
            _draw_cell(axes, x, y, rows.get((*condition, name)), len(conditions))
    axes.set_yticks(np.arange(len(names)) + 0.5, names)
    ticks = [_condition_text(*condition) for condition in conditions]
    axes.set_xticks(np.arange(len(conditions)) + 0.5, ticks, rotation=90)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    scales = [condition[0] for condition in conditions]
    for scale in dict.fromkeys(scales):
        first, n = scales.index(scale), scales.count(scale)
        if first:
            axes.axvline(first, color="white", linewidth=2.5)
        place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate(scale, (first, 1), (1, 9), **place, fontweight="bold")
        words = SCALES.get(scale, "") if n * 3 > len(conditions) / 3 else ""
        axes.annotate(words, (first, 1), (1, 2), **place, **marks.NOTE)
    marks.letter_at(axes, "a", -LEFT + 2 / 72, titled=True)


def _rows(table: pd.DataFrame):
    for row in table.itertuples():
        yield *(getattr(row, key) for key in CONDITION), row.name, row


def _draw_cell(axes: Axes, x: int, y: int, row, n_columns: int) -> None:
    """A rank on its colour, the best darkest; a cross where runs failed, a dash where none is."""
    size = 6 if n_columns <= 30 else 5
    if row is None:
        marks.draw_cell(axes, x, y, "–", colour=PALE, ink=GREY, size=size)
        return
    share = (row.rank - 1) / max(row.n_methods - 1, 1)
    text = f"{row.rank:.1f}".removesuffix(".0") + ("×" if row.n_failed else "")
    ink = "white" if share < 0.5 else "black"
    marks.draw_cell(axes, x, y, text, colour=COLOURS(0.15 + 0.8 * share), ink=ink, size=size)


def _condition_text(scale: str, clusterer: str, metric: str) -> str:
    title = METRICS[metric].title if metric in METRICS else metric
    return f"{title}, {CLUSTERERS.get(clusterer, clusterer)}" if clusterer else title


def _draw_agreement(axes: Axes, table: pd.DataFrame, note: str) -> None:
    found = table.set_index("changed")
    axes.set_xlim(-1.05, 1.05)
    axes.set_ylim(len(CHOICES) - 0.5, -0.5)
    axes.axvline(0, color=GREY, linewidth=0.5)
    axes.axvline(1, color=GREY, linewidth=0.5, dashes=(4, 2))
    for y, choice in enumerate(CHOICES):
        if choice not in found.index:
            words = "no two conditions differ in it alone"
            axes.text(1.12, y, words, va="center", **marks.NOTE)
            continue
        row = found.loc[choice]
        axes.plot([row["lowest_tau"], row["highest_tau"]], [y, y], color=GREY, linewidth=1)
        axes.plot(row["mean_tau"], y, "o", color="black", markersize=4)
        pairs = f"{row['n_pairs']:.0f} pair{'' if row['n_pairs'] == 1 else 's'} of conditions"
        words = f"mean {row['mean_tau']:.2f}; same leader in {row['same_winner']:.0%} of {pairs}"
        axes.text(1.12, y, words, va="center", fontsize=6)
    axes.set_yticks(range(len(CHOICES)), CHOICES.values())
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Kendall’s tau of the orders (1: the same, −1: reversed)")
    place = {"xycoords": "axes fraction", "textcoords": "offset points"}
    marks.letter_at(axes, "b", -LEFT + 2 / 72, titled=False)
    axes.annotate(note, (0, 0), (0, -30), **place, **marks.NOTE)


def _n_text(table: pd.DataFrame) -> str:
    n = table["n_runs"] / table["n_datasets"]
    seeds = f"{n.min():.0f}" if n.min() == n.max() else f"{n.min():.0f} to {n.max():.0f}"
    words = f"Mean rank over {table['n_datasets'].max()} datasets, n = {seeds} seeds"
    return words + ("; ×: some runs failed and rank last" if table["n_failed"].any() else "")
