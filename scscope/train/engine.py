"""Who computes the gradient of a minibatch: the fastest that can, and why."""

import logging

from scscope.model import Network
from scscope.settings import Settings
from scscope.train.adam import Adam
from scscope.train.fused import Fused, Unsupported, has_bfloat16
from scscope.train.gradient import Autograd, Captured

logger = logging.getLogger("scscope.train")

Engine = Autograd | Captured | Fused


def gradient_of(
    network: Network, adam: Adam, settings: Settings, n_cells: int
) -> tuple[Engine, str]:
    """What computes the gradient here, and the choice in words.

    On a GPU a recorded graph; on a CPU compiled code where it can be had, else automatic
    differentiation.

    Parameters
    ----------
    network, adam, settings
        See `scscope.train.gradient.Autograd`.
    n_cells
        Cells of a whole minibatch.
    """
    if adam.weights.is_cuda:
        gradient = Captured(Autograd(network, adam, settings), n_cells)
        return gradient, f"automatic differentiation in a CUDA graph, {settings.precision} products"
    bfloat16 = settings.precision == "bfloat16" and has_bfloat16()
    try:
        engine = Fused(network, adam, settings, bfloat16=bfloat16)
        reason = f"compiled step, {engine.description}"
    except Unsupported as error:
        engine = Autograd(network, adam, settings)
        reason = f"automatic differentiation in {adam.weights.dtype}, because {error}"
        reason = reason.replace("torch.", "")
    if settings.precision == "bfloat16" and not bfloat16:
        reason += "; not in bfloat16, for which CPU or compiler have no instructions"
    logger.info("Gradient: %s", reason)
    return engine, reason
