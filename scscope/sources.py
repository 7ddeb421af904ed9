"""Where cells come from while a model trains or is applied: memory, or a file larger than it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from torch import Tensor

RESIDENT_BYTES = 2**30  # data that are smaller when dense are kept so, on the device
CHUNK_VALUES = 2**22  # entries, cells x genes, that are made dense at a time
BLOCK = 512  # neighbouring cells of a file that are read together, at least
READ_AHEAD = 4  # parts that are alive at most: trained on, waiting, being read, being converted


@dataclass(frozen=True)
class Part:
    """Cells that lie in memory.

    Parameters
    ----------
    X
        Values of shape (n_cells, n_genes): a CSR matrix, or a dense tensor on the device.
    batch
        Index of the batch of each cell, shape (n_cells,): array or tensor, like `X`; or None.
    device
        Where minibatches go.
    """

    X: sparse.csr_matrix | Tensor
    batch: np.ndarray | Tensor | None
    device: str

    def __len__(self) -> int:
        return self.X.shape[0]

    def load(self, rows: np.ndarray | slice) -> tuple[Tensor, Tensor | None]:
        """Dense values (n, n_genes) and batch indices (n,) of some cells, on the device."""
        import torch

        if not sparse.issparse(self.X):
            if isinstance(rows, slice):
                return self.X[rows], None if self.batch is None else self.batch[rows]
            index = torch.from_numpy(rows).to(self.device)
            x = self.X.index_select(0, index)  # on a CPU twice as fast as `X[index]`
            return x, None if self.batch is None else self.batch[index]
        x = torch.from_numpy(self.X[rows].toarray()).to(self.device)
        return x, None if self.batch is None else torch.from_numpy(self.batch[rows]).to(self.device)

    def resident(self) -> Part:
        """The same cells, dense and on the device."""
        x, batch = self.load(slice(None))
        return replace(self, X=x, batch=batch)


class InMemory:
    """Cells of a CSR matrix.

    Parameters
    ----------
    X
        Values of shape (n_cells, n_genes), float32.
    batch
        Index of the batch of each cell, shape (n_cells,), or None.
    """

    def __init__(self, X: sparse.csr_matrix, batch: np.ndarray | None = None):
        self.X, self.batch, self.shape = X, batch, X.shape

    def parts(self, rng: np.random.Generator, batch_size: int, device: str) -> Iterator[Part]:
        """All cells, as one part: the same one for every epoch."""
        if getattr(self, "_part", None) is None or self._part.device != device:
            part = Part(self.X, self.batch, device)
            small = 4 * np.prod(self.shape, dtype=np.int64) <= RESIDENT_BYTES
            self._part = part.resident() if small else part
        yield self._part

    def chunks(self, cells: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Part]]:
        """All cells, or those asked for, in order and some at a time: their indices and values."""
        cells = np.arange(self.shape[0]) if cells is None else cells
        for start in range(0, len(cells), chunk_size(self.shape[1])):
            chunk = cells[start : start + chunk_size(self.shape[1])]
            batch = None if self.batch is None else self.batch[chunk]
            yield chunk, Part(self.X[chunk], batch, "cpu")

    def reordered(self, columns: np.ndarray) -> InMemory:
        """The same cells with gene i at place `columns[i]`."""
        X = sparse.csr_matrix((self.X.data, columns[self.X.indices], self.X.indptr), self.X.shape)
        return InMemory(X, self.batch)

    def without(self, cell: np.ndarray, gene: np.ndarray) -> InMemory:
        """The same cells with the entries (cell[i], gene[i]) set to zero."""
        return InMemory(without_entries(self.X, np.arange(self.shape[0]), cell, gene), self.batch)


class OnDisk:
    """Cells of a matrix in an .h5ad file or .zarr folder, read block by block.

    An epoch reads blocks of neighbouring cells in random order and shuffles the cells of as many
    blocks as the memory allows, while the next ones are being read. Cells that lie in one block of
    the file thus tend to meet, but seldom in one minibatch.

    Parameters
    ----------
    path
        The file.
    key
        Place of the matrix: "X" or "layers/…". CSR or dense, cells x genes.
    memory_mb
        Memory that the cells may take at any time, MiB.
    batch
        Index of the batch of each cell, shape (n_cells,), or None.
    """

    def __init__(
        self,
        path: str | Path,
        key: str,
        *,
        memory_mb: float,
        batch: np.ndarray | None = None,
    ):
        self.path, self.key, self.memory_mb, self.batch = str(path), key, memory_mb, batch
        self.columns: np.ndarray | None = None  # place of each gene of the file
        self.hidden: tuple[np.ndarray, np.ndarray] | None = None  # entries taken as zero, by cell
        self.matrix = open_group(self.path)[key]
        self.is_sparse = not hasattr(self.matrix, "dtype")
        if self.is_sparse:
            self.shape = tuple(int(n) for n in self.matrix.attrs["shape"])
            self.indptr = np.asarray(self.matrix["indptr"][:]).astype(np.int64)
            size = self.indptr[-1] * 8 + self.shape[0] * 8
        else:
            self.shape = tuple(self.matrix.shape)
            size = 12 * self.shape[0] * self.shape[1]
        self.cell_bytes = max(1.0, size / max(1, self.shape[0]))

    def parts(self, rng: np.random.Generator, batch_size: int, device: str) -> Iterator[Part]:
        """Cells in random order, as many at a time as the memory allows.

        Parts hold whole minibatches, but for the one with the last cells of the file.
        """
        block = -(-BLOCK // batch_size) * batch_size
        order = rng.permutation(-(-self.shape[0] // block))
        per_part = max(1, int(self.memory_mb * 2**20 / READ_AHEAD / self.cell_bytes / block))

        def read(first: int) -> Part:
            starts = order[first : first + per_part] * block
            ranges = [(start, min(start + block, self.shape[0])) for start in starts]
            X = sparse.vstack([self.rows(*cells) for cells in ranges], format="csr")
            index = np.concatenate([np.arange(*cells) for cells in ranges])
            return Part(X, None if self.batch is None else self.batch[index], device)

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(read, 0)
            for first in range(per_part, len(order) + per_part, per_part):
                part = coming.result()
                if first < len(order):
                    coming = reader.submit(read, first)
                yield part

    def chunks(self, cells: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, Part]]:
        """All cells, or those asked for (ascending), in order and some at a time."""
        cells = np.arange(self.shape[0]) if cells is None else cells
        size = chunk_size(self.shape[1])
        for start in range(0, self.shape[0], size):
            chunk = cells[slice(*np.searchsorted(cells, (start, start + size)))]
            if len(chunk):
                X = self.rows(chunk[0], chunk[-1] + 1)[chunk - chunk[0]]
                yield chunk, Part(X, None if self.batch is None else self.batch[chunk], "cpu")

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        """Values of neighbouring cells, float32."""
        if self.is_sparse:
            indptr = self.indptr[start : stop + 1]
            entries = slice(int(indptr[0]), int(indptr[-1]))
            data = np.asarray(self.matrix["data"][entries], dtype=np.float32)
            indices = np.asarray(self.matrix["indices"][entries], dtype=np.int32)
            n_genes = self.shape[1]
            X = sparse.csr_matrix(
                (data, indices, indptr - indptr[0]), shape=(stop - start, n_genes)
            )
        else:
            X = sparse.csr_matrix(np.asarray(self.matrix[start:stop], dtype=np.float32))
        if self.columns is not None:
            X = sparse.csr_matrix((X.data, self.columns[X.indices], X.indptr), shape=X.shape)
        if self.hidden is not None:
            cell, gene = self.hidden
            here = slice(*np.searchsorted(cell, (start, stop)))
            X = without_entries(X, np.arange(start, stop), cell[here], gene[here])
        return X

    def without(self, cell: np.ndarray, gene: np.ndarray) -> OnDisk:
        """The same cells with the entries (cell[i], gene[i]) set to zero."""
        order = np.argsort(cell, kind="stable")
        return self._with(hidden=(cell[order], gene[order]))

    def reordered(self, columns: np.ndarray) -> OnDisk:
        """The same cells with gene i at place `columns[i]`."""
        return self._with(columns=columns)

    def _with(self, **changes) -> OnDisk:
        other = copy(self)
        vars(other).update(changes)
        return other


Source = InMemory | OnDisk


def open_group(path: str):
    """The root of an .h5ad file or a .zarr folder, to read."""
    if path.rstrip("/").endswith(".zarr"):
        import zarr

        return zarr.open_group(path, mode="r")
    import h5py

    return h5py.File(path, "r")


def chunk_size(n_genes: int) -> int:
    """Cells that are made dense at a time."""
    return max(1, CHUNK_VALUES // max(1, n_genes))


def without_entries(
    X: sparse.csr_matrix, cells: np.ndarray, cell: np.ndarray, gene: np.ndarray
) -> sparse.csr_matrix:
    """A copy of `X`, whose rows are `cells` (ascending), with some entries set to zero."""
    if not len(cell):
        return X
    row = np.searchsorted(cells, cell)
    hidden = sparse.csr_matrix((np.ones(len(row), np.float32), (row, gene)), shape=X.shape)
    hidden.data[:] = 1  # also where an entry is named twice
    X = X - X.multiply(hidden)
    X.eliminate_zeros()
    return X.tocsr()
