"""DCA: its likelihoods, its numbers beside the original's, its training, and what it recovers."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse, stats

from scscope.data import Dataset, scaled
from scscope.dca.likelihood import negative_binomial, zero_inflated
from scscope.dca.model import DCA
from scscope.dca.network import Network
from scscope.dca.scaling import Scaling, scaling_of
from scscope.dca.settings import DISTRIBUTIONS, Settings
from scscope.dca.train import NO_GAIN, optimiser_of, step
from scscope.errors import NotApplicable
from scscope.methods import METHODS
from scscope.sources import InMemory
from tests.conftest import need

ORIGINAL = Path(__file__).parents[1] / "data" / "dca"


@pytest.fixture(scope="module")
def parameters():
    """Counts, means, dispersions and log odds over all that the network's bounds allow."""
    rng = np.random.default_rng(0)
    shape = (200, 30)
    mean = 10 ** rng.uniform(-4, 4, shape)
    theta = 10 ** rng.uniform(-3, 3, shape)
    logit = rng.uniform(-8, 8, shape)
    y = rng.negative_binomial(theta, theta / (theta + mean)).astype(float)
    y[rng.random(shape) < 0.2] = 0
    return y, mean, theta, logit


def as_tensors(*arrays):
    return [torch.from_numpy(np.asarray(a, dtype=np.float64)) for a in arrays]


def test_likelihoods_are_those_of_scipy(parameters):
    y, mean, theta, logit = parameters
    nb = stats.nbinom(theta, theta / (theta + mean))
    found = negative_binomial(*as_tensors(y, mean, theta)).numpy()
    np.testing.assert_allclose(found, -nb.logpmf(y), rtol=1e-5, atol=1e-5)
    pi = 1 / (1 + np.exp(-logit))
    expected = -np.log(pi * (y == 0) + (1 - pi) * nb.pmf(y))
    found = zero_inflated(*as_tensors(y, mean, theta, logit)).numpy()
    finite = np.isfinite(expected)  # scipy's probability underflows in a few of 6,000
    assert finite.mean() > 0.99
    np.testing.assert_allclose(found[finite], expected[finite], rtol=1e-5, atol=1e-5)


def test_likelihoods_are_those_of_scvi(parameters):
    need("scvi", find_spec("scvi") is not None, "scvi-tools is not installed")
    from scvi import distributions

    y, mean, theta, logit = as_tensors(*parameters)
    nb = distributions.NegativeBinomial(mu=mean, theta=theta)
    torch.testing.assert_close(
        negative_binomial(y, mean, theta), -nb.log_prob(y), rtol=1e-5, atol=1e-5
    )
    zinb = distributions.ZeroInflatedNegativeBinomial(mu=mean, theta=theta, zi_logits=logit)
    torch.testing.assert_close(
        zero_inflated(y, mean, theta, logit), -zinb.log_prob(y), rtol=1e-5, atol=1e-5
    )


def names_of(network: Network) -> dict[str, torch.Tensor]:
    """Weights and moving averages of ours by the names of the original."""
    layers = {"enc0": network.hidden[0], "center": network.hidden[1], "dec1": network.hidden[2]}
    layers |= {"mean": network.mean, "dispersion": network.dispersion, "pi": network.dropout}
    found = {}
    for name, layer in layers.items():
        if layer is not None:
            found |= {f"{name}/kernel": layer.weight, f"{name}/bias": layer.bias}
    for number, norm in enumerate(network.norms):
        name = "batch_normalization" + (f"_{number}" if number else "")
        found |= {f"{name}/beta": norm.shift, f"{name}/moving_mean": norm.mean}
        found |= {f"{name}/moving_variance": norm.variance}
    if network.log_dispersion is not None:
        found["dispersion/theta"] = network.log_dispersion
    return found


# Not "zinb": the original's network leaves the layer of its dropout out, which then never learns.
@pytest.fixture(params=["zinb-conddisp", "nb-conddisp", "nb"])
def original(request):
    """Numbers of the original, and our network with its weights."""
    with np.load(ORIGINAL / f"{request.param}.npz") as file:
        numbers = {name: file[name] for name in file.files}
    settings = Settings(distribution=request.param, hidden_layers=(6, 3, 5))
    network = Network(9, settings, torch.Generator())
    given = {name.removeprefix("weight/") for name in numbers if name.startswith("weight/")}
    assert set(names_of(network)) == given
    with torch.no_grad():
        for name, tensor in names_of(network).items():
            values = torch.from_numpy(numbers[f"weight/{name}"])
            tensor.copy_(values.T if name.endswith("kernel") else values.reshape(tensor.shape))
    return numbers, network


