"""Read a user's own matrix of cells and genes: h5ad, 10x HDF5 or text."""

import csv
import gzip
import warnings
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from anndata import AnnData

CellsIn = Literal["columns", "rows"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
SUFFIXES = (".h5ad", ".h5", *SEPARATORS, *(f"{suffix}.gz" for suffix in SEPARATORS))
LAYOUT_10X = (
    "10x HDF5 (a group `matrix`, or one group named by its genome with data, indices, indptr, "
    "shape, barcodes, genes and gene_names)"
)


def check_reading(
    path: str | Path,
    *,
    cells_in: CellsIn | None = None,
    layer: str | None = None,
    true_layer: str | None = None,
) -> None:
    """Refuse what `read_file` cannot be asked for, without a look into the file."""
    path = Path(path)
    suffix = _suffix(path)
    if suffix not in SUFFIXES:
        raise ValueError(f"Unknown suffix of {path}. Known suffixes: {', '.join(SUFFIXES)}.")

    is_text = _is_text(suffix)
    if is_text and cells_in not in ("columns", "rows"):
        raise ValueError(
            f"`cells_in` is {cells_in!r}, but {path} is a table: 'columns' says that each column "
            "is a cell and each row a gene, 'rows' that each row is a cell."
        )
    if not is_text and cells_in is not None:
        raise ValueError(f"`cells_in` is {cells_in!r}, but it is for tables, and {path} is none.")
    if suffix != ".h5ad" and (layer or true_layer):
        raise ValueError(f"`layer` and `true_layer` are for h5ad files, and {path} is none.")


def _is_text(suffix: str) -> bool:
    return suffix in SEPARATORS or suffix.endswith(".gz")


def read_file(
    path: str | Path,
    *,
    cells_in: CellsIn | None = None,
    layer: str | None = None,
    true_layer: str | None = None,
) -> "AnnData":
    """Read a matrix of cells and genes, in the format that the file's suffix names.

    Parameters
    ----------
    path
        `.h5ad`; `.h5` as written by Cell Ranger, old or new layout, of which the gene expression
        is read; or a table with a header line and a name at the start of each row: `.csv`
        (commas), `.tsv` or `.txt` (tabs), each also as `.gz`.
    cells_in
        Whether the cells are the columns or the rows of a table: needed for text, and only there.
    layer
        Layer of an h5ad file that holds the observed values, instead of its `X`.
    true_layer
        Layer of an h5ad file that holds the true values.

    Returns
    -------
    AnnData
        cells x genes, values as in the file, with the obs columns of an h5ad file and the true
        values in `layers["true"]`. Genes of a 10x file carry their symbols, or their ids where
        symbols occur twice. Nothing is checked yet, see `prepare`.
    """
    check_reading(path, cells_in=cells_in, layer=layer, true_layer=true_layer)
    path = Path(path)
    suffix = _suffix(path)
    if _is_text(suffix):
        return _read_text(path, cells_in)
    return _read_10x(path) if suffix == ".h5" else _read_h5ad(path, layer, true_layer)


def read_table(path: str | Path) -> tuple[list[str], Iterator[tuple[str, list[str]]]]:
    """Names of the columns, and name and fields of each row, of a text table.

    The header may lack the field above the row names, as R writes it. Blank lines are skipped.

    Parameters
    ----------
    path
        `.csv` (commas), `.tsv` or `.txt` (tabs), each also as `.gz`, UTF-8, with a header line.
    """
    path = Path(path)
    separator = SEPARATORS.get(_suffix(path).removesuffix(".gz"))
    if separator is None:
        known = ", ".join(SEPARATORS)
        raise ValueError(f"{path} is not a table. Known suffixes: {known}, each also with .gz.")

    lines = _lines(path, separator)
    _, header = next(lines, (0, None))
    if header is None:
        raise ValueError(f"{path} is empty; a header line and rows are expected.")
    first = next(lines, None)
    if first is None:
        raise ValueError(f"{path} has a header line but no rows.")
    width = len(first[1])
    if width < 2:
        raise ValueError(f"{path} has one field in a row; fields are separated by {separator!r}.")
    if len(header) not in (width, width - 1):
        raise ValueError(
            f"{path} has {len(header)} fields in its header line but {width} in its first row; "
            "a header has as many, or one less where there is none above the row names."
        )

    def rows():
        for number, fields in chain([first], lines):
            if len(fields) != width:
                raise ValueError(
                    f"{path} has {len(fields)} fields in line {number} but {width} in its first row."
                )
            yield fields[0], fields[1:]

    return header[len(header) - width + 1 :], rows()


def examples(names: Sequence[str]) -> str:
    """The first three names, quoted, and how many there are beyond them."""
    quoted = ", ".join(repr(str(name)) for name in names[:3])
    return quoted if len(names) <= 3 else f"{quoted} and {len(names) - 3} more"


@contextmanager
def _reading(path: Path, format: str):
    """Make whatever a library raises for a broken file one error that names file and cause."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file {path}.") from error
    except MemoryError:
        raise
    except Exception as error:  # scanpy raises nothing narrower
        cause = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} cannot be read as {format}. {cause}") from error


def _suffix(path: Path) -> str:
    name = path.name.lower()
    inner = Path(name.removesuffix(".gz")).suffix
    return f"{inner}.gz" if name.endswith(".gz") else inner


def _lines(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    is_gzip = path.name.lower().endswith(".gz")
    with (
        _reading(path, "gzipped text" if is_gzip else "text"),
        (gzip.open if is_gzip else open)(path, "rt", encoding="utf-8-sig", newline="") as file,
    ):
        lines = csv.reader(file, delimiter=separator, strict=True)
        for fields in lines:
            if fields:
                yield lines.line_num, fields


def _read_text(path: Path, cells_in: CellsIn) -> "AnnData":
    columns, rows = read_table(path)
    across, down = ("cell", "gene") if cells_in == "columns" else ("gene", "cell")
    _check_unique(path, across, columns)
    names, column, value, ends = [], array("i"), array("d"), array("q", [0])
    for name, fields in rows:
        # Most fields are "0": to convert the others alone makes reading three times as fast.
        nonzero = [i for i, field in enumerate(fields) if field != "0"]
        try:
            value.extend([float(fields[i]) for i in nonzero])
        except ValueError as error:
            i = next(i for i in nonzero if not _is_number(fields[i]))
            raise ValueError(
                f"{path} has {fields[i]!r} in row {name!r}, column {columns[i]!r}, where a number "
                "is expected."
            ) from error
        column.extend(nonzero)
        names.append(name)
        ends.append(len(column))
    _check_unique(path, down, names)

    parts = (np.asarray(value), np.asarray(column), np.asarray(ends))
    X = sparse.csr_matrix(parts, shape=(len(names), len(columns)))
    if cells_in == "columns":
        return _anndata(X.T.tocsr(), columns, names)
    return _anndata(X, names, columns)


def _check_unique(path: Path, kind: str, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(
            f"{path} has {kind} names more than once: {examples(repeated)}. Rename or merge "
            "them; the first line must be a header."
        )


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _read_10x(path: Path) -> "AnnData":
    import scanpy

    with _reading(path, LAYOUT_10X), warnings.catch_warnings():
        # Symbols that occur twice are the normal case, and dealt with below.
        warnings.filterwarnings("ignore", message="Variable names are not unique")
        data = scanpy.read_10x_h5(path)
    genes = data.var_names if data.var_names.is_unique else data.var["gene_ids"]
    return _anndata(data.X, data.obs_names, genes)


def _read_h5ad(path: Path, layer: str | None, true_layer: str | None) -> "AnnData":
    import anndata

    with _reading(path, "AnnData (h5ad)"):
        data = anndata.read_h5ad(path)
    known = ", ".join(data.layers) or "none"
    for option, name in (("layer", layer), ("true_layer", true_layer)):
        if name is not None and name not in data.layers:
            raise ValueError(f"{path} has no layer {name!r} for `{option}`. Its layers: {known}.")
    X = data.X if layer is None else data.layers[layer]
    if X is None:
        raise ValueError(f"{path} has no X. Name one of its layers in `layer`: {known}.")

    result = _anndata(X, data.obs_names, data.var_names)
    result.obs = data.obs
    if true_layer is not None:
        result.layers["true"] = data.layers[true_layer]
    return result


def _anndata(X, cells: Sequence[str], genes: Sequence[str]) -> "AnnData":
    import pandas as pd
    from anndata import AnnData

    obs, var = (pd.DataFrame(index=[str(name) for name in names]) for names in (cells, genes))
    return AnnData(X, obs=obs, var=var)
