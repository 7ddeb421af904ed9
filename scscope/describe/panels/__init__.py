"""Panels of marker genes with a public source: which genes tell which cell type.

Each is a table beside this file, whose first lines name its source.
"""

import csv
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
# Real sets, by the names of `scscope.datasets.sets`, and the panel that their types are told by.
PANEL_OF = {
    "retina": "retina",
    "intestine": "intestine",
    "brain": "brain",
    "brain_20k": "brain",
    "splitseq": "brain",
}
# Cell types of sets without a panel of marker genes. The classes that Seurat's tutorial gives to human
# cells; of the lung only the batches are named.
TYPES = {
    "cbmc": (
        *("CD4 T", "CD14+ Mono", "NK", "B", "CD8 T", "CD16+ Mono"),
        *("CD34+", "Mk", "Eryth", "DC", "pDC"),
    ),
    "mca_lung": (),
}
STAND_INS = (*PANEL_OF, *TYPES)  # sets that a simulation can be dressed as
OF_INTEREST = "gene of interest"  # in place of a type: shown, but no type is told by it


@cache
def read_panel(name: str) -> dict[str, tuple[str, ...]]:
    """Marker genes by type, in the order of the table; genes of interest left out.

    Parameters
    ----------
    name
        One of the values of `PANEL_OF`.
    """
    panel: dict[str, tuple[str, ...]] = {}
    for kind, gene in _rows(name):
        if kind != OF_INTEREST:
            panel[kind] = (*panel.get(kind, ()), gene)
    return panel


def genes_of_interest(name: str) -> tuple[str, ...]:
    """Genes that are shown although no type is told by them."""
    return tuple(gene for kind, gene in _rows(name) if kind == OF_INTEREST)


def panel_genes(name: str) -> list[str]:
    """All genes of a panel, those of interest too, each once."""
    return list(dict.fromkeys(gene for _, gene in _rows(name)))


@cache
def _rows(name: str) -> tuple[tuple[str, str], ...]:
    path = FOLDER / f"{name}.csv"
    if not path.exists():
        known = ", ".join(sorted(set(PANEL_OF.values())))
        raise ValueError(f"There is no panel of marker genes {name!r}. Known panels: {known}.")
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple((row["type"], row["gene"]) for row in rows)
