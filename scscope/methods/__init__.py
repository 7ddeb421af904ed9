"""Every method of the benchmark, under the name that a config entry `use`s.

Listing the methods imports none of them. What is said here of a method is a parameter of its jobs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Method:
    """What is known of a method before it runs.

    Parameters
    ----------
    title
        Its name in tables and figures.
    module, function
        Where it is: a function `(data, *, seed, device, **params) -> Fit`, with `data` a
        `scscope.data.Scaled`.
    gives
        What its fit holds: "latent", "imputation", or "labels" (clusters of its own).
    uses_gpu
        Whether it computes on a GPU where it is given one.
    counts
        Whether it models counts: it then takes the scale "counts" and, off-label, those of `ROUNDED` only.
    needs
        A package that is no requirement of the library, by the name of its import; or "".
    control
        A reference for other methods, not a competitor.
    oracle
        A control that is given the true labels.
    inductive
        Whether it can be fitted to some cells, those of `Scaled.train`, and applied to the others.
        Other methods are not applicable to a dataset whose cells are split.
    asks
        What of its job it takes as further arguments: "folder", "threads", "targets".
    """

    title: str
    module: str
    function: str
    gives: tuple[str, ...]
    uses_gpu: bool = False
    counts: bool = False
    needs: str = ""
    control: bool = False
    oracle: bool = False
    inductive: bool = False
    asks: tuple[str, ...] = ()

    def load(self) -> Callable:
        """Import and return the function."""
        return getattr(import_module(self.module), self.function)


_CONTROLS = "scscope.methods.controls"
_SCSCOPE = "scscope.methods.scscope"

METHODS = {
    "scscope": Method(
        "scScope", _SCSCOPE, "scscope", ("latent", "imputation"), uses_gpu=True, inductive=True
    ),
    "ae": Method("AE", _SCSCOPE, "ae", ("latent", "imputation"), uses_gpu=True, inductive=True),
    "pca": Method("PCA", "scscope.methods.pca", "pca", ("latent",)),
    "dca": Method(
        "DCA",
        "scscope.methods.dca",
        "dca",
        ("latent", "imputation"),
        uses_gpu=True,
        counts=True,
    ),
    "scvi": Method(
        "scVI",
        "scscope.methods.scvi",
        "scvi",
        ("latent", "imputation"),
        uses_gpu=True,
        counts=True,
        needs="scvi",
    ),
    "magic": Method(
        "MAGIC", "scscope.methods.magic", "magic", ("latent", "imputation"), needs="magic"
    ),
    "random": Method("Random latent", _CONTROLS, "random", ("latent",), control=True),
    "truth": Method("True labels", _CONTROLS, "truth", ("labels",), control=True, oracle=True),
    "no_imputation": Method(
        "No imputation",
        _CONTROLS,
        "no_imputation",
        ("imputation",),
        control=True,
        inductive=True,
    ),
    "gene_mean": Method(
        "Gene mean", _CONTROLS, "gene_mean", ("imputation",), control=True, inductive=True
    ),
    "group_mean": Method(
        "Group mean (oracle)", _CONTROLS, "group_mean", ("imputation",), control=True, oracle=True
    ),
    "shuffled": Method(
        "Shuffled labels", _CONTROLS, "shuffled", ("labels",), control=True, oracle=True
    ),
    "supervised": Method(
        "Supervised (oracle)", _CONTROLS, "supervised", ("labels",), control=True, oracle=True
    ),
}


def method_of(name: str) -> Method:
    """The method registered under `name`."""
    if name not in METHODS:
        raise ValueError(f"Unknown method {name!r}. Known methods: {', '.join(METHODS)}.")
    return METHODS[name]
