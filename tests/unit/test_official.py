"""Preset "package" against numbers of the released code itself, see tests/data/official/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from scscope.model import new_network
from scscope.settings import settings_of
from scscope.train.engine import gradient_of
from scscope.train.gradient import Autograd, loss_of
from scscope.train.loop import optimisers_of

FOLDER = Path(__file__).parents[1] / "data" / "official"
CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
BATCHED = [name for name in CASES if "batches" in name]
# The released code was run in float64, which its outputs keep; gradients and weights are kept as float32.
CLOSE = {torch.float64: {"rtol": 1e-9, "atol": 1e-9}, torch.float32: {"rtol": 1e-5, "atol": 1e-6}}


class Case:
    """Arrays of one run of the released code, and our network with the same weights."""

    def __init__(self, name: str, dtype: torch.dtype = torch.float64, **overrides):
        with np.load(FOLDER / f"{name}.npz") as file:
            self.arrays = dict(file)
        asked = json.loads(str(self["settings"]))
        self.n_batches = asked.get("n_batches", 1)
        self.settings = settings_of(
            "package",
            n_latent=self["latents"].shape[-1],
            n_steps=asked["T"],
            encoder_layers=asked.get("encoder_layers"),
            decoder_layers=asked.get("decoder_layers"),
            use_mask=asked.get("use_mask"),
            learning_rate=float(self["learning_rate"]),
            batch_size=len(self["x"]),
            **{"mask_fault": True, **overrides},
        )
        n_genes = self["x"].shape[1]
        self.network = new_network(n_genes, self.n_batches, self.settings, 0).to(dtype)
        with torch.no_grad():
            for name, weight in self.weights().items():
                weight.copy_(torch.from_numpy(self.ours("weight", name)))
        self.x = torch.from_numpy(self["x"]).to(dtype)
        self.batch = torch.from_numpy(self["batch"]) if self.n_batches > 1 else None

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def weights(self) -> dict[str, torch.Tensor]:
        """Our weights by their name in the released code."""
        names = {}
        for ours, theirs in (("encode", "latent"), ("decode", "reconstruction")):
            layers = [layer for layer in getattr(self.network, ours) if hasattr(layer, "weight")]
            for place, layer in enumerate(layers[:-1]):
                # "dencoder": as it is written there.
                weight = f"{'encoder' if ours == 'encode' else 'dencoder'}_layer{place}"
                names[weight] = layer.weight
                names[f"{ours}r_layer_bias{place}"] = layer.bias
            names[f"{theirs}_layer_weights"] = layers[-1].weight
            names[f"{theirs}_layer_bias"] = layers[-1].bias
        if self.settings.n_steps > 1:
            first, second = self.network.impute[0], self.network.impute[-1]
            names |= {"impute_layer_weights": first.weight, "impute_layer_bias": first.bias}
            names |= {"impute_layer_weights2": second.weight, "impute_layer_bias2": second.bias}
        if self.n_batches > 1:
            names["batch_effect_weight"] = self.network.batch_effect
        return names

    def ours(self, kind: str, name: str) -> np.ndarray:
        """Values of the released code for a weight, in our layout (outputs, inputs)."""
        value = self[f"{kind}/{name}"].astype(np.float64)
        return value.T if value.ndim == 2 and name != "batch_effect_weight" else value

    def loss(self) -> torch.Tensor:
        return loss_of(self.network(self.x, self.batch), self.x, self.settings)

    def train(self, n_steps: int) -> None:
        """Take steps with all cells as the minibatch."""
        optimisers = optimisers_of(self.network, self.settings)
        for _ in range(n_steps):
            for adam in optimisers:
                Autograd(self.network, adam, self.settings)(self.x, self.batch)
                adam.step()


def close_to(case: Case, kind: str, values: dict[int, torch.Tensor]) -> None:
    """Compare values, by the id of their weight, with those that the files keep as float32."""
    for name, weight in case.weights().items():
        if id(weight) in values:
            value = values[id(weight)].detach().numpy()
            expected = case.ours(kind, name)
            np.testing.assert_allclose(value, expected, err_msg=name, **CLOSE[torch.float32])


def test_the_cases_cover_what_they_should():
    settings = [json.loads(str(np.load(FOLDER / f"{name}.npz")["settings"])) for name in CASES]
    for batched in (False, True):
        chosen = [case for case in settings if ("n_batches" in case) == batched]
        assert {case["T"] for case in chosen} == {1, 2, 3}
        assert any(case.get("encoder_layers") and case.get("decoder_layers") for case in chosen)
        assert any(case.get("use_mask") is False for case in chosen)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_codes_outputs_and_loss_are_those_of_the_released_code(name, dtype):
    case = Case(name, dtype)
    passes = case.network(case.x, case.batch)
    for ours, theirs in ((passes.latents, "latents"), (passes.outputs, "outputs")):
        np.testing.assert_allclose(torch.stack(ours).detach().numpy(), case[theirs], **CLOSE[dtype])
    assert case.loss().item() == pytest.approx(float(case["loss"]), rel=CLOSE[dtype]["rtol"])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_the_chosen_engine_are_those_of_the_released_code(name, dtype):
    case = Case(name, dtype)
    for adam in optimisers_of(case.network, case.settings):
        engine, _ = gradient_of(case.network, adam, case.settings, len(case.x))
        loss = engine(case.x, case.batch)
        assert loss.item() == pytest.approx(float(case["loss"]), rel=CLOSE[dtype]["rtol"])
        close_to(case, "gradient", {id(weight): weight.grad for weight in adam.parameters})


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n_steps", [1, 3])
def test_training_steps_are_those_of_the_released_code(name, n_steps):
    case = Case(name)
    case.train(n_steps)
    close_to(case, f"after_{n_steps}", {id(weight): weight for weight in case.weights().values()})


@pytest.mark.parametrize("name", [name for name in BATCHED if "unmasked" not in name])
def test_without_the_fault_unobserved_entries_do_not_count(name):
    faulty, mended = Case(name), Case(name, mask_fault=False)
    assert mended.loss().item() != pytest.approx(float(faulty["loss"]), rel=1e-3)

    passes = mended.network(mended.x, mended.batch)
    shift = torch.where(mended.x == 0, 1.0, 0.0)
    moved = [output + shift for output in passes.outputs]
    changed = type(passes)(**{**passes.__dict__, "outputs": moved})
    for case, counts in ((faulty, True), (mended, False)):
        before = loss_of(passes, case.x, case.settings)
        after = loss_of(changed, case.x, case.settings)
        assert torch.equal(before, after) != counts


@pytest.mark.parametrize("name", [name for name in CASES if name not in BATCHED])
def test_without_batches_there_is_no_fault(name):
    assert torch.equal(Case(name).loss(), Case(name, mask_fault=False).loss())
