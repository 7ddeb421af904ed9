"""Several panels on a page of the journal, or on two: vector drawings, placed side by side as they fit."""

import logging
from collections.abc import Mapping

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from scscope.figures.marks import LETTER
from scscope.figures.style import MM, WIDTH, settle, styled

logger = logging.getLogger(__name__)
TALLEST = 247 * MM  # a page of the journal
GAP = 4 * MM  # between panels
FOLD = 10 * MM  # between pages that lie side by side
MARGIN = 4.5 * MM  # above a panel, for its letter
INNER = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")


class Placed(Artist):
    """A finished figure, drawn as it is at a place of another."""

    def __init__(self, panel: Figure):
        super().__init__()
        self.panel = panel

    def draw(self, renderer) -> None:
        """Draw all of the panel, in the resolution of the page."""
        self.panel.dpi = self.get_figure(root=True).dpi
        for artist in self.panel.get_children():
            if artist is not self.panel.patch:
                artist.draw(renderer)


@styled
def compose(panels: Mapping[str, Figure]) -> Figure:
    """Put panels on a page of the journal, in their order: beside each other where they fit.

    What does not fit on a page of 183 x 247 mm goes on to another to its right, in the same file.

    Parameters
    ----------
    panels
        Figures by the letter of each. They are used up: what they call a, b, c is i, ii, iii here.

    Returns
    -------
    Figure
        The page. Nothing is scaled: type keeps its size.
    """
    if not panels:
        raise ValueError("`panels` is empty: there is nothing to put on the page.")
    sizes = {name: figure.get_size_inches() for name, figure in panels.items()}
    places, (total, height) = _flow(sizes)
    page = Figure((total, height))
    for name, panel in panels.items():
        x, y = places[name]
        width, tall = panel.get_size_inches()
        settle(panel)
        _rename_letters(panel)
        # All that a figure places hangs on this box.
        panel.bbox_inches.set(Bbox.from_bounds(x, height - y - tall, width, tall))
        page.add_artist(Placed(panel))
        where = (x / total, 1 - (y - MARGIN) / height)
        page.text(*where, name, fontsize=10, fontweight="bold", va="top", ha="left", gid=LETTER)
    return page


def _flow(sizes: Mapping[str, tuple[float, float]]) -> tuple[dict, tuple[float, float]]:
    """Upper left corner of each panel, from that of the sheet, and the sheet's width and height."""
    places, left, x, y, row, tallest = {}, 0.0, 0.0, MARGIN, 0.0, 0.0
    for name, (width, height) in sizes.items():
        _check_size(name, width, height)
        if x and x + width > WIDTH + 1e-6:
            x, y, row = 0.0, y + row + GAP + MARGIN, 0.0
        if y > MARGIN and y + height > TALLEST + 1e-6:
            left, x, y, row = left + WIDTH + FOLD, 0.0, MARGIN, 0.0
        places[name] = (left + x, y)
        x, row = x + width + GAP, max(row, height)
        tallest = max(tallest, y + row)
        if x + 30 * MM > WIDTH:  # what is left is too narrow for any panel
            x = WIDTH
    return places, (left + WIDTH, tallest)


def _check_size(name: str, width: float, height: float) -> None:
    """Refuse a panel that is too wide for a page; say of one that is too tall that it is."""
    if width > WIDTH + 1e-6:
        raise ValueError(f"Panel {name!r} is {width / MM:.0f} mm wide; a page has 183 mm.")
    if MARGIN + height > TALLEST + 1e-6:
        logger.warning(
            "Panel %r is %.0f mm tall; a page has room for %.0f mm: show fewer methods, scales or "
            "clusterers in its study.",
            *(name, height / MM, (TALLEST - MARGIN) / MM),
        )


def _rename_letters(panel: Figure) -> None:
    """Number what a panel calls a, b, c in this order, whichever was drawn first."""
    letters = [text for text in panel.findobj(Annotation) if text.get_gid() == LETTER]
    for number, text in zip(INNER, sorted(letters, key=Annotation.get_text), strict=False):
        text.set_text(number if len(letters) > 1 else "")
