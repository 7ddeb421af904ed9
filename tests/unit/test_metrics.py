import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from scscope.data import log_normalised
from scscope.metrics import METRICS, score

CLUSTERING = [name for name, metric in METRICS.items() if metric.kind == "clustering"]
IMPUTATION = ["imputation_error", "zero_prediction", "entry_octile_3_error"]
AGREEMENT = ["ari", "ami", "nmi"]

# Contingency table [[2, 1], [0, 3]].
LABEL = np.array(["a", "a", "a", "b", "b", "b"])
CLUSTERS = np.array([0, 0, 1, 1, 1, 1])
INFORMATION = math.log(2) / 3 + math.log(1 / 2) / 6 + math.log(3 / 2) / 2
MEAN_ENTROPY = (math.log(2) + math.log(3) / 3 + 2 * math.log(3 / 2) / 3) / 2


def test_ari_by_hand():
    # Pairs together in both: 1 + 3 = 4. In the labels: 3 + 3 = 6, in the clusters: 1 + 6 = 7, of 15.
    # Expected: 6 * 7 / 15 = 2.8. (4 - 2.8) / ((6 + 7) / 2 - 2.8) = 1.2 / 3.7.
    assert score("ari", LABEL, CLUSTERS) == pytest.approx(12 / 37)


def test_nmi_by_hand():
    assert score("nmi", LABEL, CLUSTERS) == pytest.approx(INFORMATION / MEAN_ENTROPY)


def test_ami_by_hand():
    # With both margins fixed the two cells of cluster 0 are both "a" (3 of 15 ways), both "b" (3 of
    # 15; the same information), or one of each (9 of 15; no information).
    expected = 6 / 15 * INFORMATION
    by_hand = (INFORMATION - expected) / (MEAN_ENTROPY - expected)
    assert score("ami", LABEL, CLUSTERS) == pytest.approx(by_hand)


def test_less_than_chance_by_hand():
    # Table [[1, 1], [1, 1]]. ARI: no pair agrees, expected 2 * 2 / 6, so (0 - 2/3) / (2 - 2/3).
    # AMI: one of three arrangements has the information log 2, so (0 - 1/3) / (1 - 1/3).
    crossed = ([0, 0, 1, 1], [0, 1, 0, 1])
    assert score("ari", *crossed) == pytest.approx(-1 / 2)
    assert score("ami", *crossed) == pytest.approx(-1 / 2)
    assert score("nmi", *crossed) == pytest.approx(0)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("ari", sklearn_metrics.adjusted_rand_score),
        ("ami", sklearn_metrics.adjusted_mutual_info_score),
        ("nmi", sklearn_metrics.normalized_mutual_info_score),
    ],
)
def test_agreement_is_that_of_scikit_learn(name, function):
    rng = np.random.default_rng(0)
    label = rng.integers(6, size=300)
    clusters = np.where(rng.random(300) < 0.6, label, rng.integers(-1, 9, size=300))
    assert score(name, label, clusters) == function(label, clusters)
    assert 0.1 < score(name, label, clusters) < 0.9


@pytest.mark.parametrize("name", AGREEMENT)
def test_truth_scores_1_and_a_shuffle_about_0(name):
    rng = np.random.default_rng(1)
    label = rng.choice(["a", "b", "c"], size=2_000)
    renamed = np.select([label == "a", label == "b"], [2, 0], 1)
    assert score(name, label, renamed) == pytest.approx(1)
    assert score(name, label, rng.permutation(renamed)) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("name", AGREEMENT)
def test_cells_without_cluster_count_as_one_cluster(name):
    with_outliers = np.array([-1, -1, 0, 0, 1, 1, -1])
    as_cluster = np.array([2, 2, 0, 0, 1, 1, 2])
    label = list("aabbbca")
    assert score(name, label, with_outliers) == score(name, label, as_cluster)


def test_clusters_and_cells_without_one_are_counted():
    clusters = np.array([-1, 0, 0, 3, -1, 7, 7, 7])
    assert score("n_clusters", None, clusters) == 3
    assert score("unassigned", None, clusters) == 0.25
    assert score("n_clusters", None, np.full(5, -1)) == 0
    assert score("unassigned", None, np.full(5, -1)) == 1
    assert score("unassigned", LABEL, CLUSTERS) == 0


def test_imputation_by_hand():
    true = np.array([0.0, 2.0, 1.0, 0.0, 0.5, 0.0])
    predicted = np.array([0.3, 1.5, 1.25, 0.0, 0.5, 0.9])
    assert score("imputation_error", true, predicted) == pytest.approx((0.5 + 0.25 + 0) / 3)
    assert score("zero_prediction", true, predicted) == pytest.approx((0.3 + 0 + 0.9) / 3)


def test_perfect_imputation_scores_0_and_no_imputation_the_mean_of_the_truth():
    rng = np.random.default_rng(2)
    counts = rng.poisson(1.0, size=500)
    true = log_normalised(counts, rng.integers(500, 2_000, size=500), 1_000.0).astype(np.float32)
    assert score("imputation_error", true, true) == 0
    assert score("zero_prediction", true, true) == 0
    nothing = np.zeros(500, dtype=np.float32)
    assert score("imputation_error", true, nothing) == pytest.approx(true[true > 0].mean())
    assert score("zero_prediction", true, nothing) == 0


