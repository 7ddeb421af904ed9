"""Splat: the simulation model of the R package Splatter (Zappia, Phipson and Oshlack,
Genome Biology 18:174, 2017), written anew.

It follows the published model for single populations, groups and batches, and agrees with Splatter
in distribution; the random numbers themselves differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scscope.simulate.blocks import (
    Rows,
    Simulation,
    cells_per_block,
    csr_of_filled,
    names,
    random_stream,
    stream_state,
)
from scscope.simulate.parameters import (
    FINITE,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    PROBABILITY,
    SEED,
    cells_of_batches,
    distribution,
    one_for_each,
    require,
    require_flag,
    require_one_of,
)

if TYPE_CHECKING:
    from anndata import AnnData

NO_NUMBERS = (
    "With these parameters, expected counts are no finite numbers: every gene has a mean of zero "
    "(`mean_shape` is very small), or factors or library sizes are too large (`out_fac_loc`, "
    "`de_fac_loc`, `batch_fac_loc`, `lib_loc` and their scales are logarithms)."
)
DROPOUT_TYPES = ("none", "experiment", "batch", "group", "cell")
Numbers = float | Sequence[float]


@dataclass(frozen=True)
class Population:
    """What cells are drawn from.

    Parameters
    ----------
    profile
        Share of each gene in the expression of each kind of cell, a batch and a group, shape
        (n_kinds, n_genes); rows sum to 1.
    kind
        Kind of each cell, shape (n_cells,).
    library
        Expected library size of each cell, shape (n_cells,).
    bcv_common
        Variation that all genes share.
    bcv_spread
        Factor df / chi2 on the squared variation of each gene, shape (n_genes,).
    dropout
        Midpoint and slope of the dropout curve of each cell, both of shape (n_cells,), or None
        without dropout.
    seed
        Seed of the simulation.
    """

    profile: np.ndarray
    kind: np.ndarray
    library: np.ndarray
    bcv_common: float
    bcv_spread: np.ndarray
    dropout: tuple[np.ndarray, np.ndarray] | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class SplatSettings:
    """Parameters of the Splat model, checked.

    Names and defaults are Splatter's, with `.` and capitals written as `_`. All logarithms are
    natural.

    Parameters
    ----------
    n_genes, n_cells
        Shape of the data. The first cells of a larger simulation are those of a smaller one.
    batch_cells
        Number of cells of each batch, in place of `n_cells`.
    batch_fac_loc, batch_fac_scale
        Log-normal distribution of the factors on the gene means of a batch; each a number, or a
        list with one for each batch. A single batch has no factors.
    batch_rm_effect
        Whether batches differ in name alone.
    group_prob
        Probability of each group; they sum to 1. As in Splatter, a single group has no
        differential expression.
    dropout_type
        "none", or for what there is a dropout curve: the whole "experiment", each "batch", "group"
        or "cell".
    dropout_mid, dropout_shape
        Log mean at which half of the counts drop out, and slope of the logistic curve; negative
        where low means drop out more often. A list with one for each batch, group or cell where
        the type says so. Without effect if `dropout_type` is "none".
    mean_rate, mean_shape
        Gamma distribution of the gene means.
    lib_loc, lib_scale, lib_norm
        Log-normal distribution of the library sizes, or normal if `lib_norm`. Negative sizes are
        then half of the smallest positive one, so that they depend on the number of cells.
    out_prob, out_fac_loc, out_fac_scale
        Probability that a gene is an outlier, and the log-normal factor by which it then exceeds
        the median gene mean.
    de_prob, de_down_prob, de_fac_loc, de_fac_scale
        Probability that a gene is differentially expressed in a group, probability that it is
        then lowered, and the log-normal factor; each a number, or a list with one for each group.
    bcv_common, bcv_df
        Biological variation that all genes share, and degrees of freedom of its spread over
        genes; infinite for none.
    seed
        Seed of the simulation. The true counts of a seed do not depend on the dropout.
    """

    n_genes: int
    n_cells: int | None = None
    batch_cells: Sequence[int] | None = None
    batch_fac_loc: Numbers = 0.1
    batch_fac_scale: Numbers = 0.1
    batch_rm_effect: bool = False
    group_prob: Sequence[float] = (1.0,)
    dropout_type: str = "none"
    dropout_mid: Numbers = 0.0
    dropout_shape: Numbers = -1.0
    mean_rate: float = 0.3
    mean_shape: float = 0.6
    lib_loc: float = 11
    lib_scale: float = 0.2
    lib_norm: bool = False
    out_prob: float = 0.05
    out_fac_loc: float = 4
    out_fac_scale: float = 0.5
    de_prob: Numbers = 0.1
    de_down_prob: Numbers = 0.5
    de_fac_loc: Numbers = 0.1
    de_fac_scale: Numbers = 0.4
    bcv_common: float = 0.1
    bcv_df: float = 60
    seed: int

    def __post_init__(self):
        """Refuse what cannot be; bring what may be a number or a list to arrays."""
        require(POSITIVE_INTEGER, n_genes=self.n_genes)
        require(SEED, seed=self.seed)
        require(POSITIVE, mean_rate=self.mean_rate, mean_shape=self.mean_shape)
        if self.bcv_df != math.inf:
            require(POSITIVE, bcv_df=self.bcv_df)
        require(NON_NEGATIVE, lib_scale=self.lib_scale, out_fac_scale=self.out_fac_scale)
        require(NON_NEGATIVE, bcv_common=self.bcv_common)
        require(PROBABILITY, out_prob=self.out_prob)
        require(FINITE, lib_loc=self.lib_loc, out_fac_loc=self.out_fac_loc)
        require_flag(lib_norm=self.lib_norm, batch_rm_effect=self.batch_rm_effect)
        require_one_of(DROPOUT_TYPES, dropout_type=self.dropout_type)

        group_prob = distribution(self.group_prob)
        sizes = cells_of_batches(self.n_cells, self.batch_cells)
        many = {"group": len(group_prob), "batch": len(sizes), "cell": sum(sizes)}
        unit = self.dropout_type if self.dropout_type in many else "experiment"
        arrays = {"group_prob": group_prob, "batch_cells": np.array(sizes)}
        for name, kind, rule in (
            ("de_prob", "group", PROBABILITY),
            ("de_down_prob", "group", PROBABILITY),
            ("de_fac_loc", "group", FINITE),
            ("de_fac_scale", "group", NON_NEGATIVE),
            ("batch_fac_loc", "batch", FINITE),
            ("batch_fac_scale", "batch", NON_NEGATIVE),
            ("dropout_mid", unit, FINITE),
            ("dropout_shape", unit, FINITE),
        ):
            # As in Splatter, one dropout curve does not stand for several batches, groups, cells.
            spread = not name.startswith("dropout")
            value = getattr(self, name)
            arrays[name] = one_for_each(name, value, kind, many.get(kind, 1), rule, spread=spread)
        for name, value in {**arrays, "n_cells": sum(sizes)}.items():
            object.__setattr__(self, name, value)


def splat(*, threads: int | None = None, **parameters) -> "AnnData":
    """Simulate counts of groups and batches of cells, with dropout, by the Splat model.

    Parameters
    ----------
    threads
        Threads that draw; without it, as many as there are cores. The data do not depend on it.
    parameters
        Those of `SplatSettings`.

    Returns
    -------
    AnnData
        Counts, with those before dropout in `layers["true"]` and the positive counts that dropped
        out marked in `layers["dropout"]`. `obs["label"]`: group; `obs["batch"]` where there are
        several; `obs["expected_library_size"]`. `var["base_mean"]`, `var["outlier_factor"]`,
        `var["gene_mean"]`: mean before and after outliers, and the factor between the median and
        an outlier. `var["de_factor_group1"]`, `var["batch_factor_batch1"]` and so on.
        `uns["values"]`: "counts".
    """
    return splat_simulation(**parameters).to_anndata(threads=threads)


def splat_simulation(**parameters) -> Simulation:
    """Set up a simulation by the Splat model, to be held in memory or streamed to a file.

    Parameters
    ----------
    parameters
        Those of `SplatSettings`.
    """
    settings = SplatSettings(**parameters)
    with np.errstate(over="ignore", invalid="ignore"):  # refused below
        base_mean, outlier_factor = draw_genes(settings)
        gene_mean = with_outliers(base_mean, outlier_factor)
        de_factor, batch_factor = draw_de_factors(settings), draw_batch_factors(settings)
        # (n_batches, n_groups, n_genes)
        expression = gene_mean * batch_factor[:, None] * de_factor
        profile = expression / expression.sum(axis=-1, keepdims=True)
        group, library = draw_groups_and_libraries(settings)
    batch = np.repeat(np.arange(len(batch_factor)), settings.batch_cells)
    if not (np.isfinite(profile).all() and np.isfinite(library).all()):
        raise ValueError(NO_NUMBERS)
    population = Population(
        profile=profile.reshape(-1, settings.n_genes),
        kind=batch * len(de_factor) + group,
        library=library,
        bcv_common=settings.bcv_common,
        bcv_spread=variation_spread(settings),
        dropout=dropout_curves(settings, batch, group),
        seed=settings.seed,
    )

    groups, batches = names("Group", len(de_factor)), names("Batch", len(batch_factor))
    var = {"base_mean": base_mean, "outlier_factor": outlier_factor, "gene_mean": gene_mean}
    var |= {f"de_factor_{g.lower()}": f for g, f in zip(groups, de_factor, strict=True)}
    obs = {"label": groups[group]}
    if len(batches) > 1:
        var |= {f"batch_factor_{b.lower()}": f for b, f in zip(batches, batch_factor, strict=True)}
        obs["batch"] = batches[batch]
    return Simulation(
        n_cells=settings.n_cells,
        n_genes=settings.n_genes,
        values="counts",
        obs={**obs, "expected_library_size": library},
        var=var,
        draw=lambda block, n: draw_cells(population, block, n),
    )


def draw_genes(settings: SplatSettings) -> tuple[np.ndarray, np.ndarray]:
    """Means of the genes before outliers, and outlier factors, both of shape (n_genes,)."""
    rng = random_stream(settings.seed, "splat/gene mean")
    base_mean = rng.gamma(settings.mean_shape, 1 / settings.mean_rate, settings.n_genes)
    rng = random_stream(settings.seed, "splat/outlier")
    loc, scale = settings.out_fac_loc, settings.out_fac_scale
    return base_mean, lognormal_factors(rng, settings.n_genes, settings.out_prob, 0, loc, scale)


def draw_de_factors(settings: SplatSettings) -> np.ndarray:
    """Factors of each group on the gene means, shape (n_groups, n_genes); 1 for a single group."""
    factors = np.ones((len(settings.group_prob), settings.n_genes))
    if len(factors) > 1:
        each = (
            *(settings.de_prob, settings.de_down_prob),
            *(settings.de_fac_loc, settings.de_fac_scale),
        )
        for group, how in enumerate(zip(*each, strict=True)):
            rng = random_stream(settings.seed, "splat/differential expression", group)
            factors[group] = lognormal_factors(rng, settings.n_genes, *how)
    return factors


def draw_batch_factors(settings: SplatSettings) -> np.ndarray:
    """Factors of each batch on the gene means, shape (n_batches, n_genes); 1 for a single batch."""
    factors = np.ones((len(settings.batch_cells), settings.n_genes))
    if len(factors) > 1 and not settings.batch_rm_effect:
        each = zip(settings.batch_fac_loc, settings.batch_fac_scale, strict=True)
        for batch, (loc, scale) in enumerate(each):
            rng = random_stream(settings.seed, "splat/batch", batch)
            factors[batch] = lognormal_factors(rng, settings.n_genes, 1, 0.5, loc, scale)
    return factors


def dropout_curves(
    settings: SplatSettings, batch: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Midpoint and slope of each cell's dropout curve, both of shape (n_cells,), or None.

    Parameters
    ----------
    settings
        The parameters.
    batch, group
        Index of the batch and of the group of each cell, shape (n_cells,).
    """
    if settings.dropout_type == "none":
        return None
    of_cell = {"batch": batch, "group": group, "cell": np.arange(settings.n_cells)}
    which = of_cell.get(settings.dropout_type, np.zeros(settings.n_cells, dtype=int))
    return settings.dropout_mid[which], settings.dropout_shape[which]


