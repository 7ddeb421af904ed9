"""Principal components of sparse input, which is never made dense."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from scscope.data import Scaled
from scscope.methods.controls import nonzero_mean
from scscope.methods.fit import Fit

FILLS = ("none", "gene_mean")
SOLVERS = ("auto", "exact", "randomized")
MOST_GENES = 4_000  # for which the genes' covariance matrix is the fastest way, and is exact
LARGE = 10_000_000  # stored values beyond which many genes are left to random projections
BLOCK = 2_000  # cells that are made dense at a time
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
        "exact": by the covariance of up to 4,000 genes, else by Lanczos iteration (scikit-learn). "randomized": by random projections. "auto": exact, but for many genes
        and more than 10 million stored values.
    """
    check_n_latent(n_latent, data.X.shape)
    for name, value, known in (("fill", fill, FILLS), ("solver", solver, SOLVERS)):
        if value not in known:
            raise ValueError(f"`{name}` must be one of {', '.join(known)}, got {value!r}.")
    shift = nonzero_mean(data.X) if fill == "gene_mean" else None
    exact = data.X.shape[1] <= MOST_GENES or data.X.nnz <= LARGE
    if solver == "randomized" or (solver == "auto" and not exact):
        components, mean = _randomized(_shifted(data.X, shift), n_latent, seed)
    elif data.X.shape[1] <= MOST_GENES:
        components, mean = _of_covariance(data.X, shift, n_latent)
    else:
        components, mean = _by_lanczos(_shifted(data.X, shift), n_latent, seed)

    def transform(X: sparse.csr_matrix) -> np.ndarray:
        scores = [block @ components - mean @ components for block in _blocks(X, shift)]
        return np.concatenate(scores, dtype=np.float32)

    return Fit(latent=transform(data.X), transform=lambda others: transform(others.X))


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


def _blocks(X: sparse.csr_matrix, shift: np.ndarray | None) -> Iterator[sparse.csr_matrix]:
    """The same in pieces, of which no more than one is there at a time."""
    for start in range(0, X.shape[0], BLOCK):
        yield _shifted(X[start : start + BLOCK], shift)


def _of_covariance(
    X: sparse.csr_matrix, shift: np.ndarray | None, n_latent: int
) -> tuple[np.ndarray, np.ndarray]:
    """Components (n_genes, n_latent), and the genes' means: eigenvectors of the covariance.

    As scikit-learn's solver "covariance_eigh", whose import takes longer than most of these fits.
    """
    n_cells, n_genes = X.shape
    total, second = np.zeros(n_genes), np.zeros((n_genes, n_genes))
    for block in _blocks(X, shift):
        dense = block.toarray()
        total += dense.sum(axis=0)
        second += dense.T @ dense
    mean = total / n_cells
    _, vectors = np.linalg.eigh(second - n_cells * np.outer(mean, mean))
    components = vectors[:, ::-1][:, :n_latent]
    largest = components[np.abs(components).argmax(axis=0), np.arange(n_latent)]
    return components * np.sign(largest), mean


def _by_lanczos(X: sparse.csr_matrix, n_latent: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for many genes."""
    from sklearn.decomposition import PCA

    model = PCA(n_latent, svd_solver="arpack", random_state=seed).fit(X)
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
