"""The network and its losses against the paper's equations, written out in NumPy."""

import numpy as np
import pytest
import torch

from scscope.model import WEIGHT_SD, Network
from scscope.settings import PRESETS, settings_of
from scscope.train.gradient import loss_of

N_CELLS, N_GENES = 7, 11


def relu(x):
    return np.maximum(x, 0)


def network_of(settings, n_batches=1, seed=0):
    network = Network(N_GENES, n_batches, settings, torch.Generator().manual_seed(seed)).double()
    if n_batches > 1:
        torch.nn.init.normal_(network.batch_effect, std=0.5)
    return network


def weights_of(layers):
    """Pairs (W, b) of the dense layers, as arrays."""
    dense = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    return [(d.weight.detach().numpy(), d.bias.detach().numpy()) for d in dense]


def passes_by_equations(network, settings, x, effect):
    """h^t and y^t for t = 1..T as in the online Methods; `effect` is B e_c of each cell."""
    corrected = relu(x - effect)
    filled, latents, outputs = corrected, [], []
    for _ in range(settings.n_steps):
        h = filled
        for W, b in weights_of(network.encode):
            h = relu(h @ W.T + b)
        y = h
        for W, b in weights_of(network.decode):
            y = relu(y @ W.T + b)
        latents.append(h)
        outputs.append(y)
        if settings.n_steps > 1:
            (W_u, b_u), (W_v, b_v) = weights_of(network.impute)
            v = relu(y @ W_u.T + b_u) @ W_v.T + b_v
            if settings.rectify == "imputation":
                filled = corrected + np.where(corrected == 0, relu(v), 0)
            else:
                filled = relu(x - effect + np.where(x == 0, v, 0))
    return corrected, latents, outputs


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return rng.gamma(1, 2, (N_CELLS, N_GENES)) * (rng.random((N_CELLS, N_GENES)) < 0.5)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("n_steps", [1, 2, 3])
@pytest.mark.parametrize("n_batches", [1, 3])
@pytest.mark.parametrize("layers", [(), (9, 6)])
def test_forward_and_loss_follow_the_equations(x, preset, n_steps, n_batches, layers):
    settings = settings_of(
        preset, n_latent=4, n_steps=n_steps, encoder_layers=layers, decoder_layers=layers[::-1]
    )
    network = network_of(settings, n_batches)
    batch = np.arange(N_CELLS) % n_batches
    effect = 0.0 if n_batches == 1 else network.batch_effect.detach().numpy()[batch]
    index = None if n_batches == 1 else torch.from_numpy(batch)

    passes = network(torch.from_numpy(x), index)
    corrected, latents, outputs = passes_by_equations(network, settings, x, effect)
    for ours, expected in ((passes.latents, latents), (passes.outputs, outputs)):
        assert len(ours) == n_steps
        np.testing.assert_allclose(torch.stack(ours).detach().numpy(), expected, rtol=1e-9)

    observed = corrected != 0 if preset == "paper" else x != 0
    residuals = [(y - corrected) * observed for y in outputs]
    if preset == "paper":
        expected = sum((r**2).sum() for r in residuals) / N_CELLS
    else:
        expected = sum(np.sqrt((r**2).sum()) for r in residuals)
    loss = loss_of(passes, torch.from_numpy(x), settings).item()
    assert loss == pytest.approx(expected, rel=1e-9)


def test_without_mask_zeros_count_in_the_loss(x):
    settings = settings_of("paper", n_latent=4, use_mask=False)
    passes = network_of(settings)(torch.from_numpy(x))
    expected = sum(((y.detach().numpy() - x) ** 2).sum() for y in passes.outputs) / N_CELLS
    assert loss_of(passes, torch.from_numpy(x), settings).item() == pytest.approx(expected)


def test_observed_entries_are_never_overwritten(x):
    network = network_of(settings_of("paper", n_latent=4))
    values = torch.from_numpy(x)
    filled = network.fill(values, values, values, torch.full_like(values, 5.0)).numpy()
    np.testing.assert_array_equal(filled[x > 0], x[x > 0])
    assert (filled[x == 0] == 5).all()


def test_initial_weights_are_those_of_the_released_code():
    network = Network(500, 1, settings_of("package"), torch.Generator().manual_seed(0))
    weight = network.encode[0].weight.detach().numpy()
    # Standard deviation of a normal cut at two of its own, in closed form: .8796 sd.
    assert weight.std() == pytest.approx(0.8796 * WEIGHT_SD, rel=0.02)
    assert np.abs(weight).max() <= 2 * WEIGHT_SD
    assert not network.encode[0].bias.any()


def test_the_seed_decides_the_initial_weights():
    first, again, other = (network_of(PRESETS["paper"], seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.encode[0].weight, again.encode[0].weight)
    assert not torch.equal(first.encode[0].weight, other.encode[0].weight)
