"""Training of DCA: RMSprop, a learning rate that falls on a plateau, and early stopping."""

import time

import numpy as np
import torch
from torch import Tensor

from scscope.dca.network import Network
from scscope.dca.scaling import Scaling
from scscope.dca.settings import Settings
from scscope.errors import Diverged
from scscope.progress import Progress
from scscope.sources import Part

RHO, EPSILON = 0.9, 1e-7  # of RMSprop in Keras
FACTOR, LEAST_GAIN = 0.1, 1e-4  # of the learning rate, and of the loss for it to stay (Keras)
CHUNK = 1_024  # cells that are looked at together without learning

MAX_EPOCHS, NO_GAIN = "max_epochs", "no_gain"


def train(
    network: Network,
    part: Part,
    size: np.ndarray,
    scaling: Scaling,
    settings: Settings,
    *,
    seed: int,
) -> tuple[dict[str, list], dict]:
    """Fit the network, in place.

    Parameters
    ----------
    network
        Network on the device of `part`.
    part
        The counts, shape (n_cells, n_genes).
    size
        Size factor of each cell, shape (n_cells,).
    scaling
        How counts become input.
    settings
        How to train.
    seed
        Seed of the validation cells and of the minibatches.

    Returns
    -------
    tuple
        History: columns "epoch", "loss" (mean over minibatches), "error" (loss of the validation
        cells), "learning_rate". And a record: "stopped", "epochs", "steps", "seconds", "engine".

    Raises
    ------
    Diverged
        The loss is no longer finite.
    """
    started, rng = time.perf_counter(), np.random.default_rng(seed)
    n_train = int(len(part) * (1 - settings.validation))
    order = rng.permutation(len(part))
    cells, held_out = order[:n_train], np.sort(order[n_train:])
    optimiser = optimiser_of(network, settings)
    # Keras reduces in the epoch that makes `patience` full, PyTorch in the next one.
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser,
        factor=FACTOR,
        patience=settings.reduce_after - 1,
        threshold=LEAST_GAIN,
        threshold_mode="abs",
    )
    bounds = range(settings.batch_size, n_train, settings.batch_size)
    history: dict[str, list] = {"epoch": [], "loss": [], "error": [], "learning_rate": []}
    best, waited, steps, stopped = float("inf"), 0, 0, MAX_EPOCHS
    with Progress("Training", total=settings.max_epochs) as progress:
        for epoch in range(1, settings.max_epochs + 1):
            rate = optimiser.param_groups[0]["lr"]
            losses = []
            for rows in np.split(rng.permutation(cells), bounds):
                losses.append(step(network, optimiser, part, rows, size, scaling, settings.clip))
            steps += len(losses)
            loss = float(torch.stack(losses).mean())
            error = mean_loss(network, part, held_out, size, scaling)
            for name, value in zip(history, (epoch, loss, error, rate), strict=True):
                history[name].append(value)
            if not np.isfinite([loss, error]).all():
                raise Diverged(
                    f"The loss is {loss}, that of the validation cells {error}, in epoch {epoch}. "
                    f"Try a learning rate below {settings.learning_rate:g}."
                )
            progress.advance(1, epoch=epoch, loss=loss)
            plateau.step(error)
            best, waited = (error, 0) if error < best else (best, waited + 1)
            if waited >= settings.stop_after:
                stopped = NO_GAIN
                break
    seconds = round(time.perf_counter() - started, 3)
    record = {"stopped": stopped, "epochs": epoch, "steps": steps, "seconds": seconds}
    return history, {**record, "engine": "automatic differentiation, float32"}


def optimiser_of(network: Network, settings: Settings) -> torch.optim.Optimizer:
    """RMSprop as Keras computes it."""
    return torch.optim.RMSprop(
        network.parameters(), lr=settings.learning_rate, alpha=RHO, eps=EPSILON
    )


def step(
    network: Network,
    optimiser: torch.optim.Optimizer,
    part: Part,
    rows: np.ndarray,
    size: np.ndarray,
    scaling: Scaling,
    clip: float,
) -> Tensor:
    """One step of the optimiser on some cells; their loss before it, shape ()."""
    network.train()
    counts, factor = minibatch(part, rows, size)
    optimiser.zero_grad()
    loss = network(scaling.of(counts, factor)).loss(counts, factor)
    loss.backward()
    torch.nn.utils.clip_grad_value_(network.parameters(), clip)
    optimiser.step()
    return loss.detach()


@torch.no_grad()
def mean_loss(
    network: Network, part: Part, rows: np.ndarray, size: np.ndarray, scaling: Scaling
) -> float:
    """Loss of some cells, of a network that does not learn."""
    network.eval()
    total = 0.0
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        counts, factor = minibatch(part, some, size)
        total += len(some) * float(network(scaling.of(counts, factor)).loss(counts, factor))
    return total / len(rows)


def minibatch(part: Part, rows: np.ndarray, size: np.ndarray) -> tuple[Tensor, Tensor]:
    """Counts (n, n_genes) and size factors (n,) of some cells, on the device."""
    counts, _ = part.load(rows)
    return counts, torch.from_numpy(size[rows]).to(counts.device)
