"""When training stops: the paper's rule, patience on held-out entries, epochs, time."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from scscope.model import Network
from scscope.seeds import derive_seed
from scscope.settings import Settings
from scscope.sources import InMemory, Source
from scscope.train.apply import apply, masked_error

HELD_OUT_CELLS = 10_000  # at most: some of the entries of these cells are hidden

MAX_EPOCHS = "max_epochs"
MAX_SECONDS = "max_seconds"
NO_CHANGE = "no_change"
NO_GAIN = "no_gain"


@dataclass
class Change:
    """The paper's rule: stop when the masked error changes by less than a share between checks."""

    source: Source
    tolerance: float
    last: float = float("nan")

    def check(self, network: Network, device: str) -> tuple[float, str | None]:
        """Error now, and the reason to stop, if there is one."""
        error, last = masked_error(network, self.source, device), self.last
        self.last = error
        return error, NO_CHANGE if abs(last - error) < self.tolerance * last else None

    def best(self) -> Tensor | None:
        """Weights to go back to in the end: none, the last ones count."""
        return None

    def state(self) -> dict:
        """What a checkpoint keeps, beside tensors."""
        return {"last": self.last}

    def tensors(self) -> dict[str, Tensor]:
        """Tensors that a checkpoint keeps."""
        return {}

    def restore(self, state: dict, tensors: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.last = state["last"]


@dataclass
class Patience:
    """Stop when held-out entries have not been predicted better for some checks; keep the best.

    Parameters
    ----------
    hidden
        Cells some of whose observed entries are hidden.
    entries
        Indices (row in `hidden`, gene) of these entries, two aligned arrays.
    values
        What was observed there.
    patience
        Checks without a gain.
    """

    hidden: InMemory
    entries: tuple[np.ndarray, np.ndarray]
    values: np.ndarray
    patience: int
    least: float = float("inf")
    waited: int = 0
    weights: Tensor | None = None

    def check(self, network: Network, device: str) -> tuple[float, str | None]:
        """Error now, and the reason to stop, if there is one."""
        error = self.error(network, device)
        if error < self.least:
            weights = [parameter.detach().flatten() for parameter in network.parameters()]
            self.least, self.waited, self.weights = error, 0, torch.cat(weights).cpu()
        else:
            self.waited += 1
        return error, NO_GAIN if self.waited >= self.patience else None

    def error(self, network: Network, device: str) -> float:
        """Norm of the error at the held-out entries, relative to the norm of their values."""
        row, gene = self.entries
        squared, done = 0.0, 0
        for cells, passes in apply(network, self.hidden, device):
            here = slice(*np.searchsorted(row, (cells[0], cells[-1] + 1)))
            predicted = passes.outputs[-1].cpu().numpy()[row[here] - done, gene[here]]
            squared += float(np.square(predicted - self.values[here], dtype=np.float64).sum())
            done += len(cells)
        return float(np.sqrt(squared / np.square(self.values, dtype=np.float64).sum()))

    def best(self) -> Tensor | None:
        """Weights with the least error, in the order of the network's parameters."""
        return self.weights

    def state(self) -> dict:
        """What a checkpoint keeps, beside tensors."""
        return {"least": self.least, "waited": self.waited}

    def tensors(self) -> dict[str, Tensor]:
        """Tensors that a checkpoint keeps."""
        return {} if self.weights is None else {"best": self.weights}

    def restore(self, state: dict, tensors: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.least, self.waited = state["least"], state["waited"]
        self.weights = tensors.get("best")


def rule_of(source: Source, settings: Settings, seed: int) -> tuple[Change | Patience, Source]:
    """The rule that the settings name, and the data to train on under it."""
    if settings.stopping == "change":
        return Change(source, settings.tolerance), source
    rng = np.random.default_rng(derive_seed(seed, "held_out"))
    n_cells = source.shape[0]
    cells = np.sort(rng.choice(n_cells, min(n_cells, HELD_OUT_CELLS), replace=False))
    X = sparse.vstack([part.X for _, part in source.chunks(cells)], format="csr")
    X.sort_indices()
    shown = InMemory(X, None if source.batch is None else source.batch[cells])
    row, gene = X.nonzero()
    chosen = np.sort(rng.choice(len(row), round(len(row) * settings.held_out), replace=False))
    if not len(chosen):
        raise ValueError(
            f"No entry is left to hold out: {len(row)} observed entries times "
            f"`held_out` = {settings.held_out:g}. Choose a larger share or stopping='change'."
        )
    row, gene = row[chosen], gene[chosen]
    values = np.asarray(X[row, gene]).ravel()
    rule = Patience(shown.without(row, gene), (row, gene), values, settings.patience)
    return rule, source.without(cells[row], gene)
