"""PhenoGraph (Levine et al., Cell 2015): communities in the graph of shared neighbours."""

from typing import TYPE_CHECKING

import numpy as np

from scscope.cluster.graph import by_size, igraph_seed, jaccard_graph

if TYPE_CHECKING:
    from igraph import Graph

# The stopping rule of PhenoGraph 1.5.7, without its limit of 2,000 seconds: the result is to
# depend on the seed, not on the speed of the machine.
PATIENCE = 20
MAX_RUNS = 100
TOLERANCE = 1e-3


def phenograph(
    latent: np.ndarray,
    k: int = 30,
    *,
    seed: int,
    min_size: int = 10,
    graph: "Graph | None" = None,
) -> np.ndarray:
    """Cluster cells as PhenoGraph 1.5.7 does by default.

    Louvain runs on the Jaccard graph, each time with the vertices in another order, until 20 runs
    in a row have not raised the modularity by more than 0.001; the best run counts.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    k
        Number of neighbours of each cell.
    seed
        Seed of the vertex orders.
    min_size
        Communities of `min_size` cells and fewer get -1. The original too keeps only larger ones,
        though it documents "smaller than".
    graph
        `jaccard_graph(latent, k)` where it is at hand; `latent` and `k` are not used then.

    Returns
    -------
    np.ndarray
        Labels of shape (n_cells,): 0 for the largest community, -1 for cells in none.
    """
    if graph is None:
        graph = jaccard_graph(latent, k)

    with igraph_seed(seed):
        best = graph.community_multilevel(weights="weight")
        updated = 0
        for run in range(1, MAX_RUNS):
            partition = graph.community_multilevel(weights="weight")
            if partition.modularity - best.modularity > TOLERANCE:
                best, updated = partition, run
            if run - updated == PATIENCE:
                break
    return by_size(np.array(best.membership), min_size)
