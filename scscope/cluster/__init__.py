"""Clusterers: from a latent to labels of cells."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np

from scscope.cluster.graph import jaccard_graph, load_igraph
from scscope.cluster.kmeans import kmeans
from scscope.cluster.leiden import leiden
from scscope.cluster.neighbours import check_latent, neighbours
from scscope.cluster.phenograph import phenograph
from scscope.cluster.resolution import best_resolution
from scscope.cluster.result import UNASSIGNED, Clustering, Stopwatch
from scscope.cluster.scalable import scalable

__all__ = [
    "CLUSTERERS",
    "UNASSIGNED",
    "Clusterer",
    "Clustering",
    "best_resolution",
    "check_latent",
    "cluster",
    "clusterings",
    "jaccard_graph",
    "kmeans",
    "leiden",
    "neighbours",
    "phenograph",
    "scalable",
]


@dataclass(frozen=True)
class Clusterer:
    """What tables and figures need to know of a clusterer.

    Parameters
    ----------
    title
        Its name in figures.
    needs_labels
        Whether it is given the true labels, or their number.
    needs_neighbours
        Whether it looks for communities in a graph of the cells' neighbours.
    oracle
        Whether it chooses its result by the truth: a bound, not a competitor.
    """

    title: str
    needs_labels: bool = False
    needs_neighbours: bool = False
    oracle: bool = False


CLUSTERERS = {
    "phenograph": Clusterer("PhenoGraph", needs_neighbours=True),
    "kmeans": Clusterer("k-means (true k)", needs_labels=True),
    "best_resolution": Clusterer(
        "best resolution (oracle)", needs_labels=True, needs_neighbours=True, oracle=True
    ),
    "leiden": Clusterer("Leiden", needs_neighbours=True),
    "scalable": Clusterer("scalable PhenoGraph"),
}


def clusterings(
    latent: np.ndarray,
    names: Iterable[str],
    *,
    label: np.ndarray | None = None,
    seed: int,
    k: int = 30,
) -> dict[str, Clustering]:
    """Cluster cells with several clusterers, which share one search for neighbours.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    names
        Keys of `CLUSTERERS`.
    label
        True labels, shape (n_cells,), or None where they are not known.
    seed
        Seed that each clusterer is given.
    k
        Number of neighbours of each cell in the graphs.

    Returns
    -------
    dict of str to Clustering
        By clusterer. The time of the shared search counts for each that uses it.
    """
    latent = check_latent(latent)
    names = list(names)
    for name in names:
        if name not in CLUSTERERS:
            raise ValueError(
                f"Unknown clusterer {name!r}. Known clusterers: {', '.join(CLUSTERERS)}."
            )
        if CLUSTERERS[name].needs_labels and label is None:
            raise ValueError(f"Clusterer {name!r} needs the true labels, but `label` is None.")
    if label is not None and len(label) != len(latent):
        raise ValueError(f"`latent` has {len(latent)} cells but `label` has {len(label)}.")

    watch, near = Stopwatch(), None
    if names:  # what loading a library takes is not the time of a clusterer
        import_module("sklearn.neighbors")
        load_igraph()
    if any(CLUSTERERS[name].needs_neighbours for name in names):
        with watch.phase("neighbours"):
            near = neighbours(latent, k, seed=seed)

    run = {
        "phenograph": lambda: phenograph(latent, seed=seed, near=near),
        "kmeans": lambda: kmeans(latent, len(np.unique(label)), seed=seed),
        "best_resolution": lambda: best_resolution(latent, label, seed=seed, near=near)[0],
        "leiden": lambda: leiden(latent, seed=seed, near=near),
        "scalable": lambda: scalable(latent, k=k, seed=seed),
    }
    found = {}
    for name in names:
        own = Stopwatch()
        with own.phase("all"):
            result = run[name]()
        if isinstance(result, np.ndarray):
            result = Clustering(result, float("nan"), own.seconds)
        shared = watch.seconds if CLUSTERERS[name].needs_neighbours else {}
        found[name] = replace(result, seconds=shared | result.seconds)
    return found


def cluster(
    latent: np.ndarray,
    names: Iterable[str],
    *,
    label: np.ndarray | None = None,
    seed: int,
    k: int = 30,
) -> dict[str, np.ndarray]:
    """Labels alone of `clusterings`, of shape (n_cells,); -1 stands for cells in no cluster."""
    found = clusterings(latent, names, label=label, seed=seed, k=k)
    return {name: clustering.labels for name, clustering in found.items()}
