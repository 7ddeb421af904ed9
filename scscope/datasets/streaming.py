"""Prepare data larger than memory in two passes: statistics of the genes, then the file of the selected."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy import sparse

from scscope.data import ROUNDING, Stream, Values, most_dispersed, write_dataset
from scscope.datasets.prepare import MAX_COUNT
from scscope.datasets.tenx import BLOCK, columns_of
from scscope.progress import Progress

logger = logging.getLogger("scscope.datasets")

MILLION = 1e6  # the total of a cell in TPM


class Cells(Protocol):
    """What can be streamed: a `TenxFile`, or a `CellMatrix` in memory."""

    cells: np.ndarray
    genes: np.ndarray
    symbols: np.ndarray | None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells and of genes."""

    def blocks(self, n_cells: int) -> Iterator[sparse.csr_matrix]:
        """All cells in order, `n_cells` at a time."""


@dataclass(frozen=True)
class GeneStatistics:
    """What one pass over the cells gives.

    Parameters
    ----------
    total
        Observed total of each cell, shape (n_cells,); 0 for cells that were left out.
    mean, variance
        Of log(1 + value x `target` / total) of each gene over the cells, the variance divided by
        their number, shape (n_genes,). A variance that cannot be told from rounding is 0.
    n_observed
        Number of cells in which each gene is observed, shape (n_genes,).
    n_cells
        Number of cells that count.
    """

    total: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    n_observed: np.ndarray
    n_cells: int

    def top(self, n_genes: int) -> np.ndarray:
        """Indices of the genes with the largest variance / mean, ascending."""
        return most_dispersed(self.mean, self.variance, n_genes)


def gene_statistics(
    file: Cells,
    *,
    target: float = MILLION,
    cells: np.ndarray | None = None,
    block: int = BLOCK,
) -> GeneStatistics:
    """Totals of the cells, and mean and variance of log(1 + TPM) of the genes, in one pass.

    Cells in which nothing is observed count as zeros.

    Parameters
    ----------
    file
        Non-negative values; TPM are taken over all of its genes.
    target
        Total to which each cell is brought: a million, as in the paper (Methods, the 1.3 million
        brain cells).
    cells
        Which cells count, booleans of shape (n_cells,); None for all.
    block
        Cells that are looked at at a time.
    """
    n_cells, n_genes = file.shape
    total = np.zeros(n_cells)
    sums, squares, n_observed = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes, np.int64)
    for place, X in _chosen("Reading statistics", file, cells, block):
        observed = np.asarray(X.sum(axis=1, dtype=np.float64)).ravel()
        total[place] = observed
        factor = np.divide(target, observed, out=np.zeros_like(observed), where=observed > 0)
        value = np.repeat(factor, np.diff(X.indptr))
        value *= X.data
        value += 1
        np.log(value, out=value)
        gene = X.indices.astype(np.int64)
        n_observed += np.bincount(gene, minlength=n_genes)
        sums += np.bincount(gene, value, minlength=n_genes)
        value *= value
        squares += np.bincount(gene, value, minlength=n_genes)

    n = n_cells if cells is None else int(np.sum(cells))
    mean = sums / max(1, n)
    variance = squares / max(1, n) - mean**2
    variance[variance <= (ROUNDING * mean) ** 2] = 0
    return GeneStatistics(total, mean, variance, n_observed, n)


def selected_stream(
    file: Cells,
    genes: np.ndarray,
    *,
    values: Values = "counts",
    cells: np.ndarray | None = None,
    obs: Mapping[str, np.ndarray] | None = None,
    uns: Mapping | None = None,
    block: int = BLOCK,
) -> Stream:
    """Some genes of all cells, or of some, which pass by once they are asked for: see `write_selected`."""
    column = np.full(file.shape[1], -1)
    column[genes] = np.arange(len(genes))
    kept = slice(None) if cells is None else cells

    def blocks() -> Iterator[tuple[sparse.csr_matrix, None]]:
        for _, X in _chosen("Writing selected genes", file, cells, block):
            selected = columns_of(X, column, len(genes))
            _check_values(selected, values)
            yield selected, None

    return Stream(
        cells=file.cells[kept],
        genes=file.genes[genes],
        values=values,
        blocks=blocks,
        obs={name: known[kept] for name, known in (obs or {}).items()},
        var={} if file.symbols is None else {"symbol": file.symbols[genes]},
        uns=uns or {},
    )


def write_selected(
    file: Cells,
    genes: np.ndarray,
    path: str | Path,
    *,
    values: Values = "counts",
    cells: np.ndarray | None = None,
    obs: Mapping[str, np.ndarray] | None = None,
    uns: Mapping | None = None,
    block: int = BLOCK,
) -> dict:
    """Write some genes of all cells, or of some, as a dataset: a second pass.

    Genes carry their ids, and their symbols in a column `symbol` where the file has some.

    Parameters
    ----------
    file
        Where the values come from; they are written as they are, float32.
    genes
        Indices of the genes, ascending, shape (n,).
    path
        Where to write, see `write_dataset`.
    values
        "counts" or "continuous".
    cells
        Which cells are written, booleans of shape (n_cells,); None for all.
    obs
        What is known of all cells of the file, arrays of shape (n_cells,) by name.
    uns
        Further facts.
    block
        Cells that are looked at at a time.

    Returns
    -------
    dict
        The data card, and in `empty_cells` the number of cells in which nothing is observed in the
        selected genes. They are written, too.

    Raises
    ------
    ValueError
        `values` are "counts" and one is not whole, or too large to be exact in the file.
    """
    stream = selected_stream(file, genes, values=values, cells=cells, obs=obs, uns=uns, block=block)
    n_empty = 0

    def counted() -> Iterator[tuple[sparse.csr_matrix, None]]:
        nonlocal n_empty
        for X, true in stream.blocks():
            n_empty += int(np.sum(np.diff(X.indptr) == 0))
            yield X, true

    card = write_dataset(replace(stream, blocks=counted), path)
    if n_empty:
        logger.warning(
            "Nothing is observed in the selected genes in %d of %d cells", n_empty, card["n_cells"]
        )
    return {**card, "empty_cells": n_empty}


def _chosen(
    title: str, file: Cells, cells: np.ndarray | None, block: int
) -> Iterator[tuple[slice | np.ndarray, sparse.csr_matrix]]:
    """The cells that count: their place in the file, and their values."""
    start = 0
    with Progress(title, file.shape[0], "cells") as progress:
        for X in file.blocks(block):
            n_read = X.shape[0]
            place: slice | np.ndarray = slice(start, start + n_read)
            start += n_read
            if cells is not None:
                here = np.flatnonzero(cells[place])
                place, X = place.start + here, X[here]
            if X.shape[0]:
                yield place, X
            progress.advance(n_read)


def _check_values(X: sparse.csr_matrix, values: Values) -> None:
    if values == "counts" and X.nnz:
        wrong = X.data > MAX_COUNT
        if X.dtype.kind == "f":
            wrong |= X.data != np.floor(X.data)
        if wrong.any():
            raise ValueError(
                f"Counts are whole numbers from 0 to {MAX_COUNT}, but there is "
                f"{X.data[np.argmax(wrong)]}."
            )
