import anndata
import numpy as np
import pytest
from scipy import sparse

from scscope.data import (
    SCALES,
    Dataset,
    gene_sd,
    imputation_targets,
    log_normalised,
    read_dataset,
    read_targets,
    scaled,
    top_genes,
    write_dataset,
    write_targets,
)

COUNTS = np.array([[1, 0, 3], [0, 2, 2], [4, 0, 0], [0, 0, 8]], dtype=np.float32)


def dataset(X=COUNTS, **known):
    n_cells, n_genes = X.shape
    names = {"cells": np.arange(n_cells).astype(str), "genes": np.arange(n_genes).astype(str)}
    known = {"values": "counts", "label": None, "batch": None, "hash": "", **names, **known}
    return Dataset(X=sparse.csr_matrix(X), **known)


def test_scales_by_hand():
    # Totals 4, 4, 4, 8, so L = 4 and only the last cell is halved.
    size = np.array([[1, 0, 3], [0, 2, 2], [4, 0, 0], [0, 0, 4]])
    expected = {
        "counts": COUNTS,
        "size": size,
        "log": np.log1p(size),
        "size_unit": size / size.std(axis=0),
        "log_unit": np.log1p(size) / np.log1p(size).std(axis=0),
    }
    for scale in SCALES:
        X = scaled(dataset(), scale).X
        np.testing.assert_allclose(X.toarray(), expected[scale], rtol=1e-6)


def test_scales_agree_with_scanpy():
    import scanpy

    rng = np.random.default_rng(0)
    counts = rng.poisson(2, (50, 20)).astype(np.float32)
    reference = anndata.AnnData(counts.copy())
    scanpy.pp.normalize_total(reference)  # to the median of the totals
    np.testing.assert_allclose(scaled(dataset(counts), "size").X.toarray(), reference.X, rtol=1e-5)
    scanpy.pp.log1p(reference)
    np.testing.assert_allclose(scaled(dataset(counts), "log").X.toarray(), reference.X, rtol=1e-5)


def test_a_gene_without_variation_and_an_empty_cell_stay_finite():
    X = np.array([[1, 2], [1, 0], [0, 0]], dtype=np.float32)
    X[:, 0] = [0, 0, 0]
    for scale in SCALES:
        assert np.isfinite(scaled(dataset(X), scale).X.toarray()).all()


def test_a_constant_gene_is_not_blown_up_by_rounding():
    rng = np.random.default_rng(0)
    values = np.column_stack([np.full(1000, 7.7), rng.gamma(2, 1, 1000)]).astype(np.float32)
    assert gene_sd(sparse.csr_matrix(values))[0] == 0
    one = dataset(np.full((1000, 2), 7.7, dtype=np.float32), values="continuous")
    assert scaled(one, "log_unit").X.max() < 3


def test_unknown_scale_names_the_known_ones():
    with pytest.raises(ValueError, match="Unknown scale 'logg'. Known scales: counts, size, log"):
        scaled(dataset(), "logg")


@pytest.mark.parametrize("scale", SCALES)
def test_predictions_on_every_scale_come_back_to_the_log_scale(scale):
    data = scaled(dataset(), scale)
    cells, genes = np.nonzero(COUNTS)
    predicted = data.X.toarray()[cells, genes]  # a perfect prediction of the observed values
    expected = log_normalised(COUNTS[cells, genes], COUNTS.sum(axis=1)[cells], 4.0)
    np.testing.assert_allclose(data.to_log(predicted, cells, genes), expected, rtol=1e-5)


def test_labels_come_along_for_oracles_only():
    data = dataset(label=np.array(list("abab")))
    assert scaled(data, "log").label is None
    assert list(scaled(data, "log", with_labels=True).label) == list("abab")


def test_gene_sd_of_a_sparse_matrix():
    np.testing.assert_allclose(gene_sd(sparse.csr_matrix(COUNTS)), COUNTS.std(axis=0), rtol=1e-6)


def test_top_genes_have_the_largest_variance_over_mean():
    rng = np.random.default_rng(0)
    X = rng.poisson(5, (300, 30)).astype(np.float32)
    X[:, [4, 17]] *= rng.integers(0, 2, (300, 2))  # these two switch on and off
    assert list(top_genes(sparse.csr_matrix(X), 2)) == [4, 17]


def test_targets_are_the_missed_entries_and_the_true_zeros():
    true = np.array([[1, 0, 3], [5, 2, 2], [4, 0, 6], [0, 0, 8]], dtype=np.float32)
    targets = imputation_targets(sparse.csr_matrix(COUNTS), sparse.csr_matrix(true), seed=0)
    found = set(zip(targets.cell, targets.gene, targets.value, strict=True))
    assert found == {(1, 0, 5), (2, 2, 6), (0, 1, 0), (2, 1, 0), (3, 0, 0), (3, 1, 0)}


def test_targets_are_sampled_to_a_maximum_by_seed():
    true = np.ones((40, 50), dtype=np.float32)
    none = sparse.csr_matrix(np.zeros_like(true))
    first, again, other = (
        imputation_targets(none, sparse.csr_matrix(true), seed=seed, max_targets=100)
        for seed in (1, 1, 2)
    )
    assert len(first.cell) == 100
    np.testing.assert_array_equal(first.cell, again.cell)
    assert not np.array_equal(first.cell, other.cell)


def full_dataset():
    data = anndata.AnnData(COUNTS.copy())
    data.layers["true"] = COUNTS + 1
    data.obs["label"] = list("abab")
    data.obs["batch"] = list("xxyy")
    data.uns["values"] = "counts"
    return data


def test_what_is_written_is_read_again_by_us_and_by_anndata(tmp_path):
    card = write_dataset(full_dataset(), tmp_path / "data.h5ad")
    ours, theirs = read_dataset(tmp_path / "data.h5ad"), anndata.read_h5ad(tmp_path / "data.h5ad")
    np.testing.assert_array_equal(ours.X.toarray(), COUNTS)
    np.testing.assert_array_equal(theirs.X.toarray(), COUNTS)
    assert list(ours.cells) == list(theirs.obs_names)
    assert list(ours.genes) == list(theirs.var_names)
    assert list(ours.label) == list(theirs.obs["label"]) == list("abab")
    assert list(ours.batch) == list("xxyy")
    assert (card["n_cells"], card["n_genes"], card["n_labels"], card["n_batches"]) == (4, 3, 2, 2)
    assert card["sparsity"] == 6 / 12
    assert card["hash"] == ours.hash
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5ad"]


def change_value(data):
    data.X[0, 0] += 1


def change_truth(data):
    data.layers["true"][0, 0] += 1


def change_label(data):
    data.obs["label"] = list("abaa")


def change_gene(data):
    data.var_names = ["0", "1", "x"]


@pytest.mark.parametrize("change", [change_value, change_truth, change_label, change_gene])
def test_the_hash_is_of_the_content(tmp_path, change):
    changed = full_dataset()
    change(changed)
    same, other = (write_dataset(data, tmp_path / "x") for data in (full_dataset(), changed))
    assert write_dataset(full_dataset(), tmp_path / "y")["hash"] == same["hash"] != other["hash"]


def test_targets_are_read_as_they_were_written(tmp_path):
    X, true = sparse.csr_matrix(COUNTS), sparse.csr_matrix(COUNTS + 1)
    targets = imputation_targets(X, true, seed=0)
    write_targets(targets, tmp_path / "t.npz")
    for name in ("cell", "gene", "value"):
        expected = getattr(targets, name)
        np.testing.assert_array_equal(getattr(read_targets(tmp_path / "t.npz"), name), expected)
