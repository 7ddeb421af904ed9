"""What a denoising autoencoder is shown in place of its input: noisy values, dropped values."""

import numpy as np
import torch
from torch import Tensor

from scscope.settings import Settings
from scscope.sources import Source


class Corruption:
    """Makes a new corrupted copy of a minibatch in every step (Supplementary Fig. 14).

    Only observed entries change. Noise that would make one negative leaves 0, as the network takes
    nothing below.

    Parameters
    ----------
    source
        All cells, of which the deviations are computed.
    settings
        `noise` and `drop`.
    device
        Where minibatches are.
    seed, worker
        Seed of the training; number of this worker, which has cells of its own.
    """

    def __init__(self, source: Source, settings: Settings, device: str, seed: int, worker: int):
        self.drop, self.seed, self.worker = settings.drop, seed, worker
        self.generator = torch.Generator(device)
        self.sd = None
        if settings.noise:
            sd = np.sqrt(settings.noise) * observed_sd(source)
            self.sd = torch.from_numpy(sd.astype(np.float32)).to(device)

    def __call__(self, x: Tensor, epoch: int, step: int) -> Tensor:
        """Corrupted values, shape (n_cells, n_genes); the same for the same step of an epoch.

        Parameters
        ----------
        x
            Observed values, shape (n_cells, n_genes), which stay as they are.
        epoch, step
            Where the training is.
        """
        entropy = np.random.SeedSequence([self.seed, epoch, step, self.worker])
        self.generator.manual_seed(int(entropy.generate_state(1)[0]))
        corrupted = x
        if self.sd is not None:
            noise = torch.empty_like(x).normal_(generator=self.generator)
            corrupted = torch.relu(x + noise.mul_(self.sd).mul_(x.sign()))
        if self.drop:
            kept = torch.empty_like(x).uniform_(generator=self.generator) >= self.drop
            corrupted = corrupted * kept
        return corrupted


def corruption_of(
    source: Source, settings: Settings, device: str, seed: int, worker: int
) -> Corruption | None:
    """The corruption that the settings ask for, or None."""
    if not (settings.noise or settings.drop):
        return None
    return Corruption(source, settings, device, seed, worker)


def observed_sd(source: Source) -> np.ndarray:
    """Standard deviation of each gene over its non-zero values (divided by n); (n_genes,), float64.

    0 for genes with fewer than two of them.
    """
    n_genes = source.shape[1]
    n, total, squares = (np.zeros(n_genes) for _ in range(3))
    for _, part in source.chunks():
        n += np.bincount(part.X.indices, minlength=n_genes)
        total += np.bincount(part.X.indices, part.X.data, n_genes)
    mean = np.divide(total, n, out=np.zeros(n_genes), where=n > 0)
    for _, part in source.chunks():
        gap = part.X.data - mean[part.X.indices]
        squares += np.bincount(part.X.indices, gap * gap, n_genes)
    return np.sqrt(np.divide(squares, n, out=np.zeros(n_genes), where=n > 0))
