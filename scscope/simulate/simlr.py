"""SIMLR-style data: a Gaussian mixture, projected at random to genes, with noise and dropout.

The generator of the paper's online Methods ("SIMLR-based simulation"), which goes back to Wang et
al., Nature Methods 14:414, 2017. Values are continuous, and some are negative.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scscope.simulate.blocks import (
    Rows,
    Simulation,
    cells_per_block,
    csr_of,
    names,
    random_stream,
)
from scscope.simulate.parameters import (
    COUNT,
    FINITE,
    NON_NEGATIVE,
    POSITIVE,
    POSITIVE_INTEGER,
    SEED,
    require,
    require_one_of,
)

if TYPE_CHECKING:
    from anndata import AnnData

# Decimal powers of alpha between which a dropout rate is looked for.
SEARCHED = (-12, 24)


@dataclass(frozen=True, kw_only=True)
class SimlrSettings:
    """Parameters of SIMLR-style data, checked. Defaults are the paper's where it states them.

    Parameters
    ----------
    n_cells, n_genes
        Shape of the data. The first cells of a larger simulation are those of a smaller one.
    n_types
        Number of cell types, the components of the mixture.
    n_rare, rare_share
        Number of rare types, and the probability of each of them. The others then are equally
        frequent; without rare types, probabilities are uniform numbers, normalised.
    n_latent
        P, the dimension of the mixture. The paper does not state it.
    dropout_rate
        Share of the positive values that is zeroed, expected over cells and genes; alpha is solved
        for it. 0 for no dropout.
    dropout_alpha
        Alpha, in place of `dropout_rate`: a value x drops out with probability exp(-alpha x^2).
    latent_variance
        Variance of a type in each latent dimension.
    loading_max
        Entries of the projection are uniform between minus this and this.
    offset
        Added to every value, against negative ones.
    noise_max, noise_is
        The noise of a gene is normal with mean 0 and a "variance", or "sd", that is uniform
        between 0 and `noise_max`. The paper's notation suggests the variance.
    seed
        Seed of the simulation. The true values of a seed do not depend on the dropout.
    """

    n_cells: int
    n_genes: int
    n_types: int = 50
    n_rare: int = 0
    rare_share: float | None = None
    n_latent: int
    dropout_rate: float | None = None
    dropout_alpha: float | None = None
    latent_variance: float = 0.1
    loading_max: float = 0.5
    offset: float = 0.5
    noise_max: float = 0.2
    noise_is: str = "variance"
    seed: int

    def __post_init__(self):
        """Refuse what cannot be."""
        require(POSITIVE_INTEGER, n_cells=self.n_cells, n_genes=self.n_genes)
        require(POSITIVE_INTEGER, n_types=self.n_types, n_latent=self.n_latent)
        require(COUNT, n_rare=self.n_rare)
        require(SEED, seed=self.seed)
        require(POSITIVE, latent_variance=self.latent_variance, loading_max=self.loading_max)
        require(NON_NEGATIVE, noise_max=self.noise_max)
        require(FINITE, offset=self.offset)
        require_one_of(("variance", "sd"), noise_is=self.noise_is)
        self._check_rare()
        self._check_dropout()

    def _check_rare(self) -> None:
        if self.n_rare >= self.n_types:
            raise ValueError(
                f"`n_rare` must be below `n_types`, {self.n_types}: some type has to be frequent; "
                f"got {self.n_rare}."
            )
        if (self.rare_share is None) != (self.n_rare == 0):
            raise ValueError(
                "`n_rare` and `rare_share` belong together: give both, or neither; got "
                f"{self.n_rare} and {self.rare_share!r}."
            )
        if self.rare_share is not None:
            equal = 1 / self.n_types
            rule = (f"above 0 and below 1 / `n_types`, {equal:g}", lambda x: 0 < x < equal)
            require(rule, rare_share=self.rare_share)

    def _check_dropout(self) -> None:
        if (self.dropout_rate is None) == (self.dropout_alpha is None):
            raise ValueError(
                "Give `dropout_rate`, the share of positive values that is zeroed (0 for none), or "
                f"`dropout_alpha`; got {self.dropout_rate!r} and {self.dropout_alpha!r}."
            )
        if self.dropout_rate is not None:
            rule = ("a share from 0 to below 1", lambda x: 0 <= x < 1)
            require(rule, dropout_rate=self.dropout_rate)
        else:
            require(POSITIVE, dropout_alpha=self.dropout_alpha)


@dataclass(frozen=True)
class Mixture:
    """What cells are drawn from.

    Parameters
    ----------
    weight
        Probability of each type, shape (n_types,).
    center
        Means of the types, shape (n_types, n_latent).
    latent_sd
        Standard deviation of a type in each latent dimension.
    loading
        Projection, shape (n_latent, n_genes).
    offset
        Added to every value.
    noise_sd
        Standard deviation of the noise of each gene, shape (n_genes,).
    """

    weight: np.ndarray
    center: np.ndarray
    latent_sd: float
    loading: np.ndarray
    offset: float
    noise_sd: np.ndarray


def simlr(*, threads: int | None = None, **parameters) -> "AnnData":
    """Simulate SIMLR-style data.

    Parameters
    ----------
    threads
        Threads that draw; without it, as many as there are cores. The data do not depend on it.
    parameters
        Those of `SimlrSettings`.

    Returns
    -------
    AnnData
        Observed values, some of them negative, with those before dropout (noise included) in
        `layers["true"]` and those that dropped out marked in `layers["dropout"]`.
        `obs["label"]`: type. `var["noise_sd"]`. `uns["values"]`: "continuous";
        `uns["rare_types"]`: labels of the rare types; `uns["alpha"]`: of the dropout, infinite
        for none; `uns["n_latent"]`.
    """
    return simlr_simulation(**parameters).to_anndata(threads=threads)


def simlr_simulation(**parameters) -> Simulation:
    """Set up SIMLR-style data, to be held in memory or streamed to a file.

    Parameters
    ----------
    parameters
        Those of `SimlrSettings`.
    """
    settings = SimlrSettings(**parameters)
    mixture = draw_mixture(settings)
    alpha = settings.dropout_alpha
    if alpha is None:
        alpha = alpha_of(settings.dropout_rate, mixture)
    types = draw_types(settings, mixture.weight)
    label = names("Type", settings.n_types)
    return Simulation(
        n_cells=settings.n_cells,
        n_genes=settings.n_genes,
        values="continuous",
        obs={"label": label[types]},
        var={"noise_sd": mixture.noise_sd},
        draw=lambda block, n: draw_cells(mixture, types, alpha, settings.seed, block, n),
        uns={
            "rare_types": label[settings.n_types - settings.n_rare :],
            "alpha": alpha,
            "n_latent": settings.n_latent,
        },
    )


def draw_mixture(settings: SimlrSettings) -> Mixture:
    """Weights, means, projection and noise of a replicate."""
    seed, k, n_latent = settings.seed, settings.n_types, settings.n_latent
    if settings.n_rare:
        frequent = (1 - settings.rare_share * settings.n_rare) / (k - settings.n_rare)
        weight = np.full(k, frequent)
        weight[k - settings.n_rare :] = settings.rare_share
    else:
        weight = random_stream(seed, "simlr/weight").random(k)
    most = settings.loading_max
    noise = settings.noise_max * random_stream(seed, "simlr/noise").random(settings.n_genes)
    return Mixture(
        weight=weight / weight.sum(),
        center=random_stream(seed, "simlr/center").random((k, n_latent)),
        latent_sd=math.sqrt(settings.latent_variance),
        loading=random_stream(seed, "simlr/loading").uniform(
            -most, most, (n_latent, settings.n_genes)
        ),
        offset=settings.offset,
        noise_sd=np.sqrt(noise) if settings.noise_is == "variance" else noise,
    )


def draw_types(settings: SimlrSettings, weight: np.ndarray) -> np.ndarray:
    """Index of the type of each cell, shape (n_cells,)."""
    size = cells_per_block(settings.n_genes)
    starts = range(0, settings.n_cells, size)
    return np.concatenate(
        [
            random_stream(settings.seed, "simlr/type", block).choice(
                len(weight), min(size, settings.n_cells - start), p=weight
            )
            for block, start in enumerate(starts)
        ]
    )


def moments(mixture: Mixture) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the true values of each gene in each type.

    A value is normal, given its type: shapes (n_types, n_genes) and (n_genes,).
    """
    mean = mixture.center @ mixture.loading + mixture.offset
    spread = mixture.latent_sd**2 * np.sum(mixture.loading**2, axis=0)
    return mean, spread + mixture.noise_sd**2


