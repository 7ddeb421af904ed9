"""Supplementary Figure 14: what learning from corrupted input gains."""

from string import ascii_lowercase

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scscope.figures import marks
from scscope.figures.style import MM, WIDTH, Style, styled, styles
from scscope.figures.tables import (
    CLUSTERERS,
    SCALES,
    clusterers_of,
    levels,
    of_clusterer,
    on_scale,
    scales_of,
    seeds_text,
    with_names,
)

ERROR = "imputation_error"
COLUMNS = 2
ROW, LINE, FRAME = 40 * MM, 3.4 * MM, 14 * MM  # heights


@styled
def denoising(scores: pd.DataFrame) -> Figure:
    """Draw the ARI by sparsity for each clusterer, and the imputation error.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `sparsity`.
    """
    scores = with_names(scores)
    scores = scores[scores["metric"].isin(["ari", ERROR])]
    methods = scores[~scores["control"]]
    if methods.empty:
        return marks.empty_figure("Neither ARI nor imputation error in these scores.")
    looks, axis = styles(methods), levels(scores)
    failures = (methods["status"] != "ok").any()
    panels = _panels(scores)
    notes = [f"mean ± s.d., {seeds_text(methods)}", *marks.not_drawn(scores)]
    n_lines = -(-(len(looks) + 2 + len(notes)) // 4)
    figure, cells, rest = _grid(len(panels), n_lines)
    for i, (axes, (title, subtitle, label, rows)) in enumerate(zip(cells, panels, strict=True)):
        marks.level_axis(axes, axis)
        high = 1 if label == "ARI" else marks.highest_mean(rows)
        marks.value_axis(axes, 0, high, failures=failures)
        marks.draw_means(axes, rows[~rows["control"]], axis, looks)
        marks.reference_lines(axes, rows[rows["control"]], axis, named=i % COLUMNS == COLUMNS - 1)
        axes.set_ylabel(label)
        marks.column_title(axes, title, subtitle)
        marks.letter(axes, ascii_lowercase[i], titled=True)
        if failures:
            marks.name_failures(axes)
    _draw_legend(rest, looks, notes, controls=scores["control"].any(), failures=failures)
    return figure


def _panels(scores: pd.DataFrame) -> list[tuple[str, str, str, pd.DataFrame]]:
    """Title, what is below it, label of the axis and scores of each panel: scale by scale."""
    panels = []
    for scale in scales_of(scores):
        rows, words = on_scale(scores, scale), f"Input: {scale} ({SCALES.get(scale, 'own scale')})"
        ari, error = (rows[rows["metric"] == metric] for metric in ("ari", ERROR))
        for clusterer in clusterers_of(ari[~ari["control"]]):
            title = f"Cell types, {CLUSTERERS.get(clusterer, clusterer)}"
            panels.append((title, words, "ARI", of_clusterer(ari, clusterer)))
        if not error[~error["control"]].empty:
            panels.append(("Imputation", words, "Error at missed entries\n(mean |Δ log1p|)", error))
    return panels


def _grid(n_panels: int, n_lines: int) -> tuple[Figure, list[Axes], Axes]:
    n_rows = -(-n_panels // COLUMNS)
    heights = [ROW] * n_rows + [n_lines * LINE + 2 * MM]
    figure = Figure((WIDTH, sum(heights) + FRAME), layout="constrained")
    figure.get_layout_engine().set(w_pad=1 * MM, h_pad=0.8 * MM, wspace=0.03, hspace=0.03)
    grid = figure.add_gridspec(n_rows + 1, COLUMNS, height_ratios=heights)
    places = [divmod(i, COLUMNS) for i in range(n_panels)]
    return figure, [figure.add_subplot(grid[p]) for p in places], figure.add_subplot(grid[-1, :])


def _draw_legend(
    axes: Axes, looks: dict[str, Style], notes: list[str], *, controls: bool, failures: bool
) -> None:
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=2.8, label=name)
        for name, look in looks.items()
    ]
    handles += [marks.control_mark()] if controls else []
    handles += [marks.failure_mark()] if failures else []
    marks.legend(axes, handles, notes, columns=4)
