"""Check what was read from a user's file, and bring it to the dataset contract."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

from scscope.data import VALUES, Stream, Values, cell_totals, top_genes
from scscope.datasets.record import Record
from scscope.datasets.text import read_table
from scscope.validation import examples

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

logger = logging.getLogger("scscope.datasets")

MIN_CELLS = 31  # PhenoGraph's k = 30 nearest neighbours, and the cell itself
MIN_GENES = 2
MAX_COUNT = 2**24  # float32 holds every whole number up to here

# Columns of `obs` with counts of genes that need not be selected, and with the total of all genes.
COUNTS, TOTAL = "counts_", "total"

# How tables and R write a label that is not known.
MISSING = ("", "NA", "nan", "NaN")

ALLOWED = {
    "counts": f"`values: counts` takes whole numbers from 0 to {MAX_COUNT}; data that are not "
    "counts are declared `values: continuous`, finite numbers not below 0",
    "continuous": "`values: continuous` takes finite numbers not below 0",
    "true": "true values are finite numbers not below 0",
}


def prepare(
    data: "AnnData",
    *,
    values: Values = "counts",
    label: str | None = None,
    batch: str | None = None,
    labels_file: str | Path | None = None,
    unlabelled: Literal["refuse", "drop"] = "refuse",
    n_top_genes: int | None = None,
) -> "AnnData":
    """Bring a matrix of cells and genes to the dataset contract, or say why it cannot be.

    Cells and genes in which nothing is observed are dropped: they have no size factor, no
    neighbours and nothing to learn from. True values of such genes go with them. The numbers are
    logged as warnings.

    Parameters
    ----------
    data
        cells x genes, as `read_file` returns it; true values, if any, in `layers["true"]`.
    values
        "counts" (whole numbers) or "continuous" (finite numbers not below 0).
    label
        Column of `data.obs`, or of the table where there is a `labels_file`, that holds the true
        labels. Empty fields, NA and NaN count as unlabelled.
    batch
        Column of `data.obs` that holds the batches.
    labels_file
        Table of labels, see `read_labels`.
    unlabelled
        "refuse" data with unlabelled cells, or "drop" these cells.
    n_top_genes
        Keep this many genes, by the rule of `top_genes`. Continuous values are selected by the
        same rule, because methods on the "log" scale see them on that scale. Cells in which
        nothing is observed any more are dropped too.

    Returns
    -------
    AnnData
        A new object: `X` (and `layers["true"]`) CSR float32, `obs["label"]` and `obs["batch"]`
        where asked for, and in `uns` the kind of `values` and the numbers `dropped_cells` and
        `dropped_genes` (nothing observed) and `dropped_unlabelled`.
    """
    import pandas as pd
    from anndata import AnnData

    _check_choice("values", values, VALUES)
    _check_choice("unlabelled", unlabelled, ("refuse", "drop"))
    if n_top_genes is not None and n_top_genes < MIN_GENES:
        raise ValueError(f"`n_top_genes` is {n_top_genes}, but at least {MIN_GENES} are needed.")
    _check_unique("cell", data.obs_names)
    _check_unique("gene", data.var_names)

    result = AnnData(
        _checked(data, data.X, values),
        obs=pd.DataFrame(index=[str(name) for name in data.obs_names]),
        var=pd.DataFrame(index=[str(name) for name in data.var_names]),
    )
    if "true" in data.layers:
        result.layers["true"] = _checked(data, data.layers["true"], "true")
    if batch is not None:
        result.obs["batch"] = _column(data.obs, batch, "batch")
    known = None if labels_file is None else read_labels(labels_file, label)
    if known is not None:
        result.obs["label"] = [known.get(cell) for cell in result.obs_names]
    elif label is not None:
        result.obs["label"] = _column(data.obs, label, "label")

    result = _keep_cells(result, result.X.getnnz(axis=1) > 0, "Nothing is observed")
    dropped_cells = data.n_obs - result.n_obs
    dropped_unlabelled = 0
    if "label" in result.obs:
        _check_labels(result.obs["label"], known, unlabelled)
        n_cells = result.n_obs
        result = _keep_cells(result, result.obs["label"].notna().to_numpy(), "There is no label")
        dropped_unlabelled = n_cells - result.n_obs
    if "batch" in result.obs and result.obs["batch"].isna().any():
        unknown = result.obs_names[result.obs["batch"].isna()]
        raise ValueError(
            f"{len(unknown)} of {result.n_obs} cells have no batch in {batch!r}: "
            f"{examples(unknown)}. Every cell needs one."
        )

    observed = result.X.getnnz(axis=0) > 0
    dropped_genes = int(np.sum(~observed))
    if dropped_genes:
        logger.warning(
            "Nothing is observed for %d of %d genes: dropped", dropped_genes, len(observed)
        )
        result = result[:, observed].copy()
    _check_size(result)

    result.uns = {
        "values": values,
        "dropped_cells": dropped_cells,
        "dropped_genes": dropped_genes,
        "dropped_unlabelled": dropped_unlabelled,
    }
    return result if n_top_genes is None else keep_top_genes(result, n_top_genes)


def keep_top_genes(
    data: "AnnData", n_top_genes: int, *, of_cells: np.ndarray | None = None
) -> "AnnData":
    """Keep the genes that vary most, by the rule of `top_genes`.

    Cells in which nothing is observed any more are dropped, and counted in `uns["dropped_cells"]`.

    Parameters
    ----------
    data
        As `prepare` returns it.
    n_top_genes
        How many.
    of_cells
        Which cells have a say, bool of shape (n_cells,); all of them if None.
    """
    seen = data.X if of_cells is None else data.X[of_cells]
    result = data[:, top_genes(seen, n_top_genes)].copy()
    observed = result.X.getnnz(axis=1) > 0
    result = _keep_cells(result, observed, "Nothing is observed in the selected genes")
    result.uns["dropped_cells"] += data.n_obs - result.n_obs
    _check_size(result)
    return result


def finish(
    data: "AnnData | Stream",
    record: Record,
    n_top_genes: int | None,
    *,
    keep_counts_of: Sequence[str] = (),
) -> tuple["AnnData | Stream", dict[str, int]]:
    """Bring the cells of a real set to the dataset contract, and note what was done.

    Parameters
    ----------
    data
        What a function of `scscope.datasets.sets` returns. A stream comes with its genes chosen.
    record
        Takes in what is done.
    n_top_genes
        Keep this many genes, by the rule of `top_genes`; all if None.
    keep_counts_of
        Genes whose counts stay in `obs` (`counts_Gad1` and so on), selected or not, and with them the
        `total` of each cell over all genes. A stream does the same by itself.

    Returns
    -------
    tuple
        The data, and how many cells and genes were dropped because nothing was observed, by the
        names of the columns of the table of datasets.
    """
    if isinstance(data, Stream):
        return data, {}
    names = {name: name for name in ("label", "batch") if name in data.obs}
    result = record.step("cells and genes with counts", prepare(data, **names))
    if n_top_genes is not None:
        _keep_counts(result, [gene for gene in keep_counts_of if gene in result.var_names])
        result = keep_top_genes(result, n_top_genes)
        record.step(f"{n_top_genes:,} genes of largest variance / mean", result)
    return result, take_dropped(result)


def _keep_counts(data: "AnnData", genes: Sequence[str]) -> None:
    for gene in genes:
        data.obs[f"{COUNTS}{gene}"] = data[:, gene].X.toarray().ravel()
    if genes:
        data.obs[TOTAL] = cell_totals(data.X)


def take_dropped(data: "AnnData") -> dict[str, int]:
    """How many cells and genes were dropped, out of `uns`, by the columns of the table of datasets."""
    counted = ("dropped_cells", "dropped_genes", "dropped_unlabelled")
    return {key: int(data.uns.pop(key)) for key in counted}


def read_labels(path: str | Path, label: str | None = None) -> dict[str, str | None]:
    """Label of each cell in a table, None where it has none.

    Parameters
    ----------
    path
        Table with a header line, `.csv` (commas), `.tsv` or `.txt` (tabs), each also as `.gz`.
        The first column holds the names of the cells.
    label
        Column that holds the labels; without it, the second.
    """
    columns, rows = read_table(path)
    if label is not None and label not in columns:
        raise ValueError(f"{path} has no column {label!r}. Its columns: {', '.join(columns)}.")
    position = 0 if label is None else columns.index(label)

    labels, repeated = {}, []
    for cell, fields in rows:
        if cell in labels:
            repeated.append(cell)
        labels[cell] = None if fields[position] in MISSING else fields[position]
    if repeated:
        raise ValueError(f"{path} has cells more than once: {examples(repeated)}.")
    return labels


def _check_unique(kind: str, names: "pd.Index") -> None:
    if not names.is_unique:
        repeated = names[names.duplicated()].unique()
        raise ValueError(
            f"{len(repeated)} {kind} names occur more than once: {examples(repeated)}. "
            "Rename or merge them."
        )


def _checked(data: "AnnData", matrix, kind: str) -> sparse.csr_matrix:
    """Return the matrix as CSR float32 without stored zeros, if all its values are allowed."""
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"The matrix holds {matrix.dtype} values. {ALLOWED[kind]}.")
    matrix = sparse.csr_matrix(matrix, copy=True)
    matrix.sum_duplicates()

    found = matrix.data
    largest = np.float64(MAX_COUNT if kind == "counts" else np.finfo(np.float32).max)
    allowed = (found >= 0) & (found <= largest)  # neither holds for NaN
    if kind == "counts" and found.dtype.kind == "f":
        allowed &= found == np.floor(found)
    if not allowed.all():
        first = np.argmin(allowed)
        cell = data.obs_names[np.searchsorted(matrix.indptr, first, side="right") - 1]
        gene = data.var_names[matrix.indices[first]]
        raise ValueError(
            f"{np.sum(~allowed)} values are not allowed, the first {found[first]} in cell "
            f"{cell!r}, gene {gene!r}: {ALLOWED[kind]}."
        )

    matrix = matrix.astype(np.float32)
    matrix.eliminate_zeros()
    return matrix


def _column(obs: "pd.DataFrame", name: str, option: str) -> np.ndarray:
    """Return a column of `obs` as text, shape (n_cells,), None where it says nothing."""
    if name not in obs:
        known = ", ".join(map(str, obs.columns)) or "none"
        raise ValueError(f"There is no obs column {name!r} for `{option}`. Columns: {known}.")
    text = obs[name].astype(str).to_numpy(dtype=object)
    return np.where(obs[name].isna() | np.isin(text, MISSING), None, text)


def _check_labels(label: "pd.Series", known: dict | None, unlabelled: str) -> None:
    missing = label.index[label.isna()]
    if len(missing) == 0 or (unlabelled == "drop" and len(missing) < len(label)):
        return
    message = f"{len(missing)} of {len(label)} cells have no label: {examples(missing)}."
    if known is not None:
        cells = set(label.index)
        unused = [cell for cell in known if cell not in cells]
        message += (
            f" The table of labels names {len(known) - len(unused)} of them, and {len(unused)} "
            f"others: {examples(unused) or 'none'}. Names must be the same to the letter, and the "
            "first line of the table is its header."
        )
    if unlabelled == "refuse":
        message += " `unlabelled: drop` leaves out cells without a label."
    raise ValueError(message)


def _keep_cells(data: "AnnData", keep: np.ndarray, reason: str) -> "AnnData":
    if keep.all():
        return data
    logger.warning("%s for %d of %d cells: dropped", reason, np.sum(~keep), len(keep))
    return data[keep].copy()


def _check_size(data: "AnnData") -> None:
    if data.n_obs < MIN_CELLS:
        raise ValueError(
            f"{data.n_obs} cells x {data.n_vars} genes are left, but at least {MIN_CELLS} cells are "
            f"needed: PhenoGraph joins each cell to its {MIN_CELLS - 1} nearest neighbours."
        )
    if data.n_vars < MIN_GENES:
        raise ValueError(f"{data.n_vars} genes are left, but at least {MIN_GENES} are needed.")


def _check_choice(option: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"`{option}` is {given!r}. Allowed: {', '.join(allowed)}.")
