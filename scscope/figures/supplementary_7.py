"""Supplementary Figure 7: what infection changes in the intestine, and its kinds of enterocytes."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.figures import details, marks
from scscope.figures.figure_3 import INK, draw_map
from scscope.figures.style import COLOURS, MM, WIDTH, shade, styled
from scscope.figures.tables import natural
from scscope.metrics.composition import MIN_SAMPLES
from scscope.metrics.markers import TINY

SIDES = ("distal", "proximal")
AGES = ("immature", "mature")
SUBTYPES = tuple(f"{side} {age}" for side in SIDES for age in AGES)
OTHERS = "other"
CONTROL = "Control"
GENE = "Saa1"
SMALLER = 4  # as much as a map of figure 3 has of the area of one here
MOST_GENES = 40  # as many lines fit on a page
BACKGROUND = "#E9E9E9"
MAP, BARS, LEGEND = 38 * MM, 45 * MM, 22 * MM  # heights
LINE = 4.4 * MM  # of a gene
MEANS = colormaps["YlGnBu"]


@styled
def composition_by_condition(
    scores: pd.DataFrame, *, maps: pd.DataFrame, compositions: pd.DataFrame
) -> Figure:
    """Draw where the cells of each condition lie on the map, and shares of types in each mouse.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    maps
        Places of a sample of cells, with `type` and `condition`.
    compositions
        Number of cells by sample, condition and type.
    """
    with_conditions = compositions[compositions["condition"].fillna("") != ""]
    run = details.shown_run(scores, with_conditions, maps)
    if run is None:
        return details.nothing_to_show(scores, "a composition by condition")
    cells = details.by_sample(run.of(with_conditions)).assign(
        type=lambda t: details.known_types(t["type"])
    )
    places = run.of(maps).assign(type=lambda t: details.known_types(t["type"]))
    conditions = in_order(cells["condition"])
    colours = details.type_colours([*cells["type"], *places["type"]])

    n_lines = -(-len(colours) // 4)
    figure = Figure((WIDTH, MAP + BARS + LEGEND + 4 * MM * n_lines), layout="constrained")
    grid = figure.add_gridspec(2, len(conditions), height_ratios=[MAP, BARS])
    for i, condition in enumerate(conditions):
        axes = figure.add_subplot(grid[0, i])
        _draw_condition(axes, places, condition, colours)
        if i == 0:
            marks.letter(axes, "a", titled=True)
    bars = figure.add_subplot(grid[1, :])
    _draw_mice(bars, cells, conditions, colours)
    marks.letter(bars, "b", titled=False)
    handles = details.type_marks(colours)
    place = {"loc": "upper left", "bbox_to_anchor": (0, -0.16), "borderaxespad": 0}
    bars.legend(handles=handles, ncols=4, **place)
    notes = [f"{run.title}; {run.note}", _mice_note(cells)]
    details.footnote(figure, notes)
    return figure


def in_order(conditions: pd.Series) -> list[str]:
    """Conditions, the control first."""
    return sorted(set(conditions), key=lambda name: (name != CONTROL, natural(name)))


def _draw_condition(axes: Axes, places: pd.DataFrame, condition: str, colours: dict) -> None:
    """All cells in grey, and over them those of the condition by type."""
    own = places["condition"] == condition
    for rows, colour in (
        (~own, pd.Series(BACKGROUND, places.index)),
        (own, places["type"].map(colours)),
    ):
        draw_map(axes, places[rows], colour[rows], ink=INK * rows.mean() / SMALLER)
    details.heading(axes, condition, f"{own.sum():,} of {len(places):,} cells")


def _draw_mice(axes: Axes, cells: pd.DataFrame, conditions: list[str], colours: dict) -> None:
    """Shares of types: a bar for each mouse, a wider one for the mean of the mice of a condition."""
    wide = cells.pivot_table(
        index=["condition", "sample"], columns="type", values="n_cells", aggfunc="sum", fill_value=0
    )
    shares = wide.div(wide.sum(axis=1), axis=0)
    n_cells = wide.sum(axis=1)
    x, bars = 0.0, []
    for condition in conditions:
        mice = shares.loc[condition]
        for mouse, row in mice.iterrows():
            name = str(mouse).removesuffix(f" {condition}")
            bars.append((x, 0.8, f"{name}\n{n_cells[condition, mouse]:,}", row))
            x += 1
        bars.append((x + 0.35, 1.3, f"mean of {len(mice)}\n{condition}", mice.mean()))
        x += 2
    places, widths, words, rows = zip(*bars, strict=True)
    bottom = np.zeros(len(bars))
    for name in (name for name in colours if name in shares):
        height = np.array([row[name] for row in rows])
        axes.bar(places, height, widths, bottom, color=colours[name], linewidth=0)
        bottom += height
    axes.set_xticks(places, words, fontsize=5)
    axes.set_xlim(-0.6, x - 0.7)
    axes.set_ylim(0, 1)
    axes.set_yticks(np.linspace(0, 1, 5), [0, 25, 50, 75, 100])
    axes.set_ylabel("Cells (%)")
    axes.tick_params(axis="x", length=0)


def _mice_note(cells: pd.DataFrame) -> str:
    n = cells.groupby("condition")["sample"].nunique()
    words = ", ".join(f"{name}: n = {n[name]}" for name in in_order(cells["condition"]))
    few = n.min() < MIN_SAMPLES
    return f"Mice, with their cells: {words}" + ("; descriptive: too few for a test" if few else "")


@styled
def enterocyte_markers(scores: pd.DataFrame, *, expression: pd.DataFrame) -> Figure:
    """Draw mean UMIs of the marker genes of enterocytes in their four subtypes and in other cells.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    expression
        Means of genes by group.
    """
    rows = of_subtypes(expression)
    run = details.shown_run(scores, rows)
    if run is None:
        return details.nothing_to_show(scores, "expression by subtype of enterocytes")
    rows = run.of(rows).drop_duplicates(["gene", "group"])
    means = rows.pivot(index="gene", columns="group", values="mean")
    means = means.reindex(columns=[*SUBTYPES, OTHERS])
    note = genes_note(len(by_side(means)), len(means))
    means = means.loc[by_side(means)]
    n_cells = rows.drop_duplicates("group").set_index("group")["n_cells"]

    figure = Figure((WIDTH / 2, len(means) * LINE + 34 * MM), layout="constrained")
    axes = figure.add_subplot()
    _write_means(axes, means)
    words = [f"{name.replace(' ', chr(10))}\n{_amount(n_cells, name)}" for name in means.columns]
    axes.set_xticks(np.arange(len(words)) + 0.5, words)
    details.heading(axes, run.title, "mean UMIs per cell; colour: share of the gene’s highest mean")
    details.footnote(figure, [run.note, note])
    return figure


def of_subtypes(expression: pd.DataFrame) -> pd.DataFrame:
    """Rows over all conditions of the subtypes of enterocytes and of all other cells.

    Genes without a value in any subtype are left out.
    """
    rows = expression[expression["condition"].fillna("").isin(["all", ""])]
    genes = set(rows.loc[rows["group"].isin(SUBTYPES), "gene"])
    return rows[rows["group"].isin([*SUBTYPES, OTHERS]) & rows["gene"].isin(genes)]


def by_side(means: pd.DataFrame) -> list[str]:
    """Genes, those with more in distal enterocytes first, then those with more in proximal ones.

    Of more genes than fit on a page, those that a subtype has most of in proportion to other cells.
    """
    distal, proximal = (
        means[[name for name in SUBTYPES if name.startswith(side)]].max(axis=1) for side in SIDES
    )
    ratio = (means[list(SUBTYPES)].max(axis=1) + TINY) / (means[OTHERS].fillna(0) + TINY)
    chosen = ratio.sort_values(ascending=False, kind="stable").index[:MOST_GENES]
    return sorted(chosen, key=lambda gene: (not distal[gene] > proximal[gene], natural(gene)))


def genes_note(n_shown: int, n_genes: int) -> str:
    """What to say where not all genes are shown; nothing where they are."""
    words = f"{n_shown} of {n_genes} genes: those that enterocytes have most of, relative to other cells"
    return words if n_shown < n_genes else ""


def _amount(n_cells: pd.Series, name: str) -> str:
    return f"n = {n_cells[name]:,.0f}" if name in n_cells.index else "no cells"


def _write_means(axes: Axes, means: pd.DataFrame) -> None:
    """A line for each gene: its mean in each group, on a colour between 0 and its highest mean."""
    highest = means.max(axis=1)
    for y, (gene, row) in enumerate(means.iterrows()):
        for x, mean in enumerate(row):
            if np.isnan(mean):
                details.empty_cell(axes, x, y)
            else:
                share = mean / highest[gene] if highest[gene] > 0 else 0.0
                details.write_cell(axes, x, y, _short(mean), MEANS(float(share)))
    details.cell_axis(axes, list(means.index), means.shape[1], fontstyle="italic")


def _short(mean: float) -> str:
    """Two digits, or all before the point."""
    return f"{mean:,.0f}" if mean >= 99.5 else f"{mean:.2g}"


@styled
def saa1_by_condition(scores: pd.DataFrame, *, expression: pd.DataFrame) -> Figure:
    """Draw Saa1 by condition in distal and in proximal enterocytes.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    expression
        Quantiles of the gene by group and condition, with P against the control.
    """
    rows = expression[
        (expression["gene"] == GENE) & ~expression["condition"].fillna("").isin(["all", ""])
    ]
    rows = rows[rows["group"].astype(str).str.startswith(SIDES)]
    run = details.shown_run(scores, rows)
    if run is None:
        return details.nothing_to_show(scores, f"{GENE} by condition in enterocytes")
    rows = run.of(rows)
    groups = _groups(rows["group"])
    conditions = in_order(rows["condition"])
    n_rows = -(-len(groups) // 2)
    figure = Figure((WIDTH * 0.75, n_rows * 50 * MM + 18 * MM), layout="constrained")
    cells = figure.subplots(n_rows, 2, sharey=True, squeeze=False)
    high = rows["q95"].max() or 1.0
    for axes in cells.ravel()[len(groups) :]:
        axes.axis("off")
    for axes, group in zip(cells.ravel(), groups, strict=False):
        own = rows[rows["group"] == group]
        _draw_boxes(
            axes, own, conditions, COLOURS["scscope" if group.startswith("distal") else "pca"]
        )
        axes.set_ylim(-0.03 * high, 1.35 * high)
        details.heading(axes, group)
    for axes in cells[:, 0]:
        axes.set_ylabel(f"{GENE}: log(1 + UMIs)")
    words = "UMIs of size-normalised counts; boxes: quartiles; whiskers: 5 and 95 %; point: log(1 + mean); P of t (above) and rank-sum test"
    words += f" against {CONTROL}"
    if rows["descriptive"].astype(bool).any():
        words += ", of cells: descriptive"
    details.footnote(figure, [f"{run.title}; {run.note}", words])
    return figure


def _groups(groups: pd.Series) -> list[str]:
    """Distal and proximal enterocytes as a whole if there are such groups, else their subtypes."""
    names = sorted(set(groups), key=natural)
    whole = [name for name in names if not name.endswith(AGES)]
    return whole or names


def _draw_boxes(axes: Axes, rows: pd.DataFrame, conditions: list[str], colour: str) -> None:
    stats = {"whislo": "q05", "q1": "q25", "med": "median", "q3": "q75", "whishi": "q95"}
    names = []
    for x, condition in enumerate(conditions):
        own = rows[rows["condition"] == condition]
        names.append(f"{condition}\nn = {own['n_cells'].max():,.0f}" if len(own) else condition)
        if own.empty:
            axes.text(
                x, 0.02, "no cells", transform=axes.get_xaxis_transform(), ha="center", **marks.NOTE
            )
            continue
        box = {key: own[column].iloc[0] for key, column in stats.items()}
        look = {"color": colour, "linewidth": 0.7}
        axes.bxp([box], positions=[x], widths=0.55, showfliers=False, manage_ticks=False,
                 patch_artist=True, boxprops={"facecolor": shade(colour, 0.7), "edgecolor": colour, "linewidth": 0.7},
                 medianprops={**look, "linewidth": 1.3}, whiskerprops=look, capprops=look)  # fmt: skip
        axes.plot(x, np.log1p(own["mean"].iloc[0]), "o", color=colour, markersize=2.5, mew=0)
        tested = own[own["against"] == CONTROL]
        if len(tested):
            words = f"{details.p_text(tested['p_t'].iloc[0])}\n{details.p_text(tested['p_rank_sum'].iloc[0])}"
            axes.text(
                x,
                box["whishi"],
                words + "\n",
                ha="center",
                va="bottom",
                fontsize=5,
                linespacing=1.1,
            )
    axes.set_xticks(range(len(conditions)), names, fontsize=5.5)
    axes.set_xlim(-0.6, len(conditions) - 0.4)
    axes.tick_params(axis="x", length=0)
