"""Cells from memory and from files: the same values, each cell once an epoch, within the memory."""

import anndata
import numpy as np
import pytest
from scipy import sparse

import scscope.sources
from scscope.sources import InMemory, OnDisk

N_CELLS, N_GENES = 5_000, 30


@pytest.fixture(scope="module")
def X():
    return sparse.random(
        N_CELLS, N_GENES, 0.2, format="csr", dtype=np.float32, random_state=np.random.default_rng(0)
    )


@pytest.fixture(scope="module", params=["csr.h5ad", "dense.h5ad", "csr.zarr"])
def path(X, request, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / request.param
    data = anndata.AnnData(X.toarray() if "dense" in request.param else X)
    data.write_zarr(path) if path.suffix == ".zarr" else data.write_h5ad(path)
    return path


def epoch_of(source, seed=0, batch_size=64):
    return list(source.parts(np.random.default_rng(seed), batch_size, "cpu"))


def test_an_epoch_from_disk_has_every_cell_once_in_an_order_of_its_own(X, path):
    numbers = np.arange(N_CELLS)
    source = OnDisk(path, "X", memory_mb=0.5, batch=numbers)
    assert source.shape == X.shape
    parts = epoch_of(source)
    assert len(parts) > 2
    seen = np.concatenate([part.batch for part in parts])
    assert sorted(seen) == list(numbers)
    assert not np.array_equal(seen, numbers)
    for part in parts:
        np.testing.assert_array_equal(part.X.toarray(), X[part.batch].toarray())
    other = np.concatenate([part.batch for part in epoch_of(source, seed=1)])
    assert not np.array_equal(other, seen)
    again = np.concatenate([part.batch for part in epoch_of(source)])
    np.testing.assert_array_equal(again, seen)


def test_parts_hold_whole_minibatches_but_for_the_end_of_the_file(path):
    for batch_size in (64, 100, 700):
        sizes = [len(part) for part in epoch_of(OnDisk(path, "X", memory_mb=0.5), 0, batch_size)]
        assert sum(size % batch_size > 0 for size in sizes) <= 1


def test_parts_keep_the_memory(path):
    for memory_mb in (0.5, 1, 4):
        source = OnDisk(path, "X", memory_mb=memory_mb)
        # Up to four are alive, see READ_AHEAD; a part is at least one block.
        least = scscope.sources.BLOCK * source.cell_bytes
        for part in epoch_of(source):
            size = part.X.data.nbytes + part.X.indices.nbytes + part.X.indptr.nbytes
            assert size <= max(least, memory_mb * 2**20 / 4) * 1.3


def test_chunks_are_in_order_and_may_be_some_cells_only(X, path, monkeypatch):
    monkeypatch.setattr(scscope.sources, "CHUNK_VALUES", 1_000 * N_GENES)
    wanted = np.array([0, 3, 999, 1_000, 4_321, N_CELLS - 1])
    for source in (OnDisk(path, "X", memory_mb=1), InMemory(X)):
        for cells in (None, wanted):
            found = list(source.chunks(cells))
            index = np.concatenate([chunk for chunk, _ in found])
            np.testing.assert_array_equal(index, np.arange(N_CELLS) if cells is None else wanted)
            values = sparse.vstack([part.X for _, part in found]).toarray()
            np.testing.assert_array_equal(values, X[index].toarray())


def test_entries_are_taken_out_and_genes_moved_alike(X, path):
    rng = np.random.default_rng(0)
    cell, gene = rng.integers(N_CELLS, size=2_000), rng.integers(N_GENES, size=2_000)
    columns = rng.permutation(N_GENES).astype(np.int32)
    expected = X.toarray()
    expected[cell, gene] = 0
    expected[:, columns] = expected.copy()
    for source in (OnDisk(path, "X", memory_mb=1), InMemory(X)):
        # Genes first: entries are named in the new order.
        changed = source.reordered(columns).without(cell, columns[gene])
        values = sparse.vstack([part.X for _, part in changed.chunks()]).toarray()
        np.testing.assert_array_equal(values, expected)
        untouched = sparse.vstack([part.X for _, part in source.chunks()]).toarray()
        np.testing.assert_array_equal(untouched, X.toarray())


def test_small_data_stay_dense_and_large_ones_sparse_with_the_same_minibatches(X, monkeypatch):
    rows = np.array([5, 0, 77])
    small = epoch_of(InMemory(X, np.arange(N_CELLS)))[0]
    monkeypatch.setattr(scscope.sources, "RESIDENT_BYTES", 0)
    large = epoch_of(InMemory(X, np.arange(N_CELLS)))[0]
    assert sparse.issparse(large.X) > sparse.issparse(small.X)
    for part in (small, large):
        x, batch = part.load(rows)
        np.testing.assert_array_equal(x, X[rows].toarray())
        assert batch.tolist() == rows.tolist()
