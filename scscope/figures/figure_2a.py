"""Figure 2a: how well batches mix, what is left of the types, and what the correction takes."""

from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scscope.figures import marks
from scscope.figures.overview import NAME_LINE, draw_controls, draw_entries
from scscope.figures.style import COLOURS, GREY, MARKERS, MM, WIDTH, styled, styles
from scscope.figures.tables import (
    CLUSTERERS,
    METHODS,
    clusterers_of,
    cost_as_score,
    natural,
    ordered,
    paper_values,
    seeds_text,
    with_names,
)

LABELS = {
    "batch_entropy": "Entropy of batches\n(0 unmixed, 1 evenly mixed)",
    "ari": "ARI with the labels",
    "seconds": "Time of the whole fit (s)",
}
LINE, FRAME, PAPER, LEGEND = 4.5 * MM, 18 * MM, 34 * MM, 8 * MM  # heights
RANGE = {"batch_entropy": (-0.02, 1.04), "ari": (-0.05, 1.04)}


@styled
def mixing_of_batches(scores: pd.DataFrame) -> Figure:
    """Draw entropy of batches, ARI and time of every entry, with and without correction.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`: metrics `batch_entropy` and `ari`, and `seconds`.
    """
    scores = with_names(scores)
    with_batches = scores.loc[scores["metric"] == "batch_entropy", "dataset"]
    scores = scores[scores["dataset"].isin(with_batches)]
    methods = scores[~scores["control"]]
    if methods.empty:
        return marks.empty_figure("No entropy of batches: no dataset of this study has batches.")
    tables = {name: scores[scores["metric"] == name] for name in ("batch_entropy", "ari")}
    tables["seconds"] = cost_as_score(methods, "seconds")
    shown = [name for name in LABELS if not tables[name].empty]
    entries = ordered(methods[["name", "use", "scale", "method"]].drop_duplicates("method"))
    datasets = sorted(set(methods["dataset"]), key=natural)
    figure, paper, cells, rest = _grid(len(datasets), len(shown), len(entries))
    _draw_paper(*paper)
    for i, dataset in enumerate(datasets):
        for j, name in enumerate(shown):
            axes, table = cells[i][j], tables[name]
            rows = table[table["dataset"] == dataset]
            _draw_scores(axes, rows, name, entries, styles(methods), len(shown))
            marks.letter(axes, ascii_lowercase[2 + i * len(shown) + j], titled=True)
        above = 5 + NAME_LINE if scores["control"].any() else 5
        look = {"loc": "left", "fontweight": "bold", "pad": above}
        cells[i][0].set_title(f"This run: {dataset}", **look)
        marks.entry_axis(cells[i][0], entries, named=True)
    _draw_legend(rest, scores, clusterers_of(tables["ari"]))
    return figure


def _grid(
    n_datasets: int, n_columns: int, n_entries: int
) -> tuple[Figure, tuple[Axes, Axes], list[list[Axes]], Axes]:
    """Two axes of the paper, a line of axes for each dataset, and the legend."""
    heights = [PAPER, *[n_entries * LINE + FRAME] * n_datasets, LEGEND]
    figure = Figure((WIDTH, sum(heights)), layout="constrained")
    figure.get_layout_engine().set(w_pad=1.5 * MM, h_pad=1 * MM, wspace=0.03, hspace=0.02)
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    top = grid[0].subgridspec(1, 2)
    below = [grid[1 + i].subgridspec(1, n_columns) for i in range(n_datasets)]
    cells = [[figure.add_subplot(line[j]) for j in range(n_columns)] for line in below]
    paper = figure.add_subplot(top[0]), figure.add_subplot(top[1])
    return figure, paper, cells, figure.add_subplot(grid[-1])


def _draw_scores(
    axes: Axes, rows: pd.DataFrame, name: str, entries: pd.DataFrame, looks: dict, n_columns: int
) -> None:
    marks.entry_axis(axes, entries, named=False)
    axes.set_xlabel(LABELS[name])
    if name == "seconds":
        marks.log_axis(axes, rows["value"].dropna(), LABELS[name])
    else:
        low, high = RANGE[name]
        axes.set_xlim(min(low, rows["value"].min(skipna=True) - 0.02), high)
        axes.set_xticks(np.linspace(0, 1, 6))
    draw_controls(axes, rows[rows["control"]], WIDTH / n_columns)
    draw_entries(axes, rows, entries, clusterers_of(rows) or [""], looks)


def _draw_paper(entropy: Axes, seconds: Axes) -> None:
    table = paper_values("fig2a").rename(columns={"median": "med"})
    order = [*METHODS.values(), "Uncorrected"]
    names = [name for name in order if name in set(table["method"])]
    colours = {METHODS[use]: colour for use, colour in COLOURS.items()}
    boxes = table[table["quantity"] == "entropy"].set_index("method")
    times = table[table["quantity"] == "seconds"].set_index("method")["med"]
    for line, name in enumerate(names):
        _draw_box(entropy, boxes.loc[name], line, colours.get(name, GREY))
        if name in times.index:
            look = {"color": colours[name], "markersize": 3.6}
            without, with_correction = times.loc[name]
            seconds.plot([without, with_correction], [line, line], "-", **look)
            seconds.plot(without, line, "o", **look, markerfacecolor="white", label="without")
            seconds.plot(with_correction, line, "o", **look, label="with")
    lines = pd.DataFrame({"name": names, "scale": ""})
    for axes in (entropy, seconds):
        marks.entry_axis(axes, lines, named=False)
    entropy.set_yticks(range(len(names)), names)
    entropy.set_xlabel("Entropy of another definition, not stated (more is said to be better)")
    words = "Time (s), other hardware: open without, filled with correction"
    marks.log_axis(seconds, times, words)
    marks.column_title(entropy, "Paper (digitised)", "Deng et al. 2019, 100 replicates")
    for axes, letter in ((entropy, "a"), (seconds, "b")):
        marks.letter(axes, letter, titled=True)


def _draw_box(axes: Axes, row: pd.Series, line: int, colour: str) -> None:
    axes.bxp(
        [row[["q1", "med", "q3"]].to_dict() | {"whislo": row["low"], "whishi": row["high"]}],
        positions=[line],
        widths=0.6,
        orientation="horizontal",
        showfliers=False,
        showcaps=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "edgecolor": colour, "linewidth": 0.3},
        medianprops={"color": "white", "linewidth": 0.8, "solid_capstyle": "butt"},
        whiskerprops={"color": colour, "linewidth": 0.6},
        zorder=3,
    )


def _draw_legend(axes: Axes, scores: pd.DataFrame, clusterers: list[str]) -> None:
    look = {"color": GREY, "linestyle": "none", "markersize": 3.6, "markeredgewidth": 0}
    handles = [
        Line2D(
            [], [], marker=MARKERS[i % len(MARKERS)], label=f"ARI: {CLUSTERERS.get(c, c)}", **look
        )
        for i, c in enumerate(clusterers)
    ]
    if scores["control"].any():
        handles.append(marks.control_mark())
    notes = [f"This run: mean ± s.d., {seeds_text(scores[~scores['control']])}"]
    marks.legend(axes, handles, notes, columns=5)
