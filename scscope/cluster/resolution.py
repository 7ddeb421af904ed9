"""The best that a graph clusterer could do if it knew the right resolution."""

from typing import TYPE_CHECKING

import numpy as np

from scscope.cluster.graph import by_size, igraph_seed, jaccard_graph

if TYPE_CHECKING:
    from igraph import Graph

RESOLUTIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0)
# Where there are groups, Leiden settles within four iterations; where there are none, it would go on
# for long.
N_ITERATIONS = 4


def best_resolution(
    latent: np.ndarray,
    label: np.ndarray,
    *,
    seed: int,
    graph: "Graph | None" = None,
    k: int = 30,
) -> tuple[np.ndarray, float]:
    """An oracle: the Leiden clusters that agree best with the truth, over a grid of resolutions.

    It uses the true labels to choose, which no clusterer can do on new data. Its score is an upper
    bound, up to chance and the steps of the grid, of what clustering this graph by modularity can
    give; it is not a result of a method.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    label
        True labels, shape (n_cells,).
    seed
        Seed of Leiden, the same at each resolution.
    graph
        `jaccard_graph(latent, k)` where it is at hand; `latent` and `k` are not used then.
    k
        Number of neighbours of each cell.

    Returns
    -------
    tuple of np.ndarray and float
        Labels of shape (n_cells,), 0 for the largest cluster, and the one of `RESOLUTIONS` that
        has the highest adjusted Rand index: the lowest of these where several have.
    """
    from sklearn.metrics import adjusted_rand_score

    if graph is None:
        graph = jaccard_graph(latent, k)

    found = []
    for resolution in RESOLUTIONS:
        with igraph_seed(seed):
            partition = graph.community_leiden(
                objective_function="modularity",
                weights="weight",
                resolution=resolution,
                n_iterations=N_ITERATIONS,
            )
        found.append(by_size(np.array(partition.membership)))
    agreement = [adjusted_rand_score(label, clusters) for clusters in found]
    best = int(np.argmax(agreement))
    return found[best], RESOLUTIONS[best]
