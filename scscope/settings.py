"""Hyperparameters of scScope, and the two presets: the paper's words and the released package."""

from dataclasses import dataclass, fields, replace
from typing import Literal

CHOICES = {
    "rectify": ("imputation", "sum"),
    "loss": ("squared", "norm"),
    "sampling": ("permutation", "draws"),
    "stopping": ("change", "held_out"),
    "precision": ("float32", "bfloat16"),
}


@dataclass(frozen=True)
class Settings:
    """All that decides a fit beside data, seed and device. The defaults are the preset "paper".

    Sources are sections of the paper's online Methods, legends of its supplementary figures, and
    the released code (version 0.1.5).
    """

    # The network.
    n_latent: int = 50
    n_steps: int = 2  # passes T through encoder and decoder; 1 is a plain autoencoder
    encoder_layers: tuple[int, ...] = ()  # widths between input and latent
    decoder_layers: tuple[int, ...] = ()  # widths between latent and output
    imputer_width: int = 64
    use_mask: bool = True  # only observed entries count in the loss
    # The released code's loss mask: the sign of input minus batch effect, so +-1 also where nothing
    # was observed; the target is not rectified. For comparisons with that code only.
    mask_fault: bool = False
    # "imputation": ReLU on what the imputer adds (Methods). "sum": ReLU on input plus imputation
    # (code). They differ only with a batch effect.
    rectify: Literal["imputation", "sum"] = "imputation"

    # "squared": squared error of a cell (Methods). "norm": Frobenius norm of a minibatch (code).
    loss: Literal["squared", "norm"] = "squared"
    learning_rate: float = 1e-3
    beta1: float = 0.9  # of Adam; the code has 0.05, the legend of Supplementary Fig. 1 the default
    batch_size: int = 64
    max_epochs: int = 100
    # "change": stop when the masked error changes by less than `tolerance` between two checks. At
    # 100 epochs per check the rule cannot act within 100 epochs, as in the released code.
    # "held_out": hide a share of the observed entries (of at most 10,000 cells), stop when their
    # error has not fallen for `patience` checks, and go back to the weights that it was least with.
    stopping: Literal["change", "held_out"] = "change"
    epochs_per_check: int = 100
    tolerance: float = 1e-3
    held_out: float = 0.1
    patience: int = 5
    # "permutation": an epoch visits every cell once. "draws": floor(n / batch) independent draws
    # of a minibatch (code), so that an epoch misses some cells.
    sampling: Literal["permutation", "draws"] = "permutation"
    # Update the batch effect by a step of its own after each step of the other weights (code).
    separate_batch_step: bool = False
    # A denoising autoencoder (Supplementary Fig. 14): what the network is shown while it learns to
    # predict the input. Noise of `noise` times the variance that a gene has over its non-zero
    # values, on these; and a share `drop` of the non-zero entries set to zero. In every step anew.
    noise: float = 0.0
    drop: float = 0.0
    # Of the factors of matrix products while training; sums, weights and moments stay float32.
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self):
        """Refuse what no fit can use."""
        counts = (
            "n_latent",
            "n_steps",
            "imputer_width",
            "batch_size",
            "epochs_per_check",
            "patience",
        )
        for name in counts:
            _check(name, getattr(self, name), _is_count, "an integer of at least 1")
        _check(
            "max_epochs", self.max_epochs, lambda n: _is_integer(n) and n >= 0, "an integer >= 0"
        )
        for name in ("encoder_layers", "decoder_layers"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
            _check(name, getattr(self, name), lambda v: all(map(_is_count, v)), "positive integers")
        _check("learning_rate", self.learning_rate, lambda v: _is_number(v) and v > 0, "above 0")
        _check("beta1", self.beta1, lambda v: _is_number(v) and 0 <= v < 1, "in [0, 1)")
        _check("held_out", self.held_out, lambda v: _is_number(v) and 0 < v < 1, "between 0 and 1")
        _check("noise", self.noise, lambda v: _is_number(v) and v >= 0, "at least 0")
        _check("drop", self.drop, lambda v: _is_number(v) and 0 <= v < 1, "in [0, 1)")
        _check("tolerance", self.tolerance, lambda v: _is_number(v) and v >= 0, "at least 0")
        for name, known in CHOICES.items():
            _check(name, getattr(self, name), known.__contains__, f"one of {', '.join(known)}")


def _is_integer(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value) -> bool:
    return _is_integer(value) and value >= 1


def _check(name: str, value, allowed, words: str) -> None:
    if not allowed(value):
        raise ValueError(f"`{name}` must be {words}, got {value!r}.")


PRESETS = {
    "paper": Settings(),
    "package": Settings(
        rectify="sum",
        loss="norm",
        learning_rate=1e-4,
        beta1=0.05,
        sampling="draws",
        separate_batch_step=True,
    ),
}


def settings_of(preset: str, **overrides) -> Settings:
    """A preset with some of its settings replaced.

    Parameters
    ----------
    preset
        A name in `PRESETS`.
    **overrides
        Fields of `Settings`; None keeps the preset's value.
    """
    if preset not in PRESETS:
        raise ValueError(f"Unknown preset {preset!r}. Known presets: {', '.join(PRESETS)}.")
    known = [field.name for field in fields(Settings)]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(f"Unknown setting {unknown[0]!r}. Known settings: {', '.join(known)}.")
    given = {name: value for name, value in overrides.items() if value is not None}
    if given.get("stopping") == "held_out":
        given.setdefault("epochs_per_check", 1)
    return replace(PRESETS[preset], **given)
