"""How all figures look: one palette, one type size, one way to save."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib import font_manager
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from scscope.atomic import beside
from scscope.figures.tables import ordered

MM = 1 / 25.4
WIDTH = 183 * MM  # two columns of the journal
MAX_POINTS = 2_000  # more in one artist are drawn as pixels, so that files stay small

# Okabe and Ito's palette, with sand and wine for its yellow and black.
COLOURS = {
    "scscope": "#D55E00",
    "ae": "#56B4E9",
    "pca": "#0072B2",
    "magic": "#E69F00",
    "dca": "#009E73",
    "scvi": "#CC79A7",
    "simlr": "#DDCC77",
    "zinbwave": "#882255",
}
RESERVE = ("#8C8CFF", "#3B2A1A", "#F0E442", "#00429D")  # users' own methods
GREY = "#6E6E6E"
PALE = "#F4F4F4"
# Entries of one method: share of white (positive) or black (negative) in its colour.
SHADES = (0, 0.5, -0.4, 0.25, -0.6, 0.7)
MARKERS = ("o", "s", "D", "^", "v", "P", "X")
DASHES = ((4, 2), (1.5, 1.2), (6, 1.5, 1.5, 1.5), (2.5, 1))

INSTALLED = set(font_manager.get_font_names())
RC = {
    "font.family": [f for f in ("Arial", "Helvetica", "DejaVu Sans") if f in INSTALLED],
    "font.size": 7,
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "legend.fontsize": 6,
    "legend.frameon": False,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "lines.linewidth": 0.7,
    "legend.handlelength": 1.6,
    "figure.dpi": 300,
    "text.hinting": "none",
    "text.parse_math": False,  # names come from users, who may write "$"
    "svg.hashsalt": "scscope",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}
# Files carry no date, so that a figure that did not change is the same file.
METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}

styled = matplotlib.rc_context(RC)


@dataclass(frozen=True)
class Style:
    """Colour and marker of one entry."""

    colour: str
    marker: str


def styles(entries: pd.DataFrame) -> dict[str, Style]:
    """Style of each entry by its name, in the order of the benchmark.

    Entries that use the same method get shades of its colour. It depends on the entries alone, not
    on the order in which they come.

    Parameters
    ----------
    entries
        Table with columns `name` and `use`, without controls.
    """
    entries = ordered(entries[["name", "use"]].drop_duplicates("name"))
    own = [use for use in entries["use"].unique() if use not in COLOURS]
    colours = COLOURS | {use: RESERVE[i % len(RESERVE)] for i, use in enumerate(own)}
    # The fifth method of a user starts at the second marker and shade of the first reserve colour.
    start = {use: i // len(RESERVE) for i, use in enumerate(own)}

    chosen = {}
    for use, group in entries.groupby("use", sort=False):
        for i, name in enumerate(group["name"], start.get(use, 0)):
            colour = shade(colours[use], SHADES[i % len(SHADES)])
            chosen[name] = Style(colour, MARKERS[i % len(MARKERS)])
    return chosen


def shade(colour: str, amount: float) -> str:
    """Mix a colour with white (amount above 0) or black (below 0)."""
    target = 1.0 if amount > 0 else 0.0
    return to_hex([c + abs(amount) * (target - c) for c in to_rgb(colour)])


def rasterise(figure: Figure, max_points: int = MAX_POINTS) -> None:
    """Let every line or collection with more than `max_points` points be drawn as pixels."""
    for artist in figure.findobj(Line2D):
        if len(artist.get_xdata(orig=False)) > max_points:
            artist.set_rasterized(True)
    for artist in figure.findobj(Collection):
        vertices = sum(len(path.vertices) for path in artist.get_paths())
        if max(len(artist.get_offsets()), vertices) > max_points:
            artist.set_rasterized(True)


def settle(figure: Figure) -> None:
    """Lay a figure out once and for all: every format, and every call, shows the same."""
    rasterise(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    # The last digits that the solver gives differ from call to call, and names in files hang on them.
    for axes in figure.axes:
        axes.set_position(Bbox(axes.get_position().get_points().round(7)))


@styled
def save(figure: Figure, paths: Iterable[str | Path]) -> None:
    """Write a figure in the format of each path (.svg, .pdf, .png).

    Files are whole or not there; the same figure gives the same bytes.
    """
    settle(figure)
    for path in map(Path, paths):
        kind = path.suffix.removeprefix(".")
        if kind not in METADATA:
            raise ValueError(f"Cannot save {path.name!r}: use one of {', '.join(METADATA)}.")
        with beside(path) as part:
            figure.savefig(part, format=kind, metadata=METADATA[kind])
