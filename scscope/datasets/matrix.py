"""What every reader gives, sparse cells x genes with their names, and the checks that all share."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from scscope.validation import examples


@dataclass(frozen=True)
class CellMatrix:
    """Cells x genes in memory, as read from a file.

    Parameters
    ----------
    X
        Values of the file, CSR of shape (n_cells, n_genes), without stored zeros.
    cells, genes
        Names, arrays of text of shape (n_cells,) and (n_genes,), each without repeats.
    symbols
        Names of the genes for people, which may repeat, shape (n_genes,); None where the file has
        but one name for each gene.
    """

    X: sparse.csr_matrix
    cells: np.ndarray
    genes: np.ndarray
    symbols: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells and of genes."""
        return self.X.shape

    def blocks(self, n_cells: int) -> Iterator[sparse.csr_matrix]:
        """All cells in order, `n_cells` at a time, CSR of shape (n, n_genes)."""
        for start in range(0, self.shape[0], n_cells):
            yield self.X[start : start + n_cells]


@contextmanager
def reading(path: Path, format: str):
    """Make whatever a library raises for a broken file one error that names file and cause."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no file {path}.") from error
    except MemoryError:
        raise
    except Exception as error:  # the libraries raise nothing narrower
        cause = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} cannot be read as {format}. {cause}") from error


def check_unique(path: Path, kind: str, names: Sequence[str], hint: str = "") -> None:
    """Refuse names of cells or genes that occur more than once."""
    if len(set(names)) < len(names):
        repeated = [name for name, count in Counter(names).items() if count > 1]
        raise ValueError(
            f"{path} has {kind} names more than once: {examples(repeated)}. Rename or merge "
            f"them{hint}."
        )


def check_shape(path: Path, found: tuple[int, int], expected: tuple[int, int] | None) -> None:
    """Refuse a matrix that has not as many cells and genes as it is known to have."""
    if expected is not None and tuple(found) != tuple(expected):
        raise ValueError(
            f"{path} has {found[0]:,} cells x {found[1]:,} genes, but {expected[0]:,} x "
            f"{expected[1]:,} are expected. It is not whole, or another file."
        )
