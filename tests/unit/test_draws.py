"""The compiled samplers of the Splat model, against the distributions of scipy."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from scscope.simulate import draws
from scscope.simulate.blocks import stream_state

N = 40_000
LEVEL = 1e-4  # of each test; seeds are fixed


def sample(sampler, *parameters, n=N, state=None):
    """N draws from one stream."""
    state, values = state or stream_state(0, sampler.__name__), np.empty(n)
    for i in range(n):
        values[i], state = sampler(state, *parameters)
        state = as_words(state)
    return values


def as_words(state):
    """numba hands unsigned numbers out as Python's, and would take those in as signed."""
    return tuple(map(np.uint64, state))


def counts_agree(values, distribution):
    """P value of the chi-squared test that whole numbers are of a distribution of scipy."""
    edges = np.unique(distribution.ppf(np.linspace(0.02, 0.98, 30)))
    expected = np.diff(np.concatenate([[0], distribution.cdf(edges), [1]]))
    bins = np.searchsorted(edges, values)
    observed = np.bincount(bins, minlength=len(expected))
    used = expected > 1e-9
    assert observed[~used].sum() == 0
    return stats.chisquare(observed[used], expected[used] / expected.sum() * len(values)).pvalue


def test_words_are_those_of_the_published_generator():
    # xoshiro256++ from the state 1, 2, 3, 4: the test vector of rand_xoshiro.
    state, words = tuple(np.arange(1, 5, dtype=np.uint64)), []
    for _ in range(5):
        bits, state = draws.word(as_words(state))
        words.append(int(bits))
    assert words == [41943041, 58720359, 3588806011781223, 3591011842654386, 9228616714210784205]


def test_uniform_and_normal():
    assert stats.kstest(sample(draws.uniform), "uniform").pvalue > LEVEL
    values = sample(draws.normal, n=200_000)
    assert stats.kstest(values, "norm").pvalue > LEVEL
    tail = np.abs(values) > draws.TAIL  # drawn by another rule
    assert stats.binomtest(int(tail.sum()), len(tail), 2 * stats.norm.sf(draws.TAIL)).pvalue > LEVEL


@pytest.mark.parametrize("shape", [0.05, 0.7, 1.0, 3.5, 80.0])
def test_gamma(shape):
    assert stats.kstest(sample(draws.gamma, shape), stats.gamma(shape).cdf).pvalue > LEVEL


@pytest.mark.parametrize("mean", [0.01, 0.8, 6.0, 11.9, 12.1, 40.0, 300.0, 20_000.0])
def test_poisson(mean):
    assert counts_agree(sample(draws.poisson, mean), stats.poisson(mean)) > LEVEL


@pytest.mark.parametrize(("shape", "scale"), [(0.02, 0.5), (0.5, 20.0), (3.0, 1.3), (900.0, 0.01)])
def test_negative_binomial(shape, scale):
    values = sample(draws.negative_binomial, shape, scale)
    assert counts_agree(values, stats.nbinom(shape, 1 / (1 + scale))) > LEVEL


def test_impossible_counts_are_not_waited_for():
    assert draws.negative_binomial(stream_state(0, "x"), 0.0, 1.0)[0] == 0
    assert draws.poisson(stream_state(0, "x"), 0.0)[0] == 0


def test_log_factorials_agree_beyond_their_table():
    for k in (0.0, 255.0, 256.0, 1e4, 1e9):
        assert draws.log_factorial(k) == pytest.approx(math.lgamma(k + 1), rel=1e-13)


@pytest.mark.parametrize("slope", [-1.0, -2.0, 0.0, 1.0])
def test_dropout(slope):
    share = np.mean(sample(draws.drops, 5.0, 1.0, slope))
    assert share == pytest.approx(expit(slope * (math.log(5) - 1)), abs=0.01)


@pytest.mark.parametrize("expected", [0.5, 11.9, 12.1, 60.0])
def test_an_entry_is_as_the_model_says_on_either_side_of_the_threshold(expected):
    # One gene, many cells; BCV of the model, and dropout by the mean given the count.
    common, spread, mid, slope = 0.3, 1.4, 1.5, -1.5
    cells = np.full(N, expected)
    true, seen = draws.draw_rows(
        np.ones((1, 1)),
        np.zeros(N, dtype=int),
        cells,
        common,
        np.full(1, spread),
        True,
        np.full(N, mid),
        np.full(N, slope),
        stream_state(0, "a"),
        stream_state(0, "b"),
    )
    scale = (common * math.sqrt(expected) + 1) ** 2 * spread
    counts = np.zeros(N)
    counts[np.flatnonzero(np.diff(true[2]))] = true[0][: true[2][-1]]
    assert counts_agree(counts, stats.nbinom(expected / scale, 1 / (1 + scale))) > LEVEL
    # Independently: gamma and Poisson by NumPy, then dropout.
    rng = np.random.default_rng(0)
    mean = rng.gamma(expected / scale, scale, 10 * N)
    drawn = rng.poisson(mean)
    kept = (drawn > 0) & (rng.random(10 * N) >= expit(slope * (np.log(mean) - mid)))
    ours = seen[0][: seen[2][-1]]
    assert len(ours) / N == pytest.approx(kept.mean(), abs=0.012)
    assert stats.ks_2samp(ours, drawn[kept]).pvalue > LEVEL
