import doctest
import subprocess
import sys

import anndata
import numpy as np
import pytest
from scipy import sparse

import scscope.estimator
from scscope import ScScope

QUICK = {"n_latent": 5, "max_epochs": 2}


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(1.0, (100, 30)).astype(np.float32)


def test_the_example_of_the_docstring():
    result = doctest.testmod(scscope.estimator)
    assert result.attempted >= 5
    assert result.failed == 0


def test_array_sparse_matrix_and_anndata_give_the_same(counts):
    data = anndata.AnnData(counts, layers={"other": counts * 0})
    forms = [counts, sparse.csr_matrix(counts), data]
    latents = [ScScope(**QUICK).fit(form).transform(form) for form in forms]
    assert latents[0].shape == (100, 2 * 5)
    for latent in latents[1:]:
        np.testing.assert_array_equal(latent, latents[0])


def test_a_layer_is_taken_instead_of_X(counts):
    data = anndata.AnnData(np.zeros_like(counts), layers={"kept": counts})
    model = ScScope(**QUICK, layer="kept").fit(data)
    expected = ScScope(**QUICK).fit(counts).transform(counts)
    np.testing.assert_array_equal(model.transform(data), expected)
    with pytest.raises(ValueError, match="No layer 'keep' in the data. Did you mean 'kept'"):
        ScScope(layer="keep").fit(data)


def test_same_seed_same_latent(counts):
    first, again, other = (
        ScScope(**QUICK, seed=s).fit(counts).transform(counts) for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_impute_gives_the_last_output_at_entries_in_any_order(counts):
    model = ScScope(**QUICK).fit(counts)
    cells, genes = np.array([9, 0, 9, 99, 3]), np.array([1, 2, 0, 29, 3])
    every = np.indices(counts.shape).reshape(2, -1)
    whole = model.impute(*every).reshape(counts.shape)
    assert (whole >= 0).all()
    np.testing.assert_allclose(model.impute(cells, genes), whole[cells, genes], rtol=1e-5)
    new = counts[:20]
    np.testing.assert_allclose(model.impute([3], [3], new), whole[[3], [3]], rtol=1e-5)


def test_the_callers_data_may_change_after_the_fit(counts):
    data = sparse.csr_matrix(counts)
    model = ScScope(**QUICK).fit(data)
    before = model.impute([0, 1], [3, 4])
    data.data *= 100
    np.testing.assert_array_equal(model.impute([0, 1], [3, 4]), before)


def test_batches_are_learned_and_unseen_ones_refused(counts):
    data = anndata.AnnData(counts)
    data.obs["donor"] = np.where(np.arange(100) % 2, "a", "b")
    model = ScScope(**QUICK, batch_key="donor").fit(data)
    assert model.batch_effect_.shape == (2, 30)
    data.obs["donor"] = "c"
    with pytest.raises(ValueError, match="Batch 'c' was not seen by `fit`. Known batches: a, b"):
        model.transform(data)
    with pytest.raises(ValueError, match="No column 'batch' in `obs`. There: donor"):
        ScScope(batch_key="batch").fit(data)


def with_value(value):
    def change(counts):
        counts[3, 4] = value
        return counts

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value(np.nan), "NaN or infinite"),
        (with_value(np.inf), "NaN or infinite"),
        (with_value(-1), "negative values .smallest -1.: scScope takes non-negative"),
        (np.zeros_like, "All values are zero"),
    ],
)
def test_bad_input_is_refused(counts, change, message):
    with pytest.raises(ValueError, match=message):
        ScScope(**QUICK).fit(change(counts))


def test_other_genes_are_refused(counts):
    data = anndata.AnnData(counts)
    model = ScScope(**QUICK).fit(data)
    with pytest.raises(ValueError, match="The data lack 2 genes: 28, 29. Bring them to the 30"):
        model.transform(data[:, :28])
    other = anndata.AnnData(counts, var={"x": range(30)})
    other.var_names = [*map(str, range(29)), "new"]
    message = "lack 1 gene: 29 and have 1 gene that the model does not know: new"
    with pytest.raises(ValueError, match=message):
        model.transform(other)
    with pytest.raises(ValueError, match="fitted on 30 genes, the data have 29, and without names"):
        model.transform(counts[:, :29])


def test_genes_are_matched_by_name_whatever_their_order(counts):
    data = anndata.AnnData(counts)
    model = ScScope(**QUICK).fit(data)
    shuffled = data[:, np.random.default_rng(1).permutation(30)]
    np.testing.assert_allclose(model.transform(shuffled), model.transform(data), rtol=1e-5)
    np.testing.assert_allclose(model.impute([3], [4], shuffled), model.impute([3], [4]), rtol=1e-5)


def test_asking_before_fitting_says_what_to_do(counts):
    with pytest.raises(RuntimeError, match="call `fit` first"):
        ScScope().transform(counts)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"preset": "papr"}, "Unknown preset 'papr'. Known presets: paper, package"),
        ({"n_latent": 0}, "`n_latent` must be an integer of at least 1, got 0"),
        ({"learning_rate": -1}, "`learning_rate` must be above 0, got -1"),
        ({"encoder_layers": (8, 0)}, r"`encoder_layers` must be positive integers"),
        ({"beta1": 1}, r"`beta1` must be in \[0, 1\), got 1"),
    ],
)
def test_bad_settings_are_refused_at_once(setting, message):
    with pytest.raises(ValueError, match=message):
        ScScope(**setting)


def test_importing_the_package_imports_no_torch():
    code = "import scscope, sys; assert 'torch' not in sys.modules; scscope.ScScope"
    subprocess.run([sys.executable, "-c", code], check=True)
