"""Run with `pytest tests/unit/test_splat.py`."""

import math
from importlib import import_module

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.special import digamma, expit, polygamma

import scscope.simulate
from scscope.data import content_hash
from scscope.simulate import SIMULATORS, splat
from scscope.simulate.blocks import cells_per_block
from scscope.simulate.splat import splat_simulation

SMALL = {"n_cells": 300, "n_genes": 200, "group_prob": [0.5, 0.3, 0.2]}

# The function of the package hides the module of the same name.
MODULE = import_module("scscope.simulate.splat")


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
    mask = (data.layers["true"].toarray() > 0) & (data.X.toarray() == 0)
    assert np.array_equal(data.layers["dropout"].toarray(), mask)
    for matrix in (data.X, data.layers["true"]):
        assert matrix.format == "csr"
        assert matrix.dtype == np.float32
        assert np.all(matrix.data > 0)
        assert np.all(matrix.data == np.round(matrix.data))


def test_is_found_by_name():
    assert scscope.simulate.splat is splat
    for simulator in SIMULATORS.values():
        assert callable(simulator.load())


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


@pytest.mark.parametrize("chunk_cells", [1, 7, 250, 1_300, 5_000])
def test_chunks_do_not_change_the_data(chunk_cells):
    simulation = splat_simulation(
        batch_cells=[900, 600],
        n_genes=40,
        group_prob=[0.5, 0.5],
        dropout_type="group",
        dropout_mid=[0, 2],
        dropout_shape=[-1, -2],
        seed=1,
    )
    whole = simulation.to_anndata(threads=1)
    pieces = list(simulation.blocks(chunk_cells=chunk_cells, threads=1))
    assert [piece[0].shape[0] for piece in pieces[:-1]] == [chunk_cells] * (len(pieces) - 1)
    for i, matrix in enumerate((whole.X, whole.layers["true"])):
        assert same(sparse.vstack([piece[i] for piece in pieces]), matrix)


@pytest.mark.parametrize("n_genes", [40, 3_000])
def test_threads_do_not_change_the_data(n_genes):
    n_cells = 2 * cells_per_block(n_genes) + 3
    settings = {"n_cells": n_cells, "n_genes": n_genes, "dropout_type": "experiment", "seed": 1}
    hashes = {content_hash(splat(**settings, threads=threads)) for threads in (1, 2, 5)}
    assert len(hashes) == 1


def test_blocks_hold_fewer_cells_where_there_are_many_genes():
    assert [cells_per_block(n) for n in (1, 500, 1_000, 20_000, 10**7)] == [1000, 1000, 1000, 50, 1]


def test_blocks_of_cells_are_independent():
    data = splat(n_cells=2_000, n_genes=300, seed=2)
    expected = expected_counts(data)
    deviation = (data.layers["true"].toarray() - expected) / np.sqrt(expected)
    assert abs(np.corrcoef(deviation[:1_000].ravel(), deviation[1_000:].ravel())[0, 1]) < 0.01
    library = np.log(data.obs["expected_library_size"].to_numpy())
    assert abs(np.corrcoef(library[:1_000], library[1_000:])[0, 1]) < 0.1


def test_every_draw_has_a_stream_of_its_own(monkeypatch):
    keys, stream = [], MODULE.random_stream
    monkeypatch.setattr(MODULE, "random_stream", lambda *key: keys.append(key) or stream(*key))
    sizes = {**SMALL, "batch_cells": [501, 500], "n_cells": None}
    splat(**sizes, dropout_type="experiment", seed=0)
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


# Batches, and what may differ between groups, batches and cells


def test_batches_follow_one_another_and_have_factors_of_their_own():
    settings = {"batch_cells": [700, 300], "n_genes": 4_000, "seed": 0}
    data = splat(**settings, batch_fac_loc=[0.0, 0.5], batch_fac_scale=[0.1, 0.3])
    assert list(data.obs["batch"]) == ["Batch1"] * 700 + ["Batch2"] * 300
    log = np.log(data.var[["batch_factor_batch1", "batch_factor_batch2"]].to_numpy())
    # Every gene has a factor, and it is below 1 as often as above.
    assert np.mean(log > 0, axis=0) == pytest.approx(0.5, abs=0.03)
    size = np.abs(log)
    assert size[:, 0].mean() == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.05)
    assert size[:, 1].mean() == pytest.approx(0.5, abs=0.03)
    mean = data.var["gene_mean"].to_numpy()[:, None] * np.exp(log)
    share = mean / mean.sum(axis=0)
    for batch, rows in enumerate((slice(700), slice(700, None))):
        observed = data.X[rows].sum(axis=0).A1
        well_seen = observed > 2_000
        ratio = observed[well_seen] / observed.sum() / share[well_seen, batch]
        assert np.abs(np.log(ratio)).mean() < 0.05


def test_batches_without_effect_differ_in_name_alone():
    data = splat(batch_cells=[40, 60], n_genes=30, batch_rm_effect=True, seed=0)
    assert same(data.X, splat(n_cells=100, n_genes=30, seed=0).X)
    assert data.obs["batch"].value_counts().to_dict() == {"Batch1": 40, "Batch2": 60}