def dropout_rate_of(alpha: float, mixture: Mixture) -> float:
    """Share of the positive values that drop out at `alpha`, expected over cells and genes.

    With x normal (m, v) and c = 1 + 2 alpha v, the integral of its density times exp(-alpha x^2)
    over x > 0 is exp(-alpha m^2 / c) / sqrt(c) x Phi(m / sqrt(v c)).
    """
    # Every job of the workflow reads the list of simulators, and would wait for it.
    from scipy.special import ndtr

    mean, variance = moments(mixture)
    c = 1 + 2 * alpha * variance
    dropped = np.exp(-alpha * mean**2 / c) / np.sqrt(c) * ndtr(mean / np.sqrt(variance * c))
    positive = ndtr(mean / np.sqrt(variance))
    return float((mixture.weight @ dropped).sum() / (mixture.weight @ positive).sum())


def alpha_of(rate: float, mixture: Mixture) -> float:
    """Alpha at which a share `rate` of the positive values drops out; infinite for 0."""
    from scipy.optimize import brentq

    if rate == 0:
        return math.inf
    low, high = (dropout_rate_of(10.0**power, mixture) for power in SEARCHED)
    if not high < rate < low:
        raise ValueError(
            f"`dropout_rate` must be above {high:.3g} and below {low:.12g} for these data, or 0; "
            f"got {rate:g}."
        )
    power = brentq(lambda power: dropout_rate_of(10.0**power, mixture) - rate, *SEARCHED)
    return 10.0**power


