"""Tables that compare methods, on scores whose order is known."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from scscope.comparisons import across_datasets, agreement, judged, rank_stability, within_levels

METHODS = {
    "scscope_log": ("scScope", "scscope", "log"),
    "pca_log": ("PCA", "pca", "log"),
    "scvi": ("scVI", "scvi", "counts"),
    "scscope_size": ("scScope", "scscope", "size"),
    "pca_size": ("PCA", "pca", "size"),
    "truth": ("truth", "truth", "log"),
}
# ARI with PhenoGraph; k-means gives the reversed order.
ARI = {
    "scscope_log": 0.9,
    "pca_log": 0.6,
    "scvi": 0.3,
    "scscope_size": 0.2,
    "pca_size": 0.8,
    "truth": 1,
}


def scores(n_datasets=2, n_seeds=4, failing=(), absent=()) -> pd.DataFrame:
    """`failing` and `absent` hold (method, dataset, seed) that failed, or do not apply."""
    rng = np.random.default_rng(0)
    rows = []
    places = itertools.product(METHODS, range(n_datasets), range(n_seeds))
    for method, dataset, seed in places:
        label, use, scale = METHODS[method]
        key = (method, dataset, seed)
        status = "timeout" if key in failing else "not_applicable" if key in absent else "ok"
        noise = rng.normal(0, 0.01)
        for clusterer, sign in (("phenograph", 1), ("kmeans", -1)):
            value = sign * ARI[method] + noise
            rows.append(
                {
                    "dataset": f"d{dataset}",
                    "method": method,
                    "seed": seed,
                    "label": label,
                    "use": use,
                    "scale": scale,
                    "control": use == "truth",
                    "clusterer": clusterer,
                    "metric": "ari",
                    "value": value if status == "ok" else np.nan,
                    "status": status,
                }
            )
    table = pd.DataFrame(rows)
    error = table[table["clusterer"] == "phenograph"].assign(
        clusterer="", metric="imputation_error", value=lambda t: 1 - t["value"]
    )
    other = error.assign(metric="zero_prediction"), error.assign(metric="n_clusters")
    return pd.concat([table, error, *other], ignore_index=True)


def one(table: pd.DataFrame, **keys) -> pd.Series:
    found = table[np.logical_and.reduce([table[name] == value for name, value in keys.items()])]
    assert len(found) == 1
    return found.iloc[0]


def test_only_what_tells_better_from_worse_is_judged_and_controls_do_not_compete():
    rows = judged(scores())
    assert set(rows["metric"]) == {"ari", "imputation_error"}
    assert "truth" not in set(rows["method"])
    error = rows[rows["metric"] == "imputation_error"]
    assert (error["gain"] == -error["value"]).all()


def test_within_a_level_scscope_meets_every_rival_of_its_scale_and_those_on_counts():
    table = within_levels(scores(n_seeds=6))
    pairs = set(zip(table["method"], table["rival"], strict=True))
    assert pairs == {
        ("scscope_log", "pca_log"), ("scscope_log", "scvi"),
        ("scscope_size", "pca_size"), ("scscope_size", "scvi"),
    }  # fmt: skip
    row = one(table, dataset="d0", metric="ari", clusterer="phenograph", rival="pca_log")
    assert (row["n"], row["effect"], row["p"]) == (6, 1, pytest.approx(2 / 64))
    assert row["p_holm"] == pytest.approx(2 * 2 / 64)  # of two rivals
    assert row["mean_difference"] == pytest.approx(0.3, abs=0.02)
    assert row["low"] < row["mean_difference"] < row["high"]
    worse = one(table, dataset="d0", metric="imputation_error", rival="pca_size")
    assert worse["effect"] == -1  # a larger error is a loss


def test_failed_runs_lose_and_the_available_cases_stand_beside():
    failing = [("scscope_log", 0, seed) for seed in range(3)]
    row = one(
        within_levels(scores(failing=failing)),
        dataset="d0", metric="ari", clusterer="phenograph", rival="pca_log",
    )  # fmt: skip
    assert (row["failed"], row["rival_failed"], row["n"], row["n_available"]) == (3, 0, 4, 1)
    assert row["effect"] < 0 < row["mean_difference"]


def test_where_a_rival_does_not_apply_there_is_no_pair():
    absent = [("scvi", 0, seed) for seed in range(4)]
    table = within_levels(scores(absent=absent))
    row = one(table, dataset="d0", scale="log", metric="ari", clusterer="kmeans", rival="scvi")
    assert row["n"] == 0
    assert np.isnan(row["p_holm"])
    other = one(table, dataset="d0", scale="log", metric="ari", clusterer="kmeans", rival="pca_log")
    assert other["p_holm"] == other["p"]  # the only comparison of its family


def test_same_scores_give_the_same_intervals():
    pd.testing.assert_frame_equal(within_levels(scores()), within_levels(scores()))


def test_the_order_on_every_condition():
    table = rank_stability(scores(), "main")
    rank = table.set_index(["scale", "clusterer", "metric", "name"])["rank"]
    assert rank["log", "phenograph", "ari"].to_dict() == {
        "scScope": 1,
        "PCA": 2,
        "scVI (counts)": 3,
    }
    assert rank["log", "kmeans", "ari"].to_dict() == {"scScope": 3, "PCA": 2, "scVI (counts)": 1}
    assert rank["size", "phenograph", "ari"].to_dict() == {
        "scVI (counts)": 2,
        "scScope": 3,
        "PCA": 1,
    }
    assert rank["log", "", "imputation_error"].to_dict() == {
        "scScope": 1,
        "PCA": 2,
        "scVI (counts)": 3,
    }
    assert set(table["n_datasets"]) == {2}
    assert set(table["n_runs"]) == {8}


def test_agreement_changes_one_choice_at_a_time():
    table = agreement(rank_stability(scores(), "main")).set_index("changed")
    # Same scale and metric, other clusterer: reversed, on both scales.
    assert table.loc["clusterer", ["n_pairs", "mean_tau", "same_winner"]].tolist() == [2, -1, 0]
    # Another scale: PhenoGraph, k-means and imputation, each [1, 2, 3] against [3, 1, 2].
    tau = kendalltau([1, 2, 3], [3, 1, 2]).statistic
    assert table.loc["scale", "n_pairs"] == 3
    assert table.loc["scale", ["mean_tau", "lowest_tau", "highest_tau"]].tolist() == pytest.approx(
        [tau] * 3
    )
    assert "metric" not in table.index  # ARI has clusterers, imputation none


def test_a_method_that_failed_anywhere_ranks_after_those_that_did_not():
    table = rank_stability(scores(failing=[("scscope_log", 0, 0)]))
    row = one(table, scale="log", clusterer="phenograph", metric="ari", name="scScope")
    assert row["rank"] == 2  # last of three on one dataset, first on the other
    assert row["rank_available"] == 1
    assert (row["n_failed"], row["n_runs"]) == (1, 8)


def test_a_method_on_counts_and_on_rounded_values_is_two():
    table = scores()
    rounded = table[table["method"] == "scvi"].assign(method="scvi_rounded", scale="rounded")
    ranks = rank_stability(pd.concat([table, rounded.assign(value=rounded["value"] - 0.01)]))
    rank = ranks.set_index(["scale", "clusterer", "metric", "name"])["rank"]
    names = {"scScope": 1, "PCA": 2, "scVI (counts)": 3, "scVI (rounded)": 4}
    assert rank["log", "phenograph", "ari"].to_dict() == names


def test_a_single_method_has_no_order():
    own = scores()
    assert rank_stability(own[own["method"] == "pca_log"]).empty
    assert rank_stability(own[own["control"]]).empty
    assert agreement(rank_stability(own[own["control"]])).empty


def across(table: pd.DataFrame, **unit_of) -> pd.DataFrame:
    """Mean ranks where each dataset is a unit, but for those that are named."""
    return across_datasets(table, {name: name for name in table["dataset"].unique()} | unit_of)


def test_across_real_data_each_set_is_a_unit():
    table = across(scores(n_datasets=3))
    row = one(table, scale="log", clusterer="phenograph", metric="ari", method="scscope_log")
    assert (row["mean_rank"], row["n_methods"], row["n_datasets"]) == (1, 3, 3)
    assert np.isnan(row["critical_difference"])
    assert "at least 10 datasets, got 3" in row["note"]


def test_datasets_of_the_same_cells_count_once():
    # Ranks of scScope, PCA, scVI: d0, d1 and d2, the same cells: 1, 2, 3, but 2, 1, 3 on d0; d3: 2, 1, 3.
    swapped = scores(n_datasets=4, n_seeds=1)
    for name in ("d0", "d3"):
        here = (swapped["dataset"] == name) & (swapped["metric"] == "ari")
        ours, pca = ((swapped["method"] == m) & here for m in ("scscope_log", "pca_log"))
        values = swapped.loc[ours, "value"].to_numpy()
        swapped.loc[ours, "value"] = swapped.loc[pca, "value"].to_numpy()
        swapped.loc[pca, "value"] = values
    keys = {"scale": "log", "clusterer": "phenograph", "metric": "ari"}
    table = across(swapped, d1="d0", d2="d0")
    # Mean ranks on the three: 4/3, 5/3, 3, so 1, 2, 3; with d3 (1 + 2) / 2.
    for method, mean in (("scscope_log", 1.5), ("pca_log", 1.5), ("scvi", 3)):
        row = one(table, **keys, method=method)
        assert (row["mean_rank"], row["mean_rank_available"]) == (mean, mean)
        assert (row["n_units"], row["n_datasets"]) == (2, 4)
    assert "at least 10 datasets, got 2" in row["note"]
    # As Friedman (1937): 12 / (n k (k + 1)) * sum of squared rank sums - 3 n (k + 1), n = 2, k = 3.
    statistic = 12 / (2 * 3 * 4) * (3**2 + 3**2 + 6**2) - 3 * 2 * 4
    assert row["friedman_p"] == pytest.approx(np.exp(-statistic / 2))  # chi-squared, 2 d.f.
    alone = one(across(swapped), **keys, method="pca_log")
    assert (alone["n_units"], alone["mean_rank"]) == (4, 1.5)
    same = across(swapped, **dict.fromkeys(["d0", "d1", "d2", "d3"], "one"))
    assert np.isnan(one(same, **keys, method="scvi")["friedman_p"])


def test_from_ten_datasets_on_there_is_a_critical_difference():
    table = across(scores(n_datasets=10, n_seeds=1))
    row = one(table, scale="log", clusterer="phenograph", metric="ari", method="scscope_log")
    assert row["note"] == ""
    assert row["critical_difference"] == pytest.approx(2.343 * np.sqrt(3 * 4 / 60), abs=2e-3)
    assert row["friedman_p"] < 1e-3


def test_entries_that_do_not_apply_to_all_datasets_are_not_ranked_across_them():
    absent = [("scvi", 0, seed) for seed in range(4)]
    table = across(scores(absent=absent))
    assert set(table.loc[table["scale"] == "log", "method"]) == {"scscope_log", "pca_log"}
