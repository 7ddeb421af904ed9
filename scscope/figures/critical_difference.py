"""Which methods can be told apart over datasets: mean ranks and their critical difference."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.figures import marks
from scscope.figures.style import GREY, MM, WIDTH, Style, styled, styles
from scscope.figures.tables import CLUSTERERS, SCALES, rank, with_names
from scscope.statistics import ALPHA, MIN_DATASETS

LEFT, HEAD, LINE, FOOT = 40 * MM, 14 * MM, 3.6 * MM, 6 * MM  # beside, above, of a method, below
BAR = 1.6 * MM  # between the lines that join methods
METRIC = "ari"


@styled
def mean_rank_diagram(scores: pd.DataFrame, *, mean_ranks: pd.DataFrame) -> Figure:
    """Draw Demšar's diagram (2006, JMLR 7:1) of the ARI, one for each input scale.

    Parameters
    ----------
    scores
        Tidy scores of a study, for the names of its methods.
    mean_ranks
        As `scscope.comparisons.across_datasets` returns it: ranks over the real datasets.
    """
    table = mean_ranks[
        (mean_ranks["metric"] == METRIC) & mean_ranks["method"].isin(scores["method"])
    ]
    if table.empty:
        return marks.empty_figure(
            "No two methods of this study have an ARI on the same real datasets."
        )
    clusterer = min(set(table["clusterer"]), key=lambda name: rank(name, CLUSTERERS))
    table = table[table["clusterer"] == clusterer]
    told = table[table["critical_difference"].notna()]
    if told.empty:
        n = int(table["n_units"].max())
        return marks.empty_figure(fill(
            f"No diagram: a critical difference takes at least {MIN_DATASETS} real datasets, and the "
            f"methods of this study share {n} (datasets of the same cells count once). With fewer, "
            "methods that differ are not told apart. Their mean ranks stand in mean_ranks.tsv.", 64,
        ))  # fmt: skip
    named = with_names(scores).drop_duplicates("method").set_index("method")
    told = told.assign(name=told["method"].map(named["name"]))
    looks = styles(named.reset_index())
    scales = sorted(set(told["scale"]), key=lambda scale: rank(scale, SCALES))
    blocks = [told[told["scale"] == scale].sort_values("mean_rank") for scale in scales]
    tall = [_height(block) for block in blocks]
    height = sum(tall) + len(tall) * (HEAD + FOOT)
    figure, top = Figure((WIDTH, height)), height
    for block, inner in zip(blocks, tall, strict=True):
        top -= HEAD + inner
        box = (LEFT / WIDTH, top / height, 1 - 2 * LEFT / WIDTH, inner / height)
        axes = figure.add_axes(box, label=block["scale"].iloc[0])
        _draw_diagram(axes, block, looks)
        _draw_words(axes, block.iloc[0], CLUSTERERS.get(clusterer, clusterer))
        top -= FOOT
    return figure


def _height(block: pd.DataFrame) -> float:
    """Of the diagram below the line of ranks: bars, and names on two sides."""
    n_groups = len(cliques(block["mean_rank"].to_numpy(), block["critical_difference"].iloc[0]))
    return 2 * MM + n_groups * BAR + ((len(block) + 1) // 2 + 0.5) * LINE


def cliques(mean_rank: np.ndarray, difference: float) -> list[tuple[int, int]]:
    """Largest groups of methods that do not differ, as positions of first and last.

    Parameters
    ----------
    mean_rank
        Shape (n_methods,), ascending.
    difference
        Two methods differ if their mean ranks are at least this far apart.
    """
    groups: list[tuple[int, int]] = []
    for first, lowest in enumerate(mean_rank):
        last = int(np.flatnonzero(mean_rank - lowest < difference)[-1])
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    return groups


def _draw_diagram(axes: Axes, block: pd.DataFrame, looks: dict[str, Style]) -> None:
    """Ranks on a line, best at the left; names at both sides; bars join what does not differ."""
    ranks, names = block["mean_rank"].to_numpy(), list(block["name"])
    one = block.iloc[0]
    axes.set_xlim(1, one["n_methods"])
    axes.set_ylim(-_height(block), 0)
    axes.yaxis.set_visible(False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, int(one["n_methods"]) + 1))
    groups = cliques(ranks, one["critical_difference"])
    below = 2 * MM + len(groups) * BAR
    for i, (first, last) in enumerate(groups):
        y = -(1.5 * MM + i * BAR)
        ends = [ranks[first] - 0.04, ranks[last] + 0.04]
        axes.plot(ends, [y, y], color="black", linewidth=1.6, solid_capstyle="butt", gid="clique")
    half = (len(names) + 1) // 2
    for i, (place, name) in enumerate(zip(ranks, names, strict=True)):
        at_left = i < half
        line = i if at_left else len(names) - 1 - i
        y = -(below + (line + 1) * LINE)
        edge = 1 if at_left else one["n_methods"]
        axes.plot([place, place, edge], [0, y, y], color=looks[name].colour, linewidth=0.8, clip_on=False)  # fmt: skip
        axes.annotate(
            f"{name}  {place:.2f}" if at_left else f"{place:.2f}  {name}", (edge, y),
            (-2 if at_left else 2, 0), textcoords="offset points", va="center",
            ha="right" if at_left else "left", fontsize=6, annotation_clip=False,
        )  # fmt: skip


def _draw_words(axes: Axes, one: pd.Series, clusterer: str) -> None:
    """What is ranked and by what, and the critical difference as a length of the axis."""
    difference = one["critical_difference"]
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    words = f"Input: {one['scale']} ({SCALES.get(one['scale'], 'own scale')}); ARI, {clusterer}"
    axes.annotate(words, (0, 1), (-95, 25), **place, fontsize=7, fontweight="bold")
    p = one["friedman_p"]
    test = "" if np.isnan(p) else f"; Friedman's P = {p:.2g}"
    note = (
        f"mean rank over {one['n_units']:.0f} real datasets, 1 is best; joined: less than the "
        f"critical difference {difference:.2f} apart (Nemenyi, α = {ALPHA:g}){test}"
    )
    axes.annotate(note, (0, 1), (-95, 18), **place, color=GREY, fontsize=5.5)
