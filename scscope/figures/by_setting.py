"""Scores by one setting of a method: what its entries change, one at a time."""

import json
from collections.abc import Mapping
from itertools import product
from numbers import Real
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scscope.figures import marks
from scscope.figures.style import COLOURS, GREY, MARKERS, MM, PALE, SHADES, WIDTH, Style, shade
from scscope.figures.tables import (
    CLUSTERERS,
    clusterers_of,
    cost_as_score,
    levels,
    outcome,
    rank,
    resolved,
    runs_of,
    seeds_text,
    with_names,
)

SHARES = ("ari", "ami")  # at most 1: all panels have the same axis
COSTS = ("seconds", "peak_rss_mb")
CELL, FRAME, LINE = 32 * MM, 14 * MM, 3.2 * MM  # heights: of a panel, around all, of the legend
OLD = "These scores do not say what each entry sets (column params): gather them anew."


def score_by_setting(
    scores: pd.DataFrame,
    settings: Mapping[str, str],
    measures: Mapping[str, str],
    *,
    rows: str,
    columns: str,
) -> Figure:
    """Draw scores by the value of a setting, one panel for each dataset, setting and measure.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `params`.
    settings, measures
        What to show, with the names of the axes: settings of `scscope.settings.Settings`; metrics,
        or columns of what a run took.
    rows, columns
        Which two of "dataset", "setting" and "measure" span the panels. The third has one member.
    """
    if "params" not in scores:
        return marks.empty_figure(OLD)
    scores = with_names(scores)
    scores = scores[~scores["control"]]
    entries = varied(scores)
    entries = entries[entries["setting"].isin(settings)]
    if entries.empty:
        return marks.empty_figure(
            "No two entries of this study differ in one of these settings alone:\n"
            + ", ".join(settings)
        )
    shown = scores[scores["method"].isin(entries["method"])]
    shown = pd.concat([shown, *(cost_as_score(shown, cost) for cost in COSTS if cost in measures)])
    shown = shown[shown["metric"].isin(measures)]
    if shown.empty:
        return marks.empty_figure(f"No {' or '.join(measures)} in these scores.")
    members = {
        "dataset": list(levels(shown).index),
        "setting": [name for name in settings if name in set(entries["setting"])],
        "measure": [name for name in measures if name in set(shown["metric"])],
    }
    notes = [f"mean ± s.d., {seeds_text(shown)}", f"grey: {_reference_words(entries, scores)}"]
    notes += _left_out(scores, entries) + marks.not_drawn(shown)
    figure, cells, rest = _grid(len(members[rows]), len(members[columns]), 2 + len(notes))
    looks = _looks(shown)
    failures = (shown["status"] != "ok").any()
    for (i, row), (j, column) in product(enumerate(members[rows]), enumerate(members[columns])):
        place = {name: found[0] for name, found in members.items()} | {rows: row, columns: column}
        axes = cells[i][j]
        values = _value_table(shown, entries, **place)
        _axes(axes, values, place["measure"], failures=failures)
        _draw_cell(axes, values, looks)
        if i == len(members[rows]) - 1:
            axes.set_xlabel(settings[place["setting"]])
        if i == 0 and columns != "setting":
            marks.column_title(axes, *_title(shown, columns, column, measures))
        if j == 0:
            axes.set_ylabel(_row_words(place, rows, columns, measures))
            if failures:
                marks.name_failures(axes)
        if i == 0 and columns == "setting":
            marks.letter(axes, ascii_lowercase[j], titled=False)
        elif j == 0 and columns != "setting":
            marks.letter(axes, ascii_lowercase[i], titled=i == 0)
    _draw_legend(rest, looks, notes, failures=failures)
    return figure