def draw_cells(
    mixture: Mixture,
    types: np.ndarray,
    alpha: float,
    seed: int,
    block: int,
    n_cells: int,
) -> Rows:
    """Simulate one block of cells; blocks can be drawn in any order.

    Parameters
    ----------
    mixture
        What the cells are drawn from.
    types
        Index of the type of all cells of the dataset, shape (n_all_cells,).
    alpha
        Of the dropout; infinite for none.
    seed
        Seed of the simulation.
    block
        Number of the block, from 0.
    n_cells
        Number of its cells. Fewer give the first of the same cells.

    Returns
    -------
    tuple
        Observed and true values, CSR of shape (n_cells, n_genes), float32.
    """
    n_latent, n_genes = mixture.loading.shape
    size = cells_per_block(n_genes)
    first = block * size
    rng = random_stream(seed, "simlr/latent", block)
    latent = rng.standard_normal((size, n_latent), dtype=np.float32)
    latent *= mixture.latent_sd
    latent[:n_cells] += mixture.center[types[first : first + n_cells]]

    # Of the whole block: rounding may depend on the size of a product.
    true = (latent @ mixture.loading.astype(np.float32))[:n_cells]
    true += np.float32(mixture.offset)
    noise = random_stream(seed, "simlr/error", block).standard_normal(true.shape, np.float32)
    noise *= mixture.noise_sd.astype(np.float32)
    true += noise
    if alpha == math.inf:
        whole = csr_of(true, true != 0)
        return whole.copy(), whole

    chance = np.square(true)
    chance *= np.float32(-alpha)
    np.exp(chance, out=chance)
    draw = random_stream(seed, "simlr/dropout", block).random(true.shape, np.float32)
    return csr_of(true, draw > chance), csr_of(true, true != 0)
