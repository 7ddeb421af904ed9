"""Denoising autoencoders: what is corrupted, by how much, and what is to be predicted from it."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse

from scscope import ScScope
from scscope.settings import settings_of
from scscope.sources import InMemory
from scscope.train import fused
from scscope.train.corruption import corruption_of, observed_sd
from scscope.train.fused import Fused
from scscope.train.gradient import Autograd
from tests.unit.test_fused import assert_same, can_sample, cells, network_of

N_CELLS, N_GENES = 3_000, 12


@pytest.fixture(scope="module")
def X():
    """Far from zero where something is observed, so that noise makes nothing negative."""
    rng = np.random.default_rng(0)
    values = rng.normal(100, rng.uniform(1, 4, N_GENES), (N_CELLS, N_GENES))
    return (values * (rng.random(values.shape) < 0.5)).astype(np.float32)


def corrupted(X, epoch=1, step=0, seed=0, worker=0, **settings):
    settings = settings_of("paper", **settings)
    corrupt = corruption_of(InMemory(sparse.csr_matrix(X)), settings, "cpu", seed, worker)
    x = torch.from_numpy(X.copy())
    shown = corrupt(x, epoch, step).numpy()
    np.testing.assert_array_equal(x, X)
    return shown


def test_the_deviation_is_that_of_the_observed_values(X):
    expected = [column[column > 0].std() for column in X.T.astype(float)]
    found = observed_sd(InMemory(sparse.csr_matrix(X)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not observed_sd(InMemory(sparse.csr_matrix(np.eye(3, dtype=np.float32)))).any()


def test_noise_has_three_tenths_of_the_genes_variance_and_spares_zeros(X):
    shown = corrupted(X, noise=0.3)
    assert not shown[X == 0].any()
    for gene in range(N_GENES):
        seen = X[:, gene] > 0
        noise = (shown - X)[seen, gene].astype(float)
        assert noise.var() == pytest.approx(0.3 * X[seen, gene].astype(float).var(), rel=0.15)
        assert noise.mean() == pytest.approx(0, abs=0.1)


def test_a_tenth_of_the_observed_entries_is_dropped(X):
    shown = corrupted(X, drop=0.1)
    seen = X > 0
    assert np.mean(shown[seen] == 0) == pytest.approx(0.1, abs=0.01)
    kept = shown > 0
    np.testing.assert_array_equal(shown[kept], X[kept])


def test_both_at_once(X):
    shown = corrupted(X, drop=0.1, noise=0.3)
    assert np.mean(shown[X > 0] == 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(shown[X > 0] == X[X > 0]) < 0.01


def test_each_step_has_noise_of_its_own_and_a_repeated_one_the_same(X):
    base = {"epoch": 2, "step": 3, "seed": 1, "worker": 0}
    first = corrupted(X, noise=0.3, **base)
    np.testing.assert_array_equal(first, corrupted(X, noise=0.3, **base))
    for name in base:
        other = corrupted(X, noise=0.3, **{**base, name: base[name] + 1})
        assert not np.array_equal(first, other), name


def test_nothing_becomes_negative():
    X = np.abs(np.random.default_rng(0).normal(0.1, 5, (500, 4))).astype(np.float32)
    assert corrupted(X, noise=3.0).min() == 0


def test_without_noise_there_is_none():
    assert (
        corruption_of(InMemory(sparse.csr_matrix((3, 3))), settings_of("paper"), "cpu", 0, 0)
        is None
    )


def gradient(engine, x, shown):
    engine.adam.gradient.fill_(float("nan"))
    loss = engine(x, None, shown)
    return loss.item(), engine.adam.gradient.clone()


@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("loss", ["squared", "norm"])
@pytest.mark.parametrize("blas", [True, False])
def test_the_compiled_step_is_that_of_autograd(n_steps, loss, blas, monkeypatch):
    if not blas:
        monkeypatch.setattr(fused, "blas", lambda: None)
    x = cells(150)
    shown = cells(150) * (torch.rand(x.shape, generator=torch.Generator().manual_seed(5)) < 0.8)
    parts = network_of(n_steps=n_steps, loss=loss)
    theirs = gradient(Autograd(*parts), x, shown)
    parts = network_of(n_steps=n_steps, loss=loss)
    assert_same(gradient(Fused(*parts), x, shown), theirs)
    plain = gradient(Autograd(*network_of(n_steps=n_steps, loss=loss)), x, None)
    assert plain[0] != pytest.approx(theirs[0], rel=1e-3)


def test_sparse_minibatches_give_the_same():
    can_sample()
    x = cells(100, density=0.05)
    shown = x * (torch.rand(x.shape, generator=torch.Generator().manual_seed(5)) < 0.5)
    theirs = gradient(Autograd(*network_of(n_steps=1)), x, shown)
    assert_same(gradient(Fused(*network_of(n_steps=1)), x, shown), theirs)


def test_what_is_to_be_predicted_is_the_uncorrected_input_by_hand():
    """The loss at hidden entries counts, and is that of the values that were hidden."""
    network, adam, settings = network_of(n_steps=1)
    x = cells(20)
    shown = x.clone()
    shown[:, ::2] = 0
    loss = Autograd(network, adam, settings)(x, None, shown)
    with torch.no_grad():
        output = network(shown).outputs[0]
    expected = ((output - x)[x > 0] ** 2).sum() / 20
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_batch_effect_is_taken_from_what_is_to_be_predicted():
    network, adam, settings = network_of(n_steps=2, n_batches=2)
    torch.nn.init.normal_(network.batch_effect, std=0.3)
    x, batch = cells(20), torch.arange(20) % 2
    shown = x * 0.5
    loss = Autograd(network, adam, settings)(x, batch, shown)
    with torch.no_grad():
        outputs = network(shown, batch).outputs
        target = torch.relu(x - network.batch_effect[batch])
    expected = sum(((y - target)[target > 0] ** 2).sum() for y in outputs) / 20
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_hidden_values_are_predicted_better_by_what_has_learned_to():
    """From genes that move together, of which some are dropped."""
    rng = np.random.default_rng(0)
    full = (rng.gamma(4, 1, (400, 2)) @ rng.gamma(2, 1, (2, 30))).astype(np.float32)
    hidden = rng.random(full.shape) < 0.3
    seen = sparse.csr_matrix(np.where(hidden, 0, full))
    error = {}
    for drop in (0.0, 0.3):
        model = ScScope(n_steps=1, n_latent=10, max_epochs=60, drop=drop, seed=0).fit(full)
        found = model.impute(*np.nonzero(hidden), seen)
        error[drop] = np.abs(found - full[hidden]).mean()
    assert error[0.3] < 0.7 * error[0.0]


@pytest.mark.parametrize("engine", ["compiled step", "automatic differentiation"])
def test_training_broken_off_goes_on_to_the_same_bytes(engine, tmp_path, X, monkeypatch):
    from scscope.train import engine as engines

    if engine != "compiled step":
        monkeypatch.setattr(engines, "Fused", _refuse)
    settings = {"n_steps": 1, "n_latent": 4, "noise": 0.3, "drop": 0.1, "seed": 2}
    whole = ScScope(max_epochs=4, **settings).fit(X[:300])
    assert whole.record_["engine"].startswith(engine)
    for epochs in (2, 4):
        parts = ScScope(max_epochs=epochs, **settings).fit(X[:300], checkpoint=tmp_path / engine)
    np.testing.assert_array_equal(parts.transform(), whole.transform())
    losses = whole.history_["loss"]
    assert all(a != b for a, b in pairwise(losses))


def _refuse(*_, **__):
    raise fused.Unsupported("the test wants no compiled code")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"noise": -0.1}, "`noise` must be at least 0"),
        ({"drop": 1.0}, r"`drop` must be in \[0, 1\)"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        ScScope(**wrong)


def test_the_autoencoder_of_the_benchmark_takes_them(X):
    from scscope.data import Dataset, scaled
    from scscope.methods.scscope import ae

    names = [np.arange(n).astype(str) for n in (200, N_GENES)]
    data = Dataset(sparse.csr_matrix(X[:200]), *names, "continuous", None, None, "")
    given = scaled(data, "size")
    fits = [
        ae(given, seed=0, device="cpu", n_latent=3, max_epochs=2, **settings)
        for settings in ({}, {"noise": 0.3}, {"drop": 0.1}, {"noise": 0.3, "drop": 0.1})
    ]
    latents = {fit.latent.tobytes() for fit in fits}
    assert len(latents) == 4
