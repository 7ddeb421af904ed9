"""Run with `pytest tests/unit/test_splat.py`."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy.special import digamma, polygamma

import scscope.simulate
from scscope.data import content_hash
from scscope.simulate import SIMULATORS, splat

SMALL = {"n_cells": 300, "n_genes": 200, "group_prob": [0.5, 0.3, 0.2]}

# Figure 1c of the paper, as in shared/reference/splatter/README.md: share of zeros over 10 seeds of
# Splatter 1.29.1 at dropout_mid 1 to 5, mean and standard deviation.
FIG1C = {"n_cells": 2_000, "n_genes": 500, "group_prob": [1 / 3, 1 / 3, 1 / 3]}
SPARSITY = [
    (0.2297, 0.0088),
    (0.3361, 0.0121),
    (0.4772, 0.0150),
    (0.6328, 0.0160),
    (0.7718, 0.0127),
]
N_REFERENCE = 10
SEEDS = range(8)

# Bound on the difference of two means in its standard errors. With 8 and 10 seeds (16 degrees of
# freedom) a right model exceeds it with probability 0.001; some fifty statistics, most of them
# correlated, are compared. Our seeds are fixed, so the outcome does not change from run to run.
Z_BOUND = 4


def z_score(ours, mean, sd, n=N_REFERENCE):
    return (np.mean(ours) - mean) / np.sqrt(np.var(ours, ddof=1) / len(ours) + sd**2 / n)


def sparsity(matrix):
    return 1 - matrix.nnz / np.prod(matrix.shape)


def expected_counts(data):
    """Mean of every true count, given its gene, group and library size: the model on paper."""
    share = {}
    for label in data.obs["label"].unique():
        mean = data.var["gene_mean"] * data.var[f"de_factor_{label.lower()}"]
        share[label] = (mean / mean.sum()).to_numpy()
    library = data.obs["expected_library_size"].to_numpy()
    return np.array([share[label] for label in data.obs["label"]]) * library[:, None]


def same(a, b):
    return (a != b).nnz == 0


# Contract


def test_follows_the_dataset_contract():
    data = splat(**SMALL, dropout_type="experiment", dropout_mid=3, seed=0)
    assert data.shape == (300, 200)
    assert data.uns["values"] == "counts"
    assert list(data.obs_names[[0, -1]]) == ["Cell1", "Cell300"]
    assert list(data.var_names[[0, -1]]) == ["Gene1", "Gene200"]
    assert list(data.obs) == ["label", "expected_library_size"]
    assert list(data.var) == [
        *("base_mean", "outlier_factor", "gene_mean"),
        *("de_factor_group1", "de_factor_group2", "de_factor_group3"),
    ]
    assert set(data.obs["label"]) == {"Group1", "Group2", "Group3"}
    for matrix in (data.X, data.layers["true"]):
        assert matrix.format == "csr"
        assert matrix.dtype == np.float32
        assert np.all(matrix.data > 0)
        assert np.all(matrix.data == np.round(matrix.data))


def test_is_found_by_name():
    assert scscope.simulate.splat is splat
    for place in SIMULATORS.values():
        module, function = place.split(":")
        assert callable(getattr(import_module(module), function))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_genes", [1, 500])
def test_warns_of_nothing_even_where_means_are_zero(n_genes):
    dropout = {"dropout_type": "experiment", "dropout_mid": 5}
    data = splat(n_cells=20, n_genes=n_genes, mean_shape=0.05, **dropout, seed=0)
    assert np.all(np.isfinite(data.X.data))


# Random streams


def test_same_seed_gives_the_same_data_and_another_seed_other_data():
    first, again, other = (splat(**SMALL, seed=seed) for seed in (5, 5, 6))
    assert content_hash(first) == content_hash(again)
    assert first.var.equals(again.var)
    assert not same(first.X, other.X)
    assert not np.any(first.var["base_mean"] == other.var["base_mean"])


@pytest.mark.parametrize("n_cells", [400, 1_000, 1_700])
def test_first_cells_do_not_depend_on_the_number_of_cells(n_cells):
    settings = {"n_genes": 50, "group_prob": [0.6, 0.4], "dropout_type": "experiment", "seed": 1}
    small, large = splat(n_cells=n_cells, **settings), splat(n_cells=2_500, **settings)
    first = large[:n_cells]
    assert same(small.layers["true"], first.layers["true"])
    assert same(small.X, first.X)
    assert small.obs.equals(first.obs)
    assert small.var.equals(large.var)


def test_blocks_of_cells_are_independent():
    data = splat(n_cells=2_000, n_genes=300, seed=2)
    expected = expected_counts(data)
    deviation = (data.layers["true"].toarray() - expected) / np.sqrt(expected)
    assert abs(np.corrcoef(deviation[:1_000].ravel(), deviation[1_000:].ravel())[0, 1]) < 0.01
    library = np.log(data.obs["expected_library_size"].to_numpy())
    assert abs(np.corrcoef(library[:1_000], library[1_000:])[0, 1]) < 0.1


def test_every_draw_has_a_stream_of_its_own(monkeypatch):
    module = import_module("scscope.simulate.splat")
    keys, stream = [], module._stream
    monkeypatch.setattr(module, "_stream", lambda *key: keys.append(key) or stream(*key))
    splat(**{**SMALL, "n_cells": 1_001}, dropout_type="experiment", seed=0)
    assert len(set(keys)) == len(keys)
    first = {key: stream(*key).random() for key in keys}
    assert len(set(first.values())) == len(keys)


def test_dropout_hides_counts_and_changes_none():
    plain = splat(**SMALL, seed=3)
    assert same(plain.X, plain.layers["true"])

    seen = []
    for mid in (1, 4):
        data = splat(**SMALL, dropout_type="experiment", dropout_mid=mid, seed=3)
        assert same(data.layers["true"], plain.X)
        assert data.obs.equals(plain.obs)
        assert data.var.equals(plain.var)
        kept = data.X > 0
        assert same(data.X, plain.X.multiply(kept).tocsr())
        seen.append(kept)
    # A count that survives much dropout survives little.
    assert 0 < seen[1].nnz < seen[0].nnz < plain.X.nnz
    assert seen[1].multiply(seen[0]).nnz == seen[1].nnz


# The model, by what can be computed by hand


def test_outliers_replace_the_mean_by_a_multiple_of_the_median():
    var = splat(n_cells=1, n_genes=20_000, seed=0).var
    outlier = var["outlier_factor"] != 1
    assert outlier.mean() == pytest.approx(0.05, abs=0.006)
    assert var["gene_mean"][~outlier].equals(var["base_mean"][~outlier])
    np.testing.assert_allclose(
        var["gene_mean"][outlier], var["base_mean"].median() * var["outlier_factor"][outlier]
    )
    log = np.log(var["outlier_factor"][outlier])
    assert log.mean() == pytest.approx(4, abs=0.06)
    assert log.std() == pytest.approx(0.5, abs=0.05)


def test_gene_means_follow_the_gamma_distribution():
    base = splat(n_cells=1, n_genes=50_000, mean_shape=2, mean_rate=4, seed=0).var["base_mean"]
    assert base.mean() == pytest.approx(2 / 4, rel=0.02)
    assert base.var() == pytest.approx(2 / 4**2, rel=0.04)


@pytest.mark.parametrize(("down_prob", "up"), [(0, 1), (1, 0), (0.25, 0.75)])
def test_differential_expression_goes_down_as_often_as_asked(down_prob, up):
    # Most draws are below 1 here: their direction must be turned around.
    var = splat(
        **{**SMALL, "n_genes": 5_000}, de_prob=0.4, de_down_prob=down_prob, de_fac_loc=-1, seed=0
    ).var
    factor = var.filter(like="de_factor").to_numpy()
    changed = factor[factor != 1]
    assert changed.size / factor.size == pytest.approx(0.4, abs=0.02)
    assert np.mean(changed > 1) == pytest.approx(up, abs=0.025)
    assert not np.array_equal(factor[:, 0], factor[:, 1])


def test_one_group_has_no_differential_expression():
    data = splat(n_cells=50, n_genes=100, de_prob=1, seed=0)
    assert set(data.obs["label"]) == {"Group1"}
    assert np.all(data.var["de_factor_group1"] == 1)


def test_groups_are_as_frequent_as_asked():
    label = splat(n_cells=20_000, n_genes=1, group_prob=[0.7, 0.0, 0.3], seed=0).obs["label"]
    share = label.value_counts(normalize=True)
    assert share["Group1"] == pytest.approx(0.7, abs=0.015)
    assert "Group2" not in share


def test_library_sizes_are_log_normal_and_reached_on_average():
    data = splat(n_cells=3_000, n_genes=200, lib_loc=8, lib_scale=0.4, seed=0)
    library = data.obs["expected_library_size"]
    assert np.log(library).mean() == pytest.approx(8, abs=0.03)
    assert np.log(library).std() == pytest.approx(0.4, abs=0.02)
    total = data.layers["true"].sum(axis=1).A1
    assert np.mean(total / library) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("bcv_common", [0.0, 0.1, 0.5])
def test_counts_have_the_mean_and_variance_of_the_model(bcv_common):
    data = splat(
        n_cells=1_000,
        n_genes=500,
        group_prob=[0.5, 0.5],
        de_prob=0.5,
        bcv_common=bcv_common,
        seed=4,
    )
    mean = expected_counts(data)
    deviation = data.layers["true"].toarray() - mean
    # Poisson, and gamma with sd = mean * bcv; df / (df - 2) is the mean of df / chi2.
    variance = mean + (bcv_common * mean + np.sqrt(mean)) ** 2 * 60 / 58
    assert np.mean(deviation / np.sqrt(variance)) == pytest.approx(0, abs=0.01)
    expressed = mean > 1
    assert np.mean((deviation**2 / variance)[expressed]) == pytest.approx(1, abs=0.04)


def test_spread_of_the_variation_is_drawn_once_for_each_gene():
    data = splat(n_cells=1_000, n_genes=2_000, lib_loc=13, bcv_df=10, seed=0)
    mean = expected_counts(data)
    excess = (data.layers["true"].toarray() - mean) ** 2 - mean
    spread = (excess / (0.1 * mean + np.sqrt(mean)) ** 2).mean(axis=0)[mean.mean(axis=0) > 10]
    # df / spread is chi2 with df degrees of freedom: moments of the log of a gamma variable.
    assert np.log(spread).mean() == pytest.approx(np.log(5) - digamma(5), abs=0.05)
    assert np.log(spread).std() == pytest.approx(np.sqrt(polygamma(1, 5)), abs=0.05)


def test_dropout_follows_the_logistic_curve_of_the_log_mean():
    curve = {"dropout_type": "experiment", "dropout_mid": 5, "dropout_shape": -2}
    # So much variation that the mean before it says little.
    data = splat(n_cells=1_000, n_genes=500, bcv_common=1, **curve, seed=0)
    true = data.layers["true"]
    count, kept = true.data, data.X[true.nonzero()].A1 > 0
    # Counts as high as this hardly differ from their mean.
    for k in (75, 150, 300):
        near = abs(np.log(count / k)) < 0.05
        expected = 1 / (1 + np.exp(2 * (np.log(k) - 5)))
        assert np.mean(~kept[near]) == pytest.approx(expected, abs=0.03)


def test_dropout_depends_on_the_mean_and_not_on_the_count():
    step = {"dropout_type": "experiment", "dropout_mid": np.log(3), "dropout_shape": -1e6}
    data = splat(**SMALL, **step, seed=0)
    true = data.layers["true"]
    count, kept = true.data, data.X[true.nonzero()].A1 > 0
    for k in (1, 2, 4, 5):
        assert 0 < np.mean(kept[count == k]) < 1


def test_flat_dropout_hides_half_of_everything():
    data = splat(**SMALL, dropout_type="experiment", dropout_mid=2, dropout_shape=0, seed=0)
    assert data.X.nnz / data.layers["true"].nnz == pytest.approx(0.5, abs=0.01)


# Against Splatter


@pytest.fixture(scope="module")
def fig1c():
    """True counts of the seeds, and the share of zeros of each dropout_mid and seed."""
    true, zeros = [], {}
    for mid in range(1, 6):
        zeros[mid] = []
        for seed in SEEDS:
            data = splat(**FIG1C, dropout_type="experiment", dropout_mid=mid, seed=seed)
            zeros[mid].append(sparsity(data.X))
            if mid == 1:
                true.append(data)
    return true, zeros


@pytest.mark.parametrize("mid", range(1, 6))
def test_sparsity_agrees_with_splatter(fig1c, mid):
    _, zeros = fig1c
    assert abs(z_score(zeros[mid], *SPARSITY[mid - 1])) < Z_BOUND


def test_distributions_agree_with_splatter(fig1c, reference):
    table = reference_table(reference, "fig1c")
    ours = pd.DataFrame([summary(data) for data in fig1c[0]])
    assert disagreements(ours, table[table["dropout_mid"] == 1]) == {}


@pytest.mark.parametrize(
    ("tag", "settings"),
    [
        ("fig1c", {"n_genes": 500, "group_prob": [1 / 3, 1 / 3, 1 / 3]}),
        (
            "two_batches_three_groups",
            {"n_genes": 2_000, "group_prob": [0.6, 0.3, 0.1], "de_prob": 0.3},
        ),
    ],
)
def test_outliers_and_differential_expression_agree_with_splatter(reference, tag, settings):
    # One row of each seed: genes do not depend on the dropout.
    table = reference_table(reference, tag).drop_duplicates("seed")
    ours = pd.DataFrame(
        [gene_summary(splat(n_cells=1, **settings, seed=seed)) for seed in range(30)]
    )
    assert disagreements(ours, table) == {}


def reference_table(reference, tag):
    table = pd.read_csv(reference / "splatter" / "splatter_1.29.1_summary.csv")
    return table[table["tag"] == tag]


def disagreements(ours, theirs):
    """Columns of `ours` of which the means over seeds differ, with their z score."""
    z = {
        name: z_score(ours[name], theirs[name].mean(), theirs[name].std(), len(theirs))
        for name in ours
    }
    return {name: value for name, value in z.items() if abs(value) >= Z_BOUND}


def gene_summary(data):
    """What the reference table says of the genes."""
    factor = data.var.filter(like="de_factor").to_numpy()
    changed = factor[factor != 1]
    return {
        "outlier_genes": np.mean(data.var["outlier_factor"] != 1),
        "de_share": changed.size / factor.size,
        "de_up": np.mean(changed > 1),
        "de_log_sd": np.log(changed).std(ddof=1),
    }


def summary(data):
    """What the reference table says of the counts."""
    true, observed = data.layers["true"].toarray(), data.X.toarray()
    values = {
        "log10_gene_mean": np.log10(true.mean(axis=0) + 0.001),
        "log10_gene_var": np.log10(true.var(axis=0, ddof=1) + 0.001),
        "gene_zero": np.mean(observed == 0, axis=0),
        "log10_library": np.log10(true.sum(axis=1)),
        "cell_zero": np.mean(observed == 0, axis=1),
    }
    return {
        "zero_true": np.mean(true == 0),
        "dropped": np.mean((true > 0) & (observed == 0)),
        **{
            f"{name}_q{q}": np.quantile(value, q / 100)
            for name, value in values.items()
            for q in (5, 25, 50, 75, 95)
        },
    }


# Bad input


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_cells": 0}, "`n_cells` must be a positive integer, got 0"),
        ({"n_cells": 10.0}, "`n_cells` must be a positive integer, got 10.0"),
        ({"n_cells": True}, "`n_cells` must be a positive integer, got True"),
        ({"n_genes": -5}, "`n_genes` must be a positive integer, got -5"),
        ({"seed": -1}, "`seed` must be a non-negative integer, got -1"),
        ({"seed": 0.5}, "`seed` must be a non-negative integer, got 0.5"),
        (
            {"group_prob": [0.5, 0.4]},
            r"`group_prob` must sum to 1, got \[0.5, 0.4\], which sums to 0.9",
        ),
        ({"group_prob": []}, r"`group_prob` must sum to 1, got \[\]"),
        (
            {"group_prob": [1.5, -0.5]},
            r"`group_prob\[0\]` must be a probability, from 0 to 1, got 1.5",
        ),
        ({"group_prob": 1.0}, "`group_prob` must be a list of probabilities, got 1.0"),
        (
            {"dropout_type": "group"},
            "Unknown `dropout_type` 'group'. Known types: none, experiment",
        ),
        ({"dropout_mid": float("nan")}, "`dropout_mid` must be a finite number, got nan"),
        ({"dropout_shape": None}, "`dropout_shape` must be a finite number, got None"),
        ({"mean_rate": 0}, "`mean_rate` must be a finite number above 0, got 0"),
        ({"mean_shape": -0.6}, "`mean_shape` must be a finite number above 0, got -0.6"),
        ({"lib_loc": "11"}, "`lib_loc` must be a finite number, got '11'"),
        ({"lib_scale": -0.2}, "`lib_scale` must be a finite number from 0, got -0.2"),
        ({"out_prob": 1.1}, "`out_prob` must be a probability, from 0 to 1, got 1.1"),
        ({"out_fac_scale": -1}, "`out_fac_scale` must be a finite number from 0, got -1"),
        ({"de_prob": -0.1}, "`de_prob` must be a probability, from 0 to 1, got -0.1"),
        ({"de_down_prob": 2}, "`de_down_prob` must be a probability, from 0 to 1, got 2"),
        ({"de_fac_scale": -0.4}, "`de_fac_scale` must be a finite number from 0, got -0.4"),
        ({"bcv_common": -0.1}, "`bcv_common` must be a finite number from 0, got -0.1"),
        ({"bcv_df": 0}, "`bcv_df` must be a finite number above 0, got 0"),
        ({"bcv_df": float("inf")}, "`bcv_df` must be a finite number above 0, got inf"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(bad, message):
    with pytest.raises(ValueError, match=message):
        splat(**{**SMALL, "seed": 0, **bad})
