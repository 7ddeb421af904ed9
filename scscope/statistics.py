"""Comparisons of methods that can hold: paired, exact, corrected; failed runs rank last.

All of them take gains, oriented so that more is better (`scscope.metrics.Metric.higher_is_better`).
"""

from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
MIN_DATASETS = 10  # of a critical-difference diagram
N_BOOTSTRAP = 10_000


@dataclass(frozen=True)
class Paired:
    """One method against another over the same replicates.

    Parameters
    ----------
    n
        Pairs in which both methods could have a value: a run that failed counts, one to which the
        method does not apply does not.
    failed, rival_failed
        How many of these runs failed.
    effect
        Matched-pairs rank-biserial correlation of all pairs, -1 to 1, failures last; more than 0
        where the first method is better.
    p
        Two-sided P of the exact signed-rank test of all pairs, failures last.
    n_available, mean, low, high, p_available
        Of the pairs in which neither failed: their number, mean difference, its bootstrap interval
        (95 %), and P. NaN without such pairs; no interval of a single pair.
    """

    n: int
    failed: int
    rival_failed: int
    effect: float
    p: float
    n_available: int
    mean: float
    low: float
    high: float
    p_available: float


def compare(gain: np.ndarray, rival: np.ndarray, *, seed: int) -> Paired:
    """Compare two methods over replicates.

    Parameters
    ----------
    gain, rival
        Shape (n_replicates,): what each reached in each replicate, more is better, -inf where it
        failed, NaN where it does not apply or there is no value.
    seed
        Of the bootstrap.

    Notes
    -----
    A failure loses to every value and ties with a failure. In the signed-rank test such a pair has
    the largest of all differences.
    """
    gain, rival = np.asarray(gain, dtype=float), np.asarray(rival, dtype=float)
    if gain.shape != rival.shape:
        raise ValueError(f"`gain` has shape {gain.shape} but `rival` has {rival.shape}.")
    known = ~(np.isnan(gain) | np.isnan(rival))
    gain, rival = gain[known], rival[known]
    failed, rival_failed = np.isneginf(gain), np.isneginf(rival)
    with np.errstate(invalid="ignore"):
        difference = np.where(failed & rival_failed, 0, gain - rival)
    available = difference[~failed & ~rival_failed]
    p, effect = signed_rank(difference)
    return Paired(
        n=len(difference),
        failed=int(failed.sum()),
        rival_failed=int(rival_failed.sum()),
        effect=effect,
        p=p,
        n_available=len(available),
        mean=float(available.mean()) if len(available) else np.nan,
        **dict(zip(("low", "high"), bootstrap_interval(available, seed=seed), strict=True)),
        p_available=signed_rank(available)[0],
    )


def signed_rank(difference: np.ndarray) -> tuple[float, float]:
    """Wilcoxon's signed-rank test: two-sided P, exact also with ties, and effect size.

    Parameters
    ----------
    difference
        Shape (n,); may hold infinities, which tie with each other. Zeros are dropped.

    Returns
    -------
    tuple
        P, and the matched-pairs rank-biserial correlation (W+ - W-) / (W+ + W-) of Kerby 2014
        (doi 10.2466/11.IT.3.1). (1, 0) if all differences are zero, NaN without any.

    Notes
    -----
    P is that of all assignments of signs to the ranks at hand, ties sharing their mean rank,
    counted by convolution. Tables and scipy's exact mode hold without ties only.
    """
    from scipy.stats import rankdata

    difference = np.asarray(difference, dtype=float)
    if not len(difference):
        return np.nan, np.nan
    nonzero = difference[difference != 0]
    if not len(nonzero):
        return 1.0, 0.0
    twice = np.rint(2 * rankdata(np.abs(nonzero))).astype(int)  # whole numbers, also of ties
    total, plus = twice.sum(), twice[nonzero > 0].sum()
    chance = np.zeros(total + 1)
    chance[0] = 1
    for rank in twice:
        moved = np.zeros_like(chance)
        moved[rank:] = chance[: total + 1 - rank]
        chance = (chance + moved) / 2
    tail = min(chance[: plus + 1].sum(), chance[plus:].sum())
    return float(min(1.0, 2 * tail)), float((2 * plus - total) / total)


def bootstrap_interval(
    values: np.ndarray, *, seed: int, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean (Efron & Tibshirani 1993, chapter 13).

    Parameters
    ----------
    values
        Shape (n,). Fewer than two values have no interval: NaN.
    seed
        The same seed gives the same interval.
    level
        Share of the resampled means that lie within.
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(N_BOOTSTRAP, len(values)))].mean(axis=1)
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def holm(p: np.ndarray) -> np.ndarray:
    """P values adjusted by Holm's step-down procedure (Holm 1979), shape (n,).

    NaN, a comparison that could not be made, stays NaN and counts as none.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def ranks(gain: np.ndarray, failed: np.ndarray) -> np.ndarray:
    """Ranks of methods on one dataset, 1 is best, ties share their mean rank.

    Parameters
    ----------
    gain
        Shape (n_methods,): mean over the seeds that gave a value, more is better; NaN if none did.
    failed
        Shape (n_methods,): share of the seeds that failed. A method that failed on some ranks after
        all that failed on fewer, whatever it reached on the others. NaN: the method does not
        apply and has no rank.
    """
    from scipy.stats import rankdata

    gain, failed = np.asarray(gain, dtype=float), np.asarray(failed, dtype=float)
    rank = np.full(gain.shape, np.nan)
    known = ~np.isnan(failed) & ~(np.isnan(gain) & (failed == 0))
    keys = np.stack([failed, np.where(np.isnan(gain), np.inf, -gain)], axis=1)[known]
    if len(keys):
        place = np.unique(keys, axis=0, return_inverse=True)[1]
        rank[known] = rankdata(place.ravel())
    return rank


def friedman(rank: np.ndarray) -> float:
    """P of Friedman's test that methods do not differ, of ranks of shape (n_datasets, n_methods)."""
    from scipy.stats import friedmanchisquare

    rank = np.asarray(rank, dtype=float)
    if rank.shape[1] < 3:
        raise ValueError(f"Friedman's test takes at least 3 methods, got {rank.shape[1]}.")
    return float(friedmanchisquare(*rank.T).pvalue)


def critical_difference(n_methods: int, n_datasets: int, *, alpha: float = ALPHA) -> float:
    """Difference of mean ranks beyond which two methods differ (Nemenyi; Demšar 2006, JMLR 7:1).

    Parameters
    ----------
    n_methods, n_datasets
        Of what was ranked; the dataset is the unit, its seeds are averaged before.
    alpha
        Level of all comparisons together.

    Raises
    ------
    ValueError
        With fewer than ten datasets: there the test hardly ever tells methods apart, and a diagram
        that joins all of them looks like a finding.
    """
    from scipy.stats import studentized_range

    if n_datasets < MIN_DATASETS:
        raise ValueError(
            f"A critical difference takes at least {MIN_DATASETS} datasets, got {n_datasets}: "
            "with fewer, methods that differ are not told apart. Read the mean ranks."
        )
    if n_methods < 2:
        raise ValueError(f"A critical difference takes at least 2 methods, got {n_methods}.")
    q = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(n_methods * (n_methods + 1) / (6 * n_datasets)))
