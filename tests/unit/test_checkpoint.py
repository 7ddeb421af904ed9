"""A training that is broken off and gone on with ends with the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy import sparse

from scscope import ScScope

# Trains in a process of its own; says when a checkpoint is there.
SCRIPT = """
import signal, sys
import numpy as np
from scipy import sparse
from scscope import ScScope
import scscope.train.loop as loop

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by jobs in the background
loop.WATCH = 5
folder, path, epochs = sys.argv[1:]
X = sparse.load_npz(path).tocsr()
try:
    ScScope(n_latent=4, max_epochs=int(epochs), seed=3).fit(
        X, checkpoint=folder, checkpoint_seconds=0
    )
except KeyboardInterrupt as stop:
    print(stop)
    sys.exit(130)
"""


@pytest.fixture(autouse=True)
def ctrl_c():
    """Let Ctrl-C be heard, which jobs in the background ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def X():
    rng = np.random.default_rng(0)
    return sparse.random(700, 20, 0.4, format="csr", dtype=np.float32, random_state=rng)


def start(tmp_path, X, epochs):
    sparse.save_npz(tmp_path / "X.npz", X)
    command = [sys.executable, "-c", SCRIPT, tmp_path / "kept", tmp_path / "X.npz", str(epochs)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    until = time.monotonic() + 60
    while n_epochs(tmp_path / "kept") < 2 and time.monotonic() < until:
        time.sleep(0.01)
    return process


def n_epochs(folder):
    """Finished epochs in the checkpoint of a training that is under way."""
    try:
        facts = json.loads((folder / "checkpoint.json").read_text())["facts"]
    except FileNotFoundError:
        return 0
    return len(facts["state"]["history"]["epoch"])


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_resumed_is_the_same_as_undisturbed(tmp_path, X, how):
    process = start(tmp_path, X, 2_000)
    process.send_signal(how)
    output = process.communicate(timeout=60)[0]
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "broken off. The same call with checkpoint" in output
    else:
        assert process.returncode == -signal.SIGKILL

    done = n_epochs(tmp_path / "kept")
    epochs = done + 4
    resumed = ScScope(n_latent=4, max_epochs=epochs, seed=3, threads=1)
    resumed.fit(X, checkpoint=tmp_path / "kept")
    undisturbed = ScScope(n_latent=4, max_epochs=epochs, seed=3, threads=1).fit(X)
    assert 0 < done < epochs == resumed.record_["epochs"]
    assert resumed.history_["loss"] == undisturbed.history_["loss"]
    np.testing.assert_array_equal(resumed.transform(), undisturbed.transform())


def test_streamed_batch_corrected_and_patient_trainings_go_on_too(tmp_path, X, monkeypatch):
    import anndata

    import scscope.train.loop as loop

    data = anndata.AnnData(X, obs={"donor": np.where(np.arange(700) % 2, "a", "b")})
    data.write_h5ad(tmp_path / "x.h5ad")
    options = {"n_latent": 4, "batch_key": "donor", "memory_mb": 0.1, "stopping": "held_out"}
    options |= {"preset": "package", "learning_rate": 1e-2, "patience": 50, "threads": 1}
    whole = ScScope(**options, max_epochs=8).fit(tmp_path / "x.h5ad")

    monkeypatch.setattr(loop, "WATCH", 3)
    look_at = loop.Training.look_at

    def break_off(self, n_steps):
        look_at(self, n_steps)
        if self.state.epoch == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Training, "look_at", break_off)
    model = ScScope(**options, max_epochs=8)
    with pytest.raises(KeyboardInterrupt, match="The same call with checkpoint"):
        model.fit(tmp_path / "x.h5ad", checkpoint=tmp_path / "kept")
    monkeypatch.setattr(loop.Training, "look_at", look_at)
    model.fit(tmp_path / "x.h5ad", checkpoint=tmp_path / "kept")
    assert model.history_["error"] == whole.history_["error"]
    np.testing.assert_array_equal(model.transform(), whole.transform())
    np.testing.assert_array_equal(model.batch_effect_, whole.batch_effect_)


def test_without_a_checkpoint_the_message_says_that_nothing_was_kept(X, monkeypatch):
    import scscope.train.loop as loop

    look_at = loop.Training.look_at

    def break_off(self, n_steps):
        look_at(self, n_steps)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(loop.Training, "look_at", break_off)
    with pytest.raises(KeyboardInterrupt, match="nothing was kept"):
        ScScope(n_latent=4, max_epochs=5).fit(X)
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    monkeypatch.setattr(loop.Training, "look_at", look_at)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with loop.interrupt() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
    assert not interrupted.is_set()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"n_latent": 5}, "n_latent"),
        ({"seed": 1}, "seed"),
        ({"learning_rate": 0.5}, "learning_rate"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, X, changes, name):
    options = {"n_latent": 4, "max_epochs": 1, "seed": 0}
    ScScope(**options).fit(X, checkpoint=tmp_path)
    with pytest.raises(ValueError, match=f"of another training: `{name}` was"):
        ScScope(**{**options, **changes}).fit(X, checkpoint=tmp_path)
    with pytest.raises(ValueError, match="of another training: `data` was"):
        ScScope(**options).fit(X * 2, checkpoint=tmp_path)


def test_a_finished_training_is_not_done_again_but_may_be_prolonged(tmp_path, X):
    first = ScScope(n_latent=4, max_epochs=2).fit(X, checkpoint=tmp_path)
    again = ScScope(n_latent=4, max_epochs=2).fit(X, checkpoint=tmp_path)
    assert again.record_["steps"] == first.record_["steps"]
    np.testing.assert_array_equal(again.transform(), first.transform())
    longer = ScScope(n_latent=4, max_epochs=5).fit(X, checkpoint=tmp_path)
    whole = ScScope(n_latent=4, max_epochs=5).fit(X)
    assert longer.record_["epochs"] == 5
    np.testing.assert_array_equal(longer.transform(), whole.transform())
