"""Stand-ins of the published files: their exact format and their real names, with few drawn genes.

For parsers and rules alone: what comes out of them is no result.
"""

import csv
import gzip
import io
import shutil
from pathlib import Path

import h5py
import numpy as np
from scipy import sparse

from scscope.datasets import brain, cbmc, intestine, mca, retina, splitseq

BASES = np.array(list("ACGT"))


def barcodes(n: int, length: int, rng: np.random.Generator) -> list[str]:
    """Different barcodes."""
    found = dict.fromkeys("".join(letters) for letters in rng.choice(BASES, (2 * n + 9, length)))
    return list(found)[:n]


def counts(n_genes: int, n_cells: int, rng: np.random.Generator) -> np.ndarray:
    """Genes x cells; each cell has something in the first gene."""
    X = rng.poisson(rng.gamma(1, 1, (n_genes, 1)), (n_genes, n_cells))
    X[0] += 1
    return X


def write_genes(path: Path, header: str, genes, X: np.ndarray, separator: str) -> None:
    """Write genes x cells as gzipped text."""
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(header + "\n")
        for gene, row in zip(genes, X.astype(str), strict=True):
            file.write(gene + separator + separator.join(row) + "\n")


def write_retina(folder: Path, test_data: Path, n_genes: int = 12) -> None:
    """All 49,300 cells: the labelled ones under their names, others drawn; real labels."""
    rng = np.random.default_rng(0)
    shutil.copy(test_data / "retina" / retina.LABELS, folder)
    lines = (folder / retina.LABELS).read_text().splitlines()
    cells = [line.split("\t")[0] for line in lines]
    known = set(cells)
    others = [name for name in (f"p1_{b}" for b in barcodes(5_000, 12, rng)) if name not in known]
    cells += others[: retina.N_CELLS - len(cells)]
    cells = list(rng.permutation(cells))
    X = counts(n_genes, len(cells), rng)
    genes = [f"GENE{i}" for i in range(n_genes)]
    write_genes(folder / retina.MATRIX, "\t".join(["gene", *cells]), genes, X, "\t")


def write_cbmc(folder: Path, test_data: Path, *, n_human_cells: int | None = None) -> None:
    """All 8,617 real barcodes, the real antibodies and labels; 30 drawn genes of two species.

    `n_human_cells`: only these many of the human cells get more than 90 % human UMIs.
    """
    for name in (cbmc.ADT, cbmc.CLR, cbmc.LABELS):
        shutil.copy(test_data / "cbmc" / name, folder)
    cells = adt_barcodes(test_data)
    human = set(human_barcodes(test_data)[:n_human_cells])
    rng = np.random.default_rng(0)
    genes = [
        "ERCC_ERCC-00104",
        *(f"HUMAN_G{i}" for i in range(20)),
        *(f"MOUSE_G{i}" for i in range(9)),
    ]
    X = np.zeros((len(genes), len(cells)), dtype=int)
    X[0] = 1_000  # of no species, and not counted with either
    X[1:21] = rng.poisson(3, (20, len(cells)))
    X[1] += 20
    X[21] = 1
    is_mouse = np.array([cell not in human for cell in cells])
    # Exactly nine tenths: not more than 90 %.
    X[21, is_mouse] = 0
    X[1, is_mouse] += -X[1:21, is_mouse].sum(axis=0) % 9
    X[22, is_mouse] = X[1:21, is_mouse].sum(axis=0) // 9
    write_genes(folder / cbmc.RNA, ",".join(["", *cells]), genes, X, ",")


def adt_barcodes(test_data: Path) -> list[str]:
    """Barcodes of the antibody file, in its order."""
    with gzip.open(test_data / "cbmc" / cbmc.ADT, "rt") as file:
        return file.readline().strip().split(",")[1:]


def human_barcodes(test_data: Path) -> list[str]:
    """The 8,005 known ones."""
    with (test_data / "cbmc/cbmc_human8005_rna_tsne.csv").open(newline="") as file:
        return [row["barcode"] for row in csv.DictReader(file)]


