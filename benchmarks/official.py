"""The released scScope code (TensorFlow 1), run beside ours: time it, fit with it.

Needs the code, github.com/AltschulerWu-Lab/scScope, in a folder of its own, and a Python that has
TensorFlow 2 (the code runs under `tensorflow.compat.v1`), NumPy and scikit-learn (it imports that);
this project's own packages are not needed there. Nothing of the code is part of this project.

    python -m venv tf && tf/bin/pip install tensorflow-cpu==2.21.0 scikit-learn
    git clone https://github.com/AltschulerWu-Lab/scScope official
    git -C official checkout 3fd7e39  # what all kept numbers were made with
    tf/bin/python benchmarks/official.py time --official official --cells 2000 --genes 500
"""

import argparse
import importlib.util
import itertools
import json
import os
import random
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np

PACKAGE = "scscope_cpu/scscope"  # the released variant without GPUs, below the folder of the code


class Names(types.ModuleType):
    """Stands for `tensorflow` in the released code: TensorFlow's v1 names, some of them replaced."""

    def __getattr__(self, name):
        return getattr(sys.modules["tensorflow.compat.v1"], name)


def load(folder: Path, *, threads: int = 1, double: bool = False) -> types.SimpleNamespace:
    """Import the released code.

    Parameters
    ----------
    folder
        Checkout of the released code.
    threads
        Threads of TensorFlow, within an operation and between operations.
    double
        Whether the code computes in float64, although it asks for float32.

    Returns
    -------
    types.SimpleNamespace
        `package`, the released module; `tf`, TensorFlow as the module sees it. `tf.Session` can be
        replaced before `package.train` is called.
    """
    init = folder / PACKAGE / "__init__.py"
    if not init.is_file():
        sys.exit(f"`--official` must be a checkout of the released code: no {init}.")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        import tensorflow.compat.v1 as tf
    except ImportError:
        sys.exit(f"{sys.executable} has no TensorFlow: `pip install tensorflow-cpu`.")
    tf.disable_v2_behavior()
    tf.logging.set_verbosity(tf.logging.ERROR)

    names = Names("tensorflow")
    names.ConfigProto = lambda **settings: tf.ConfigProto(
        intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads, **settings
    )
    if double:
        names.float32 = tf.float64
        names.train = types.SimpleNamespace(
            AdamOptimizer=lambda learning_rate, beta1: tf.train.AdamOptimizer(
                *map(np.float64, (learning_rate, beta1, 0.999, 1e-8))
            )
        )
    # The released code imports PhenoGraph, but not for training.
    hidden = {"tensorflow": names, "phenograph": types.ModuleType("phenograph")}
    kept = {name: sys.modules.get(name) for name in hidden}
    sys.modules.update(hidden)
    spec = importlib.util.spec_from_file_location(
        f"official_{'double' if double else 'single'}",
        init,
        submodule_search_locations=[str(init.parent)],
    )
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)
    for name, module in kept.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module
    return types.SimpleNamespace(package=package, tf=names)


def set_seed(official: types.SimpleNamespace, seed: int) -> None:
    """Seed minibatches and initial weights; the released code itself seeds nothing."""
    tf = sys.modules["tensorflow.compat.v1"]
    random.seed(seed)
    each = itertools.count(1_000 * seed)
    official.tf.truncated_normal_initializer = lambda **settings: tf.truncated_normal_initializer(
        seed=next(each), **settings
    )


def run_time(options: argparse.Namespace) -> None:
    """Print the time of a training step as JSON: seconds_per_step (mean), median_seconds_per_step,
    cells_per_second (of the mean) and steps. Building the graph and the first step are left out;
    drawing the minibatch and handing it to TensorFlow are not.
    """
    official = load(options.official, threads=options.threads)
    set_seed(official, options.seed)
    ends = []
    official.tf.Session = session_calling(lambda session: ends.append(time.perf_counter()))
    with silence():
        official.package.train(
            made_up(options.cells, options.genes, options.density, options.seed),
            options.latent,
            batch_size=options.batch,
            max_epoch=options.epochs,
            epoch_per_check=options.epochs + 1,
            T=options.passes,
            learning_rate=1e-3,
        )
    steps = np.diff(ends[1:])  # the first call sets the initial weights
    if len(steps) == 0:
        sys.exit("One training step is too few: raise --epochs or --cells.")
    seconds = float(np.mean(steps))
    print(
        json.dumps(
            {
                "seconds_per_step": seconds,
                "median_seconds_per_step": float(np.median(steps)),
                "cells_per_second": options.batch / seconds,
                "steps": len(steps),
            }
        )
    )


def session_calling(after: Callable) -> type:
    """A TensorFlow session that calls `after(session)` at the end of each `run`."""

    class Session(sys.modules["tensorflow.compat.v1"].Session):
        inside = False

        def run(self, *args, **kwargs):
            result = super().run(*args, **kwargs)
            if not self.inside:
                self.inside = True
                after(self)
                self.inside = False
            return result

    return Session


def made_up(n_cells: int, n_genes: int, density: float, seed: int) -> np.ndarray:
    """Dense non-negative values, about `density` of them above 0, shape (n_cells, n_genes)."""
    rng = np.random.default_rng(seed)
    values = rng.random((n_cells, n_genes), dtype=np.float32)
    return np.maximum(values - (1 - density), 0) * (4 / density)


def run_fit(options: argparse.Namespace) -> None:
    """Fit each input that has no result yet, and write the result beside it."""
    waiting = [path for path in options.inputs if not result_of(path).exists()]
    if not waiting:
        return
    official = load(options.official, threads=options.threads)
    for path in waiting:
        with np.load(path) as file:
            X, seed, settings = file["X"], int(file["seed"]), json.loads(str(file["settings"]))
        set_seed(official, seed)
        start = time.perf_counter()
        with silence():
            model = official.package.train(X, **settings)
            latent, output, _ = official.package.predict(X, model)
        model["latent_code_session"].close()
        part = result_of(path).with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, latent=latent, output=output, seconds=time.perf_counter() - start)
        part.replace(result_of(path))
        print(f"{path.name}: {time.perf_counter() - start:.1f} s", flush=True)


def result_of(path: Path) -> Path:
    """Where the fit of an input is written."""
    return path.with_suffix(".fit")


def silence():
    """Keep what the released code prints out of the output."""
    from contextlib import redirect_stdout

    return redirect_stdout(sys.stderr)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    timing = commands.add_parser(
        "time", help="print the time of a training step as JSON", description=run_time.__doc__
    )
    timing.add_argument("--cells", type=int, default=2_000)
    timing.add_argument("--genes", type=int, default=500)
    timing.add_argument("--batch", type=int, default=64, help="cells of a minibatch")
    timing.add_argument("--epochs", type=int, default=20)
    timing.add_argument("--density", type=float, default=0.5, help="share of values above 0")
    timing.add_argument("--latent", type=int, default=50, help="latent units of a pass")
    timing.add_argument("--passes", type=int, default=2, help="passes T")
    timing.add_argument("--seed", type=int, default=0)
    timing.set_defaults(run=run_time)

    fitting = commands.add_parser("fit", help="fit npz files", description=run_fit.__doc__)
    fitting.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        help="npz files with X (cells x genes), seed, and settings (JSON, arguments of the released "
        "`train`); the result, NAME.fit, is an npz file with latent, output and seconds",
    )
    fitting.set_defaults(run=run_fit)

    for command in (timing, fitting):
        command.add_argument(
            "--official", type=Path, required=True, help="checkout of the released code"
        )
        command.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
