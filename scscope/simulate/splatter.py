"""Splatter itself: the R package, called through rpy2."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scscope.simulate.blocks import cells_per_block, csr_of, dropout_mask, names
from scscope.simulate.parameters import (
    POSITIVE_INTEGER,
    cells_of_batches,
    distribution,
    require,
    require_one_of,
)
from scscope.simulate.r import call_r, require_r
from scscope.validation import unknown_name

if TYPE_CHECKING:
    from anndata import AnnData

CODE = Path(__file__).with_suffix(".R")
METHODS = ("single", "groups", "paths")
MAX_SEED = 2**31 - 1  # R's largest integer

# Parameters of SplatParams that can be set, in the order in which they are.
R_NAMES = (
    *("nGenes", "batchCells", "batch.facLoc", "batch.facScale", "batch.rmEffect"),
    *("mean.shape", "mean.rate", "lib.loc", "lib.scale", "lib.norm"),
    *("out.prob", "out.facLoc", "out.facScale", "group.prob"),
    *("de.prob", "de.downProb", "de.facLoc", "de.facScale", "bcv.common", "bcv.df"),
    # Splatter refuses a type before its curves are there.
    *("dropout.mid", "dropout.shape", "dropout.type"),
    *("path.from", "path.nSteps", "path.skew", "path.nonlinearProb", "path.sigmaFac", "seed"),
)


def snake_case(name: str) -> str:
    """Our spelling of one of Splatter's names: "de_down_prob" for "de.downProb"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace(".", "_").lower()


PARAMETERS = {snake_case(name): name for name in R_NAMES}

# Our names for columns of Splatter's tables; "…FacGroup1" and the like are spelt by rule.
OBS = {"ExpLibSize": "expected_library_size", "Step": "step"}
VAR = {"BaseGeneMean": "base_mean", "OutlierFactor": "outlier_factor", "GeneMean": "gene_mean"}
FACTORS = re.compile(r"^(De|LocalDe|Batch|Sigma)Fac(Group|Path|Batch)(\d+)$", re.IGNORECASE)


def splatter(*, method: str | None = None, n_cells: int | None = None, **parameters) -> "AnnData":
    """Simulate counts with the R package splatter.

    Parameters
    ----------
    method
        "single", "groups" or "paths"; without it, "groups" if there are several.
    n_cells
        Number of cells of a single batch; several have `batch_cells`.
    parameters
        All parameters of Splatter's `SplatParams`, with `.` and capitals written as `_`: see
        `PARAMETERS`. Left out ones have Splatter's defaults. `seed` is needed, from 0 to 2^31 - 1.

    Returns
    -------
    AnnData
        As `scscope.simulate.splat`; with paths, their number stands for the group, and
        `obs["step"]` is the place on it. `uns["splatter"]`: version of the package.

    Raises
    ------
    RMissingError
        If R, rpy2 or splatter is missing.
    RError
        If Splatter refuses the parameters, with its words.
    """
    settings, method = checked(method=method, n_cells=n_cells, **parameters)
    require_r("splatter")
    return call_r(CODE.read_text(), settings, method, use=to_anndata)


def checked(
    *, method: str | None = None, n_cells: int | None = None, **parameters
) -> tuple[dict, str]:
    """Splatter's parameters under its own names, and the method; needs no R.

    Names, shape, group probabilities and the seed are checked here, the rest by Splatter.
    """
    allowed = ("method", "n_cells", *PARAMETERS)
    for name in parameters:
        if name not in PARAMETERS:
            raise ValueError(unknown_name("parameter", name, allowed))
    for name in ("n_genes", "seed"):
        if name not in parameters:
            raise ValueError(f"`{name}` is needed.")
    require(POSITIVE_INTEGER, n_genes=parameters["n_genes"])
    rule = (f"a whole number from 0 to {MAX_SEED}", lambda x: x == int(x) and 0 <= x <= MAX_SEED)
    require(rule, seed=parameters["seed"])
    group_prob = distribution(parameters.get("group_prob", [1.0]))
    sizes = cells_of_batches(n_cells, parameters.get("batch_cells"))
    if method is None:
        method = "groups" if len(group_prob) > 1 else "single"
    require_one_of(METHODS, method=method)
    given = {**parameters, "group_prob": group_prob, "batch_cells": sizes}
    return {r: given[name] for name, r in PARAMETERS.items() if name in given}, method


def to_anndata(result: dict) -> "AnnData":
    """What `splatter.R` returned as a dataset of our contract."""
    import pandas as pd
    from anndata import AnnData

    # R's matrices are genes x cells by columns, which is cells x genes by rows.
    observed, true = (_csr(result[name].T) for name in ("observed", "true"))
    n_cells, n_genes = observed.shape
    cells, genes = result["cells"], result["genes"]
    obs = {"label": cells.get("Group", np.full(n_cells, "Group1"))}
    if len(set(cells["Batch"])) > 1:
        obs["batch"] = cells["Batch"]
    obs |= {ours: cells[name].copy() for name, ours in OBS.items() if name in cells}
    var = {ours: genes[name].copy() for name, ours in VAR.items()}
    var |= {_factor_name(name): genes[name].copy() for name in genes if FACTORS.match(name)}
    if "Group" not in cells:
        var["de_factor_group1"] = np.ones(n_genes)
    return AnnData(
        X=observed,
        layers={"true": true, "dropout": dropout_mask(observed, true)},
        obs=pd.DataFrame(obs, index=names("Cell", n_cells)),
        var=pd.DataFrame(var, index=names("Gene", n_genes)),
        uns={"values": "counts", "splatter": str(result["version"][0])},
    )


def _csr(counts: np.ndarray) -> sparse.csr_matrix:
    size = cells_per_block(counts.shape[1])
    blocks: Sequence = [counts[start : start + size] for start in range(0, len(counts), size)]
    return sparse.vstack([csr_of(block, block != 0) for block in blocks], format="csr")


def _factor_name(name: str) -> str:
    """Our name for a column of factors: "de_factor_group1" for "DEFacGroup1"."""
    what, of, number = FACTORS.match(name).groups()
    return f"{what.lower().replace('localde', 'local_de')}_factor_{of.lower()}{number}"
