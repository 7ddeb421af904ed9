"""Scores of every method by an ordered level, such as a number of genes, the paper's beside ours."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from scscope.figures import marks
from scscope.figures.style import COLOURS, MM, WIDTH, Style, styles
from scscope.figures.tables import (
    CLUSTERERS,
    METHODS,
    applicable,
    clusterers_of,
    of_clusterer,
    outcome,
    seeds_text,
    setting,
    with_names,
)

ROW, LINE, FRAME = 38 * MM, 3.1 * MM, 18 * MM  # heights: of a panel, of a legend's line, around all
LEGEND_COLUMNS = 2  # of a legend beside the paper's values; one below all has twice as many
PAPER_LOOKS = {name: Style(COLOURS[use], "o") for use, name in METHODS.items()}
MIN_BOX = 5  # fewer values are shown themselves: they have no quartiles to speak of


@dataclass(frozen=True)
class Axis:
    """What the horizontal axis says: its label, and how it writes a level."""

    label: str
    write: Callable[[float], str] = "{:g}".format


@dataclass(frozen=True)
class Paper:
    """The paper's values and what they are.

    Parameters
    ----------
    values
        `use`, `level`, `value` (NaN: it failed), and `q1`, `q3`, `low`, `high` where it has boxes.
    label
        Of the vertical axis.
    note
        Second line of the title.
    """

    values: pd.DataFrame
    label: str
    note: str


def page_by_level(
    scores: pd.DataFrame,
    axis: Axis,
    *,
    rows: dict[str, str],
    columns: dict[str, tuple[str, str]],
    paper: Paper | None = None,
    high: float | None = None,
) -> Figure:
    """Draw scores by level in a grid of panels on equal axes, after the paper's.

    Parameters
    ----------
    scores
        Scores with `name`, `level`, and `row` and `column`: where in the grid they belong.
    axis
        The horizontal axis.
    rows
        Label of the vertical axis of each row.
    columns
        Title, in two lines, of each column.
    paper
        The paper's values, where they are known.
    high
        Upper end of all vertical axes; by default that of the values.
    """
    lost = marks.not_drawn(scores)
    scores = applicable(scores)
    methods = scores[~scores["control"]]
    looks = styles(methods)
    failures = bool((methods["status"] != "ok").any())
    shown = () if paper is None else paper.values["use"]
    handles = legend_entries(scores, looks, shown, failures=failures)
    notes = [f"This run: {seeds_text(methods)}", *lost]
    figure, first, cells, rest = _page(
        len(rows), len(columns), len(handles) + len(notes), paper=paper is not None
    )
    limits = _limits(scores, paper, high)
    if first is not None:
        _draw_paper(first, paper, axis, limits)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            axes, of_column = cells[i][j], scores[scores["column"] == column]
            levels = levels_of(of_column)
            level_axis(axes, levels, axis)
            marks.value_axis(axes, *limits, failures=failures)
            part, last = of_column[of_column["row"] == row], j == len(columns) - 1
            draw_scores(axes, part[~part["control"]], levels, looks)
            marks.reference_lines(axes, part[part["control"]], levels, named=last, by="level")
    _name_panels(cells, list(rows.values()), list(columns.values()), first, failures=failures)
    wide = paper is None or len(rows) == len(columns) == 1
    marks.legend(rest, handles, notes, columns=LEGEND_COLUMNS * (2 if wide else 1))
    return figure


def _name_panels(
    cells: list[list[Axes]],
    rows: list[str],
    columns: list[tuple[str, str]],
    first: Axes | None,
    *,
    failures: bool,
) -> None:
    """Labels at the left and below, titles above, and letters, the first of them the paper's."""
    for axes, title in zip(cells[0], columns, strict=True):
        marks.column_title(axes, *title)
    for line in cells[:-1]:
        for axes in line:
            axes.set_xlabel("")
    letters = ascii_lowercase[int(first is not None) :]
    for i, (line, label) in enumerate(zip(cells, rows, strict=True)):
        line[0].set_ylabel(label)
        marks.letter(line[0], letters[i], titled=i == 0)
        if failures:
            marks.name_failures(line[0])
        for axes in line[1:]:
            axes.tick_params(labelleft=False)


