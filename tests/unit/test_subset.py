"""The rule for methods that do not scale: some cells are fitted, the others labelled by an SVM."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from sklearn.svm import LinearSVC

from scscope.cluster.extend import extend_labels
from scscope.data import Dataset, Targets, imputation_targets, log_normalised, scaled, write_targets
from scscope.evaluate import Run, evaluate, read_run
from scscope.methods import METHODS
from scscope.methods.fit import Fit
from scscope.methods.pca import pca
from scscope.run.subset import INPUT, OWN, fit_on, some_cells

N_CELLS, N_GENES, N_FITTED = 240, 30, 80


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b", "c"], N_CELLS)
    rate = {group: rng.gamma(1, 6, N_GENES) for group in "abc"}
    X = rng.poisson([rate[group] for group in label]) * rng.integers(1, 4, (N_CELLS, 1))
    return Dataset(
        X=sparse.csr_matrix(X.astype(np.float32)),
        cells=np.arange(N_CELLS).astype(str),
        genes=np.arange(N_GENES).astype(str),
        values="counts",
        label=label,
        batch=None,
        hash="",
    )


def ask(method, data, scale="log", **params):
    return fit_on(method, scaled(data, scale), N_FITTED, 2, seed=1, device="cpu", **params)


def test_a_method_that_takes_new_cells_places_them_in_its_own_latent(data):
    fit, subset = ask(pca, data, n_latent=5)
    assert fit.latent.shape == (N_FITTED, 5)
    assert len(set(subset.cells)) == N_FITTED
    assert fit.record["svm_space"] == OWN
    assert fit.record["fitted_cells"] == N_FITTED
    given = scaled(data, "log")
    own = pca(some_cells(given, subset.cells), seed=1, device="cpu", n_latent=5)
    np.testing.assert_array_equal(subset.space[subset.cells], own.latent)
    np.testing.assert_allclose(subset.space, own.transform(given), atol=1e-5)


def test_for_a_method_that_takes_none_the_svm_works_in_components_of_the_input(data):
    def method(data, *, seed, device):
        return Fit(latent=data.X.toarray())

    fit, subset = ask(method, data)
    expected = pca(scaled(data, "log"), seed=2, device="cpu", n_latent=N_GENES - 1).latent
    np.testing.assert_array_equal(subset.space, expected)
    assert fit.record["svm_space"] == INPUT
    np.testing.assert_array_equal(fit.latent, scaled(data, "log").X[subset.cells].toarray())


@pytest.mark.parametrize("scale", ["counts", "size", "log_unit"])
def test_what_is_imputed_in_fitted_cells_is_compared_at_the_size_of_all_cells(data, scale):
    """A method that predicts the observed value is right at every observed entry."""

    def method(data, *, seed, device):
        X = data.X.toarray()
        return Fit(impute=lambda cells, genes: data.to_log(X[cells, genes], cells, genes))

    fit, subset = ask(method, data, scale)
    cells, genes = np.indices(data.X.shape).reshape(2, -1)
    found = fit.impute(cells, genes).reshape(data.X.shape)
    X = data.X.toarray()
    total = X.sum(axis=1)
    expected = log_normalised(X, total[:, None], np.median(total))
    np.testing.assert_allclose(found[subset.cells], expected[subset.cells], rtol=1e-4, atol=1e-6)
    others = np.setdiff1d(np.arange(N_CELLS), subset.cells)
    assert np.isnan(found[others]).all()


def test_a_method_that_is_told_the_targets_is_told_those_of_its_cells(data):
    told = []

    def method(data, *, seed, device, targets):
        told.append(targets)
        return Fit(impute=lambda cells, genes: data.X[cells, genes].A1)

    cell = np.arange(N_CELLS)
    targets = Targets(cell, np.full(N_CELLS, 3), cell.astype(np.float32))
    fit, subset = ask(method, data, targets=targets)
    np.testing.assert_array_equal(told[0].cell, np.arange(N_FITTED))
    np.testing.assert_array_equal(told[0].value, subset.cells)
    found = fit.impute(subset.cells, np.full(N_FITTED, 3))
    np.testing.assert_allclose(found, scaled(data, "log").X.toarray()[subset.cells, 3])


def test_labels_are_those_of_a_linear_svm_on_standardised_features():
    rng = np.random.default_rng(0)
    space = rng.normal(size=(300, 3)) * [1, 10, 0.1]
    truth = (space[:, 1] > 0).astype(int) + (space[:, 0] > 0.5)
    cells = np.arange(0, 300, 2)
    found = extend_labels(truth[cells], cells, space, seed=0)
    features = (space - space[cells].mean(axis=0)) / space[cells].std(axis=0)
    machine = LinearSVC(dual=False, random_state=0).fit(features[cells], truth[cells])
    np.testing.assert_array_equal(found[1::2], machine.predict(features[1::2]))
    np.testing.assert_array_equal(found[cells], truth[cells])


def test_cells_without_a_cluster_teach_nothing_and_stay_so():
    space = np.array([[0.0], [0.1], [5.0], [5.1], [9.0], [0.2], [5.2], [8.9]])
    cells, labels = np.arange(5), np.array([0, 0, 1, 1, -1])
    found = extend_labels(labels, cells, space, seed=0)
    np.testing.assert_array_equal(found, [0, 0, 1, 1, -1, 0, 1, 1])
    np.testing.assert_array_equal(extend_labels(np.array([3]), [0], space, seed=0), [3] * 8)
    np.testing.assert_array_equal(extend_labels(np.array([-1]), [0], space, seed=0), [-1] * 8)


def test_scores_are_of_all_cells_and_say_how_many_were_fitted(data):
    fit, subset = ask(pca, data, n_latent=5)
    X = data.X.toarray()
    X[:, ::3] = 0
    observed = replace(data, X=sparse.csr_matrix(X))
    targets = imputation_targets(observed.X, data.X, seed=0)
    known = np.isin(targets.cell, subset.cells)
    imputed = np.where(known, 0.25, np.nan)
    given = {"cells": subset.cells, "space": subset.space}
    rows, clusters = evaluate(
        Run("ok", fit.latent, None, imputed, given),
        observed,
        targets,
        gives=("latent", "imputation"),
        metrics=["ari", "imputation_error"],
        clusterers=["kmeans"],
        seed=0,
    )
    value = {row["metric"]: row["value"] for row in rows}
    assert clusters["kmeans"].shape == (N_CELLS,)
    assert value["ari"] > 0.95
    assert np.isfinite(value["imputation_error"])
    assert {row["n_fitted"] for row in rows} == {N_FITTED}
    assert {row["n_cells"] for row in rows} == {N_CELLS}
    wrong = {**given, "space": np.random.default_rng(0).normal(size=subset.space.shape)}
    _, blind = evaluate(
        Run("ok", fit.latent, None, imputed, wrong),
        observed,
        targets,
        gives=("latent",),
        metrics=["ari"],
        clusterers=["kmeans"],
        seed=0,
    )
    others = np.setdiff1d(np.arange(N_CELLS), subset.cells)
    assert np.mean(blind["kmeans"][others] == clusters["kmeans"][others]) < 0.7


@pytest.mark.parametrize("n_fitted", [N_FITTED, N_CELLS, N_CELLS + 1])
def test_a_run_leaves_what_its_scores_need(data, n_fitted, tmp_path, monkeypatch):
    from scscope.run import worker

    X = data.X.toarray()
    X[:, ::3] = 0
    observed = replace(data, X=sparse.csr_matrix(X))
    targets = imputation_targets(observed.X, data.X, seed=0)
    write_targets(targets, tmp_path / "targets.npz")
    monkeypatch.setattr(worker, "read_dataset", lambda path: observed)
    request = {
        "module": "scscope.methods.scscope",
        "function": "ae",
        "gives": ["latent", "imputation"],
        "oracle": False,
        "data": "",
        "targets": tmp_path / "targets.npz",
        "scale": "log",
        "seed": 0,
        "fit_on": n_fitted,
        "threads": 1,
        "params": {"n_latent": 4, "max_epochs": 1},
    }
    worker.perform(request, tmp_path, "cpu")
    (tmp_path / "status.json").write_text('{"status": "ok"}')
    run = read_run(tmp_path)
    n_cells = min(n_fitted, N_CELLS)
    assert run.latent.shape == (n_cells, 4)
    assert (run.subset is None) == (n_fitted >= N_CELLS)
    assert np.isfinite(run.imputed).mean() == pytest.approx(n_cells / N_CELLS, abs=0.1)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("scscope", {"n_latent": 3, "max_epochs": 1}),
        ("dca", {"hidden_layers": (4, 3, 4), "max_epochs": 1}),
        ("pca", {"n_latent": 3, "fill": "gene_mean"}),
        ("pca", {"n_latent": 3, "solver": "randomized"}),
    ],
)
def test_what_a_method_makes_of_fitted_cells_as_new_ones_is_their_latent(data, name, params):
    given = scaled(data, "counts")
    fit = METHODS[name].load()(given, seed=0, device="cpu", **params)
    np.testing.assert_allclose(fit.transform(given), fit.latent, rtol=1e-4, atol=1e-4)
