import errno
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import anndata
import h5py
import numpy as np
import pytest
from scipy import sparse, stats

from scscope.data import (
    BINS,
    SCALES,
    Dataset,
    Stream,
    TargetSampler,
    content_hash,
    counts_of,
    gene_sd,
    imputation_targets,
    log_expected,
    log_normalised,
    read_dataset,
    read_targets,
    scaled,
    top_genes,
    write_dataset,
    write_targets,
)
from scscope.errors import NotApplicable
from scscope.simulate.splat import splat_simulation

COUNTS = np.array([[1, 0, 3], [0, 2, 2], [4, 0, 0], [0, 0, 8]], dtype=np.float32)


def dataset(X=COUNTS, **known):
    n_cells, n_genes = X.shape
    names = {"cells": np.arange(n_cells).astype(str), "genes": np.arange(n_genes).astype(str)}
    known = {"values": "counts", "label": None, "batch": None, "hash": "", **names, **known}
    return Dataset(X=sparse.csr_matrix(X), **known)


def test_indices_are_of_one_width(tmp_path):
    import anndata

    data = anndata.AnnData(np.ones((3, 2), np.float32), uns={"values": "counts"})
    write_dataset(data, tmp_path / "x.h5ad")
    X = anndata.read_h5ad(tmp_path / "x.h5ad").X
    assert X.indices.dtype == X.indptr.dtype == np.int32