def page_by_simulation(
    scores: pd.DataFrame,
    datasets: pd.DataFrame,
    axis: Axis,
    *,
    label: str,
    paper: Paper | None = None,
) -> Figure:
    """Draw an ARI by a setting of the simulation: one column per latent dimension of it.

    Parameters
    ----------
    scores
        Scores of one metric.
    datasets
        Their datasets, with `level`, NaN where a dataset has none.
    axis, paper
        As for `page_by_level`.
    label
        Of the vertical axes.
    """
    if scores["control"].all():
        return marks.empty_figure(f"No {label} in these scores: no method has one.")
    known = datasets.assign(n_latent=setting(datasets, "n_latent")).drop_duplicates("dataset")
    known = known.dropna(subset=["level", "n_latent"]).set_index("dataset")
    scores = with_scales(scores[scores["dataset"].isin(known.index)])
    if scores["control"].all():
        return marks.empty_figure(
            f"No dataset of this study was simulated with a setting for:\n{axis.label}."
        )
    scores = scores.assign(
        level=scores["dataset"].map(known["level"]),
        column=scores["dataset"].map(known["n_latent"]).map("{:g}".format),
    )
    scores, rows = rows_of_clusterers(scores, label)
    columns = sorted(set(scores["column"]), key=float)
    titles = {p: (f"This run: P = {p}", "latent dimension") for p in columns}
    return page_by_level(scores, axis, rows=rows, columns=titles, paper=paper, high=1)


