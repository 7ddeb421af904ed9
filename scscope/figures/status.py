"""How the runs ended: every method on every dataset."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scscope.figures import marks
from scscope.figures.style import GREY, MM, PALE, WIDTH, styled
from scscope.figures.tables import datasets_of, entries_of, kind_of, runs_of, seeds_text, with_names
from scscope.run.status import STATUSES

LEFT, ROW, FOOT = 45 * MM, 4.2 * MM, 14 * MM  # beside, of a method, below
WIDEST, LETTER = 24 * MM, 1.35 * MM  # of a dataset, and of a letter of its name, at most
# Fill and ink by kind, apart in lightness too.
KINDS = {
    "ok": ("#D3ECE3", "black", "all ended well"),
    "partial": ("#F5D08A", "black", "some failed"),
    "failed": ("#C0392B", "white", "none ended well"),
    "not-applicable": ("#E4E4E4", "black", "does not apply"),
}
LETTERS = {
    "ok": "",
    "not_applicable": "n/a",
    "error": "E",
    "diverged": "D",
    "out_of_memory": "M",
    "timeout": "T",
}


@styled
def runs_by_method(scores: pd.DataFrame) -> Figure:
    """Draw how many runs of every method (rows) on every dataset (columns) ended how.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    """
    if scores.empty:
        return marks.empty_figure("This study has no runs with scores.")
    runs = runs_of(with_names(scores))
    entries, datasets = entries_of(runs), datasets_of(runs)
    column = min((WIDTH - LEFT - 2 * MM) / len(datasets), WIDEST)
    longest = LETTER * max(map(len, datasets))
    upright = longest > column
    height = (longest if upright else 4 * MM) + 2 * MM + len(entries) * ROW + FOOT
    figure = Figure((WIDTH, height))
    inner = (column * len(datasets) / WIDTH, len(entries) * ROW / height)
    axes = figure.add_axes((LEFT / WIDTH, FOOT / height, *inner))
    axes.set_xlim(0, len(datasets))
    axes.set_ylim(len(entries), 0)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelbottom=False, labeltop=True)
    axes.set_xticks(np.arange(len(datasets)) + 0.5, datasets, rotation=90 if upright else 0)
    axes.set_yticks(np.arange(len(entries)) + 0.5, marks.entry_names(entries))
    parts = dict(tuple(runs.groupby(["method", "dataset"])))
    for y, method in enumerate(entries["method"]):
        for x, dataset in enumerate(datasets):
            _draw_runs(axes, x, y, parts.get((method, dataset)))
    for x in range(1, len(datasets)):
        axes.axvline(x, color="white", linewidth=0.8)
    for y in range(1, len(entries)):
        axes.axhline(y, color="white", linewidth=0.8)
    _draw_legend(figure, runs)
    return figure


def _draw_runs(axes: Axes, x: int, y: int, runs: pd.DataFrame | None) -> None:
    if runs is None:
        marks.draw_cell(axes, x, y, "–", colour=PALE, ink=GREY)
        return
    colour, ink, _ = KINDS[kind_of(runs["status"])]
    marks.draw_cell(axes, x, y, counts_in_words(runs["status"]), colour=colour, ink=ink, size=5.5)


def counts_in_words(statuses: pd.Series) -> str:
    """How many runs ended how: "3", "2 · 1 T" for two that ended well and one that timed out."""
    counts = statuses.value_counts()
    known = [status for status in STATUSES if status in counts]
    return " · ".join(f"{counts[status]} {LETTERS[status]}".strip() for status in known)


def _draw_legend(figure: Figure, runs: pd.DataFrame) -> None:
    present = {kind_of(group["status"]) for _, group in runs.groupby(["method", "dataset"])}
    handles = [Patch(color=KINDS[k][0], label=KINDS[k][2]) for k in KINDS if k in present]
    y = 9.5 * MM / figure.get_figheight()
    figure.legend(
        handles=handles, loc="center left", ncols=4, bbox_to_anchor=(LEFT / WIDTH - 0.01, y)
    )
    said = [status for status in STATUSES if status in set(runs["status"]) and LETTERS[status]]
    letters = "".join(f"; {LETTERS[s]}: {s.replace('_', ' ')}" for s in said)
    words = f"Number of runs that ended well{letters}; –: not asked for; {seeds_text(runs)}"
    figure.text(LEFT / WIDTH, 3 * MM / figure.get_figheight(), words, **marks.NOTE)
