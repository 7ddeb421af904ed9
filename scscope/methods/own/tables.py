"""Latents, labels and imputed values that others have written as text tables, by names of cells."""

import logging
from pathlib import Path

import numpy as np

from scscope.datasets.text import read_table
from scscope.validation import examples

logger = logging.getLogger("scscope.own")

LONG = ["gene", "value"]  # columns beside the cell of a table with an imputed value in each row


def read_latent(path: Path, cells: np.ndarray) -> np.ndarray:
    """Rows of a table in the order of `cells`, shape (n_cells, n_latent).

    Parameters
    ----------
    path
        `.csv`, `.tsv` or `.txt`, each also `.gz`: a header line, the cell's name in the first
        column, numbers in the others.
    cells
        Names, shape (n_cells,). Every one must be there; others may be.
    """
    columns, rows = read_table(path)
    place, seen = _places(cells), np.zeros(len(cells), bool)
    latent = np.empty((len(cells), len(columns)))
    for cell, fields in _known(path, rows, place, seen):
        latent[place[cell]] = _numbers(path, cell, fields)
    _check_complete(path, cells, seen)
    return latent


def read_labels(path: Path, cells: np.ndarray) -> np.ndarray:
    """The first column after the names of a table, in the order of `cells`, shape (n_cells,)."""
    _, rows = read_table(path)
    place, seen = _places(cells), np.zeros(len(cells), bool)
    labels = np.empty(len(cells), dtype=object)
    for cell, fields in _known(path, rows, place, seen):
        labels[place[cell]] = fields[0]
    _check_complete(path, cells, seen)
    return labels.astype(str)


def read_values(
    path: Path, cells: np.ndarray, genes: np.ndarray, cell: np.ndarray, gene: np.ndarray
) -> np.ndarray:
    """Imputed values at some entries, shape (n,).

    Parameters
    ----------
    path
        A table with a header line: of three columns, `cell`, `gene` and `value`; or of a cell's
        name and a column for each gene. It is read row by row and may hold more than is asked for.
    cells, genes
        Names of all cells and genes, shapes (n_cells,) and (n_genes,).
    cell, gene
        Indices of the entries, shape (n,).
    """
    columns, rows = read_table(path)
    if columns == LONG:
        found = _long_values(path, rows, _places(cells), _places(genes))
    else:
        found = _wide_values(path, columns, rows, cells, genes, cell, gene)
    keys, values = found
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], values[order]
    wanted = cell.astype(np.int64) * len(genes) + gene
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    missing = keys[at] != wanted if len(keys) else np.ones(len(wanted), bool)
    if missing.any():
        first = int(np.flatnonzero(missing)[0])
        raise ValueError(
            f"'{path}' lacks {np.count_nonzero(missing)} of the {len(wanted)} values that are asked "
            f"for, such as that of cell {str(cells[cell[first]])!r}, gene "
            f"{str(genes[gene[first]])!r}."
        )
    return values[at]


def _long_values(path, rows, cell_place, gene_place) -> tuple[np.ndarray, np.ndarray]:
    keys, values = [], []
    for cell, (gene, value) in rows:
        if cell in cell_place and gene in gene_place:
            keys.append(cell_place[cell] * len(gene_place) + gene_place[gene])
            values.append(_numbers(path, cell, [value])[0])
    return np.array(keys, dtype=np.int64), np.array(values)


def _wide_values(path, columns, rows, cells, genes, cell, gene) -> tuple[np.ndarray, np.ndarray]:
    """Only the entries that are asked for are kept: a dense matrix need not fit in memory."""
    column_of = _places(np.array(columns))
    absent = [name for name in genes[np.unique(gene)] if name not in column_of]
    if absent:
        raise ValueError(
            f"'{path}' has no column for {len(absent)} genes, such as {examples(absent)}; nor is it "
            "a table of the columns cell, gene, value."
        )
    place, seen = _places(cells), np.zeros(len(cells), bool)
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(len(cells) + 1))
    columns_of_genes = np.array([column_of.get(name, -1) for name in genes])
    keys, values = [], []
    for name, fields in _known(path, rows, place, seen):
        row = place[name]
        wanted = np.unique(gene[order[starts[row] : starts[row + 1]]])
        if len(wanted):
            picked = [fields[column] for column in columns_of_genes[wanted]]
            keys.append(row * len(genes) + wanted)
            values.append(_numbers(path, name, picked))
    if not keys:
        return np.empty(0, np.int64), np.empty(0)
    return np.concatenate(keys), np.concatenate(values)


def _places(names: np.ndarray) -> dict[str, int]:
    return {str(name): number for number, name in enumerate(names)}


def _known(path, rows, place, seen):
    """Rows of known cells, each once; `seen` is filled."""
    others = 0
    for cell, fields in rows:
        if cell not in place:
            others += 1
            continue
        if seen[place[cell]]:
            raise ValueError(f"'{path}' has cell {cell!r} more than once.")
        seen[place[cell]] = True
        yield cell, fields
    if others:
        logger.warning("'%s' has %d cells that the dataset has not: left out.", path, others)


def _check_complete(path: Path, cells: np.ndarray, seen: np.ndarray) -> None:
    if not seen.all():
        raise ValueError(
            f"'{path}' lacks {np.count_nonzero(~seen)} of the dataset's {len(cells)} cells, such as "
            f"{examples(cells[~seen])}. Its first column must hold the names of the cells."
        )


def _numbers(path: Path, cell: str, fields: list[str]) -> np.ndarray:
    try:
        return np.array(fields, dtype=np.float64)
    except ValueError as error:
        raise ValueError(f"'{path}', cell {cell!r}: {error}.") from error
