"""Supplementary Figure 12: every method on every scale of the input."""

from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.data import ROUNDED
from scscope.figures import marks
from scscope.figures.style import GREY, MM, PALE, WIDTH, styled
from scscope.figures.tables import (
    CLUSTERERS,
    SCALES,
    clusterers_of,
    levels,
    ordered,
    outcome,
    rank,
    seeds_text,
    with_names,
    without_suffix,
)

COLUMNS = 3  # datasets side by side
ROW, HEAD, FOOT, NOTES = (
    4.6 * MM,
    9 * MM,
    16 * MM,
    8 * MM,
)  # heights: of a method, around, at the end
LEFT, GAP = 34 * MM, 4 * MM  # widths: of the names, between datasets
COLOURS = colormaps["YlGnBu"]
OFF_LABEL = set(ROUNDED)  # scales on which models of counts get what is none


@styled
def ari_by_scale(scores: pd.DataFrame) -> Figure:
    """Draw the mean ARI of every method (rows) on every scale (columns), one matrix for each dataset.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`.
    """
    scores = with_names(scores)
    scores = scores[(scores["metric"] == "ari") & ~scores["control"]]
    if scores.empty:
        return marks.empty_figure("No ARI in these scores: the datasets have no labels.")
    scores = scores.assign(name=scores["name"].map(without_suffix))
    names = list(ordered(scores[["name", "use"]].drop_duplicates("name"))["name"])
    scales = sorted(set(scores["scale"]), key=lambda scale: rank(scale, SCALES))
    clusterers, datasets = clusterers_of(scores) or [""], list(levels(scores).index)
    places = [(clusterer, dataset) for clusterer in clusterers for dataset in datasets]
    figure, cells = _grid(len(clusterers), len(datasets), len(names))
    for i, (axes, (clusterer, dataset)) in enumerate(zip(cells, places, strict=True)):
        rows = scores[(scores["clusterer"] == clusterer) & (scores["dataset"] == dataset)]
        _draw_matrix(axes, rows, names, scales)
        at_left = i % len(datasets) % COLUMNS == 0
        axes.set_yticks(np.arange(len(names)) + 0.5, names if at_left else [])
        marks.column_title(axes, dataset, CLUSTERERS.get(clusterer, clusterer))
        marks.letter_at(axes, ascii_lowercase[i], -LEFT + 2 / 72 if at_left else -GAP, titled=True)
    figure.text(LEFT / WIDTH, 2.5 * MM / figure.get_figheight(), _notes(scores), **marks.NOTE)
    return figure


def _grid(n_clusterers: int, n_datasets: int, n_names: int) -> tuple[Figure, list[Axes]]:
    """Axes of the matrices, clusterer by clusterer, at most `COLUMNS` datasets in a row."""
    n_columns = min(n_datasets, COLUMNS)
    n_rows = n_clusterers * -(-n_datasets // n_columns)
    block = HEAD + n_names * ROW + FOOT
    width, height = WIDTH, n_rows * block + NOTES
    figure = Figure((width, height))
    inner = (width - LEFT - n_columns * GAP) / n_columns
    cells = []
    for i in range(n_clusterers):
        for j in range(n_datasets):
            row, column = divmod(j, n_columns)
            row += i * -(-n_datasets // n_columns)
            x, top = LEFT + column * (inner + GAP), height - row * block - HEAD
            box = (x / width, (top - n_names * ROW) / height, inner / width, n_names * ROW / height)
            cells.append(figure.add_axes(box, label=f"{i} {j}"))
    return figure, cells


def _draw_matrix(axes: Axes, rows: pd.DataFrame, names: list[str], scales: list[str]) -> None:
    axes.set_xlim(0, len(scales))
    axes.set_ylim(len(names), 0)
    axes.set_xticks(np.arange(len(scales)) + 0.5, scales, rotation=45, ha="right", rotation_mode="anchor")  # fmt: skip
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    parts = dict(tuple(rows.groupby(["name", "scale"])))
    for y, name in enumerate(names):
        for x, scale in enumerate(scales):
            _draw_score(axes, x, y, parts.get((name, scale)), scale)


def _draw_score(axes: Axes, x: int, y: int, rows: pd.DataFrame | None, scale: str) -> None:
    """The mean ARI on its colour; what failed, does not apply or was not run says so."""
    if rows is None:
        marks.draw_cell(axes, x, y, "–", colour=PALE, ink=GREY)
        return
    result = outcome(rows)
    mark = ("×" if result.failed else "") + ("†" if scale in OFF_LABEL else "")
    if not len(result.values):
        text = "n/a" if result.skipped == result.total else f"failed{mark}"
        marks.draw_cell(axes, x, y, text, colour=PALE, ink=GREY, size=5)
        return
    mean = result.values.mean()
    ink = "white" if mean > 0.55 else "black"
    text = f"{round(mean, 2) + 0.0:.2f}{mark}"
    marks.draw_cell(axes, x, y, text, colour=COLOURS(float(np.clip(mean, 0, 1))), ink=ink)


def _notes(scores: pd.DataFrame) -> str:
    words = [f"Mean ARI, {seeds_text(scores)}", "–: not run"]
    if ((scores["status"] != "ok") & (scores["status"] != "not_applicable")).any():
        words.append("×: some or all runs failed")
    if scores["scale"].isin(OFF_LABEL).any():
        words.append("†: off-label, a model of counts on rounded values that are no counts")
    return "; ".join(words)
