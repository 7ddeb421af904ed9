"""Files of the command line: refused before work starts, copied with what is new in them."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.atomic import beside
from scscope.inputs import known_name, open_anndata
from scscope.validation import not_writable

if TYPE_CHECKING:
    import numpy as np

NOTE = "scscope"  # in `uns`: how the new values were made


def check_output(path: Path, *, overwrite: bool, suffixes: tuple[str, ...] = ()) -> None:
    """Refuse a place that cannot be written to, or where something is that would be lost.

    Parameters
    ----------
    path
        Where a file or a folder is to be written.
    overwrite
        Whether what is there may be replaced.
    suffixes
        The allowed ones; empty where any is.
    """
    if suffixes and path.suffix not in suffixes:
        raise ValueError(f"'{path}' must end in {' or '.join(suffixes)}.")
    if not path.absolute().parent.exists():
        raise ValueError(f"There is no folder '{path.parent}' for '{path.name}': make it first.")
    why = not_writable(path.absolute().parent)
    if why:
        raise ValueError(why)
    if path.exists() and not overwrite:
        raise ValueError(f"'{path}' exists: choose another name, or replace it by --overwrite.")


def check_cells(path: Path, *, layer: str | None, batch_key: str | None) -> None:
    """Refuse a file that is no AnnData, or that lacks the layer or the column of batches."""
    root = open_anndata(path)
    if layer is not None:
        known_name(layer, list(root.get("layers", {})), "layer", f"'{path}'")
    if batch_key is not None:
        columns = [name for name in root["obs"] if name not in ("_index", "__categories")]
        known_name(batch_key, columns, "column", "`obs`")


def check_key(path: Path, key: str, *, overwrite: bool) -> None:
    """Refuse to replace something in the `obsm` of a copy."""
    if key in open_anndata(path).get("obsm", {}) and not overwrite:
        raise ValueError(
            f"'{path}' has an obsm {key!r}: choose another --key, or replace it in the copy by "
            "--overwrite."
        )


def copy_with(source: Path, path: Path, key: str, latent: "np.ndarray", note: dict) -> None:
    """Copy an AnnData file, on disk, with one more array in its `obsm`.

    Parameters
    ----------
    source
        The file, .h5ad or .zarr. Everything in it is kept as it is stored.
    path
        The copy, of the same format; whole or not at all.
    key
        Name in `obsm`.
    latent
        Array of shape (n_cells, n).
    note
        What JSON can hold, for `uns["scscope"]`.
    """
    with beside(path) as part:
        if source.is_dir():
            shutil.copytree(source, part, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, part)
        write_into(part, {f"obsm/{key}": latent}, note)


def write_into(path: Path, elements: dict, note: dict) -> None:
    """Add elements, and a note on their making, to an .h5ad file or .zarr folder.

    Parameters
    ----------
    path
        The file, which is changed.
    elements
        What anndata can write, by place: "obsm/X_scscope".
    note
        What JSON can hold, for `uns["scscope"]`.
    """
    elements = {**elements, f"uns/{NOTE}": {name: _plain(value) for name, value in note.items()}}
    if path.is_dir():
        import zarr

        _write(zarr.open_group(path, mode="r+", use_consolidated=False), elements)
        zarr.consolidate_metadata(path)
    else:
        import h5py

        with h5py.File(path, "r+") as file:
            _write(file, elements)


def _write(group, elements: dict) -> None:
    from anndata.io import write_elem

    for place, element in elements.items():
        parent = place.split("/")[0]
        if parent not in group:
            write_elem(group, parent, {})
        write_elem(group, place, element)


def _plain(value) -> str | float | int:
    return value if isinstance(value, str | int | float) else json.dumps(value)
