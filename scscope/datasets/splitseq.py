"""Brain and spinal cord of young mice (Rosenberg et al., Science 2018): SPLiT-seq, shares of types."""

import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scscope.datasets.record import Record

if TYPE_CHECKING:
    from anndata import AnnData

FILE = "GSM3017261_150000_CNS_nuclei.mat.gz"
N_CELLS, N_GENES, N_CLUSTERS = 156_049, 26_894, 73

# Clusters 1 to 54 are neuronal and 55 to 73 are not, by the publication. What transmitter a
# neuronal cluster has is read off its published name here: Purkinje cells, medium spiny neurons and
# interneurons ("Int") are GABAergic; mitral, pyramidal, granule, Cajal-Retzius cells and "Glut" are
# glutamatergic. Those of which the name says something else or nothing are "other neurons".
LAST_NEURONAL = 54
GABAERGIC = (4, 21, 22, 23, 24, 26, 27, 29, 31, *range(44, 51))
OTHER = (30, 32, 51, 54)  # glycinergic, dopaminergic, stem cells, unresolved
UNRESOLVED = 53
TYPES = ("glutamatergic", "GABAergic", "other neurons", "unresolved", "non-neuronal")


def splitseq(
    raw: Path, record: Record, *, truth: Literal["types", "clusters"] = "types"
) -> "AnnData":
    """Counts of all nuclei.

    Parameters
    ----------
    raw
        Folder with `FILE`.
    record
        Takes in what was done, and the shares of the types.
    truth
        The types of `TYPES`, or the 73 published clusters.

    Returns
    -------
    AnnData
        156,049 cells x 26,894 genes; `obs["label"]`, and `obs["batch"]`: tissue and age.
    """
    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

    content = _content(raw / FILE)
    X = sparse.csr_matrix(content["DGE"])
    cluster, sample = (_texts(content[name]) for name in ("cluster_assignment", "sample_type"))
    genes = _texts(content["genes"])
    barcodes = [f"{int(barcode)}" for barcode in content["barcodes"].ravel()]
    data = AnnData(X, obs=pd.DataFrame(index=barcodes), var=pd.DataFrame(index=genes))
    record.step("as published", data)
    record.require(f"cells of {FILE}", data.n_obs, N_CELLS)
    record.require(f"genes of {FILE}", data.n_vars, N_GENES)
    record.require(f"clusters of {FILE}", len(set(cluster)), N_CLUSTERS)
    types = [type_of(name) for name in cluster]
    data.obs["label"] = cluster if truth == "clusters" else types
    data.obs["batch"] = sample
    record.facts["shares of all cells"] = _in_words(shares(types))
    record.facts["shares of resolved cells"] = _in_words(
        shares(name for name in types if name != "unresolved")
    )
    record.labels = {
        "types": "73 clusters published by Rosenberg et al. 2018; their types read off the names here",
        "clusters": "73 clusters published by Rosenberg et al. 2018, from the same counts",
    }[truth]
    return data


def type_of(cluster: str) -> str:
    """Type, one of `TYPES`, of a published cluster such as "22 Purkinje Early".

    Raises
    ------
    ValueError
        The name does not begin with a number from 1 to 73.
    """
    number = cluster.split(" ")[0]
    if not number.isdecimal() or not 1 <= int(number) <= N_CLUSTERS:
        raise ValueError(f"Cluster {cluster!r} of {FILE} does not begin with 1 to {N_CLUSTERS}.")
    number = int(number)
    if number > LAST_NEURONAL:
        return "non-neuronal"
    if number == UNRESOLVED:
        return "unresolved"
    if number in OTHER:
        return "other neurons"
    return "GABAergic" if number in GABAERGIC else "glutamatergic"


def shares(types: Iterable[str]) -> dict[str, float]:
    """Share of the cells of each type, the most frequent first."""
    counts = Counter(types)
    return {name: n / counts.total() for name, n in counts.most_common()}


def _content(path: Path) -> dict:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    names = ["DGE", "barcodes", "cluster_assignment", "genes", "sample_type"]
    try:
        with gzip.open(path) as file:
            content = loadmat(file, variable_names=names)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, TypeError, MatReadError) as error:
        raise ValueError(f"{path} cannot be read as a gzipped MATLAB 5 file: {error}") from error
    if missing := sorted(set(names) - set(content)):
        raise ValueError(f"{path} has no variable {', '.join(missing)}.")
    return content


def _texts(array) -> list[str]:
    """Texts of a MATLAB character array, whose rows are padded."""
    return [str(text).strip() for text in array]


def _in_words(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {100 * share:.1f} %" for name, share in parts.items())
