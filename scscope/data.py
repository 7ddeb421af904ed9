"""The dataset contract: cells x genes in an AnnData file, and the scales on which methods see it."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import h5py
import numpy as np
from scipy import sparse

from scscope.atomic import beside

if TYPE_CHECKING:
    from anndata import AnnData

VALUES = ("counts", "continuous")
SCALES = ("counts", "size", "log", "size_unit", "log_unit")
Values = Literal["counts", "continuous"]
Scale = Literal["counts", "size", "log", "size_unit", "log_unit"]

BLOCK = 2_000  # cells that are made dense at a time
ROUNDING = 1e-6  # of float32, relative


@dataclass(frozen=True)
class Dataset:
    """Observed values and what is known of their cells.

    Parameters
    ----------
    X
        CSR matrix of shape (n_cells, n_genes), float32, without stored zeros.
    cells, genes
        Names, arrays of shape (n_cells,) and (n_genes,).
    values
        "counts" (non-negative integers) or "continuous".
    label, batch
        Arrays of shape (n_cells,), or None where the dataset has none.
    hash
        sha256 of all of the above and of the true values, see `content_hash`.
    """

    X: sparse.csr_matrix
    cells: np.ndarray
    genes: np.ndarray
    values: Values
    label: np.ndarray | None
    batch: np.ndarray | None
    hash: str


@dataclass(frozen=True)
class Targets:
    """Entries at which imputation is judged: three aligned arrays of shape (n_targets,).

    All of them are observed as zero. `value` is the true value: positive where an expressed gene
    was missed, and 0 where the zero is real (so that over-imputing has a price).
    """

    cell: np.ndarray
    gene: np.ndarray
    value: np.ndarray


def median_total(totals: np.ndarray) -> float:
    """L of the size normalisation: the median over cells of the observed total."""
    return float(np.median(totals))


@dataclass(frozen=True)
class Scaled:
    """A dataset on the scale that a method takes: what a method is given.

    Parameters
    ----------
    X
        CSR matrix of shape (n_cells, n_genes), float32, non-negative for non-negative values.
    scale
        One of `SCALES`.
    values
        What the dataset declares: "counts" or "continuous".
    cells, genes
        Names, arrays of shape (n_cells,) and (n_genes,).
    total
        Observed total of each cell before scaling, shape (n_cells,).
    unit
        What each gene was divided by, shape (n_genes,): 1 unless the scale ends in `_unit`.
    batch
        Array of shape (n_cells,), or None.
    label
        True labels: given to oracles (controls that may see them) only, else None.
    """

    X: sparse.csr_matrix
    scale: Scale
    values: Values
    cells: np.ndarray
    genes: np.ndarray
    total: np.ndarray
    unit: np.ndarray
    batch: np.ndarray | None = None
    label: np.ndarray | None = field(default=None, repr=False)

    def to_log(self, predicted: np.ndarray, cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
        """Take predictions on this scale to the scale on which imputation is scored.

        Parameters
        ----------
        predicted
            Values on `self.scale` for the entries (cells[i], genes[i]), shape (n,). Negative ones
            become 0.
        cells, genes
            Indices of the entries, shape (n,).

        Returns
        -------
        np.ndarray
            log1p(value x L / n_c), shape (n,), with L and n_c from the observed matrix.
        """
        value = np.maximum(np.asarray(predicted, dtype=np.float64), 0) * self.unit[genes]
        if self.scale in ("log", "log_unit"):
            return value
        if self.scale == "counts":
            return log_normalised(value, self.total[cells], median_total(self.total))
        return np.log1p(value)


def log_normalised(value: np.ndarray, total: np.ndarray, median: float) -> np.ndarray:
    """log1p(value x L / n_c): the scale on which imputation is scored.

    Parameters
    ----------
    value
        Counts, true or predicted, shape (n,).
    total
        Observed total n_c of the cell of each value, shape (n,).
    median
        Median observed total L.
    """
    return np.log1p(value * size_factor(total, median))


def size_factor(total: np.ndarray, median: float) -> np.ndarray:
    """L / n_c for each cell, 0 for a cell in which nothing was observed."""
    total = np.asarray(total, dtype=np.float64)
    return np.divide(median, total, out=np.zeros_like(total), where=total > 0)


def cell_totals(X: sparse.csr_matrix) -> np.ndarray:
    """Observed total of each cell, shape (n_cells,), float64."""
    return np.asarray(X.sum(axis=1, dtype=np.float64)).ravel()


def gene_sd(X: sparse.csr_matrix) -> np.ndarray:
    """Standard deviation of each gene over all cells (divided by n), shape (n_genes,).

    0 where it is too small beside the mean to be told from rounding.
    """
    n_cells, n_genes = X.shape
    mean = np.bincount(X.indices, weights=X.data, minlength=n_genes) / n_cells
    n_zeros = n_cells - np.bincount(X.indices, minlength=n_genes)
    squares = np.bincount(X.indices, (X.data - mean[X.indices]) ** 2, minlength=n_genes)
    sd = np.sqrt((squares + n_zeros * mean**2) / n_cells)
    return np.where(sd > ROUNDING * np.abs(mean), sd, 0.0)


def scaled(data: Dataset, scale: Scale, *, with_labels: bool = False) -> Scaled:
    """Bring a dataset to one of the five scales of the benchmark.

    Parameters
    ----------
    data
        The dataset.
    scale
        "counts": values as observed. "size": value x L / n_c, with n_c the observed total of the
        cell and L the median of n_c. "log": log1p of "size". "size_unit" and "log_unit": the same
        with every gene divided by its standard deviation over the cells; genes without variation
        stay as they are. Nothing is centred, so zeros stay zeros on every scale.
    with_labels
        Whether the labels come along. Only oracles may see them.
    """
    if scale not in SCALES:
        raise ValueError(f"Unknown scale {scale!r}. Known scales: {', '.join(SCALES)}.")

    total = cell_totals(data.X)
    X = data.X.astype(np.float64)
    unit = np.ones(X.shape[1])
    if scale != "counts":
        factor = size_factor(total, median_total(total))
        X.data *= np.repeat(factor, np.diff(X.indptr))
    if scale.startswith("log"):
        X.data = np.log1p(X.data)
    if scale.endswith("_unit"):
        sd = gene_sd(X)
        unit = np.where(sd > 0, sd, 1.0)
        X.data /= unit[X.indices]

    return Scaled(
        X=X.astype(np.float32),
        scale=scale,
        values=data.values,
        cells=data.cells,
        genes=data.genes,
        total=total,
        unit=unit,
        batch=data.batch,
        label=data.label if with_labels else None,
    )


def top_genes(X: sparse.csr_matrix, n_genes: int) -> np.ndarray:
    """Indices of the genes with the largest variance / mean on the "log" scale, ascending.

    The rule that the paper states for its brain data; shape (min(n_genes, X.shape[1]),).
    """
    total = cell_totals(X)
    log = X.astype(np.float64)
    log.data = log_normalised(log.data, np.repeat(total, np.diff(log.indptr)), median_total(total))
    mean = np.asarray(log.mean(axis=0)).ravel()
    dispersion = np.divide(gene_sd(log) ** 2, mean, out=np.zeros_like(mean), where=mean > 0)
    best = np.argsort(-dispersion, kind="stable")[:n_genes]
    return np.sort(best)


def imputation_targets(
    X: sparse.csr_matrix, true: sparse.csr_matrix, *, seed: int, max_targets: int = 1_000_000
) -> Targets:
    """Entries observed as zero, with their true values.

    Parameters
    ----------
    X, true
        Observed and true values, CSR of shape (n_cells, n_genes).
    seed
        Seed of the sample that is taken where there are more than `max_targets` entries.
    max_targets
        Largest number of missed entries, and of true zeros, that is kept.
    """
    missed, zero = [], []
    for start in range(0, X.shape[0], BLOCK):
        truth = true[start : start + BLOCK].toarray()
        unseen = X[start : start + BLOCK].toarray() == 0
        for entries, kind in ((unseen & (truth > 0), missed), (unseen & (truth == 0), zero)):
            cell, gene = np.nonzero(entries)
            kind.append((cell + start, gene, truth[cell, gene]))

    rng = np.random.default_rng(seed)
    kept = [_sample(parts, max_targets, rng) for parts in (missed, zero)]
    cell, gene, value = (np.concatenate(arrays) for arrays in zip(*kept, strict=True))
    return Targets(cell.astype(np.int64), gene.astype(np.int64), value.astype(np.float32))


def _sample(parts: list, size: int, rng: np.random.Generator) -> list[np.ndarray]:
    arrays = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if len(arrays[0]) <= size:
        return arrays
    chosen = np.sort(rng.choice(len(arrays[0]), size, replace=False))
    return [array[chosen] for array in arrays]


def no_targets() -> Targets:
    """The targets of a dataset whose true values are unknown."""
    return Targets(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))


def write_targets(targets: Targets, path: str | Path) -> None:
    """Write imputation targets as npz."""
    with beside(path) as part, part.open("wb") as file:
        np.savez(file, cell=targets.cell, gene=targets.gene, value=targets.value)


def read_targets(path: str | Path) -> Targets:
    """Read what `write_targets` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Targets(file["cell"], file["gene"], file["value"])


