"""How well rare types are found.

How the paper computes an ARI of rare types is not stated. These are two definitions of our own; both
are NaN where too few cells would decide them. Types of fewer than 50 cells are left out.
"""

import numpy as np

MIN_CELLS = 50  # of a type; with fewer a handful of cells moves a score
RARE_SHARE = 0.01  # a type is rare up to this share of the cells, where the dataset does not say


def rare_types_of(label: np.ndarray, named: np.ndarray | None) -> np.ndarray:
    """Names of the rare types: those that the dataset names, else those of at most 1 % of the cells."""
    if named is not None:
        return np.asarray(named)
    names, sizes = np.unique(label, return_counts=True)
    return names[sizes <= RARE_SHARE * len(label)]


def rare_ari(label: np.ndarray, clusters: np.ndarray, rare_types: np.ndarray) -> float:
    """Adjusted Rand index of the rare cells alone, -0.5 to 1, more is better.

    It asks whether rare types are told from each other, not whether they are told from the frequent
    ones. NaN with fewer than two types of at least 50 cells.

    Parameters
    ----------
    label, clusters
        Shape (n_cells,); cells without a cluster, -1, count as one cluster.
    rare_types
        Names of the rare types.
    """
    from sklearn.metrics import adjusted_rand_score

    label, clusters = _aligned(label, clusters)
    scored = _large_enough(label, rare_types)
    if len(scored) < 2:
        return float("nan")
    rare = np.isin(label, scored)
    return float(adjusted_rand_score(label[rare], clusters[rare]))


def rare_f1(label: np.ndarray, clusters: np.ndarray, rare_types: np.ndarray) -> float:
    """Mean over rare types of the F1 of their best cluster, 0 to 1, more is better.

    F1 of a type and a cluster is 2 x cells of both / (cells of the type + cells of the cluster): a
    cluster that mixes the type with others counts against it. -1 is no cluster. NaN without a type
    of at least 50 cells. Parameters as those of `rare_ari`.
    """
    label, clusters = _aligned(label, clusters)
    scored = _large_enough(label, rare_types)
    if not len(scored):
        return float("nan")
    names, code, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    found = []
    for name in scored:
        own = label == name
        both = np.bincount(code[own], minlength=len(names))
        f1 = 2 * both / (own.sum() + sizes)
        found.append(f1[names >= 0].max(initial=0))
    return float(np.mean(found))


def _large_enough(label: np.ndarray, rare_types: np.ndarray) -> list:
    return [name for name in rare_types if np.count_nonzero(label == name) >= MIN_CELLS]


def _aligned(label: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(label) != len(clusters):
        raise ValueError(f"`label` has {len(label)} cells but `clusters` has {len(clusters)}.")
    return np.asarray(label), np.asarray(clusters)
