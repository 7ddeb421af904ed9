"""Simulations that are drawn in blocks of cells, each from random streams of its own.

What a cell gets depends on the seed and its place alone: not on how many cells there are, on how
many of them are drawn at a time, or on how many threads draw.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scscope.data import Stream, Values
from scscope.seeds import derive_seed

if TYPE_CHECKING:
    from anndata import AnnData

# Part of every model: another size gives other data.
BLOCK = 1_000
BLOCK_VALUES = 1_000_000

Rows = tuple[sparse.csr_matrix, sparse.csr_matrix]  # observed and true values of some cells


def cells_per_block(n_genes: int) -> int:
    """Number of cells that share random streams: fewer where there are many genes."""
    return max(1, min(BLOCK, BLOCK_VALUES // n_genes))


def random_stream(seed: int, step: str, *part: int) -> np.random.Generator:
    """Random numbers of one step, or of one part of it: a group or a block of cells."""
    key = np.random.SeedSequence(derive_seed(seed, step), spawn_key=part)
    return np.random.Generator(np.random.PCG64(key))


def stream_state(seed: int, step: str, *part: int) -> tuple[np.uint64, ...]:
    """Where the random words of one step, or of one part of it, begin: four words."""
    key = np.random.SeedSequence(derive_seed(seed, step), spawn_key=part)
    return tuple(key.generate_state(4, np.uint64))


@dataclass(frozen=True)
class Simulation:
    """A simulated dataset, of which the values are still to be drawn.

    Parameters
    ----------
    n_cells, n_genes
        Its shape.
    values
        "counts" or "continuous".
    obs, var
        What is known of cells and genes: arrays of shape (n_cells,) and (n_genes,) by name.
    draw
        Function (block, n) that returns observed and true values of the first n cells of a block,
        CSR of shape (n, n_genes), float32. Blocks are numbered from 0 and can be drawn in any
        order.
    uns
        Further facts: texts, numbers, lists of texts.
    """

    n_cells: int
    n_genes: int
    values: Values
    obs: dict[str, np.ndarray]
    var: dict[str, np.ndarray]
    draw: Callable[[int, int], Rows]
    uns: dict = field(default_factory=dict)

    def blocks(
        self, *, chunk_cells: int | None = None, threads: int | None = None
    ) -> Iterator[Rows]:
        """Observed and true values of consecutive cells.

        Parameters
        ----------
        chunk_cells
            Cells that are handed out at a time; without it, as they are drawn.
        threads
            Threads that draw; without it, as many as there are cores. No more than that many
            blocks are held at a time, and one.
        """
        size = cells_per_block(self.n_genes)
        starts = range(0, self.n_cells, size)
        drawn = in_order(
            lambda start: self.draw(start // size, min(size, self.n_cells - start)),
            starts,
            threads,
        )
        return drawn if chunk_cells is None else rechunked(drawn, chunk_cells)

    def stream(self, *, threads: int | None = None) -> Stream:
        """The dataset as `scscope.data.write_dataset` takes it: never whole in memory."""
        return Stream(
            cells=names("Cell", self.n_cells),
            genes=names("Gene", self.n_genes),
            values=self.values,
            obs=self.obs,
            var=self.var,
            uns=self.uns,
            blocks=lambda: self.blocks(threads=threads),
        )

    def to_anndata(self, *, threads: int | None = None) -> "AnnData":
        """The whole dataset in memory, with the dropout mask as a layer."""
        import pandas as pd
        from anndata import AnnData

        blocks = [(*pair, dropout_mask(*pair)) for pair in self.blocks(threads=threads)]
        observed, true, dropout = _joined(blocks)
        return AnnData(
            X=observed,
            layers={"true": true, "dropout": dropout},
            obs=pd.DataFrame(self.obs, index=names("Cell", self.n_cells)),
            var=pd.DataFrame(self.var, index=names("Gene", self.n_genes)),
            uns={"values": self.values, **self.uns},
        )


def names(kind: str, n: int) -> np.ndarray:
    """Names of cells, genes, groups: "Cell1", "Cell2" and so on; shape (n,)."""
    return np.char.add(kind, np.arange(1, n + 1).astype(str))


def csr_of(values: np.ndarray, kept: np.ndarray) -> sparse.csr_matrix:
    """The entries of a dense matrix that are `kept`, as CSR float32; both (n_cells, n_genes)."""
    n_cells, n_genes = values.shape
    place = np.flatnonzero(kept)
    start = np.zeros(n_cells + 1, dtype=np.int32)
    np.cumsum(np.count_nonzero(kept, axis=1), out=start[1:])
    gene = (place % n_genes).astype(np.int32)
    data = values.reshape(-1)[place].astype(np.float32, copy=False)
    return sparse.csr_matrix((data, gene, start), shape=values.shape, copy=False)


def csr_of_filled(
    data: np.ndarray, indices: np.ndarray, start: np.ndarray, n_genes: int
) -> sparse.csr_matrix:
    """CSR of the filled part of `data` and `indices`, which may be longer."""
    n = start[-1]
    shape = (len(start) - 1, n_genes)
    return sparse.csr_matrix((data[:n], indices[:n], start), shape=shape, copy=False)


def dropout_mask(observed: sparse.csr_matrix, true: sparse.csr_matrix) -> sparse.csr_matrix:
    """Where a true value other than 0 was not observed: CSR of booleans.

    Both are CSR of the same shape without stored zeros, and the observed values are among the true.
    """
    seen = np.zeros(true.shape, dtype=bool).reshape(-1)
    seen[_places(observed)] = True
    missed = ~seen[_places(true)]
    start = np.concatenate([np.zeros(1, np.int32), np.cumsum(missed, dtype=np.int32)])[true.indptr]
    entries = (np.ones(start[-1], dtype=bool), true.indices[missed], start)
    return sparse.csr_matrix(entries, shape=true.shape)


def _places(matrix: sparse.csr_matrix) -> np.ndarray:
    """Where the entries lie if rows follow one another, shape (nnz,)."""
    n_rows, n_columns = matrix.shape
    first = np.arange(n_rows) * n_columns
    return np.repeat(first, np.diff(matrix.indptr)) + matrix.indices


def in_order(function: Callable, items, threads: int | None) -> Iterator:
    """Results of a function in the order of its arguments, computed ahead by threads."""
    from threadpoolctl import threadpool_limits

    threads = threads or available_cores()
    # Threads of matrix products would fight with ours, and rounding may depend on their number.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        ahead: deque = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def rechunked(rows: Iterator[Rows], size: int) -> Iterator[Rows]:
    """The same cells, `size` of them at a time."""
    held, n = [], 0
    for pair in rows:
        held.append(pair)
        n += pair[0].shape[0]
        while n >= size:
            whole = _joined(held)
            yield tuple(matrix[:size] for matrix in whole)
            held = [tuple(matrix[size:] for matrix in whole)]
            n -= size
    if n:
        yield _joined(held)


def _joined(blocks: list[tuple[sparse.csr_matrix, ...]]) -> tuple[sparse.csr_matrix, ...]:
    """Matrices of several blocks of cells, one below the other."""
    if len(blocks) == 1:
        return blocks[0]
    return tuple(sparse.vstack(parts, format="csr") for parts in zip(*blocks, strict=True))
