"""Figure 1c: agreement with the true cell types by sparsity, the paper's values beside ours."""

from math import ceil
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scscope.figures import marks
from scscope.figures.style import COLOURS, MM, WIDTH, Style, styled, styles
from scscope.figures.tables import (
    CLUSTERERS,
    METHODS,
    SCALES,
    applicable,
    clusterers_of,
    levels,
    of_clusterer,
    on_scale,
    outcome,
    paper_fig1c,
    scales_of,
    seeds_text,
    with_names,
)

ROW, LINE, FRAME = 38 * MM, 3.1 * MM, 18 * MM  # heights: of a panel, of a legend's line, around all
LEGEND_COLUMNS = 2
MIN_BOX = 5  # fewer values are shown themselves: they have no quartiles to speak of


@styled
def ari_by_sparsity(scores: pd.DataFrame) -> Figure:
    """Draw the ARI of all methods by sparsity: the paper's, then ours by input scale and clusterer.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `sparsity` and `label`.
    """
    scores = with_names(scores)
    scores = scores[scores["metric"] == "ari"]
    if scores["control"].all():
        return marks.empty_figure("No ARI in these scores: the datasets have no labels.")
    notes = marks.not_drawn(scores)
    scores = applicable(scores)
    methods = scores[~scores["control"]]
    clusterers, scales = clusterers_of(methods) or [""], scales_of(scores)
    looks, axis = styles(methods), levels(scores)
    failures = (methods["status"] != "ok").any()
    handles = _legend_entries(scores, looks, failures=failures)
    notes = [f"This run: {seeds_text(methods)}", *notes]

    n_lines = ceil((len(handles) + len(notes)) / LEGEND_COLUMNS)
    figure, paper, cells, rest = _grid(len(clusterers), len(scales), n_lines)
    _draw_paper(paper)
    for i, clusterer in enumerate(clusterers):
        for j, scale in enumerate(scales):
            axes = cells[i][j]
            rows = of_clusterer(on_scale(scores, scale), clusterer)
            _ari_axis(axes, axis, failures=failures)
            _draw_ours(axes, rows[~rows["control"]], axis, looks)
            last = j == len(scales) - 1
            marks.reference_lines(axes, rows[rows["control"]], axis, named=last)
            if clusterer == "phenograph" and axis.notna().any():
                _draw_paper_median(axes, axis)
            if j == 0:
                name = CLUSTERERS.get(clusterer, clusterer)
                axes.set_ylabel(f"ARI, {name}".removesuffix(", ").replace(" (", "\n("))
                marks.letter(axes, ascii_lowercase[i + 1], titled=i == 0)
                if failures:
                    marks.name_failures(axes)
            else:
                axes.tick_params(labelleft=False)
            if i == 0:
                marks.column_title(axes, f"This run: {scale}", SCALES.get(scale, ""))
            if i < len(clusterers) - 1:
                axes.set_xlabel("")
    marks.legend(rest, handles, notes, columns=LEGEND_COLUMNS)
    return figure


def _grid(n_rows: int, n_columns: int, n_lines: int) -> tuple[Figure, Axes, list[list[Axes]], Axes]:
    """Axes of the paper, of ours (rows x scales) below, and of the legend beside the paper."""
    heights = [max(ROW, n_lines * LINE), n_rows * ROW]
    figure = Figure((WIDTH, sum(heights) + FRAME), layout="constrained")
    figure.get_layout_engine().set(w_pad=1 * MM, h_pad=0.8 * MM, wspace=0.01, hspace=0.03)
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    top, ours = grid[0].subgridspec(1, 2), grid[1].subgridspec(n_rows, n_columns)
    paper = figure.add_subplot(top[0])
    cells = [[figure.add_subplot(ours[i, j]) for j in range(n_columns)] for i in range(n_rows)]
    return figure, paper, cells, figure.add_subplot(top[1])


def _ari_axis(axes: Axes, axis: pd.Series, *, failures: bool) -> None:
    marks.level_axis(axes, axis)
    marks.value_axis(axes, 0, 1, failures=failures)


