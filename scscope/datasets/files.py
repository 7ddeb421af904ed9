"""Read a user's own matrix of cells and genes: h5ad, 10x HDF5, 10x mtx or text."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.datasets import mtx, text
from scscope.datasets.matrix import CellMatrix, reading
from scscope.datasets.mtx import read_mtx
from scscope.datasets.tenx import TenxFile
from scscope.datasets.text import CellsIn, read_matrix, suffix_of

if TYPE_CHECKING:
    from anndata import AnnData

SUFFIXES = (".h5ad", ".h5", *mtx.SUFFIXES, *text.SUFFIXES)


def check_reading(
    path: str | Path,
    *,
    cells_in: CellsIn | None = None,
    layer: str | None = None,
    true_layer: str | None = None,
) -> None:
    """Refuse what `read_file` cannot be asked for, without a look into the file."""
    path = Path(path)
    suffix = suffix_of(path)
    if suffix not in SUFFIXES:
        raise ValueError(f"Unknown suffix of {path}. Known suffixes: {', '.join(SUFFIXES)}.")

    is_text = suffix in text.SUFFIXES
    if is_text and cells_in not in ("columns", "rows"):
        raise ValueError(
            f"`cells_in` is {cells_in!r}, but {path} is a table: 'columns' says that each column "
            "is a cell and each row a gene, 'rows' that each row is a cell."
        )
    if not is_text and cells_in is not None:
        raise ValueError(f"`cells_in` is {cells_in!r}, but it is for tables, and {path} is none.")
    if suffix != ".h5ad" and (layer or true_layer):
        raise ValueError(f"`layer` and `true_layer` are for h5ad files, and {path} is none.")


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
        `.h5ad`; `.h5` as written by Cell Ranger, old or new layout, or `.mtx` (also `.mtx.gz`)
        with its barcodes and genes or features beside it, of which the gene expression is read;
        or a table with a header line and a name at the start of each row, see
        `scscope.datasets.text.read_table`: `.csv`, `.tsv` or `.txt`, each also as `.gz`.
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
        values in `layers["true"]`. Genes of 10x files carry their symbols, or their ids where
        symbols occur twice. Nothing is checked yet, see `prepare`.
    """
    check_reading(path, cells_in=cells_in, layer=layer, true_layer=true_layer)
    path = Path(path)
    suffix = suffix_of(path)
    if suffix == ".h5ad":
        return _read_h5ad(path, layer, true_layer)
    if suffix in text.SUFFIXES:
        return _named_by_symbol(read_matrix(path, cells_in=cells_in))
    return _named_by_symbol(TenxFile(path).read() if suffix == ".h5" else read_mtx(path))


def _named_by_symbol(matrix: CellMatrix) -> "AnnData":
    """Genes are named by their symbols, or by their ids where there are none or symbols repeat."""
    symbols = matrix.symbols
    is_unique = symbols is not None and len(set(symbols)) == len(symbols)
    return _anndata(matrix.X, matrix.cells, symbols if is_unique else matrix.genes)


def _read_h5ad(path: Path, layer: str | None, true_layer: str | None) -> "AnnData":
    import anndata

    with reading(path, "AnnData (h5ad)"):
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
