"""Checkpoints: a training kept in a folder, from which it goes on as if never broken off."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from scscope.model import Network
from scscope.settings import Settings
from scscope.sources import Source
from scscope.store import load_folder, save_folder
from scscope.train.adam import Adam
from scscope.train.workers import Workers

KIND = "checkpoint"
SAMPLE = 1_000  # cells by which the data are known again


class Checkpoints:
    """The checkpoint of one training.

    Parameters
    ----------
    folder
        Where it is kept; None keeps nothing.
    network, source, settings, seed, n_workers
        What makes it this training and no other.
    """

    def __init__(
        self,
        folder: str | Path | None,
        network: Network,
        source: Source,
        settings: Settings,
        seed: int,
        n_workers: int,
    ):
        self.folder = None if folder is None else Path(folder)
        if self.folder is None:
            return
        self.identity = {
            **{name: _plain(value) for name, value in asdict(settings).items()},
            "data": signature(source),
            "n_batches": 1 if network.batch_effect is None else len(network.batch_effect),
            "seed": seed,
            "n_devices": n_workers,
        }

    def load(self, optimisers: list[Adam], rule) -> dict | None:
        """Take up the training where it was left: its state, or None where there is none."""
        if self.folder is None or not (self.folder / f"{KIND}.json").exists():
            return None
        tensors, facts = load_folder(self.folder, KIND)
        for name, value in self.identity.items():
            # More epochs or more patience may be asked of the same training.
            if name in ("max_epochs", "patience"):
                continue
            if (found := facts["identity"].get(name)) != value:
                raise ValueError(
                    f"The checkpoint in '{self.folder}' is of another training: `{name}` was "
                    f"{found!r} there and is {value!r} now. Name another folder, or remove it."
                )
        with torch.no_grad():
            for place, values in _named(optimisers).items():
                values.copy_(tensors[place])
        rule.restore(facts["rule"], tensors)
        return facts["state"]

    def save(self, optimisers: list[Adam], rule, state: dict, group: Workers) -> None:
        """Keep the training; only worker 0 writes."""
        if self.folder is None or group.rank:
            return
        facts = {"identity": self.identity, "rule": rule.state(), "state": state}
        save_folder(self.folder, KIND, {**_named(optimisers), **rule.tensors()}, facts)

    def message(self) -> str:
        """What to tell a user who broke off."""
        if self.folder is None:
            return "Training was broken off; nothing was kept, because no checkpoint was asked for."
        return f"Training was broken off. The same call with checkpoint '{self.folder}' goes on."


def signature(source: Source) -> str:
    """sha256 of the shape and of the first and last thousand cells."""
    digest = hashlib.sha256(str(tuple(source.shape)).encode())
    n_cells = source.shape[0]
    ends = np.unique(np.r_[: min(SAMPLE, n_cells), max(0, n_cells - SAMPLE) : n_cells])
    for cells, part in source.chunks(ends):
        X = part.X.sorted_indices()
        for array in (cells, X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data):
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _named(optimisers: list[Adam]) -> dict[str, torch.Tensor]:
    return {
        f"{number}.{name}": values
        for number, adam in enumerate(optimisers)
        for name, values in adam.state().items()
    }


def _plain(value):
    return list(value) if isinstance(value, tuple) else value
