"""The dataset contract: cells x genes in an AnnData file, and the scales on which methods see it."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import h5py
import numpy as np
from scipy import sparse

from scscope import h5ad
from scscope.atomic import beside
from scscope.errors import NotApplicable

if TYPE_CHECKING:
    from anndata import AnnData

VALUES = ("counts", "continuous")
# Off-label: values rounded to what a model of counts takes, and the scale that they are rounded on.
ROUNDED = {"rounded": "counts", "size_rounded": "size", "log_rounded": "log"}
SCALES = ("counts", "size", "log", "log_counts", "size_unit", "log_unit", *ROUNDED)
Values = Literal["counts", "continuous"]
Scale = Literal[
    *("counts", "size", "log", "log_counts", "size_unit", "log_unit"),
    *("rounded", "size_rounded", "log_rounded"),
]

BLOCK = 2_000  # cells that are looked at or made dense at a time
MAX_TARGETS = 1_000_000  # of each kind, missed entries and true zeros
SPARED = 20_000_000  # bytes of a disk that stay free: indices, names and tables come last
BINS = 24  # of the library sizes in a data card
ROUNDING = 1e-6  # of float32, relative


@dataclass(frozen=True)
class Dataset:
    """Observed values and what is known of their cells.

    Parameters
    ----------
    X
        CSR matrix of shape (n_cells, n_genes), float32, without stored zeros. Negative values of
        the file are 0 here: this is what methods are fed and scored with.
    cells, genes
        Names, arrays of shape (n_cells,) and (n_genes,).
    values
        "counts" (non-negative integers) or "continuous".
    label, batch
        Arrays of shape (n_cells,), or None where the dataset has none.
    hash
        sha256 of all of the above and of the true values, see `content_hash`.
    rare_types
        Labels of the types that are rare by design, or None where the dataset does not say.
    part
        "train" or "validation", shape (n_cells,), where cells are split; else None.
    """

    X: sparse.csr_matrix
    cells: np.ndarray
    genes: np.ndarray
    values: Values
    label: np.ndarray | None
    batch: np.ndarray | None
    hash: str
    rare_types: np.ndarray | None = None
    part: np.ndarray | None = None


@dataclass(frozen=True)
class Targets:
    """Entries at which imputation is judged: three aligned arrays of shape (n_targets,).

    All of them are observed as zero, but for those of thinned counts. `value` is the true value: positive where an expressed gene
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
    train
        Cells that a method may be fitted to, bool of shape (n_cells,), where cells are split; else
        None. Given to methods that declare themselves inductive only.
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
    train: np.ndarray | None = None

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
        if self.scale in ("log", "log_unit", "log_rounded"):
            return value
        if self.scale == "log_counts":
            value = np.expm1(value)
        if self.scale in ("counts", "log_counts", "rounded"):
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
    """Bring a dataset to one of the scales of the benchmark.

    Parameters
    ----------
    data
        The dataset.
    scale
        "counts": values as observed. "size": value x L / n_c, with n_c the observed total of the
        cell and L the median of n_c. "log": log1p of "size". "log_counts": log1p of "counts".
        "size_unit" and "log_unit": the same with every gene divided by its standard deviation over
        the cells (those to train on, where cells are split); genes without variation stay as they
        are. Nothing is centred, so zeros stay zeros on every scale. "rounded": continuous values to
        the nearest whole number, off-label, for methods that take counts only; counts stay as they
        are. "size_rounded" and "log_rounded": the same of "size" and "log".
    with_labels
        Whether the labels come along. Only oracles may see them.
    """
    if scale not in SCALES:
        raise ValueError(f"Unknown scale {scale!r}. Known scales: {', '.join(SCALES)}.")

    total = cell_totals(data.X)
    train = None if data.part is None else data.part == "train"
    X = data.X.astype(np.float64)
    unit = np.ones(X.shape[1])
    if scale not in ("counts", "log_counts", "rounded"):
        factor = size_factor(total, median_total(total))
        X.data *= np.repeat(factor, np.diff(X.indptr))
    if scale.startswith("log"):
        X.data = np.log1p(X.data)
    if scale.endswith("_unit"):
        sd = gene_sd(X if train is None else X[train])
        unit = np.where(sd > 0, sd, 1.0)
        X.data /= unit[X.indices]
    if scale in ROUNDED:
        np.rint(X.data, out=X.data)
        X.eliminate_zeros()

    return Scaled(
        X=X.astype(np.float32),
        scale=scale,
        values="counts" if scale in ROUNDED else data.values,
        cells=data.cells,
        genes=data.genes,
        total=total,
        unit=unit,
        batch=data.batch,
        label=data.label if with_labels else None,
        train=train,
    )


