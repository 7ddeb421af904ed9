"""What panels of tables in detail have in common: which run they show, and how groups of cells look."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from scscope.cluster.result import GIVEN, UNASSIGNED
from scscope.figures import marks
from scscope.figures.style import COLOURS, GREY, MM, PALE, RESERVE, WIDTH, shade
from scscope.figures.tables import (
    CLUSTERERS,
    entry_text,
    natural,
    ordered,
    rank,
    seeds_text,
    with_names,
)

RUN = ["dataset", "method", "seed", "clusterer"]
HALF = (WIDTH - 4 * MM) / 2  # two panels stand side by side on a page
# Cells of no type are grey, darker the more is known of them.
GREYS = {
    "other": "#B4B4B4",
    "other neurons": "#8C8C8C",
    "unresolved": "#CDCDCD",
    "": "#DEDEDE",
}
NO_TYPE = ("unassigned", "unknown")  # words for it in tables
NOTE_LETTER = 3.4  # width of a letter of a note at most, in points
MAX_P = 300  # -log10 of the smallest P that a table can hold


@dataclass(frozen=True)
class Shown:
    """The run that a panel shows: one of those of a study.

    Parameters
    ----------
    key
        Its dataset, method, seed and clusterer.
    title, note
        What it is, and of how many runs it is one.
    """

    key: dict[str, object]
    title: str
    note: str

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows of the run in a table of details."""
        return table[np.logical_and.reduce([table[name] == self.key[name] for name in RUN])]


def shown_run(scores: pd.DataFrame, *tables: pd.DataFrame) -> Shown | None:
    """The run that stands for a study: the first in the order of the benchmark, never the best.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    tables
        Tables of details; the run has rows in all of them.

    Returns
    -------
    Shown | None
        First dataset, then method, clusterer and seed. None where no run is in all tables.
    """
    scores = with_names(scores)
    entries = scores.loc[~scores["control"], ["name", "use", "scale", "method"]]
    entries = ordered(entries.drop_duplicates("method"))
    runs = pd.MultiIndex.from_frame(tables[0][RUN].drop_duplicates())
    for table in tables[1:]:
        runs = runs.intersection(pd.MultiIndex.from_frame(table[RUN].drop_duplicates()))
    methods = list(entries["method"])
    known = [run for run in runs if run[1] in methods and run[3] not in ("", GIVEN)]
    if not known:
        return None

    def place(run: tuple) -> tuple:
        dataset, method, seed, clusterer = run
        return natural(dataset), methods.index(method), rank(clusterer, CLUSTERERS), seed

    dataset, method, seed, clusterer = chosen = min(known, key=place)
    entry = entries.set_index("method").loc[method]
    own = scores[(scores["method"] == method) & (scores["dataset"] == dataset)]
    title = f"{dataset}: {entry_text(entry['name'], entry['scale'])}, "
    title += CLUSTERERS.get(clusterer, clusterer)
    return Shown(dict(zip(RUN, chosen, strict=True)), title, _note(own, seed))


def _note(rows: pd.DataFrame, seed: int) -> str:
    failed = ", ".join(_ends(rows))
    return f"seed {seed} of {seeds_text(rows)}" + (f"; × {failed}" if failed else "")


def _ends(rows: pd.DataFrame) -> list[str]:
    """How runs ended that did not end well, such as "2/3 timeout"; clusterings of a run count once."""
    runs = rows.drop_duplicates(["dataset", "seed"])
    bad = runs.loc[runs["status"] != "ok", "status"].value_counts().sort_index()
    return [f"{n}/{len(runs)} {status.replace('_', ' ')}" for status, n in bad.items()]


def failures(methods: pd.DataFrame) -> list[str]:
    """Entries with runs that gave nothing, and why: "scVI (counts): 1/3 timeout" and the like."""
    entries = ordered(methods[["name", "use", "scale", "method"]].drop_duplicates("method"))
    ends = {
        entry_text(entry.name, entry.scale): _ends(methods[methods["method"] == entry.method])
        for entry in entries.itertuples()
    }
    return [f"{name}: {', '.join(words)}" for name, words in ends.items() if words]


def nothing_to_show(scores: pd.DataFrame, what: str) -> Figure:
    """A figure that says that no run has `what`, and how the runs ended."""
    runs = scores.loc[~scores["control"].astype(bool)].drop_duplicates(
        ["dataset", "method", "seed"]
    )
    ends = ", ".join(
        f"{n} {status.replace('_', ' ')}" for status, n in runs["status"].value_counts().items()
    )
    return marks.empty_figure(f"No run of this study has {what}.\nRuns: {ends or 'none'}.")


def type_colours(types: Iterable[str]) -> dict[str, str]:
    """Colour of each type in alphabetical order; those that stand for no type last, and grey."""
    names = sorted(set(types), key=lambda name: (name in GREYS, natural(name.lower())))
    palette = [*COLOURS.values(), *RESERVE]
    palette += [shade(colour, 0.5) for colour in palette]
    named = [name for name in names if name not in GREYS]
    chosen = {name: palette[i % len(palette)] for i, name in enumerate(named)}
    return {name: chosen.get(name) or GREYS[name] for name in names}


