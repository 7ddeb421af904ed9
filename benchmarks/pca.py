"""Time and memory of principal components of sparse input, each way in a process of its own.

"exact" is by the genes' covariance up to 4,000 genes, else by scikit-learn's Lanczos iteration. The time
of importing scikit-learn counts where it is needed: a fit of the benchmark is a process, too.

Usage: benchmarks/pca.py [N_CELLS [N_GENES]]
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

WAYS = {
    "exact": {"solver": "exact"},
    "exact, gene-mean fill": {"solver": "exact", "fill": "gene_mean"},
    "randomized": {"solver": "randomized"},
    "scikit-learn, covariance": "covariance_eigh",
    "scikit-learn, arpack": "arpack",
}
DENSITY = 0.07  # of the brain data at 1,000 genes
N_LATENT = 50


def input_of(n_cells: int, n_genes: int):
    """Sparse values with a few directions that stand out, CSR float32, made a block at a time."""
    import numpy as np
    from scipy import sparse

    rng, blocks = np.random.default_rng(0), []
    loading = rng.gamma(1.0, 1.0, (20, n_genes)).astype(np.float32)
    for start in range(0, n_cells, 10_000):
        shape = (min(10_000, n_cells - start), n_genes)
        seen = rng.random(shape, dtype=np.float32) < DENSITY
        values = loading[rng.integers(0, 20, shape[0])] + rng.random(shape, dtype=np.float32)
        blocks.append(sparse.csr_matrix(np.where(seen, values, 0)))
    return sparse.vstack(blocks, format="csr")


def run(way: str, n_cells: int, n_genes: int) -> None:
    """Fit once; print seconds, and the process's peak memory before and after."""
    from types import SimpleNamespace

    X = input_of(n_cells, n_genes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    if isinstance(solver := WAYS[way], str):
        from sklearn.decomposition import PCA

        PCA(N_LATENT, svd_solver=solver, random_state=0).fit_transform(X)
    else:
        from scscope.methods.pca import pca

        pca(SimpleNamespace(X=X), seed=0, device="cpu", n_latent=N_LATENT, **solver)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    dense = 4 * n_cells * n_genes / 2**30
    print(
        f"{way:24} {n_cells:>9,} x {n_genes:,}: {seconds:7.1f} s, peak {peak / 2**20:5.2f} GiB "
        f"(with the input alone {before / 2**20:.2f}; dense float32 would be {dense:.2f})",
        flush=True,
    )


def main() -> None:
    """Run every way, one after another."""
    if len(sys.argv) > 3:
        run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return
    sizes = sys.argv[1:] + ["100000", "1000"][len(sys.argv) - 1 :]
    for way in WAYS:
        subprocess.run([sys.executable, __file__, way, *sizes], check=True)


if __name__ == "__main__":
    main()
