"""Principal components of sparse input, which is never made dense."""

import numpy as np
from scipy import sparse

from scscope.data import Scaled
from scscope.methods.controls import nonzero_mean
from scscope.methods.fit import Fit

FILLS = ("none", "gene_mean")
SOLVERS = ("auto", "exact", "randomized")
MOST_GENES = 4_000  # for which the genes' covariance matrix is the fastest way, and is exact
LARGE = 10_000_000  # stored values beyond which many genes are left to random projections
OVERSAMPLE, ITERATIONS = 20, 7  # further components, and power iterations, of random projections


def pca(
    data: Scaled,
    *,
    seed: int,
    device: str,
    n_latent: int = 50,
    fill: str = "none",
    solver: str = "auto",
) -> Fit:
    """Scores of the leading principal components of the centred input.

    Parameters
    ----------
    data
        The dataset.
    seed
        Of start vectors and random projections.
    device
        Not used.
    n_latent
        Components.
    fill
        "gene_mean": as if each zero were the mean of its gene over the cells in which it was seen.
        Or "none".
    solver
        "exact": scikit-learn's for sparse input, by the covariance of up to 4,000 genes, else by
        Lanczos iteration. "randomized": by random projections. "auto": exact, but for many genes
        and more than 10 million stored values.
    """
    check_n_latent(n_latent, data.X.shape)
    for name, value, known in (("fill", fill, FILLS), ("solver", solver, SOLVERS)):
        if value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(known)}, got {value!r}.")
    shift = nonzero_mean(data.X) if fill == "gene_mean" else None
    X = _shifted(data.X, shift)
    exact = X.shape[1] <= MOST_GENES or X.nnz <= LARGE
    if solver == "exact" or (solver == "auto" and exact):
        components, mean = _exact(X, n_latent, seed)
    else:
        components, mean = _randomized(X, n_latent, seed)

    def transform(X: sparse.csr_matrix) -> np.ndarray:
        return (X @ components - mean @ components).astype(np.float32)

    return Fit(
        latent=transform(X),
        transform=lambda others: transform(_shifted(others.X, shift)),
    )


def check_n_latent(n_latent: int, shape: tuple[int, int]) -> None:
    """Refuse more components than the data have."""
    most = min(shape) - 1
    if not 1 <= n_latent <= most:
        raise ValueError(
            f"`n_latent` must be between 1 and {most} for {shape[0]} cells and {shape[1]} genes, "
            f"got {n_latent}."
        )


def _shifted(X: sparse.csr_matrix, shift: np.ndarray | None) -> sparse.csr_matrix:
    """float64, and less the gene's mean where something is stored.

    What is filled with the mean m of its gene, less m everywhere, is this matrix: it has the same
    principal components, and is as sparse as the input.
    """
    X = sparse.csr_matrix(X, dtype=np.float64)
    if shift is not None:
        X = sparse.csr_matrix((X.data - shift[X.indices], X.indices, X.indptr), X.shape)
    return X


def _exact(X: sparse.csr_matrix, n_latent: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Components (n_genes, n_latent), and the genes' means."""
    from sklearn.decomposition import PCA

    solver = "covariance_eigh" if X.shape[1] <= MOST_GENES else "arpack"
    model = PCA(n_latent, svd_solver=solver, random_state=seed).fit(X)
    return model.components_.T, model.mean_


def _randomized(X: sparse.csr_matrix, n_latent: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same by random projections (Halko et al. 2011) of X - 1 meanᵀ, which is never formed."""
    n_cells, n_genes = X.shape
    mean = np.asarray(X.mean(axis=0)).ravel()
    width = min(n_latent + OVERSAMPLE, n_cells, n_genes)
    basis = np.random.default_rng(seed).standard_normal((n_genes, width))
    for _ in range(ITERATIONS + 1):
        scores, _ = np.linalg.qr(X @ basis - mean @ basis)  # (n_cells, width)
        basis, _ = np.linalg.qr(X.T @ scores - np.outer(mean, scores.sum(axis=0)))
    projected = X @ basis - mean @ basis
    _, _, rotation = np.linalg.svd(projected, full_matrices=False)
    return basis @ rotation[:n_latent].T, mean
