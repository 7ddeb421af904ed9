"""A network applied to cells, some at a time and in order, without learning."""

from collections.abc import Iterator

import numpy as np
import torch

from scscope.model import Network, Passes
from scscope.sources import Source


@torch.no_grad()
def apply(
    network: Network, source: Source, device: str, cells: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, Passes]]:
    """Run cells through the network: their indices, ascending, and what it makes of them.

    Parameters
    ----------
    network
        Network on `device`.
    source
        The cells.
    device
        "cpu" or "cuda".
    cells
        Indices of the wanted cells, ascending, or None for all.
    """
    dtype = next(network.parameters()).dtype
    for chunk, part in source.chunks(cells):
        x, batch = part.load(slice(None))
        batch = None if batch is None else batch.to(device)
        yield chunk, network(x.to(device, dtype), batch)


def masked_error(network: Network, source: Source, device: str) -> float:
    """Norm of the last pass's error over observed entries, relative to the input's norm."""
    squared, scale = 0.0, 0.0
    for _, passes in apply(network, source, device):
        residual = (passes.outputs[-1] - passes.corrected) * (passes.corrected != 0)
        squared += float(residual.square().sum())
        scale += float(passes.corrected.square().sum())
    return float(np.sqrt(squared / scale)) if scale else 0.0
