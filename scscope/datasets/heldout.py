"""Hide a part of what was observed, to judge imputation by: whole entries, or molecules of each."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

from scscope.atomic import beside
from scscope.data import MAX_TARGETS, Dataset, Targets
from scscope.datasets.prepare import keep_top_genes, prepare
from scscope.datasets.record import Record
from scscope.seeds import derive_seed

if TYPE_CHECKING:
    from anndata import AnnData

Protocol = Literal["mask", "thinning"]

# Share that is hidden where the config names none: of the entries, or of the molecules.
SHARES = {"mask": 0.1, "thinning": 0.5}


@dataclass(frozen=True)
class Hidden:
    """What was taken away: three aligned arrays, one element for each entry that lost something.

    Parameters
    ----------
    cell, gene
        Indices into the dataset before hiding.
    value
        What the entry lost: all it had (`mask`), or some of its molecules (`thinning`).
    """

    cell: np.ndarray
    gene: np.ndarray
    value: np.ndarray


def hold_out(
    data: Dataset,
    *,
    seed: int,
    protocol: Protocol = "mask",
    share: float | None = None,
    n_top_genes: int | None = None,
    validation_share: float | None = None,
    max_targets: int = MAX_TARGETS,
) -> tuple["AnnData", Targets, Hidden, Record]:
    """Make a dataset of its own, from which something was hidden before anything else was done.

    Cells and genes left without counts are dropped, variable genes are chosen, size factors and
    deviations follow, all from what is still seen.

    Parameters
    ----------
    data
        All genes: variable ones chosen before hiding would know what is hidden.
    seed
        Seed of all that is drawn here.
    protocol
        "mask": a share of the non-zero entries is set to zero, exactly round(share x their number).
        Targets are these entries, with the values they had. "thinning": each molecule is hidden
        with probability `share`, so that the observed and the hidden half of an entry are
        independent given the cell if molecules are counted as a Poisson process (Batson et al.
        2019). Targets are a uniform sample of all entries, zeros and observed ones among them, each
        with its hidden count x (1 - share) / share: on the scale of what is observed, whose mean it
        shares.
    share
        See `protocol`; of `SHARES` if None.
    n_top_genes
        Keep this many genes, by the rule of `scscope.data.top_genes`.
    validation_share
        Hide entries in this share of the cells alone, drawn by the seed. Methods that can be applied
        to new cells are fitted to the others; the genes are chosen by the others too.
    max_targets
        Where there are more, a uniform sample of this many.

    Returns
    -------
    tuple
        The data, as `prepare` returns them, with `obs["part"]` ("train" or "validation") if
        cells are split; the targets, in their indices; what was hidden, in those of `data`; and what
        was done.

    Raises
    ------
    ValueError
        `share` is not between 0 and 1, hides nothing, or values to be thinned are no counts.
    """
    share = SHARES[protocol] if share is None else share
    if not 0 < share < 1:
        raise ValueError(f"`share` is {share}: it must lie between 0 and 1.")
    if protocol == "thinning" and data.values != "counts":
        raise ValueError(
            f"`protocol: thinning` splits molecules, and the dataset declares {data.values} values. "
            "`protocol: mask` takes them."
        )
    record = Record()
    record.shape("as prepared", *data.X.shape, 1 - data.X.nnz / np.prod(data.X.shape))
    part = None if validation_share is None else _parts(len(data.cells), validation_share, seed)
    lost = _lost(data.X, part, protocol, share, derive_seed(seed, "hide"))
    if not lost.nnz:
        raise ValueError(f"`share` is {share}: of {data.X.nnz:,} entries it hides nothing.")

    observed = (data.X - lost).tocsr()
    observed.eliminate_zeros()
    result = _prepared(data, observed, part, record)
    if n_top_genes is not None:
        trained = None if part is None else (result.obs["part"] == "train").to_numpy()
        result = keep_top_genes(result, n_top_genes, of_cells=trained)
        record.step(f"{n_top_genes:,} genes of largest variance / mean", result)

    rng = np.random.default_rng(derive_seed(seed, "targets"))
    kept = lost[_places(data.cells, result.obs_names)][:, _places(data.genes, result.var_names)]
    if protocol == "mask":
        targets = _entries_of(kept.tocoo(), rng, max_targets)
    else:
        rows = np.arange(result.n_obs)
        if part is not None:
            rows = np.flatnonzero(result.obs["part"] == "validation")
        targets = _sampled(kept.tocsr(), rows, (1 - share) / share, rng, max_targets)
    lost = lost.tocoo()
    record.facts["held out"] = (
        f"{protocol}, share {share:g}: {lost.nnz:,} entries, {lost.data.sum():,.0f} in sum; "
        f"{len(targets.cell):,} targets among the cells and genes that are left"
    )
    hidden = Hidden(lost.row.astype(np.int64), lost.col.astype(np.int64), lost.data)
    return result, targets, hidden, record


def write_hidden(hidden: Hidden, path: str | Path) -> None:
    """Write what was hidden as npz."""
    with beside(path) as part, part.open("wb") as file:
        np.savez_compressed(file, cell=hidden.cell, gene=hidden.gene, value=hidden.value)


def read_hidden(path: str | Path) -> Hidden:
    """Read what `write_hidden` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return Hidden(file["cell"], file["gene"], file["value"])