def content_hash(data: "AnnData") -> str:
    """sha256 of values, names, labels, batches and true values; h5ad files themselves are not
    stable byte by byte.
    """
    digest = hashlib.sha256()
    for matrix in (data.X, data.layers.get("true")):
        if matrix is None:
            continue
        digest.update(np.asarray(matrix.shape, dtype=np.int64))
        digest.update(matrix.indptr.astype(np.int64))
        digest.update(matrix.indices.astype(np.int64))
        digest.update(matrix.data.astype(np.float32))
    columns = [data.obs[name] for name in ("label", "batch") if name in data.obs]
    for names in (data.obs_names, data.var_names, *columns):
        digest.update("\0".join(map(str, names)).encode())
    return digest.hexdigest()


def write_dataset(data: "AnnData", path: str | Path) -> dict:
    """Write a dataset as h5ad.

    Parameters
    ----------
    data
        `X` and, where known, `layers["true"]`: cells x genes. `uns["values"]`: "counts" or
        "continuous". `obs["label"]`, `obs["batch"]` where there are any. `X` and the layer are
        brought to CSR float32 without stored zeros, in place.
    path
        Where to write.

    Returns
    -------
    dict
        The data card: shape, sparsity (share of zero entries), numbers of labels and batches,
        kind of values and content hash.
    """
    data.X = _canonical(data.X)
    if "true" in data.layers:
        data.layers["true"] = _canonical(data.layers["true"])
    for name in ("label", "batch"):
        if name in data.obs:
            data.obs[name] = data.obs[name].astype(str).astype("category")
    data.uns["hash"] = content_hash(data)

    with beside(path) as part:
        data.write_h5ad(part)
    return {
        "n_cells": data.n_obs,
        "n_genes": data.n_vars,
        "sparsity": 1 - data.X.nnz / (data.n_obs * data.n_vars),
        "n_labels": data.obs["label"].nunique() if "label" in data.obs else 0,
        "n_batches": data.obs["batch"].nunique() if "batch" in data.obs else 0,
        "values": data.uns["values"],
        "hash": data.uns["hash"],
    }


def read_dataset(path: str | Path) -> Dataset:
    """Read what `write_dataset` wrote.

    Reads the HDF5 file itself: importing anndata takes longer than most small jobs.
    """
    with h5py.File(path) as file:
        return Dataset(
            X=_read_csr(file["X"]),
            cells=_read_column(file["obs"], file["obs"].attrs["_index"]),
            genes=_read_column(file["var"], file["var"].attrs["_index"]),
            values=file["uns/values"].asstr()[()],
            label=_read_column(file["obs"], "label") if "label" in file["obs"] else None,
            batch=_read_column(file["obs"], "batch") if "batch" in file["obs"] else None,
            hash=file["uns/hash"].asstr()[()],
        )


def _canonical(matrix) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(matrix, dtype=np.float32)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _read_csr(group: h5py.Group) -> sparse.csr_matrix:
    parts = (group["data"][()], group["indices"][()], group["indptr"][()])
    return sparse.csr_matrix(parts, shape=tuple(group.attrs["shape"]))


def _read_column(frame: h5py.Group, name: str) -> np.ndarray:
    column = frame[name]
    if isinstance(column, h5py.Dataset):
        return column.asstr()[()].astype(str)
    return column["categories"].asstr()[()].astype(str)[column["codes"][()]]
