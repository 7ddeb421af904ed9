"""Leiden (Traag et al., Scientific Reports 2019) in the plain graph of neighbours."""

import numpy as np

from scscope.cluster.communities import find_communities
from scscope.cluster.graph import by_size, neighbour_graph
from scscope.cluster.neighbours import Metric, Neighbours, neighbours
from scscope.cluster.result import Clustering, Stopwatch


def leiden(
    latent: np.ndarray,
    k: int = 30,
    *,
    seed: int,
    resolution: float = 1.0,
    metric: Metric = "euclidean",
    near: Neighbours | None = None,
) -> Clustering:
    """Cluster cells by Leiden in a graph whose edges all count the same.

    What scanpy's `tl.leiden(flavor="igraph", use_weights=False)` finds in the same graph; no cell
    is left unassigned.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    k
        Number of neighbours of each cell, less than the number of cells.
    seed
        Seed of the vertex orders.
    resolution
        More than 1 gives more clusters, less than 1 fewer.
    metric
        See `scscope.cluster.neighbours.neighbours`.
    near
        `neighbours(latent, k)` where they are at hand; `latent`, `k` and `metric` are not used then.

    Returns
    -------
    Clustering
        Labels of shape (n_cells,), 0 for the largest cluster.
    """
    watch = Stopwatch()
    if near is None:
        with watch.phase("neighbours"):
            near = neighbours(latent, k, metric=metric, seed=seed)
    with watch.phase("graph"):
        graph = neighbour_graph(near.index)
    with watch.phase("communities"):
        communities, modularity, _ = find_communities(
            graph, method="leiden", seed=seed, resolution=resolution
        )
    return Clustering(by_size(communities), modularity, watch.seconds, graph, near.recall)
