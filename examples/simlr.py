"""SIMLR (Wang et al., Nature Methods 2017) as a method of the benchmark; see docs/baselines.md.

Usage: python3 examples/simlr.py INPUT OUTPUT SEED N_TYPES

Needs the package simlr-py3, the large-scale SIMLR_PY for Python 3, and nothing of ours.
"""

import csv
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

NOT_APPLICABLE = 77
N_NEIGHBOURS = 30  # the package's own, and that of its demonstrations


def embed(source: Path, result: Path, seed: int, n_types: int) -> None:
    """Write the cells' coordinates in the similarity that SIMLR learns, one for each type."""
    import numpy as np
    from scipy.io import mmread
    from scipy.sparse.linalg import eigsh
    from simlr_py3 import SIMLR_LARGE, core
    from simlr_py3.helper import fast_pca

    np.random.seed(seed)  # noqa: NPY002 - its principal components draw from this one
    start = np.random.default_rng(seed).standard_normal

    def eigenvectors(A, k, which):
        return eigsh(A, k, which=which, v0=start(A.shape[0]))

    # Its eigenvectors would start at a vector that no seed decides.
    core.linalg = SimpleNamespace(eigsh=eigenvectors)
    X = mmread(source / "matrix.mtx").tocsc()
    os.chdir(result)  # its index of neighbours passes through a file of the current folder
    X = fast_pca(X, 500) if X.shape[1] > 500 else X.toarray()
    _, coordinates, _, _ = SIMLR_LARGE(n_types, N_NEIGHBOURS).fit(X)
    with (source / "cells.csv").open(newline="") as file:
        cells = [row["cell"] for row in csv.DictReader(file)]
    with Path("latent.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["cell", *range(n_types)])
        writer.writerows(
            [cell, *row] for cell, row in zip(cells, coordinates.tolist(), strict=True)
        )


def main() -> None:
    """Embed the cells, or say what is missing."""
    if find_spec("simlr_py3") is None:
        print(
            f"SIMLR is not installed for {sys.executable}: "
            "`python3 -m pip install simlr-py3` brings it."
        )
        sys.exit(NOT_APPLICABLE)
    source, result, seed, n_types = sys.argv[1:]
    embed(Path(source).absolute(), Path(result).absolute(), int(seed), int(n_types))


if __name__ == "__main__":
    main()
