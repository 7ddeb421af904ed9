"""What `scscope score` is given: embeddings and labels, from an AnnData file or from tables."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scscope.datasets.text import read_table
from scscope.inputs import known_name, open_anndata
from scscope.validation import examples

MISSING = ("", "nan", "NaN", "NA", "None")  # how a table writes that a cell has no label


@dataclass(frozen=True)
class Labelled:
    """Cells with several embeddings and one label.

    Parameters
    ----------
    embeddings
        Arrays of shape (n_cells, n) by name.
    label
        True labels as text, shape (n_cells,).
    """

    embeddings: dict[str, np.ndarray]
    label: np.ndarray


def from_file(
    path: Path, obsm: list[str] | None, label: str | None, *, drop_unlabelled: bool
) -> Labelled:
    """Some of the `obsm` and a column of the `obs` of an .h5ad file or .zarr folder.

    Nothing else is read.
    """
    import pandas as pd
    from anndata.io import read_elem

    root = open_anndata(path)
    there = list(root.get("obsm", {}))
    columns = [name for name in root["obs"] if name not in ("_index", "__categories")]
    for option, given, known in (("--obsm", obsm, there), ("--label", label, columns)):
        if not given:
            raise ValueError(f"Name {option}. In '{path}' there is: {', '.join(known) or 'none'}.")
    known_name(label, columns, "column", f"`obs` of '{path}'")
    for name in obsm:
        known_name(name, there, "obsm", f"'{path}'")

    column = pd.Series(read_elem(root["obs"][label]))
    embeddings = {}
    for name in obsm:
        values = read_elem(root["obsm"][name])
        embeddings[name] = np.asarray(values.toarray() if hasattr(values, "toarray") else values)
    text = column.astype(str).to_numpy(dtype=str)
    where = f"column {label!r} of '{path}'"
    return _checked(embeddings, text, column.isna().to_numpy(), where, drop_unlabelled)


def from_tables(
    paths: list[Path], labels: Path, label: str | None, *, drop_unlabelled: bool
) -> Labelled:
    """Embeddings of one file each, and the labels of their cells.

    Parameters
    ----------
    paths
        `.npy`, whose cells are those of `labels` in order; or a table with a header line and the
        names of the cells in the first column, by which labels are found.
    labels
        Table with a header line and the names of the cells in the first column.
    label
        Column of `labels`; may be None where there is only one.
    drop_unlabelled
        Whether cells without a label are left out; else they are refused.
    """
    label_of = _read_labels(labels, label)
    read = {path: _read_embedding(path) for path in paths}
    named = {path: names for path, (names, _) in read.items() if names is not None}
    cells = list(label_of)
    if named:
        first = next(iter(named))
        cells = named[first]
        for path, names in named.items():
            if sorted(names) != sorted(cells):
                raise ValueError(f"'{first}' and '{path}' hold different cells.")
    if len(named) < len(read) and cells != list(label_of):
        raise ValueError(
            f"A .npy file has no names, so its cells must be those of '{labels}' in the same order, "
            f"but '{first}' has others or another order."
        )

    unknown = [name for name in cells if name not in label_of]
    if unknown and not drop_unlabelled:
        raise ValueError(
            f"'{labels}' has no label for {len(unknown)} of {len(cells)} cells, such as "
            f"{examples(unknown)}. Add them, or leave them out by --drop-unlabelled."
        )
    embeddings = {}
    for path, (names, values) in read.items():
        if len(values) != len(cells):
            raise ValueError(f"'{path}' has {len(values)} cells but '{labels}' has {len(cells)}.")
        if names is not None:
            place = {name: number for number, name in enumerate(names)}
            values = values[[place[name] for name in cells]]
        embeddings[path.name] = values
    text = np.array([label_of.get(name, "") for name in cells])
    return _checked(embeddings, text, np.isin(text, MISSING), f"'{labels}'", drop_unlabelled)


def _checked(
    embeddings: dict, label: np.ndarray, is_missing: np.ndarray, where: str, drop: bool
) -> Labelled:
    from scscope.cluster import check_latent

    for name, values in embeddings.items():
        try:
            check_latent(values)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    n_missing = int(is_missing.sum())
    if n_missing and not drop:
        raise ValueError(
            f"{n_missing} of {len(label)} cells have no label in {where}: label them, or leave them "
            "out by --drop-unlabelled."
        )
    label = label[~is_missing]
    n_groups = len(np.unique(label))
    if not 2 <= n_groups < len(label):
        raise ValueError(
            f"{where[0].upper()}{where[1:]} has {n_groups} different labels for {len(label)} cells: "
            "there must be at least 2, and fewer than cells."
        )
    return Labelled({name: values[~is_missing] for name, values in embeddings.items()}, label)


def _read_labels(path: Path, column: str | None) -> dict[str, str]:
    """Label of each cell by its name."""
    _check_exists(path)
    columns, rows = read_table(path)
    if column is None and len(columns) > 1:
        raise ValueError(
            f"'{path}' has several columns: name one by --label: {', '.join(columns)}."
        )
    place = columns.index(known_name(column or columns[0], columns, "column", f"'{path}'"))
    label_of: dict[str, str] = {}
    for cell, fields in rows:
        if cell in label_of:
            raise ValueError(f"'{path}' has cell {cell!r} more than once.")
        label_of[cell] = fields[place]
    return label_of


def _read_embedding(path: Path) -> tuple[list[str] | None, np.ndarray]:
    """Names of the cells, if the file has any, and values of shape (n_cells, n)."""
    _check_exists(path)
    if path.suffix == ".npy":
        try:
            values = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(f"'{path}' is not an array of numbers: {error}") from error
        if values.ndim != 2:
            raise ValueError(f"'{path}' must have the shape (n_cells, n), got {values.shape}.")
        return None, values
    columns, rows = read_table(path)
    names, values = [], []
    for cell, fields in rows:
        try:
            values.append([float(field) for field in fields])
        except ValueError as error:
            raise ValueError(f"'{path}', cell {cell!r}: {error}.") from error
        names.append(cell)
    if len(set(names)) < len(names):
        raise ValueError(f"'{path}' has names of cells more than once in its first column.")
    return names, np.array(values)


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"There is no file '{path}'.")
