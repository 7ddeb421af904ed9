"""Threads of one process, and the start of several workers for those who do not call torchrun."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from scscope.errors import Diverged
from scscope.processes import end_with
from scscope.settings import Settings
from scscope.sources import InMemory, OnDisk, Source
from scscope.store import load_folder

PACKAGE = Path(__file__).parents[1]
ENTRIES_PER_THREAD = 60_000
TRAINED = "trained"  # what worker 0 leaves
REQUEST, FAILURE, LOG = "request.json", "failure.json", "log.txt"
# What a worker may raise that is raised again where the workers were started.
KNOWN = (Diverged, ValueError, OSError, MemoryError, torch.OutOfMemoryError)
ERRORS = {error.__name__: error for error in KNOWN}


def threads_for(size: int, available: int) -> int:
    """Threads that are worth their while for minibatches of `size` entries, cells x genes.

    They wait for each other in every step. Where that takes less than a millisecond, waiting costs
    more than the threads bring as soon as a core has something else to do, see docs/speed.md.
    """
    return max(1, min(available, size // ENTRIES_PER_THREAD))


@contextmanager
def use_threads(threads: int) -> Iterator[None]:
    """Let PyTorch use so many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train_on_devices(
    source: Source,
    settings: Settings,
    *,
    n_devices: int,
    n_batches: int,
    threads: int,
    **options,
) -> tuple[dict[str, Tensor], dict[str, list], dict]:
    """Train a network with several workers, by `torchrun` on this machine.

    Parameters
    ----------
    source
        The cells. Those in memory are handed over in a file, and each worker reads all of them.
    settings
        How to train.
    n_devices
        Number of workers.
    n_batches
        Number of batches.
    threads
        Threads of each worker.
    **options
        "seed", "device" and the limits of `scscope.train.loop.train`.

    Returns
    -------
    tuple
        Weights by name, history and record, see `scscope.train.loop.train`.

    Raises
    ------
    RuntimeError
        A worker failed; the others were stopped. What it raised is raised here where it is known.
    """
    with tempfile.TemporaryDirectory(prefix="scscope-") as folder:
        request = {
            "source": _handed_over(source, Path(folder)),
            "settings": asdict(settings),
            "n_batches": n_batches,
            "options": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in options.items()
            },
        }
        Path(folder, REQUEST).write_text(json.dumps(request))
        code = _torchrun(folder, n_devices, threads)
        if code:
            _raise_failure(Path(folder), code)
        tensors, facts = load_folder(folder, TRAINED)
        return tensors, facts["history"], facts["record"]


def _torchrun(folder: str, n_devices: int, threads: int) -> int:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={n_devices}", f"--log-dir={folder}"]
    command += ["-m", "scscope.train.worker", folder]
    parent = os.getpid()
    # The workers import this very library, wherever it was imported from.
    path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    with Path(folder, LOG).open("w") as log:
        # A session of its own: Ctrl-C reaches the workers once, from here, and not from the
        # terminal as well.
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path},
            start_new_session=True,
            preexec_fn=lambda: end_with(parent),
        )
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.wait()
            raise


def _raise_failure(folder: Path, code: int) -> None:
    if (folder / FAILURE).exists():
        failure = json.loads((folder / FAILURE).read_text())
        raise ERRORS.get(failure["kind"], OSError)(failure["message"])
    lines = (folder / LOG).read_text(errors="replace").strip().splitlines()[-20:]
    raise RuntimeError(
        f"A worker died and torchrun ended with exit code {code}; the other workers were stopped. "
        "Its last lines:\n" + "\n".join(lines)
    )


def _handed_over(source: Source, folder: Path) -> dict:
    """What a worker needs to open the same cells."""
    batch = None
    if source.batch is not None:
        np.save(folder / "batch.npy", source.batch)
        batch = str(folder / "batch.npy")
    if isinstance(source, OnDisk):
        columns = {"path": source.path, "key": source.key, "memory_mb": source.memory_mb}
        return {"batch": batch, **columns}
    sparse.save_npz(folder / "X.npz", source.X, compressed=False)
    return {"batch": batch, "matrix": str(folder / "X.npz")}


def source_of(request: dict) -> Source:
    """Open the cells that `train_on_devices` handed over."""
    batch = None if request["batch"] is None else np.load(request["batch"], allow_pickle=False)
    if "matrix" in request:
        return InMemory(sparse.csr_matrix(sparse.load_npz(request["matrix"])), batch)
    place = {name: request[name] for name in ("path", "key", "memory_mb")}
    return OnDisk(**place, batch=batch)