def test_outputs_and_loss_are_those_of_the_original(original):
    numbers, network = original
    x, counts, size = (torch.from_numpy(numbers[name]) for name in ("x", "counts", "size"))
    network.eval()
    with torch.no_grad():
        found = network(x)
        latent, loss = network.latent(x), found.loss(counts, size)
    np.testing.assert_allclose(latent, numbers["latent"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.mean * size[:, None], numbers["output"], rtol=1e-5)
    assert float(loss) == pytest.approx(float(numbers["loss"]), rel=1e-6)


def test_input_and_steps_are_those_of_the_original(original):
    numbers, network = original
    counts = sparse.csr_matrix(numbers["counts"])
    total = numbers["counts"].sum(axis=1)
    scaling = scaling_of(counts, total, "cpu")
    size = scaling.size(total)
    np.testing.assert_allclose(size, numbers["size"], rtol=1e-6)
    x = scaling.of(torch.from_numpy(numbers["counts"]), torch.from_numpy(size))
    np.testing.assert_allclose(x, numbers["x"], rtol=1e-5, atol=1e-6)

    part = next(InMemory(counts).parts(np.random.default_rng(0), 1, "cpu"))
    optimiser = optimiser_of(network, Settings())
    for number in range(1, 4):
        step(network, optimiser, part, np.arange(14), size, scaling, Settings().clip)
        if number in (1, 3):
            for name, tensor in names_of(network).items():
                if name in ("enc0/bias", "center/bias", "dec1/bias"):
                    continue  # normalised away: their gradient is rounding, which RMSprop enlarges
                values = numbers[f"after_{number}/{name}"]
                values = values.T if name.endswith("kernel") else values.reshape(tensor.shape)
                np.testing.assert_allclose(
                    tensor.detach(), values, rtol=2e-4, atol=2e-5, err_msg=f"{name}, {number}"
                )


def drawn(kind: str, n_cells: int = 1000, n_genes: int = 40, seed: int = 1):
    """Counts of DCA's own model, and their means: latent factors, dispersions, additional zeros."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_cells, 2))
    mean = np.exp(0.7 + 0.6 * factors @ rng.normal(size=(2, n_genes)))
    mean *= mean.sum(axis=1).mean() / mean.sum(axis=1, keepdims=True)  # at one library size
    size = rng.lognormal(0, 0.3, n_cells)
    theta = rng.uniform(2, 6, n_genes)
    y = rng.negative_binomial(theta, theta / (theta + mean * size[:, None]))
    if kind.startswith("zinb"):
        y[rng.random(y.shape) < 0.2] = 0
    return sparse.csr_matrix(y.astype(np.float32)), mean


@pytest.mark.parametrize("kind", ["zinb-conddisp", "nb"])
def test_means_of_its_own_model_are_recovered_better_than_by_the_gene_mean(kind):
    counts, mean = drawn(kind)
    settings = {"hidden_layers": (32, 4, 32), "learning_rate": 0.01, "max_epochs": 12}
    model = DCA(distribution=kind, seed=0, **settings).fit(counts)
    found = model.impute(*np.indices(counts.shape).reshape(2, -1)).reshape(mean.shape)

    def error(predicted):
        """Mean absolute error of log1p, but for a factor by which all sizes are off."""
        predicted = predicted * np.median(mean / predicted)
        return np.abs(np.log1p(predicted) - np.log1p(mean)).mean()

    dense = counts.toarray()
    scaled = dense * (np.median(dense.sum(axis=1)) / dense.sum(axis=1, keepdims=True))
    gene_mean = np.broadcast_to(scaled.mean(axis=0), mean.shape)
    observed_mean = np.broadcast_to(scaled.sum(axis=0) / (dense > 0).sum(axis=0), mean.shape)
    assert error(found) < 0.75 * min(error(gene_mean), error(observed_mean))


def test_training_stops_and_the_rate_falls_as_the_settings_say():
    """Noise has nothing to learn: the loss of the validation cells soon rises."""
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (150, 40)).astype(np.float32))
    settings = {"learning_rate": 0.01, "reduce_after": 2, "stop_after": 5, "max_epochs": 200}
    model = DCA(distribution="nb", **settings).fit(counts)
    error, rate = (np.array(model.history_[name]) for name in ("error", "learning_rate"))
    assert model.record_["stopped"] == NO_GAIN
    assert len(error) == model.record_["epochs"] == error.argmin() + 1 + 5
    falls = np.flatnonzero(rate[1:] < 0.5 * rate[:-1])
    assert len(falls) >= 1
    np.testing.assert_allclose(rate[falls + 1], 0.1 * rate[falls])
    best, waited = np.inf, 0
    for epoch in range(falls[0] + 1):  # by hand, what Keras counts
        best, waited = (error[epoch], 0) if error[epoch] < best - 1e-4 else (best, waited + 1)
    assert waited == 2


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_same_seed_same_fit_and_new_cells_come_out_as_the_fitted_ones(kind):
    counts, _ = drawn(kind, 80, 20)
    fit = {"distribution": kind, "max_epochs": 2, "hidden_layers": (8, 4, 8)}
    model, again = (DCA(seed=3, **fit).fit(counts) for _ in "ab")
    np.testing.assert_array_equal(model.transform(), again.transform())
    np.testing.assert_allclose(model.transform(counts[10:20]), model.transform()[10:20], rtol=1e-5)
    assert not np.array_equal(model.transform(), DCA(seed=4, **fit).fit(counts).transform())


def test_imputed_entries_are_those_of_the_whole_and_need_no_order():
    counts, _ = drawn("nb", 50, 12)
    model = DCA(distribution="nb", max_epochs=1, hidden_layers=(4, 3, 4)).fit(counts)
    cells, genes = np.indices(counts.shape).reshape(2, -1)
    whole = model.impute(cells, genes).reshape(counts.shape)
    order = np.random.default_rng(0).permutation(counts.shape[0] * counts.shape[1])[:100]
    np.testing.assert_allclose(
        model.impute(cells[order], genes[order]), whole.ravel()[order], rtol=1e-5
    )


def test_an_empty_cell_and_a_gene_that_is_never_seen_do_no_harm():
    counts = drawn("nb", 60, 10)[0].toarray()
    counts[5], counts[:, 3] = 0, 0
    model = DCA(max_epochs=1, hidden_layers=(4, 3, 4)).fit(sparse.csr_matrix(counts))
    assert np.isfinite(model.transform()).all()
    assert np.isfinite(model.impute([5, 0], [3, 3])).all()


def dataset(X, values="counts"):
    n_cells, n_genes = X.shape
    names = [np.arange(n).astype(str) for n in (n_cells, n_genes)]
    return Dataset(X, *names, values=values, label=None, batch=None, hash="")


def test_the_method_predicts_on_the_scale_of_the_benchmark():
    counts, _ = drawn("nb", 60, 10)
    settings = {"distribution": "nb", "max_epochs": 2, "hidden_layers": (4, 3, 4)}
    fit = METHODS["dca"].load()(scaled(dataset(counts), "counts"), seed=0, device="cpu", **settings)
    model = DCA(seed=0, **settings).fit(counts)
    np.testing.assert_allclose(fit.impute([4], [2]), np.log1p(model.impute([4], [2])))
    np.testing.assert_array_equal(fit.latent, model.transform())


def test_what_is_no_count_is_refused():
    X = sparse.csr_matrix([[0.5, 1.0], [2.0, 0.0], [1.0, 1.0]], dtype=np.float32)
    with pytest.raises(ValueError, match="must be non-negative whole numbers"):
        DCA().fit(X)
    with pytest.raises(NotApplicable, match="models counts, and the dataset declares continuous"):
        METHODS["dca"].load()(scaled(dataset(X, "continuous"), "counts"), seed=0, device="cpu")
    with pytest.raises(ValueError, match="too few to train on some"):
        DCA().fit(sparse.csr_matrix(np.eye(1, 5, dtype=np.float32)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"distribution": "zimb"}, "must be one of zinb-conddisp, zinb, nb-conddisp, nb"),
        ({"hidden_layers": ()}, "`hidden_layers` must be positive integers"),
        ({"batch_size": 0}, "`batch_size` must be an integer of at least 1"),
        ({"validation": 1.0}, "`validation` must be between 0 and 1"),
        ({"learning_rate": 0}, "`learning_rate` must be above 0"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        DCA(**wrong)


def test_input_of_new_cells_uses_what_was_fitted():
    scaling = Scaling(median=10.0, mean=torch.zeros(2), sd=torch.ones(2))
    np.testing.assert_allclose(scaling.size(np.array([20.0, 0.0])), [2, 1])
