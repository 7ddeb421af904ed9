"""Training on a GPU; skipped, with the reason, where there is none."""

import numpy as np
import pytest
import torch
from scipy import sparse

from scscope import ScScope
from scscope.model import new_network
from scscope.settings import settings_of
from scscope.train.gradient import Autograd, Captured
from scscope.train.loop import optimisers_of
from tests.conftest import need


@pytest.fixture(autouse=True)
def gpu():
    need("gpu", torch.cuda.is_available(), "PyTorch finds no CUDA device")


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    full = rng.gamma(2, 1, (700, 3)) @ rng.gamma(2, 1, (3, 100))
    return sparse.csr_matrix((full * (rng.random(full.shape) < 0.5)).astype(np.float32))


@pytest.mark.parametrize("preset", ["paper", "package"])
def test_a_recorded_step_is_the_step(X, preset):
    settings = settings_of(preset, n_latent=8)
    x = torch.from_numpy(X[:64].toarray()).cuda()
    found = {}
    for kind in ("plain", "recorded"):
        network = new_network(100, 1, settings, 0).cuda()
        (adam,) = optimisers_of(network, settings)
        gradient = Autograd(network, adam, settings)
        gradient = Captured(gradient, 64) if kind == "recorded" else gradient
        losses = []
        for rows in (x, x * 2, x[:20]):
            losses.append(float(gradient(rows, None)))
            adam.step()
        found[kind] = losses, adam.weights.cpu()
    assert found["plain"][0] == pytest.approx(found["recorded"][0], rel=1e-5)
    torch.testing.assert_close(found["plain"][1], found["recorded"][1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_gpu_learns_as_the_cpu(X, precision):
    options = {"n_latent": 8, "max_epochs": 30, "seed": 0}
    cpu = ScScope(**options).fit(X)
    gpu = ScScope(**options, device="cuda", precision=precision).fit(X)
    assert "CUDA graph" in gpu.record_["engine"]
    assert precision in gpu.record_["engine"]
    assert gpu.history_["loss"][-1] == pytest.approx(cpu.history_["loss"][-1], rel=0.05)
    again = ScScope(**options, device="cuda", precision=precision).fit(X)
    np.testing.assert_array_equal(again.transform(), gpu.transform())


def test_batches_are_corrected_on_the_gpu(X, tmp_path):
    import anndata

    data = anndata.AnnData(X, obs={"donor": np.where(np.arange(700) % 2, "a", "b")})
    model = ScScope(
        n_latent=8, max_epochs=5, preset="package", batch_key="donor", device="cuda"
    ).fit(data)
    assert np.abs(model.batch_effect_).max() > 0
    model.save(tmp_path)
    moved = ScScope.load(tmp_path, device="cpu")
    np.testing.assert_allclose(moved.transform(data), model.transform(data), rtol=1e-3, atol=1e-4)
