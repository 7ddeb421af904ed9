"""Figure 3: clusters of one set of cells on a map, their types, genes and sizes."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from scscope.datasets.brain import PAPER_CELLS
from scscope.figures import details, marks
from scscope.figures.details import HALF, Shown
from scscope.figures.style import GREY, MM, PALE, WIDTH, styled
from scscope.figures.tables import natural
from scscope.metrics.markers import MAX_P, MIN_LOG2_FOLD_CHANGE

MAP, FRAME = 70 * MM, 14 * MM  # heights: of a map, of what stands around it
LINE = 4 * MM  # of a legend, a type or a cluster
TAB = colormaps["tab20"].colors
CLUSTER_COLOURS = [*TAB[:14], *TAB[16:], *colormaps["tab20b"].colors]  # without its greys
SEEDED = 0  # the order in which points are drawn: none is always on top
INK = 8_000.0  # area of all points of a map, in square points
FOLDS = colormaps["RdBu_r"]
HIGHEST_FOLD = 4.0  # log2; larger ones have the colour of this
DOT = 26  # area of a dot, in square points, where all clusters have the gene as marker
N_TOP = 10  # genes of a cluster
MOST_CLUSTERS = 48  # as many lines fit on a page


@styled
def clusters_on_map(scores: pd.DataFrame, *, maps: pd.DataFrame) -> Figure:
    """Draw the cells of one run on their map, coloured and numbered by cluster.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    maps
        Places of a sample of cells, with `cluster` and `type`.
    """
    run = details.shown_run(scores, maps)
    if run is None:
        return details.nothing_to_show(scores, "a map of its cells")
    rows = run.of(maps).assign(cluster=lambda t: details.cluster_names(t["cluster"]))
    names = [name for name in sorted(set(rows["cluster"]), key=natural) if name != "-1"]
    colours = {n: CLUSTER_COLOURS[i % len(CLUSTER_COLOURS)] for i, n in enumerate(names)}
    figure, axes = _map_figure(0)
    draw_map(axes, rows, rows["cluster"].map(lambda name: colours.get(name, details.GREYS[""])))
    for name, group in rows.groupby("cluster"):
        if name in colours:
            _number(axes, group["x"].median(), group["y"].median(), name)
    unassigned = (rows["cluster"] == "-1").sum()
    words = f"{len(names)} clusters" + (f", {unassigned:,} in none (grey)" if unassigned else "")
    details.heading(axes, run.title, f"{len(rows):,} cells, {words}")
    details.footnote(figure, [run.note])
    return figure


@styled
def types_on_map(scores: pd.DataFrame, *, maps: pd.DataFrame) -> Figure:
    """Draw the same map, coloured by the type of each cell's cluster.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    maps
        Places of a sample of cells, with `cluster` and `type`.
    """
    run = details.shown_run(scores, maps)
    if run is None:
        return details.nothing_to_show(scores, "a map of its cells")
    rows = run.of(maps).assign(type=lambda t: details.known_types(t["type"]))
    colours = details.type_colours(rows["type"])
    figure, axes = _map_figure(-(-len(colours) // 3))
    draw_map(axes, rows, rows["type"].map(colours))
    details.heading(axes, run.title, f"{len(rows):,} cells, type of each cell’s cluster by markers")
    place = {"loc": "upper left", "bbox_to_anchor": (0, -0.02), "borderaxespad": 0}
    axes.legend(handles=details.type_marks(colours), ncols=3, columnspacing=1, **place)
    details.footnote(figure, [run.note])
    return figure


def _map_figure(n_lines: int) -> tuple[Figure, Axes]:
    figure = Figure((HALF, MAP + FRAME + n_lines * LINE), layout="constrained")
    return figure, figure.add_subplot()


def draw_map(axes: Axes, rows: pd.DataFrame, colours: pd.Series, *, ink: float = INK) -> None:
    """Cells at their places, in random order: what lies on top means nothing.

    `ink` is the area of all points together, in square points.
    """
    order = np.random.default_rng(SEEDED).permutation(len(rows))
    x, y = rows["x"].to_numpy()[order], rows["y"].to_numpy()[order]
    size = float(np.clip(ink / max(len(rows), 1), 0.3, 6))
    axes.scatter(x, y, s=size, c=list(colours.to_numpy()[order]), linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _number(axes: Axes, x: float, y: float, name: str) -> None:
    paper = {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
    axes.text(x, y, name, ha="center", va="center", fontsize=5.5, bbox=paper)


@styled
def markers_by_type(scores: pd.DataFrame, *, markers: pd.DataFrame, maps: pd.DataFrame) -> Figure:
    """Draw how the clusters of each type express the marker genes of all types.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    markers
        Fold change and P of genes in each cluster against all other cells.
    maps
        Gives the type of each cluster.
    """
    run = details.shown_run(scores, markers[markers["grouping"] == "cluster"], maps)
    if run is None:
        return details.nothing_to_show(scores, "markers of its clusters")
    types = details.cluster_types(run.of(maps))
    rows = _of_clusters(run, markers)
    genes = details.panel_genes(rows)
    if not genes:
        return details.nothing_to_show(scores, "a marker gene that was tested in every cluster")
    rows = rows.assign(type=rows["group"].map(types))[rows["gene"].isin(genes)]
    cells = rows.groupby(["type", "gene"]).agg(
        fold=("log2_fold_change", "mean"), share=("is_marker", "mean")
    )
    names = list(details.type_colours(rows["type"].dropna()))
    fold, share = (cells[name].unstack().reindex(names) for name in ("fold", "share"))
    genes = sorted(genes, key=lambda gene: (int(np.argmax(fold[gene])), natural(gene)))
    sizes = types.value_counts()

    height = len(names) * LINE + 27 * MM
    figure = Figure((WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    _dots(axes, fold[genes], share[genes])
    axes.set_yticks(range(len(names)), [f"{details.type_name(n)} ({sizes[n]})" for n in names])
    axes.set_xticks(range(len(genes)), genes, rotation=90, fontstyle="italic")
    details.heading(axes, run.title, "types, with their number of clusters, and marker genes")
    _dot_legend(figure, axes)
    details.footnote(figure, [run.note])
    return figure


def _of_clusters(run: Shown, markers: pd.DataFrame) -> pd.DataFrame:
    rows = run.of(markers)
    rows = rows[rows["grouping"] == "cluster"]
    return rows.assign(group=details.cluster_names(rows["group"]))


def _dots(axes: Axes, fold: pd.DataFrame, share: pd.DataFrame) -> None:
    """A dot for each type (row) and gene (column): colour is the fold change, area the share."""
    y, x = np.mgrid[: fold.shape[0], : fold.shape[1]]
    area = 1.5 + (DOT - 1.5) * share.to_numpy().ravel()
    axes.scatter(
        x.ravel(), y.ravel(), s=area, c=fold.to_numpy().ravel(), cmap=FOLDS,
        norm=Normalize(-HIGHEST_FOLD, HIGHEST_FOLD), edgecolors=GREY, linewidths=0.3, zorder=3,
    )  # fmt: skip
    axes.set_xlim(-0.6, fold.shape[1] - 0.4)
    axes.set_ylim(fold.shape[0] - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for line in range(0, fold.shape[0], 2):
        axes.axhspan(line - 0.5, line + 0.5, color=PALE, linewidth=0, zorder=0)


def _dot_legend(figure: Figure, axes: Axes) -> None:
    look = {"marker": "o", "linestyle": "none", "color": "white", "mec": GREY, "mew": 0.3}
    handles = [
        Line2D([], [], markersize=np.sqrt(1.5 + (DOT - 1.5) * s), label=f"{s:.0%}", **look)
        for s in (0, 0.5, 1)
    ]
    title = "clusters of the\ntype with the\ngene as marker"
    axes.legend(
        handles=handles, title=title, title_fontsize=6, loc="upper left", bbox_to_anchor=(1, 1)
    )
    _fold_bar(figure, axes, "mean log2 fold change")


def _fold_bar(figure: Figure, axes: Axes, title: str, low: float = -HIGHEST_FOLD) -> None:
    norm = Normalize(low, HIGHEST_FOLD)
    colours = FOLDS if low < 0 else colormaps["YlOrRd"]
    bar = figure.colorbar(
        ScalarMappable(norm, colours), ax=axes, location="bottom", shrink=0.25, aspect=25,
        anchor=(1, 0), pad=0.01, extend="max" if low >= 0 else "both",
    )  # fmt: skip
    bar.outline.set_visible(False)
    bar.set_label(title, fontsize=6)
    bar.ax.tick_params(width=0.5, labelsize=5)


@styled
def top_genes(scores: pd.DataFrame, *, markers: pd.DataFrame, maps: pd.DataFrame) -> Figure:
    """Write the genes that each cluster has most of, on the colour of their fold change.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    markers
        Fold change and P of genes in each cluster against all other cells.
    maps
        Gives the type of each cluster.
    """
    run = details.shown_run(scores, markers[markers["grouping"] == "cluster"], maps)
    if run is None:
        return details.nothing_to_show(scores, "markers of its clusters")
    types = details.cluster_types(run.of(maps))
    rows = _of_clusters(run, markers)
    sizes = rows.drop_duplicates("group").set_index("group")["n_cells"]
    shown = sizes.sort_values(ascending=False, kind="stable").index[:MOST_CLUSTERS]
    colours = details.type_colours(types)
    order = {name: i for i, name in enumerate(colours)}
    place = {c: (order.get(types.get(c), len(order)), -sizes[c], natural(c)) for c in shown}
    clusters = sorted(shown, key=place.get)

    figure = Figure((WIDTH, len(clusters) * LINE + 27 * MM), layout="constrained")
    axes = figure.add_subplot()
    for y, cluster in enumerate(clusters):
        _write_genes(axes, y, rows[(rows["group"] == cluster) & rows["is_marker"]])
        axes.axhspan(
            y - 0.42, y + 0.42, xmax=0.012, color=colours.get(types.get(cluster), GREY), lw=0
        )
    labels = [f"{c}  {details.type_name(types.get(c, ''))}  {sizes[c]:,.0f}" for c in clusters]
    details.cell_axis(axes, labels, N_TOP)
    axes.set_xlim(-0.15, N_TOP)
    axes.set_xticks(np.arange(N_TOP) + 0.5, range(1, N_TOP + 1))
    axes.tick_params(labeltop=True, labelbottom=False)
    figure.suptitle(run.title, x=0.012, ha="left", fontweight="bold", fontsize=7)
    _fold_bar(figure, axes, "log2 fold change", MIN_LOG2_FOLD_CHANGE)
    details.footnote(figure, [*_gene_notes(rows, sizes, len(clusters)), run.note])
    return figure


def _write_genes(axes: Axes, y: int, rows: pd.DataFrame) -> None:
    """The top genes of a cluster, the largest fold change first."""
    norm = Normalize(MIN_LOG2_FOLD_CHANGE, HIGHEST_FOLD)
    top = rows.sort_values(["log2_fold_change", "gene"], ascending=[False, True])[:N_TOP]
    for x, row in enumerate(top.itertuples()):
        share = min(float(norm(row.log2_fold_change)), 1.0)
        colour = colormaps["YlOrRd"](share)
        details.write_cell(axes, x, y, row.gene, colour, fontsize=5.5, fontstyle="italic")
    if top.empty:
        axes.text(0.1, y, "no gene above both thresholds", va="center", **marks.NOTE)


def _gene_notes(rows: pd.DataFrame, sizes: pd.Series, n_shown: int) -> list[str]:
    words = f"log2 fold change > {MIN_LOG2_FOLD_CHANGE}, rank-sum P < {MAX_P}"
    if rows["descriptive"].any():
        words += "; descriptive: the clusters come from the same values"
    if n_shown < len(sizes):
        words += f"; the {n_shown} largest of {len(sizes)} clusters"
    return [words]


@styled
def cluster_sizes(scores: pd.DataFrame, *, markers: pd.DataFrame, maps: pd.DataFrame) -> Figure:
    """Draw the share of cells in each cluster by type, the paper's beside ours.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    markers
        Gives the number of cells in each cluster.
    maps
        Gives the type of each cluster.
    """
    run = details.shown_run(scores, markers[markers["grouping"] == "cluster"], maps)
    if run is None:
        return details.nothing_to_show(scores, "clusters with types")
    rows = _of_clusters(run, markers).drop_duplicates("group")
    types = details.cluster_types(run.of(maps))
    ours = pd.DataFrame({
        "cluster": rows["group"], "type": rows["group"].map(types).fillna(""), "n_cells": rows["n_cells"],
    })  # fmt: skip
    paper = paper_clusters()
    n_ours = ours["n_cells"].sum()
    colours = details.type_colours([*ours["type"], *paper["type"]])
    ours["share"], paper["share"] = ours["n_cells"] / n_ours, paper["n_cells"] / PAPER_CELLS

    figure = Figure((WIDTH, 95 * MM), layout="constrained")
    figure.get_layout_engine().set(hspace=0.04)
    top, below = figure.subplots(2, sharey=True)
    _draw_sizes(top, ours, colours)
    _draw_sizes(below, paper, colours)
    known = pd.concat([ours["share"], paper["share"]])
    _share_axis(top, known.min(), known.max())
    words = f"{len(ours)} clusters of {n_ours:,.0f} cells"
    details.heading(top, run.title, words)
    words = f"{len(paper)} of its clusters, those with a type, of {PAPER_CELLS:,} cells"
    details.heading(below, "Paper (as printed in Fig. 3)", words)
    marks.letter(top, "a", titled=True)
    marks.letter(below, "b", titled=True)
    details.footnote(figure, [run.note])
    return figure


def paper_clusters() -> pd.DataFrame:
    """The paper's brain clusters with a type: `cluster`, `type`, `n_cells`, `genes`; all as printed."""
    path = Path(__file__).with_name("reference") / "fig3.csv"
    return pd.read_csv(path, comment="#", dtype={"cluster": str})


