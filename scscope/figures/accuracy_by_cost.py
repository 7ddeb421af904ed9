"""What accuracy costs: agreement with the known labels against time, and the methods that none beats in both."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scscope.figures import marks
from scscope.figures.style import GREY, MARKERS, MM, WIDTH, Style, styled, styles
from scscope.figures.tables import (
    CLUSTERERS,
    SCALES,
    clusterers_of,
    levels,
    outcome,
    problems,
    rank,
    seeds_text,
    with_names,
)

COLUMNS, LEGEND_COLUMNS = 3, 5
CELL, LINE, FRAME = 46 * MM, 3.2 * MM, 6 * MM  # heights: of a dataset, of a line of words, around


@styled
def ari_by_seconds(scores: pd.DataFrame) -> Figure:
    """Draw the mean ARI of every entry against its mean seconds, and the Pareto front: one panel per dataset.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `seconds` of the fit.
    """
    scores = with_names(scores)
    scores = scores[(scores["metric"] == "ari") & ~scores["control"]]
    if scores.empty:
        return marks.empty_figure("No ARI in these scores: the datasets have no labels.")
    clusterer = (clusterers_of(scores) or [""])[0]
    scores = scores[scores["clusterer"] == clusterer]
    datasets, looks = list(levels(scores).index), _looks(scores)
    failed = {name: _failures(scores[scores["dataset"] == name]) for name in datasets}
    figure, cells, rest = _grid(len(datasets), max(map(len, failed.values())), len(looks))
    for i, (axes, dataset) in enumerate(zip(cells, datasets, strict=True)):
        points = pareto(scores[scores["dataset"] == dataset])
        _axes(axes, points, label=f"ARI, {CLUSTERERS.get(clusterer, clusterer)}" if i % COLUMNS == 0 else "")  # fmt: skip
        _draw_points(axes, points, looks)
        marks.column_title(axes, dataset, "")
        place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
        text = "\n".join(failed[dataset])
        axes.annotate(text, (0, 0), (0, -24), **place, **marks.NOTE | {"fontsize": 5})
    _draw_legend(rest, scores, looks)
    return figure


def pareto(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean seconds and score of each entry on one dataset, and whether none is better in both.

    Parameters
    ----------
    scores
        Scores of one metric, of which more is better, dataset and clusterer.

    Returns
    -------
    pd.DataFrame
        One row for each entry with a score, in ascending order of `seconds`: `method`, `name`, `scale`,
        `seconds`, `value`, `is_partial` (some of its runs failed), and `on_front`: no other entry
        whose runs all ended is at least as fast and as good, and better in one of the two.
    """
    rows = []
    for method, group in scores.groupby("method", sort=False):
        result, ok = outcome(group), group["status"] == "ok"
        if len(result.values):
            about = (method, group["name"].iloc[0], group["scale"].iloc[0])
            rows.append((*about, group.loc[ok, "seconds"].mean(), result.values.mean(), result.failed > 0))  # fmt: skip
    columns = ["method", "name", "scale", "seconds", "value", "is_partial"]
    table = pd.DataFrame(rows, columns=columns).dropna(subset="seconds")
    table = table.sort_values(["seconds", "value"], ascending=[True, False], ignore_index=True)
    whole = table["value"].where(~table["is_partial"].astype(bool), -np.inf)
    before = whole.cummax().shift(fill_value=-np.inf)
    return table.assign(on_front=(whole > before) & ~table["is_partial"].astype(bool))


def _looks(scores: pd.DataFrame) -> dict[tuple[str, str], Style]:
    """Colour of the method's name, and marker of the scale, of each entry by these two."""
    colours = styles(scores)
    scales = sorted(set(scores["scale"]), key=lambda scale: rank(scale, SCALES))
    markers = {scale: MARKERS[i % len(MARKERS)] for i, scale in enumerate(scales)}
    entries = scores[["name", "scale"]].drop_duplicates().itertuples(index=False)
    return {(n, scale): Style(colours[n].colour, markers[scale]) for n, scale in entries}


def _failures(rows: pd.DataFrame) -> list[str]:
    """Entries with runs that are not ok, each with what became of them."""
    entries = rows.drop_duplicates("method")
    lines = []
    for method, name in zip(entries["method"], marks.entry_names(entries), strict=True):
        statuses = rows.loc[rows["method"] == method, "status"]
        if problem := problems(statuses):
            skipped = (statuses == "not_applicable").all()
            lines.append(f"{'' if skipped else '× '}{name}: {problem}")
    return lines


def _grid(n_datasets: int, n_failed: int, n_looks: int) -> tuple[Figure, list[Axes], Axes]:
    n_columns = min(n_datasets, COLUMNS)
    n_rows = -(-n_datasets // n_columns)
    n_lines = -(-(n_looks + 4) // LEGEND_COLUMNS)
    heights = [CELL + 0.7 * n_failed * LINE] * n_rows + [n_lines * LINE + 3 * MM]
    figure = Figure((WIDTH, sum(heights) + FRAME), layout="constrained")
    grid = figure.add_gridspec(n_rows + 1, n_columns, height_ratios=heights)
    places = [divmod(i, n_columns) for i in range(n_datasets)]
    return figure, [figure.add_subplot(grid[p]) for p in places], figure.add_subplot(grid[-1, :])


def _axes(axes: Axes, points: pd.DataFrame, *, label: str) -> None:
    marks.log_axis(axes, points["seconds"], "Wall time of the fit (s)")
    axes.set_ylim(min(-0.03, points["value"].min() - 0.03) if len(points) else 0, 1.03)
    axes.set_ylabel(label)


def _draw_points(axes: Axes, points: pd.DataFrame, looks: dict[tuple[str, str], Style]) -> None:
    """All entries, hollow where runs failed, and the front as steps."""
    front = points[points["on_front"]]
    if len(front):
        x = [*front["seconds"], axes.get_xlim()[1]]
        y = [*front["value"], front["value"].iloc[-1]]
        axes.plot(x, y, color=GREY, linewidth=0.6, drawstyle="steps-post", zorder=1, gid="front")
    for point in points.itertuples():
        style = looks[point.name, point.scale]
        face = "white" if point.is_partial else style.colour
        look = {"markersize": 4, "markerfacecolor": face, "mew": 0.8, "color": style.colour}
        axes.plot(point.seconds, point.value, style.marker, **look, zorder=3, label=point.method)
    if points.empty:
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", **marks.NOTE)


def _draw_legend(axes: Axes, scores: pd.DataFrame, looks: dict) -> None:
    colours = {name: look.colour for (name, _), look in looks.items()}
    markers = {scale: look.marker for (_, scale), look in looks.items()}
    handles = [Patch(color=colours[n], label=n) for n in styles(scores)]
    handles += [
        Line2D([], [], color=GREY, marker=markers[scale], ls="none", ms=4, label=f"input: {scale}")
        for scale in sorted(markers, key=lambda scale: rank(scale, SCALES))
    ]
    handles.append(Line2D([], [], color=GREY, linewidth=0.6, label="Pareto front"))
    if (scores["status"] != "ok").any():
        hollow = {"markerfacecolor": "white", "color": GREY, "linestyle": "none", "ms": 4}
        handles.append(Line2D([], [], marker="o", **hollow, label="some runs failed"))
    marks.legend(axes, handles, [f"means, {seeds_text(scores)}"], columns=LEGEND_COLUMNS)