def write_intestine(folder: Path, *, n_genes: int = 12, without: int = 0) -> None:
    """As many cells of each mouse and type as are known; `without` leaves out the last ones."""
    rng = np.random.default_rng(0)
    names, codes = [], iter(barcodes(12_000, 14, rng))
    mice = ((condition, row) for condition, rows in intestine.MICE.items() for row in rows)
    for number, (condition, row) in enumerate(mice, start=1):
        for label, n_cells in zip(intestine.TYPES, row, strict=True):
            names += [f"B{number}_{next(codes)}_{condition}_{label}" for _ in range(n_cells)]
    names = names[: len(names) - without]
    genes = [f"Gene{i}" for i in range(n_genes)]
    X = counts(n_genes, len(names), rng)
    write_genes(folder / intestine.MATRIX, "\t".join(names), genes, X, "\t")


def write_tenx(path: Path, X: sparse.csr_matrix, symbols: list[str]) -> None:
    """Cells x genes in the layout of 1M_neurons."""
    rng = np.random.default_rng(0)
    cells = [f"{b}-{i % 133 + 1}" for i, b in enumerate(barcodes(X.shape[0], 16, rng))]
    ids = [f"ENSMUSG{i:011}" for i in range(X.shape[1])]
    with h5py.File(path, "w") as file:
        group = file.create_group("mm10")
        group["data"], group["indices"] = X.data.astype(np.int32), X.indices.astype(np.int64)
        group["indptr"] = X.indptr.astype(np.int64)
        group["shape"] = np.array(X.shape[::-1], dtype=np.int32)
        for name, texts in (("barcodes", cells), ("genes", ids), ("gene_names", symbols)):
            group[name] = np.array(texts, dtype="S")


def write_brain(folder: Path, *, name: str = brain.SUBSET, n_cells: int = 200) -> sparse.csr_matrix:
    """Some cells, with all marker genes; returns the counts, cells x genes."""
    rng = np.random.default_rng(0)
    symbols = ["Dup", "Dup", *(f"Gene{i}" for i in range(40))]
    symbols += [gene for panel in brain.MARKERS.values() for gene in panel]
    X = sparse.csr_matrix(counts(len(symbols), n_cells, rng).T)
    write_tenx(folder / name, X, symbols)
    return X


def write_lung(folder: Path, *, n_genes: int = 12) -> None:
    """The paper's number of annotated cells in each of three files, and 50 others in each."""
    rng = np.random.default_rng(0)
    rows = []
    for number, (name, n_known) in enumerate(zip(mca.LUNGS, mca.LUNG_CELLS, strict=True), start=1):
        cells = [f"Lung_{number}.{code}" for code in barcodes(n_known + 50, 18, rng)]
        rows += [(cell, "Lung", f"Type {i % 5}(Lung)") for i, cell in enumerate(cells[:n_known])]
        genes = [f"Gene{i}" for i in range(number, number + n_genes)]  # not the same in all files
        header = " ".join(f'"{cell}"' for cell in cells)
        quoted = [f'"{gene}"' for gene in genes]
        write_genes(folder / name, header, quoted, counts(n_genes, len(cells), rng), " ")
    write_annotations(folder, rows)


def write_annotations(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    """Cell, tissue and annotation, among the other columns that the file has."""
    with (folder / mca.LABELS).open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(
            ["", "Cell.name", "ClusterID", "Tissue", "Batch", "Cell.Barcode", "Annotation"]
        )
        for i, (cell, tissue, annotation) in enumerate(rows, start=1):
            batch, code = cell.split(".")
            writer.writerow([i, cell, f"{tissue}_1", tissue, batch, code, annotation])


def write_splitseq(folder: Path, test_data: Path, *, n_genes: int = 6) -> None:
    """The 156,049 real labels, in their order, with few genes."""
    from scipy.io import savemat

    with gzip.open(test_data / "splitseq/cluster_assignment.csv.gz", "rt", newline="") as file:
        labels = [row["cluster_assignment"] for row in csv.DictReader(file)]
    rng = np.random.default_rng(0)
    content = {
        "DGE": sparse.csc_matrix(counts(n_genes, len(labels), rng).T.astype(float)),
        "barcodes": np.arange(len(labels), dtype=float)[None],
        "cluster_assignment": np.array(labels),
        "genes": np.array([f"Gene{i}" for i in range(n_genes)]),
        "sample_type": rng.choice(["p2_brain", "p11_spine"], len(labels)),
    }
    file = io.BytesIO()
    savemat(file, content)
    (folder / splitseq.FILE).write_bytes(gzip.compress(file.getvalue(), compresslevel=1))
