"""PCA, scVI and MAGIC against what they are made of; and methods whose package is missing."""

import sys

import numpy as np
import pytest
from scipy import sparse

from scscope.data import Dataset, log_normalised, scaled
from scscope.errors import NotApplicable
from scscope.methods import METHODS
from scscope.methods import pca as pca_module
from scscope.methods.magic import magic
from scscope.methods.optional import require
from scscope.methods.pca import pca
from scscope.methods.scvi import scvi
from tests.conftest import need

N_CELLS, N_GENES = 150, 40
RUN = {"seed": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    rate = rng.gamma(1.0, 3.0, (3, N_GENES))
    counts = rng.poisson(rate[rng.integers(0, 3, N_CELLS)] * rng.uniform(0.5, 2, (N_CELLS, 1)))
    return Dataset(
        X=sparse.csr_matrix(counts.astype(np.float32)),
        cells=np.arange(N_CELLS).astype(str),
        genes=np.arange(N_GENES).astype(str),
        values="counts",
        label=None,
        batch=np.where(np.arange(N_CELLS) % 2, "a", "b"),
        hash="",
    )


def components_of(dense, n):
    """Scores by a singular value decomposition of the whole, with a sign by column."""
    U, s, _ = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
    return U[:, :n] * s[:n]


def assert_same_scores(found, expected, tolerance):
    sign = np.sign((found * expected).sum(axis=0))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found * sign / scale, expected / scale, atol=tolerance)


@pytest.mark.parametrize("solver", ["exact", "randomized", "auto"])
@pytest.mark.parametrize("most_genes", [pca_module.MOST_GENES, 10])
@pytest.mark.parametrize("fill", ["none", "gene_mean"])
def test_scores_are_those_of_the_dense_matrix(data, solver, most_genes, fill, monkeypatch):
    monkeypatch.setattr(pca_module, "MOST_GENES", most_genes)
    given = scaled(data, "log")
    dense = given.X.toarray().astype(float)
    if fill == "gene_mean":
        mean = np.array([column[column > 0].mean() for column in dense.T])
        dense = np.where(dense > 0, dense, mean)
    fit = pca(given, **RUN, n_latent=3, solver=solver, fill=fill)
    assert_same_scores(fit.latent, components_of(dense, 3), 1e-4)


@pytest.mark.parametrize("solver", ["exact", "randomized"])
@pytest.mark.parametrize("fill", ["none", "gene_mean"])
def test_no_matrix_of_the_inputs_size_is_made_dense(solver, fill, monkeypatch):
    import tracemalloc

    X = sparse.random(6_000, 400, density=0.02, format="csr", dtype=np.float32, random_state=0)
    names = [np.arange(n).astype(str) for n in X.shape]
    given = scaled(Dataset(X, *names, "continuous", None, None, ""), "log")
    tracemalloc.start()
    pca(given, **RUN, n_latent=5, solver=solver, fill=fill)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.75 * 8 * X.shape[0] * X.shape[1]  # of the dense matrix in float64


def test_many_values_of_many_genes_are_left_to_random_projections(data, monkeypatch):
    called = []
    monkeypatch.setattr(pca_module, "MOST_GENES", 10)
    monkeypatch.setattr(pca_module, "LARGE", 100)
    original = pca_module._randomized
    monkeypatch.setattr(
        pca_module, "_randomized", lambda *args: called.append(1) or original(*args)
    )
    given = scaled(data, "log")
    pca(given, **RUN, n_latent=3)
    assert called == [1]
    pca(given, **RUN, n_latent=3, solver="exact")
    assert called == [1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_latent": 40}, "`n_latent` must be between 1 and 39 for 150 cells and 40 genes"),
        ({"fill": "mean"}, "`fill` must be one of none, gene_mean, got 'mean'"),
        ({"solver": "full"}, "`solver` must be one of auto, exact, randomized, got 'full'"),
    ],
)
def test_wrong_parameters_of_pca_are_refused(data, wrong, message):
    with pytest.raises(ValueError, match=message):
        pca(scaled(data, "log"), **RUN, **{"n_latent": 3, **wrong})


