"""Read the HDF5 files of 10x Genomics' Cell Ranger, old and new layout, block by block."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from scipy import sparse

from scscope.datasets.matrix import CellMatrix, check_shape, check_unique, reading
from scscope.validation import examples

LAYOUT = (
    "10x HDF5 (a group `matrix`, or one group named by its genome with data, indices, indptr, "
    "shape, barcodes, genes and gene_names)"
)
GENES = "Gene Expression"  # the feature type that is read
BLOCK = 4_000  # cells that are read at a time: 8 million non-zeros of the brain data


class Place(NamedTuple):
    """Where the parts of a matrix are in an HDF5 file."""

    group: str
    ids: str
    symbols: str
    kinds: str | None  # types of the features, in the new layout


class TenxFile:
    """A matrix in an HDF5 file of Cell Ranger, which is never held whole.

    The file is not kept open. Names and where cells begin are read, and checked, at once; values
    as they pass by.

    Parameters
    ----------
    path
        The file, old layout (`/mm10/data` …) or new (`/matrix/data` …). Of the features of the new
        layout, the genes are read.
    shape
        Number of cells and of genes that the file must have, if it is known.

    Attributes
    ----------
    shape
        Number of cells and of genes.
    cells, genes, symbols
        Barcodes; ids of the genes; their symbols, which may repeat. Arrays of text.
    nnz
        Number of stored entries, of all features.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It has not this layout, is damaged, or a part of it lies in another file.
    """

    def __init__(self, path: str | Path, *, shape: tuple[int, int] | None = None):
        self.path = Path(path)
        with reading(self.path, LAYOUT), h5py.File(self.path, "r") as file:
            self._place = _place(file)
            self._read_names(file)
            self._read_ends(file)
        check_unique(self.path, "cell", self.cells)
        check_unique(self.path, "gene", self.genes)
        check_shape(self.path, self.shape, shape)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells and of genes."""
        return len(self.cells), len(self.genes)

    def blocks(self, n_cells: int = BLOCK) -> Iterator[sparse.csr_matrix]:
        """All cells in order, `n_cells` at a time, CSR of shape (n, n_genes), genes ascending.

        Values have the type of the file. The next block is read meanwhile.

        Raises
        ------
        ValueError
            The file is damaged; a value is not a finite number from 0; an index is out of range or
            occurs twice in a cell. Says in which cell.
        """
        with (
            reading(self.path, LAYOUT),
            h5py.File(self.path, "r") as file,
            ThreadPoolExecutor(1) as thread,
        ):
            coming = thread.submit(self._entries, file, 0, n_cells)
            for start in range(0, self.shape[0], n_cells):
                entries = coming.result()
                following = start + n_cells
                if following < self.shape[0]:
                    coming = thread.submit(self._entries, file, following, following + n_cells)
                yield self._checked(start, following, *entries)

    def rows(self, start: int, stop: int) -> sparse.csr_matrix:
        """Some neighbouring cells, `start` <= i < `stop`, in the form of `blocks`."""
        with reading(self.path, LAYOUT), h5py.File(self.path, "r") as file:
            return self._checked(start, stop, *self._entries(file, start, stop))

    def read(self) -> CellMatrix:
        """All cells, in memory."""
        X = sparse.vstack(list(self.blocks()), format="csr")
        return CellMatrix(X, self.cells, self.genes, self.symbols)

    def _read_names(self, file: h5py.File) -> None:
        group, place = file[self._place.group], self._place
        shape = _integers(group, "shape")
        if shape.shape != (2,):
            raise ValueError(f"'shape' has {shape.size} numbers, but two are expected")
        n_features, n_cells = (int(n) for n in shape)
        if min(n_features, n_cells) < 1:
            raise ValueError(f"'shape' is {n_features} x {n_cells}: there is nothing to read")
        self.cells = _names(group, "barcodes", n_cells)
        ids, symbols = (_names(group, name, n_features) for name in (place.ids, place.symbols))
        self._column = None  # of each feature among the genes, -1 for what is none
        if place.kinds is not None:
            is_gene = _names(group, place.kinds, n_features) == GENES
            if not is_gene.any():
                raise ValueError(f"none of its {n_features:,} features is of type {GENES!r}")
            if not is_gene.all():
                self._column = np.where(is_gene, np.cumsum(is_gene) - 1, -1)
                ids, symbols = ids[is_gene], symbols[is_gene]
        self.genes, self.symbols, self._n_features = ids, symbols, n_features

    def _read_ends(self, file: h5py.File) -> None:
        group = file[self._place.group]
        ends = _integers(group, "indptr")
        if len(ends) != len(self.cells) + 1:
            raise ValueError(
                f"'indptr' has {len(ends):,} numbers, but {len(self.cells):,} cells need "
                f"{len(self.cells) + 1:,}"
            )
        if ends[0] != 0 or (ends[1:] < ends[:-1]).any() or ends[-1] > np.iinfo(np.int64).max:
            raise ValueError("the numbers in 'indptr' must start at 0 and not descend")
        self._ends = ends.astype(np.int64)
        self.nnz = int(self._ends[-1])
        for name, kinds in (("data", "iuf"), ("indices", "iu")):
            size = len(_part(group, name, kinds))
            if size != self.nnz:
                raise ValueError(
                    f"'indptr' ends at {self.nnz:,}, but {name!r} has {size:,} numbers"
                )

    def _entries(self, file: h5py.File, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Values and feature indices of some cells, as they stand in the file."""
        ends = self._ends[start : stop + 1]
        group = file[self._place.group]
        first, last = int(ends[0]), int(ends[-1])
        return group["data"][first:last], group["indices"][first:last]

    def _checked(
        self, start: int, stop: int, data: np.ndarray, indices: np.ndarray
    ) -> sparse.csr_matrix:
        """Check the entries of some cells, and bring them to the form of `blocks`."""
        n_features = self._n_features
        ends = self._ends[start : stop + 1] - self._ends[start]
        wrong = (indices < 0) | (indices >= n_features)
        self._refuse(wrong, start, ends, indices, f"a feature index from 0 to {n_features - 1:,}")
        wrong = data < 0 if data.dtype.kind != "f" else ~((data >= 0) & (data < np.inf))
        self._refuse(wrong, start, ends, data, "a finite number from 0")

        form = np.float32 if data.dtype == np.float16 else data.dtype.newbyteorder("=")
        parts = (data.astype(form, copy=False), indices.astype(np.int32), ends)
        X = sparse.csr_matrix(parts, shape=(len(ends) - 1, n_features))
        X.sort_indices()
        if not X.has_canonical_format:
            again = np.append(False, X.indices[1:] == X.indices[:-1])
            again[ends[:-1][np.diff(ends) > 0]] = False  # the first of each cell
            self._refuse(again, start, ends, X.indices, "each feature index once in a cell")
        if self._column is not None:
            X = columns_of(X, self._column, len(self.genes))
        X.eliminate_zeros()
        return X

    def _refuse(
        self, wrong: np.ndarray, start: int, ends: np.ndarray, found: np.ndarray, expected: str
    ) -> None:
        """Raise an error for the first entry that is wrong, of those of the cells from `start` on."""
        if wrong.any():
            entry = int(np.argmax(wrong))
            cell = start + int(np.searchsorted(ends, entry, side="right")) - 1
            raise ValueError(
                f"cell {cell} ({self.cells[cell]}) has {found[entry]} where {expected} is expected"
            )


def columns_of(X: sparse.csr_matrix, column: np.ndarray, n_columns: int) -> sparse.csr_matrix:
    """Some columns of a CSR matrix: that which becomes each, or -1 for what is left out.

    Faster than `X[:, columns]`, which looks at the columns one by one.
    """
    indices = column[X.indices]
    kept = indices >= 0
    ends = np.concatenate([[0], np.cumsum(kept)])[X.indptr]
    parts = (X.data[kept], indices[kept].astype(np.int32), ends)
    return sparse.csr_matrix(parts, shape=(X.shape[0], n_columns))


def _place(file: h5py.File) -> Place:
    """Find the matrix, and see that all its parts are there and in this file."""
    if "matrix" in file:
        place = Place("matrix", "features/id", "features/name", "features/feature_type")
    else:
        groups = [name for name in file if _is_matrix(file, name)]
        if len(groups) != 1:
            raise ValueError(
                f"there is no group 'matrix', and not one genome but {len(groups)}"
                f"{': ' if groups else ''}{examples(groups)}"
            )
        place = Place(groups[0], "genes", "gene_names", None)
    parts = ["data", "indices", "indptr", "shape", "barcodes", *filter(None, place[1:])]
    missing = [name for name in parts if f"{place.group}/{name}" not in file]
    if missing:
        raise ValueError(f"the group {place.group!r} lacks {', '.join(missing)}")
    for name in parts:
        _check_links(file, f"{place.group}/{name}")
    return place


def _is_matrix(file: h5py.File, name: str) -> bool:
    is_group = file.get(name, getclass=True) is h5py.Group
    return is_group and "indptr" in file[name]


def _check_links(file: h5py.File, name: str) -> None:
    """Refuse what would be read from elsewhere: such a file could name any other of the machine."""
    parts = name.split("/")
    for i in range(len(parts)):
        path = "/".join(parts[: i + 1])
        if not isinstance(file.get(path, getlink=True), h5py.HardLink):
            raise ValueError(f"{path!r} is a link, but data in the file itself are expected")
    item = file[name]
    if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
        raise ValueError(f"{name!r} lies in another file, but data in this one are expected")


def _part(group: h5py.Group, name: str, kinds: str) -> h5py.Dataset:
    """A vector of numbers of these kinds."""
    item = group[name]
    if (
        not isinstance(item, h5py.Dataset)
        or len(item.shape or ()) != 1
        or item.dtype.kind not in kinds
    ):
        found = f"{item.dtype} {item.shape}" if isinstance(item, h5py.Dataset) else "a group"
        whole = "" if "f" in kinds else "whole "
        raise ValueError(f"{name!r} is {found}, but a vector of {whole}numbers is expected")
    return item


def _integers(group: h5py.Group, name: str) -> np.ndarray:
    return _part(group, name, "iu")[()]


def _names(group: h5py.Group, name: str, n_names: int) -> np.ndarray:
    """A vector of texts of known length."""
    item = group[name]
    is_text = isinstance(item, h5py.Dataset) and h5py.check_string_dtype(item.dtype) is not None
    if not is_text or len(item.shape or ()) != 1:
        raise ValueError(f"{name!r} holds no vector of texts")
    if len(item) != n_names:
        raise ValueError(
            f"{name!r} has {len(item):,} texts, but by 'shape' {n_names:,} are expected"
        )
    return item.asstr()[()].astype(str)
