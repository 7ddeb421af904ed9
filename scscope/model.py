"""The scScope network: one encoder and decoder, applied to inputs it has imputed itself."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scscope.settings import Settings

WEIGHT_SD = 0.1  # truncated at two standard deviations, as in the released code


@dataclass(frozen=True)
class Passes:
    """What the network makes of a minibatch.

    Parameters
    ----------
    shifted
        Input minus its batch effect, shape (n_cells, n_genes).
    corrected
        The same, rectified.
    latents
        Codes h of each pass, each (n_cells, n_latent).
    outputs
        Reconstructions y of each pass, each (n_cells, n_genes).
    """

    shifted: Tensor
    corrected: Tensor
    latents: list[Tensor]
    outputs: list[Tensor]


class Network(nn.Module):
    """Recurrent autoencoder that fills in zeros between passes (online Methods, "scScope").

    Parameters
    ----------
    n_genes
        Number of genes.
    n_batches
        Number of batches; 1 leaves the batch correction out.
    settings
        Shape of the network; what concerns training is ignored.
    generator
        Source of the initial weights, on the CPU.
    """

    def __init__(
        self, n_genes: int, n_batches: int, settings: Settings, generator: torch.Generator
    ):
        super().__init__()
        self.n_steps = settings.n_steps
        self.rectify = settings.rectify
        widths = (n_genes, *settings.encoder_layers, settings.n_latent)
        self.encode = dense_layers(widths, generator)
        widths = (settings.n_latent, *settings.decoder_layers, n_genes)
        self.decode = dense_layers(widths, generator)
        if self.n_steps > 1:
            width = settings.imputer_width
            self.impute = nn.Sequential(
                *dense_layers((n_genes, width), generator),
                dense((width, n_genes), generator),
            )
        self.batch_effect = nn.Parameter(torch.zeros(n_batches, n_genes)) if n_batches > 1 else None

    def forward(self, x: Tensor, batch: Tensor | None = None) -> Passes:
        """Run all passes.

        Parameters
        ----------
        x
            Observed values, shape (n_cells, n_genes), non-negative.
        batch
            Index of the batch of each cell, shape (n_cells,); None without batch correction.
        """
        shifted, corrected = self.correct(x, batch)  # (n_cells, n_genes)
        filled, latents, outputs = corrected, [], []
        for step in range(self.n_steps):
            latents.append(self.encode(filled))  # (n_cells, n_latent)
            outputs.append(self.decode(latents[-1]))  # (n_cells, n_genes)
            if step < self.n_steps - 1:
                filled = self.fill(x, shifted, corrected, self.impute(outputs[-1]))
        return Passes(shifted, corrected, latents, outputs)

    def correct(self, x: Tensor, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        """The input without its batch effect, and the same rectified."""
        shifted = x if self.batch_effect is None else x - self.batch_effect[batch]
        return shifted, torch.relu(shifted)

    def fill(self, x: Tensor, shifted: Tensor, corrected: Tensor, imputed: Tensor) -> Tensor:
        """Put imputed values where nothing was observed, and only there."""
        if self.rectify == "sum":
            return torch.relu(shifted + imputed * missing(x))
        return corrected + torch.relu(imputed) * missing(corrected)


def new_network(n_genes: int, n_batches: int, settings: Settings, seed: int) -> Network:
    """An untrained network with the initial weights of a seed."""
    return Network(n_genes, n_batches, settings, torch.Generator().manual_seed(seed))


def missing(x: Tensor) -> Tensor:
    """1 where a non-negative value is zero, else 0; multiplying by it is faster than `where`."""
    return 1 - x.sign()


def dense_layers(widths: tuple[int, ...], generator: torch.Generator) -> nn.Sequential:
    """Dense layers of these widths, each followed by a ReLU."""
    layers = []
    for shape in zip(widths[:-1], widths[1:], strict=True):
        layers += [dense(shape, generator), nn.ReLU()]
    return nn.Sequential(*layers)


def dense(shape: tuple[int, int], generator: torch.Generator) -> nn.Linear:
    """One dense layer with the released code's initial values."""
    layer = nn.Linear(*shape)
    with torch.no_grad():
        nn.init.trunc_normal_(
            layer.weight, std=WEIGHT_SD, a=-2 * WEIGHT_SD, b=2 * WEIGHT_SD, generator=generator
        )
        nn.init.zeros_(layer.bias)
    return layer
