"""What panels have in common: the sparsity axis, controls, failed runs, legends."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from scscope.figures.style import DASHES, GREY, MM, PALE, WIDTH, Style
from scscope.figures.tables import Outcome, entry_text, outcome

BAND = 0.23  # share of an axis, at its bottom, that is kept for failed runs
SPREAD = 0.84  # share of a level that its methods fill
LETTER = "letter"  # id of the letters of panels
NOTE = {"fontsize": 6, "color": GREY}
STAMP = "stamp"  # id of the words across a figure of data that stand for others


def empty_figure(message: str) -> Figure:
    """A figure that says why nothing is drawn."""
    figure = Figure((WIDTH / 2, 20 * MM))
    figure.text(0.5, 0.5, message, ha="center", va="center", color=GREY)
    return figure


def stamp(figure: Figure, words: str) -> None:
    """Write words across a whole figure, over all that it shows but so that this can be read."""
    width, height = 72 * figure.get_size_inches()
    angle = min(np.arctan2(height, width), np.pi / 6)
    # A letter is about 0.6 of its size wide.
    size = min(0.85 * width / np.cos(angle) / (0.6 * len(words)), 0.5 * height, 40)
    look = {"color": "#A61B1B", "alpha": 0.22, "fontweight": "bold", "fontsize": size}
    place = {"ha": "center", "va": "center", "rotation": np.degrees(angle), "zorder": 100}
    figure.text(0.5, 0.5, words, **look, **place, gid=STAMP)


def slots(n: int) -> np.ndarray:
    """Offsets of `n` methods that stand side by side in a level of width 1, shape (n,)."""
    return (np.arange(n) - (n - 1) / 2) * SPREAD / max(n, 1)


def level_axis(axes: Axes, levels: pd.Series) -> None:
    """One position for each dataset, in ascending order of its sparsity."""
    ticks = [name if np.isnan(level) else f"{level:.0f}" for name, level in levels.items()]
    axes.set_xlim(-0.5, len(levels) - 0.5)
    axes.set_xticks(range(len(levels)), ticks)
    axes.tick_params(axis="x", length=0)
    for position in range(1, len(levels), 2):
        axes.axvspan(position - 0.5, position + 0.5, color=PALE, linewidth=0, zorder=0)
    if levels.notna().all():
        axes.set_xlabel("Zeros in the data (%)")


def value_axis(axes: Axes, low: float, high: float, *, failures: bool) -> None:
    """Show `low` to `high`, with a band for failed runs below where there are any."""
    margin = 0.04 * (high - low)
    bottom = low - margin
    if failures:
        bottom -= BAND / (1 - BAND) * (high + margin - bottom)
    axes.set_ylim(bottom, high + margin)
    axes.spines["left"].set_bounds(low, high)
    ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    axes.set_yticks(ticks[(ticks >= low) & (ticks <= high + 1e-9)])


def round_above(highest: float) -> float:
    """A round number that is not below `highest`, for the upper end of an axis; 1 if it is 0."""
    step = 10 ** np.floor(np.log10(highest)) / 2 if highest > 0 else 1
    return float(np.ceil(highest / step) * step) or 1.0


def highest_mean(rows: pd.DataFrame) -> float:
    """Upper end of an axis: the largest mean + s.d. of a method on a dataset, at a round number."""
    spread = rows.groupby(["method", "dataset"])["value"].agg(["mean", "std"]).fillna(0)
    return round_above(spread.sum(axis=1).max())


def draw_means(axes: Axes, rows: pd.DataFrame, levels: pd.Series, looks: dict[str, Style]) -> None:
    """Mean ± s.d. over seeds of each method, side by side in each level, with its failed runs."""
    names = [name for name in looks if name in set(rows["name"])]
    for offset, name in zip(slots(len(names)), names, strict=True):
        style, points = looks[name], []
        for dataset, group in rows[rows["name"] == name].groupby("dataset"):
            result, x = outcome(group), levels.index.get_loc(dataset) + offset
            mark_failures(axes, x, result, style)
            if len(result.values):
                sd = result.values.std(ddof=1) if len(result.values) > 1 else 0
                points.append((x, result.values.mean(), sd))
        if points:
            x, mean, sd = np.array(sorted(points)).T
            look = {"color": style.colour, "marker": style.marker, "elinewidth": 0.6}
            axes.errorbar(x, mean, sd, **look, markersize=2.8, markeredgewidth=0, label=name)


def draw_cell(
    axes: Axes, x: int, y: int, text: str, *, colour: str | tuple, ink: str, size: float = 6
) -> None:
    """A square of a matrix, one wide, with its upper left corner at (x, y), and words in it."""
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, linewidth=0))
    axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=size, color=ink)


def entry_names(entries: pd.DataFrame) -> list[str]:
    """Name of each entry (with `name` and `scale`), with its scale unless the name says it."""
    return [entry_text(*entry) for entry in zip(entries["name"], entries["scale"], strict=True)]


def entry_axis(axes: Axes, entries: pd.DataFrame, *, named: bool) -> None:
    """A line for each entry (with `name` and `scale`), from the top, named by both."""
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_yticks(range(len(entries)), entry_names(entries) if named else [])
    axes.tick_params(axis="y", length=0)
    for position in range(1, len(entries), 2):
        axes.axhspan(position - 0.5, position + 0.5, color=PALE, linewidth=0, zorder=0)
    axes.spines["left"].set_visible(False)


def decade(values: pd.Series) -> tuple[float, float]:
    """Ends of a logarithmic axis: all values, over a factor of ten at least, so that it has a number."""
    if values.empty:
        return 1.0, 10.0
    low, high = values.min() / 1.3, values.max() * 1.3
    widen = max(1.0, np.sqrt(10 / (high / low)))
    return low / widen, high * widen


def log_axis(axes: Axes, values: pd.Series, label: str) -> None:
    """A logarithmic horizontal axis over all values, with two numbers at least."""
    axes.set_xscale("log")
    low, high = decade(values)
    axes.set_xlim(low, high)
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if high / low < 300 else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def name_failures(axes: Axes) -> None:
    """Label the band of failed runs where the axis has its numbers."""
    axes.yaxis.labelpad = 14  # the word stands where the label of the axis would be
    axes.text(-0.03, BAND / 2, "failed", transform=axes.transAxes, ha="right", va="center", **NOTE)


def mark_failures(
    axes: Axes, x: float, result: Outcome, style: Style, *, rotation: int = 90
) -> None:
    """A cross with failed / all runs, such as "2/3" or "all", or "n/a" where the method does not apply."""
    where = {"transform": axes.get_xaxis_transform(), "clip_on": False}
    text = {"fontsize": 5, "color": style.colour, "rotation": rotation, "ha": "center", "va": "top"}
    if result.failed:
        share = "all" if result.failed == result.total else f"{result.failed}/{result.total}"
        axes.plot(x, BAND - 0.045, "x", ms=2.6, mew=0.8, color=style.colour, **where)
        axes.text(x, BAND - 0.08, share, **text, **where)
    elif result.skipped:
        axes.text(x, BAND - 0.04, "n/a", **text, **where)


def reference_lines(
    axes: Axes, rows: pd.DataFrame, levels: pd.Series, *, named: bool, by: str = "dataset"
) -> None:
    """Mean of each control at each level: dashed grey lines, named at their right end.

    `by` is the column of `rows` that holds the levels.
    """
    ends = []
    for i, (name, group) in enumerate(rows.groupby("name")):
        values = {level: outcome(part).values for level, part in group.groupby(by)}
        mean = [np.mean(v) if len(v := values.get(d, [])) else np.nan for d in levels.index]
        known = np.flatnonzero(~np.isnan(mean))
        if not len(known):
            continue
        x = np.array([-0.5, *known, len(levels) - 0.5])
        y = np.array([mean[known[0]], *np.array(mean)[known], mean[known[-1]]])
        axes.plot(x, y, color=GREY, linewidth=0.6, dashes=DASHES[i % len(DASHES)], zorder=1)
        ends.append((y[-1], name))
    if not named or not ends:
        return
    ends.sort()
    low, high = axes.get_ylim()
    heights = spread([(y - low) / (high - low) for y, _ in ends], 0.075)
    for height, (_, name) in zip(heights, ends, strict=True):
        axes.text(1.02, height, name, transform=axes.transAxes, va="center", **NOTE)


def spread(heights: list[float], gap: float) -> list[float]:
    """Move ascending heights apart, as little as needed, until they differ by `gap`."""
    heights = list(heights)
    for _ in range(100):
        pairs = [i for i in range(len(heights) - 1) if heights[i + 1] - heights[i] < gap - 1e-6]
        for i in pairs:
            push = (gap - (heights[i + 1] - heights[i])) / 2
            heights[i] -= push
            heights[i + 1] += push
        if not pairs:
            break
    return heights


def letter(axes: Axes, text: str, *, titled: bool) -> None:
    """Name a panel by a bold letter at its upper left corner, level with its title if it has one."""
    letter_at(axes, text, -33 / 72, titled=titled)


def letter_at(axes: Axes, text: str, x: float, *, titled: bool) -> None:
    """The same `x` inches to the right of the corner, where names of any length stand at the left."""
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    look = {"fontsize": 8, "fontweight": "bold", "gid": LETTER}
    axes.annotate(text, (0, 1), (72 * x, 12 if titled else 2), **place, **look)


def column_title(axes: Axes, first: str, second: str) -> None:
    """Title of one or two lines: what, and in grey how."""
    place = {"xycoords": "axes fraction", "textcoords": "offset points", "annotation_clip": False}
    axes.annotate(first, (0, 1), (0, 12 if second else 4.5), **place, fontweight="bold")
    axes.annotate(second, (0, 1), (0, 4.5), **place, **NOTE)


def legend(axes: Axes, handles: list, notes: list[str], *, columns: int) -> None:
    """A legend in an axis of its own; notes are entries without a mark, after all others."""
    axes.axis("off")
    blank = [Line2D([], [], linestyle="none", label=note) for note in notes]
    axes.legend(handles=handles + blank, loc="upper left", ncols=columns, borderaxespad=0)


def failure_mark() -> Line2D:
    """Legend entry of failed runs."""
    look = {"marker": "x", "markersize": 2.6, "markeredgewidth": 0.8, "linestyle": "none"}
    return Line2D([], [], color=GREY, label="runs failed / all", **look)


def control_mark() -> Line2D:
    """Legend entry of controls."""
    return Line2D([], [], color=GREY, linewidth=0.6, dashes=DASHES[0], label="control")


def not_drawn(rows: pd.DataFrame) -> list[str]:
    """Names of entries without any value in `rows`, with the reason.

    Controls are named only where they failed: most are made for one kind of score.
    """
    notes = []
    for name, group in rows.groupby("name"):
        result = outcome(group)
        if not len(result.values) and not (group["control"].all() and not result.failed):
            status = ", ".join(sorted(set(group["status"]) - {"ok"})) or "no value"
            notes.append(f"{name}: {status.replace('_', ' ')}")
    return notes
