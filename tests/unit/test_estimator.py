import doctest
import subprocess
import sys

import anndata
import numpy as np
import pytest
import torch
from scipy import sparse

import scscope.estimator
import scscope.sources
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


@pytest.mark.parametrize("batched", [False, True])
def test_a_saved_model_does_what_the_fitted_one_did(counts, tmp_path, batched):
    data = anndata.AnnData(counts, obs={"donor": np.where(np.arange(100) % 2, "a", "b")})
    options = {"batch_key": "donor"} if batched else {}
    model = ScScope(**QUICK, **options, encoder_layers=(7,), seed=3).fit(data)
    model.save(tmp_path / "model")
    loaded = ScScope.load(tmp_path / "model")
    assert loaded.settings == model.settings
    assert loaded.history_["loss"] == model.history_["loss"]
    assert loaded.record_ == model.record_
    np.testing.assert_array_equal(loaded.transform(data), model.transform(data))
    # Rounding of a product may depend on where in memory its factors lie.
    np.testing.assert_allclose(
        loaded.impute([1], [2], data), model.impute([1], [2], data), rtol=1e-6
    )
    if batched:
        np.testing.assert_array_equal(loaded.batch_effect_, model.batch_effect_)
        data.obs["donor"] = "z"
        with pytest.raises(ValueError, match="Batch 'z' was not seen"):
            loaded.transform(data)
    with pytest.raises(ValueError, match="A loaded model has no cells of its own"):
        loaded.transform()
    with pytest.raises(ValueError, match="lack 2 genes"):
        loaded.transform(data[:, :28])


def test_a_model_whose_weights_do_not_fit_its_settings_is_damaged(counts, tmp_path):
    from scscope.store import load_folder, save_folder

    ScScope(**QUICK).fit(counts).save(tmp_path)
    tensors, facts = load_folder(tmp_path, "model")
    save_folder(tmp_path, "model", {"encode.0.weight": tensors["encode.0.weight"]}, facts)
    with pytest.raises(ValueError, match=r"is damaged: (?s:.)*Missing key"):
        ScScope.load(tmp_path)


def test_annotate_puts_the_codes_into_obsm(counts):
    data = anndata.AnnData(counts)
    model = ScScope(**QUICK).fit(data)
    model.annotate(data)
    np.testing.assert_array_equal(data.obsm["X_scscope"], model.transform(counts))


def test_impute_to_writes_all_values_piece_by_piece(counts, tmp_path, monkeypatch):
    monkeypatch.setattr(scscope.sources, "CHUNK_VALUES", 30 * 33)
    data = anndata.AnnData(counts)
    data.obs_names = [f"cell {number}" for number in range(100)]
    model = ScScope(**QUICK).fit(data)
    model.impute_to(tmp_path / "imputed.h5ad")
    imputed = anndata.read_h5ad(tmp_path / "imputed.h5ad")
    every = np.indices(counts.shape).reshape(2, -1)
    np.testing.assert_allclose(imputed.X.ravel(), model.impute(*every), rtol=1e-5)
    assert imputed.obs_names.tolist() == data.obs_names.tolist()
    assert imputed.var_names.tolist() == data.var_names.tolist()
    model.impute_to(tmp_path / "part.h5ad", data[:7])
    np.testing.assert_allclose(
        anndata.read_h5ad(tmp_path / "part.h5ad").X, imputed.X[:7], rtol=1e-5
    )


def test_impute_to_leaves_nothing_on_a_full_disk(counts, tmp_path):
    code = f"""
import resource, signal
import numpy as np
from scscope import ScScope
model = ScScope(n_latent=2, max_epochs=0).fit(np.ones((20_000, 30), dtype="float32"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
try:
    model.impute_to({str(tmp_path / "imputed.h5ad")!r})
except OSError as error:
    print("refused")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip().splitlines()[-1] == "refused", run.stderr
    assert not list(tmp_path.iterdir())


def test_the_record_says_how_training_went(counts):
    record = ScScope(**QUICK, threads=1).fit(counts).record_
    assert record["stopped"] == "max_epochs"
    assert (record["epochs"], record["steps"]) == (2, 4)
    assert (record["device"], record["threads"], record["n_devices"]) == ("cpu", 1, 1)
    assert "float32" in record["engine"]


def test_threads_are_given_back(counts):
    before = torch.get_num_threads()
    ScScope(**QUICK, threads=before + 1).fit(counts)
    assert torch.get_num_threads() == before


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
        ({"stopping": "early"}, "`stopping` must be one of change, held_out, got 'early'"),
        ({"held_out": 1}, "`held_out` must be between 0 and 1, got 1"),
        ({"n_latents": 3}, "Unknown setting 'n_latents'"),
        ({"n_devices": 0}, "`n_devices` must be an integer of at least 1, got 0"),
        ({"seed": -1}, "`seed` must be an integer of at least 0, got -1"),
        ({"device": "gpu"}, "`device` must be 'cpu' or 'cuda', got 'gpu'"),
    ],
)
def test_bad_settings_are_refused_at_once(setting, message):
    with pytest.raises(ValueError, match=message):
        ScScope(**setting)


def test_importing_the_package_imports_no_torch():
    code = "import scscope, sys; assert 'torch' not in sys.modules; scscope.ScScope"
    subprocess.run([sys.executable, "-c", code], check=True)
