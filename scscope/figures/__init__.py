"""The panels of the benchmark: tables in, figures out. Listing them needs no matplotlib."""

from collections.abc import Callable, Iterable
from importlib import import_module

from scscope.figures.panels import PANELS

# Pages of the paper with several panels: the panels of each by letter. A page shows those that a run
# has drawn. The other figures of the paper are one panel, which has the name of the page.
COMPOSITES = {
    page: {letter: f"{page}{letter}" for letter in letters}
    for page, letters in (
        ("figure_1", "abcd"),
        ("figure_2", "abc"),
        ("figure_3", "abcde"),
        ("supplementary_5", "abcd"),
        ("supplementary_7", "abc"),
    )
}


def panels_of(page: str, drawn) -> dict[str, str]:
    """Panels of a page by letter, of those that are drawn."""
    return {letter: panel for letter, panel in COMPOSITES[page].items() if panel in drawn}


def needs_of(panels: Iterable[str]) -> list[str]:
    """Names of the tables that any of some panels needs beside the scores, sorted."""
    return sorted({table for panel in panels for table in PANELS[panel].needs})


def tables_of(panels: Iterable[str]) -> list[str]:
    """Names of all tables that panels are drawn from: `datasets` says which data stand for others."""
    return list(dict.fromkeys(["scores", "datasets", *needs_of(panels)]))


def load_panel(name: str) -> Callable:
    """The function that draws a panel: from the scores, and the tables that it needs, a figure."""
    if name not in PANELS:
        raise ValueError(f"Unknown panel {name!r}. Known panels: {', '.join(PANELS)}.")
    module, function = PANELS[name].function.split(":")
    return getattr(import_module(module), function)
