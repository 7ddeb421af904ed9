"""Figure 1c and d: agreement with true cell types by sparsity, and with rare types by their share."""

from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from scscope.figures import marks
from scscope.figures.by_level import (
    LEGEND_COLUMNS,
    Axis,
    Paper,
    draw_paper_boxes,
    draw_scores,
    legend_entries,
    levels_of,
    page_by_simulation,
    paper_page,
)
from scscope.figures.style import COLOURS, Style, styled, styles
from scscope.figures.tables import (
    CLUSTERERS,
    METHODS,
    SCALES,
    applicable,
    clusterers_of,
    levels,
    of_clusterer,
    on_scale,
    paper_values,
    scales_of,
    seeds_text,
    setting,
    with_names,
)


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

    n_entries = len(handles) + len(notes)
    figure, paper, cells, rest = paper_page(len(clusterers), len(scales), n_entries)
    _draw_paper(paper)
    for i, clusterer in enumerate(clusterers):
        for j, scale in enumerate(scales):
            axes = cells[i][j]
            rows = of_clusterer(on_scale(scores, scale), clusterer)
            _ari_axis(axes, axis, failures=failures)
            ours = rows[~rows["control"]]
            draw_scores(axes, ours.assign(level=ours["dataset"]), axis, looks)
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


def _ari_axis(axes: Axes, axis: pd.Series, *, failures: bool) -> None:
    marks.level_axis(axes, axis)
    marks.value_axis(axes, 0, 1, failures=failures)


def _draw_paper(axes: Axes) -> None:
    table = paper_values("fig1c").rename(columns={"sparsity_pct": "level", "median": "med"})
    axis = levels_of(table).astype(float)
    _ari_axis(axes, axis, failures=False)
    draw_paper_boxes(axes, table, axis)
    axes.set_ylabel("ARI, PhenoGraph")
    marks.column_title(axes, "Paper (digitised)", "Deng et al. 2019, n = 10")
    marks.letter(axes, "a", titled=True)


def _draw_paper_median(axes: Axes, axis: pd.Series) -> None:
    """The paper's scScope, at the positions that our levels of sparsity would give it."""
    table = paper_values("fig1c")
    table = table[table["use"] == "scscope"].sort_values("sparsity_pct")
    known = axis.dropna()
    inside = table["sparsity_pct"].between(known.min() - 2, known.max() + 2)
    x = np.interp(table.loc[inside, "sparsity_pct"], known, np.arange(len(known)))
    colour = COLOURS["scscope"]
    axes.plot(x, table.loc[inside, "median"], ":", color=colour, linewidth=0.9, zorder=5)


def _legend_entries(scores: pd.DataFrame, looks: dict[str, Style], *, failures: bool) -> list:
    handles = legend_entries(scores, looks, METHODS, failures=failures)
    if "phenograph" in set(scores["clusterer"]):
        paper = {"color": COLOURS["scscope"], "linestyle": ":", "linewidth": 0.9}
        # Before what is no method.
        place = sum(isinstance(handle, Patch) for handle in handles)
        handles.insert(place, Line2D([], [], label="paper’s scScope, median", **paper))
    return handles


@styled
def rare_types_by_share(scores: pd.DataFrame, datasets: pd.DataFrame) -> Figure:
    """Draw the ARI among rare cells by the share of a rare type: one column per latent dimension.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`.
    datasets
        Its datasets, with `params`: `rare_share` and `n_latent` of the simulation.
    """
    paper = paper_values("fig1d").rename(columns={"rare_pct": "level", "median": "value"})
    return page_by_simulation(
        scores[scores["metric"] == "rare_ari"],
        datasets.assign(level=100 * setting(datasets, "rare_share")),
        Axis("Cells of each rare type (%)"),
        label="ARI of rare types",
        paper=Paper(paper, "ARI (rare subpopulation)", "Deng et al. 2019, n = 10"),
    )
