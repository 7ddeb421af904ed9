"""Figure 1b: run time by number of cells, the paper's beside ours, and memory."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from scscope.figures import marks
from scscope.figures.by_level import PAPER_LOOKS, with_scales
from scscope.figures.style import GREY, MM, WIDTH, Style, styled, styles
from scscope.figures.tables import (
    METHODS,
    Outcome,
    applicable,
    cost_as_score,
    outcome,
    paper_values,
    seeds_text,
)

ROW, FRAME, ENTRY = 46 * MM, 22 * MM, 3.1 * MM  # heights: of a panel, around all, in the legend
STRIP, LINE = 4 * MM, 2.8 * MM  # heights: around the strip of failed runs, of a method in it
APART = 1.5  # least factor between numbers of cells that are named
SEVERAL = "scScope, 4 GPUs"  # a curve of the paper
TIMES = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36_000: "10 h"}


@styled
def cost_by_cells(scores: pd.DataFrame) -> Figure:
    """Draw run time and peak memory of every method by number of cells, after the paper's time.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`, `n_cells`, `seconds` and `peak_rss_mb`.
    """
    scores = with_scales(scores)
    scores = scores[~scores["control"]]
    if scores.empty:
        return marks.empty_figure("No runs in this study.")
    lost = marks.not_drawn(cost_as_score(scores, "seconds"))
    runs = applicable(scores)
    times, memory = (cost_as_score(runs, cost) for cost in ("seconds", "peak_rss_mb"))
    memory["value"] /= 1024
    paper, looks = _paper(), styles(runs)
    bad = [runs.loc[runs["status"] != "ok", "name"].nunique() for runs in (paper, times)]
    figure, axes = _grid(max(bad), len(looks) + len(METHODS) + len(lost))
    both = pd.concat([paper, times])
    limits = marks.decade(both["n_cells"]), marks.decade(both["value"].dropna())
    counts = sorted(set(paper["n_cells"]) | set(times["n_cells"]))
    paper_looks = PAPER_LOOKS | {SEVERAL: Style(PAPER_LOOKS["scScope"].colour, "^")}

    _draw_costs(axes["paper"], paper, paper_looks, *limits)
    _draw_costs(axes["ours"], times, looks, *limits)
    _draw_costs(axes["memory"], memory, looks, limits[0], marks.decade(memory["value"].dropna()))
    axes["memory"].set_ylabel("Peak memory (GiB)")
    axes["memory"].yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    for name in ("paper", "ours"):
        axes[name].set_ylabel("Run time")
        axes[name].set_yticks(list(TIMES), TIMES.values())
        axes[name].grid(axis="y", color=GREY, alpha=0.3, linewidth=0.4)
    _draw_failures(axes["paper strip"], paper, paper_looks, limits[0], "no value")
    _draw_failures(axes["ours strip"], times, looks, limits[0], "failed")
    for name in ("paper strip", "ours strip", "memory"):
        _name_counts(axes[name], counts)
    names = times.sort_values("n_cells")["dataset"].tolist()
    marks.column_title(axes["paper"], "Paper (digitised)", "Deng et al. 2019, other hardware")
    marks.column_title(axes["ours"], "This run", f"{names[0]} to {names[-1]}")
    for name, letter in (("paper", "a"), ("ours", "b"), ("memory", "c")):
        marks.letter(axes[name], letter, titled=name != "memory")
    _draw_legend(axes["legend"], times, looks, lost)
    return figure


def _grid(n_failed: int, n_entries: int) -> tuple[Figure, dict[str, Axes]]:
    """Axes by name, with room for `n_failed` methods with failed runs and a legend of `n_entries`."""
    heights = [ROW, STRIP + n_failed * LINE, max(ROW, n_entries * ENTRY)]
    figure = Figure((WIDTH, sum(heights) + FRAME), layout="constrained")
    figure.get_layout_engine().set(w_pad=1 * MM, h_pad=0.8 * MM, wspace=0.02, hspace=0.01)
    names = [["paper", "ours"], ["paper strip", "ours strip"], ["legend", "memory"]]
    return figure, figure.subplot_mosaic(names, height_ratios=heights)


def _paper() -> pd.DataFrame:
    """The paper's times as runs; what it does not show has the status "not shown"."""
    table = paper_values("fig1b")
    several = table["n_devices"] > 1
    name = table["use"].map(METHODS).where(~several, SEVERAL)
    shown = table["seconds"].notna().map({True: "ok", False: "not shown"})
    return table.assign(name=name, status=shown, value=table["seconds"], seed=0)


