import numpy as np
import pytest
import torch
from scipy import sparse

import scscope.sources
from scscope.errors import Diverged
from scscope.model import new_network
from scscope.settings import PRESETS, Settings, settings_of
from scscope.sources import InMemory
from scscope.train.adam import Adam
from scscope.train.apply import masked_error
from scscope.train.loop import minibatches, optimisers_of, train


@pytest.fixture
def X():
    """Values of rank three with half of the entries missing."""
    rng = np.random.default_rng(0)
    full = rng.gamma(2, 1, (200, 3)) @ rng.gamma(2, 1, (3, 40))
    return sparse.csr_matrix((full * (rng.random(full.shape) < 0.5)).astype(np.float32))


def fitted(X, batch=None, seed=0, **changes):
    settings = settings_of("paper", n_latent=8, **{"max_epochs": 5, **changes})
    network = new_network(X.shape[1], 1 if batch is None else batch.max() + 1, settings, 0)
    return network, *train(network, InMemory(X, batch), settings, seed=seed, device="cpu")


@pytest.mark.parametrize("preset", PRESETS)
def test_training_lowers_the_loss_and_the_masked_error(X, preset):
    settings = settings_of(preset, n_latent=8, max_epochs=60, learning_rate=1e-3)
    network = new_network(X.shape[1], 1, settings, 0)
    before = masked_error(network, InMemory(X), "cpu")
    history, _ = train(network, InMemory(X), settings, seed=0, device="cpu")
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert masked_error(network, InMemory(X), "cpu") < 0.5 * before


def test_the_seed_decides_the_minibatches(X):
    losses = [fitted(X, seed=seed)[1]["loss"] for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_a_permutation_visits_every_cell_once():
    seen = np.concatenate(list(minibatches(150, 64, "permutation", np.random.default_rng(0))))
    assert sorted(seen) == list(range(150))


def test_draws_are_as_many_as_whole_minibatches_fit():
    batches = list(minibatches(150, 64, "draws", np.random.default_rng(0)))
    assert [len(set(batch)) for batch in batches] == [64, 64]


def test_fewer_cells_than_a_minibatch_are_one_minibatch():
    for sampling in ("draws", "permutation"):
        batches = list(minibatches(10, 64, sampling, np.random.default_rng(0)))
        assert [sorted(batch) for batch in batches] == [list(range(10))]


def test_training_stops_when_the_error_no_longer_changes(X):
    _, history, record = fitted(X, max_epochs=50, epochs_per_check=2, tolerance=1.0)
    assert record["stopped"] == "no_change"
    assert history["epoch"][-1] == 4  # the second check is the first that can compare
    checked = ~np.isnan(history["error"])
    assert list(np.array(history["epoch"])[checked]) == [2, 4]


def test_a_loss_that_is_not_finite_stops_at_once_and_says_what_to_try(X):
    with pytest.raises(
        Diverged, match=r"in step \d+ of epoch 1 of 5. Try a learning rate below 1e"
    ):
        fitted(X * 1e18, learning_rate=1e30)


def test_the_batch_effect_is_learned_with_steps_of_its_own_or_not(X):
    batch = np.arange(X.shape[0]) % 2
    for separate, n_optimisers in ((False, 1), (True, 2)):
        settings = settings_of("paper", n_latent=8, max_epochs=20)
        settings = Settings(**{**settings.__dict__, "separate_batch_step": separate})
        network = new_network(X.shape[1], 2, settings, 0)
        assert len(optimisers_of(network, settings)) == n_optimisers
        train(network, InMemory(X, batch), settings, seed=0, device="cpu")
        assert network.batch_effect.abs().max() > 0


def test_adam_steps_as_torchs_does_where_gradients_are_not_tiny():
    torch.manual_seed(0)
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (3,))]
    theirs = [weight.detach().clone().requires_grad_() for weight in ours]
    optimiser = Adam(ours, learning_rate=0.05, beta1=0.3)
    reference = torch.optim.Adam(theirs, lr=0.05, betas=(0.3, 0.999))
    x = torch.randn(10, 4)
    for _ in range(20):
        optimiser.gradient.zero_()
        (x @ ours[0] + ours[1]).square().sum().backward()
        optimiser.step()
        reference.zero_grad()
        (x @ theirs[0] + theirs[1]).square().sum().backward()
        reference.step()
    for weight, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(weight, expected)


def test_adam_adds_epsilon_where_tensorflow_does():
    gradients = [1e-7, -3e-8, 2e-7]
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimiser = Adam([weight], learning_rate=0.1, beta1=0.9)
    mean, square, expected = 0.0, 0.0, 0.0
    for step, gradient in enumerate(gradients, 1):
        optimiser.gradient[0] = gradient
        optimiser.step()
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        expected -= rate * mean / (np.sqrt(square) + 1e-8)
        assert float(weight.detach()) == pytest.approx(expected, rel=1e-9)


def test_data_too_large_to_be_kept_dense_give_the_same_fit(X, monkeypatch):
    _, kept, _ = fitted(X)
    monkeypatch.setattr(scscope.sources, "RESIDENT_BYTES", 0)
    _, loaded, _ = fitted(X)
    assert loaded["loss"] == kept["loss"]
