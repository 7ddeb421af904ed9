"""Bring counts to the scale that a model takes: files of any size, and new cells like the first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import numpy as np
from scipy import sparse

from scscope.data import ROUNDING, cell_totals, median_total, size_factor
from scscope.inputs import Input, columns_of, read_input
from scscope.sources import Source
from scscope.store import load_folder, save_folder

KIND = "scale"


@dataclass(frozen=True)
class Scaling:
    """What `scscope.data.scaled` does, with constants that are learned once and then stay.

    Parameters
    ----------
    scale
        "size", "log", "size_unit" or "log_unit".
    median
        L, the median of the cells' totals.
    unit
        What each gene is divided by: its standard deviation where the scale ends in "_unit" and
        the gene varies, else 1; shape (n_genes,).
    """

    scale: str
    median: float
    unit: np.ndarray

    def __call__(self, X: sparse.csr_matrix) -> sparse.csr_matrix:
        """Scaled values of some cells, shape (n, n_genes), float64."""
        X = X.astype(np.float64)
        X.data *= np.repeat(size_factor(cell_totals(X), self.median), np.diff(X.indptr))
        if self.scale.startswith("log"):
            X.data = np.log1p(X.data)
        X.data /= self.unit[X.indices]
        return X

    def for_genes(self, genes: np.ndarray | None, known: np.ndarray | None, n_genes: int) -> Self:
        """The same for data with `genes`, where it was learned on the genes `known`."""
        columns = columns_of(genes, known, n_genes, len(self.unit))
        return self if columns is None else replace(self, unit=self.unit[columns])

    def save(self, folder: Path) -> None:
        """Write it to the folder of a model."""
        import torch

        facts = {"scale": self.scale, "median": self.median}
        save_folder(folder, KIND, {"unit": torch.from_numpy(self.unit)}, facts)


def scaling_in(folder: Path) -> Scaling | None:
    """The scaling that is kept with a model, or None where it takes values as they are given."""
    if not (folder / f"{KIND}.json").exists():
        return None
    tensors, facts = load_folder(folder, KIND)
    try:
        return Scaling(facts["scale"], facts["median"], tensors["unit"].numpy())
    except KeyError as error:
        raise ValueError(f"The scale in '{folder}' is damaged: it lacks {error}.") from error


def learn(source: Source, scale: str) -> Scaling:
    """The scaling whose constants are those of these cells.

    Raises
    ------
    ValueError
        Most cells hold nothing, so that there is no size to bring them to.
    """
    n_cells, n_genes = source.shape
    median = median_total(np.concatenate([cell_totals(part.X) for _, part in source.chunks()]))
    if median == 0:
        raise ValueError(
            f"At least half of the {n_cells} cells hold no counts, so there is no typical size to "
            "bring the others to: leave these cells out."
        )
    scaling = Scaling(scale, median, np.ones(n_genes))
    if not scale.endswith("_unit"):
        return scaling

    sums, squares, n_zeros = np.zeros(n_genes), np.zeros(n_genes), np.full(n_genes, n_cells)
    for _, part in source.chunks():
        X = scaling(part.X)
        sums += np.bincount(X.indices, X.data, minlength=n_genes)
        n_zeros -= np.bincount(X.indices, minlength=n_genes)
    mean = sums / n_cells
    for _, part in source.chunks():
        X = scaling(part.X)
        squares += np.bincount(X.indices, (X.data - mean[X.indices]) ** 2, minlength=n_genes)
    sd = np.sqrt((squares + n_zeros * mean**2) / n_cells)
    return replace(scaling, unit=np.where(sd > ROUNDING * mean, sd, 1.0))


@contextmanager
def on_scale(
    data: Path, scaling_for: Callable[[Input], Scaling] | None, *, near: Path, **reading
) -> Iterator[tuple[Path, Scaling | None]]:
    """The file to read instead of `data`, and how its values were scaled; gone after the block.

    Parameters
    ----------
    data
        .h5ad or .zarr.
    scaling_for
        Gives the scaling for what is in the file. None takes the values as they are: then the file
        is `data` itself.
    near
        A scaled copy is made in the folder of this path, where there is to be room for results.
    **reading
        `layer`, `batch_key` and `memory_mb` of `scscope.inputs.read_input`. The copy has its values
        and batches under the same names.
    """
    if scaling_for is None:
        yield data, None
        return
    with TemporaryDirectory(prefix=".scscope-", dir=near.absolute().parent) as folder:
        path = Path(folder) / "scaled.h5ad"
        yield path, _write_scaled(data, path, scaling_for, **reading)


def _write_scaled(
    data: Path,
    path: Path,
    scaling_for: Callable[[Input], Scaling],
    *,
    layer: str | None,
    batch_key: str | None,
    memory_mb: float | None,
) -> Scaling:
    import h5py
    import pandas as pd
    from anndata import AnnData
    from anndata.io import sparse_dataset, write_elem

    given = read_input(data, layer=layer, batch_key=batch_key, memory_mb=memory_mb)
    scaling = scaling_for(given)
    obs = pd.DataFrame(index=given.cells)
    if batch_key is not None:
        obs[batch_key] = given.batch
    key = "X" if layer is None else f"layers/{layer}"
    with h5py.File(path, "w") as file:
        write_elem(file, "/", AnnData(obs=obs, var=pd.DataFrame(index=given.genes)))
        for cells, part in given.source.chunks():
            X = scaling(part.X).astype(np.float32)
            if cells[0] == 0:
                write_elem(file, key, X)
            else:
                sparse_dataset(file[key]).append(X)
    return scaling