def test_scales_by_hand():
    # Totals 4, 4, 4, 8, so L = 4 and only the last cell is halved.
    size = np.array([[1, 0, 3], [0, 2, 2], [4, 0, 0], [0, 0, 4]])
    expected = {
        "counts": COUNTS,
        "size": size,
        "log": np.log1p(size),
        "log_counts": np.log1p(COUNTS),
        "size_unit": size / size.std(axis=0),
        "log_unit": np.log1p(size) / np.log1p(size).std(axis=0),
        "rounded": COUNTS,
        "size_rounded": size,
        "log_rounded": np.rint(np.log1p(size)),
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
    if scale == "log_rounded":  # sizes are whole numbers already
        expected = np.rint(expected)
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


def test_the_sample_does_not_depend_on_how_the_cells_are_cut():
    rng = np.random.default_rng(0)
    true = sparse.csr_matrix(rng.poisson(1, (300, 50)).astype(np.float32))
    observed = sparse.csr_matrix(true.toarray() * (rng.random(true.shape) < 0.5))
    samples = []
    for size in (1, 7, 300):
        sampler = TargetSampler(seed=3, max_targets=500)
        for start in range(0, 300, size):
            sampler.add(observed[start : start + size], true[start : start + size])
        samples.append(sampler.targets())
        n_zero = true.shape[0] * true.shape[1] - true.nnz
        assert sampler.counts() == {
            "missed": true.nnz - observed.nnz,
            "true_zeros": n_zero,
            "max_of_each": 500,
        }
    for other in samples[1:]:
        for name in ("cell", "gene", "value"):
            np.testing.assert_array_equal(getattr(samples[0], name), getattr(other, name))
    assert (samples[0].value > 0).sum() == (samples[0].value == 0).sum() == 500
    missed = samples[0].value > 0
    dense = true.toarray()[samples[0].cell[missed], samples[0].gene[missed]]
    np.testing.assert_array_equal(samples[0].value[missed], dense)


def test_every_entry_is_as_likely_to_be_sampled():
    true = sparse.csr_matrix(np.ones((10, 10), dtype=np.float32))
    nothing = sparse.csr_matrix((10, 10), dtype=np.float32)
    hits = np.zeros((10, 10))
    for seed in range(600):
        targets = imputation_targets(nothing, true, seed=seed, max_targets=10)
        hits[targets.cell, targets.gene] += 1
    assert hits.sum() == 6_000
    # Without replacement, counts vary by 0.9 of what they would with it.
    assert stats.chi2(99).sf(((hits - 60) ** 2 / 60 / 0.9).sum()) > 0.001


def test_negative_values_count_as_zero_among_the_targets():
    true = sparse.csr_matrix(np.array([[-1, 2, -3]], dtype=np.float32))
    observed = sparse.csr_matrix(np.array([[-1, 0, 0]], dtype=np.float32))
    targets = imputation_targets(observed, true, seed=0)
    found = list(zip(targets.gene, targets.value, strict=True))
    assert found == [(1, 2), (0, 0), (2, 0)]


def test_rounding_makes_counts_of_continuous_values_and_says_so():
    values = np.array([[0.4, 1.6], [2.5, 0.0]], dtype=np.float32)
    data = dataset(values, values="continuous")
    rounded = scaled(data, "rounded")
    np.testing.assert_array_equal(rounded.X.toarray(), [[0, 2], [2, 0]])
    assert np.all(rounded.X.data)
    assert (rounded.values, rounded.scale) == ("counts", "rounded")
    assert counts_of(rounded) is rounded.X


def test_what_models_of_counts_expect_is_brought_to_the_scale_of_the_scores():
    expected = np.array([0.0, 1.5])
    for scale in ("counts", "rounded", "size_rounded"):
        assert log_expected(scaled(dataset(), scale), expected).tolist() == [0, np.log1p(1.5)]
    assert log_expected(scaled(dataset(), "log_rounded"), expected).tolist() == [0, 1.5]


def test_count_models_do_not_apply_to_continuous_values():
    data = dataset(values="continuous")
    with pytest.raises(NotApplicable, match="declares continuous values. `scale: rounded`"):
        counts_of(scaled(data, "counts"))
    with pytest.raises(ValueError, match="or, off-label, .*log_rounded; got 'log'"):
        counts_of(scaled(dataset(), "log"))
    np.testing.assert_array_equal(counts_of(scaled(dataset(), "counts")).toarray(), COUNTS)


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


def test_a_stream_is_written_as_the_same_data_in_memory(tmp_path):
    simulation = splat_simulation(
        batch_cells=[1_500, 700],
        n_genes=30,
        group_prob=[0.5, 0.5],
        dropout_type="experiment",
        dropout_mid=2,
        seed=0,
    )
    streamed = write_dataset(simulation.stream(), tmp_path / "stream.h5ad")
    data = simulation.to_anndata()
    assert streamed == write_dataset(data, tmp_path / "memory.h5ad")
    assert streamed["hash"] == content_hash(data) == content_hash(simulation.stream())

    one, other = (anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("stream", "memory"))
    for read in (one, other):
        assert (read.X != data.X).nnz == (read.layers["true"] != data.layers["true"]).nnz == 0
        assert read.var.equals(data.var)
        assert read.obs.astype({"label": str, "batch": str}).equals(data.obs)
        assert read.uns["hash"] == streamed["hash"]
    # anndata can write it again, and take what it likes.
    one[one.obs["batch"] == "Batch2"].copy().write_h5ad(tmp_path / "again.h5ad")


def test_true_values_may_be_left_out_of_the_file(tmp_path):
    data = full_dataset()
    sampler = TargetSampler(seed=0)
    card = write_dataset(data, tmp_path / "data.h5ad", sampler=sampler, keep_true=False)
    with h5py.File(tmp_path / "data.h5ad") as file:
        assert list(file["layers"]) == []
    assert sampler.counts()["missed"] == 6
    del data.layers["true"]
    assert card["hash"] == content_hash(data)


def test_the_card_describes_libraries_and_groups(tmp_path):
    rng = np.random.default_rng(0)
    data = anndata.AnnData(rng.poisson(3, (500, 20)).astype(np.float32))
    data.obs["label"] = rng.choice(["a", "b"], 500)
    data.uns["values"] = "counts"
    card = write_dataset(data, tmp_path / "data.h5ad")
    totals = data.X.sum(axis=1)
    sizes = card["library_size"]
    assert [sizes[name] for name in ("min", "q25", "median", "q75", "max")] == pytest.approx(
        np.quantile(totals, [0, 0.25, 0.5, 0.75, 1])
    )
    assert sizes["bins"] == np.histogram(totals, BINS)[0].tolist()
    assert card["groups"] == Counter(data.obs["label"])
    assert card["batches"] == {}


# No space


@pytest.mark.parametrize(("free", "n_drawn"), [([21e6], 1), ([1e9, 1e9, 20e6], 3)])
def test_a_full_disk_is_noticed_before_it_is_written_to(tmp_path, monkeypatch, free, n_drawn):
    simulation = splat_simulation(n_cells=5_000, n_genes=100, seed=0)
    drawn = []

    def blocks():
        for pair in simulation.blocks(threads=1):
            drawn.append(pair)
            yield pair

    stream = Stream(**{**vars(simulation.stream()), "blocks": blocks})
    spaces = iter(free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=next(spaces)))
    with pytest.raises(OSError, match="still to be written and 0.0 GB are free. Make") as error:
        write_dataset(stream, tmp_path / "data.h5ad")
    assert error.value.errno == errno.ENOSPC
    assert len(drawn) == n_drawn
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_leaves_nothing_half_written(tmp_path):
    code = """
import resource, signal, sys
from scscope.data import write_dataset
from scscope.simulate.splat import splat_simulation
stream = splat_simulation(n_cells=5_000, n_genes=500, seed=0).stream()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))
write_dataset(stream, sys.argv[1])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data.h5ad")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode != 0
    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []
