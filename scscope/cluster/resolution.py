"""The best that a graph clusterer could do if it knew the right resolution."""

import numpy as np

from scscope.cluster.communities import find_communities
from scscope.cluster.graph import by_size, shared_graph
from scscope.cluster.neighbours import Neighbours, neighbours

RESOLUTIONS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0)


def best_resolution(
    latent: np.ndarray,
    label: np.ndarray,
    *,
    seed: int,
    near: Neighbours | None = None,
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
    near
        `neighbours(latent, k)` where they are at hand; `latent` and `k` are not used then.
    k
        Number of neighbours of each cell.

    Returns
    -------
    tuple of np.ndarray and float
        Labels of shape (n_cells,), 0 for the largest cluster, and the one of `RESOLUTIONS` that
        has the highest adjusted Rand index: the lowest of these where several have.
    """
    from sklearn.metrics import adjusted_rand_score

    graph = shared_graph((near or neighbours(latent, k)).index)
    found = []
    for resolution in RESOLUTIONS:
        communities, _, _ = find_communities(
            graph, method="leiden", seed=seed, resolution=resolution
        )
        found.append(by_size(communities))
    agreement = [adjusted_rand_score(label, clusters) for clusters in found]
    best = int(np.argmax(agreement))
    return found[best], RESOLUTIONS[best]
