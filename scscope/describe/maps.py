"""A map of cells: their latent in two dimensions, by t-SNE as in the paper."""

import numpy as np

from scscope.seeds import derive_seed

MAX_CELLS = 30_000  # as in the paper's map of the brain
PERPLEXITY = 30  # scikit-learn's


def sample_of(n_cells: int, seed: int, *, max_cells: int = MAX_CELLS) -> np.ndarray:
    """Indices of the cells of a map, ascending: a random sample, the same for all methods.

    Parameters
    ----------
    n_cells
        Number of cells there are.
    seed
        Seed of the run.
    max_cells
        Size of the sample; all cells, if there are not more.
    """
    rng = np.random.default_rng(derive_seed(seed, "map"))
    return np.sort(rng.permutation(n_cells)[:max_cells])


def embed(latent: np.ndarray, seed: int) -> np.ndarray:
    """Places of cells on a map, shape (n_cells, 2).

    Parameters
    ----------
    latent
        Shape (n_cells, n_latent).
    seed
        Seed of the run. The map does not depend on the number of threads.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    n_cells, n_latent = latent.shape
    has_plane = n_latent > 1 and latent.std(axis=0).max() > 0
    tsne = TSNE(
        perplexity=min(PERPLEXITY, (n_cells - 1) / 3),
        init="pca" if has_plane else "random",
        random_state=derive_seed(seed, "map"),
        n_jobs=1,
    )
    with threadpool_limits(1):
        return tsne.fit_transform(latent.astype(np.float32))