def draw_groups_and_libraries(settings: SplatSettings) -> tuple[np.ndarray, np.ndarray]:
    """Group and expected library size of each cell, both of shape (n_cells,)."""
    seed, loc, scale = settings.seed, settings.lib_loc, settings.lib_scale
    size = cells_per_block(settings.n_genes)
    groups, libraries = [], []
    for block, start in enumerate(range(0, settings.n_cells, size)):
        n = min(size, settings.n_cells - start)
        rng = random_stream(seed, "splat/group", block)
        groups.append(rng.choice(len(settings.group_prob), n, p=settings.group_prob))
        rng = random_stream(seed, "splat/library", block)
        draw = rng.normal if settings.lib_norm else rng.lognormal
        libraries.append(draw(loc, scale, n))
    library = np.concatenate(libraries)
    if settings.lib_norm:
        positive = library > 0
        if not positive.any():
            raise ValueError(
                f"No library size is positive: with `lib_norm`, `lib_loc` {loc:g} and `lib_scale` "
                f"{scale:g} are its mean and standard deviation, not those of its logarithm."
            )
        library[library < 0] = library[positive].min() / 2
    return np.concatenate(groups), library


def draw_cells(population: Population, block: int, n_cells: int) -> Rows:
    """Simulate one block of cells; blocks can be drawn in any order.

    Parameters
    ----------
    population
        What the cells are drawn from.
    block
        Number of the block, from 0.
    n_cells
        Number of its cells. Fewer give the first of the same cells.

    Returns
    -------
    tuple
        Observed and true counts, CSR of shape (n_cells, n_genes), float32.
    """
    from scscope.simulate.draws import draw_rows

    n_genes = population.profile.shape[1]
    first = block * cells_per_block(n_genes)
    cells = slice(first, first + n_cells)
    curve = population.dropout or (population.library, population.library)  # not looked at
    true, observed = draw_rows(
        population.profile,
        population.kind[cells],
        population.library[cells],
        population.bcv_common,
        population.bcv_spread,
        population.dropout is not None,
        *(numbers[cells] for numbers in curve),
        stream_state(population.seed, "splat/count", block),
        stream_state(population.seed, "splat/dropout", block),
    )
    true = csr_of_filled(*true, n_genes)
    if population.dropout is None:
        return true.copy(), true
    return csr_of_filled(*observed, n_genes), true


def variation_spread(settings: SplatSettings) -> np.ndarray:
    """Factor df / chi2 on the squared variation of each gene, shape (n_genes,); 1 if infinite."""
    if settings.bcv_df == math.inf:
        return np.ones(settings.n_genes)
    rng = random_stream(settings.seed, "splat/spread")
    return settings.bcv_df / rng.chisquare(settings.bcv_df, settings.n_genes)


def with_outliers(base_mean: np.ndarray, outlier_factor: np.ndarray) -> np.ndarray:
    """Gene means in which outliers are the median mean times their factor; shape (n_genes,)."""
    return np.where(outlier_factor == 1, base_mean, np.median(base_mean) * outlier_factor)


def lognormal_factors(
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
