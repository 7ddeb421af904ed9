"""Supplementary Figure 5: cell types of the retina, their markers, and their shares by microscopy."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from scscope.cluster.result import GIVEN
from scscope.datasets.retina import JEON_1998
from scscope.figures import details, marks
from scscope.figures.overview import draw_entries, draw_spread
from scscope.figures.style import GREY, MARKERS, MM, PALE, WIDTH, Style, styled, styles
from scscope.figures.tables import (
    CLUSTERERS,
    clusterers_of,
    natural,
    ordered,
    scales_of,
    seeds_text,
    with_names,
)
from scscope.metrics.composition import share_correlation

METRICS = {"ari": "ARI, all cells", "ari_rest": "ARI, without rods", "n_clusters": "Clusters"}
RODS = "rods"
LABELS = "published labels"  # the shares of the data's own labels
SHADES = colormaps["YlGnBu"]
DARKEST = 100.0  # -log10 P; larger ones have the colour of this
OF_COUNTS = "P"  # marker of methods whose scale has no other
LINE, FRAME = 4.2 * MM, 24 * MM  # heights: of a method, around all


@styled
def agreement_and_clusters(scores: pd.DataFrame, *, datasets: pd.DataFrame) -> Figure:
    """Draw the ARI and the number of clusters of every method, with the known number.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    datasets
        Table of datasets, with `n_labels`.
    """
    scores = with_names(scores)
    scores = scores[scores["metric"].isin(METRICS)]
    methods = scores[~scores["control"]]
    if methods.empty:
        return marks.empty_figure(f"None of {', '.join(METRICS)} is a metric of this study.")
    entries, clusterers = _entries(methods), clusterers_of(methods)
    names = sorted(set(methods["dataset"]), key=natural)
    metrics = [metric for metric in METRICS if metric in set(methods["metric"])]
    height = len(names) * (len(entries) * LINE + 13 * MM) + 14 * MM
    figure = Figure((WIDTH, height), layout="constrained")
    axes = figure.subplots(len(names), len(metrics), squeeze=False)
    for row, dataset in zip(axes, names, strict=True):
        known = datasets.loc[datasets["dataset"].astype(str) == dataset, "n_labels"].max()
        for each, metric in zip(row, metrics, strict=True):
            own = methods[(methods["dataset"] == dataset) & (methods["metric"] == metric)]
            marks.entry_axis(each, entries, named=each is row[0])
            _metric_axis(each, own, metric, known)
            drawn = own[own["status"] == "ok"]
            draw_entries(each, drawn, entries, clusterers, styles(methods))
        _name_failures(row[0], methods[methods["dataset"] == dataset], entries)
        details.heading(row[0], dataset)
    notes = [f"{seeds_text(methods)}; small: seeds, large: mean ± s.d.; ×: runs failed / all"]
    named = [
        (CLUSTERERS.get(name, name), marker)
        for name, marker in zip(clusterers, MARKERS, strict=False)
    ]
    _legend(figure, named)
    details.footnote(figure, [*notes, "; ".join(details.failures(methods))])
    return figure


def _entries(methods: pd.DataFrame) -> pd.DataFrame:
    return ordered(methods[["name", "use", "scale", "method"]].drop_duplicates("method"))


def _name_failures(axes: Axes, methods: pd.DataFrame, entries: pd.DataFrame) -> None:
    """Add to the names of entries how many of their runs failed: "scVI (counts) × 1/3"."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    for i, method in enumerate(entries["method"]):
        runs = methods[methods["method"] == method].drop_duplicates("seed")
        n = (runs["status"] != "ok").sum()
        names[i] += f"  × {n}/{len(runs)}" if n else ""
    axes.set_yticks(range(len(names)), names)


def _metric_axis(axes: Axes, rows: pd.DataFrame, metric: str, n_labels: float) -> None:
    axes.set_xlabel(METRICS[metric])
    if metric != "n_clusters":
        axes.set_xlim(min(-0.05, rows["value"].min(skipna=True) - 0.02), 1.04)
        return
    axes.set_xlim(0, 1.15 * np.nanmax([rows["value"].max(), n_labels, 1]))
    if n_labels > 0:
        axes.axvline(n_labels, color=GREY, linewidth=0.6, dashes=(4, 2), zorder=1)
        place = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom"}
        axes.text(n_labels, 1.01, f"{n_labels:.0f} known", **place, **marks.NOTE)


def _legend(
    figure: Figure, shapes: list[tuple[str, str]], lines: dict[str, str] | None = None
) -> None:
    """What markers, and lines of some colour, stand for; in one line above all axes."""
    look = {"color": GREY, "linestyle": "none", "markersize": 3.6, "markeredgewidth": 0}
    handles = [
        Line2D([], [], color=colour, linewidth=1.4, label=name)
        for name, colour in (lines or {}).items()
    ]
    handles += [Line2D([], [], marker=marker, label=name, **look) for name, marker in shapes]
    if handles:
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))


