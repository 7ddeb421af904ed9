"""Several devices: the gradient of the official towers, and failures that end the run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from scipy import sparse

from scscope import ScScope
from scscope.errors import Diverged
from scscope.model import new_network
from scscope.settings import settings_of
from scscope.train.adam import Adam
from scscope.train.gradient import loss_of
from scscope.train.workers import Workers

ROOT = Path(__file__).parents[2]
N_CELLS, N_GENES, STEPS = 36, 12, 3

# One worker: gradients of a few minibatches in float64, and the weights after the last step.
SCRIPT = """
import json, sys
import numpy as np, torch
from scscope.model import new_network
from scscope.settings import settings_of
from scscope.train.gradient import Autograd
from scscope.train.loop import optimisers_of
from scscope.train.workers import workers

torch.set_num_threads(1)
preset, out = sys.argv[1:]
settings = settings_of(preset, n_latent=4, learning_rate=1e-2)
x = torch.from_numpy(np.load(out + "/x.npy"))
network = new_network(x.shape[1], 1, settings, 0).double()
with workers("cpu") as group:
    (adam,) = optimisers_of(network, settings)
    gradient = Autograd(network, adam, settings)
    gradients = []
    for rows in np.split(np.arange(len(x)), 3):
        gradient(x[group.share(rows)], None)
        group.average(adam.gradient)
        adam.step()
        gradients.append(adam.gradient.numpy().copy())
    if group.rank == 0:
        np.savez(out + "/found.npz", weights=adam.weights.numpy(), gradients=gradients)
"""


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return rng.gamma(1, 2, (N_CELLS, N_GENES)) * (rng.random((N_CELLS, N_GENES)) < 0.5)


def by_torchrun(tmp_path, x, n, preset):
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "worker.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={n}", f"--log-dir={tmp_path}"]
    command += [tmp_path / "worker.py", preset, tmp_path]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=env, capture_output=True)
    return np.load(tmp_path / "found.npz")


def towers(x, n, preset):
    """Each tower's own loss on its own shard, gradients averaged, one step of Adam."""
    settings = settings_of(preset, n_latent=4, learning_rate=1e-2)
    network = new_network(N_GENES, 1, settings, 0).double()
    weights = list(network.parameters())
    adam = Adam(weights, learning_rate=1e-2, beta1=settings.beta1)
    gradients = []
    for rows in torch.from_numpy(x).split(N_CELLS // STEPS):
        losses = [loss_of(network(shard), shard, settings) for shard in rows.chunk(n)]
        grads = torch.autograd.grad(sum(losses) / n, weights)
        adam.gradient.copy_(torch.cat([grad.flatten() for grad in grads]))
        gradients.append(adam.gradient.numpy().copy())
        adam.step()
    return adam.weights.numpy(), gradients


@pytest.mark.workflow
@pytest.mark.parametrize(("n", "preset"), [(2, "paper"), (3, "package")])
def test_the_gradient_is_the_mean_of_towers(tmp_path, x, n, preset):
    found = by_torchrun(tmp_path, x, n, preset)
    weights, gradients = towers(x, n, preset)
    np.testing.assert_allclose(found["gradients"], gradients, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["weights"], weights, rtol=1e-9, atol=1e-12)
    alone, _ = towers(x, 1, preset)
    if preset == "paper":  # a sum of squares over equal shards is that over the joined minibatch
        np.testing.assert_allclose(found["weights"], alone, rtol=1e-9, atol=1e-12)
    else:  # norms do not add up
        assert np.abs(found["weights"] - alone).max() > 1e-6


def test_shares_are_equal_and_disjoint():
    rows = np.arange(11)
    shares = [Workers(rank, 3).share(rows) for rank in range(3)]
    assert [len(share) for share in shares] == [3, 3, 3]
    assert len(set(np.concatenate(shares))) == 9


@pytest.fixture
def X():
    return sparse.random(
        400, 30, 0.3, format="csr", dtype=np.float32, random_state=np.random.default_rng(0)
    )


@pytest.mark.workflow
def test_two_devices_fit_as_one_with_the_joined_minibatch(X):
    options = {"n_latent": 4, "max_epochs": 3, "seed": 1, "learning_rate": 1e-2}
    two = ScScope(**options, n_devices=2, batch_size=40).fit(X)
    one = ScScope(**options, batch_size=80).fit(X)
    assert two.record_["n_devices"] == 2
    assert two.record_["steps"] == one.record_["steps"] == 15
    np.testing.assert_allclose(two.history_["loss"], one.history_["loss"], rtol=1e-4)
    np.testing.assert_allclose(two.transform(X), one.transform(X), rtol=0.02, atol=1e-3)


@pytest.mark.workflow
def test_divergence_in_a_worker_is_divergence(X):
    with pytest.raises(Diverged, match="in step . of epoch 1"):
        ScScope(n_latent=4, n_devices=2, learning_rate=1e30).fit(X * 1e18)


@pytest.mark.workflow
def test_a_worker_that_dies_ends_the_run(X):
    code = """
import sys
from scipy import sparse
from scscope import ScScope
X = sparse.load_npz(sys.argv[1]).tocsr()
try:
    ScScope(n_latent=4, max_epochs=10**8, n_devices=2).fit(X)
except RuntimeError as error:
    print(error)
"""
    path = Path(os.environ.get("TMPDIR", "/tmp"), f"scscope-test-{os.getpid()}.npz")
    sparse.save_npz(path, X)
    try:
        command = [sys.executable, "-c", code, path]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        victim, others = worker_of(process)
        time.sleep(1)
        victim.send_signal(signal.SIGKILL)
        output = process.communicate(timeout=90)[0]
    finally:
        path.unlink()
    assert "A worker died and torchrun ended with exit code" in output
    assert not any(other.is_running() and other.status() != "zombie" for other in others)


def worker_of(process):
    """A worker that trains, and its siblings."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            children = psutil.Process(process.pid).children(recursive=True)
            workers = [
                child
                for child in children
                if "scscope.train.worker" in child.cmdline()
                and "torch.distributed.run" not in child.cmdline()
            ]
            if len(workers) == 2 and all(w.cpu_times().user > 2 for w in workers):
                return workers[0], workers[1:]
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.1)
    raise AssertionError(f"No workers within a minute; exit code {process.poll()}.")


def test_the_record_says_how_many_devices(X):
    model = ScScope(n_latent=4, max_epochs=1).fit(X)
    assert json.loads(json.dumps(model.record_))["n_devices"] == 1
