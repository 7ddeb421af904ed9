"""Which type a cluster is of, by marker genes: the rules of the paper's three sets.

The paper's words are few: where it gives no threshold, the one here is ours and says so.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scscope.cluster.result import UNASSIGNED as NO_CLUSTER
from scscope.describe.cells import Cells
from scscope.describe.panels import read_panel
from scscope.metrics.markers import MIN_LOG2_FOLD_CHANGE, cluster_sums, log2_fold_changes

UNASSIGNED = "unassigned"  # cells in no cluster, and clusters without any marker
RODS = "rods"
SIDES = {"distal enterocyte": "distal", "proximal enterocyte": "proximal"}
AGES = ("immature", "mature")
SUBTYPES = tuple(f"{side} {age}" for side in SIDES.values() for age in AGES)
STEM, CYCLE = "stem", "cell cycle"
# Score of stem and cycling cells over that of enterocytes, from which on a cycling cluster is of
# the type; ours, because the paper's ratios (Supplementary Table 11) are not known.
CYCLING = {"TA early": 2.0, "TA late": 1.0, "enterocyte progenitor": 0.0}


def cluster_types(clusters: np.ndarray, cells: Cells, panel: str) -> np.ndarray:
    """Type of the cluster of each cell.

    The type is the one whose markers have the highest mean, each marker scaled to 0 to 1 over the
    clusters (brain: its size-normalised UMIs over the cells, as in the paper). In retina it is
    accepted if one of its markers has a log2 fold change above 0.5 over all other clusters, and the
    cluster is of rods otherwise (paper, online Methods). In intestine, clusters of cycling cells and
    of enterocytes are told apart further, see `told_apart`.

    Parameters
    ----------
    clusters
        Shape (n_cells,); -1 for cells in none.
    cells
        The cells.
    panel
        Name of the panel of marker genes; without one no cluster has a type.

    Returns
    -------
    np.ndarray
        Text of shape (n_cells,): a type, or "unassigned" for cells in no cluster and for clusters
        in which no marker stands out.
    """
    types = np.full(len(clusters), UNASSIGNED, dtype=object)
    kept = clusters != NO_CLUSTER
    if panel and kept.any():
        names, codes = np.unique(clusters[kept], return_inverse=True)
        types[kept] = np.array(_types(codes, len(names), cells, kept, panel), dtype=object)[codes]
    return types.astype(str)


def _types(
    codes: np.ndarray, n_clusters: int, cells: Cells, kept: np.ndarray, panel: str
) -> list[str]:
    """Type of each cluster, 0 to n_clusters - 1."""
    markers = read_panel(panel)
    genes, X = cells.columns([gene for own in markers.values() for gene in own])
    X = X[kept]
    sizes = np.bincount(codes, minlength=n_clusters)
    sums = cluster_sums(X, codes, n_clusters)
    means = pd.DataFrame(sums / sizes[:, None], columns=genes)
    if panel == "brain":
        umis = X.copy()
        umis.data = np.expm1(umis.data.astype(np.float64))
        highest = np.maximum(umis.max(axis=0).toarray().ravel(), np.finfo(float).tiny)
        scaled = cluster_sums(umis, codes, n_clusters) / sizes[:, None] / highest
        scores = type_scores(pd.DataFrame(scaled, columns=genes), markers)
    else:
        scores = type_scores(over_clusters(means), markers)
    found = [UNASSIGNED if row.max() <= 0 else str(row.idxmax()) for _, row in scores.iterrows()]
    if panel == "retina" and n_clusters > 1:
        fold = pd.DataFrame(log2_fold_changes(sums, sizes), columns=genes)
        return [accepted(name, fold.iloc[i], markers) for i, name in enumerate(found)]
    return told_apart(found, scores) if panel == "intestine" else found


def over_clusters(means: pd.DataFrame) -> pd.DataFrame:
    """Means scaled to 0 to 1 over the clusters, each gene by itself; 0 where all are the same."""
    spread = means.max() - means.min()
    return ((means - means.min()) / spread.where(spread > 0)).fillna(0.0)


def type_scores(scaled: pd.DataFrame, markers: Mapping[str, tuple[str, ...]]) -> pd.DataFrame:
    """Mean of the markers of each type: a row for each cluster, a column for each type.

    Parameters
    ----------
    scaled
        Scaled means, a row for each cluster, a column for each gene.
    markers
        Marker genes by type. Genes that are not there do not count; a type without any scores 0.
    """
    found = {name: [gene for gene in own if gene in scaled] for name, own in markers.items()}
    return pd.DataFrame(
        {name: scaled[own].mean(axis=1) if own else 0.0 for name, own in found.items()},
        index=scaled.index,
    )


def accepted(candidate: str, fold: pd.Series, markers: Mapping[str, tuple[str, ...]]) -> str:
    """The candidate if any of its markers is raised in the cluster; otherwise rods."""
    own = [gene for gene in markers.get(candidate, ()) if gene in fold]
    return candidate if (fold[own] > MIN_LOG2_FOLD_CHANGE).any() else RODS


def told_apart(found: list[str], scores: pd.DataFrame) -> list[str]:
    """Types of the intestine, with cycling cells and enterocytes told apart further.

    Cycling clusters by the ratio of `CYCLING`, as in the paper, whose thresholds are not known. Of the
    enterocytes of a side, clusters whose score is nearer to the highest than to the lowest are
    mature, the others immature; this rule is ours.

    Parameters
    ----------
    found
        Type of each cluster, with "cell cycle" and the sides of enterocytes among them.
    scores
        As from `type_scores`.
    """
    middle = {}
    for side in SIDES:
        own = scores.loc[[name == side for name in found], side]
        middle[side] = (own.min() + own.max()) / 2
    enterocyte, growing = scores[list(SIDES)].max(axis=1), scores[[STEM, CYCLE]].mean(axis=1)
    types = []
    for i, name in enumerate(found):
        if name == CYCLE:
            ratios = CYCLING.items()
            name = next(kind for kind, r in ratios if growing.iloc[i] >= r * enterocyte.iloc[i])
        elif name in SIDES:
            is_mature = scores[name].iloc[i] >= middle[name]
            name = f"{SIDES[name]} {AGES[int(is_mature)]}"
        types.append(name)
    return types
