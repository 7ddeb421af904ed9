"""The h5ad layout in HDF5: written block by block, and read without importing anndata.

anndata's own writer wants a matrix in memory, and importing anndata takes longer than most small
jobs. The layout is that of anndata's file format specification, on-disk format 0.1.0.
"""

from collections.abc import Mapping

import h5py
import numpy as np
from scipy import sparse

CHUNK = 2**18  # entries of a matrix that lie together in the file
TEXT = h5py.string_dtype("utf-8")


class MatrixWriter:
    """A CSR matrix in a file, to which rows are appended.

    Parameters
    ----------
    parent, name
        Where the matrix goes.
    n_columns
        Its width.
    """

    def __init__(self, parent: h5py.Group, name: str, n_columns: int):
        self._group = parent.create_group(name)
        _encode(self._group, "csr_matrix", "0.1.0")
        many = {"shape": (0,), "maxshape": (None,), "chunks": (CHUNK,)}
        self._data = self._group.create_dataset("data", dtype=np.float32, **many)
        self._indices = self._group.create_dataset("indices", dtype=np.int32, **many)
        self._lengths: list[np.ndarray] = []
        self._n_columns = n_columns
        self.nnz = 0

    def append(self, rows: sparse.csr_matrix) -> None:
        """Write further rows, CSR of shape (n, n_columns), float32."""
        end = self.nnz + rows.nnz
        for dataset, values in ((self._data, rows.data), (self._indices, rows.indices)):
            dataset.resize((end,))
            if rows.nnz:
                dataset[self.nnz :] = values
        self._lengths.append(np.diff(rows.indptr))
        self.nnz = end

    def finish(self) -> None:
        """Write where the rows begin, and the shape."""
        lengths = np.concatenate([np.zeros(1, np.int64), *self._lengths])
        starts = np.cumsum(lengths, dtype=np.int64)
        # As wide as the indices where that is enough: scikit-learn refuses a mixture.
        self._group["indptr"] = starts.astype(np.int32) if self.nnz < 2**31 else starts
        self._group.attrs["shape"] = np.array([len(lengths) - 1, self._n_columns])


def create(file: h5py.File) -> None:
    """Lay out an empty h5ad file, without `X`, `obs` and `var`."""
    _encode(file, "anndata", "0.1.0")
    for name in ("layers", "obsm", "obsp", "varm", "varp", "uns"):
        _encode(file.create_group(name), "dict", "0.1.0")


def write_frame(
    parent: h5py.Group, name: str, index: np.ndarray, columns: Mapping[str, np.ndarray]
) -> None:
    """Write a table of named rows; columns of text become categories."""
    frame = parent.create_group(name)
    _encode(frame, "dataframe", "0.2.0")
    frame.attrs["_index"] = "_index"
    frame.attrs.create("column-order", list(columns), dtype=TEXT)
    write_value(frame, "_index", index)
    for column, values in columns.items():
        if values.dtype.kind == "U":
            _write_categories(frame, column, values)
        else:
            write_value(frame, column, values)


def write_value(parent: h5py.Group, name: str, value) -> None:
    """Write a text, a number, or an array of either."""
    array = np.asarray(value)
    is_text = array.dtype.kind == "U"
    dataset = parent.create_dataset(
        name, data=array.astype(object) if is_text else array, dtype=TEXT if is_text else None
    )
    if array.ndim:
        _encode(dataset, "string-array" if is_text else "array", "0.2.0")
    else:
        _encode(dataset, "string" if is_text else "numeric-scalar", "0.2.0")


def read_csr(group: h5py.Group) -> sparse.csr_matrix:
    """Read a CSR matrix."""
    parts = (group["data"][()], group["indices"][()], group["indptr"][()])
    return sparse.csr_matrix(parts, shape=tuple(group.attrs["shape"]))


def read_column(frame: h5py.Group, name: str) -> np.ndarray:
    """Read a column of text from a table."""
    column = frame[name]
    if isinstance(column, h5py.Dataset):
        return column.asstr()[()].astype(str)
    return column["categories"].asstr()[()].astype(str)[column["codes"][()]]


def _write_categories(frame: h5py.Group, name: str, values: np.ndarray) -> None:
    categories, codes = np.unique(values, return_inverse=True)
    column = frame.create_group(name)
    _encode(column, "categorical", "0.2.0")
    column.attrs["ordered"] = False
    write_value(column, "categories", categories)
    write_value(column, "codes", codes.astype(np.int32))


def _encode(item: h5py.Group | h5py.Dataset, kind: str, version: str) -> None:
    item.attrs["encoding-type"] = kind
    item.attrs["encoding-version"] = version
