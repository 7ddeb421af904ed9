"""SIMLR-style data: the paper's formulas, by what can be computed by hand."""

import math
from importlib import import_module

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.integrate import quad

from scscope.data import content_hash, read_dataset, write_dataset
from scscope.simulate import simlr
from scscope.simulate.blocks import cells_per_block

# The function of the package hides the module of the same name.
MODULE = import_module("scscope.simulate.simlr")
SMALL = {"n_cells": 200, "n_genes": 30, "n_types": 4, "n_latent": 3, "dropout_rate": 0.5}


def mixture_of(**parameters):
    settings = MODULE.SimlrSettings(**{**SMALL, "seed": 0, **parameters})
    return MODULE.draw_mixture(settings)


def test_follows_the_dataset_contract():
    data = simlr(**SMALL, seed=0)
    assert data.shape == (200, 30)
    assert data.uns["values"] == "continuous"
    assert set(data.obs["label"]) == {"Type1", "Type2", "Type3", "Type4"}
    observed, true = data.X.toarray(), data.layers["true"].toarray()
    assert np.all(true != 0)
    assert true.min() < 0
    dropped = data.layers["dropout"].toarray()
    assert np.array_equal(observed, np.where(dropped, 0, true))
    for matrix in (data.X, data.layers["true"]):
        assert (matrix.format, matrix.dtype) == ("csr", np.float32)


def test_true_values_are_normal_with_the_moments_of_the_model():
    data = simlr(**{**SMALL, "n_cells": 30_000}, seed=1)
    mixture = mixture_of(seed=1)
    mean, variance = MODULE.moments(mixture)
    assert np.all((mixture.center >= 0) & (mixture.center <= 1))
    assert np.all(np.abs(mixture.loading) <= 0.5)
    assert np.all(mixture.noise_sd**2 <= 0.2)
    for k in range(4):
        true = data.layers["true"][(data.obs["label"] == f"Type{k + 1}").to_numpy()].toarray()
        scaled = (true - mean[k]) / np.sqrt(variance)
        assert np.abs(scaled.mean(axis=0)).max() < 5 / math.sqrt(len(scaled))
        assert scaled.std(axis=0) == pytest.approx(1, abs=0.06)
        assert stats.kstest(scaled[:, 0], "norm").pvalue > 1e-3
    # Genes share the latent: the covariance of two genes within a type.
    covariance = np.cov(true[:, :2].T)[0, 1]
    expected = 0.1 * mixture.loading[:, 0] @ mixture.loading[:, 1]
    assert covariance == pytest.approx(expected, abs=0.02)


def test_noise_may_be_given_by_its_standard_deviation():
    as_variance, as_sd = mixture_of(), mixture_of(noise_is="sd")
    np.testing.assert_allclose(as_variance.noise_sd**2, as_sd.noise_sd)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("n_latent", [5, 50])
def test_dropout_zeroes_the_asked_share_of_positive_values(rate, n_latent):
    settings = {"n_cells": 3_000, "n_genes": 100, "n_latent": n_latent, "dropout_rate": rate}
    data = simlr(**settings, seed=2)
    positive = data.layers["true"].toarray() > 0
    assert np.mean(data.X.toarray()[positive] == 0) == pytest.approx(rate, abs=0.01)


def test_dropout_probability_is_that_of_the_formula():
    data = simlr(**{**SMALL, "n_cells": 5_000, "dropout_rate": None}, dropout_alpha=2.0, seed=0)
    true, dropped = data.layers["true"].toarray(), data.layers["dropout"].toarray()
    for x in (-0.5, 0.3, 0.8):
        near = np.abs(true - x) < 0.05
        assert dropped[near].mean() == pytest.approx(math.exp(-2 * x**2), abs=0.03)
    assert data.uns["alpha"] == 2


@pytest.mark.parametrize("alpha", [0.01, 1.0, 300.0])
def test_expected_dropout_rate_agrees_with_numerical_integration(alpha):
    mixture = mixture_of()
    mean, variance = MODULE.moments(mixture)
    lost = kept = 0.0
    for k, weight in enumerate(mixture.weight):
        for m, sd in zip(mean[k], np.sqrt(variance), strict=True):
            bounds = (0, m + 9 * sd)
            lost += weight * quad(dropped_density, *bounds, args=(alpha, m, sd))[0]
            kept += weight * quad(dropped_density, *bounds, args=(0, m, sd))[0]
    assert MODULE.dropout_rate_of(alpha, mixture) == pytest.approx(lost / kept, rel=1e-5)


def dropped_density(x, alpha, mean, sd):
    return math.exp(-alpha * x**2 - ((x - mean) / sd) ** 2 / 2) / sd


def test_no_dropout_leaves_everything():
    data = simlr(**{**SMALL, "dropout_rate": 0}, seed=0)
    assert (data.X != data.layers["true"]).nnz == 0
    assert data.uns["alpha"] == math.inf


def test_true_values_do_not_depend_on_the_dropout():
    one, other = (simlr(**{**SMALL, "dropout_rate": rate}, seed=0) for rate in (0.2, 0.7))
    assert (one.layers["true"] != other.layers["true"]).nnz == 0
    assert other.X.astype(bool).multiply(one.X.astype(bool)).nnz == other.X.nnz < one.X.nnz


