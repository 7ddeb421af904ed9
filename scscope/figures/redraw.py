"""Draw all panels anew from tables that were kept: `python -m scscope.figures.redraw FROM TO`.

FROM is a folder of kept runs, `results/reference` for instance. A run is a folder with `scores.tsv`,
`panels.tsv`, `datasets.tsv` and what further tables its panels need, as the workflow's `tables/` has
them. Nothing is computed but means.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scscope.figures import COMPOSITES, PANELS, load_panel, panels_of, tables_of
from scscope.figures.style import save
from scscope.gather import read_panels, read_table, restrict, select

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    paths = {name: run / f"{name}.tsv" for name in tables_of(panels)}
    for path in paths.values():
        if not path.exists():
            raise ValueError(
                f"There is no {path}, which panels of {run / 'panels.tsv'} need. Keep it beside, or "
                "take these panels out."
            )
    return read_tables(**paths)


def read_tables(**paths: str | Path) -> dict[str, pd.DataFrame]:
    """What panels are drawn from: tables of a run by name."""
    return {name: read_table(path) for name, path in paths.items()}


def draw_panel(
    panel: str, tables: Mapping[str, pd.DataFrame], selection: Mapping[str, list]
) -> "Figure":
    """A panel of what its study selects, stamped where data of it stand for others.

    Parameters
    ----------
    panel
        Its name.
    tables
        Whole tables by name: all of `scscope.figures.tables_of`.
    selection
        What it shows, as `scscope.gather.select` takes it.
    """
    from scscope.figures import marks

    own = {name: restrict(tables[name], **selection) for name in tables_of([panel])[1:]}
    further = {name: own[name] for name in PANELS[panel].needs}
    figure = load_panel(panel)(select(tables["scores"], **selection), **further)
    if words := stand_ins(own["datasets"]):
        marks.stamp(figure, words)
    return figure


def stand_ins(datasets: pd.DataFrame) -> str:
    """What data that stand for others are to be called, such as "synthetic, in place of brain"."""
    found = datasets["source"].str.extract(r"(synthetic, in place of .+)")[0].dropna().unique()
    names = sorted(words.removeprefix("synthetic, in place of ") for words in found)
    return f"synthetic, in place of {', '.join(names)}" if names else ""


def compose_page(
    panels: Mapping[str, str],
    tables: Mapping[str, pd.DataFrame],
    selections: Mapping[str, Mapping],
) -> "Figure":
    """The page of some panels (letter -> panel), each drawn from what it selects."""
    from scscope.figures.composite import compose

    return compose(
        {letter: draw_panel(panel, tables, selections[panel]) for letter, panel in panels.items()}
    )


def _draw(figure: "Figure", stem: Path) -> Path:
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
