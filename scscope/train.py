"""The training loop."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.optim.adam import adam

from scscope.errors import Diverged
from scscope.model import Network, Passes
from scscope.settings import Settings

logger = logging.getLogger("scscope.train")

CHUNK = 4_096  # cells that go through the network at a time when nothing is learned
RESIDENT_BYTES = 2**30  # data that are smaller when dense are kept so, on the device


class Adam:
    """Adam with the defaults of Kingma and Ba (2015), in the form of TensorFlow's.

    TensorFlow adds epsilon to the root of the second moment before its bias is corrected (the
    "epsilon hat" at the end of the paper's section 2), PyTorch after. The difference shows where a
    gradient is below about 1e-5.

    The update is the one that `torch.optim.Adam` calls. That class's constructor imports PyTorch's
    compiler, which takes longer than many a fit.

    Parameters
    ----------
    weights
        What is updated.
    learning_rate, beta1
        As in the paper.
    clock
        Number of steps taken, the first of a list: optimisers that share it count each other's
        steps, as the released code's do.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        *,
        learning_rate: float,
        beta1: float,
        clock: list[int] | None = None,
    ):
        self.weights = list(weights)
        self.constants = {"lr": learning_rate, "beta1": beta1, "beta2": 0.999}
        self.clock = [0] if clock is None else clock
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]
        self.counts = [torch.zeros((), device=weight.device) for weight in self.weights]

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        """Take one step down the gradient of `loss`."""
        for count in self.counts:
            count.fill_(self.clock[0])  # `adam` adds 1
        self.clock[0] += 1
        eps = 1e-8 / math.sqrt(1 - self.constants["beta2"] ** self.clock[0])
        adam(
            self.weights,
            list(torch.autograd.grad(loss, self.weights)),
            self.means,
            self.squares,
            [],
            self.counts,
            fused=True,
            amsgrad=False,
            weight_decay=0.0,
            maximize=False,
            eps=eps,
            **self.constants,
        )


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
    optimisers = optimisers_of(network, settings)
    rng = np.random.default_rng(seed)
    history: dict[str, list] = {"epoch": [], "loss": [], "error": []}
    last_error = None
    load = loader(X, batch, device)
    for epoch in range(1, settings.max_epochs + 1):
        losses = []
        for cells in minibatches(X.shape[0], settings, rng):
            x, batch_of = load(cells)
            for optimiser in optimisers:
                loss = loss_of(network(x, batch_of), x, settings)
                optimiser.step(loss)
            losses.append(loss.detach())

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
    """Adam over all weights, or one more for the batch effect where it takes steps of its own.

    The two then share their count of steps, from which Adam corrects its biases (released code).
    """
    groups = [list(network.parameters())]
    if settings.separate_batch_step and network.batch_effect is not None:
        effect = network.batch_effect
        groups = [[weight for weight in groups[0] if weight is not effect], [effect]]
    constants = {
        "learning_rate": settings.learning_rate,
        "beta1": settings.beta1,
        "clock": [0],
    }
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


def loss_of(passes: Passes, x: Tensor, settings: Settings) -> Tensor:
    """Reconstruction error over all passes.

    Only observed entries count, unless `use_mask` is off. "squared" is the sum over passes and
    genes of the squared error, averaged over the cells of the minibatch (the paper sums over
    cells: a constant factor, to which Adam is indifferent). "norm" is the Frobenius norm of the
    whole minibatch, summed over passes (released code).
    """
    target = passes.shifted if settings.mask_fault else passes.corrected
    observed = (x if settings.rectify == "sum" and not settings.mask_fault else target).sign()
    losses = []
    for output in passes.outputs:
        residual = output - target
        if settings.use_mask:
            residual = residual * observed
        if settings.loss == "squared":
            losses.append((residual * residual).sum() / len(x))
        else:
            losses.append(torch.linalg.norm(residual))
    return torch.stack(losses).sum()


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
