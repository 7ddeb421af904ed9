"""Dense results too large for memory, written to .h5ad some cells at a time."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from scscope.atomic import beside


def write_rows(
    path: str | Path,
    rows: Iterable[np.ndarray],
    shape: tuple[int, int],
    *,
    cells: np.ndarray | None,
    genes: np.ndarray | None,
) -> None:
    """Write a dense matrix to the `X` of an .h5ad file.

    Parameters
    ----------
    path
        Where to write; whole or not at all.
    rows
        Pieces of shape (n, n_genes), float32, that follow each other.
    shape
        (n_cells, n_genes).
    cells, genes
        Names, or None for numbers.

    Raises
    ------
    OSError
        No space, no permission.
    """
    import h5py
    import pandas as pd
    from anndata import AnnData

    frames = {
        axis: pd.DataFrame(index=np.arange(size).astype(str) if names is None else names)
        for axis, names, size in (("obs", cells, shape[0]), ("var", genes, shape[1]))
    }
    with beside(path) as part:
        AnnData(shape=shape, **frames).write_h5ad(part)
        try:
            with h5py.File(part, "r+") as file:
                file.pop("X", None)
                X = file.create_dataset("X", shape, np.float32)
                X.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
                start = 0
                for piece in rows:
                    X[start : start + len(piece)] = piece
                    start += len(piece)
        except RuntimeError as error:  # what h5py raises if the disk is full when it closes a file
            raise OSError(f"'{path}' could not be written: {error}.") from error
