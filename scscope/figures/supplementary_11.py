"""Supplementary Figure 11: how long clustering takes, by number of cells."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from scscope.figures import marks
from scscope.figures.style import COLOURS, GREY, MARKERS, MM, WIDTH, Style, styled
from scscope.figures.tables import CLUSTERERS, outcome, seeds_text, with_names

METRIC = "cluster_seconds"
HEIGHT, LEGEND, LINE = 55 * MM, 8 * MM, 3.5 * MM


@styled
def seconds_by_cells(scores: pd.DataFrame) -> Figure:
    """Draw the seconds of each clusterer by number of cells, with the power law that fits them.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `n_cells`.
    """
    scores = scores[scores["metric"] == METRIC]
    if scores.empty:
        return marks.empty_figure(f"No {METRIC} in this study: name it among its metrics.")
    scores = with_names(scores)
    failures = (scores["status"] != "ok").any()
    n_series = len(scores[["name", "clusterer"]].drop_duplicates())
    legend = LEGEND + n_series * LINE
    figure = Figure((WIDTH / 2, HEIGHT + legend), layout="constrained")
    axes, rest = figure.subplots(2, height_ratios=[HEIGHT, legend])
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("Cells")
    axes.set_ylabel("Time of clustering (s)")
    counts = sorted(scores["n_cells"].unique())
    axes.set_xticks(counts, [f"{n:,}" for n in counts], rotation=35, ha="right")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.set_ylim(*marks.decade(scores["value"].dropna()))

    series = scores[["name", "clusterer"]].drop_duplicates().sort_values(["clusterer", "name"])
    colours, handles = list(COLOURS.values()), []
    for i, (name, clusterer) in enumerate(series.itertuples(index=False)):
        style = Style(colours[i % len(colours)], MARKERS[i // len(colours) % len(MARKERS)])
        rows = scores[(scores["name"] == name) & (scores["clusterer"] == clusterer)]
        words = f"{CLUSTERERS.get(clusterer, clusterer)} of {name}{_draw_times(axes, rows, style)}"
        look = {"color": style.colour, "marker": style.marker, "markersize": 2.8}
        handles.append(Line2D([], [], label=words, **look))
    notes = [f"mean, minimum to maximum; {seeds_text(scores)}"]
    if failures:
        handles.append(marks.failure_mark())
        notes += marks.not_drawn(scores)
    marks.legend(rest, handles, notes, columns=1)
    return figure


def _draw_times(axes: Axes, rows: pd.DataFrame, style: Style) -> str:
    """Points with their spread, crosses for failed runs, and the fitted power of n in words."""
    points = []
    for n_cells, group in rows.groupby("n_cells"):
        result = outcome(group)
        if len(result.values):
            points.append((n_cells, result.values.mean(), *_spread(result.values)))
        if result.failed:
            where = {"transform": axes.get_xaxis_transform(), "clip_on": False}
            axes.plot(n_cells, 0.03, "x", ms=2.6, mew=0.8, color=style.colour, **where)
            share = f"{result.failed}/{result.total}"
            axes.text(n_cells, 0.06, share, ha="center", fontsize=5, color=GREY, **where)
    if not points:
        return ""
    n, mean, below, above = np.array(points).T
    look = {"color": style.colour, "marker": style.marker, "elinewidth": 0.6, "linestyle": "none"}
    axes.errorbar(n, mean, [below, above], **look, markersize=2.8, markeredgewidth=0)
    if len(n) < 3:  # any two numbers have a power that fits
        return ""
    power, scale = np.polyfit(np.log(n), np.log(mean), 1)
    axes.plot(n, np.exp(scale) * n**power, color=style.colour, linewidth=0.6, dashes=(4, 2))
    return f": time ~ cells^{round(power, 2) + 0.0:.2f}"


def _spread(values: np.ndarray) -> tuple[float, float]:
    return values.mean() - values.min(), values.max() - values.mean()
