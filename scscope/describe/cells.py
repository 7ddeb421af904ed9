"""What is known of the cells of a dataset: values on the log scale, samples, conditions, labels."""

import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from scscope import h5ad
from scscope.data import log_normalised, median_total, read_dataset, scaled
from scscope.datasets import intestine, retina, splitseq
from scscope.datasets.prepare import COUNTS, TOTAL
from scscope.describe.panels import panel_genes

ALL = "all"  # in place of a sample, where a dataset has one only


@dataclass(frozen=True)
class Cells:
    """Cells of a dataset, in its order.

    Parameters
    ----------
    X
        log(1 + size-normalised count), CSR of shape (n_cells, n_genes).
    genes
        Names, by symbol where the dataset knows them; shape (n_genes,).
    sample
        Mouse, donor or batch of each cell; "all" where there is one only.
    condition
        Condition of the sample of each cell, empty where there is none.
    label
        True label of each cell, empty where it is not known.
    """

    X: sparse.csr_matrix
    genes: np.ndarray
    sample: np.ndarray
    condition: np.ndarray
    label: np.ndarray

    def columns(self, genes: list[str]) -> tuple[list[str], sparse.csr_matrix]:
        """Those of some genes that are there, and their values, shape (n_cells, n_found)."""
        place = {gene: i for i, gene in enumerate(self.genes)}
        found = [gene for gene in genes if gene in place]
        return found, self.X[:, [place[gene] for gene in found]]


def read_cells(path: str | Path, *, source: str, panel: str) -> Cells:
    """Read what `scscope.data.write_dataset` wrote.

    Marker genes that were not among the selected ones are taken from `obs`, if their counts were
    kept there, and are normalised by the total of all genes.

    Parameters
    ----------
    path
        The dataset.
    source
        The real set that it is, or stands for, by the names of `scscope.datasets.sets`; or empty.
    panel
        Name of its panel of marker genes, or empty.
    """
    data = read_dataset(path)
    n_cells = len(data.cells)
    with h5py.File(path) as file:
        genes = _symbols(file["var"], data.genes)
        known = set(genes)
        wanted = [gene for gene in (panel_genes(panel) if panel else ()) if gene not in known]
        kept = {g: file["obs"][COUNTS + g][()] for g in wanted if COUNTS + g in file["obs"]}
        total = file["obs"][TOTAL][()] if kept else np.empty(0)
    X = scaled(data, "log").X
    if kept:
        median = median_total(total)
        beside = [log_normalised(counts, total, median) for counts in kept.values()]
        more = sparse.csr_matrix(np.stack(beside, axis=1).astype(np.float32))
        X = sparse.hstack([X, more], format="csr")
        genes = np.append(genes, list(kept))
    nothing = np.full(n_cells, "")
    sample = np.full(n_cells, ALL) if data.batch is None else data.batch
    return Cells(
        X=X,
        genes=genes,
        sample=sample,
        condition=_mapped(intestine.condition_of, sample) if source == "intestine" else nothing,
        label=nothing if data.label is None else data.label,
    )


def _symbols(var: h5py.Group, genes: np.ndarray) -> np.ndarray:
    """Symbols of genes; ids of those whose symbol others have too."""
    if "symbol" not in var:
        return genes
    symbols = h5ad.read_column(var, "symbol")
    names, place, n = np.unique(symbols, return_inverse=True, return_counts=True)
    return np.where(n[place] == 1, symbols, genes)


def labelled_types(label: np.ndarray, source: str) -> np.ndarray:
    """Type that the dataset's own label says, for each cell.

    The clusters of retina and SPLiT-seq have the types of their publications. Groups of a stand-in
    that are of one type have a number after its name.
    """
    return _mapped(lambda name: _labelled_type(name, source), label)


def _labelled_type(label: str, source: str) -> str:
    if source == "retina" and label.isdigit():
        return retina.type_of(int(label))
    if source == "splitseq" and label not in splitseq.TYPES:
        return splitseq.type_of(label)
    return re.sub(r" \d+$", "", label)


def _mapped(function, values: np.ndarray) -> np.ndarray:
    names, place = np.unique(values, return_inverse=True)
    return np.array([function(name) for name in names.tolist()])[place]
