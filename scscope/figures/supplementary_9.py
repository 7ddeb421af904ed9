"""Supplementary Figure 9: shares of the brain's major types beside those of SPLiT-seq and the paper."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.cluster.result import GIVEN
from scscope.datasets.brain import PAPER_CELLS
from scscope.datasets.splitseq import TYPES
from scscope.figures import details
from scscope.figures.figure_3 import paper_clusters
from scscope.figures.style import MM, WIDTH, styled
from scscope.figures.tables import (
    CLUSTERERS,
    entry_text,
    natural,
    ordered,
    rank,
    seeds_text,
    with_names,
)

MAJOR = ("glutamatergic", "GABAergic", "non-neuronal")
PUBLISHED = "SPLiT-seq (Rosenberg et al. 2018)"  # published types that others are compared with
STAND_IN = "SPLiT-seq (synthetic stand-in)"
PAPER = "Paper (sums of what Fig. 3 prints)"
LINE, FRAME = 6 * MM, 26 * MM  # heights: of a bar, around all
MOST = 32  # as many bars of this run fit on a page
NARROW = 0.045  # a share below this has no room for its number


@styled
def major_types(
    scores: pd.DataFrame, *, compositions: pd.DataFrame, datasets: pd.DataFrame
) -> Figure:
    """Draw shares of major types: of each method, of SPLiT-seq, and of the paper.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    compositions
        Number of cells by type.
    datasets
        Where data come from (`source`): SPLiT-seq's types are the labels of what is of source
        splitseq, or stands for it.
    """
    scores = with_names(scores)
    cells = details.pooled(compositions)
    ours = _ours(scores, cells)
    if ours.empty:
        return details.nothing_to_show(scores, "major types of its clusters")
    published = _published(cells, datasets)
    paper = paper_clusters().groupby("type")["n_cells"].sum()
    bars = dict(ours[:MOST].iterrows())
    bars |= published
    bars[PAPER] = pd.concat([paper, pd.Series({"": PAPER_CELLS - paper.sum()})])

    types = sorted({name for row in bars.values() for name in row[row > 0].index}, key=_type_place)
    colours = details.type_colours(types)
    figure = Figure((WIDTH, len(bars) * LINE + FRAME), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.25, 1])
    _draw_bars(left, bars, types, colours)
    _draw_bars(right, bars, list(MAJOR), colours)
    details.heading(left, "All cells", "cells of no major type in grey")
    details.heading(right, "Cells of the three major types", "those of no major type left out")
    handles = details.type_marks({name: colours[name] for name in types})
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    notes = [f"This run: {seeds_text(scores[~scores['control']])}, shares over all seeds"]
    if not published:
        notes.append("SPLiT-seq is not in this study: name dataset splitseq among its datasets")
    if len(ours) > MOST:
        notes.append(f"the first {MOST} of {len(ours)} combinations of data, method and clusterer")
    details.footnote(figure, [*notes, "; ".join(details.failures(scores[~scores["control"]]))])
    return figure


def _type_place(name: str) -> tuple:
    """Sort key: the major types, others that SPLiT-seq has, what is no type."""
    return rank(name, dict.fromkeys([*MAJOR, *TYPES]))


def _published(cells: pd.DataFrame, datasets: pd.DataFrame) -> dict[str, pd.Series]:
    """Number of cells by published type, of SPLiT-seq and of what stands for it, by title."""
    cells = cells[cells["clusterer"] == GIVEN].drop_duplicates(["dataset", "type"])
    found = {}
    for title, pattern in ((PUBLISHED, "^splitseq: "), (STAND_IN, "in place of splitseq$")):
        theirs = datasets["source"].str.contains(pattern, na=False)
        names = datasets.loc[theirs, "dataset"].unique()
        own = cells[cells["dataset"].isin(names[:1])]
        if len(own):
            found[title] = own.set_index("type")["n_cells"]
    return found


def _ours(scores: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Mean number of cells over seeds: a row for each entry, dataset and clusterer, by its title."""
    methods = scores[~scores["control"]]
    entries = ordered(methods[["name", "use", "scale", "method"]].drop_duplicates("method"))
    cells = cells[cells["method"].isin(entries["method"]) & ~cells["clusterer"].isin([GIVEN, ""])]
    cells = cells[cells["type"].isin(MAJOR).groupby(cells["dataset"]).transform("any")]
    order = list(entries["method"])
    names = entries.set_index("method")
    keys = cells[["dataset", "method", "clusterer"]].drop_duplicates().itertuples(index=False)
    rows = {}
    for dataset, method, clusterer in sorted(
        keys, key=lambda k: (natural(k[0]), order.index(k[1]), rank(k[2], CLUSTERERS))
    ):
        own = cells[(cells["dataset"] == dataset) & (cells["method"] == method)]
        own = own[own["clusterer"] == clusterer]
        entry = entry_text(names.loc[method, "name"], names.loc[method, "scale"])
        title = f"{dataset}: {entry}, {CLUSTERERS.get(clusterer, clusterer)}"
        rows[title] = own.groupby("type")["n_cells"].sum() / own["seed"].nunique()
    return pd.DataFrame(rows).T.fillna(0)


def _draw_bars(axes: Axes, bars: dict[str, pd.Series], types: list[str], colours: dict) -> None:
    """A bar of shares for each row, those of `types` alone, with numbers where there is room."""
    for y, cells in enumerate(bars.values()):
        cells, start = cells.reindex(types).fillna(0), 0.0
        shares = cells / cells.sum()
        for name, share in shares.items():
            axes.barh(y, share, left=start, color=colours[name], height=0.72, linewidth=0)
            if share >= NARROW:
                look = {"fontsize": 5.5, "color": details.ink(colours[name])}
                axes.text(
                    start + share / 2, y, f"{100 * share:.1f}", ha="center", va="center", **look
                )
            start += share
    axes.set_yticks(range(len(bars)), list(bars))
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], [0, 25, 50, 75, 100])
    axes.set_xlabel("Cells (%)")
