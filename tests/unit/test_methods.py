"""Every registered method keeps the contract; controls give what they must."""

import inspect
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from scipy import sparse

from scscope.data import SCALES, Dataset, log_normalised, scaled
from scscope.errors import Diverged, NotApplicable
from scscope.methods import METHODS, method_of
from scscope.methods.epochs import epochs_not_fixed
from scscope.methods.fit import checked_labels, checked_latent, checked_values
from scscope.run.subset import some_cells
from tests.conftest import need

N_CELLS, N_GENES = 90, 40
QUICK = {
    "scscope": {"n_latent": 6, "max_epochs": 2},
    "ae": {"n_latent": 6, "max_epochs": 2},
    "pca": {"n_latent": 6},
    "dca": {"hidden_layers": [8, 6, 8], "max_epochs": 2},
    "scvi": {"n_latent": 6, "n_hidden": 8, "max_epochs": 2},
    "magic": {"n_latent": 6},
    "random": {"n_latent": 6},
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b", "c"], N_CELLS)
    rate = {group: rng.gamma(2, 2, N_GENES) for group in "abc"}
    true = rng.poisson([rate[group] for group in label])
    X = np.where(rng.random(true.shape) < 0.4, 0, true)
    return Dataset(
        X=sparse.csr_matrix(X.astype(np.float32)),
        cells=np.arange(N_CELLS).astype(str),
        genes=np.arange(N_GENES).astype(str),
        values="counts",
        label=label,
        batch=None,
        hash="",
    )


def fit(name, data, scale="log", seed=0):
    method = METHODS[name]
    need(name, not method.needs or find_spec(method.needs), f"{method.needs} is not installed")
    scale = "counts" if method.counts else scale
    given = scaled(data, scale, with_labels=method.oracle)
    return method.load()(given, seed=seed, device="cpu", **QUICK.get(name, {}))


@pytest.mark.parametrize("name", METHODS)
def test_a_fit_holds_what_the_method_declares(name, data):
    result, gives = fit(name, data), METHODS[name].gives
    assert (result.latent is not None) == ("latent" in gives)
    assert (result.impute is not None) == ("imputation" in gives)
    assert (result.labels is not None) == ("labels" in gives)
    assert result.latent is None or checked_latent(result.latent, N_CELLS).shape[0] == N_CELLS
    if result.impute is not None:
        cells, genes = np.array([0, 5, 0]), np.array([3, 1, 39])
        assert (checked_values(result.impute(cells, genes), 3) >= 0).all()


@pytest.mark.parametrize("name", METHODS)
def test_same_seed_same_fit_and_the_input_stays_as_it_is(name, data):
    before = data.X.copy()
    first, again = fit(name, data), fit(name, data)
    if first.latent is not None:
        np.testing.assert_array_equal(first.latent, again.latent)
    assert (data.X != before).nnz == 0


@pytest.mark.parametrize("name", METHODS)
def test_signature_of_a_method(name):
    parameters = inspect.signature(METHODS[name].load()).parameters
    assert list(parameters)[0] == "data"
    assert all(parameters[key].kind == inspect.Parameter.KEYWORD_ONLY for key in ("seed", "device"))


@pytest.mark.parametrize("scale", SCALES)
def test_pca_is_that_of_the_dense_centred_matrix(data, scale):
    X = scaled(data, scale).X.toarray().astype(np.float64)
    _, values, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    latent = fit("pca", data, scale).latent
    np.testing.assert_allclose(np.linalg.norm(latent, axis=0), values[:6], rtol=1e-3)


def test_ae_is_scscope_with_one_pass(data):
    method = METHODS["scscope"].load()
    one = method(scaled(data, "log"), seed=0, device="cpu", n_steps=1, **QUICK["ae"])
    np.testing.assert_array_equal(fit("ae", data).latent, one.latent)


def test_truth_hands_in_the_labels(data):
    assert list(fit("truth", data).labels) == list(data.label)


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.oracle])
def test_an_oracle_without_labels_does_not_apply(name, data):
    with pytest.raises(NotApplicable, match="needs true labels and the dataset has none"):
        METHODS[name].load()(scaled(data, "log"), seed=0, device="cpu")


def entries(data):
    return np.indices(data.X.shape).reshape(2, -1)


@pytest.mark.parametrize("scale", ["counts", "size", "log_unit"])
def test_no_imputation_predicts_what_is_observed(data, scale):
    cells, genes = entries(data)
    expected = scaled(data, "log").X.toarray()[cells, genes]
    assert (expected == 0).any()
    found = fit("no_imputation", data, scale).impute(cells, genes)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("scale", ["size", "size_unit"])
def test_gene_mean_by_hand(data, scale):
    X = scaled(data, "size").X.toarray()
    mean = np.array([column[column > 0].mean() for column in X.T])
    cells, genes = entries(data)
    # A mean is the same whether the gene was divided by its deviation before or not.
    expected = np.log1p(mean[genes])
    np.testing.assert_allclose(fit("gene_mean", data, scale).impute(cells, genes), expected, 1e-5)


def test_group_mean_by_hand(data):
    X = scaled(data, "log").X.toarray()
    cells, genes = entries(data)
    overall = np.array([column[column > 0].mean() for column in X.T])
    expected = np.empty_like(X)
    for group in "abc":
        rows = data.label == group
        for gene in range(N_GENES):
            seen = X[rows, gene][X[rows, gene] > 0]
            expected[rows, gene] = seen.mean() if len(seen) else overall[gene]
    found = fit("group_mean", data).impute(cells, genes).reshape(X.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_imputation_of_counts_is_compared_on_the_log_scale(data):
    counts, total = data.X.toarray(), data.X.toarray().sum(axis=1)
    mean = np.array([column[column > 0].mean() for column in counts.T])
    cells, genes = entries(data)
    expected = log_normalised(mean[genes], total[cells], np.median(total))
    np.testing.assert_allclose(fit("gene_mean", data, "counts").impute(cells, genes), expected)


@pytest.mark.parametrize("labels", [np.zeros(3), np.zeros((4, 1))])
def test_labels_that_break_the_contract_are_refused(labels):
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\)"):
        checked_labels(labels, 4)


