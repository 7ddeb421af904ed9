"""Metrics: functions of arrays that return a float, with the range they have."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from scscope.metrics import clustering, imputation, mixing, octiles, rare


@dataclass(frozen=True)
class Metric:
    """A metric, and what tables and figures need to know of it.

    Parameters
    ----------
    kind
        What it compares. "clustering": true labels and clusters. "imputation": true and predicted
        values on the scale of `scscope.data.log_normalised`, of entries that were missed or hidden.
        "octile": as "imputation", given the octile of the gene of each target. "thinning": as
        "imputation", of molecules that were hidden, which are drawn and no truth. "cost": nothing,
        it is measured while cells are clustered. "mixing": batches and latent. "rare": as
        "clustering", given the names of the rare types.
    title
        Label of its axis.
    low, high
        Range of its values; `math.inf` where there is no bound.
    higher_is_better
        None where neither is.
    needs_truth
        Whether it looks at its first argument.
    function
        Takes the truth and the result, two arrays of the same length, and what it is given
        beside; None for a cost.
    of_rest
        Whether it is given only the cells of types that the dataset does not `leave_out`.
    """

    kind: Literal["clustering", "rare", "cost", "mixing", "imputation", "octile", "thinning"]
    title: str
    low: float
    high: float
    higher_is_better: bool | None
    needs_truth: bool
    function: Callable[..., float] | None
    of_rest: bool = False

    @property
    def needs_clusters(self) -> bool:
        """Whether its value is of a clusterer."""
        return self.kind in ("clustering", "rare", "cost")

    @property
    def is_given(self) -> bool:
        """Whether its function takes a third array."""
        return self.kind in ("rare", "octile")


METRICS = {
    "ari": Metric(
        kind="clustering",
        title="ARI",
        low=-0.5,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=clustering.ari,
    ),
    "ami": Metric(
        kind="clustering",
        title="AMI",
        low=-1,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=clustering.ami,
    ),
    "nmi": Metric(
        kind="clustering",
        title="NMI",
        low=0,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=clustering.nmi,
    ),
    "macro_f1": Metric(
        kind="clustering",
        title="F1, mean over types",
        low=0,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=clustering.macro_f1,
    ),
    "ari_rest": Metric(
        kind="clustering",
        title="ARI of the rarer types",
        low=-0.5,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=clustering.ari,
        of_rest=True,
    ),
    "ami_rest": Metric(
        kind="clustering",
        title="AMI of the rarer types",
        low=-1,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=clustering.ami,
        of_rest=True,
    ),
    "n_clusters": Metric(
        kind="clustering",
        title="number of clusters",
        low=0,
        high=math.inf,
        higher_is_better=None,
        needs_truth=False,
        function=clustering.n_clusters,
    ),
    "unassigned": Metric(
        kind="clustering",
        title="share of cells without a cluster",
        low=0,
        high=1,
        higher_is_better=False,
        needs_truth=False,
        function=clustering.unassigned,
    ),
    "imputation_error": Metric(
        kind="imputation",
        title="imputation error",
        low=0,
        high=math.inf,
        higher_is_better=False,
        needs_truth=True,
        function=imputation.imputation_error,
    ),
    "zero_prediction": Metric(
        kind="imputation",
        title="mean prediction at true zeros",
        low=0,
        high=math.inf,
        higher_is_better=False,
        needs_truth=True,
        function=imputation.zero_prediction,
    ),
    "thinning_loss": Metric(
        kind="thinning",
        title="Poisson deviance of hidden molecules",
        low=0,
        high=math.inf,
        higher_is_better=False,
        needs_truth=True,
        function=imputation.thinning_loss,
    ),
    "cluster_seconds": Metric(
        kind="cost",
        title="time of clustering (s)",
        low=0,
        high=math.inf,
        higher_is_better=False,
        needs_truth=False,
        function=None,
    ),
    "batch_entropy": Metric(
        kind="mixing",
        title="entropy of batch mixing",
        low=0,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=mixing.batch_entropy,
    ),
    "rare_ari": Metric(
        kind="rare",
        title="ARI among rare cells",
        low=-0.5,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=rare.rare_ari,
    ),
    "rare_f1": Metric(
        kind="rare",
        title="mean best F1 of rare types",
        low=0,
        high=1,
        higher_is_better=True,
        needs_truth=True,
        function=rare.rare_f1,
    ),
}
_OCTILES = {
    "gene": ("octile", octiles.gene_octile_error, "genes"),
    "entry": ("imputation", octiles.entry_octile_error, "entries"),
}
METRICS |= {
    f"{of}_octile_{number}_error": Metric(
        kind=kind,
        title=f"imputation error, octile {number} of {what}",
        low=0,
        high=math.inf,
        higher_is_better=False,
        needs_truth=True,
        function=partial(function, number=number),
    )
    for of, (kind, function, what) in _OCTILES.items()
    for number in range(1, octiles.N_OCTILES + 1)
}


def score(
    name: str, true: np.ndarray | None, result: np.ndarray, given: np.ndarray | None = None
) -> float:
    """Value of a metric.

    Parameters
    ----------
    name
        Key of `METRICS`.
    true
        True labels or batches, shape (n_cells,), or true values, shape (n_targets,). May be None for
        a metric that does not need it.
    result
        Clusters or predicted values, of the same shape, or a latent, shape (n_cells, n_latent).
    given
        What a metric of kind "rare" or "octile" is given: names of rare types, or octiles of shape
        (n_targets,).
    """
    if name not in METRICS:
        raise ValueError(f"Unknown metric {name!r}. Known metrics: {', '.join(METRICS)}.")
    metric = METRICS[name]
    if metric.function is None:
        raise ValueError(f"Metric {name!r} is measured while cells are clustered, not of labels.")
    if metric.needs_truth and true is None:
        raise ValueError(f"Metric {name!r} needs the truth, but `true` is None.")
    if metric.is_given != (given is not None):
        needs = "needs" if metric.is_given else "takes no"
        raise ValueError(f"Metric {name!r} {needs} `given`: it is of kind {metric.kind!r}.")
    return (
        metric.function(true, result, given) if metric.is_given else metric.function(true, result)
    )
