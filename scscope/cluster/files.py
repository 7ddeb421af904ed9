"""Clustering from file to file: read a latent, write the labels of its cells."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scscope.atomic import beside
from scscope.cluster.leiden import leiden
from scscope.cluster.phenograph import phenograph
from scscope.cluster.result import Clustering
from scscope.cluster.scalable import scalable
from scscope.validation import not_writable

if TYPE_CHECKING:
    import h5py

# The clusterers that need no true labels.
CLUSTERERS = {"phenograph": phenograph, "leiden": leiden, "scalable": scalable}
READABLE = (".npy", ".npz", ".h5ad", ".csv", ".tsv", ".txt")  # tables also with .gz
WRITABLE = (".npy", ".csv", ".tsv")


@dataclass(frozen=True)
class Latent:
    """A latent as it lies in a file.

    Parameters
    ----------
    values
        Shape (n_cells, n_latent): an array, a memory map or an HDF5 dataset that is not read yet.
    cells
        Names of the cells, shape (n_cells,), or None where the file has none.
    """

    values: "np.ndarray | h5py.Dataset"
    cells: np.ndarray | None


def cluster_file(
    source: Path,
    target: Path,
    *,
    clusterer: str = "phenograph",
    key: str | None = None,
    overwrite: bool = False,
    **settings,
) -> Clustering:
    """Cluster the cells of a file and write their labels.

    Parameters
    ----------
    source
        The latent: `.npy`; `.npz`; the `obsm` of an `.h5ad`; or `.csv`, `.tsv`, `.txt`, each also
        `.gz`, with a header line and the names of the cells in the first column.
    target
        Where labels go: `.npy`, or `.csv` or `.tsv` with the columns cell and cluster. -1 stands for
        cells in no cluster.
    clusterer
        A key of `CLUSTERERS`. Only "scalable" reads `.npy` and `.h5ad` in chunks.
    key
        Name of the array in an `.npz` or in `obsm`; may be left out where there is only one.
    overwrite
        Whether `target` may be replaced.
    settings
        Of the clusterer, `seed` among them.

    Returns
    -------
    Clustering
        What was found and written.

    Raises
    ------
    ValueError
        Something cannot be used; said before work starts.
    FileNotFoundError
        There is no such file.
    """
    source, target = Path(source), Path(target)
    if clusterer not in CLUSTERERS:
        raise ValueError(f"Unknown clusterer {clusterer!r}. Known: {', '.join(CLUSTERERS)}.")
    if target.suffix not in WRITABLE:
        raise ValueError(f"'{target}' must end in {' or '.join(WRITABLE)}.")
    if target.exists() and not overwrite:
        raise ValueError(f"'{target}' exists: choose another name, or allow to overwrite it.")
    if reason := not_writable(target.absolute().parent):
        raise ValueError(reason)
    with open_latent(source, key) as latent:
        values = latent.values if clusterer == "scalable" else np.asarray(latent.values)
        found = CLUSTERERS[clusterer](values, **settings)
        write_labels(found.labels, latent.cells, target)
    return found


@contextmanager
def open_latent(path: Path, key: str | None = None) -> Iterator[Latent]:
    """The latent of a file; `.npy` and `.h5ad` are read only when, and as far as, they are used.

    Parameters
    ----------
    path, key
        See `cluster_file`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in READABLE:
        raise ValueError(
            f"'{path}' cannot be read: known are {', '.join(READABLE)}, tables also with .gz."
        )
    if key is not None and suffix not in (".npz", ".h5ad"):
        raise ValueError(f"'{path}' holds one array: {key!r} can be named for .npz and .h5ad only.")
    if suffix == ".h5ad":
        import h5py

        try:
            file = h5py.File(path)
        except OSError as error:
            raise ValueError(f"'{path}' is not an .h5ad file: {error}") from error
        with file:
            yield _in_obsm(file, path, key)
    elif suffix in (".npy", ".npz"):
        yield Latent(_checked(_in_numpy(path, key), path), None)
    else:
        yield _in_table(path)


def write_labels(labels: np.ndarray, cells: np.ndarray | None, path: Path) -> None:
    """Write labels, whole or not at all.

    Parameters
    ----------
    labels
        Shape (n_cells,).
    cells
        Names of the cells, or None to number them from 0.
    path
        `.npy`, `.csv` or `.tsv`.
    """
    with beside(path) as part:
        if path.suffix == ".npy":
            with part.open("wb") as file:
                np.save(file, labels)
            return
        names = range(len(labels)) if cells is None else cells
        with part.open("w", newline="") as file:
            delimiter = "," if path.suffix == ".csv" else "\t"
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            writer.writerow(["cell", "cluster"])
            writer.writerows(zip(names, labels.tolist(), strict=True))


def _in_numpy(path: Path, key: str | None) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with np.load(path, allow_pickle=False) as arrays:
            return arrays[_chosen(key, list(arrays), path)]
    except (ValueError, EOFError, OSError) as error:
        if str(error).startswith("'"):
            raise
        raise ValueError(f"'{path}' is not a NumPy file of numbers: {error}") from error


def _in_obsm(file: "h5py.File", path: Path, key: str | None) -> Latent:
    key = _chosen(key, list(file.get("obsm", {})), path)
    values = file["obsm"][key]
    if not hasattr(values, "dtype"):
        raise ValueError(f"obsm {key!r} of '{path}' is no dense array; write it as one.")
    obs = file["obs"]
    index = obs.attrs.get("_index", "_index")
    cells = obs[index].asstr()[:] if index in obs else None
    return Latent(_checked(values, path), cells)


def _in_table(path: Path) -> Latent:
    from scscope.datasets.text import read_table

    cells, values = [], []
    _, rows = read_table(path)
    for cell, fields in rows:
        try:
            values.append([float(field) for field in fields])
        except ValueError as error:
            raise ValueError(f"'{path}', cell {cell!r}: {error}.") from error
        cells.append(cell)
    if len(set(cells)) < len(cells):
        raise ValueError(f"'{path}' has names of cells more than once in its first column.")
    return Latent(_checked(np.array(values), path), np.array(cells))


def _checked(values: "np.ndarray | h5py.Dataset", path: Path) -> "np.ndarray | h5py.Dataset":
    if len(values.shape) != 2 or values.dtype.kind not in "fiub":
        raise ValueError(
            f"'{path}' must hold numbers of the shape (n_cells, n_latent), got {values.dtype} of the "
            f"shape {values.shape}."
        )
    return values


def _chosen(key: str | None, known: list[str], path: Path) -> str:
    if key in known or (key is None and len(known) == 1):
        return key or known[0]
    what = f"no array {key!r}" if key else "not one array but several, or none"
    raise ValueError(
        f"'{path}' has {what}. There is: {', '.join(known) or 'none'}. Name one of them."
    )