@styled
def marker_significance(scores: pd.DataFrame, *, markers: pd.DataFrame) -> Figure:
    """Write how significant each type's markers are in the clusters of that type, by method.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    markers
        Fold change and P of genes in each type against all other cells.
    """
    scores = with_names(scores)
    methods = scores[~scores["control"]]
    rows = markers[(markers["grouping"] == "type") & markers["method"].isin(methods["method"])]
    rows, dataset, clusterer = _one_clusterer(rows[details.known_types(rows["group"]) != ""])
    genes = details.panel_genes(rows)
    rows = rows[rows["gene"].isin(genes)]
    if rows.empty:
        return details.nothing_to_show(scores, "markers that were tested in all types")
    rows = rows[rows["group"] == rows["gene"].map(details.own_type(rows))]
    value = details.minus_log10(rows["p"]).where(rows["log2_fold_change"] > 0, 0)
    found = rows.assign(value=value).groupby(["method", "seed", "group"])["value"].median()
    wide = found.unstack("group")
    wide = wide[list(details.type_colours(wide.columns))]
    entries = _entries(methods[methods["dataset"] == dataset])

    figure = Figure((WIDTH, len(entries) * LINE + 32 * MM), layout="constrained")
    axes = figure.add_subplot()
    for y, entry in enumerate(entries.itertuples()):
        _write_significance(axes, y, wide[wide.index.get_level_values("method") == entry.method])
    details.cell_axis(axes, marks.entry_names(entries), wide.shape[1] + 1)
    columns = [*(name.replace(" ", "\n") for name in wide.columns), "mean\nof types"]
    axes.set_xticks(np.arange(len(columns)) + 0.485, columns)
    axes.axvline(wide.shape[1] - 0.015, color="white", linewidth=3)
    words = f"{CLUSTERERS.get(clusterer, clusterer)}, −log10 P of a type’s markers, their median"
    details.heading(axes, dataset, words)
    own = methods[methods["dataset"] == dataset]
    words = "mean over seeds; in brackets: seeds that have the type, where not all have it; "
    words += "descriptive: the types were given by these genes"
    details.footnote(figure, [f"{seeds_text(own)}; {words}", "; ".join(details.failures(own))])
    return figure


