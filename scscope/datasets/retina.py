"""Mouse retina (Macosko et al., Cell 2015): Drop-seq, 44,808 cells in 39 published clusters."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from scscope.datasets.files import read_file
from scscope.datasets.record import Record, missing_from, pairs_of

if TYPE_CHECKING:
    from anndata import AnnData

MATRIX = "GSE63472_P14Retina_merged_digital_expression.txt.gz"
LABELS = "retina_clusteridentities.txt"
N_CELLS = 49_300  # of the matrix; 4,492 of them are in no cluster
N_GENES = 24_658
N_LABELLED = 44_808

# Last cluster of each type, in order: three public sources agree on the ranges (olgabot/
# cshl-singlecell-2017, hemberg-lab/scRNA.seq.datasets, iyhaoo/DISC).
TYPES = {
    "horizontal": 1,
    "retinal ganglion": 2,
    "amacrine": 23,
    "rods": 24,
    "cones": 25,
    "bipolar": 33,
    "Müller glia": 34,
    "astrocytes": 35,
    "fibroblasts": 36,
    "vascular endothelium": 37,
    "pericytes": 38,
    "microglia": 39,
}
# Of all cells, in percent, by microscopy: Jeon et al. 1998 as scVAE used it.
JEON_1998 = {
    "horizontal": 0.5,
    "retinal ganglion": 0.5,
    "amacrine": 7.0,
    "rods": 79.9,
    "cones": 2.1,
    "bipolar": 7.3,
    "Müller glia": 2.8,
}


def retina(
    raw: Path, record: Record, *, truth: Literal["clusters", "types"] = "clusters"
) -> "AnnData":
    """Counts of the labelled cells.

    Parameters
    ----------
    raw
        Folder with `MATRIX` and `LABELS`.
    record
        Takes in what was done.
    truth
        The 39 clusters, "1" to "39", or the 12 types that they belong to, see `TYPES`.

    Returns
    -------
    AnnData
        44,808 cells x 24,658 genes; `obs["label"]`, and `obs["batch"]`: the seven replicates p1 and
        r1 to r6.

    Raises
    ------
    ValueError
        Another number of cells, genes, labels or clusters.
    """
    data = record.step("as published", read_file(raw / MATRIX, cells_in="columns"))
    record.require(f"cells of {MATRIX}", data.n_obs, N_CELLS)
    record.require(f"genes of {MATRIX}", data.n_vars, N_GENES)

    cluster = pairs_of(raw / LABELS, "\t")
    record.require(f"cells of {LABELS}", len(cluster), N_LABELLED)
    wanted = {str(number) for number in range(1, max(TYPES.values()) + 1)}
    found = set(cluster.values())
    record.require(f"clusters of {LABELS}", sorted(found, key=_order), sorted(wanted, key=_order))
    missing_from(str(raw / MATRIX), cluster, data.obs_names)

    data = data[data.obs_names.isin(cluster)].copy()
    record.step("cells in a published cluster", data)
    label = [cluster[cell] for cell in data.obs_names]
    if truth == "types":
        label = [type_of(int(name)) for name in label]
    data.obs["label"] = label
    data.obs["batch"] = [cell.split("_")[0] for cell in data.obs_names]
    record.labels = {
        "clusters": "39 clusters published by Macosko et al. 2015, from the same counts",
        "types": "12 types, to which the 39 clusters published by Macosko et al. 2015 belong",
    }[truth]
    return data


def type_of(cluster: int) -> str:
    """Type of a published cluster, 1 to 39."""
    last = np.fromiter(TYPES.values(), int)
    if not 1 <= cluster <= last[-1]:
        raise ValueError(f"There is no cluster {cluster}: they are 1 to {last[-1]}.")
    return list(TYPES)[int(np.searchsorted(last, cluster))]


def _order(name: str) -> tuple[int, str]:
    return len(name), name