def counts_of(data: Scaled) -> sparse.csr_matrix:
    """The input of a method that models counts: CSR of whole numbers, shape (n_cells, n_genes).

    Raises
    ------
    NotApplicable
        If the data are no counts and have not been rounded.
    """
    if data.values != "counts":
        raise NotApplicable(
            f"This method models counts, and the dataset declares {data.values} values. "
            "`scale: rounded` rounds them, off-label."
        )
    if data.scale not in ("counts", *ROUNDED):
        raise ValueError(
            f"This method models counts: its scale must be counts or, off-label, "
            f"{', '.join(ROUNDED)}; got {data.scale!r}."
        )
    return data.X


def log_expected(data: Scaled, expected: np.ndarray) -> np.ndarray:
    """What a model of counts expects at the median total, on the scale on which imputation is scored.

    Parameters
    ----------
    data
        What it was fitted to.
    expected
        Means of entries of its input, shape (n,), non-negative.

    Returns
    -------
    np.ndarray
        log1p(value x L / n_c), shape (n,).
    """
    return expected if data.scale == "log_rounded" else np.log1p(expected)


def top_genes(X: sparse.csr_matrix, n_genes: int) -> np.ndarray:
    """Indices of the genes with the largest variance / mean on the "log" scale, ascending.

    The rule that the paper states for its brain data; shape (min(n_genes, X.shape[1]),).
    """
    total = cell_totals(X)
    log = X.astype(np.float64)
    log.data = log_normalised(log.data, np.repeat(total, np.diff(log.indptr)), median_total(total))
    mean = np.asarray(log.mean(axis=0)).ravel()
    return most_dispersed(mean, gene_sd(log) ** 2, n_genes)


def most_dispersed(mean: np.ndarray, variance: np.ndarray, n_genes: int) -> np.ndarray:
    """Indices of the `n_genes` largest variance / mean, ascending; of equals, the first."""
    dispersion = np.divide(variance, mean, out=np.zeros_like(mean), where=mean > 0)
    best = np.argsort(-dispersion, kind="stable")[:n_genes]
    return np.sort(best)


def imputation_targets(
    X: sparse.csr_matrix, true: sparse.csr_matrix, *, seed: int, max_targets: int = MAX_TARGETS
) -> Targets:
    """Entries observed as zero, with their true values.

    Parameters
    ----------
    X, true
        Observed and true values, sparse or dense, shape (n_cells, n_genes).
    seed, max_targets
        See `TargetSampler`.
    """
    X, true = _canonical(X), _canonical(true)
    sampler = TargetSampler(seed=seed, max_targets=max_targets)
    for start in range(0, X.shape[0], BLOCK):
        sampler.add(X[start : start + BLOCK], true[start : start + BLOCK])
    return sampler.targets()


