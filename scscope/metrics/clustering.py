"""Agreement of clusters with true labels, and what can be said of clusters alone.

A metric takes true labels and clusters, both of shape (n_cells,). Cells without a cluster, marked
-1, count as one cluster like any other where clusters are compared with labels.
"""

import numpy as np


def ari(label: np.ndarray, clusters: np.ndarray) -> float:
    """Adjusted Rand index: pairs of cells on which both agree, 0 by chance and 1 at best."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(*_aligned(label, clusters)))


def ami(label: np.ndarray, clusters: np.ndarray) -> float:
    """Adjusted mutual information, divided by the mean of both entropies: 0 by chance, 1 at best."""
    from sklearn.metrics import adjusted_mutual_info_score

    label, clusters = _aligned(label, clusters)
    return float(adjusted_mutual_info_score(label, clusters, average_method="arithmetic"))


def nmi(label: np.ndarray, clusters: np.ndarray) -> float:
    """Mutual information divided by the mean of both entropies; many clusters score above 0."""
    from sklearn.metrics import normalized_mutual_info_score

    label, clusters = _aligned(label, clusters)
    return float(normalized_mutual_info_score(label, clusters, average_method="arithmetic"))


def macro_f1(label: np.ndarray, clusters: np.ndarray) -> float:
    """Mean over the types of the best F1 that any cluster has with the type.

    Every type counts the same, however few cells it has. Two types may have the same best cluster,
    which then is a bad match for one of them at least.
    """
    from sklearn.metrics.cluster import contingency_matrix

    joint = contingency_matrix(*_aligned(label, clusters))
    sizes = joint.sum(axis=1, keepdims=True) + joint.sum(axis=0, keepdims=True)
    return float((2 * joint / sizes).max(axis=1).mean())


def n_clusters(label: np.ndarray | None, clusters: np.ndarray) -> float:
    """Number of clusters, without the cells that have none. `label` is not used."""
    clusters = np.asarray(clusters)
    return float(len(np.unique(clusters[clusters >= 0])))


def unassigned(label: np.ndarray | None, clusters: np.ndarray) -> float:
    """Share of the cells that have no cluster. `label` is not used."""
    if len(clusters) == 0:
        raise ValueError("`clusters` is empty: there are no cells to score.")
    return float(np.mean(np.asarray(clusters) == -1))


def _aligned(label: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(label) != len(clusters):
        raise ValueError(f"`label` has {len(label)} cells but `clusters` has {len(clusters)}.")
    if len(label) == 0:
        raise ValueError("`label` and `clusters` are empty: there are no cells to score.")
    return np.asarray(label), np.asarray(clusters)