def varied(scores: pd.DataFrame) -> pd.DataFrame:
    """Entries by the one setting in which each differs from the reference.

    The reference is the entry from which most others differ in exactly one setting; of several, the
    one with the fewest parameters of its own. Entries that differ from it in more than one, or in
    method or scale, stand on no axis.

    Parameters
    ----------
    scores
        Tidy scores without controls, with `method`, `use`, `scale` and `params`.

    Returns
    -------
    pd.DataFrame
        Columns `setting`, `value`, `method`, `is_reference`: for each setting that is varied, one
        row for the reference and one for each entry that differs from it in this setting alone,
        in ascending order of the value.
    """
    entries = scores.drop_duplicates("method").set_index("method")
    own = {name: json.loads(params or "{}") for name, params in entries["params"].items()}
    full = {name: _all_settings(entries.loc[name], own[name]) for name in own}
    changed = {
        name: {other: _difference(full[name], full[other]) for other in full} for name in full
    }

    def suits(name: str) -> tuple:
        return sum(len(keys) == 1 for keys in changed[name].values()), -len(own[name])

    rows = []
    reference = max(full, key=suits, default=None)
    singles = {k: keys[0] for k, keys in changed.get(reference, {}).items() if len(keys) == 1}
    for setting in dict.fromkeys(singles.values()):
        group = [reference, *(name for name in singles if singles[name] == setting)]
        rows += [(setting, full[name].get(setting), name, name == reference) for name in group]
    table = pd.DataFrame(rows, columns=["setting", "value", "method", "is_reference"])
    order = sorted(table.index, key=lambda i: (table["setting"][i], *_number(table["value"][i])))
    return table.loc[order].reset_index(drop=True)


def _all_settings(entry: pd.Series, own: dict) -> dict:
    """What decides a fit; of a preset all that it stands for, in place of its name."""
    about = {"use": entry["use"], "scale": entry["scale"]}
    if entry["use"] in ("scscope", "ae"):
        own = {name: value for name, value in own.items() if name != "preset"} | resolved(
            entry["use"], own
        )
    return own | about


def _difference(first: dict, second: dict) -> list[str]:
    return [key for key in {**first, **second} if first.get(key) != second.get(key)]


def _number(value) -> tuple:
    """Sort key: numbers by size, then anything else by its name."""
    return (0, value, "") if isinstance(value, Real) else (1, 0, str(value))


def _reference_words(entries: pd.DataFrame, scores: pd.DataFrame) -> str:
    reference = entries.loc[entries["is_reference"], "method"].iloc[0]
    name = scores.loc[scores["method"] == reference, "name"].iloc[0]
    return f"{name} [{reference}], from which each other entry differs in one setting"


def _left_out(scores: pd.DataFrame, entries: pd.DataFrame) -> list[str]:
    names = scores.loc[~scores["method"].isin(entries["method"]), "name"].drop_duplicates()
    return [f"not on these axes: {', '.join(names)}"] if len(names) else []


