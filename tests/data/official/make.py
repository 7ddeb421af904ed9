"""Write what the released code makes of small fixed weights and data, one npz file a case.

    TF_PYTHON tests/data/official/make.py DIR

`benchmarks/official.py` says how to get TF_PYTHON and DIR, the released code.
"""

import json
import sys
import types
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[2] / "benchmarks"))

from official import load, session_calling, silence  # noqa: E402

CASES = {  # arguments of the released `train`, and the number of batches
    "t1": {"T": 1},
    "t2": {"T": 2},
    "t3": {"T": 3},
    "t2_unmasked": {"T": 2, "use_mask": False},
    "t3_deep": {"T": 3, "encoder_layers": [7, 6], "decoder_layers": [5]},
    "t1_batches": {"T": 1, "n_batches": 3},
    "t2_batches": {"T": 2, "n_batches": 3},
    "t3_batches": {"T": 3, "n_batches": 2},
    "t2_batches_unmasked": {"T": 2, "n_batches": 3, "use_mask": False},
    "t2_batches_deep": {
        "T": 2, "n_batches": 2, "encoder_layers": [7], "decoder_layers": [5, 6]
    },
}  # fmt: skip
N_CELLS, N_GENES, N_LATENT = 7, 9, 4
N_STEPS = 3
LEARNING_RATE = 0.01


def main() -> None:
    """Run each case in both precisions; keep the float64 numbers, say how far float32 is from them."""
    code = Path(sys.argv[1])
    single = {name: arrays_of(name, load(code)) for name in CASES}
    double = {name: arrays_of(name, load(code, double=True)) for name in CASES}
    for name, arrays in double.items():
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
        apart = max(
            np.abs(arrays[key] - value).max() / np.abs(value).max()
            for key, value in single[name].items()
            if value.dtype.kind == "f" and value.any()
        )
        print(f"{name}: float32 and float64 differ by at most {apart:.1e} of the largest value")


def arrays_of(name: str, official: types.SimpleNamespace) -> dict[str, np.ndarray]:
    """All arrays of one case, see README.md."""
    settings = dict(CASES[name])
    n_batches = settings.pop("n_batches", 1)
    rng = np.random.default_rng([1, list(CASES).index(name)])
    observed = rng.random((N_CELLS, N_GENES)) < 0.55
    x = rng.integers(1, 33, observed.shape) / 8 * observed
    batch = np.arange(N_CELLS) % n_batches
    # Without batches `train` takes none, and makes a column of zeros of it.
    one_hot = np.eye(n_batches)[batch] if n_batches > 1 else np.zeros((N_CELLS, 1))

    model, start, steps = train(official, x, one_hot if n_batches > 1 else [], settings, rng)
    session = model["latent_code_session"]
    for weight, value in start.items():
        weight.load(value, session)
    loss, gradients, fed = loss_and_gradients(official, session.graph, list(start), x, one_hot)
    tested = {model["test_input"]: x, model["test_exp_batch_idx"]: one_hot}
    arrays = {
        "settings": np.array(json.dumps(CASES[name])),
        "x": x,
        "batch": batch,
        "learning_rate": np.array(LEARNING_RATE),
        "loss": session.run(loss, fed),
        "latents": np.array(session.run(model["latent_code"], tested)),
        "outputs": np.array(session.run(model["Imputated_output"], tested)),
    }
    calls = 2 if n_batches > 1 else 1  # of the session in a training step
    values = {
        "weight": start.values(),
        "gradient": session.run(gradients, fed),
        "after_1": steps[calls - 1],
        f"after_{N_STEPS}": steps[-1],
    }
    session.close()
    for kind, each in values.items():
        for weight, value in zip(start, each, strict=True):
            arrays[f"{kind}/{weight.op.name.split('/')[-1]}"] = value.astype(np.float32)
    return arrays


def train(official, x, one_hot, settings: dict, rng: np.random.Generator) -> tuple:
    """Call the released `train`: its model, the weights it began with, and those after each call of
    its session.
    """
    start, snapshots = {}, []

    def watch(session):
        """Set the weights after their initialisation, and keep them after each further call."""
        weights = session.graph.get_collection("trainable_variables")
        for weight in [] if start else weights:
            # float32, so that they are the same in either precision.
            start[weight] = rng.uniform(-0.5, 0.5, weight.shape.as_list()).astype(np.float32)
            weight.load(start[weight], session)
        snapshots.append(session.run(weights))

    official.tf.Session = session_calling(watch)
    with silence():
        model = official.package.train(
            x,
            N_LATENT,
            batch_size=N_CELLS,
            max_epoch=N_STEPS,
            exp_batch_idx_input=one_hot,
            learning_rate=LEARNING_RATE,
            **settings,
        )
    return model, start, snapshots[1:]


def loss_and_gradients(official, graph, weights: list, x, one_hot) -> tuple:
    """The loss of training and its gradients as parts of the graph, and what to feed for them."""
    loss = next(op for op in graph.get_operations() if op.name.endswith("total_loss")).outputs[0]
    with graph.as_default():
        gradients = official.tf.gradients(loss, weights)
    names = ("Placeholder:0", "Placeholder_1:0")
    fed = dict(zip(map(graph.get_tensor_by_name, names), (x, one_hot), strict=True))
    return loss, gradients, fed


if __name__ == "__main__":
    main()
