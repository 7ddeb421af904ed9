"""Read the folders of 10x Genomics' Cell Ranger: `matrix.mtx`, `barcodes.tsv`, and genes or features."""

import gzip
from pathlib import Path

import numpy as np
from scipy import sparse

from scscope.datasets.matrix import CellMatrix, check_shape, check_unique, reading
from scscope.datasets.tenx import GENES, columns_of
from scscope.datasets.text import BadFieldError, line_blocks, next_line, numbers

FORMAT = "10x mtx (matrix.mtx, barcodes.tsv, and genes.tsv or features.tsv, each also with .gz)"
SUFFIXES = (".mtx", ".mtx.gz")
HEADS = [
    ["%%matrixmarket", "matrix", "coordinate", field, "general"] for field in ("integer", "real")
]


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
    path = Path(path)
    matrix = _beside(path, "matrix", ".mtx") if path.is_dir() else path
    prefix = matrix.name.removesuffix(".gz").removesuffix(".mtx").removesuffix("matrix")
    cells = _table(_beside(matrix.parent, f"{prefix}barcodes", ".tsv"), 1)[0]
    features = _beside(matrix.parent, (f"{prefix}features", f"{prefix}genes"), ".tsv")
    ids, symbols, *kinds = _table(features, 3 if features.name.startswith(f"{prefix}f") else 2)

    shape_found, rows, columns, values = _entries(matrix)
    if shape_found != (len(ids), len(cells)):
        raise ValueError(
            f"{matrix} has {shape_found[0]:,} features and {shape_found[1]:,} cells, but "
            f"{features.name} has {len(ids):,} lines and the barcodes {len(cells):,}."
        )
    X = sparse.csr_matrix((values, (columns, rows)), shape_found[::-1])
    if X.nnz != len(values):
        raise ValueError(f"{matrix} has {len(values) - X.nnz:,} entries more than once.")
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


def _entries(path: Path) -> tuple[tuple[int, int], np.ndarray, np.ndarray, np.ndarray]:
    """Shape, and rows, columns (from 0) and values of the entries, of a Matrix Market file."""
    number, line, blocks = next_line(line_blocks(path))
    head = (line or b"").decode(errors="replace").split()
    if [word.lower() for word in head] not in HEADS:
        raise ValueError(
            f"{path} begins with {' '.join(head)[:80]!r}, but "
            f"{' or '.join(repr(' '.join(words)) for words in HEADS)} is expected."
        )
    while line is not None and line.startswith(b"%"):
        number, line, blocks = next_line(blocks)
    sizes = (line or b"").split()
    if len(sizes) != 3 or not all(size.isdigit() and len(size) < 19 for size in sizes):
        raise ValueError(
            f"{path} has {(line or b'')[:80].decode(errors='replace').strip()!r} in line {number}, "
            "where the numbers of features, cells and entries are expected."
        )
    n_rows, n_columns, n_entries = (int(size) for size in sizes)
    parts = [_triples(path, *block, (n_rows, n_columns)) for block in blocks]
    parts.append((np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32)))
    rows, columns, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(values) != n_entries:
        raise ValueError(
            f"{path} has {len(values):,} entries, but its head says {n_entries:,}. It is not whole."
        )
    return (n_rows, n_columns), rows, columns, values


def _triples(
    path: Path, first: int, block: bytes, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and values in a block of lines."""
    line_numbers, fields = range(first, first + block.count(b"\n")), _ends(block)
    if fields is None:  # more than one space somewhere, or a line that is no entry
        lines = [line.split() for line in block.split(b"\n")]
        line_numbers = [first + i for i, line in enumerate(lines) if line]
        lines = [line for line in lines if line]
        block = b"".join(b" ".join(line) + b"\n" for line in lines)
        fields = _ends(block)
        if fields is None:
            i = next(i for i, line in enumerate(lines) if len(line) != 3)
            raise ValueError(
                f"{path} has {len(lines[i])} fields in line {line_numbers[i]}, but feature, cell "
                "and value are expected."
            )
    start = np.concatenate([[0], fields[:-1] + 1]) if len(fields) else fields
    try:
        found = numbers(np.frombuffer(block, np.uint8), start, fields - start).reshape(-1, 3)
    except BadFieldError as error:
        i = error.args[0]
        bad = block[start[i] : fields[i]].decode(errors="replace")
        raise ValueError(
            f"{path} has {bad[:80]!r} in line {line_numbers[i // 3]}, where a finite number from 0 "
            "is expected."
        ) from None
    indices, limits = found[:, :2].astype(np.float64), np.array(shape)
    wrong = ((indices < 1) | (indices > limits) | (indices != np.floor(indices))).any(axis=1)
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(
            f"{path} has feature {indices[i, 0]:.15g} and cell {indices[i, 1]:.15g} in line "
            f"{line_numbers[i]}, where whole numbers from 1 to {shape[0]:,} and to {shape[1]:,} are "
            "expected."
        )
    rows, columns = (indices.T - 1).astype(np.int32)
    return rows, columns, found[:, 2]


def _ends(block: bytes) -> np.ndarray | None:
    """Where the fields of a block end, if each line has three of them and single spaces between."""
    text = np.frombuffer(block, np.uint8)
    is_line = text == ord("\n")
    is_end = is_line | (text == ord(" "))
    ends = np.flatnonzero(is_end)
    n_lines = np.count_nonzero(is_line)
    if len(ends) != 3 * n_lines or not is_line[ends[2::3]].all():
        return None
    return None if (is_end[1:] & is_end[:-1]).any() or is_end[:1].any() else ends


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
