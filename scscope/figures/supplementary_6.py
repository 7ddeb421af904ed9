"""Supplementary Figure 6: scalable clustering, with the numbers that the code chooses."""

import inspect

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.figures.scheme import SMALL, arrow, board, words
from scscope.figures.style import COLOURS, styled

PAPER = 1_306_127  # cells of the brain data; the paper's own numbers are for these
SHOWN_SIZES = 8
COLUMN, TOP, LINE = 36.6, 7.0, 4.2  # mm
# Of the drawn example: cells, subsets, centroids in each.
CELLS, SUBSETS, CENTROIDS = 96, 4, 3
PALETTE = [COLOURS[use] for use in ("pca", "dca", "scvi", "magic")]


@styled
def steps_of_scalable(scores: pd.DataFrame, datasets: pd.DataFrame) -> Figure:
    """Draw the steps of scalable clustering on a small example, and a table of its numbers.

    Parameters
    ----------
    scores
        Not looked at: every panel is given them.
    datasets
        Datasets of the study: for their `n_cells` the table says how many subsets, centroids and
        neighbours are used when none are given.
    """
    from scscope.cluster.scalable import numbers_of, scalable

    sizes = sorted(set(datasets["n_cells"].dropna().astype(int)))
    sizes = sorted({*sizes[:: -(-len(sizes) // SHOWN_SIZES) or 1], *sizes[-1:], PAPER})
    usual = {name: p.default for name, p in inspect.signature(scalable).parameters.items()}
    rows = [(n, *numbers_of(n, usual["n_subsets"], usual["n_centroids"])) for n in sizes]
    figure, axes = board(183, TOP + 47 + (len(rows) + 2) * LINE)
    _draw_example(axes, usual)
    _draw_numbers(axes, rows, usual, TOP + 45)
    return figure


def _draw_example(axes: Axes, usual: dict) -> None:
    """Five pictures of the same cells."""
    from scscope.cluster.subsets import POOL

    rng = np.random.default_rng(6)
    centres = np.array([[8, 8], [20, 10], [13, 21]])
    type_ = np.arange(CELLS) % len(centres)
    cells = centres[type_] + rng.normal(0, 1.9, (CELLS, 2))
    subset = rng.permutation(CELLS) % SUBSETS  # shuffled, as is usual
    centroids = [
        np.array([cells[(subset == s) & (type_ == t)].mean(axis=0) for t in range(CENTROIDS)])
        for s in range(SUBSETS)
    ]
    colours, types = np.array(PALETTE)[subset], np.array(PALETTE)[type_]
    order = "in random order" if usual["order"] == "shuffled" else "in their order"
    steps = [
        ("Cells", "in the latent space", lambda x: _dots(axes, x, cells, ["#9A9A9A"] * CELLS)),
        ("Subsets", f"of equal size, {order}", lambda x: _dots(axes, x, cells, colours)),
        ("Centroids", "k-means in each subset", lambda x: _centroids(axes, x, centroids)),
        (
            "Communities",
            f"PhenoGraph on all centroids,\nk = {usual['k']}, {usual['method'].capitalize()}",
            lambda x: _communities(axes, x, centroids),
        ),
        (
            "Labels",
            f"of the nearest centroid\namong those of {POOL} subsets",
            lambda x: _dots(axes, x, cells, types),
        ),
    ]
    for i, (title, how, picture) in enumerate(steps):
        left = i * COLUMN
        words(axes, left + COLUMN / 2, 4, f"{i + 1}  {title}", fontweight="bold")
        picture(left + 4)
        words(axes, left + COLUMN / 2, TOP + 32, how, va="top", **SMALL)
        if i:
            arrow(axes, [(left - 2.5, TOP + 15), (left + 2.5, TOP + 15)])


def _dots(axes: Axes, left: float, points: np.ndarray, colours, size: float = 3.5) -> None:
    axes.scatter(left + points[:, 0], TOP + points[:, 1], s=size, c=list(colours), linewidths=0)


def _centroids(axes: Axes, left: float, centroids: list[np.ndarray]) -> None:
    """Centroids of each subset in its colour."""
    for points, colour in zip(centroids, PALETTE, strict=True):
        _dots(axes, left, points, [colour] * len(points), size=9)


def _communities(axes: Axes, left: float, centroids: list[np.ndarray]) -> None:
    """Centroids of one community joined and in one colour."""
    for t in range(CENTROIDS):
        points = np.array([own[t] for own in centroids])
        for i in range(len(points)):
            for j in range(i):
                ends = points[[i, j]] + (left, TOP)
                axes.plot(*ends.T, color=PALETTE[t], linewidth=0.5, zorder=1)
        _dots(axes, left, points, [PALETTE[t]] * len(points), size=9)


def _draw_numbers(axes: Axes, rows: list[tuple], usual: dict, top: float) -> None:
    """What is used for so many cells, where nothing is asked for."""
    heads = ("Cells", "Subsets", "Cells in each", "Centroids in each", "Centroids in all", "k")
    x = np.linspace(24, 160, len(heads))
    for place, head in zip(x, heads, strict=True):
        words(axes, place, top, head, ha="right", fontweight="bold", fontsize=6)
    axes.plot((5, 162), (top + 2.2, top + 2.2), color="black", linewidth=0.4)
    for i, (n, subsets, each) in enumerate(rows, 1):
        values = (n, subsets, n // subsets, each, subsets * each, usual["k"])
        for place, value in zip(x, values, strict=True):
            words(axes, place, top + i * LINE, f"{value:,}", ha="right", fontsize=6)
        if n == PAPER:
            words(axes, 163, top + i * LINE, "the paper’s data", ha="left", **SMALL)
    note = f"Cells of communities of {usual['min_size']} and fewer centroids stay without a label (-1)."
    words(axes, 5, top + (len(rows) + 1) * LINE, note, ha="left", **SMALL)
