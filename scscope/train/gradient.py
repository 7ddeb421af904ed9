"""The loss of a minibatch and its gradient: who computes it, and the way that serves any network."""

import logging

import torch
from torch import Tensor

from scscope.model import Network, Passes
from scscope.settings import Settings
from scscope.train.adam import Adam
from scscope.train.fused import Fused, Unsupported, has_bfloat16

logger = logging.getLogger("scscope.train")

VALUES_PER_THREAD = (
    60_000  # a thread more than one for so many values of a minibatch, see docs/speed.md
)


def threads_for(batch_size: int, n_genes: int, available: int) -> int:
    """Number of threads that is worth its while for minibatches of this size.

    Threads wait for each other several times in a step. Where a step takes less than a
    millisecond, that costs more than it gains as soon as a core has something else to do.
    """
    return max(1, min(available, batch_size * n_genes // VALUES_PER_THREAD))


def gradient_of(network: Network, adam: Adam, settings: Settings) -> tuple["Autograd | Fused", str]:
    """What computes the gradient here: `Fused` where it can, else `Autograd`; and why, in words."""
    bfloat16 = settings.precision == "bfloat16" and has_bfloat16()
    try:
        engine = Fused(network, adam, settings, bfloat16=bfloat16)
        reason = f"compiled step, {engine.description}"
    except Unsupported as error:
        engine = Autograd(network, adam, settings)
        reason = f"automatic differentiation in {adam.weights.dtype}, because {error}"
        reason = reason.replace("torch.", "")
    if settings.precision == "bfloat16" and not bfloat16:
        reason += "; not in bfloat16, for which this CPU has no instructions"
    logger.info("Gradient: %s", reason)
    return engine, reason


class Autograd:
    """Fills the flat gradient of an optimiser with the gradient of the loss.

    Parameters
    ----------
    network
        The network.
    adam
        Optimiser of all of its weights, or of some.
    settings
        What the loss is.
    """

    def __init__(self, network: Network, adam: Adam, settings: Settings):
        self.network, self.adam, self.settings = network, adam, settings

    def __call__(self, x: Tensor, batch: Tensor | None) -> Tensor:
        """Loss of a minibatch, shape (); its gradient is then in `adam.gradient`.

        Parameters
        ----------
        x
            Observed values, shape (n_cells, n_genes).
        batch
            Index of the batch of each cell, shape (n_cells,), or None.
        """
        self.adam.gradient.zero_()
        loss = loss_of(self.network(x, batch), x, self.settings)
        torch.autograd.backward(loss, inputs=self.adam.parameters)
        return loss.detach()


def loss_of(passes: Passes, x: Tensor, settings: Settings) -> Tensor:
    """Reconstruction error over all passes.

    Only observed entries count, unless `use_mask` is off. "squared" is the sum over passes and
    genes of the squared error, averaged over the cells of the minibatch (the paper sums over
    cells: a constant factor, to which Adam is indifferent). "norm" is the Frobenius norm of the
    whole minibatch, summed over passes (released code).
    """
    observed = (passes.corrected if settings.rectify == "imputation" else x).sign()
    losses = []
    for output in passes.outputs:
        residual = output - passes.corrected
        if settings.use_mask:
            residual = residual * observed
        if settings.loss == "squared":
            losses.append((residual * residual).sum() / len(x))
        else:
            losses.append(torch.linalg.norm(residual))
    return torch.stack(losses).sum()
