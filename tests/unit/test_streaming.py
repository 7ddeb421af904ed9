"""Run with `pytest tests/unit/test_streaming.py`."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scscope.data import content_hash, read_dataset, top_genes
from scscope.datasets.matrix import CellMatrix
from scscope.datasets.streaming import gene_statistics, write_selected
from scscope.datasets.tenx import TenxFile


def small(n_cells=203, n_genes=60, dtype=np.int32, seed=0):
    """Counts with genes of very different means, a gene and a cell that are all zero."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(rng.gamma(0.5, 2, n_genes), (n_cells, n_genes))
    X[:, 7], X[11] = 0, 0
    names = (
        np.array([f"{kind}{i}" for i in range(n)]) for kind, n in zip("cg", X.shape, strict=True)
    )
    return CellMatrix(sparse.csr_matrix(X.astype(dtype)), *names, np.array(["s"] * n_genes))


def log_tpm(X, target=1e6):
    total = X.sum(axis=1, keepdims=True)
    return np.log1p(X * np.divide(target, total, out=np.zeros(total.shape), where=total > 0))


@pytest.mark.parametrize("block", [1, 50, 1000])
@pytest.mark.parametrize("target", [1e6, 1e4])
def test_statistics_are_those_of_the_dense_matrix(block, target):
    data = small()
    X = data.X.toarray().astype(float)
    found = gene_statistics(data, target=target, block=block)
    expected = log_tpm(X, target)
    np.testing.assert_array_equal(found.total, X.sum(axis=1))
    np.testing.assert_allclose(found.mean, expected.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, expected.var(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found.n_observed, (X > 0).sum(axis=0))
    assert found.n_cells == len(X)

    with np.errstate(invalid="ignore"):
        dispersion = np.nan_to_num(expected.var(axis=0) / expected.mean(axis=0))
    for n in (1, 20, 60):
        top = found.top(n)
        assert len(top) == n
        assert (np.diff(top) > 0).all()
        others = np.delete(dispersion, top)  # equal but for rounding, perhaps
        assert dispersion[top].min() >= others.max(initial=0) * (1 - 1e-9)


def test_statistics_are_those_of_scanpy():
    import scanpy as sc

    data = small()
    other = ad.AnnData(data.X[data.X.getnnz(axis=1) > 0].astype(np.float64))
    sc.pp.normalize_total(other, target_sum=1e6)
    sc.pp.log1p(other)
    found = gene_statistics(data, cells=data.X.getnnz(axis=1) > 0)
    X = other.X.toarray()
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.variance, X.var(axis=0), rtol=1e-6, atol=1e-9)


def test_the_rule_for_genes_is_that_for_data_in_memory():
    data = small()
    X = data.X[data.X.getnnz(axis=1) > 0].astype(np.float32)
    median = float(np.median(np.asarray(X.sum(axis=1))))
    found = gene_statistics(CellMatrix(X, data.cells[:-1], data.genes), target=median)
    np.testing.assert_array_equal(found.top(15), top_genes(X, 15))


def test_a_gene_without_variation_is_not_selected():
    X = sparse.csr_matrix(np.tile([[3, 0, 7]], (1000, 1)))
    data = CellMatrix(X, np.arange(1000).astype(str), np.array(["a", "b", "c"]))
    np.testing.assert_array_equal(gene_statistics(data).variance, 0)


@pytest.mark.parametrize("block", [1, 50, 1000])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_the_file_holds_the_selected_genes_and_cells(tmp_path, block, dtype):
    data = small(dtype=dtype)
    X = data.X.toarray()
    genes, cells = np.array([1, 7, 8, 40]), np.random.default_rng(1).random(len(X)) < 0.5
    batch = np.array(["one", "two"])[np.arange(len(X)) % 2]
    path = tmp_path / "x.h5ad"
    card = write_selected(
        data, genes, path, cells=cells, obs={"batch": batch}, uns={"source": "x"}, block=block
    )
    assert (card["n_cells"], card["n_genes"]) == (cells.sum(), 4)
    assert card["empty_cells"] == (X[cells][:, genes].sum(axis=1) == 0).sum() > 0

    read = ad.read_h5ad(path)
    np.testing.assert_array_equal(read.X.toarray(), X[cells][:, genes])
    assert read.X.dtype == np.float32
    assert list(read.obs_names) == list(data.cells[cells])
    assert list(read.var_names) == ["g1", "g7", "g8", "g40"]
    assert list(read.var["symbol"]) == ["s"] * 4
    assert list(read.obs["batch"]) == list(batch[cells])
    assert (read.uns["values"], read.uns["source"]) == ("counts", "x")
    assert read_dataset(path).hash == card["hash"] == content_hash(read)


@pytest.mark.parametrize("value", [0.5, 2.0**24 + 2])
def test_what_is_no_count_is_refused(tmp_path, value):
    data = small(dtype=np.float64)
    data.X.data[100] = value
    with pytest.raises(ValueError, match=rf"Counts are whole numbers .* but there is {value}"):
        write_selected(data, np.arange(60), tmp_path / "x.h5ad")
    assert list(tmp_path.iterdir()) == []


def test_two_passes_over_real_cells(test_data, tmp_path):
    file = TenxFile(test_data / "brain_1m/mini_1M_neurons_layout.h5")
    found = gene_statistics(file)
    genes = found.top(50)
    card = write_selected(file, genes, tmp_path / "x.h5ad")
    X = ad.read_h5ad(test_data / "brain_1m/brain1m_first10k_cells_1k_genes.h5ad").X.toarray()
    expected = log_tpm(X.astype(np.float64))
    np.testing.assert_allclose(found.variance, expected.var(axis=0), rtol=1e-9, atol=1e-12)
    assert (card["n_cells"], card["n_genes"]) == (10_000, 50)
    np.testing.assert_array_equal(read_dataset(tmp_path / "x.h5ad").X.toarray(), X[:, genes])


def test_progress_of_a_pass_is_logged(caplog, monkeypatch):
    monkeypatch.setattr("scscope.progress.LOG_SECONDS", 0)
    with caplog.at_level("INFO", logger="scscope.progress"):
        gene_statistics(small(), block=100)
    assert "Reading statistics" in caplog.text
    assert "203 of 203 cells" in caplog.text