def _grid(n_rows: int, n_columns: int, n_lines: int) -> tuple[Figure, list[list[Axes]], Axes]:
    """Axes of the panels, no wider than they need to be, and of the legend below."""
    heights = [CELL] * n_rows + [-(-n_lines // 2) * LINE + 3 * MM]
    figure = Figure((WIDTH, sum(heights) + FRAME), layout="constrained")
    figure.get_layout_engine().set(w_pad=1 * MM, h_pad=0.8 * MM, wspace=0.02, hspace=0.04)
    grid = figure.add_gridspec(len(heights), n_columns, height_ratios=heights)
    cells = [[figure.add_subplot(grid[i, j]) for j in range(n_columns)] for i in range(n_rows)]
    return figure, cells, figure.add_subplot(grid[-1, :])


def _looks(scores: pd.DataFrame) -> dict[str, Style]:
    """Shade and marker of each clusterer; what needs none, "", has the plain ones."""
    names = clusterers_of(scores)
    return {"": Style(GREY, "o")} | {
        name: Style(shade(COLOURS["scscope"], SHADES[i % len(SHADES)]), MARKERS[i % len(MARKERS)])
        for i, name in enumerate(names)
    }


def _value_table(
    scores: pd.DataFrame, entries: pd.DataFrame, *, dataset: str, setting: str, measure: str
) -> pd.DataFrame:
    """Scores of one panel with `value_of_setting`, all positions in `attrs`."""
    own = entries[entries["setting"] == setting].reset_index(drop=True)
    rows = scores[(scores["dataset"] == dataset) & (scores["metric"] == measure)]
    rows = rows.assign(
        position=rows["method"].map(dict(zip(own["method"], own.index, strict=True)))
    )
    rows = rows.dropna(subset="position")
    rows.attrs = {"ticks": list(own["value"]), "reference": int(np.argmax(own["is_reference"]))}
    return rows


def _axes(axes: Axes, rows: pd.DataFrame, measure: str, *, failures: bool) -> None:
    ticks = rows.attrs["ticks"]
    axes.set_xlim(-0.5, len(ticks) - 0.5)
    axes.set_xticks(range(len(ticks)), [_tick(value) for value in ticks])
    axes.tick_params(axis="x", length=0)
    reference = rows.attrs["reference"]
    axes.axvspan(reference - 0.5, reference + 0.5, color=shade(PALE, -0.04), linewidth=0, zorder=0)
    values = rows.loc[rows["status"] == "ok", "value"].dropna()
    low = min(0.0, values.min()) if len(values) else 0.0
    high = 1.0 if measure in SHARES or values.empty else marks.round_above(_highest(rows))
    marks.value_axis(axes, low, high, failures=failures)


def _highest(rows: pd.DataFrame) -> float:
    spread = rows.groupby(["method", "clusterer"])["value"].agg(["mean", "std"]).fillna(0)
    return max(spread.sum(axis=1).max(), rows["value"].max())


def _tick(value) -> str:
    return f"{value:g}" if isinstance(value, Real) else str(value)


def _draw_cell(axes: Axes, rows: pd.DataFrame, looks: dict[str, Style]) -> None:
    """The seeds of each clusterer, and mean ± s.d., connected over the values of the setting."""
    present = sorted(set(rows["clusterer"]), key=lambda name: rank(name, CLUSTERERS))
    for offset, clusterer in zip(0.6 * marks.slots(len(present)), present, strict=True):
        look, points = {"color": looks[clusterer].colour, "marker": looks[clusterer].marker}, []
        for position, group in rows[rows["clusterer"] == clusterer].groupby("position"):
            values, x = outcome(group).values, position + offset
            if len(values):
                seeds = {"linestyle": "none", "markersize": 1.6, "mew": 0, "alpha": 0.4}
                axes.plot(np.full(len(values), x), values, **look, **seeds)
                points.append((x, values.mean(), values.std(ddof=1) if len(values) > 1 else 0))
        if points:
            x, mean, sd = np.array(points).T
            axes.errorbar(x, mean, sd, **look, elinewidth=0.6, ms=3.2, mec="white", mew=0.3)
    for position, group in runs_of(rows).groupby("position"):
        marks.mark_failures(axes, position, outcome(group), Style(GREY, "x"), rotation=0)
    if rows["value"].isna().all():
        axes.text(0.5, 0.6, "no value", transform=axes.transAxes, ha="center", **marks.NOTE)


def _row_words(place: dict[str, str], rows: str, columns: str, measures: Mapping) -> str:
    """What the panels of a row share: dataset, measure, or both."""
    shared = {"dataset": place["dataset"], "measure": measures[place["measure"]]}
    return "\n".join(
        shared[kind] for kind in shared if kind != columns and (kind == rows or kind == "measure")
    )


def _title(scores: pd.DataFrame, kind: str, name: str, measures: Mapping) -> tuple[str, str]:
    """What the panels of a column share, in bold, and in grey the sparsity of a dataset."""
    if kind == "measure":
        return measures[name].replace("\n", " "), ""
    level = levels(scores)[name]
    return name, "" if np.isnan(level) else f"{level:.0f} % zeros"


def _draw_legend(axes: Axes, looks: dict, notes: list[str], *, failures: bool) -> None:
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, ms=3.2, label=CLUSTERERS.get(n, n))
        for n, look in looks.items()
        if n
    ]
    if failures:
        handles.append(marks.failure_mark())
    marks.legend(axes, handles, notes, columns=2)
