"""Overview of any study: the scores of every method on every dataset."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scscope.figures import marks
from scscope.figures.style import DASHES, GREY, MARKERS, MM, WIDTH, styled, styles
from scscope.figures.tables import (
    CLUSTERERS,
    clusterers_of,
    natural,
    ordered,
    outcome,
    seeds_text,
    with_names,
)

NAME_LINE, LETTER = (
    7,
    4.0,
)  # height of a control's name, and width of its letters at most, in points
METRICS = {"ari": "ARI", "n_clusters": "Number of clusters"}
COLUMNS = 3  # datasets side by side
LINE, FRAME, LEGEND = (
    4.5 * MM,
    17 * MM,
    10 * MM,
)  # heights: of a method, around a dataset, at the end


@styled
def scores_by_method(scores: pd.DataFrame) -> Figure:
    """Draw the ARI, or else the number of clusters, of every method: one panel per dataset.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`.
    """
    scores = with_names(scores)
    scores = scores[scores["metric"].isin(METRICS)]
    methods = scores[~scores["control"]]
    if methods.empty:
        return marks.empty_figure("No clustering scores in this study.")
    entries = ordered(methods[["name", "use", "scale", "method"]].drop_duplicates("method"))
    clusterers = clusterers_of(methods) or [""]
    datasets = sorted(set(methods["dataset"]), key=natural)

    figure, cells, rest = _grid(len(datasets), len(entries))
    for i, (axes, dataset) in enumerate(zip(cells, datasets, strict=True)):
        rows = scores[scores["dataset"] == dataset]
        metric = "ari" if (rows["metric"] == "ari").any() else "n_clusters"
        rows = rows[rows["metric"] == metric]
        marks.entry_axis(axes, entries, named=i % COLUMNS == 0)
        _value_axis(axes, rows, metric)
        width = WIDTH / min(len(datasets), COLUMNS)
        n_lines = draw_controls(axes, rows[rows["control"]], width)
        axes.set_title(dataset, loc="left", fontweight="bold", pad=3 + NAME_LINE * n_lines)
        draw_entries(axes, rows, entries, clusterers, styles(methods))
    _draw_legend(rest, scores, clusterers)
    return figure


def _grid(n_datasets: int, n_entries: int) -> tuple[Figure, list[Axes], Axes]:
    n_columns = min(n_datasets, COLUMNS)
    n_rows = -(-n_datasets // n_columns)
    heights = [n_entries * LINE + FRAME] * n_rows + [LEGEND]
    figure = Figure((WIDTH, sum(heights)), layout="constrained")
    figure.get_layout_engine().set(w_pad=1.5 * MM, h_pad=0.8 * MM, wspace=0.03, hspace=0.02)
    grid = figure.add_gridspec(n_rows + 1, n_columns, height_ratios=heights)
    places = [divmod(i, n_columns) for i in range(n_datasets)]
    return figure, [figure.add_subplot(grid[p]) for p in places], figure.add_subplot(grid[-1, :])


def _value_axis(axes: Axes, rows: pd.DataFrame, metric: str) -> None:
    axes.set_xlabel(METRICS[metric])
    if metric == "ari":
        axes.set_xlim(min(-0.05, rows["value"].min(skipna=True) - 0.02), 1.04)
        axes.set_xticks(np.linspace(0, 1, 6))
    else:
        highest = rows["value"].max(skipna=True)
        axes.set_xlim(0, 1.3 * highest if highest > 0 else 1)


def draw_controls(axes: Axes, rows: pd.DataFrame, width: float) -> int:
    """Lines of the controls with their names above; return in how many lines these stand.

    `width` is that of the panel, in inches.
    """
    ends = []
    for i, (name, group) in enumerate(rows.groupby("name")):
        values = outcome(group).values
        if len(values):
            dashes = DASHES[i % len(DASHES)]
            axes.axvline(values.mean(), color=GREY, linewidth=0.6, dashes=dashes, zorder=1)
            ends.append((values.mean(), name))
    low, high = axes.get_xlim()
    letter = (high - low) * LETTER / (72 * width)  # in units of the axis
    lines: list[float] = []  # where the last name of each line ends
    for x, name in sorted(ends):
        half = letter * len(name) / 2
        free = [i for i, end in enumerate(lines) if end < x - half]
        line = free[0] if free else len(lines)
        lines[line : line + 1] = [x + half + letter]
        where = {"xycoords": axes.get_xaxis_transform(), "textcoords": "offset points"}
        place = (0, 2 + NAME_LINE * line)
        axes.annotate(name, (x, 1), place, **where, ha="center", va="bottom", **marks.NOTE)
    return len(lines)


def draw_entries(axes: Axes, rows: pd.DataFrame, entries, clusterers: list[str], looks) -> None:
    """Scores of one metric in the line of each entry: seeds, mean and deviation, by clusterer."""
    offsets = 0.7 * marks.slots(len(clusterers))
    for position, entry in enumerate(entries.itertuples()):
        own = rows[rows["method"] == entry.method]
        colour = looks[entry.name].colour
        for i, clusterer in enumerate(clusterers):
            values = outcome(own[own["clusterer"] == clusterer]).values
            if len(values):
                draw_spread(axes, values, position + offsets[i], colour, MARKERS[i % len(MARKERS)])
        _note_failures(axes, own, position, colour)


def _note_failures(axes: Axes, rows: pd.DataFrame, position: int, colour: str) -> None:
    """Say at the emptier end of the line what failed, such as "× 2/3 timeout".

    Runs are counted, not their clusterings.
    """
    runs = rows.drop_duplicates("seed")
    bad = runs.loc[runs["status"] != "ok", "status"].value_counts().sort_index()
    if bad.empty:
        return
    texts = [f"{n}/{len(runs)} {status.replace('_', ' ')}" for status, n in bad.items()]
    low, high = axes.get_xlim()
    at_left = rows["value"].min() - low > high - rows["value"].max()
    place = {"ha": "left" if at_left else "right", "va": "center", "fontsize": 5, "color": colour}
    x = 0.06 if at_left else 0.945
    text = f"× {', '.join(texts)}"
    axes.text(x, position, text, transform=axes.get_yaxis_transform(), **place, zorder=2)


def draw_spread(axes: Axes, values: np.ndarray, y: float, colour: str, marker: str) -> None:
    """Values along a line, with their mean and one standard deviation."""
    line = {"color": colour, "markeredgewidth": 0}
    axes.plot(values, np.full(len(values), y), marker, **line, markersize=1.8, alpha=0.45)
    mean, sd = values.mean(), values.std(ddof=1) if len(values) > 1 else 0
    axes.plot([mean - sd, mean + sd], [y, y], color=colour, linewidth=0.7)
    axes.plot(mean, y, marker, color=colour, markersize=3.6, mec="white", mew=0.3, zorder=4)


def _draw_legend(axes: Axes, scores: pd.DataFrame, clusterers: list[str]) -> None:
    look = {"color": GREY, "linestyle": "none", "markersize": 3.6, "markeredgewidth": 0}
    handles = [
        Line2D([], [], marker=MARKERS[i % len(MARKERS)], label=CLUSTERERS.get(name, name), **look)
        for i, name in enumerate(clusterers)
        if name
    ]
    if scores["control"].any():
        handles.append(marks.control_mark())
    notes = [f"mean ± s.d., {seeds_text(scores[~scores['control']])}"]
    marks.legend(axes, handles, notes, columns=5)