class TargetSampler:
    """Collects imputation targets from blocks of cells that pass by.

    Where there are more than `max_targets` entries of a kind, a uniform sample of that many is
    kept. It does not depend on how the cells are cut into blocks. Negative values count as 0.

    Parameters
    ----------
    seed
        Seed of the sample.
    max_targets
        Largest number of missed entries, and of true zeros, that is kept.
    """

    def __init__(self, *, seed: int, max_targets: int = MAX_TARGETS):
        missed, zeros = np.random.SeedSequence(seed).spawn(2)
        self.missed, self.zeros = _Sample(missed, max_targets), _Sample(zeros, max_targets)
        self._n_cells = 0

    def add(self, observed: sparse.csr_matrix, true: sparse.csr_matrix) -> None:
        """Look at the next cells: CSR of shape (n, n_genes)."""
        truth = true.toarray()
        unseen = observed.toarray() <= 0
        for entries, sample in (
            (unseen & (truth > 0), self.missed),
            (unseen & (truth <= 0), self.zeros),
        ):
            sample.add(entries, np.maximum(truth, 0), self._n_cells)
        self._n_cells += observed.shape[0]

    def targets(self) -> Targets:
        """What was collected, in the order of cells and genes: missed entries, then true zeros."""
        cell, gene, value = (
            np.concatenate(columns)
            for columns in zip(self.missed.kept(), self.zeros.kept(), strict=True)
        )
        return Targets(cell.astype(np.int64), gene.astype(np.int64), value.astype(np.float32))

    def counts(self) -> dict[str, int]:
        """How many entries there are of each kind, and how many of each are kept at most."""
        kinds = {"missed": self.missed.n_seen, "true_zeros": self.zeros.n_seen}
        return {**kinds, "max_of_each": self.missed.size}


class _Sample:
    """A uniform sample of entries: those with the smallest of as many random numbers."""

    def __init__(self, seed: np.random.SeedSequence, size: int):
        self.size, self.n_seen = size, 0
        self._rng = np.random.default_rng(seed)
        self._bound = 1.0
        self._parts: list[tuple[np.ndarray, ...]] = []
        self._n_held = 0

    def add(self, entries: np.ndarray, values: np.ndarray, first_cell: int) -> None:
        place = np.flatnonzero(entries)
        self.n_seen += len(place)
        rank = self._rng.random(len(place))
        kept = np.flatnonzero(rank < self._bound)
        cell, gene = np.divmod(place[kept], entries.shape[1])
        self._parts.append((rank[kept], cell + first_cell, gene, values.reshape(-1)[place[kept]]))
        self._n_held += len(kept)
        if self._n_held > 2 * self.size:
            self._shrink()

    def kept(self) -> tuple[np.ndarray, ...]:
        """Cells, genes and values of the sample."""
        if self._n_held > self.size:
            self._shrink()
        if not self._parts:
            return (np.empty(0),) * 3
        return tuple(np.concatenate(column) for column in list(zip(*self._parts, strict=True))[1:])

    def _shrink(self) -> None:
        rank, *rest = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        self._bound = np.partition(rank, self.size)[self.size]
        chosen = rank < self._bound
        self._parts = [tuple(column[chosen] for column in (rank, *rest))]
        self._n_held = int(np.count_nonzero(chosen))


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


@dataclass(frozen=True)
class Stream:
    """A dataset whose values come block by block, for what need not fit in memory.

    Parameters
    ----------
    cells, genes
        Names, arrays of shape (n_cells,) and (n_genes,).
    values
        "counts" or "continuous".
    blocks
        Gives observed and true values (or None) of consecutive cells, CSR of shape (n, n_genes).
    obs, var
        What is known of cells and genes: arrays of shape (n_cells,) and (n_genes,) by name.
    uns
        Further facts: texts, numbers, lists of texts.
    """

    cells: np.ndarray
    genes: np.ndarray
    values: Values
    blocks: Callable[[], Iterable[tuple[sparse.csr_matrix, sparse.csr_matrix | None]]]
    obs: Mapping[str, np.ndarray] = field(default_factory=dict)
    var: Mapping[str, np.ndarray] = field(default_factory=dict)
    uns: Mapping = field(default_factory=dict)


def stream_of(data: "AnnData") -> Stream:
    """The same dataset as a stream; layers other than `true` are left out."""

    def blocks() -> Iterator[tuple[sparse.csr_matrix, sparse.csr_matrix | None]]:
        true = data.layers.get("true")
        for start in range(0, data.n_obs, BLOCK):
            rows = slice(start, start + BLOCK)
            yield data.X[rows], None if true is None else true[rows]

    return Stream(
        cells=data.obs_names.to_numpy().astype(str),
        genes=data.var_names.to_numpy().astype(str),
        values=data.uns["values"],
        blocks=blocks,
        obs={name: _plain_column(data.obs[name]) for name in data.obs},
        var={name: _plain_column(data.var[name]) for name in data.var},
        uns={name: value for name, value in data.uns.items() if name not in ("values", "hash")},
    )


