"""Mixing, rare types, octiles, composition and markers: closed forms and other implementations."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.metrics import adjusted_rand_score, f1_score

from scscope.data import Dataset, Targets, read_dataset, write_dataset
from scscope.evaluate import Run, evaluate
from scscope.metrics import score
from scscope.metrics.composition import compare_shares, proportions, share_correlation
from scscope.metrics.markers import markers
from scscope.metrics.mixing import batch_entropies, mixed_entropy
from scscope.metrics.octiles import octiles
from scscope.metrics.rare import rare_types_of
from scscope.simulate import simlr

RNG = np.random.default_rng(0)


def test_separate_batches_do_not_mix():
    batch = np.repeat(["a", "b"], 150)
    latent = RNG.normal([[0.0]] * 150 + [[1e3]] * 150, 1)
    assert score("batch_entropy", batch, latent) == 0


def test_mixed_batches_have_the_entropy_of_their_shares_corrected_for_k():
    batch = np.repeat(["a", "b", "c"], [200, 200, 800])
    found = score("batch_entropy", batch, RNG.normal(size=(1200, 3)))
    share = np.array([1 / 6, 1 / 6, 2 / 3])
    entropy = -(share * np.log(share)).sum() / math.log(3)
    assert mixed_entropy(batch) == pytest.approx(entropy)
    # Shares among k = 100 neighbours scatter: expected loss (B - 1) / 2k nats (Miller 1955).
    assert found == pytest.approx(entropy - 2 / 200 / math.log(3), abs=0.01)


def test_entropy_by_hand_with_all_other_cells_as_neighbours():
    # Of the 3 others, a cell of "a" (1 of 4) has none of its own, and a cell of "b" has 1 "a", 2 "b".
    batch, latent = np.array(["a", "b", "b", "b"]), np.arange(4.0)[:, None]
    per_b = -(1 / 3 * math.log2(1 / 3) + 2 / 3 * math.log2(2 / 3))
    assert batch_entropies(batch, latent, seed=0) == pytest.approx(np.full(100, 3 * per_b / 4))


def test_cells_at_one_place_are_not_their_own_neighbours():
    batch, latent = np.array(["a"] * 3 + ["b"] * 3), np.zeros((6, 2))
    found = batch_entropies(batch, latent, seed=0, k=5)
    # Two of five others are of the same batch, whichever of the equal distances comes first.
    expected = -(0.4 * math.log2(0.4) + 0.6 * math.log2(0.6))
    assert found == pytest.approx(np.full(100, expected))


def test_entropy_is_seeded_and_bad_input_is_refused():
    batch, latent = np.arange(300) % 3, RNG.normal(size=(300, 2))
    first = batch_entropies(batch, latent, seed=0, n_cells=20)
    np.testing.assert_array_equal(first, batch_entropies(batch, latent, seed=0, n_cells=20))
    assert (first != batch_entropies(batch, latent, seed=1, n_cells=20)).any()
    assert first.shape == (100,)
    with pytest.raises(ValueError, match="at least 2 batches, got 1"):
        batch_entropies(np.zeros(300), latent, seed=0)
    with pytest.raises(ValueError, match="`batch` has 299 cells but `latent` has 300"):
        batch_entropies(batch[1:], latent, seed=0)


def rare_case():
    """900 frequent cells, two rare types of 60, one of 40, and clusters that mix them a little."""
    label = np.repeat(["big", "x", "y", "tiny"], [900, 60, 60, 40])
    clusters = np.repeat([0, 1, 2, 3], [900, 60, 60, 40])
    clusters[:30] = 1  # 30 frequent cells lie with x
    clusters[960:970] = -1  # 10 cells of y are in no cluster
    return label, clusters


def test_rare_scores_by_hand():
    label, clusters = rare_case()
    rare = np.array(["x", "y", "tiny"])
    chosen = np.isin(label, ["x", "y"])  # tiny has fewer than 50 cells
    expected = adjusted_rand_score(label[chosen], clusters[chosen])
    assert 0 < expected < 1
    assert score("rare_ari", label, clusters, rare) == pytest.approx(expected)
    f1 = [f1_score(label == "x", clusters == 1), f1_score(label == "y", clusters == 2)]
    assert f1 == pytest.approx([2 * 60 / (60 + 90), 2 * 50 / (60 + 50)])
    assert score("rare_f1", label, clusters, rare) == pytest.approx(np.mean(f1))


def test_cells_without_a_cluster_are_not_found():
    label, _ = rare_case()
    nothing = np.full(len(label), -1)
    assert score("rare_f1", label, nothing, np.array(["x", "y"])) == 0


def test_too_few_cells_have_no_score():
    label, clusters = rare_case()
    assert math.isnan(score("rare_f1", label, clusters, np.array(["tiny"])))
    assert math.isnan(score("rare_ari", label, clusters, np.array(["x", "tiny"])))
    assert score("rare_f1", label, clusters, np.array(["x", "tiny"])) == pytest.approx(0.8)


def test_rare_types_are_those_of_the_dataset_or_of_one_percent():
    label = np.repeat(["a", "b", "c"], [980, 11, 9])
    assert list(rare_types_of(label, None)) == ["c"]
    assert list(rare_types_of(label, np.array(["b"]))) == ["b"]
    assert list(rare_types_of(label, np.array([]))) == []


def test_a_simulation_tells_the_stage_which_types_are_rare(tmp_path):
    data = simlr(
        n_cells=2000, n_genes=20, n_types=4, n_rare=2, rare_share=0.05, n_latent=5,
        dropout_rate=0.2, seed=0,
    )  # fmt: skip
    write_dataset(data, tmp_path / "a.h5ad")
    read = read_dataset(tmp_path / "a.h5ad")
    assert set(read.rare_types) == set(data.uns["rare_types"])
    rows, _ = evaluate(
        Run("ok", None, read.label, None),
        read,
        Targets(np.array([], int), np.array([], int), np.array([])),
        gives=("labels",),
        metrics=["rare_ari", "rare_f1", "batch_entropy"],
        clusterers=[],
        seed=0,
    )
    assert {row["metric"]: row["value"] for row in rows} == {"rare_ari": 1, "rare_f1": 1}


def test_octiles_have_equal_numbers_and_their_order():
    assert octiles(np.arange(16.0)[::-1]).tolist() == sorted([*range(1, 9)] * 2)[::-1]
    assert np.bincount(octiles(np.zeros(80)))[1:].tolist() == [10] * 8
    assert len(octiles(np.array([]))) == 0


def test_error_by_octile_of_entries_and_of_genes():
    true = np.append(np.arange(1.0, 17), 0.0)  # the last is a true zero
    predicted = true + np.append(np.repeat(np.arange(8.0), 2), 5.0)
    for number in range(1, 9):
        assert score(f"entry_octile_{number}_error", true, predicted) == number - 1
    gene = np.append(np.tile([1, 8], 8), 1)
    assert score("gene_octile_1_error", true, predicted, gene) == pytest.approx(3.5)
    assert math.isnan(score("gene_octile_2_error", true, predicted, gene))


def test_the_stage_takes_octiles_of_genes_from_the_observed_matrix():
    rng = np.random.default_rng(0)
    X = rng.poisson(np.geomspace(0.1, 50, 16), size=(60, 16)).astype(np.float32)
    data = Dataset(
        sparse.csr_matrix(X), np.arange(60).astype(str), np.arange(16).astype(str), "counts",
        None, np.repeat(["a", "b"], 30), "hash",
    )  # fmt: skip
    gene = np.arange(16)
    targets = Targets(np.arange(16), gene, np.full(16, 3.0))
    run = Run("ok", rng.normal(size=(60, 2)), None, gene.astype(float))
    metrics = [f"gene_octile_{i}_error" for i in range(1, 9)] + ["batch_entropy"]
    asked = {"gives": ("latent", "imputation"), "metrics": metrics, "clusterers": [], "seed": 0}
    rows, _ = evaluate(run, data, targets, **asked)
    found = {row["metric"]: row["value"] for row in rows}
    total = X.sum(axis=1)
    true = np.log1p(3.0 * np.median(total) / total[:16])
    for i in range(8):
        expected = np.abs(true - gene)[2 * i : 2 * i + 2].mean()
        assert found[f"gene_octile_{i + 1}_error"] == pytest.approx(expected, rel=1e-5)
    assert 0.9 < found["batch_entropy"] <= 1
    failed, _ = evaluate(Run("timeout", None, None, None), data, targets, **asked)
    assert [row["metric"] for row in failed] == [row["metric"] for row in rows]
    assert np.isnan([row["value"] for row in failed]).all()


def test_proportions_by_hand():
    shares = proportions(["m1", "m1", "m1", "m2"], ["a", "a", "b", "b"])
    assert shares.loc["m1"].to_dict() == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert shares.loc["m2"].to_dict() == {"a": 0, "b": 1}


def test_share_correlation_is_scipys_and_counts_what_was_not_found():
    found = pd.Series({"a": 0.7, "b": 0.2, "other": 0.1})
    reference = pd.Series({"a": 0.6, "b": 0.3, "c": 0.1})
    assert share_correlation(found, reference) == stats.pearsonr([0.7, 0.2, 0], reference)[0]
    assert share_correlation(found, reference, rank=True) == 1
    assert math.isnan(share_correlation(found * 0, reference))


def test_shares_are_compared_by_sample_and_two_are_descriptive():
    shares = pd.DataFrame({"a": [0.1, 0.2, 0.15, 0.12, 0.5, 0.6]}, index=list("123456"))
    condition = pd.Series(["control"] * 4 + ["ill"] * 2, index=shares.index)
    row = compare_shares(shares, condition, "control").iloc[0]
    assert (row["n_control"], row["n"], row["descriptive"]) == (4, 2, True)
    # Two against four: the smallest two-sided P by ranks is 2 / 15.
    assert row["p_rank_sum"] == pytest.approx(2 / 15)
    expected = stats.ttest_ind([0.5, 0.6], [0.1, 0.2, 0.15, 0.12], equal_var=False).pvalue
    assert row["p_t"] == pytest.approx(expected)
    with pytest.raises(ValueError, match="No sample is of the control 'healthy'. Conditions: co"):
        compare_shares(shares, condition, "healthy")


def rank_sum_p(a, b):
    """Two-sided P from the textbook: normal, with the variance that ties leave."""
    rank, n = stats.rankdata(np.append(a, b)), len(a) + len(b)
    ties = np.unique(rank, return_counts=True)[1]
    variance = len(a) * len(b) / 12 * (n + 1 - (ties**3 - ties).sum() / (n * (n - 1)))
    z = (rank[: len(a)].sum() - len(a) * (n + 1) / 2) / np.sqrt(variance)
    return 2 * stats.norm.sf(abs(z))


def test_markers_are_the_rank_sum_test_and_the_papers_criteria():
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, size=(80, 6)).astype(float)
    counts[:40, 0] += 3
    counts[:40, 1] -= counts[:40, 1] > 0
    logged = np.log1p(counts)
    clusters = np.append(np.repeat([0, 1], 40), -1)
    logged[:, 5] = 0  # seen nowhere
    X = sparse.csr_matrix(np.vstack([logged, np.full(6, 9.0)]))  # the cell of -1 is left out
    genes = np.array([f"g{i}" for i in range(6)])
    table = markers(X, genes, clusters, same_data=True).set_index(["cluster", "gene"])
    assert table["descriptive"].all()
    assert table.loc[("0", "g5"), ["log2_fold_change", "p"]].tolist() == [0, 1]
    for i, gene in enumerate(genes[:5]):
        row = table.loc["0", gene]
        a, b = logged[:40, i], logged[40:, i]
        p = rank_sum_p(a, b)
        fold = np.log2((np.expm1(a.mean()) + 1e-9) / (np.expm1(b.mean()) + 1e-9))
        assert row["p"] == pytest.approx(p)
        assert row["log2_fold_change"] == pytest.approx(fold, abs=1e-3)
        assert row["is_marker"] == (fold > 0.5 and p < 0.05)
    assert table.loc[("0", "g0"), "is_marker"]
    assert not table.loc[("0", "g1"), "is_marker"]
    with pytest.raises(ValueError, match="no two clusters to compare"):
        markers(X[:40], genes, np.zeros(40, int), same_data=True)
