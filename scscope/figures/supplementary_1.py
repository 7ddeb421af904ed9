"""Supplementary Figure 1: what training on several GPUs gains in time, and whether it costs accuracy."""

import json
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from scscope.figures import marks
from scscope.figures.style import (
    COLOURS,
    DASHES,
    GREY,
    MARKERS,
    MM,
    RESERVE,
    WIDTH,
    Style,
    shade,
    styled,
)
from scscope.figures.tables import (
    CLUSTERERS,
    METHODS,
    clusterers_of,
    cost_as_score,
    natural,
    outcome,
    paper_values,
    seeds_text,
    setting,
    with_names,
)

ROW, FRAME = 36 * MM, 16 * MM


@styled
def speed_by_devices(scores: pd.DataFrame) -> Figure:
    """Draw speed-up, time and ARI by number of GPUs, after the paper's speed-up and time.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label` and `params`, of which `n_devices` is one (1 if it is
        not named). Entries that differ in nothing else are one curve.
    """
    scores = scores.assign(n_devices=setting(scores, "n_devices", 1), curve=_curves(scores))
    several = scores.groupby("curve")["n_devices"].transform("nunique") > 1
    scores = with_names(scores[several & ~scores["control"].astype(bool)])
    if scores.empty:
        return marks.empty_figure(
            "No entries of this study differ in their number of devices alone."
        )
    scores["name"] = _names(scores)
    colours = [*COLOURS.values(), *RESERVE]
    names = sorted(set(scores["name"]), key=natural)
    looks = {
        name: Style(colours[i % len(colours)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(names)
    }
    datasets = sorted(set(scores["dataset"]), key=natural)
    clusterers = clusterers_of(scores[scores["metric"] == "ari"])
    times = cost_as_score(scores, "seconds")
    figure, cells, rest = _grid(len(clusterers), len(datasets))
    high = max(_draw_paper(cells[0][0], cells[1][0]), scores["n_devices"].max())
    failures = bool((times["status"] != "ok").any())
    for j, dataset in enumerate(datasets, 1):
        own = scores[scores["dataset"] == dataset]
        column = [cells[i][j] for i in range(len(cells))]
        _draw_speed(column[0], times[times["dataset"] == dataset], looks, high, failures=failures)
        _draw_minutes(column[1], times[times["dataset"] == dataset], looks)
        for axes, clusterer in zip(column[2:], clusterers, strict=True):
            rows = own[(own["metric"] == "ari") & (own["clusterer"] == clusterer)]
            _draw_ari(axes, rows, looks, failures=failures)
            axes.set_ylabel(f"ARI\n{CLUSTERERS.get(clusterer, clusterer)}" if j == 1 else "")
        counts = sorted(own["n_cells"].unique())
        words = " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))
        marks.column_title(column[0], f"This run: {dataset}", f"{words} cells")
    _finish_axes(cells, sorted(set(scores["n_devices"]) | {1, 4}), failures=failures)
    _draw_legend(rest, times, looks)
    return figure


def _curves(scores: pd.DataFrame) -> list[str]:
    """What the entry of each row is but for its devices: use, scale and other parameters."""
    params = scores.get("params", pd.Series("", index=scores.index))
    others = [
        {name: value for name, value in json.loads(text or "{}").items() if name != "n_devices"}
        for text in params
    ]
    parts = zip(scores["use"], scores["scale"], others, strict=True)
    return [json.dumps(part, sort_keys=True) for part in parts]


def _names(scores: pd.DataFrame) -> pd.Series:
    """Name of the curve of each row: its method, with the first entry's name where that is not enough."""
    curves = scores.sort_values("n_devices").drop_duplicates("curve").set_index("curve")
    title = curves["use"].map(lambda use: METHODS.get(use, use))
    alike = title.duplicated(keep=False)
    return scores["curve"].map(title.where(~alike, title + " [" + curves["method"] + "]"))


def _grid(n_clusterers: int, n_datasets: int) -> tuple[Figure, list[list[Axes]], Axes]:
    """Rows of axes, the paper's first in the first two, and the legend below these."""
    n_rows = 2 + max(n_clusterers, 1)
    figure = Figure((WIDTH, n_rows * ROW + FRAME), layout="constrained")
    figure.get_layout_engine().set(w_pad=1 * MM, h_pad=0.8 * MM, wspace=0.03, hspace=0.03)
    grid = figure.add_gridspec(n_rows, 1 + n_datasets)
    drawn = [[figure.add_subplot(grid[i, j]) for j in range(1 + n_datasets)] for i in range(2)]
    below = range(2, 2 + n_clusterers)
    drawn += [
        [None, *(figure.add_subplot(grid[i, j]) for j in range(1, 1 + n_datasets))] for i in below
    ]
    return figure, drawn, figure.add_subplot(grid[2:, 0])


def _draw_paper(speed: Axes, minutes: Axes) -> float:
    """Curves of the paper by number of cells; return the highest speed-up."""
    table = paper_values("fig1b")
    table = table[table["use"] == "scscope"]
    sizes = sorted(table["n_cells"].unique())
    for i, n in enumerate(sizes):
        rows = table[table["n_cells"] == n].sort_values("n_devices")
        seconds = rows["seconds"].to_numpy()
        colour = shade(COLOURS["scscope"], 0.75 - 0.75 * i / (len(sizes) - 1))
        look = {"color": colour, "marker": "o", "markersize": 2.8, "label": f"{n:,}"}
        speed.plot(rows["n_devices"], seconds[0] / seconds, **look)
        minutes.plot(rows["n_devices"], seconds / 60, **look)
    marks.column_title(speed, "Paper (digitised)", "Deng et al. 2019, Fig. 1b, other hardware")
    one, four = (table[table["n_devices"] == n]["seconds"].to_numpy() for n in (1, 4))
    return float((one / four).max())


def _draw_speed(
    axes: Axes, times: pd.DataFrame, looks: dict[str, Style], high: float, *, failures: bool
) -> None:
    """Mean time on the fewest devices over mean time on each number of them."""
    marks.value_axis(axes, 0, float(np.ceil(high)), failures=failures)
    for name, rows in times.groupby("name"):
        _mark_failures(axes, rows, looks[name])
        known = rows[rows["status"] == "ok"].groupby("n_devices")["value"].mean().dropna()
        if rows["n_devices"].min() in known.index:
            gain = known.iloc[0] / known
            axes.plot(gain.index, gain, **_look(looks[name]), label=name)


def _draw_minutes(axes: Axes, times: pd.DataFrame, looks: dict[str, Style]) -> None:
    """Mean time with bars from the fastest to the slowest."""
    for name, rows in times.groupby("name"):
        groups = rows[rows["status"] == "ok"].dropna(subset="value").groupby("n_devices")["value"]
        mean, low, high = (part / 60 for part in (groups.mean(), groups.min(), groups.max()))
        if len(mean):
            bars = [mean - low, high - mean]
            axes.errorbar(mean.index, mean, bars, **_look(looks[name]), elinewidth=0.6, label=name)


def _draw_ari(axes: Axes, rows: pd.DataFrame, looks: dict[str, Style], *, failures: bool) -> None:
    """ARI of every seed, and the line of the means."""
    marks.value_axis(
        axes, min(0.0, rows["value"].min()) if len(rows) else 0.0, 1, failures=failures
    )
    if rows.empty:
        axes.text(0.5, 0.5, "no labels", transform=axes.transAxes, ha="center", **marks.NOTE)
    for name, own in rows.groupby("name"):
        _mark_failures(axes, own, looks[name])
        good = own[own["status"] == "ok"].dropna(subset="value")
        mean = good.groupby("n_devices")["value"].mean()
        axes.plot(mean.index, mean, color=looks[name].colour, linewidth=0.7, label=name)
        points = {**_look(looks[name]), "linestyle": "none", "alpha": 0.6}
        axes.plot(good["n_devices"], good["value"], **points)


def _mark_failures(axes: Axes, rows: pd.DataFrame, look: Style) -> None:
    for n_devices, group in rows.groupby("n_devices"):
        marks.mark_failures(axes, n_devices, outcome(group), look)


def _look(style: Style) -> dict:
    return {"color": style.colour, "marker": style.marker, "markersize": 2.8, "markeredgewidth": 0}


def _finish_axes(cells: list[list[Axes]], devices: list[int], *, failures: bool) -> None:
    """Scales, labels and letters that do not depend on the curves."""
    for i, row in enumerate(cells):
        for j, axes in enumerate(row):
            if axes is None:
                continue
            axes.set_xlim(min(devices) - 0.4, max(devices) + 0.6)
            axes.set_xticks(devices)
            axes.set_xlabel("GPUs" if i == len(cells) - 1 or (j == 0 and i == 1) else "")
    for j, axes in enumerate(cells[0]):
        ideal = {"color": GREY, "linewidth": 0.6, "dashes": DASHES[0], "zorder": 1}
        axes.plot(devices, np.array(devices) / min(devices), **ideal, label="ideal")
        if j == 0:
            marks.value_axis(axes, 0, float(np.ceil(max(devices))), failures=False)
    _share_log_scale(cells[1])
    for axes in cells[1]:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    _name_sizes(cells[1][0])
    for row, label in ((cells[0], "Speed-up"), (cells[1], "Time (min)")):
        row[0].set_ylabel(label)
        row[1].set_ylabel(label)
    firsts = [cells[0][0], cells[1][0], *(row[1] for row in cells)]
    for letter, axes in zip(ascii_lowercase, firsts, strict=False):
        marks.letter(axes, letter, titled=axes in cells[0])
    if failures:
        for row in (cells[0], *cells[2:]):
            marks.name_failures(row[1])


def _share_log_scale(row: list[Axes]) -> None:
    """One logarithmic scale for the times of all panels, over a factor of ten at least."""
    for axes in row:
        axes.set_yscale("log")
    ends = [axes.get_ylim() for axes in row if axes.lines]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    widen = max(1.0, np.sqrt(10 * low / high))
    for axes in row:
        axes.set_ylim(low / widen, high * widen)


def _name_sizes(axes: Axes) -> None:
    """Say at the right end of each of the paper's curves how many cells it is of."""
    low, high = np.log(axes.get_ylim())
    ends = sorted((np.log(line.get_ydata()[-1]), line.get_label()) for line in axes.lines)
    heights = marks.spread([(end - low) / (high - low) for end, _ in ends], 0.075)
    for height, (_, name) in zip(heights, ends, strict=True):
        place = {"transform": axes.transAxes, "va": "center", **marks.NOTE}
        axes.text(0.91, height, f"{name} cells", **place | {"fontsize": 5})


def _draw_legend(axes: Axes, times: pd.DataFrame, looks: dict[str, Style]) -> None:
    handles = [Line2D([], [], label=name, **_look(look)) for name, look in looks.items()]
    ideal = {"color": GREY, "linewidth": 0.6, "dashes": DASHES[0]}
    handles.append(Line2D([], [], label="n times as fast on n GPUs", **ideal))
    if (times["status"] != "ok").any():
        handles.append(marks.failure_mark())
    notes = [
        f"This run: {seeds_text(times)}",
        "time: mean, minimum to maximum",
        "ARI: seeds, line of means",
    ]
    marks.legend(axes, handles, notes, columns=1)
