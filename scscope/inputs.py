"""What users hand to a model: AnnData in memory or backed, a path, a CSR matrix, an array."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from scipy import sparse

from scscope.sources import InMemory, OnDisk, Source, open_group

SUFFIXES = (".h5ad", ".zarr")


@dataclass(frozen=True)
class Input:
    """Cells with their names and batches.

    Parameters
    ----------
    source
        The values, shape (n_cells, n_genes), checked: finite, non-negative.
    genes, cells
        Names, shapes (n_genes,) and (n_cells,); None where the data have none.
    batch
        Name of the batch of each cell, shape (n_cells,), or None.
    is_zero
        Whether all values are zero.
    """

    source: Source
    genes: np.ndarray | None
    cells: np.ndarray | None
    batch: np.ndarray | None
    is_zero: bool


def read_input(
    data,
    *,
    layer: str | None = None,
    batch_key: str | None = None,
    memory_mb: float | None = None,
) -> Input:
    """Take data in any of the forms that a model accepts, without changing them.

    Parameters
    ----------
    data
        AnnData in memory or backed, a path to .h5ad or .zarr, a sparse matrix, or an array; cells x
        genes.
    layer
        Layer to take instead of `X`.
    batch_key
        Column of `obs` with the batches, or None.
    memory_mb
        What data on disk may take in memory, MiB: larger ones are streamed. None: half of the
        memory that is free.

    Raises
    ------
    ValueError
        No such layer or column; NaN, infinite or negative values; no cells or no genes.
    FileNotFoundError
        No such file.
    """
    if isinstance(data, str | Path):
        return _from_file(Path(data), layer, batch_key, memory_mb)
    if getattr(data, "isbacked", False):
        if data.is_view:
            data = data.to_memory()
        else:
            return _from_file(Path(data.filename), layer, batch_key, memory_mb)
    values = data
    if layer is not None:
        layers = getattr(data, "layers", {})
        values = layers[known_name(layer, list(layers), "layer", "the data")]
    elif hasattr(data, "obs"):
        values = data.X
    batch = None
    if batch_key is not None:
        columns = list(getattr(data, "obs", []))
        batch = data.obs[known_name(batch_key, columns, "column", "`obs`")].astype(str).to_numpy()
    source = InMemory(_csr(values))
    is_zero = check_values(source)
    return Input(source, _names(data, "var_names"), _names(data, "obs_names"), batch, is_zero)


def _csr(values) -> sparse.csr_matrix:
    """A copy as CSR, float32, without duplicates: what becomes of the caller's data is no matter."""
    if getattr(values, "ndim", 2) != 2:
        raise ValueError(f"The data must have the shape (n_cells, n_genes), got {values.shape}.")
    X = sparse.csr_matrix(values, dtype=np.float32, copy=True)
    X.sum_duplicates()
    return X