def test_unknown_method_names_the_known_ones():
    with pytest.raises(
        ValueError, match="Unknown method 'scscop'. Known methods: scscope, ae, pca"
    ):
        method_of("scscop")


@pytest.mark.parametrize(
    ("latent", "error", "message"),
    [
        (
            np.zeros((3, 2)),
            ValueError,
            r"shape \(4, n_latent\), one row for each cell; got \(3, 2\)",
        ),
        (np.zeros(4), ValueError, r"got \(4,\)"),
        (np.full((4, 2), np.nan), Diverged, "The latent holds 8 values that are NaN"),
    ],
)
def test_a_latent_that_breaks_the_contract_is_refused(latent, error, message):
    with pytest.raises(error, match=message):
        checked_latent(latent, 4)


def test_imputed_values_that_break_the_contract_are_refused():
    with pytest.raises(ValueError, match=r"must return shape \(3,\), got \(2,\)"):
        checked_values(np.zeros(2), 3)
    with pytest.raises(Diverged, match="The imputation holds 1 values"):
        checked_values([0, np.inf, 1], 3)


def test_batches_are_corrected_where_that_is_asked_for(data):
    import anndata

    from scscope import ScScope

    batch = np.where(np.arange(N_CELLS) % 2, "x", "y")
    given = scaled(replace(data, batch=batch), "log")
    run, asked = METHODS["scscope"].load(), {"seed": 0, "device": "cpu", **QUICK["scscope"]}
    corrected = run(given, correct_batches=True, **asked)
    model = ScScope(batch_key="batch", seed=0, **QUICK["scscope"])
    expected = model.fit(anndata.AnnData(given.X, obs={"batch": batch})).transform()
    np.testing.assert_array_equal(corrected.latent, expected)
    assert not np.array_equal(corrected.latent, run(given, **asked).latent)
    assert corrected.record["stopped"] == "max_epochs"
    with pytest.raises(NotApplicable, match="no two batches"):
        run(scaled(data, "log"), correct_batches=True, **asked)


def test_a_batch_without_a_fitted_cell_cannot_be_corrected(data):
    batch = np.where(np.arange(N_CELLS) % 2, "x", "y")
    batch[0] = "z"
    given = scaled(replace(data, batch=batch), "log")
    run, asked = METHODS["scscope"].load(), {"seed": 0, "device": "cpu", **QUICK["scscope"]}
    without = given.cells != given.cells[0]
    with pytest.raises(NotApplicable, match="no cell of 'z' was fitted"):
        run(replace(given, train=without), correct_batches=True, **asked)
    fit = run(some_cells(given, np.flatnonzero(without)), correct_batches=True, **asked)
    with pytest.raises(NotApplicable, match="no cell of 'z' was fitted"):
        fit.transform(some_cells(given, np.array([0])))


@pytest.mark.parametrize(
    ("use", "params", "words"),
    [
        ("pca", {}, ""),
        ("mine.py:embed", {}, ""),
        ("ae", {"tolerance": 0, "max_epochs": 5}, ""),
        ("ae", {"max_epochs": 5}, "set `tolerance: 0`"),
        ("scscope", {"tolerance": 0}, "must be set: `max_epochs`"),
        ("scscope", {"tolerance": 0, "max_epochs": 5, "stopping": "held_out"}, "same number"),
        ("dca", {"stop_after": 9, "max_epochs": 9}, ""),
        ("dca", {"stop_after": 8, "max_epochs": 9}, "`stop_after` to no less than `max_epochs`"),
        ("dca", {"stop_after": 500}, "`stop_after` to no less than `max_epochs`"),
        ("dca", {"max_epochs": 9}, "`stop_after` to no less than `max_epochs`"),
        ("scvi", {"max_epochs": 9}, ""),
        ("scvi", {"max_epochs": 9, "early_stopping": False}, ""),
        ("scvi", {"max_epochs": 9, "early_stopping": True}, "set `early_stopping: false`"),
        ("scvi", {}, "must be set: `max_epochs`"),
    ],
)
def test_times_are_compared_at_fixed_epochs_only(use, params, words):
    found = epochs_not_fixed({"use": use, "params": params})
    assert words in found
    assert bool(words) == bool(found)


def test_dca_that_may_wait_for_all_its_epochs_runs_them_all():
    """On noise, which ends early where it may: the loss of the validation cells soon rises."""
    counts = np.random.default_rng(0).poisson(1.0, (150, 40)).astype(np.float32)
    noise = Dataset(
        X=sparse.csr_matrix(counts),
        cells=np.array([f"cell_{i}" for i in range(150)]),
        genes=np.array([f"gene_{i}" for i in range(40)]),
        values="counts",
        label=None,
        batch=None,
        hash="",
    )

    def epochs(**params):
        run = METHODS["dca"].load()
        return run(scaled(noise, "counts"), seed=0, device="cpu", **params).record["epochs"]

    params = {"distribution": "nb", "learning_rate": 0.01, "max_epochs": 30}
    assert epochs(**params, stop_after=5) < 30
    fixed = {**params, "stop_after": 30}
    assert epochs_not_fixed({"use": "dca", "params": fixed}) == ""
    assert epochs(**fixed) == 30
