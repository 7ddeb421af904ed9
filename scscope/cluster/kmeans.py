"""k-means with a given number of clusters."""

import numpy as np

from scscope.cluster.neighbours import check_latent


def kmeans(latent: np.ndarray, n_clusters: int, *, seed: int) -> np.ndarray:
    """Cluster cells by k-means, the best of ten starts.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    n_clusters
        Number of clusters, at most the number of cells.
    seed
        Seed of the starts.

    Returns
    -------
    np.ndarray
        Labels of shape (n_cells,).
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    latent = check_latent(latent)
    if not 1 <= n_clusters <= len(latent):
        raise ValueError(
            f"`n_clusters` is {n_clusters} but `latent` has {len(latent)} cells: it must be at "
            "least 1 and at most the number of cells."
        )
    model = KMeans(n_clusters, n_init=10, random_state=seed)
    # Several threads add up the centres in the order in which they finish: not reproducible, and on
    # a busy machine ten times slower.
    with threadpool_limits(1):
        return model.fit_predict(latent).astype(np.int64)