class ContentHash:
    """sha256 of values, names, labels, batches and true values, of blocks that pass by.

    Of the content, because h5ad files are not stable byte by byte.
    """

    def __init__(self):
        self._matrices: dict[str, list] = {}

    def add(self, name: str, rows: sparse.csr_matrix) -> None:
        """Take in the next rows of a matrix, canonical CSR."""
        if name not in self._matrices:
            self._matrices[name] = [hashlib.sha256() for _ in range(3)]
        lengths, genes, values = self._matrices[name]
        lengths.update(np.diff(rows.indptr).astype(np.int32))
        genes.update(rows.indices.astype(np.int32, copy=False))
        values.update(rows.data)

    def hexdigest(self, stream: Stream) -> str:
        """The hash, with names, labels and batches of the dataset."""
        digest = hashlib.sha256()
        for name, parts in self._matrices.items():
            digest.update(name.encode())
            for part in parts:
                digest.update(part.digest())
        columns = [stream.obs[name] for name in ("label", "batch", "part") if name in stream.obs]
        for names in (stream.cells, stream.genes, *columns):
            digest.update("\0".join(names.astype(str).tolist()).encode())
        return digest.hexdigest()


def content_hash(data: "AnnData | Stream") -> str:
    """The hash that `write_dataset` records, see `ContentHash`."""
    stream = data if isinstance(data, Stream) else stream_of(data)
    digest = ContentHash()
    for observed, true in _canonical_blocks(stream):
        digest.add("X", observed)
        if true is not None:
            digest.add("true", true)
    return digest.hexdigest(stream)


def write_dataset(
    data: "AnnData | Stream",
    path: str | Path,
    *,
    sampler: TargetSampler | None = None,
    keep_true: bool = True,
) -> dict:
    """Write a dataset as h5ad, block by block.

    Parameters
    ----------
    data
        `X` and, where known, `layers["true"]`: cells x genes. `uns["values"]`: "counts" or
        "continuous". `obs["label"]`, `obs["batch"]` where there are any. Matrices are written as
        CSR float32 without stored zeros. Or the same as a `Stream`, which is never held whole.
    path
        Where to write.
    sampler
        Takes in the imputation targets while the values pass by.
    keep_true
        Whether the true values go into the file; if not, they do not count for its hash either.

    Returns
    -------
    dict
        The data card: shape, sparsity (share of entries that are zero or negative), share of
        negative entries, numbers of labels and batches, kind of values, content hash; sizes of
        `groups` and `batches`; `library_size` (see `library_card`).

    Raises
    ------
    OSError
        If there is no space, as far as can be known before anything is written. Nothing is left
        then.
    """
    stream = data if isinstance(data, Stream) else stream_of(data)
    digest, totals, n_positive, n_negative = ContentHash(), [], 0, 0
    with beside(path) as part, h5py.File(part, "w") as file:
        h5ad.create(file)
        writers: dict[str, h5ad.MatrixWriter] = {}
        for observed, true in _canonical_blocks(stream):
            matrices = {"X": observed}
            if true is not None and keep_true:
                matrices["true"] = true
            size = sum(rows.data.nbytes + rows.indices.nbytes for rows in matrices.values())
            if not writers:
                size *= len(stream.cells) / max(1, observed.shape[0])
            _check_space(Path(path).parent, size)
            for name, rows in matrices.items():
                if name not in writers:
                    parent = file if name == "X" else file["layers"]
                    writers[name] = h5ad.MatrixWriter(parent, name, len(stream.genes))
                writers[name].append(rows)
                digest.add(name, rows)
            if sampler is not None and true is not None:
                sampler.add(observed, true)
            positive = _non_negative(observed)
            totals.append(cell_totals(positive))
            n_positive += positive.nnz
            n_negative += observed.nnz - positive.nnz
        for writer in writers.values():
            writer.finish()
        h5ad.write_frame(file, "obs", stream.cells, stream.obs)
        h5ad.write_frame(file, "var", stream.genes, stream.var)
        facts = {**stream.uns, "values": stream.values, "hash": digest.hexdigest(stream)}
        for name, value in facts.items():
            h5ad.write_value(file["uns"], name, value)

    n_entries = len(stream.cells) * len(stream.genes)
    groups, batches = (_sizes(stream.obs.get(name)) for name in ("label", "batch"))
    return {
        "n_cells": len(stream.cells),
        "n_genes": len(stream.genes),
        "sparsity": 1 - n_positive / n_entries,
        "negative": n_negative / n_entries,
        "n_labels": len(groups),
        "n_batches": len(batches),
        "values": stream.values,
        "hash": facts["hash"],
        "groups": groups,
        "batches": batches,
        "library_size": library_card(np.concatenate(totals)),
    }


