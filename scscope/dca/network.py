"""The network of DCA: an autoencoder whose outputs are the parameters of a distribution of counts."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from scscope.dca.likelihood import negative_binomial, zero_inflated
from scscope.dca.settings import Settings

# Bounds of the authors' code.
MEAN = (1e-5, 1e6)
DISPERSION = (1e-4, 1e4)  # of an entry
GENE_DISPERSION = (1e-3, 1e4)  # of a gene


@dataclass(frozen=True)
class Distribution:
    """What the network says of the counts of a minibatch.

    Parameters
    ----------
    mean
        Expected counts at the median library size, shape (n_cells, n_genes).
    dispersion
        theta, shape (n_cells, n_genes) or (n_genes,).
    logit
        Log odds of an additional zero, shape (n_cells, n_genes), or None.
    """

    mean: Tensor
    dispersion: Tensor
    logit: Tensor | None

    def loss(self, counts: Tensor, size: Tensor) -> Tensor:
        """Negative log-likelihood, averaged over cells and genes; shape ().

        Parameters
        ----------
        counts
            Shape (n_cells, n_genes).
        size
            Size factor of each cell, shape (n_cells,).
        """
        mean = self.mean * size[:, None]
        if self.logit is None:
            return negative_binomial(counts, mean, self.dispersion).mean()
        return zero_inflated(counts, mean, self.dispersion, self.logit).mean()


class Centring(nn.Module):
    """Batch normalisation that learns a shift and no scale, as Keras computes it.

    The moving variance is that of the minibatch divided by n, which PyTorch's divides by n - 1.
    """

    def __init__(self, width: int, momentum: float = 0.99, epsilon: float = 1e-3):
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.shift = nn.Parameter(torch.zeros(width))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise, shape (n_cells, width): by the minibatch in training, else by the past."""
        mean, variance = self.mean, self.variance
        if self.training:
            variance, mean = torch.var_mean(x, dim=0, correction=0)
            with torch.no_grad():
                self.mean.lerp_(mean, 1 - self.momentum)
                self.variance.lerp_(variance, 1 - self.momentum)
        return (x - mean) * torch.rsqrt(variance + self.epsilon) + self.shift


class Network(nn.Module):
    """The autoencoder.

    Parameters
    ----------
    n_genes
        Number of genes.
    settings
        Shape of the network; what concerns training is ignored.
    generator
        Source of the initial weights, on the CPU.
    """

    def __init__(self, n_genes: int, settings: Settings, generator: torch.Generator):
        super().__init__()
        widths = (n_genes, *settings.hidden_layers)
        self.hidden = nn.ModuleList(
            dense(shape, generator) for shape in zip(widths[:-1], widths[1:], strict=True)
        )
        self.norms = nn.ModuleList(Centring(width) for width in widths[1:])
        self.centre = len(settings.hidden_layers) // 2
        out = (widths[-1], n_genes)
        self.mean = dense(out, generator)
        by_entry = settings.distribution.endswith("-conddisp")
        self.dispersion = dense(out, generator) if by_entry else None
        self.log_dispersion = None if by_entry else nn.Parameter(torch.zeros(n_genes))
        self.dropout = dense(out, generator) if settings.distribution.startswith("zinb") else None

    def latent(self, x: Tensor) -> Tensor:
        """Values of the middle layer before normalisation and ReLU, shape (n_cells, n_latent)."""
        for layer, norm in zip(self.hidden[: self.centre], self.norms, strict=False):
            x = torch.relu(norm(layer(x)))
        return self.hidden[self.centre](x)

    def forward(self, x: Tensor) -> Distribution:
        """Parameters of the counts.

        Parameters
        ----------
        x
            Standardised input, shape (n_cells, n_genes).
        """
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = torch.relu(norm(layer(x)))
        if self.dispersion is None:
            dispersion = self.log_dispersion.exp().clamp(*GENE_DISPERSION)
        else:
            dispersion = softplus(self.dispersion(x)).clamp(*DISPERSION)
        mean = self.mean(x).exp().clamp(*MEAN)
        return Distribution(mean, dispersion, None if self.dropout is None else self.dropout(x))


def dense(shape: tuple[int, int], generator: torch.Generator) -> nn.Linear:
    """A dense layer with Keras's initial values: Glorot's uniform ones, and no bias."""
    layer = nn.Linear(*shape)
    with torch.no_grad():
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        nn.init.zeros_(layer.bias)
    return layer