def test_rare_types_are_rare_and_recorded(tmp_path):
    data = simlr(
        n_cells=100_000,
        n_genes=2,
        n_types=10,
        n_rare=3,
        rare_share=0.005,
        n_latent=2,
        dropout_rate=0.1,
        seed=0,
    )
    assert list(data.uns["rare_types"]) == ["Type8", "Type9", "Type10"]
    share = data.obs["label"].value_counts(normalize=True)
    assert share[["Type8", "Type9", "Type10"]].to_numpy() == pytest.approx(0.005, abs=0.001)
    others = share.drop(["Type8", "Type9", "Type10"]).to_numpy()
    assert others == pytest.approx(0.985 / 7, abs=0.005)

    import anndata

    write_dataset(data, tmp_path / "data.h5ad")
    written = anndata.read_h5ad(tmp_path / "data.h5ad")
    assert list(written.uns["rare_types"]) == ["Type8", "Type9", "Type10"]


def test_without_rare_types_weights_are_uniform_numbers():
    weight = mixture_of(n_types=2_000).weight
    assert weight.sum() == pytest.approx(1)
    assert stats.kstest(weight / weight.max(), "uniform").pvalue > 0.01


def test_methods_are_fed_no_negative_values(tmp_path):
    data = simlr(**SMALL, seed=0)
    card = write_dataset(data, tmp_path / "data.h5ad")
    read = read_dataset(tmp_path / "data.h5ad")
    clipped = np.maximum(data.X.toarray(), 0)
    assert np.array_equal(read.X.toarray(), clipped)
    assert np.all(read.X.data > 0)
    assert read.values == "continuous"
    assert card["sparsity"] == pytest.approx(np.mean(clipped == 0))
    assert card["negative"] == pytest.approx(np.mean(data.X.toarray() < 0))


# Random streams


@pytest.mark.parametrize("n_cells", [40, 1_000, 1_700])
def test_first_cells_do_not_depend_on_the_number_of_cells(n_cells):
    small, large = (simlr(**{**SMALL, "n_cells": n}, seed=1) for n in (n_cells, 2_500))
    first = large[:n_cells]
    assert (small.X != first.X).nnz == (small.layers["true"] != first.layers["true"]).nnz == 0
    assert small.obs.equals(first.obs)


@pytest.mark.parametrize("chunk_cells", [1, 7, 1_300])
def test_chunks_do_not_change_the_data(chunk_cells):
    simulation = MODULE.simlr_simulation(**{**SMALL, "n_cells": 1_500}, seed=1)
    whole = simulation.to_anndata()
    pieces = list(simulation.blocks(chunk_cells=chunk_cells))
    assert (sparse.vstack([piece[0] for piece in pieces]) != whole.X).nnz == 0


@pytest.mark.parametrize("n_genes", [30, 3_000])
def test_threads_do_not_change_the_data(n_genes):
    settings = {**SMALL, "n_genes": n_genes, "n_cells": 2 * cells_per_block(n_genes) + 3}
    hashes = {content_hash(simlr(**settings, seed=1, threads=threads)) for threads in (1, 2, 5)}
    assert len(hashes) == 1


def test_seeds_give_other_data():
    assert content_hash(simlr(**SMALL, seed=0)) != content_hash(simlr(**SMALL, seed=1))


# Bad input


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"n_genes": 0}, "`n_genes` must be a positive integer, got 0"),
        ({"n_cells": 0}, "`n_cells` must be a positive integer, got 0"),
        ({"n_latent": 0}, "`n_latent` must be a positive integer, got 0"),
        ({"seed": -1}, "`seed` must be a non-negative integer up to 4294967295, got -1"),
        ({"seed": 2**32}, "`seed` must be a non-negative integer up to 4294967295"),
        ({"n_rare": 5, "rare_share": 0.01}, "`n_rare` must be below `n_types`, 4.*got 5"),
        ({"n_rare": 4, "rare_share": 0.01}, "`n_rare` must be below `n_types`, 4.*got 4"),
        ({"n_rare": 2}, "`n_rare` and `rare_share` belong together.*got 2 and None"),
        ({"rare_share": 0.1}, "`n_rare` and `rare_share` belong together.*got 0 and 0.1"),
        (
            {"n_rare": 1, "rare_share": 0.25},
            "`rare_share` must be above 0 and below 1 / `n_types`, 0.25, got 0.25",
        ),
        ({"n_rare": 1, "rare_share": 0}, "`rare_share` must be above 0"),
        ({"dropout_rate": 1}, "`dropout_rate` must be a share from 0 to below 1, got 1"),
        ({"dropout_rate": -0.1}, "`dropout_rate` must be a share from 0 to below 1, got -0.1"),
        ({"dropout_rate": 1e-13}, "`dropout_rate` must be above .* or 0; got 1e-13"),
        ({"dropout_rate": None}, "Give `dropout_rate`.*or `dropout_alpha`; got None and None"),
        ({"dropout_alpha": 1}, "Give `dropout_rate`.*or `dropout_alpha`; got 0.5 and 1"),
        (
            {"dropout_rate": None, "dropout_alpha": 0},
            "`dropout_alpha` must be a finite number above 0, got 0",
        ),
        ({"noise_is": "var"}, "Unknown `noise_is` 'var'. Known: variance, sd"),
        ({"noise_max": -1}, "`noise_max` must be a finite number from 0, got -1"),
        ({"latent_variance": 0}, "`latent_variance` must be a finite number above 0, got 0"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(bad, message):
    with pytest.raises(ValueError, match=message):
        simlr(**{**SMALL, "seed": 0, **bad})