@pytest.mark.parametrize(
    ("name", "true"),
    [("imputation_error", [0.0, 0.0]), ("zero_prediction", [1.0, 2.0])],
)
def test_imputation_without_such_entries_is_nan(name, true):
    assert math.isnan(score(name, true, [0.5, 0.5]))
    assert math.isnan(score(name, [], []))


COMPUTED = [name for name, metric in METRICS.items() if metric.kind != "cost"]
# One of the eight octiles stands for all where only the kind matters.
KINDS = [name for name in COMPUTED if "octile" not in name or "octile_3" in name]


def test_a_cost_is_measured_not_computed():
    with pytest.raises(ValueError, match="'cluster_seconds' is measured while cells are clustered"):
        score("cluster_seconds", LABEL, CLUSTERS)


@pytest.mark.parametrize("name", KINDS)
def test_values_are_floats_within_the_declared_range(name):
    metric = METRICS[name]
    rng = np.random.default_rng(3)
    for n in (2, 5, 40):
        given = None
        if metric.kind in ("clustering", "rare"):
            size = 60 * n if metric.kind == "rare" else n
            arrays = rng.integers(2, size=size), rng.integers(-1, 4, size=size)
            given = np.array([0, 1]) if metric.kind == "rare" else None
        elif metric.kind == "mixing":
            arrays = np.arange(n) % 2, rng.normal(size=(n, 2))
        else:
            size = n if "octile" not in name else 60 * n
            arrays = np.append(0.0, rng.gamma(1, size=size)), rng.gamma(1, size=size + 1)
            given = 1 + np.arange(size + 1) % 8 if metric.kind == "octile" else None
        value = score(name, *arrays, given)
        assert type(value) is float
        assert metric.low <= value <= metric.high


@pytest.mark.parametrize("name", KINDS)
def test_metrics_that_need_the_truth_say_so(name):
    result = np.array([0, 1, 1])
    if METRICS[name].needs_truth:
        with pytest.raises(ValueError, match=f"Metric '{name}' needs the truth"):
            score(name, None, result)
    else:
        assert score(name, None, result) == score(name, np.array(["a", "b", "c"]), result)


def test_what_a_metric_is_given_beside_is_asked_for():
    with pytest.raises(ValueError, match="'rare_ari' needs `given`: it is of kind 'rare'"):
        score("rare_ari", LABEL, CLUSTERS)
    with pytest.raises(ValueError, match="'ari' takes no `given`: it is of kind 'clustering'"):
        score("ari", LABEL, CLUSTERS, np.array(["a"]))


def test_unknown_metric_names_the_known_ones():
    with pytest.raises(ValueError, match="Unknown metric 'asw'. Known metrics: ari, ami, nmi"):
        score("asw", LABEL, CLUSTERS)


@pytest.mark.parametrize("name", AGREEMENT)
def test_labels_of_other_cells_are_refused(name):
    with pytest.raises(ValueError, match="`label` has 6 cells but `clusters` has 5"):
        score(name, LABEL, CLUSTERS[:5])


@pytest.mark.parametrize("name", [*AGREEMENT, "unassigned"])
def test_no_cells_are_refused(name):
    with pytest.raises(ValueError, match="no cells to score"):
        score(name, [], [])


@pytest.mark.parametrize("name", IMPUTATION)
def test_predictions_at_other_targets_are_refused(name):
    with pytest.raises(ValueError, match="`true` has 3 values but `predicted` has 2"):
        score(name, np.ones(3), np.ones(2))


@pytest.mark.parametrize("name", IMPUTATION)
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted(name, wrong):
    values = np.array([0.0, 1.0, wrong, wrong])
    with pytest.raises(ValueError, match="`predicted` has 2 NaN or infinite values out of 4"):
        score(name, np.zeros(4), values)
    with pytest.raises(ValueError, match="`true` has 2 NaN or infinite values out of 4"):
        score(name, values, np.zeros(4))


def test_macro_f1_by_hand_and_blind_to_the_size_of_types():
    label = np.array(["rod"] * 90 + ["cone"] * 6 + ["glia"] * 4)
    assert score("macro_f1", label, np.repeat([0, 1, 2], [90, 6, 4])) == 1
    # Rods alone are found: 1, and for all others one cluster of 10 with 6 and 4 of theirs.
    found = score("macro_f1", label, np.repeat([0, 1], [90, 10]))
    assert found == pytest.approx((1 + 2 * 6 / (6 + 10) + 2 * 4 / (4 + 10)) / 3)
    # Splitting rods in halves costs them a third of their F1 and the others nothing.
    halves = np.repeat([0, 1, 2, 3], [45, 45, 6, 4])
    assert score("macro_f1", label, halves) == pytest.approx((2 * 45 / (90 + 45) + 2) / 3)


def test_the_thinning_loss_by_hand():
    true, predicted = np.array([0.0, 2.0, 4.0]), np.array([1.0, 2.0, 0.0])
    floor = 1e-6
    deviance = 2 * np.array([1.0, 0.0, 4 * np.log(4 / floor) - 4 + floor])
    found = score("thinning_loss", np.log1p(true), np.log1p(predicted))
    assert found == pytest.approx(deviance.mean())
    assert np.isnan(score("thinning_loss", np.array([]), np.array([])))