def ink(colour: str) -> str:
    """Black or white, whichever can be read on a colour."""
    red, green, blue = to_rgb(colour)
    return "black" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"


def known_types(types: pd.Series) -> pd.Series:
    """Types as text; whatever says that there is none is empty."""
    return types.fillna("").astype(str).replace(list(NO_TYPE), "")


def type_name(name: str) -> str:
    """What a type is called: "no type", where it is none."""
    return name or "no type"


def type_marks(colours: dict[str, str]) -> list[Line2D]:
    """Legend entries of types."""
    look = {"marker": "o", "linestyle": "none", "markersize": 4, "markeredgewidth": 0}
    return [Line2D([], [], color=c, label=type_name(name), **look) for name, c in colours.items()]


def cluster_types(maps: pd.DataFrame) -> pd.Series:
    """Type by cluster of one run, clusters as text in their order; cells of no cluster left out."""
    table = maps.assign(cluster=cluster_names(maps["cluster"]), type=known_types(maps["type"]))
    table = table[table["cluster"] != str(UNASSIGNED)].drop_duplicates("cluster")
    types = table.set_index("cluster")["type"]
    return types.loc[sorted(types.index, key=natural)]


def cluster_names(clusters: pd.Series) -> pd.Series:
    """Clusters as text: "3" for 3, 3.0 and "3"."""
    text = clusters.astype(str)
    return text.str.replace(r"\.0$", "", regex=True)


def pooled(compositions: pd.DataFrame) -> pd.DataFrame:
    """Number of cells by run and type, over all samples: columns of `RUN`, `type`, `n_cells`."""
    table = by_sample(compositions).assign(type=lambda t: known_types(t["type"]))
    return table.groupby([*RUN, "type"], as_index=False)["n_cells"].sum()


def by_sample(compositions: pd.DataFrame) -> pd.DataFrame:
    """Rows of samples; those of "all" only for runs that have no others."""
    whole = compositions["sample"].eq("all")
    alone = whole.groupby([compositions[name] for name in RUN]).transform("all")
    return compositions[~whole | alone]


def panel_genes(markers: pd.DataFrame) -> list[str]:
    """Genes of the marker panel: those that stand in the table for every group of every run."""
    groups = markers[[*RUN, "group"]].drop_duplicates()
    found = markers.drop_duplicates([*RUN, "group", "gene"])["gene"].value_counts()
    return sorted(found.index[found == len(groups)], key=natural)


def own_type(markers: pd.DataFrame) -> pd.Series:
    """Type by gene: that in which its mean fold change over all runs is highest.

    Parameters
    ----------
    markers
        Rows of types.
    """
    fold = markers.pivot_table(index="gene", columns="group", values="log2_fold_change")
    return fold.idxmax(axis=1)


def minus_log10(p: pd.Series) -> pd.Series:
    """-log10 of P, at most `MAX_P`: smaller ones are 0 in a table."""
    return -np.log10(p.astype(float).clip(lower=10.0**-MAX_P))


def p_text(p: float) -> str:
    """P in words, such as "P = 0.03" or "P < 1e-300"."""
    if np.isnan(p):
        return "P not defined"
    return f"P < 1e-{MAX_P}" if p < 10.0**-MAX_P else f"P = {p:.2g}"


def write_cell(axes: Axes, x: float, y: float, text: str, colour, **look) -> None:
    """A cell of a table, from `x` to `x` + 1 and around `y`: text on a colour."""
    axes.add_patch(Rectangle((x, y - 0.44), 0.97, 0.88, facecolor=colour, linewidth=0))
    look = {"color": ink(colour), "fontsize": 6, "ha": "center", "va": "center_baseline"} | look
    axes.text(x + 0.485, y, text, **look, in_layout=False)  # there are many, and they lie within


def empty_cell(axes: Axes, x: float, y: float) -> None:
    """A cell without a value."""
    write_cell(axes, x, y, "–", PALE, color=GREY)


def cell_axis(axes: Axes, lines: Sequence[str], n_columns: int, **look) -> None:
    """Axes for cells: a line for each name, from top to bottom, without ticks and frame."""
    axes.set_yticks(range(len(lines)), lines, **look)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(0, n_columns)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def footnote(figure: Figure, lines: Iterable[str]) -> None:
    """Notes below all axes, in room that the layout keeps for them; long ones are wrapped."""
    n_letters = int(figure.get_figwidth() * 72 / NOTE_LETTER)
    wrapped = [part for line in lines for part in textwrap.wrap(line, n_letters)]
    figure.supxlabel("\n".join(wrapped), x=0.012, ha="left", fontsize=6, color=GREY)


def heading(axes: Axes, first: str, second: str = "") -> None:
    """Title at the left, its second part in grey below."""
    if second:
        marks.column_title(axes, first, second)
    else:
        axes.set_title(first, loc="left", fontweight="bold", pad=3)