def _parts(n_cells: int, validation_share: float, seed: int) -> np.ndarray:
    """Part of each cell, "train" or "validation", shape (n_cells,)."""
    n_validation = round(validation_share * n_cells)
    if not 0 < n_validation < n_cells:
        raise ValueError(
            f"`validation_share` is {validation_share}: of {n_cells} cells it leaves "
            f"{n_validation} for validation and {n_cells - n_validation} to train on."
        )
    rng = np.random.default_rng(derive_seed(seed, "split"))
    part = np.full(n_cells, "train", dtype="<U10")
    part[rng.choice(n_cells, n_validation, replace=False)] = "validation"
    return part


def _lost(
    X: sparse.csr_matrix, part: np.ndarray | None, protocol: Protocol, share: float, seed: int
) -> sparse.csr_matrix:
    """What is taken from each entry, CSR of the shape of `X` without stored zeros."""
    rng = np.random.default_rng(seed)
    may = np.arange(X.nnz)
    if part is not None:
        may = np.flatnonzero(np.repeat(part == "validation", np.diff(X.indptr)))
    taken = np.zeros(X.nnz, dtype=np.float32)
    if protocol == "mask":
        chosen = rng.choice(may, round(share * len(may)), replace=False)
        taken[chosen] = X.data[chosen]
    else:
        taken[may] = rng.binomial(X.data[may].astype(np.int64), share)
    lost = sparse.csr_matrix((taken, X.indices.copy(), X.indptr.copy()), shape=X.shape)
    lost.eliminate_zeros()
    return lost


def _prepared(
    data: Dataset, observed: sparse.csr_matrix, part: np.ndarray | None, record: Record
) -> "AnnData":
    """The dataset contract for what is still seen."""
    import pandas as pd
    from anndata import AnnData

    known = {"label": data.label, "batch": data.batch}
    columns = {name: values for name, values in known.items() if values is not None}
    left = AnnData(
        observed,
        obs=pd.DataFrame(columns, index=data.cells),
        var=pd.DataFrame(index=data.genes),
    )
    record.step("after hiding", left)
    result = prepare(left, values=data.values, **{name: name for name in columns})
    if part is not None:
        result.obs["part"] = part[_places(data.cells, result.obs_names)]
    return record.step("cells and genes with counts", result)


def _places(names: np.ndarray, wanted) -> np.ndarray:
    import pandas as pd

    return pd.Index(names).get_indexer(wanted)


def _entries_of(lost: sparse.coo_matrix, rng: np.random.Generator, max_targets: int) -> Targets:
    """The hidden entries, or a sample of them."""
    chosen = np.arange(lost.nnz)
    if lost.nnz > max_targets:
        chosen = np.sort(rng.choice(lost.nnz, max_targets, replace=False))
    cell, gene, value = (array[chosen] for array in (lost.row, lost.col, lost.data))
    return Targets(cell.astype(np.int64), gene.astype(np.int64), value.astype(np.float32))


def _sampled(
    lost: sparse.csr_matrix,
    rows: np.ndarray,
    scale: float,
    rng: np.random.Generator,
    max_targets: int,
) -> Targets:
    """A uniform sample of all entries of some cells, with what was hidden there times `scale`."""
    n_entries = len(rows) * lost.shape[1]
    place = np.arange(n_entries)
    if n_entries > max_targets:
        place = np.sort(rng.choice(n_entries, max_targets, replace=False, shuffle=False))
    row, gene = np.divmod(place, lost.shape[1])
    cell = rows[row]
    value = scale * np.asarray(lost[cell, gene]).ravel()
    return Targets(cell.astype(np.int64), gene.astype(np.int64), value.astype(np.float32))
