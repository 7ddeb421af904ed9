"""Draw all panels anew from tables that were kept: `python -m scscope.figures.redraw FROM TO`.

FROM is a folder of kept runs, `results/reference` for instance. A run is a folder with `scores.tsv` and
`panels.tsv`, as the workflow's `tables/` has them. Nothing is computed but means.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from scscope.figures import COMPOSITES, PANELS, load_panel, panels_of
from scscope.figures.style import save
from scscope.gather import read_panels, read_table, select

SUFFIXES = ("svg", "pdf", "png")


def redraw(kept: Path, target: Path) -> Iterator[Path]:
    """Draw the panels of all runs in a folder, and the pages that they make.

    Parameters
    ----------
    kept
        Folder with a folder for each run.
    target
        Where to draw: `{run}/{panel}.svg`, `.pdf`, `.png`. Not within `kept`, which stays as it is.

    Yields
    ------
    Path
        Each drawing, without its suffix.
    """
    kept, target = kept.resolve(), target.resolve()
    if target == kept or kept in target.parents:
        raise ValueError(f"{target} lies in {kept}, which is only read: choose another folder.")
    runs = sorted(path.parent for path in kept.glob("*/panels.tsv"))
    if not runs:
        raise ValueError(f"There is no run in {kept}: no folder of it has a panels.tsv.")
    for run in runs:
        scores = read_table(run / "scores.tsv")
        selections = read_panels(run / "panels.tsv")
        for panel in (name for name in selections if name in PANELS):
            yield _draw(
                load_panel(panel)(select(scores, **selections[panel])), target / run.name / panel
            )
        for page in COMPOSITES:
            if shown := panels_of(page, selections):
                yield _draw(compose_page(shown, scores, selections), target / run.name / page)


def compose_page(panels: dict[str, str], scores, selections: dict[str, dict]):
    """The page of some panels (letter -> panel), each drawn from the scores that it selects."""
    from scscope.figures.composite import compose

    drawn = {
        letter: load_panel(panel)(select(scores, **selections[panel]))
        for letter, panel in panels.items()
    }
    return compose(drawn)


def _draw(figure, stem: Path) -> Path:
    stem.parent.mkdir(parents=True, exist_ok=True)
    save(figure, [stem.with_name(f"{stem.name}.{suffix}") for suffix in SUFFIXES])
    return stem


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        for drawing in redraw(Path(sys.argv[1]), Path(sys.argv[2])):
            print(drawing)
    except ValueError as error:
        sys.exit(str(error))
