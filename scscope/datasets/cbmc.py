"""Cord blood (Stoeckius et al., Nature Methods 2017): CITE-seq, RNA and 13 antibodies of each cell."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from scscope.data import cell_totals
from scscope.datasets.files import read_file
from scscope.datasets.record import Record, missing_from, pairs_of, text_hash

if TYPE_CHECKING:
    from anndata import AnnData

RNA = "GSE100866_CBMC_8K_13AB_10X-RNA_umi.csv.gz"
ADT = "GSE100866_CBMC_8K_13AB_10X-ADT_umi.csv.gz"
CLR = "GSE100866_CBMC_8K_13AB_10X-ADT_clr-transformed.csv.gz"
LABELS = "cbmc_clusters.csv.gz"
N_CELLS = 8_617
N_GENES = 36_280  # of both species, and a control sequence
PROTEINS = (
    *("CD3", "CD4", "CD8", "CD45RA", "CD56", "CD16", "CD10"),
    *("CD11c", "CD14", "CD19", "CD34", "CCR5", "CCR7"),
)
HUMAN, MOUSE = "HUMAN_", "MOUSE_"
HUMAN_SHARE = 0.9  # of a cell's UMIs: more than this is a human cell, by the original paper
N_HUMAN = 8_005
# sha256 of the sorted barcodes of the human cells, one a line, as the "linked charts" tutorial of
# S. Anders has them.
HUMAN_BARCODES = "1037831aa82ec5448c562aca75cc269d73ab74dcef72284719e9b1ff395752c3"
N_PUBLISHED = 7_834  # human cells with a published class other than Mouse and Unknown
NO_CLASS = ("Mouse", "Unknown")
CLR_TOLERANCE = 1e-12
TRUTH_SEED = 0
# sha256 of the clusters that PhenoGraph finds in the antibodies of the human cells, one a line, in the
# order of the antibody file.
TRUTH = "8de5e1a16c4aeb30e14cfc62c0e718009ed2309720227c544b771f4f34139441"


def cbmc(
    raw: Path, record: Record, *, truth: Literal["antibodies", "published"] = "antibodies"
) -> "AnnData":
    """Counts of the human genes of the human cells.

    Parameters
    ----------
    raw
        Folder with `RNA`, `ADT`, `CLR` and `LABELS`.
    record
        Takes in what was done; the hash of the truth among it.
    truth
        Clusters that PhenoGraph finds in the 13 antibodies, as in the paper; or the 13 classes of
        Seurat's tutorial without the cells of `NO_CLASS`.

    Returns
    -------
    AnnData
        8,005 cells (7,834 with published classes) x 20,400 genes; `obs["label"]`.

    Raises
    ------
    ValueError
        Another number of cells or genes, other human barcodes than known, or a CLR that is not that
        of the antibody counts.
    """
    data = record.step("as published", read_file(raw / RNA, cells_in="columns"))
    record.require(f"cells of {RNA}", data.n_obs, N_CELLS)
    record.require(f"genes of {RNA}", data.n_vars, N_GENES)
    clr = _checked_clr(raw, record)
    missing_from(str(raw / ADT), data.obs_names, clr.index)

    share = human_share(data)
    data = record.step(f"more than {HUMAN_SHARE:.0%} human UMIs", data[share > HUMAN_SHARE].copy())
    why = f"The rule: more than {HUMAN_SHARE:.0%} of the UMIs of human or mouse genes are human."
    record.require(f"human cells of {RNA}", data.n_obs, N_HUMAN, why)
    record.require(
        "sha256 of the human barcodes", text_hash(sorted(data.obs_names)), HUMAN_BARCODES
    )
    is_human = data.var_names.str.startswith(HUMAN)
    data = data[:, is_human].copy()
    data.var_names = data.var_names.str.removeprefix(HUMAN)
    record.step("human genes", data)

    if truth == "antibodies":
        human = clr[clr.index.isin(data.obs_names)]  # in the order of the antibody file
        label = dict(zip(human.index, _antibody_clusters(human.to_numpy(), record), strict=True))
        data.obs["label"] = [label[cell] for cell in data.obs_names]
        record.expect(
            "sha256 of the clusters of the antibodies",
            text_hash(label.values()),
            TRUTH,
            "It was computed once when this was written; other versions of libraries or another "
            "processor may cluster otherwise.",
        )
        return data
    published = pairs_of(raw / LABELS, ",")
    missing_from(str(raw / LABELS), data.obs_names, published)
    data.obs["label"] = [published[cell] for cell in data.obs_names]
    data = data[~data.obs["label"].isin(NO_CLASS)].copy()
    record.step(f"a published class other than {' and '.join(NO_CLASS)}", data)
    record.require(f"human cells with a class in {LABELS}", data.n_obs, N_PUBLISHED)
    record.labels = "13 classes of Seurat's tutorial, as YosefLab/scVI-data has them"
    return data


def human_share(data: "AnnData") -> np.ndarray:
    """Share of human UMIs among those of human or mouse genes, shape (n_cells,); 0 without any."""
    human, mouse = (
        cell_totals(data.X[:, data.var_names.str.startswith(prefix)]) for prefix in (HUMAN, MOUSE)
    )
    total = human + mouse
    return np.divide(human, total, out=np.zeros(len(total)), where=total > 0)


def centred_log_ratio(counts: np.ndarray) -> np.ndarray:
    """log(1 + count) minus its mean over the antibodies of the cell, as GEO's file has it.

    Parameters
    ----------
    counts
        Antibody counts, shape (n_cells, n_antibodies).
    """
    log = np.log1p(np.asarray(counts, dtype=np.float64))
    return log - log.mean(axis=1, keepdims=True)


def _checked_clr(raw: Path, record: Record):
    """CLR of the antibody counts, cells x antibodies, equal to the published one."""
    import pandas as pd

    counts, published = (pd.read_csv(raw / name, index_col=0).T for name in (ADT, CLR))
    for name, table in ((ADT, counts), (CLR, published)):
        record.require(f"antibodies of {name}", tuple(table.columns), PROTEINS)
        record.require(f"cells of {name}", len(table), N_CELLS)
    missing_from(str(raw / CLR), counts.index, published.index)
    clr = centred_log_ratio(counts.to_numpy())
    difference = float(np.abs(clr - published.loc[counts.index].to_numpy()).max())
    if not difference <= CLR_TOLERANCE:
        raise ValueError(
            f"{raw / CLR} differs by {difference:.3g} from the centred log ratio of {ADT}, and "
            f"{CLR_TOLERANCE:.0e} is allowed: the two files do not belong together."
        )
    record.facts["clr"] = f"equals GEO's to {difference:.1e}"
    return pd.DataFrame(clr, index=counts.index, columns=counts.columns)


def _antibody_clusters(clr: np.ndarray, record: Record) -> list[str]:
    """Clusters that PhenoGraph finds in the antibodies; its cells without one are one more class."""
    from scscope.cluster.phenograph import phenograph

    found = phenograph(clr, 30, seed=TRUTH_SEED, n_threads=1).labels
    labels = ["none" if cluster < 0 else str(cluster) for cluster in found]
    record.facts["truth"] = (
        f"{found.max() + 1} clusters, {int(np.sum(found < 0))} cells in none; sha256 of the labels "
        f"in the order of the cells {text_hash(labels)}"
    )
    record.labels = (
        f"PhenoGraph (k = 30, seed {TRUTH_SEED}) on the centred log ratio of "
        f"{clr.shape[1]} antibodies, computed here once"
    )
    return labels