def library_card(totals: np.ndarray) -> dict:
    """What a data card says of the observed totals of the cells, shape (n_cells,).

    Smallest, quartiles and largest; and how many cells lie in each of `BINS` bins of equal width
    between the smallest and the largest.
    """
    quantiles = np.quantile(totals, [0, 0.25, 0.5, 0.75, 1])
    bins, _ = np.histogram(totals, BINS, range=(quantiles[0], quantiles[-1]))
    names = ("min", "q25", "median", "q75", "max")
    return {**dict(zip(names, quantiles.tolist(), strict=True)), "bins": bins.tolist()}


def read_dataset(path: str | Path) -> Dataset:
    """Read what `write_dataset` wrote; negative values become 0."""
    with h5py.File(path) as file:
        return Dataset(
            X=_non_negative(h5ad.read_csr(file["X"]), in_place=True),
            cells=h5ad.read_column(file["obs"], file["obs"].attrs["_index"]),
            genes=h5ad.read_column(file["var"], file["var"].attrs["_index"]),
            values=file["uns/values"].asstr()[()],
            hash=file["uns/hash"].asstr()[()],
            rare_types=file["uns/rare_types"].asstr()[()] if "uns/rare_types" in file else None,
            **{
                name: h5ad.read_column(file["obs"], name) if name in file["obs"] else None
                for name in ("label", "batch", "part")
            },
        )


def _canonical_blocks(
    stream: Stream,
) -> Iterator[tuple[sparse.csr_matrix, sparse.csr_matrix | None]]:
    for observed, true in stream.blocks():
        yield _canonical(observed), None if true is None else _canonical(true)


def _canonical(matrix) -> sparse.csr_matrix:
    matrix = sparse.csr_matrix(matrix, dtype=np.float32)
    if not (matrix.has_canonical_format and np.all(matrix.data)):
        matrix = matrix.copy()
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
    return matrix


def _non_negative(X: sparse.csr_matrix, *, in_place: bool = False) -> sparse.csr_matrix:
    """The same with 0 in place of negative values."""
    if X.nnz and X.data.min() < 0:
        X = X if in_place else X.copy()
        np.maximum(X.data, 0, out=X.data)
        X.eliminate_zeros()
    return X


def _check_space(folder: Path, needed: float) -> None:
    """Refuse to write more than there is space for: HDF5 does not survive a full disk."""
    free = shutil.disk_usage(folder).free
    if needed + SPARED > free:
        raise OSError(
            errno.ENOSPC,
            f"{os.strerror(errno.ENOSPC)}: {needed / 1e9:,.1f} GB are still to be written and "
            f"{free / 1e9:,.1f} GB are free. Make room, or write elsewhere (`pathvars.results`)",
            str(folder),
        )


def _sizes(names: np.ndarray | None) -> dict[str, int]:
    if names is None:
        return {}
    known, sizes = np.unique(names, return_counts=True)
    return dict(zip(known.tolist(), sizes.tolist(), strict=True))


def _plain_column(column) -> np.ndarray:
    """A column of a data frame as an array of numbers or of text."""
    values = column.to_numpy()
    return values if values.dtype.kind in "biuf" else values.astype(str)
