"""Why training stops, and with which weights."""

import numpy as np
import pytest
from scipy import sparse

from scscope.estimator import ScScope
from scscope.model import new_network
from scscope.settings import settings_of
from scscope.sources import InMemory
from scscope.train.loop import optimisers_of, train
from scscope.train.stopping import Patience, rule_of


@pytest.fixture
def X():
    """Values of rank three with half of the entries missing."""
    rng = np.random.default_rng(0)
    full = rng.gamma(2, 1, (300, 3)) @ rng.gamma(2, 1, (3, 40))
    return sparse.csr_matrix((full * (rng.random(full.shape) < 0.5)).astype(np.float32))


def test_held_out_entries_are_a_share_of_the_observed_ones_and_hidden_from_training(X):
    settings = settings_of("paper", stopping="held_out", held_out=0.2)
    rule, source = rule_of(InMemory(X), settings, seed=0)
    row, gene = rule.entries
    assert len(row) == round(0.2 * X.nnz)
    np.testing.assert_array_equal(rule.values, np.asarray(X[row, gene]).ravel())
    assert (rule.values > 0).all()
    for shown in (source.X, rule.hidden.X):
        assert not np.asarray(shown[row, gene]).any()
        assert shown.nnz == X.nnz - len(row)
    assert rule_of(InMemory(X), settings, seed=0)[0].entries[0].tolist() == row.tolist()
    assert rule_of(InMemory(X), settings, seed=1)[0].entries[0].tolist() != row.tolist()


def test_the_error_at_held_out_entries_is_the_relative_norm(X, monkeypatch):
    import scscope.sources

    settings = settings_of("paper", n_latent=4, stopping="held_out")
    rule, _ = rule_of(InMemory(X), settings, seed=0)
    network = new_network(40, 1, settings, 0)
    model = ScScope(n_latent=4)
    model.network_, model.genes_ = network, None
    row, gene = rule.entries
    predicted = model.impute(row, gene, rule.hidden.X)
    expected = np.linalg.norm(predicted - rule.values) / np.linalg.norm(rule.values)
    assert rule.error(network, "cpu") == pytest.approx(expected, rel=1e-6)
    monkeypatch.setattr(scscope.sources, "CHUNK_VALUES", 40 * 17)  # 17 cells at a time
    assert rule.error(network, "cpu") == pytest.approx(expected, rel=1e-6)


def test_patience_ends_training_and_goes_back_to_the_best_weights(X):
    settings = settings_of(
        "paper", n_latent=20, stopping="held_out", patience=3, max_epochs=1_000, learning_rate=1e-2
    )
    network = new_network(40, 1, settings, 0)
    history, record = train(network, InMemory(X), settings, seed=0, device="cpu")
    errors = np.array(history["error"])
    assert record["stopped"] == "no_gain"
    assert record["epochs"] < 1_000
    assert errors.argmin() == len(errors) - 1 - 3
    rule, _ = rule_of(InMemory(X), settings, seed=0)
    assert rule.error(network, "cpu") == pytest.approx(errors.min(), rel=1e-6)


def test_patience_waits_for_as_many_checks_as_it_says(X, monkeypatch):
    settings = settings_of("paper", n_latent=4, stopping="held_out", patience=2)
    rule, _ = rule_of(InMemory(X), settings, seed=0)
    network = new_network(40, 1, settings, 0)
    optimisers_of(network, settings)
    errors = iter([5.0, 4.0, 4.5, 3.0, 3.0, 3.1])
    monkeypatch.setattr(Patience, "error", lambda *_: next(errors))
    reasons = [rule.check(network, "cpu")[1] for _ in range(6)]
    assert reasons == [None] * 5 + ["no_gain"]


def test_time_is_a_limit(X):
    model = ScScope(n_latent=4, max_epochs=10**9).fit(X, max_seconds=0.5)
    assert model.record_["stopped"] == "max_seconds"
    assert model.record_["seconds"] >= 0.5
    assert np.isfinite(model.transform()).all()


def test_a_loss_that_rises_without_bounds_is_divergence(X):
    from scscope.errors import Diverged

    with pytest.raises(Diverged, match="rose from .* in epoch 1 to .* Try a learning rate below"):
        ScScope(n_latent=4, max_epochs=9, batch_size=300, learning_rate=10.0).fit(X)


def test_nothing_to_hold_out_is_refused():
    X = np.zeros((5, 3), dtype=np.float32)
    X[0, 0] = 1
    with pytest.raises(ValueError, match="No entry is left to hold out: 1 observed"):
        ScScope(n_latent=2, stopping="held_out").fit(X)