def _draw_sizes(axes: Axes, table: pd.DataFrame, colours: dict[str, str]) -> None:
    """A stem for each cluster, by type and from the largest to the smallest; sums by type in words."""
    x, ticks = 0, []
    for name, colour in colours.items():
        rows = table[table["type"] == name].sort_values("n_cells", ascending=False, kind="stable")
        if rows.empty:
            continue
        place = np.arange(x, x + len(rows))
        axes.vlines(place, 1e-9, rows["share"], color=colour, linewidth=1.2)
        axes.plot(place, rows["share"], "o", color=colour, markersize=3, mew=0, label=name)
        words = f"{details.type_name(name)}\n{rows['n_cells'].sum():,.0f} cells"
        look = {"color": GREY if name in details.GREYS else colour, "fontsize": 6, "va": "top"}
        axes.text(x - 0.3, 0.99, words, transform=axes.get_xaxis_transform(), **look)
        ticks += zip(place, rows["cluster"], strict=True)
        x += max(len(rows), 4) + 1
    axes.set_xticks(*zip(*ticks, strict=True), fontsize=5)
    axes.set_xlim(-1, x - 1)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("Cluster")


def _share_axis(axes: Axes, low: float, high: float) -> None:
    """Share of the cells in percent on a logarithmic scale, with room for words above."""
    axes.set_yscale("log")
    axes.set_ylim(low / 1.6, high * 12)
    for each in axes.get_figure().axes:
        each.set_ylabel("Cells (%)")
        each.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
        each.yaxis.set_minor_formatter(NullFormatter())
