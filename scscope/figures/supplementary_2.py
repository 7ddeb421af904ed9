"""Supplementary Figure 2: how well missed values are predicted, by sparsity."""

from string import ascii_lowercase

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scscope.figures import marks
from scscope.figures.style import MM, WIDTH, Style, styled, styles
from scscope.figures.tables import (
    SCALES,
    levels,
    on_scale,
    scales_of,
    seeds_text,
    with_names,
)

METRICS = {
    "imputation_error": "Error at missed entries\n(mean |Δ log1p|)",
    "zero_prediction": "Prediction at true zeros\n(mean log1p)",
}
ROW, LEGEND, FRAME = 38 * MM, 9 * MM, 15 * MM  # heights


@styled
def imputation_by_sparsity(scores: pd.DataFrame) -> Figure:
    """Draw imputation error and prediction at true zeros by sparsity, one column per input scale.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `sparsity` and `label`.
    """
    scores = with_names(scores)
    scores = scores[scores["metric"].isin(METRICS)]
    methods = scores[~scores["control"]]
    if methods.empty:
        return marks.empty_figure(
            "No imputation scores: no method of this study imputes,\nor its datasets have no true values at entries observed as zero."
        )
    metrics = [metric for metric in METRICS if metric in set(scores["metric"])]
    scales, looks, axis = scales_of(scores), styles(methods), levels(scores)
    failures = (methods["status"] != "ok").any()

    figure, cells, rest = _grid(len(metrics), len(scales))
    for i, metric in enumerate(metrics):
        of_metric = scores[scores["metric"] == metric]
        high = marks.highest_mean(of_metric)
        for j, scale in enumerate(scales):
            axes = cells[i][j]
            rows = on_scale(of_metric, scale)
            marks.level_axis(axes, axis)
            marks.value_axis(axes, 0, high, failures=failures)
            marks.draw_means(axes, rows[~rows["control"]], axis, looks)
            last = j == len(scales) - 1
            marks.reference_lines(axes, rows[rows["control"]], axis, named=last)
            if j == 0:
                axes.set_ylabel(METRICS[metric])
                marks.letter(axes, ascii_lowercase[i], titled=i == 0)
                if failures:
                    marks.name_failures(axes)
            else:
                axes.tick_params(labelleft=False)
            if i == 0:
                marks.column_title(axes, f"Input: {scale}", SCALES.get(scale, ""))
            if i < len(metrics) - 1:
                axes.set_xlabel("")
    _draw_legend(rest, scores, looks, failures=failures)
    return figure


def _grid(n_rows: int, n_columns: int) -> tuple[Figure, list[list[Axes]], Axes]:
    heights = [ROW] * n_rows + [LEGEND]
    figure = Figure((WIDTH, sum(heights) + FRAME), layout="constrained")
    figure.get_layout_engine().set(w_pad=1 * MM, h_pad=0.8 * MM, wspace=0.01, hspace=0.03)
    grid = figure.add_gridspec(len(heights), n_columns, height_ratios=heights)
    cells = [[figure.add_subplot(grid[i, j]) for j in range(n_columns)] for i in range(n_rows)]
    return figure, cells, figure.add_subplot(grid[-1, :])


def _draw_legend(
    axes: Axes, scores: pd.DataFrame, looks: dict[str, Style], *, failures: bool
) -> None:
    methods = scores[~scores["control"]]
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=2.8, label=name)
        for name, look in looks.items()
    ]
    if scores["control"].any():
        handles.append(marks.control_mark())
    if failures:
        handles.append(marks.failure_mark())
    notes = [f"mean ± s.d., {seeds_text(methods)}", *marks.not_drawn(scores)]
    marks.legend(axes, handles, notes, columns=5)