def _draw_costs(
    axes: Axes, runs: pd.DataFrame, looks: dict[str, Style], x: tuple, y: tuple
) -> None:
    """Means of the good runs of each method, with bars from the least to the most."""
    axes.set(xscale="log", yscale="log", xlim=x, ylim=y)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelbottom=False)
    for name in (name for name in looks if name in set(runs["name"])):
        by_cells = runs[runs["name"] == name].groupby("n_cells")
        known = [(n, outcome(group).values) for n, group in by_cells]
        known = [(n, values) for n, values in known if len(values)]
        if known:
            n = [n for n, _ in known]
            mean = np.array([values.mean() for _, values in known])
            low, high = ([f(values) for _, values in known] for f in (np.min, np.max))
            look = {"color": looks[name].colour, "marker": looks[name].marker, "elinewidth": 0.6}
            look |= {"markersize": 3, "markeredgewidth": 0, "label": name}
            dashes = {"linestyle": "--"} if name == SEVERAL else {}
            axes.errorbar(n, mean, [mean - low, high - mean], **look, **dashes)


def _draw_failures(
    axes: Axes, runs: pd.DataFrame, looks: dict[str, Style], x: tuple, word: str
) -> None:
    """A line for each method with failed runs: a cross at each size, with failed / all if not all."""
    failed = set(runs.loc[runs["status"] != "ok", "name"])
    names = [name for name in looks if name in failed]
    axes.set(xscale="log", xlim=x, ylim=(len(names) - 0.4, -1.6))
    axes.set_yticks(range(-1, len(names)), [f"{word}:" if names else f"{word}: none", *names])
    axes.tick_params(axis="y", labelsize=5)
    axes.get_yticklabels()[0].set(color=GREY, fontsize=6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    for line, name in enumerate(names):
        for n, group in runs[runs["name"] == name].groupby("n_cells"):
            _draw_end(axes, n, line, outcome(group), looks[name].colour)


def _draw_end(axes: Axes, n: float, line: int, result: Outcome, colour: str) -> None:
    look = {"color": colour, "fontsize": 5, "va": "center_baseline"}
    if result.failed:
        axes.plot(n, line, "x", color=colour, ms=2.6, mew=0.8, clip_on=False)
        if result.failed < result.total:
            share = f"{result.failed}/{result.total}"
            place = {"xytext": (3, 0), "textcoords": "offset points"}
            axes.annotate(share, (n, line), **place, **look, annotation_clip=False)
    elif result.skipped:
        axes.text(n, line, "n/a", ha="center", **look)


def _name_counts(axes: Axes, counts: list) -> None:
    """Numbers of cells below the axis; one that is too close to the last stays without a name."""
    names, last = [], 0.0
    for n in counts:
        named = n >= APART * last
        names.append(f"{n:,}" if named else "")
        last = n if named else last
    axes.set_xlabel("Cells")
    axes.set_xticks(counts, names, rotation=35, ha="right")
    axes.tick_params(labelbottom=True)


def _draw_legend(axes: Axes, runs: pd.DataFrame, looks: dict[str, Style], lost: list[str]) -> None:
    def line(look: Style, name: str, **more) -> Line2D:
        mark = {"color": look.colour, "marker": look.marker, "markersize": 3, "mew": 0}
        return Line2D([], [], label=name, **mark, **more)

    handles = [line(look, name) for name, look in looks.items()]
    absent = set(METHODS) - set(runs["use"])
    handles += [
        line(PAPER_LOOKS[name], f"{name} (paper only)")
        for use, name in METHODS.items()
        if use in absent
    ]
    several = Style(PAPER_LOOKS["scScope"].colour, "^")
    handles.append(line(several, f"{SEVERAL} (paper only)", linestyle="--"))
    if (runs["status"] != "ok").any():
        handles.append(marks.failure_mark())
    notes = [f"This run: mean, minimum to maximum; {seeds_text(runs)}", *lost]
    marks.legend(axes, handles, notes, columns=1)