def rows_of_clusterers(scores: pd.DataFrame, label: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """Scores with the clusterer as `row`, and the label of each; true labels stand in every row."""
    clusterers = clusterers_of(scores) or [""]
    parts = [of_clusterer(scores, name).assign(row=name) for name in clusterers]
    rows = {name: f"{label}\n{CLUSTERERS.get(name, name)}".rstrip() for name in clusterers}
    return pd.concat(parts, ignore_index=True), rows


def _page(
    n_rows: int, n_columns: int, n_entries: int, *, paper: bool
) -> tuple[Figure, Axes | None, list[list[Axes]], Axes]:
    """Axes of the paper, of ours, and of the legend: below, where one panel of ours is beside."""
    if paper and n_rows * n_columns > 1:
        return paper_page(n_rows, n_columns, n_entries)
    n_beside = n_columns + paper
    heights = [ROW] * n_rows + [ceil(n_entries / (2 * LEGEND_COLUMNS)) * LINE]
    figure = _figure(heights)
    grid = figure.add_gridspec(len(heights), n_beside, height_ratios=heights)
    panels = [[figure.add_subplot(grid[i, j]) for j in range(n_beside)] for i in range(n_rows)]
    first = panels[0].pop(0) if paper else None
    return figure, first, panels, figure.add_subplot(grid[-1, :])


def paper_page(
    n_rows: int, n_columns: int, n_entries: int
) -> tuple[Figure, Axes, list[list[Axes]], Axes]:
    """Axes of the paper, of ours (rows x columns) below, and of the legend beside the paper."""
    heights = [max(ROW, ceil(n_entries / LEGEND_COLUMNS) * LINE), n_rows * ROW]
    figure = _figure(heights)
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    top, ours = grid[0].subgridspec(1, 2), grid[1].subgridspec(n_rows, n_columns)
    paper = figure.add_subplot(top[0])
    cells = [[figure.add_subplot(ours[i, j]) for j in range(n_columns)] for i in range(n_rows)]
    return figure, paper, cells, figure.add_subplot(top[1])


def _figure(heights: list[float]) -> Figure:
    figure = Figure((WIDTH, sum(heights) + FRAME), layout="constrained")
    figure.get_layout_engine().set(w_pad=1 * MM, h_pad=0.8 * MM, wspace=0.01, hspace=0.03)
    return figure


def _limits(scores: pd.DataFrame, paper: Paper | None, high: float | None) -> tuple[float, float]:
    """Ends of the vertical axes, round numbers: all values of ours and of the paper lie between."""
    values = [scores["value"]]
    if paper is not None:
        values += [paper.values[name] for name in ("value", "low", "high") if name in paper.values]
    values = pd.concat(values).dropna()
    low = -marks.round_above(-values.min()) if values.min() < 0 else 0.0
    return low, high or marks.round_above(values.max())


def with_scales(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with a `name` for each entry: what is run on several scales says on which."""
    scores = with_names(scores)
    n_scales = scores.groupby("name")["scale"].transform("nunique")
    apart = scores["name"].astype(str) + " · " + scores["scale"].astype(str)
    return scores.assign(name=scores["name"].where(n_scales == 1, apart))


def levels_of(scores: pd.DataFrame) -> pd.Series:
    """The levels of some scores in ascending order, by themselves."""
    levels = np.sort(scores["level"].unique())
    return pd.Series(levels, index=levels)


def level_axis(axes: Axes, levels: pd.Series, axis: Axis) -> None:
    """One position for each level."""
    marks.level_axis(axes, levels)
    axes.set_xticks(range(len(levels)), [axis.write(level) for level in levels])
    axes.set_xlabel(axis.label)


def draw_scores(axes: Axes, rows: pd.DataFrame, levels: pd.Series, looks: dict[str, Style]) -> None:
    """Scores of methods side by side at each level: boxes, or points where there are few.

    Parameters
    ----------
    axes
        With one position for each level, and a band for failed runs where there are any.
    rows
        Scores with `name` and `level`, one for each seed.
    levels
        The levels, as index, in their order.
    looks
        Style of each name.
    """
    names = [name for name in looks if name in set(rows["name"])]
    for offset, name in zip(marks.slots(len(names)), names, strict=True):
        own = rows[rows["name"] == name]
        by_level = {level: outcome(group) for level, group in own.groupby("level")}
        boxes, positions = [], []
        for position, level in enumerate(levels.index):
            if level not in by_level:
                continue
            result, x = by_level[level], position + offset
            marks.mark_failures(axes, x, result, looks[name])
            if len(result.values):
                low, q1, med, q3, high = np.quantile(result.values, np.linspace(0, 1, 5))
                n = len(result.values)
                boxes.append({"low": low, "q1": q1, "med": med, "q3": q3, "high": high, "n": n})
                positions.append(x)
            if 0 < len(result.values) < MIN_BOX:
                _draw_points(axes, x, result.values, looks[name])
        if boxes:
            draw_boxes(axes, positions, pd.DataFrame(boxes), looks[name], len(names), name)


def draw_boxes(
    axes: Axes, positions, stats: pd.DataFrame, style: Style, n_methods: int, name: str
) -> None:
    """Boxes of one method, their medians connected; values without quartiles have no box."""
    line = {"color": style.colour, "linewidth": 0.6}
    axes.plot(positions, stats["med"], **line, alpha=0.6, zorder=2, label=name)
    full = stats.get("n", pd.Series(MIN_BOX, index=stats.index)) >= MIN_BOX
    boxes = stats.rename(columns={"low": "whislo", "high": "whishi"})[full.to_numpy()]
    if boxes.empty:
        return
    axes.bxp(
        boxes.to_dict("records"),
        positions=np.asarray(positions)[full],
        widths=min(0.8 * marks.SPREAD / n_methods, 0.2),
        showfliers=False,
        showcaps=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": style.colour, "edgecolor": style.colour, "linewidth": 0.3},
        medianprops={"color": "white", "linewidth": 0.8, "solid_capstyle": "butt"},
        whiskerprops=line,
        zorder=3,
    )


def _draw_points(axes: Axes, x: float, values: np.ndarray, style: Style) -> None:
    look = {"color": style.colour, "markeredgewidth": 0, "markersize": 2.6}
    axes.plot(np.full(len(values), x), values, style.marker, **look, zorder=3)


def _draw_paper(axes: Axes, paper: Paper, axis: Axis, limits: tuple[float, float]) -> None:
    table = paper.values
    failures = bool(table["value"].isna().any())
    levels = levels_of(table)
    level_axis(axes, levels, axis)
    marks.value_axis(axes, *limits, failures=failures)
    if "q1" in table:
        draw_paper_boxes(axes, table.rename(columns={"value": "med"}), levels)
    else:
        about = {"name": table["use"].map(METHODS), "status": "ok"}
        rows = table.assign(**about)
        rows.loc[table["value"].isna(), "status"] = "error"
        draw_scores(axes, rows, levels, PAPER_LOOKS)
    axes.set_ylabel(paper.label)
    if failures:
        marks.name_failures(axes)
    marks.column_title(axes, "Paper (digitised)", paper.note)
    marks.letter(axes, "a", titled=True)


def draw_paper_boxes(axes: Axes, table: pd.DataFrame, levels: pd.Series) -> None:
    """Boxes of the paper's methods side by side at each level.

    `table` has `use`, `level`, `med`, `q1`, `q3`, `low` and `high`.
    """
    for offset, (use, name) in zip(marks.slots(len(METHODS)), METHODS.items(), strict=True):
        rows = table[table["use"] == use].sort_values("level")
        positions = levels.index.get_indexer(rows["level"]) + offset
        draw_boxes(axes, positions, rows, Style(COLOURS[use], "o"), len(METHODS), name)


def legend_entries(
    scores: pd.DataFrame, looks: dict[str, Style], paper: Iterable[str], *, failures: bool
) -> list:
    """Legend of all entries, of those of the `paper` (by use) that are not ours, and of the rest."""
    handles = [Patch(color=style.colour, label=name) for name, style in looks.items()]
    absent = set(paper) - set(scores.loc[~scores["control"], "use"])
    handles += [
        Patch(color=COLOURS[use], label=f"{name} (paper only)")
        for use, name in METHODS.items()
        if use in absent
    ]
    if scores["control"].any():
        handles.append(marks.control_mark())
    return [*handles, marks.failure_mark()] if failures else handles
