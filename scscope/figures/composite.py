"""Several panels on one page of the journal: vector drawings, placed side by side as they fit."""

from collections.abc import Mapping

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from scscope.figures.marks import LETTER
from scscope.figures.style import MM, WIDTH, settle, styled

GAP = 4 * MM  # between panels
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
    """Put panels on one page, 183 mm wide, in their order: beside each other where they fit.

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
    places, height = _flow({name: figure.get_size_inches() for name, figure in panels.items()})
    page = Figure((WIDTH, height))
    for name, panel in panels.items():
        x, y = places[name]
        width, tall = panel.get_size_inches()
        settle(panel)
        _rename_letters(panel)
        # All that a figure places hangs on this box.
        panel.bbox_inches.set(Bbox.from_bounds(x, height - y - tall, width, tall))
        page.add_artist(Placed(panel))
        where = (x / WIDTH, 1 - (y - MARGIN) / height)
        page.text(*where, name, fontsize=10, fontweight="bold", va="top", ha="left", gid=LETTER)
    return page


def _flow(sizes: Mapping[str, tuple[float, float]]) -> tuple[dict, float]:
    """Upper left corner of each panel, from the page's upper left corner, and the page's height."""
    places, x, y, row = {}, 0.0, MARGIN, 0.0
    for name, (width, height) in sizes.items():
        if width > WIDTH + 1e-6:
            raise ValueError(f"Panel {name!r} is {width / MM:.0f} mm wide; a page has 183 mm.")
        if x and x + width > WIDTH + 1e-6:
            x, y, row = 0.0, y + row + GAP + MARGIN, 0.0
        places[name] = (x, y)
        x, row = x + width + GAP, max(row, height)
        if x + 30 * MM > WIDTH:  # what is left is too narrow for any panel
            x = WIDTH
    return places, y + row


def _rename_letters(panel: Figure) -> None:
    letters = [text for text in panel.findobj(Annotation) if text.get_gid() == LETTER]
    for number, text in zip(INNER, letters, strict=False):
        text.set_text(number if len(letters) > 1 else "")