def test_every_group_has_its_own_differential_expression():
    var = splat(
        n_cells=1,
        n_genes=20_000,
        group_prob=[0.5, 0.3, 0.2],
        de_prob=[0.1, 0.5, 0],
        de_down_prob=[0, 1, 0.5],
        de_fac_loc=[0.2, 1, 0],
        de_fac_scale=[0.1, 0.01, 1],
        seed=0,
    ).var
    first, second, third = (np.log(var[f"de_factor_group{i}"].to_numpy()) for i in (1, 2, 3))
    assert np.mean(first != 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(second != 0) == pytest.approx(0.5, abs=0.015)
    assert np.all(third == 0)
    assert np.all(first >= 0)
    assert second[second != 0] == pytest.approx(-1, abs=0.06)
    assert first[first != 0].mean() == pytest.approx(0.2, abs=0.02)


def test_normal_library_sizes_are_never_negative():
    data = splat(n_cells=20_000, n_genes=1, lib_norm=True, lib_loc=100, lib_scale=80, seed=0)
    library = data.obs["expected_library_size"].to_numpy()
    raised = library == library.min()
    assert raised.mean() == pytest.approx(stats.norm.cdf(-100 / 80), abs=0.01)
    assert library.min() == library[~raised].min() / 2 > 0
    above = library[library > 100] - 100
    assert stats.kstest(above, stats.halfnorm(scale=80).cdf).pvalue > 0.01


@pytest.mark.parametrize("kind", ["batch", "group", "cell"])
def test_every_batch_group_or_cell_has_its_own_dropout(kind):
    settings = {"batch_cells": [700, 300], "n_genes": 300, "group_prob": [0.5, 0.5], "seed": 3}
    n = {"batch": 2, "group": 2, "cell": 1_000}[kind]
    mid, shape = np.resize([-50.0, 50.0, 2.0], n), np.resize([-1.0, -1.0, 0.0], n)
    data = splat(**settings, dropout_type=kind, dropout_mid=mid, dropout_shape=shape)
    assert same(data.layers["true"], splat(**settings).X)
    which = {
        "batch": data.obs["batch"].str[-1].astype(int) - 1,
        "group": data.obs["label"].str[-1].astype(int) - 1,
        "cell": np.arange(1_000),
    }[kind]
    kept = data.X.getnnz(axis=1) / data.layers["true"].getnnz(axis=1)
    expected = expit(-shape * (2 - mid))[np.asarray(which)]  # 2: a log mean like any other here
    assert np.all(np.abs(kept - expected) < 0.15)
    assert kept.mean() == pytest.approx(expected.mean(), abs=0.01)


def test_infinite_degrees_of_freedom_leave_all_genes_the_same_variation():
    data = splat(n_cells=2_000, n_genes=500, lib_loc=13, bcv_df=math.inf, bcv_common=0.3, seed=0)
    mean = expected_counts(data)
    excess = (data.layers["true"].toarray() - mean) ** 2 - mean
    spread = (excess / (0.3 * mean + np.sqrt(mean)) ** 2).mean(axis=0)[mean.mean(axis=0) > 100]
    assert spread == pytest.approx(1, abs=0.25)


# Bad input


def test_unknown_parameters_are_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'dropout'"):
        splat(**SMALL, dropout=1, seed=0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_cells": 0}, "`n_cells` must be a positive integer, got 0"),
        ({"n_cells": 10.0}, "`n_cells` must be a positive integer, got 10.0"),
        ({"n_cells": True}, "`n_cells` must be a positive integer, got True"),
        ({"n_genes": -5}, "`n_genes` must be a positive integer, got -5"),
        ({"seed": -1}, "`seed` must be a non-negative integer up to 4294967295, got -1"),
        ({"seed": 2**32}, "`seed` must be a non-negative integer up to 4294967295, got 4294967296"),
        ({"seed": 0.5}, "`seed` must be a non-negative integer up to 4294967295, got 0.5"),
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
            {"dropout_type": "groups"},
            "Unknown `dropout_type` 'groups'. Known: none, experiment, batch, group, cell",
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
        ({"bcv_df": float("nan")}, "`bcv_df` must be a finite number above 0, got nan"),
        ({"n_genes": 0}, "`n_genes` must be a positive integer, got 0"),
        ({"n_cells": None}, "`n_cells`, or `batch_cells` with the size of each batch, is needed"),
        (
            {"batch_cells": [200, 99]},
            "`n_cells` must be the sum of `batch_cells`, 299, or left out",
        ),
        ({"batch_cells": [300, 0]}, r"`batch_cells\[1\]` must be a positive integer, got 0"),
        ({"batch_cells": []}, "`batch_cells` must be a list of at least one size"),
        ({"batch_rm_effect": 1}, "`batch_rm_effect` must be true or false, got 1"),
        ({"lib_norm": "yes"}, "`lib_norm` must be true or false, got 'yes'"),
        (
            {"lib_norm": True, "lib_loc": -1e6, "lib_scale": 1},
            "No library size is positive: with `lib_norm`, `lib_loc` -1e",
        ),
        ({"mean_shape": 1e-6}, "expected counts are no finite numbers: every gene has a mean of"),
        ({"lib_loc": 1000}, "expected counts are no finite numbers.*`lib_loc`"),
        ({"out_prob": 1, "out_fac_loc": 1000}, "expected counts are no finite numbers"),
        (
            {"de_prob": [0.1, 0.2]},
            "`de_prob` must be one number, or a list of 3, one for each group; got 2",
        ),
        ({"de_prob": [0.1, 0.2, 3]}, r"`de_prob\[2\]` must be a probability, from 0 to 1, got 3"),
        ({"de_prob": [[0.1]]}, "`de_prob` must be a number or a list of numbers"),
        (
            {"dropout_type": "group", "dropout_mid": 1},
            "`dropout_mid` must be a list of 3, one for each group; got 1",
        ),
        (
            {"dropout_type": "experiment", "dropout_mid": [1, 2]},
            "`dropout_mid` must be one number; got 2",
        ),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(bad, message):
    with pytest.raises(ValueError, match=message):
        splat(**{**SMALL, "seed": 0, **bad})
