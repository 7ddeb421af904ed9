"""Data in every form that a model accepts, and what is wrong with those it refuses."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scscope import ScScope
from scscope.inputs import columns_of, read_input

QUICK = {"n_latent": 5, "max_epochs": 2}


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = sparse.csr_matrix(rng.poisson(0.5, (300, 30)).astype(np.float32))
    obs = {"donor": pd.Categorical(rng.choice(["a", "b"], 300)), "day": rng.integers(3, size=300)}
    data = anndata.AnnData(X, obs=pd.DataFrame(obs, index=[f"c{i}" for i in range(300)]))
    data.layers["other"] = X * 2
    return data


def test_every_form_gives_the_same_fit(data, tmp_path):
    data.write_h5ad(tmp_path / "x.h5ad")
    data.write_zarr(tmp_path / "x.zarr")
    dense = data.copy()
    dense.X = dense.X.toarray()
    dense.write_h5ad(tmp_path / "dense.h5ad")
    backed = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r")
    forms = [
        data,
        data.X,
        data.X.tocsc(),
        data.X.toarray(),
        sparse.csr_array(data.X),
        tmp_path / "x.h5ad",
        str(tmp_path / "x.zarr"),
        tmp_path / "dense.h5ad",
        backed,
        backed[:],
    ]
    latents = [ScScope(**QUICK).fit(form).transform(form) for form in forms]
    for latent in latents[1:]:
        np.testing.assert_allclose(latent, latents[0], rtol=1e-5, atol=1e-6)


def test_names_batches_and_layers_are_found_in_files(data, tmp_path):
    data.write_h5ad(tmp_path / "x.h5ad")
    for form in (data, tmp_path / "x.h5ad"):
        for key in ("donor", "day"):
            given = read_input(form, layer="other", batch_key=key)
            assert given.batch.tolist() == data.obs[key].astype(str).tolist()
        assert given.cells.tolist() == data.obs_names.tolist()
        assert given.genes.tolist() == data.var_names.tolist()
        (_, part), *_ = given.source.chunks()
        np.testing.assert_array_equal(part.X.toarray(), data.layers["other"].toarray())


def test_a_file_larger_than_the_memory_is_streamed(data, tmp_path):
    data.write_h5ad(tmp_path / "x.h5ad")
    loaded = read_input(tmp_path / "x.h5ad", memory_mb=100)
    streamed = read_input(tmp_path / "x.h5ad", memory_mb=0.01)
    assert (type(loaded.source).__name__, type(streamed.source).__name__) == ("InMemory", "OnDisk")
    whole, part = (
        ScScope(**{**QUICK, "max_epochs": 30}, memory_mb=memory).fit(tmp_path / "x.h5ad")
        for memory in (100, 0.01)
    )
    # The order of cells differs, what is learned hardly.
    assert part.history_["loss"][-1] == pytest.approx(whole.history_["loss"][-1], rel=0.05)
    assert part.transform(tmp_path / "x.h5ad").shape == (300, 10)
    np.testing.assert_array_equal(part.transform(tmp_path / "x.h5ad"), part.transform())


def write(change):
    """A file with something wrong in it."""

    def make(data, path):
        data = data.copy()
        change(data)
        data.write_h5ad(path)
        return path

    return make


def set_values(value):
    def change(data):
        data.X.data[7] = value

    return change


def to_csc(data):
    data.X = data.X.tocsc()


def no_x(data):
    data.X = None


def text_file(data, path):
    path.write_text("no h5ad")
    return path


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (write(set_values(np.nan)), {}, "NaN or infinite"),
        (write(set_values(-3)), {}, "negative values .smallest -3.: scScope takes non-negative"),
        (write(to_csc), {}, "`X` of '.*' is stored as csc_matrix; .* convert with `.tocsr"),
        (write(no_x), {}, "has no `X`. Name a layer: other"),
        (write(lambda data: None), {"layer": "othr"}, "No layer 'othr' in .* mean 'other'"),
        (write(lambda data: None), {"batch_key": "doner"}, "No column 'doner' .* mean 'donor'"),
        (text_file, {}, "is not an AnnData file"),
    ],
)
def test_a_bad_file_is_refused(data, tmp_path, make, options, message):
    path = make(data, tmp_path / "x.h5ad")
    for memory_mb in (None, 0.001):
        with pytest.raises(ValueError, match=message):
            ScScope(**QUICK, **options, memory_mb=memory_mb).fit(path)


def test_no_file_and_other_formats_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        ScScope().fit(tmp_path / "none.h5ad")
    with pytest.raises(ValueError, match="known are .h5ad, .zarr"):
        ScScope().fit("counts.loom")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((1, 5)), "a single cell"),
        (np.zeros((4, 5)), "All values are zero"),
        (np.ones((0, 5)), "The data are empty: 0 cells x 5 genes"),
        (np.ones((5, 0)), "The data are empty: 5 cells x 0 genes"),
        (np.ones(5), r"must have the shape \(n_cells, n_genes\), got \(5,\)"),
    ],
)
def test_data_with_nothing_to_learn_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        ScScope(n_latent=2).fit(X)


def test_a_single_batch_is_refused(data):
    data.obs["one"] = "only"
    with pytest.raises(ValueError, match="All cells are of one batch, 'only', in column 'one'"):
        ScScope(**QUICK, batch_key="one").fit(data)


def test_more_latent_units_than_genes_is_a_warning(data):
    with pytest.warns(UserWarning, match="`n_latent` = 31 is more than the 30 genes"):
        ScScope(n_latent=31, max_epochs=1).fit(data)


def test_genes_twice_are_refused():
    known = np.array(["a", "b"])
    with pytest.raises(ValueError, match="Gene 'b' is in the data more than once"):
        columns_of(np.array(["b", "a", "b"]), known, 3, 2)
