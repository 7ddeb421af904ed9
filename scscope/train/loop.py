"""The training loop."""

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from scscope.errors import Diverged
from scscope.model import Network, Passes
from scscope.settings import Settings
from scscope.train.adam import Adam
from scscope.train.gradient import Autograd

logger = logging.getLogger("scscope.train")

CHUNK = 4_096  # cells that go through the network at a time when nothing is learned
RESIDENT_BYTES = 2**30  # data that are smaller when dense are kept so, on the device


def train(
    network: Network,
    X: sparse.csr_matrix,
    batch: np.ndarray | None,
    settings: Settings,
    *,
    seed: int,
    device: str,
) -> dict[str, list]:
    """Fit the network to `X`, in place.

    Parameters
    ----------
    network
        Network on `device`.
    X
        Values of shape (n_cells, n_genes), finite and non-negative.
    batch
        Index of the batch of each cell, shape (n_cells,), or None.
    settings
        How to train.
    seed
        Seed of the minibatches.
    device
        "cpu" or "cuda".

    Returns
    -------
    dict
        Columns of equal length, one row for each epoch: "epoch", "loss" (mean over minibatches)
        and "error" (masked error of all cells where it was checked, else NaN).

    Raises
    ------
    Diverged
        The loss is no longer finite.
    """
    gradients = [Autograd(network, adam, settings) for adam in optimisers_of(network, settings)]
    rng = np.random.default_rng(seed)
    history: dict[str, list] = {"epoch": [], "loss": [], "error": []}
    last_error = None
    load = loader(X, batch, device)
    for epoch in range(1, settings.max_epochs + 1):
        losses = []
        for cells in minibatches(X.shape[0], settings, rng):
            x, batch_of = load(cells)
            for gradient in gradients:
                loss = gradient(x, batch_of)
                gradient.adam.step()
            losses.append(loss)

        mean_loss = float(torch.stack(losses).mean())
        if not np.isfinite(mean_loss):
            raise Diverged(
                f"The loss is {mean_loss} in epoch {epoch} of {settings.max_epochs}. "
                f"Try a learning rate below {settings.learning_rate:g} or another input scale."
            )
        check = epoch % settings.epochs_per_check == 0
        error = masked_error(network, X, batch, device) if check else float("nan")
        for name, value in (("epoch", epoch), ("loss", mean_loss), ("error", error)):
            history[name].append(value)
        if check:
            logger.info("Epoch %d: loss %.6g, masked error %.6g", epoch, mean_loss, error)
            if last_error is not None and abs(last_error - error) < settings.tolerance * last_error:
                break
            last_error = error
    return history


def optimisers_of(network: Network, settings: Settings) -> list[Adam]:
    """Adam over all weights, or one more for the batch effect where it takes steps of its own."""
    groups = [list(network.parameters())]
    if settings.separate_batch_step and network.batch_effect is not None:
        effect = network.batch_effect
        groups = [[weight for weight in groups[0] if weight is not effect], [effect]]
    constants = {"learning_rate": settings.learning_rate, "beta1": settings.beta1}
    return [Adam(group, **constants) for group in groups]


def minibatches(n_cells: int, settings: Settings, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cell indices of the minibatches of one epoch.

    A data set smaller than one minibatch is one minibatch.
    """
    size = min(settings.batch_size, n_cells)
    if settings.sampling == "draws":
        for _ in range(n_cells // size):
            yield rng.choice(n_cells, size, replace=False)
        return
    order = rng.permutation(n_cells)
    for start in range(0, n_cells, size):
        yield order[start : start + size]


def masked_error(
    network: Network, X: sparse.csr_matrix, batch: np.ndarray | None, device: str
) -> float:
    """Norm of the last pass's error over observed entries, relative to the input's norm."""
    squared, scale = 0.0, 0.0
    for _, passes in apply(network, X, batch, device):
        residual = (passes.outputs[-1] - passes.corrected) * (passes.corrected != 0)
        squared += float(residual.square().sum())
        scale += float(passes.corrected.square().sum())
    return float(np.sqrt(squared / scale)) if scale else 0.0


@torch.no_grad()
def apply(
    network: Network,
    X: sparse.csr_matrix,
    batch: np.ndarray | None,
    device: str,
    cells: np.ndarray | None = None,
) -> Iterator[tuple[np.ndarray, Passes]]:
    """Run cells (all of them by default) through the network, in chunks and in order."""
    cells = np.arange(X.shape[0]) if cells is None else cells
    for start in range(0, len(cells), CHUNK):
        chunk = cells[start : start + CHUNK]
        yield chunk, network(*to_device(X, batch, chunk, device))


def loader(
    X: sparse.csr_matrix, batch: np.ndarray | None, device: str
) -> Callable[[np.ndarray], tuple[Tensor, Tensor | None]]:
    """Function from cell indices to dense values (n, n_genes) and batch indices (n,)."""
    if X.shape[0] * X.shape[1] * X.dtype.itemsize > RESIDENT_BYTES:
        return lambda cells: to_device(X, batch, cells, device)
    x, batch_of = to_device(X, batch, np.arange(X.shape[0]), device)

    def load(cells: np.ndarray) -> tuple[Tensor, Tensor | None]:
        index = torch.from_numpy(cells).to(device)
        return x[index], None if batch_of is None else batch_of[index]

    return load


def to_device(
    X: sparse.csr_matrix, batch: np.ndarray | None, cells: np.ndarray, device: str
) -> tuple[Tensor, Tensor | None]:
    """Dense values (n, n_genes) and batch indices (n,) of some cells."""
    x = torch.from_numpy(X[cells].toarray()).to(device)
    return x, None if batch is None else torch.from_numpy(batch[cells]).to(device)
