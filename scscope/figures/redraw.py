"""Draw all panels anew from tables that were kept: `python -m scscope.figures.redraw FROM TO`.

FROM is a folder of kept runs, `results/reference` for instance. A run is a folder with `scores.tsv`,
`panels.tsv` and what further tables its panels need, as the workflow's `tables/` has them. Nothing is
computed but means.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from scscope.figures import COMPOSITES, PANELS, load_panel, needs_of, panels_of
from scscope.figures.style import save
from scscope.gather import read_panels, read_table, restrict, select

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
        selections = read_panels(run / "panels.tsv")
        known = [name for name in selections if name in PANELS]
        tables = _kept_tables(run, known)
        for panel in known:
            yield _draw(draw_panel(panel, tables, selections[panel]), target / run.name / panel)
        for page in COMPOSITES:
            if shown := panels_of(page, known):
                yield _draw(compose_page(shown, tables, selections), target / run.name / page)


def _kept_tables(run: Path, panels: Iterable[str]) -> dict[str, pd.DataFrame]:
    """The tables that panels are drawn from, by name."""
    tables = {}
    for name in ("scores", *needs_of(panels)):
        path = run / f"{name}.tsv"
        if not path.exists():
            raise ValueError(
                f"There is no {path}, which panels of {run / 'panels.tsv'} need. Keep it beside, or "
                "take these panels out."
            )
        tables[name] = read_table(path)
    return tables


def draw_panel(panel: str, tables: Mapping[str, pd.DataFrame], selection: Mapping) -> Figure:
    """A panel of the rows that it selects.

    Parameters
    ----------
    panel
        Its name.
    tables
        Whole tables by name: "scores", and what the panel needs beside.
    selection
        What it shows, as `scscope.gather.select` takes it.
    """
    further = {name: restrict(tables[name], **selection) for name in PANELS[panel].needs}
    return load_panel(panel)(select(tables["scores"], **selection), **further)


def compose_page(
    panels: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    selections: Mapping[str, Mapping],
) -> Figure:
    """The page of some panels (letter -> panel), each drawn from the rows that it selects."""
    from scscope.figures.composite import compose

    drawn = {
        letter: draw_panel(panel, tables, selections[panel]) for letter, panel in panels.items()
    }
    return compose(drawn)


def _draw(figure: Figure, stem: Path) -> Path:
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
