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
BLOCK = 200  # genes that are made dense at a time
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
    kept = clusters != -1
    X, clusters = X[kept].tocsc(), clusters[kept]
    names, sizes = np.unique(clusters, return_counts=True)
    tested = names[(sizes >= MIN_CELLS) & (sizes < len(clusters))]
    if not len(tested):
        raise ValueError("There are no two clusters to compare: all cells are of one, or alone.")
    blocks = [
        _block(X[:, start : start + BLOCK].toarray().astype(float), clusters, tested)
        for start in range(0, X.shape[1], BLOCK)
    ]
    fold, p = (np.concatenate(parts, axis=1) for parts in zip(*blocks, strict=True))
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


def _block(
    values: np.ndarray, clusters: np.ndarray, tested: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log2 fold change and P of some genes, each of shape (n_clusters, n_genes)."""
    from scipy.stats import mannwhitneyu

    fold, p = [], []
    for name in tested:
        own, others = values[clusters == name], values[clusters != name]
        means = np.expm1(own.mean(axis=0)), np.expm1(others.mean(axis=0))
        fold.append(np.log2((means[0] + TINY) / (means[1] + TINY)))
        test = mannwhitneyu(own, others, axis=0, method="asymptotic", use_continuity=False)
        p.append(np.nan_to_num(test.pvalue, nan=1.0))  # NaN where all cells have one value
    return np.stack(fold), np.stack(p)