def test_a_missing_package_is_said_with_what_to_do(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "scvi", None)
    monkeypatch.setitem(sys.modules, "magic", None)
    for method, scale, name in ((scvi, "counts", "scvi-tools"), (magic, "log", "magic-impute")):
        message = rf"{name} is not installed. `pip install 'scscope\[methods\]'`"
        with pytest.raises(NotApplicable, match=message):
            method(scaled(data, scale), **RUN, n_latent=3)


def test_a_package_that_is_there_but_broken_is_an_error(monkeypatch, tmp_path):
    (tmp_path / "half_there.py").write_text("import not_there_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        require("half_there", "half")


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.counts])
def test_models_of_counts_do_not_apply_to_continuous_data(data, name):
    continuous = Dataset(**{**vars(data), "values": "continuous"})
    with pytest.raises(NotApplicable, match="models counts, and the dataset declares continuous"):
        METHODS[name].load()(scaled(continuous, "counts"), **RUN)


def magic_tool():
    need("magic", _there("magic"), "magic-impute is not installed")
    import magic as tool

    return tool


def _there(name):
    from importlib.util import find_spec

    return find_spec(name) is not None


@pytest.mark.parametrize(
    ("scale", "transform"), [("log", "none"), ("size", "sqrt"), ("size_unit", "none")]
)
def test_magic_imputes_what_the_tool_does_on_the_scale_of_the_benchmark(data, scale, transform):
    tool = magic_tool()
    given = scaled(data, scale)
    dense = given.X.toarray().astype(float)
    before = np.sqrt(dense) if transform == "sqrt" else dense
    imputed = tool.MAGIC(random_state=0, verbose=0, n_pca=None).fit_transform(before)
    if transform == "sqrt":
        imputed = imputed**2
    expected = imputed * given.unit if scale.endswith("unit") else imputed
    expected = expected if scale == "log" else np.log1p(expected)
    fit = magic(given, **RUN, n_latent=4, transform=transform)
    cells, genes = np.indices(dense.shape).reshape(2, -1)
    found = fit.impute(cells, genes).reshape(dense.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert_same_scores(fit.latent, components_of(expected, 4), 1e-3)


def test_scvi_expects_shares_of_the_median_total_and_takes_batches(data, caplog):
    need("scvi", _there("scvi"), "scvi-tools is not installed")
    quick = {
        "n_latent": 4,
        "n_hidden": 16,
        "max_epochs": 40,
        "learning_rate": 0.005,
        "batch_size": 32,
    }
    given = scaled(data, "counts")
    fits = [scvi(given, **RUN, **quick, correct_batches=flag) for flag in (None, False)]
    assert [fit.record["corrected_batches"] for fit in fits] == [2, 0]
    assert not np.array_equal(fits[0].latent, fits[1].latent)
    np.testing.assert_allclose(fits[0].transform(given), fits[0].latent, rtol=1e-4, atol=1e-5)
    assert len(fits[0].history["loss"]) == fits[0].record["epochs"] == 40
    assert "Seed set" not in caplog.text

    cells, genes = np.indices(given.X.shape).reshape(2, -1)
    found = fits[0].impute(cells, genes).reshape(given.X.shape)
    # The expected shares of a cell sum to 1, here times L.
    L = np.median(given.total)
    np.testing.assert_allclose(np.expm1(found).sum(axis=1), L, rtol=1e-3)
    truth = log_normalised(data.X.toarray(), given.total[:, None], L)
    shared = np.log1p((np.expm1(truth)).mean(axis=0))
    assert np.abs(found - truth).mean() < np.abs(shared - truth).mean()
    some = np.random.default_rng(0).permutation(len(cells))[:50]
    again = fits[0].impute(cells[some], genes[some])
    assert np.abs(again - found.ravel()[some]).max() < 0.5  # other draws of the latent

    single = Dataset(**{**vars(data), "batch": None})
    with pytest.raises(NotApplicable, match="no two batches"):
        scvi(scaled(single, "counts"), **RUN, **quick, correct_batches=True)