def _draw_paper(axes: Axes) -> None:
    table = paper_fig1c()
    sparsity = np.sort(table["sparsity_pct"].unique())
    _ari_axis(axes, pd.Series(sparsity.astype(float), index=sparsity), failures=False)
    for offset, (use, name) in zip(marks.slots(len(METHODS)), METHODS.items(), strict=True):
        rows = table[table["use"] == use].sort_values("sparsity_pct")
        stats = rows.rename(columns={"median": "med", "whisker_min": "low", "whisker_max": "high"})
        positions = np.searchsorted(sparsity, rows["sparsity_pct"]) + offset
        _draw_boxes(axes, positions, stats, Style(COLOURS[use], "o"), len(METHODS), name)
    axes.set_ylabel("ARI, PhenoGraph")
    marks.column_title(axes, "Paper (digitised)", "Deng et al. 2019, n = 10")
    marks.letter(axes, "a", titled=True)


def _draw_paper_median(axes: Axes, axis: pd.Series) -> None:
    """The paper's scScope, at the positions that our levels of sparsity would give it."""
    table = paper_fig1c()
    table = table[table["use"] == "scscope"].sort_values("sparsity_pct")
    known = axis.dropna()
    inside = table["sparsity_pct"].between(known.min() - 2, known.max() + 2)
    x = np.interp(table.loc[inside, "sparsity_pct"], known, np.arange(len(known)))
    colour = COLOURS["scscope"]
    axes.plot(x, table.loc[inside, "median"], ":", color=colour, linewidth=0.9, zorder=5)


def _draw_ours(axes: Axes, rows: pd.DataFrame, axis: pd.Series, looks: dict[str, Style]) -> None:
    names = [name for name in looks if name in set(rows["name"])]
    for offset, name in zip(marks.slots(len(names)), names, strict=True):
        own = rows[rows["name"] == name]
        by_dataset = {dataset: outcome(group) for dataset, group in own.groupby("dataset")}
        boxes, positions = [], []
        for position, dataset in enumerate(axis.index):
            if dataset not in by_dataset:
                continue
            result, x = by_dataset[dataset], position + offset
            marks.mark_failures(axes, x, result, looks[name])
            if len(result.values):
                low, q1, med, q3, high = np.quantile(result.values, np.linspace(0, 1, 5))
                n = len(result.values)
                boxes.append({"low": low, "q1": q1, "med": med, "q3": q3, "high": high, "n": n})
                positions.append(x)
            if 0 < len(result.values) < MIN_BOX:
                _draw_points(axes, x, result.values, looks[name])
        if boxes:
            _draw_boxes(axes, positions, pd.DataFrame(boxes), looks[name], len(names), name)


def _draw_boxes(
    axes: Axes, positions, stats: pd.DataFrame, style: Style, n_methods: int, name: str
) -> None:
    """Boxes of one method, their medians connected; values without quartiles have no box."""
    line = {"color": style.colour, "linewidth": 0.6}
    axes.plot(positions, stats["med"], **line, alpha=0.6, zorder=2, label=name)
    full = stats.get("n", pd.Series(MIN_BOX, index=stats.index)) >= MIN_BOX
    boxes = stats.rename(columns={"low": "whislo", "high": "whishi"})[full.to_numpy()]
    if boxes.empty:
        return
    axes.bxp(
        boxes.to_dict("records"),
        positions=np.asarray(positions)[full],
        widths=min(0.8 * marks.SPREAD / n_methods, 0.2),
        showfliers=False,
        showcaps=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": style.colour, "edgecolor": style.colour, "linewidth": 0.3},
        medianprops={"color": "white", "linewidth": 0.8, "solid_capstyle": "butt"},
        whiskerprops=line,
        zorder=3,
    )


def _draw_points(axes: Axes, x: float, values: np.ndarray, style: Style) -> None:
    look = {"color": style.colour, "markeredgewidth": 0, "markersize": 2.6}
    axes.plot(np.full(len(values), x), values, style.marker, **look, zorder=3)


def _legend_entries(scores: pd.DataFrame, looks: dict[str, Style], *, failures: bool) -> list:
    methods = scores[~scores["control"]]
    handles = [Patch(color=style.colour, label=name) for name, style in looks.items()]
    ours = set(methods["use"])
    handles += [
        Patch(color=COLOURS[use], label=f"{name} (paper only)")
        for use, name in METHODS.items()
        if use not in ours
    ]
    if "phenograph" in set(methods["clusterer"]):
        paper = {"color": COLOURS["scscope"], "linestyle": ":", "linewidth": 0.9}
        handles.append(Line2D([], [], label="paper’s scScope, median", **paper))
    if scores["control"].any():
        handles.append(marks.control_mark())
    return [*handles, marks.failure_mark()] if failures else handles
