"""Clusterers: from a latent to labels of cells."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from scscope.cluster.graph import check_latent, jaccard_graph
from scscope.cluster.kmeans import kmeans
from scscope.cluster.phenograph import phenograph
from scscope.cluster.resolution import best_resolution

__all__ = [
    "CLUSTERERS",
    "Clusterer",
    "best_resolution",
    "cluster",
    "jaccard_graph",
    "kmeans",
    "phenograph",
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
    oracle
        Whether it chooses its result by the truth: a bound, not a competitor.
    """

    title: str
    needs_labels: bool
    oracle: bool


CLUSTERERS = {
    "phenograph": Clusterer("PhenoGraph", needs_labels=False, oracle=False),
    "kmeans": Clusterer("k-means (true k)", needs_labels=True, oracle=False),
    "best_resolution": Clusterer("best resolution (oracle)", needs_labels=True, oracle=True),
}


def cluster(
    latent: np.ndarray,
    names: Iterable[str],
    *,
    label: np.ndarray | None = None,
    seed: int,
    k: int = 30,
) -> dict[str, np.ndarray]:
    """Cluster cells with several clusterers, which share one graph of neighbours.

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
        Number of neighbours of each cell in the graph.

    Returns
    -------
    dict of str to np.ndarray
        Labels of shape (n_cells,) by clusterer. -1 stands for cells in no cluster.
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

    graph = None
    if "phenograph" in names or "best_resolution" in names:
        graph = jaccard_graph(latent, k)

    run = {
        "phenograph": lambda: phenograph(latent, seed=seed, graph=graph),
        "kmeans": lambda: kmeans(latent, len(np.unique(label)), seed=seed),
        "best_resolution": lambda: best_resolution(latent, label, seed=seed, graph=graph)[0],
    }
    return {name: run[name]() for name in names}
