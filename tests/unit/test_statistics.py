"""The statistics against scipy, statsmodels and numbers worked out by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from scscope.statistics import (
    bootstrap_interval,
    compare,
    critical_difference,
    friedman,
    holm,
    ranks,
    signed_rank,
)

FAILED, ABSENT = -np.inf, np.nan


@pytest.mark.parametrize("n", [3, 6, 10, 25])
def test_signed_rank_is_scipys_where_there_are_no_ties(n):
    difference = np.random.default_rng(n).normal(0.3, 1, n)
    p, effect = signed_rank(difference)
    expected = stats.wilcoxon(difference, method="exact")
    assert p == pytest.approx(expected.pvalue)
    rank = stats.rankdata(abs(difference))
    assert effect == pytest.approx(np.sum(rank * np.sign(difference)) / rank.sum())


def test_signed_rank_is_exact_with_ties_and_zeros():
    difference = np.array([0.0, 0.1, 0.1, -0.1, 0.2, 0.2, 0.3, 0.0])
    nonzero = difference[difference != 0]
    rank = stats.rankdata(abs(nonzero))
    observed = rank[nonzero > 0].sum()
    sums = np.array([rank @ signs for signs in itertools.product((0, 1), repeat=len(rank))])
    expected = 2 * min(np.mean(sums >= observed - 1e-9), np.mean(sums <= observed + 1e-9))
    assert signed_rank(difference)[0] == pytest.approx(min(1, expected))


def test_signed_rank_by_hand():
    # Three of three better: 2 of the 8 assignments of signs are as extreme.
    assert signed_rank([0.1, 0.2, 0.3]) == (0.25, 1.0)
    assert signed_rank([0, 0]) == (1.0, 0.0)
    assert np.isnan(signed_rank([])).all()


@pytest.mark.parametrize("p", [[0.01, 0.04, 0.03], [0.5, 0.2, 0.9, 0.001], [0.02], [0.04, 0.04]])
def test_holm_is_statsmodels(p):
    from statsmodels.stats.multitest import multipletests

    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def test_holm_by_hand_and_without_comparisons_that_were_not_made():
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04, 0.03]), [0.03, np.nan, 0.06, 0.06])
    assert len(holm([])) == 0


def test_a_failure_loses_to_every_value_and_stands_beside_the_available_cases():
    gain = np.array([0.9, 0.8, 0.7, FAILED, 0.5])
    rival = np.array([0.6, 0.6, 0.6, 0.1, ABSENT])
    found = compare(gain, rival, seed=0)
    assert (found.n, found.failed, found.rival_failed, found.n_available) == (4, 1, 0, 3)
    assert found.mean == pytest.approx(0.2)
    assert found.p_available == 0.25
    # Ranks 3, 2, 1 for the first and 4, the largest, against it: W+ 6 of 10.
    assert found.effect == pytest.approx((6 - 4) / 10)
    assert found.p == pytest.approx(stats.wilcoxon([3, 2, 1, -4], method="exact").pvalue)


def test_two_failures_tie():
    found = compare([FAILED, FAILED, 0.5], [FAILED, 0.5, 0.4], seed=0)
    assert (found.n, found.failed, found.rival_failed) == (3, 2, 1)
    assert found.effect == pytest.approx((1 - 2) / 3)


def test_nothing_available_has_no_mean():
    found = compare([FAILED, FAILED], [0.5, 0.5], seed=0)
    assert np.isnan([found.mean, found.low, found.high, found.p_available]).all()
    assert found.effect == -1


def test_replicates_must_be_the_same():
    with pytest.raises(ValueError, match=r"`gain` has shape \(2,\) but `rival` has \(3,\)"):
        compare([1, 2], [1, 2, 3], seed=0)


def test_bootstrap_interval_is_seeded_and_scipys():
    values = np.random.default_rng(1).normal(size=30)
    low, high = bootstrap_interval(values, seed=0)
    assert (low, high) == bootstrap_interval(values, seed=0)
    assert (low, high) != bootstrap_interval(values, seed=1)
    theirs = stats.bootstrap(
        [values], np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(7)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.02)
    assert bootstrap_interval([1.0, 1.0], seed=0) == (1.0, 1.0)
    assert np.isnan(bootstrap_interval([1.0], seed=0)).all()


def test_bootstrap_interval_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = [
        low <= 0 <= high
        for low, high in (bootstrap_interval(rng.normal(size=25), seed=i) for i in range(120))
    ]
    assert 0.86 < np.mean(hits) < 0.99  # 95 %, a little too narrow for few values


def test_a_method_that_failed_ranks_after_all_that_did_not():
    gain = [0.2, 0.9, 0.5, np.nan, 0.4, np.nan]
    failed = [0, 0.5, 0, 1, 0, np.nan]
    np.testing.assert_array_equal(ranks(gain, failed), [3, 4, 1, 5, 2, np.nan])


def test_ties_share_their_mean_rank_and_no_value_has_no_rank():
    np.testing.assert_array_equal(
        ranks([0.5, 0.5, 0.1, np.nan], [0, 0, 0, 0]), [1.5, 1.5, 3, np.nan]
    )
    assert np.isnan(ranks([np.nan], [np.nan])).all()


def test_friedman_is_scipys():
    rank = np.array([[1, 2, 3]] * 8 + [[2, 1, 3]] * 4)
    assert friedman(rank) == pytest.approx(stats.friedmanchisquare(*rank.T).pvalue)
    with pytest.raises(ValueError, match="at least 3 methods"):
        friedman(rank[:, :2])


def test_critical_difference_is_demsars():
    # Demšar 2006, table 5a: q of 0.05 is 1.960 for 2 and 2.850 for 6 classifiers; and his example,
    # 4 classifiers on 14 datasets: CD 1.25.
    assert critical_difference(2, 60) == pytest.approx(1.960 * np.sqrt(6 / 360), abs=1e-3)
    assert critical_difference(6, 10) == pytest.approx(2.850 * np.sqrt(42 / 60), abs=1e-3)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)


def test_critical_difference_is_refused_below_ten_datasets():
    with pytest.raises(ValueError, match="at least 10 datasets, got 9: with fewer, methods that"):
        critical_difference(4, 9)