def open_anndata(path: Path):
    """The root of an .h5ad file or a .zarr folder, to read.

    Raises
    ------
    ValueError
        It is none, or was written in the layout of anndata before 0.7.
    FileNotFoundError
        There is none.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f"'{path}' cannot be read: known are {', '.join(SUFFIXES)}. Other formats: read them "
            "with scanpy and write .h5ad."
        )
    if not path.exists():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        root = open_group(str(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"'{path}' is not an AnnData file: {error}") from error
    for name in ("obs", "var"):
        if name not in root:
            raise ValueError(f"'{path}' is not an AnnData file: it has no `{name}`.")
        if hasattr(root[name], "dtype"):
            raise ValueError(
                f"'{path}' was written by an anndata before 0.7: read it with anndata and write it "
                "again."
            )
    return root


def _from_file(
    path: Path, layer: str | None, batch_key: str | None, memory_mb: float | None
) -> Input:
    root = open_anndata(path)
    obs, var = root["obs"], root["var"]
    key = "X"
    if layer is not None:
        key = "layers/" + known_name(layer, list(root.get("layers", {})), "layer", f"'{path}'")
    if key not in root:
        raise ValueError(f"'{path}' has no `X`. Name a layer: {', '.join(root.get('layers', {}))}.")
    encoding = root[key].attrs.get("encoding-type", "array")
    if encoding not in ("csr_matrix", "array"):
        raise ValueError(
            f"`{key}` of '{path}' is stored as {encoding}; cells can be read only from a csr_matrix "
            "or an array. Read it with anndata, convert with `.tocsr()` and write it again."
        )
    batch = None
    if batch_key is not None:
        columns = [name for name in obs if name not in ("_index", "__categories")]
        batch = read_column(obs, known_name(batch_key, columns, "column", "`obs`"))
    budget = free_mb() / 2 if memory_mb is None else memory_mb
    source: Source = OnDisk(path, key, memory_mb=budget)
    is_zero = check_values(source)
    if source.cell_bytes * source.shape[0] <= budget * 2**20:
        source = InMemory(source.rows(0, source.shape[0]))
        source.X.sum_duplicates()
    genes, cells = (read_column(frame, frame.attrs["_index"]) for frame in (var, obs))
    return Input(source, genes, cells, batch, is_zero)


def read_column(frame, name: str) -> np.ndarray:
    """A column of `obs` or `var` in an open file, as text; shape (n,)."""
    column = frame[name]
    if not hasattr(column, "dtype"):  # categories and codes, or values and mask
        if "categories" in column:
            codes = np.asarray(column["codes"][:])
            names = np.append(_text(column["categories"]), "nan")  # code -1: missing
            return names[codes]
        column = column["values"]
    return _text(column)


def _text(column) -> np.ndarray:
    is_text = hasattr(column, "asstr") and column.dtype.kind == "O"
    values = np.asarray(column.asstr()[:] if is_text else column[:])
    # Not `astype`: zarr's strings are of a type that has no such cast.
    return np.array(values.tolist(), dtype=str) if values.dtype.kind == "T" else values.astype(str)


def check_values(source: Source) -> bool:
    """Refuse values that no model takes, in one pass over the data; whether all are zero."""
    n_cells, n_genes = source.shape
    if not n_cells or not n_genes:
        raise ValueError(f"The data are empty: {n_cells} cells x {n_genes} genes.")
    is_zero = True
    for _, part in source.chunks() if isinstance(source, OnDisk) else [(None, source)]:
        values = part.X.data
        if not np.isfinite(values).all():
            raise ValueError("The data hold NaN or infinite values: remove them first.")
        if len(values) and values.min() < 0:
            raise ValueError(
                f"The data hold negative values (smallest {values.min():g}): scScope takes "
                "non-negative input, so do not centre the genes."
            )
        is_zero = is_zero and not values.any()
    return is_zero


def columns_of(genes: np.ndarray | None, known: np.ndarray | None, n_genes: int, n_known: int):
    """Place in the model's order of each gene of the data, or None where they agree.

    Parameters
    ----------
    genes, known
        Names in the data and in the model, or None.
    n_genes, n_known
        Their numbers.

    Raises
    ------
    ValueError
        A gene is missing, unknown or twice there.
    """
    if genes is None or known is None:
        if n_genes != n_known:
            raise ValueError(
                f"The model was fitted on {n_known} genes, the data have {n_genes}, and without "
                "names on both sides they cannot be matched."
            )
        return None
    if np.array_equal(genes, known):
        return None
    faults = []
    for words, one, other in (("lack", known, genes), ("have", genes, known)):
        names = [name for name in one.tolist() if name not in set(other.tolist())]
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            unknown = " that the model does not know" if words == "have" else ""
            count = f"{len(names)} gene{'s' * (len(names) > 1)}{unknown}"
            faults.append(f"{words} {count}: {', '.join(names[:5])}{more}")
    if faults:
        raise ValueError(
            f"The data {' and '.join(faults)}. Bring them to the {n_known} genes of the model "
            "(`genes_`), by name; their order does not matter."
        )
    place = {name: number for number, name in enumerate(known.tolist())}
    columns = np.array([place[name] for name in genes.tolist()], dtype=np.int32)
    if len(np.unique(columns)) < len(columns):
        names, counts = np.unique(genes, return_counts=True)
        raise ValueError(f"Gene '{names[counts > 1][0]}' is in the data more than once.")
    return columns


def known_name(name: str, known: list[str], what: str, where: str) -> str:
    """`name`, or a ValueError that names what there is, the nearest first."""
    if name in known:
        return name
    near = get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"No {what} {name!r} in {where}.{hint} There: {', '.join(known) or 'none'}.")


def _names(data, attribute: str) -> np.ndarray | None:
    names = getattr(data, attribute, None)
    return None if names is None else np.asarray(names).astype(str)


def free_mb() -> float:
    """Memory that is free now, MiB; what a container allows may be less."""
    import os

    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) / 2**10
    except (OSError, KeyError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**21
