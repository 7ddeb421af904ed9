"""From counts to the input of DCA's network."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from scscope.data import median_total

CONSTANT = 1e-12  # standard deviation below which a gene is only centred


@dataclass(frozen=True)
class Scaling:
    """How counts become the network's input: log1p of counts by size factor, standardised.

    Parameters
    ----------
    median
        Median total of the cells that the network was fitted to.
    mean, sd
        Of each gene on the log scale, shape (n_genes,).
    """

    median: float
    mean: Tensor
    sd: Tensor

    def size(self, total: np.ndarray) -> np.ndarray:
        """Size factor of each cell, shape (n_cells,), from its total; 1 where that is 0."""
        return np.where(total > 0, total / self.median, 1.0).astype(np.float32)

    def of(self, counts: Tensor, size: Tensor) -> Tensor:
        """The input, shape (n_cells, n_genes)."""
        return (torch.log1p(counts / size[:, None]) - self.mean) / self.sd


def scaling_of(counts: sparse.csr_matrix, total: np.ndarray, device: str) -> Scaling:
    """Median total, and mean and standard deviation (by n - 1) of each gene on the log scale.

    Parameters
    ----------
    counts
        CSR of shape (n_cells, n_genes), without cells that hold no counts.
    total
        Of each cell, shape (n_cells,).
    device
        Where the network is.
    """
    n_cells, median = counts.shape[0], median_total(total)
    log = counts.astype(np.float64)
    log.data = np.log1p(log.data * np.repeat(median / total, np.diff(log.indptr)))
    mean = np.asarray(log.mean(axis=0)).ravel()
    n_zeros = n_cells - np.bincount(log.indices, minlength=len(mean))
    squares = np.bincount(log.indices, (log.data - mean[log.indices]) ** 2, len(mean))
    sd = np.sqrt((squares + n_zeros * mean**2) / (n_cells - 1))
    sd[sd < CONSTANT] = 1.0
    mean, sd = (torch.from_numpy(a.astype(np.float32)).to(device) for a in (mean, sd))
    return Scaling(median, mean, sd)
