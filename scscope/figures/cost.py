"""What runs cost: wall time and peak memory of every method on every dataset."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scscope.figures import marks
from scscope.figures.style import MARKERS, MM, WIDTH, Style, styled
from scscope.figures.tables import (
    cost_as_score,
    datasets_of,
    natural,
    ordered,
    outcome,
    runs_of,
    seeds_text,
    with_names,
    words,
)

COSTS = {"seconds": "Wall time of the fit (s)", "peak_rss_mb": "Peak memory (MB)"}
LINE, FRAME, LEGEND = (
    4.4 * MM,
    12 * MM,
    3.4 * MM,
)  # heights: of a method, around, of a legend's line
COLUMNS = 4  # of the legend
SHADES = colormaps["viridis"]


@styled
def cost_by_method(scores: pd.DataFrame) -> Figure:
    """Draw seconds and peak memory of every method, on logarithmic axes, datasets by colour.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `seconds`, `peak_rss_mb` and `n_cells`.
    """
    scores = with_names(scores)
    runs = runs_of(scores[~scores["control"]])
    costs = [cost for cost in COSTS if cost in runs and runs[cost].notna().any()]
    if not costs:
        return marks.empty_figure("No run of this study ended with a time or memory.")
    entries = ordered(runs[["name", "use", "scale", "method"]].drop_duplicates("method"))
    looks = _looks(runs)
    n_lines = -(-(len(looks) + 2) // COLUMNS)
    heights = [len(entries) * LINE + FRAME, n_lines * LEGEND + 2 * MM]
    figure = Figure((WIDTH, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(2, len(costs), height_ratios=heights)
    for i, cost in enumerate(costs):
        axes = figure.add_subplot(grid[0, i])
        marks.entry_axis(axes, entries, named=i == 0)
        marks.log_axis(axes, runs[cost].dropna(), COSTS[cost])
        _draw_costs(axes, cost_as_score(runs, cost), entries, looks)
        marks.letter(axes, "ab"[i], titled=False)
        if i == len(costs) - 1:
            _name_failures(axes, runs, entries)
    rest = figure.add_subplot(grid[1, :])
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ls="none", ms=3.4, label=name)
        for name, look in looks.items()
    ]
    notes = [f"median, minimum to maximum; {seeds_text(runs)}"]
    marks.legend(rest, handles, notes, columns=COLUMNS)
    return figure


def _looks(runs: pd.DataFrame) -> dict[str, Style]:
    """Colour and marker of each dataset, those with more cells darker."""
    size = runs.groupby("dataset")["n_cells"].max()
    names = sorted(datasets_of(runs), key=lambda name: (size[name], natural(name)))
    shares = np.linspace(0.9, 0, len(names))
    return {
        name: Style(SHADES(share), MARKERS[i % len(MARKERS)])
        for i, (name, share) in enumerate(zip(names, shares, strict=True))
    }


def _draw_costs(axes: Axes, rows: pd.DataFrame, entries: pd.DataFrame, looks: dict) -> None:
    offsets = 0.8 * marks.slots(len(looks))
    parts = dict(tuple(rows.groupby(["method", "dataset"])))
    for position, method in enumerate(entries["method"]):
        for offset, (dataset, look) in zip(offsets, looks.items(), strict=True):
            part = parts.get((method, dataset))
            values = np.array([]) if part is None else outcome(part).values
            if not len(values):
                continue
            y = position + offset
            axes.plot([values.min(), values.max()], [y, y], color=look.colour, linewidth=0.6)
            axes.plot(np.median(values), y, look.marker, color=look.colour, ms=3.4, mec="white", mew=0.2)  # fmt: skip


def _name_failures(axes: Axes, runs: pd.DataFrame, entries: pd.DataFrame) -> None:
    """Beside each method the runs that have no cost, such as "× 2/3 timeout: brain_1m"."""
    for position, method in enumerate(entries["method"]):
        own = runs[runs["method"] == method]
        bad = own[own["status"] != "ok"]
        texts = []
        for status, group in bad.groupby("status"):
            names = datasets_of(group)
            where = ", ".join(names) if len(names) < 3 else f"{len(names)} datasets"
            sign = "" if status == "not_applicable" else "× "
            texts.append(f"{sign}{len(group)}/{len(own)} {words(status)}: {where}")
        place = {"transform": axes.get_yaxis_transform(), "va": "center"}
        axes.text(1.02, position, "\n".join(texts), **place, **marks.NOTE | {"fontsize": 5})
