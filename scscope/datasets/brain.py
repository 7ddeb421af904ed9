"""Brain of mouse embryos (10x Genomics 2017): 1.3 million cells, and 20,000 of them; no truth."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import sparse

from scscope.data import Stream
from scscope.datasets.prepare import COUNTS, TOTAL
from scscope.datasets.record import Record
from scscope.datasets.streaming import gene_statistics, selected_stream
from scscope.datasets.tenx import TenxFile, columns_of
from scscope.describe.panels import read_panel
from scscope.seeds import derive_seed

FULL = "1M_neurons_filtered_gene_bc_matrices_h5.h5"
SUBSET = "1M_neurons_neuron20k.h5"
N_GENES = 27_998
N_CELLS = 1_306_127
N_SUBSET = 20_000
PAPER_CELLS = 1_308_421  # printed in the paper, online Methods

MARKERS = read_panel("brain")  # genes by which the three major types are told apart


def brain(
    raw: Path, record: Record, *, n_top_genes: int | None = None, n_cells: int | None = None
) -> Stream:
    """Counts of all cells, or of some, in the genes that vary most; in two passes over the file.

    Parameters
    ----------
    raw
        Folder with `FULL`.
    record
        Takes in what was done.
    n_top_genes
        Keep the genes of largest variance / mean of log(TPM + 1) over all cells, the paper's rule;
        all genes if None.
    n_cells
        Keep this many cells, drawn once for all: fewer cells are always among more. The genes are
        the same for any number.

    Returns
    -------
    Stream
        Genes by their ids. `obs["batch"]`: the library, 1 to 133; `obs["total"]`: UMIs in all genes;
        `obs["counts_Gad1"]` and so on: UMIs of the genes of `MARKERS`, selected or not.

    Raises
    ------
    ValueError
        Another number of cells or genes; `n_cells` is more than there are.
    """
    file = TenxFile(raw / FULL)
    record.require(f"cells of {FULL}", file.shape[0], N_CELLS)
    record.expect(
        f"cells of {FULL}",
        file.shape[0],
        PAPER_CELLS,
        "The paper prints this; no published file has as many, and how it came about is not known.",
    )
    return _selected(file, record, n_top_genes, n_cells)


def brain_20k(
    raw: Path, record: Record, *, n_top_genes: int | None = None, n_cells: int | None = None
) -> Stream:
    """The same of the subset that 10x Genomics published, see `brain`."""
    file = TenxFile(raw / SUBSET)
    record.require(f"cells of {SUBSET}", file.shape[0], N_SUBSET)
    return _selected(file, record, n_top_genes, n_cells)


def subsample(n_all: int, n_cells: int) -> np.ndarray:
    """Which cells are in a subsample, bool of shape (n_all,); the smaller lie within the larger.

    Raises
    ------
    ValueError
        There are not as many.
    """
    if not 0 < n_cells <= n_all:
        raise ValueError(f"`n_cells` is {n_cells:,}, but there are {n_all:,} cells.")
    order = np.random.default_rng(derive_seed(0, "subsample")).permutation(n_all)
    chosen = np.zeros(n_all, dtype=bool)
    chosen[order[:n_cells]] = True
    return chosen


def _selected(
    file: TenxFile, record: Record, n_top_genes: int | None, n_cells: int | None
) -> Stream:
    n_all, n_genes = file.shape
    record.require(f"genes of {file.path.name}", n_genes, N_GENES)
    record.shape("as published", n_all, n_genes, 1 - file.nnz / (n_all * n_genes))
    cells = None if n_cells is None else subsample(n_all, n_cells)
    statistics = gene_statistics(file)
    genes = np.flatnonzero(statistics.n_observed)
    record.shape("genes with counts", n_all, len(genes))
    if n_top_genes is not None:
        genes = statistics.top(n_top_genes)
        record.shape(
            f"{len(genes):,} genes of largest variance / mean of log(TPM + 1)", n_all, len(genes)
        )
    if cells is not None:
        record.shape(f"{n_cells:,} cells drawn", n_cells, len(genes))

    obs = {
        "batch": np.array([barcode.rsplit("-", 1)[-1] for barcode in file.cells]),
        TOTAL: statistics.total,
    }
    return _with_markers(
        file, selected_stream(file, genes, cells=cells, obs=obs), genes, cells, record
    )


def _with_markers(
    file: TenxFile, stream: Stream, genes: np.ndarray, cells: np.ndarray | None, record: Record
) -> Stream:
    """The same stream, with the counts of the marker genes in `obs` once it has passed by."""
    symbols = file.symbols.tolist()
    wanted = [name for panel in MARKERS.values() for name in panel]
    found = [name for name in wanted if symbols.count(name) == 1]
    if missing := [name for name in wanted if name not in found]:
        record.note(f"Marker genes that the file has not once: {', '.join(missing)}.")
    marker = np.array([symbols.index(name) for name in found], dtype=int)
    both = np.union1d(genes, marker)
    place = np.full(len(both), -1)
    place[np.searchsorted(both, genes)] = np.arange(len(genes))
    counts = np.zeros((len(stream.cells), len(found)), dtype=np.float32)
    record.facts["marker genes"] = "; ".join(
        f"{kind}: {', '.join(panel)}" for kind, panel in MARKERS.items()
    )

    def blocks() -> Iterator[tuple[sparse.csr_matrix, None]]:
        start, n_empty = 0, 0
        for X, _ in selected_stream(file, both, cells=cells).blocks():
            rows = slice(start, start + X.shape[0])
            counts[rows] = X[:, np.searchsorted(both, marker)].toarray()
            chosen = columns_of(X, place, len(genes))
            n_empty += int(np.sum(np.diff(chosen.indptr) == 0))
            start = rows.stop
            yield chosen, None
        if n_empty:
            record.note(
                f"Nothing is observed in the selected genes in {n_empty:,} cells; they stay."
            )

    columns = {f"{COUNTS}{name}": counts[:, i] for i, name in enumerate(found)}
    return replace(stream, blocks=blocks, obs={**stream.obs, **columns})
