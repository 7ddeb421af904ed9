"""What schemes have in common: a drawing board in mm, and boxes, arrows and words on it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Polygon, Rectangle

from scscope.figures.style import GREY, MM

Point = tuple[float, float]
SMALL = {"fontsize": 5.5, "color": GREY}


def board(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of this size in mm, and axes over all of it whose units are mm from the upper left."""
    figure = Figure((width * MM, height * MM))
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    return figure, axes


def box(axes: Axes, x: float, y: float, width: float, height: float, colour: str) -> Rectangle:
    """A filled box around the point (x, y)."""
    look = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.3, "zorder": 3}
    return axes.add_patch(Rectangle((x - width / 2, y - height / 2), width, height, **look))


def funnel(axes: Axes, start: Point, end: Point, heights: Point, colour: str) -> Polygon:
    """A pale area between two boxes of these heights, centred at `start` and `end`."""
    (x0, y0), (x1, y1), (first, second) = start, end, heights
    corners = [
        (x0, y0 - first / 2),
        (x1, y1 - second / 2),
        (x1, y1 + second / 2),
        (x0, y0 + first / 2),
    ]
    return axes.add_patch(Polygon(corners, facecolor=colour, alpha=0.16, linewidth=0, zorder=1))


def arrow(axes: Axes, points: Sequence[Point], *, head: bool = True) -> None:
    """A thin grey line through some points, with a head at its end."""
    look = {"color": GREY, "linewidth": 0.7, "zorder": 2}
    if len(points) > 2:
        axes.plot(*zip(*points[:-1], strict=True), **look, solid_joinstyle="miter")
    style = {"arrowstyle": "-|>" if head else "-", "mutation_scale": 5, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(points[-2], points[-1], **style, **look))


def words(axes: Axes, x: float, y: float, text: str, **look) -> None:
    """Words around a point, unless `ha` or `va` say otherwise."""
    axes.text(x, y, text, **{"ha": "center", "va": "center", "zorder": 5, **look})
