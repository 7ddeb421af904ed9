"""Genes that a cluster has more of than all other cells, by the rank-sum test.

Where the clusters come from the same values, P is descriptive: the clusters were made to differ, so
it falls far below its level even where there is nothing to find (double dipping).
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from scipy import sparse

MIN_LOG2_FOLD_CHANGE = 0.5  # the paper's criteria, both
MAX_P = 0.05
MIN_CELLS = 2
TINY = 1e-9  # added to means, so that a gene seen in no other cell has a fold change


def markers(
    X: "sparse.csr_matrix", genes: np.ndarray, clusters: np.ndarray, *, same_data: bool
) -> pd.DataFrame:
    """Every gene in every cluster against all other cells.

    Parameters
    ----------
    X
        Values log(1 + size-normalised count), shape (n_cells, n_genes).
    genes
        Names, shape (n_genes,).
    clusters
        Cluster of each cell, shape (n_cells,); cells of -1 are left out. Clusters of fewer than
        two cells are not tested.
    same_data
        Whether the clusters were found in these values. Then P is descriptive, and says so.

    Returns
    -------
    pd.DataFrame
        `cluster`, `gene`, `log2_fold_change` (of exp(mean of X) - 1, plus 1e-9, as in scanpy), `p`
        (two-sided rank-sum, normal approximation corrected for ties), `p_adjusted` (Benjamini-Hochberg within the cluster), `is_marker`
        (log2 fold change > 0.5 and P < 0.05, as in the paper), `descriptive`. Fold changes have no
        bound, P is between 0 and 1.
    """
    from scipy.stats import false_discovery_control

    clusters = np.asarray(clusters)
    if X.shape != (len(clusters), len(genes)):
        raise ValueError(
            f"`X` has shape {X.shape} but there are {len(clusters)} cells and {len(genes)} genes."
        )
    if X.nnz and X.data.min() < 0:
        raise ValueError("`X` has negative values; values of log(1 + x) are 0 or above.")
    kept = clusters != -1
    X = X[kept].tocsc()
    X.eliminate_zeros()
    names, codes, sizes = np.unique(clusters[kept], return_inverse=True, return_counts=True)
    chosen = (sizes >= MIN_CELLS) & (sizes < len(codes))
    if not chosen.any():
        raise ValueError("There are no two clusters to compare: all cells are of one, or alone.")
    tested = names[chosen]
    fold = log2_fold_changes(cluster_sums(X, codes, len(names)), sizes)[chosen]
    p = rank_sum_p(X, codes, sizes)[chosen]
    table = pd.DataFrame(
        {
            "cluster": np.repeat(tested.astype(str), len(genes)),
            "gene": np.tile(np.asarray(genes).astype(str), len(tested)),
            "log2_fold_change": fold.ravel(),
            "p": p.ravel(),
            "p_adjusted": np.concatenate([false_discovery_control(row) for row in p]),
        }
    )
    large = table["log2_fold_change"] > MIN_LOG2_FOLD_CHANGE
    return table.assign(is_marker=large & (table["p"] < MAX_P), descriptive=same_data)


def log2_fold_changes(sums: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Log2 fold change of each gene in each cluster against all other cells.

    Parameters
    ----------
    sums
        Sums of log(1 + x) over the cells of each cluster, shape (n_clusters, n_genes).
    sizes
        Number of cells of each cluster, shape (n_clusters,). There are at least two clusters.

    Returns
    -------
    np.ndarray
        Of exp(mean) - 1, plus 1e-9, shape (n_clusters, n_genes).
    """
    sizes = np.asarray(sizes, dtype=float)[:, None]
    own = np.expm1(sums / sizes)
    # Sums of what is left may be a rounding below 0.
    others = np.expm1(np.maximum(sums.sum(axis=0) - sums, 0) / (sizes.sum() - sizes))
    return np.log2((own + TINY) / (others + TINY))


def cluster_sums(X: "sparse.csr_matrix", codes: np.ndarray, n_clusters: int) -> np.ndarray:
    """Sums of the rows of each cluster, shape (n_clusters, n_genes).

    Parameters
    ----------
    X
        Shape (n_cells, n_genes).
    codes
        Cluster of each cell, 0 to n_clusters - 1.
    n_clusters
        Number of clusters.
    """
    from scipy import sparse

    n_cells = len(codes)
    cells = (np.ones(n_cells), (codes, np.arange(n_cells)))
    return np.asarray((sparse.csr_matrix(cells, shape=(n_clusters, n_cells)) @ X).todense())


def rank_sum_p(X: "sparse.csc_matrix", codes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """P of the two-sided rank-sum test of each cluster against all other cells.

    By the normal approximation, corrected for ties and not for continuity. Each gene is ranked
    once; its zeros, which are its lowest values, are never written out.

    Parameters
    ----------
    X
        Values from 0 up, without stored zeros, shape (n_cells, n_genes).
    codes
        Cluster of each cell, 0 to n_clusters - 1.
    sizes
        Number of cells of each cluster, shape (n_clusters,).

    Returns
    -------
    np.ndarray
        Shape (n_clusters, n_genes); 1 where all cells have one value.
    """
    from scipy.stats import norm, rankdata

    n, n_own = float(len(codes)), np.asarray(sizes, dtype=float)
    p = np.ones((len(sizes), X.shape[1]))
    for gene in range(X.shape[1]):
        seen = slice(*X.indptr[gene : gene + 2])
        rank, cluster = rankdata(X.data[seen]), codes[X.indices[seen]]
        n_zeros = n - len(rank)
        ranks = np.bincount(cluster, rank + n_zeros, minlength=len(sizes)).astype(float)
        ranks += (n_own - np.bincount(cluster, minlength=len(sizes))) * (n_zeros + 1) / 2
        ties = np.append(np.unique(rank, return_counts=True)[1].astype(float), n_zeros)
        spread = n + 1 - (ties**3 - ties).sum() / (n * (n - 1))
        if spread > 0:
            deviation = ranks - n_own * (n + 1) / 2
            z = deviation / np.sqrt(n_own * (n - n_own) / 12 * spread)
            p[:, gene] = np.minimum(2 * norm.sf(np.abs(z)), 1)
    return p
