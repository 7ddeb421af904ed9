"""Splat: the simulation model of the R package Splatter (Zappia, Phipson and Oshlack,
Genome Biology 18:174, 2017), written anew in NumPy.

It follows the published model, for one batch, and agrees with Splatter in distribution; the
random numbers themselves differ.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse
from scipy.special import expit

from scscope.seeds import derive_seed

if TYPE_CHECKING:
    from anndata import AnnData

DROPOUT_TYPES = ("none", "experiment")

# Cells that share random streams. Part of the model: another number gives other data.
BLOCK = 1_000


@dataclass(frozen=True)
class Population:
    """What cells are drawn from.

    Parameters
    ----------
    profile
        Share of each gene in the expression of each group, shape (n_groups, n_genes); rows sum
        to 1.
    group_prob
        Probability of each group, shape (n_groups,).
    lib_loc, lib_scale
        Mean and standard deviation of the log library size.
    bcv_common
        Variation that all genes share.
    bcv_spread
        Factor df / chi2 on the squared variation of each gene, shape (n_genes,).
    dropout
        Midpoint and slope of the dropout curve, or None without dropout.
    seed
        Seed of the simulation.
    """

    profile: np.ndarray
    group_prob: np.ndarray
    lib_loc: float
    lib_scale: float
    bcv_common: float
    bcv_spread: np.ndarray
    dropout: tuple[float, float] | None
    seed: int


@dataclass(frozen=True)
class Cells:
    """Simulated cells.

    Parameters
    ----------
    observed, true
        Counts with and without dropout, CSR of shape (n_cells, n_genes), float32.
    group
        Index of the group of each cell, shape (n_cells,).
    library
        Expected library size of each cell, shape (n_cells,).
    """

    observed: sparse.csr_matrix
    true: sparse.csr_matrix
    group: np.ndarray
    library: np.ndarray


def splat(
    *,
    n_cells: int,
    n_genes: int,
    group_prob: Sequence[float] = (1.0,),
    dropout_type: Literal["none", "experiment"] = "none",
    dropout_mid: float = 0.0,
    dropout_shape: float = -1.0,
    mean_rate: float = 0.3,
    mean_shape: float = 0.6,
    lib_loc: float = 11,
    lib_scale: float = 0.2,
    out_prob: float = 0.05,
    out_fac_loc: float = 4,
    out_fac_scale: float = 0.5,
    de_prob: float = 0.1,
    de_down_prob: float = 0.5,
    de_fac_loc: float = 0.1,
    de_fac_scale: float = 0.4,
    bcv_common: float = 0.1,
    bcv_df: float = 60,
    seed: int,
) -> "AnnData":
    """Simulate counts of groups of cells, with dropout, by the Splat model.

    Names and defaults are Splatter's, with `.` and capitals written as `_`. All logarithms are
    natural.

    Parameters
    ----------
    n_cells, n_genes
        Shape of the data. The first cells of a larger simulation are those of a smaller one.
    group_prob
        Probability of each group; they sum to 1. As in Splatter, a single group has no
        differential expression.
    dropout_type
        "none", or "experiment": one dropout curve for all cells.
    dropout_mid, dropout_shape
        Log mean at which half of the counts drop out, and slope of the logistic curve; negative
        where low means drop out more often. Without effect if `dropout_type` is "none".
    mean_rate, mean_shape
        Gamma distribution of the gene means.
    lib_loc, lib_scale
        Log-normal distribution of the library sizes.
    out_prob, out_fac_loc, out_fac_scale
        Probability that a gene is an outlier, and the log-normal factor by which it then exceeds
        the median gene mean.
    de_prob, de_down_prob, de_fac_loc, de_fac_scale
        Probability that a gene is differentially expressed in a group, probability that it is
        then lowered, and the log-normal factor.
    bcv_common, bcv_df
        Biological variation that all genes share, and degrees of freedom of its spread over
        genes.
    seed
        Seed of the simulation. The true counts of a seed do not depend on the dropout.

    Returns
    -------
    AnnData
        Counts, with those before dropout in `layers["true"]`. `obs["label"]`: group.
        `obs["expected_library_size"]`. `var["base_mean"]`, `var["outlier_factor"]`,
        `var["gene_mean"]`: mean before and after outliers, and the factor between the median and
        an outlier. `var["de_factor_group1"]` and so on. `uns["values"]`: "counts".
    """
    _require(_POSITIVE_INTEGER, n_cells=n_cells, n_genes=n_genes)
    _require(_SEED, seed=seed)
    _require(_POSITIVE, mean_rate=mean_rate, mean_shape=mean_shape, bcv_df=bcv_df)
    _require(_NON_NEGATIVE, lib_scale=lib_scale, out_fac_scale=out_fac_scale)
    _require(_NON_NEGATIVE, de_fac_scale=de_fac_scale, bcv_common=bcv_common)
    _require(_PROBABILITY, out_prob=out_prob, de_prob=de_prob, de_down_prob=de_down_prob)
    _require(_FINITE, lib_loc=lib_loc, out_fac_loc=out_fac_loc, de_fac_loc=de_fac_loc)
    _require(_FINITE, dropout_mid=dropout_mid, dropout_shape=dropout_shape)
    if dropout_type not in DROPOUT_TYPES:
        raise ValueError(
            f"Unknown `dropout_type` {dropout_type!r}. Known types: {', '.join(DROPOUT_TYPES)}."
        )
    group_prob = distribution(group_prob)

    # Heavy, and not needed by those who only look up the simulator or stream its blocks.
    import pandas as pd
    from anndata import AnnData

    base_mean = _stream(seed, "gene mean").gamma(mean_shape, 1 / mean_rate, n_genes)
    outlier_factor = _factors(
        _stream(seed, "outlier"), n_genes, out_prob, 0, out_fac_loc, out_fac_scale
    )
    gene_mean = np.where(outlier_factor == 1, base_mean, np.median(base_mean) * outlier_factor)
    de_factor = np.ones((len(group_prob), n_genes))
    if len(group_prob) > 1:
        for group, factor in enumerate(de_factor):
            rng = _stream(seed, "differential expression", group)
            factor[:] = _factors(rng, n_genes, de_prob, de_down_prob, de_fac_loc, de_fac_scale)
    expression = gene_mean * de_factor  # (n_groups, n_genes)

    population = Population(
        profile=expression / expression.sum(axis=1, keepdims=True),
        group_prob=group_prob,
        lib_loc=lib_loc,
        lib_scale=lib_scale,
        bcv_common=bcv_common,
        bcv_spread=bcv_df / _stream(seed, "spread").chisquare(bcv_df, n_genes),
        dropout=(dropout_mid, dropout_shape) if dropout_type == "experiment" else None,
        seed=seed,
    )
    blocks = [
        draw_cells(population, start // BLOCK, min(BLOCK, n_cells - start))
        for start in range(0, n_cells, BLOCK)
    ]

    groups = np.array([f"Group{group + 1}" for group in range(len(group_prob))])
    obs = {
        "label": groups[np.concatenate([cells.group for cells in blocks])],
        "expected_library_size": np.concatenate([cells.library for cells in blocks]),
    }
    var = {"base_mean": base_mean, "outlier_factor": outlier_factor, "gene_mean": gene_mean}
    for group, factor in zip(groups, de_factor, strict=True):
        var[f"de_factor_{group.lower()}"] = factor
    return AnnData(
        X=sparse.vstack([cells.observed for cells in blocks], format="csr"),
        layers={"true": sparse.vstack([cells.true for cells in blocks], format="csr")},
        obs=pd.DataFrame(obs, index=[f"Cell{cell + 1}" for cell in range(n_cells)]),
        var=pd.DataFrame(var, index=[f"Gene{gene + 1}" for gene in range(n_genes)]),
        uns={"values": "counts"},
    )


def draw_cells(population: Population, block: int, n_cells: int) -> Cells:
    """Simulate one block of cells; blocks can be drawn in any order.

    Parameters
    ----------
    population
        What the cells are drawn from.
    block
        Number of the block, from 0.
    n_cells
        Number of cells, `BLOCK` except in the last block. Fewer give the first of the same cells.
    """
    seed, n_groups = population.seed, len(population.group_prob)
    group = _stream(seed, "group", block).choice(n_groups, n_cells, p=population.group_prob)
    library = _stream(seed, "library", block).lognormal(
        population.lib_loc, population.lib_scale, n_cells
    )
    base = population.profile[group] * library[:, None]  # (n_cells, n_genes), as all below

    # Gamma with mean `base` and variance (base * bcv)^2, bcv = (common + 1 / sqrt(base)) *
    # sqrt(spread). Multiplied out, so that a mean of zero divides nothing.
    scale = (population.bcv_common * np.sqrt(base) + 1) ** 2 * population.bcv_spread
    mean = _stream(seed, "variation", block).standard_gamma(base / scale) * scale
    counts = _stream(seed, "count", block).poisson(mean)
    true = sparse.csr_matrix(counts, dtype=np.float32)

    observed = true.copy()
    if population.dropout is not None:
        mid, shape = population.dropout
        # Only positive counts, in the row-major order of `true`: others have nothing to lose, and
        # their mean may be zero.
        probability = expit(shape * (np.log(mean[counts > 0]) - mid))
        observed.data[_stream(seed, "dropout", block).random(true.nnz) < probability] = 0
        observed.eliminate_zeros()
    return Cells(observed, true, group, library)


def _factors(
    rng: np.random.Generator, n: int, prob: float, down_prob: float, loc: float, scale: float
) -> np.ndarray:
    """Log-normal factor where selected, else 1; shape (n,).

    A selected factor is above 1, or below 1 with probability `down_prob`, on whichever side the
    log-normal draw lies: Splatter turns the direction around for draws below 1.
    """
    selected = rng.random(n) < prob
    down = rng.random(n) < down_prob
    size = np.abs(rng.normal(loc, scale, n))
    return np.exp(np.where(selected, np.where(down, -size, size), 0))


def _stream(seed: int, step: str, *part: int) -> np.random.Generator:
    """Random numbers of one step, or of one part of it: a group or a block of cells."""
    key = np.random.SeedSequence(derive_seed(seed, f"splat/{step}"), spawn_key=part)
    return np.random.Generator(np.random.PCG64(key))


# What a parameter may be, in words and as a test.
_Rule = tuple[str, Callable[[float], bool]]
_POSITIVE_INTEGER: _Rule = ("a positive integer", lambda x: isinstance(x, Integral) and x > 0)
_SEED: _Rule = ("a non-negative integer", lambda x: isinstance(x, Integral) and x >= 0)
_POSITIVE: _Rule = ("a finite number above 0", lambda x: x > 0)
_NON_NEGATIVE: _Rule = ("a finite number from 0", lambda x: x >= 0)
_PROBABILITY: _Rule = ("a probability, from 0 to 1", lambda x: 0 <= x <= 1)
_FINITE: _Rule = ("a finite number", lambda _: True)


def _require(rule: _Rule, **parameters: float) -> None:
    allowed, holds = rule
    for name, value in parameters.items():
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and holds(value)):
            raise ValueError(f"`{name}` must be {allowed}, got {value!r}.")


def distribution(group_prob: Sequence[float]) -> np.ndarray:
    """The probabilities of the groups, checked; shape (n_groups,)."""
    if np.ndim(group_prob) != 1:
        raise ValueError(f"`group_prob` must be a list of probabilities, got {group_prob!r}.")
    for group, prob in enumerate(group_prob):
        _require(_PROBABILITY, **{f"group_prob[{group}]": prob})
    total = math.fsum(group_prob)
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise ValueError(
            f"`group_prob` must sum to 1, got {group_prob!r}, which sums to {total:g}."
        )
    return np.array(group_prob, dtype=float) / total
