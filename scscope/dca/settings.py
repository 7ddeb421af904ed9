"""Hyperparameters of DCA."""

from dataclasses import dataclass
from typing import Literal

DISTRIBUTIONS = ("zinb-conddisp", "zinb", "nb-conddisp", "nb")


@dataclass(frozen=True)
class Settings:
    """All that decides a fit beside data, seed and device.

    Defaults are those of the authors' release 0.3.4, see docs/dca.md; up to 0.3.3 the distribution
    was "zinb-conddisp".
    """

    # Of the counts. "zinb": with additional zeros. "conddisp": a dispersion for each entry, given by
    # the network; otherwise one for each gene, the same for all cells.
    distribution: Literal["zinb-conddisp", "zinb", "nb-conddisp", "nb"] = "nb-conddisp"
    hidden_layers: tuple[int, ...] = (64, 32, 64)  # the one in the middle is the latent
    learning_rate: float = 1e-3  # of RMSprop
    batch_size: int = 32
    max_epochs: int = 300
    # Epochs in which the loss of the validation cells has not fallen, after which the learning rate
    # falls to a tenth, and training ends.
    reduce_after: int = 10
    stop_after: int = 15
    validation: float = 0.1  # share of the cells
    clip: float = 5.0  # largest size of an element of the gradient

    def __post_init__(self):
        """Refuse what no fit can use."""
        layers = tuple(self.hidden_layers)
        object.__setattr__(self, "hidden_layers", layers)
        if self.distribution not in DISTRIBUTIONS:
            known = ", ".join(DISTRIBUTIONS)
            raise ValueError(f"`distribution` must be one of {known}, got {self.distribution!r}.")
        if not layers or not all(isinstance(width, int) and width >= 1 for width in layers):
            raise ValueError(f"`hidden_layers` must be positive integers, got {layers!r}.")
        for name in ("batch_size", "max_epochs", "reduce_after", "stop_after"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be an integer of at least 1, got {value!r}.")
        for name in ("learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be above 0, got {getattr(self, name)!r}.")
        if not 0 < self.validation < 1:
            raise ValueError(f"`validation` must be between 0 and 1, got {self.validation!r}.")