def _one_clusterer(table: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    """Rows of the first dataset and clusterer that a table of details has, with their names."""
    clusterers = clusterers_of(table)
    if not clusterers:
        return table[:0], "", ""
    rows = table[table["clusterer"] == clusterers[0]]
    dataset = min(set(rows["dataset"]), key=natural)
    return rows[rows["dataset"] == dataset], dataset, clusterers[0]


def _write_significance(axes: Axes, y: int, rows: pd.DataFrame) -> None:
    """A cell for each type, over the seeds that have it, and the mean in which others count 0."""
    if rows.empty:
        axes.text(0.05, y, "no run with types", va="center", **marks.NOTE)
        return
    for x, name in enumerate(rows.columns):
        n = rows[name].notna().sum()
        if n:
            seeds = "" if n == len(rows) else f" ({n}/{len(rows)})"
            _write_value(axes, x, y, rows[name].mean(), seeds)
        else:
            details.empty_cell(axes, x, y)
    _write_value(axes, rows.shape[1], y, rows.fillna(0).to_numpy().mean(), "")


def _write_value(axes: Axes, x: int, y: int, value: float, seeds: str) -> None:
    colour = SHADES(0.9 * min(value / DARKEST, 1.0))
    details.write_cell(
        axes, x, y, f"{value:.3g}{seeds}" if value < 100 else f"{value:.0f}{seeds}", colour
    )


@styled
def shares_without_rods(scores: pd.DataFrame, *, compositions: pd.DataFrame) -> Figure:
    """Draw shares of types, among all but rods, beside those by microscopy.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    compositions
        Number of cells by type.
    """
    return _shares(scores, compositions, [name for name in JEON_1998 if name != RODS])


@styled
def shares_of_all_types(scores: pd.DataFrame, *, compositions: pd.DataFrame) -> Figure:
    """Draw shares of all types beside those by microscopy.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    compositions
        Number of cells by type.
    """
    return _shares(scores, compositions, list(JEON_1998))


def _shares(scores: pd.DataFrame, compositions: pd.DataFrame, types: list[str]) -> Figure:
    """Shares among `types`, and how they go along with microscopy, by method; one clusterer."""
    scores = with_names(scores)
    methods = scores[~scores["control"]]
    cells = details.pooled(compositions)
    cells = cells[cells["type"].isin(types)]
    given = cells[cells["clusterer"] == GIVEN]
    cells, dataset, clusterer = _one_clusterer(cells[cells["method"].isin(methods["method"])])
    if cells.empty:
        return details.nothing_to_show(scores, "shares of types that microscopy has")
    shares = _as_shares(cells, types)
    labels = _as_shares(given[given["dataset"] == dataset], types)[:1]
    entries, looks = _entries(methods), styles(methods)
    reference = pd.Series(JEON_1998)[types] / pd.Series(JEON_1998)[types].sum()

    shapes = dict(zip(scales_of(methods), MARKERS, strict=False))
    height = max(66 * MM, (len(entries) + 1) * LINE + FRAME)
    figure = Figure((WIDTH, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    _draw_shares(left, shares, labels, reference, entries, (looks, shapes))
    _draw_correlations(right, shares, labels, reference, entries, looks)
    details.heading(
        left, dataset, f"{CLUSTERERS.get(clusterer, clusterer)}, shares among these types"
    )
    details.heading(right, "Agreement over types", "circle: Pearson, square: Spearman")
    lines = {"microscopy (Jeon et al. 1998)": "black"} | ({LABELS: GREY} if len(labels) else {})
    if set(entries["scale"]) - set(shapes):
        shapes["counts"] = OF_COUNTS
    _legend(figure, [(f"input: {scale}", marker) for scale, marker in shapes.items()], lines)
    own = methods[methods["dataset"] == dataset]
    words = f"{seeds_text(own)}; types that were not found have share 0 and stand at the lower end"
    details.footnote(figure, [words, "; ".join(details.failures(own))])
    return figure


def _as_shares(cells: pd.DataFrame, types: list[str]) -> pd.DataFrame:
    """Shares between 0 and 1: a row for each method and seed, a column for each type."""
    wide = cells.pivot_table(
        index=["method", "seed"], columns="type", values="n_cells", aggfunc="sum"
    )
    wide = wide.reindex(columns=types).fillna(0)
    return wide.div(wide.sum(axis=1), axis=0)


def _draw_shares(axes: Axes, shares, labels, reference: pd.Series, entries, look) -> None:
    """Mean shares by type, microscopy as a black line; logarithmic, since types differ so much."""
    looks, shapes = look
    floor = reference.min() / 10
    for position, name in enumerate(reference.index):
        wide = [position - 0.46, position + 0.46]
        axes.plot(wide, [reference[name]] * 2, color="black", linewidth=1.4, solid_capstyle="butt")
        if position % 2:
            axes.axvspan(position - 0.5, position + 0.5, color=PALE, linewidth=0, zorder=0)
    known = [e for e in entries.itertuples() if e.method in shares.index.get_level_values(0)]
    x = np.arange(len(reference))
    for offset, entry in zip(marks.slots(len(known)), known, strict=True):
        values, colour = shares.loc[entry.method], looks[entry.name].colour
        low, mean, high = (getattr(values, f)().clip(lower=floor) for f in ("min", "mean", "max"))
        axes.vlines(x + offset, low, high, color=colour, linewidth=0.6)
        marker = shapes.get(entry.scale, OF_COUNTS)
        axes.plot(x + offset, mean, marker, color=colour, ms=2.8, mew=0, label=entry.name)
    if len(labels):
        y = np.maximum(labels.iloc[0], floor)
        axes.plot(x, y, "_", color=GREY, markersize=18, mew=1.2, label=LABELS, zorder=1)
    _percent_axis(axes, floor)
    axes.set_xlim(-0.5, len(x) - 0.5)
    axes.set_xticks(x, [name.replace(" ", "\n") for name in reference.index])
    axes.tick_params(axis="x", length=0)


def _percent_axis(axes: Axes, floor: float) -> None:
    axes.set_yscale("log")
    axes.set_ylim(floor * 0.85, 1.2)
    axes.set_ylabel("Cells (%)")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_correlations(axes: Axes, shares, labels, reference: pd.Series, entries, looks) -> None:
    """Pearson's (circle) and Spearman's (square) correlation of every method, seeds and mean."""
    given = pd.DataFrame({"name": ["labels"], "scale": ["published"], "method": [""]})
    lines = pd.concat([entries, given])
    marks.entry_axis(axes, lines, named=True)
    low = 0.0
    kinds = {"o": False, "s": True}  # marker: by ranks
    for position, entry in enumerate(lines.itertuples()):
        own = shares[shares.index.get_level_values(0) == entry.method] if entry.method else labels
        colour = looks.get(entry.name, Style(GREY, "o")).colour
        for offset, (marker, by_ranks) in zip((-0.17, 0.17), kinds.items(), strict=True):
            each = [share_correlation(row, reference, rank=by_ranks) for _, row in own.iterrows()]
            values = np.array([value for value in each if not np.isnan(value)])
            if len(values):
                draw_spread(axes, values, position + offset, colour, marker)
                low = min(low, values.min())
        if not len(own):
            axes.text(0.03, position, "no run with clusters", va="center", **marks.NOTE)
    axes.set_xlim(low - 0.05, 1.05)
    axes.set_xlabel("Correlation with microscopy")
