"""What the original DCA makes of small fixed weights and data; see README.md. Needs TensorFlow and tf_keras.

Usage: make.py CHECKOUT FOLDER, with a checkout of github.com/theislab/dca, of which the files
`network.py`, `loss.py`, `layers.py` and `train.py` are run as they are.
"""

import os
import sys
import types
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"

import numpy as np
import tensorflow as tf
import tf_keras

N_CELLS, N_GENES, HIDDEN, EPOCHS = 14, 9, (6, 3, 5), 3
# Not "zinb": its dropout is no output of its model, so Keras neither trains nor keeps that layer.
TYPES = ("zinb-conddisp", "nb-conddisp", "nb")


def stand_in(name: str, **content) -> None:
    """A module that the code imports by a name that has gone, or that is not needed here."""
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


def load_original(checkout: Path):
    """Import the code under the Keras of today's TensorFlow."""
    for name in ("layers", "models", "regularizers", "initializers", "backend", "callbacks"):
        sys.modules[f"keras.{name}"] = getattr(tf_keras, name)
    legacy = tf_keras.optimizers.legacy  # of the time of the code
    stand_in("keras", **{**vars(tf_keras), "optimizers": legacy})
    sys.modules["keras.optimizers"] = legacy
    stand_in("keras.objectives", mean_squared_error=tf_keras.losses.mean_squared_error)
    stand_in("keras.engine")
    stand_in("keras.engine.topology", Layer=tf_keras.layers.Layer)
    stand_in("keras.engine.base_layer", InputSpec=tf_keras.layers.InputSpec)
    stand_in("keras.preprocessing")
    stand_in("keras.preprocessing.image", Iterator=object)
    stand_in("scanpy")
    stand_in("dca", __path__=[str(checkout / "dca")])
    stand_in("dca.io", write_text_matrix=None)
    stand_in("dca.hyper", hyper=None)
    from dca.network import AE_types
    from dca.train import train

    return AE_types, train


def data() -> dict[str, np.ndarray]:
    """Counts, size factors, and the input that DCA's `normalize` makes of them."""
    rng = np.random.default_rng(3)
    counts = rng.negative_binomial(1.5, 0.3, (N_CELLS, N_GENES)).astype(np.float32)
    counts[rng.random(counts.shape) < 0.3] = 0
    counts[:, 0] += 1  # no cell without counts
    total = counts.sum(axis=1)
    size = (total / np.median(total)).astype(np.float32)
    log = np.log1p(counts / size[:, None])
    x = (log - log.mean(axis=0)) / log.std(axis=0, ddof=1)
    return {"counts": counts, "size": size, "x": x.astype(np.float32)}


def weights_of(model) -> dict[str, np.ndarray]:
    """Weights and moving averages by name."""
    names = [weight.name.split(":")[0] for weight in model.weights]
    return dict(zip(names, model.get_weights(), strict=True))


def run(original, train, kind: str, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs and loss with drawn weights, gradients in training, and weights after some epochs."""
    K = tf_keras.backend
    K.clear_session()
    network = original[kind](input_size=N_GENES, hidden_size=HIDDEN)
    network.build()
    rng = np.random.default_rng(4)
    drawn = []
    for name, values in weights_of(network.model).items():
        scale = 0.1 if values.ndim == 1 else 0.4
        noise = rng.normal(scale=scale, size=values.shape)
        drawn.append(values + (np.abs(noise) if "variance" in name else noise))
    found = dict(given)

    # `train` compiles the model, and sets the optimiser up anew, before it fits.
    adata = types.SimpleNamespace(
        X=given["x"],
        obs=types.SimpleNamespace(size_factors=given["size"]),
        raw=types.SimpleNamespace(X=given["counts"]),
    )
    settings = {"batch_size": N_CELLS, "validation_split": 0.0, "reduce_lr": 0, "early_stop": 0}

    def fit(epochs: int) -> None:
        network.model.set_weights(drawn)
        train(adata, network, epochs=epochs, verbose=False, threads=1, **settings)

    fit(0)
    network.model.set_weights(drawn)
    found |= {f"weight/{name}": value for name, value in weights_of(network.model).items()}
    inputs = {"count": given["x"], "size_factors": given["size"]}
    found["output"] = network.model.predict(inputs, verbose=0)
    found["latent"] = network.encoder.predict(inputs, verbose=0)
    found["loss"] = np.float32(network.model.evaluate(inputs, given["counts"], N_CELLS, verbose=0))
    for epochs in (1, EPOCHS):
        fit(epochs)
        after = weights_of(network.model)
        found |= {f"after_{epochs}/{name}": value for name, value in after.items()}
    return found


def main() -> None:
    """Write a file for each distribution."""
    checkout, folder = map(Path, sys.argv[1:])
    tf.compat.v1.disable_eager_execution()  # as DCA's own `dca()` does
    # `train` would open a session of its own, in which the drawn weights are lost.
    tf.compat.v1.keras.backend.set_session = lambda session: None
    original, train = load_original(checkout)
    for kind in TYPES:
        np.savez_compressed(folder / f"{kind}.npz", **run(original, train, kind, data()))


if __name__ == "__main__":
    main()
