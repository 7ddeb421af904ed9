"""PhenoGraph (Levine et al., Cell 2015): communities in the graph of shared neighbours."""

import numpy as np

from scscope.cluster.communities import Method, find_communities
from scscope.cluster.graph import by_size, shared_graph
from scscope.cluster.neighbours import Metric, Neighbours, Search, neighbours
from scscope.cluster.result import Clustering, Stopwatch


def phenograph(
    latent: np.ndarray,
    k: int = 30,
    *,
    seed: int,
    method: Method = "louvain",
    resolution: float = 1.0,
    min_size: int = 10,
    metric: Metric = "euclidean",
    search: Search = "auto",
    n_threads: int | None = None,
    device: str = "cpu",
    near: Neighbours | None = None,
) -> Clustering:
    """Cluster cells as PhenoGraph 1.5.7 does by default.

    Cells are vertices; edges between neighbours are weighted by the Jaccard index of their
    neighbours; communities of high modularity are the clusters.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    k
        Number of neighbours of each cell, less than the number of cells.
    seed
        Seed of the vertex orders, and of the search where it is approximate. The same seed gives
        the same labels, on any number of threads.
    method
        "louvain", the paper's, repeated as long as a better result is to be expected; or "leiden".
    resolution
        Of the modularity: more than 1 gives more clusters. The original knows it for Leiden only.
    min_size
        Communities of `min_size` cells and fewer get -1, as in `sort_by_size` of the original,
        though it documents "smaller than".
    metric, search, device
        See `scscope.cluster.neighbours.neighbours`.
    n_threads
        Threads of the search; all cores if None.
    near
        `neighbours(latent, k)` where they are at hand; `latent` and what else they are made of is
        not used then.

    Returns
    -------
    Clustering
        Labels of shape (n_cells,), 0 for the largest cluster and -1 for cells in none.
    """
    if min_size < 0:
        raise ValueError(f"`min_size` is {min_size}: it must be at least 0.")
    watch = Stopwatch()
    if near is None:
        with watch.phase("neighbours"):
            near = neighbours(
                latent,
                k,
                metric=metric,
                search=search,
                seed=seed,
                n_threads=n_threads,
                device=device,
            )
    with watch.phase("graph"):
        graph = shared_graph(near.index)
    with watch.phase("communities"):
        communities, modularity, n_runs = find_communities(
            graph, method=method, seed=seed, resolution=resolution
        )
    return Clustering(
        labels=by_size(communities, min_size),
        modularity=modularity,
        seconds=watch.seconds,
        graph=graph,
        recall=near.recall,
        n_runs=n_runs,
    )
