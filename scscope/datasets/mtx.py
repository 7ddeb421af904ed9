"""Read the folders of 10x Genomics' Cell Ranger: `matrix.mtx`, `barcodes.tsv`, and genes or features."""

import gzip
from pathlib import Path

import numpy as np
from scipy import sparse

from scscope.datasets.matrix import CellMatrix, check_shape, check_unique, reading
from scscope.datasets.tenx import GENES, columns_of

FORMAT = "10x mtx (matrix.mtx, barcodes.tsv, and genes.tsv or features.tsv, each also with .gz)"
SUFFIXES = (".mtx", ".mtx.gz")


def read_mtx(path: str | Path, *, shape: tuple[int, int] | None = None) -> CellMatrix:
    """Read a matrix, features x cells, with the names in the files beside it.

    Parameters
    ----------
    path
        The folder, or the `.mtx` file in it, plain or as `.gz`. Beside it lie the barcodes and
        `genes.tsv` (id, symbol) or `features.tsv` (id, symbol, type), whose names may share a
        prefix with that of the matrix: `GSM1_matrix.mtx.gz`, `GSM1_barcodes.tsv.gz` … Of features,
        the genes are read.
    shape
        Number of cells and of genes that there must be, if it is known.

    Raises
    ------
    FileNotFoundError
        One of the three files is missing.
    ValueError
        A file is damaged; they do not fit each other; a value is not a finite number from 0; an
        entry or a name occurs twice.
    """
    import scipy.io

    path = Path(path)
    matrix = _beside(path, "matrix", ".mtx") if path.is_dir() else path
    prefix = matrix.name.removesuffix(".gz").removesuffix(".mtx").removesuffix("matrix")
    cells = _table(_beside(matrix.parent, f"{prefix}barcodes", ".tsv"), 1)[0]
    features = _beside(matrix.parent, (f"{prefix}features", f"{prefix}genes"), ".tsv")
    ids, symbols, *kinds = _table(features, 3 if features.name.startswith(f"{prefix}f") else 2)

    with reading(matrix, FORMAT):
        n_features, n_cells, n_entries, form, field, symmetry = scipy.io.mminfo(matrix)
        if (form, symmetry) != ("coordinate", "general") or field not in ("integer", "real"):
            raise ValueError(
                f"it is {form} {field} {symmetry}, but coordinate integer (or real) general is "
                "expected"
            )
        if (n_features, n_cells) != (len(ids), len(cells)):
            raise ValueError(
                f"it has {n_features:,} features and {n_cells:,} cells, but {features.name} has "
                f"{len(ids):,} lines and the barcodes {len(cells):,}"
            )
        entries = scipy.io.mmread(matrix, spmatrix=False)
        _check_entries(entries, n_entries)
    X = sparse.csr_matrix((entries.data, (entries.col, entries.row)), (n_cells, n_features))
    if X.nnz != len(entries.data):
        raise ValueError(
            f"{matrix} names {len(entries.data) - X.nnz:,} entries more than once, but each has one "
            "line."
        )
    if kinds:
        is_gene = kinds[0] == GENES
        if not is_gene.any():
            raise ValueError(f"{features} has no feature of type {GENES!r}.")
        X = columns_of(X, np.where(is_gene, np.cumsum(is_gene) - 1, -1), int(is_gene.sum()))
        ids, symbols = ids[is_gene], symbols[is_gene]
    X.eliminate_zeros()
    check_unique(matrix, "cell", cells)
    check_unique(matrix, "gene", ids)
    check_shape(matrix, X.shape, shape)
    return CellMatrix(X, cells, ids, symbols)


def _check_entries(entries: sparse.coo_array, n_entries: int) -> None:
    if len(entries.data) != n_entries:
        raise ValueError(f"it has {len(entries.data):,} entries, but its head says {n_entries:,}")
    wrong = ~((entries.data >= 0) & (entries.data < np.inf))
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(
            f"feature {entries.row[i] + 1}, cell {entries.col[i] + 1} has {entries.data[i]}, but "
            "finite numbers from 0 are expected"
        )


def _beside(folder: Path, stems: str | tuple[str, ...], suffix: str) -> Path:
    """The file of one of these names, plain or compressed."""
    stems = (stems,) if isinstance(stems, str) else stems
    names = [f"{stem}{suffix}{gz}" for stem in stems for gz in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"There is no file {' or '.join(names)} in {folder}.")


def _table(path: Path, n_columns: int) -> list[np.ndarray]:
    """The first columns of a table without header, separated by tabs."""
    with (
        reading(path, FORMAT),
        (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file,
    ):
        lines = [line.split("\t") for line in file.read().splitlines()]
        for number, fields in enumerate(lines, 1):
            if len(fields) < n_columns or not fields[0]:
                raise ValueError(
                    f"line {number} has {len(fields)} fields, but {n_columns} are expected"
                )
    return [np.array([fields[i] for fields in lines], dtype=str) for i in range(n_columns)]
