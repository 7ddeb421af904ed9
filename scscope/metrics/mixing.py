"""How well batches mix among the neighbours of cells.

The paper's entropy follows from none of the readings of its text: formula, k and sign are open. This
is a definition of our own; more is better mixed, and noise mixes perfectly: read it beside the
agreement with known types.
"""

import numpy as np

N_NEIGHBOURS = 100  # k: as many as the paper names
N_CELLS, N_REPEATS = 100, 100  # cells of a repeat, and repeats: as in the paper


def batch_entropy(batch: np.ndarray, latent: np.ndarray) -> float:
    """Mean of `batch_entropies` with their defaults: 0 unmixed, at most 1."""
    return float(batch_entropies(batch, latent, seed=0).mean())


def batch_entropies(
    batch: np.ndarray,
    latent: np.ndarray,
    *,
    seed: int,
    k: int = N_NEIGHBOURS,
    n_cells: int = N_CELLS,
    n_repeats: int = N_REPEATS,
) -> np.ndarray:
    """Entropy of the batches among the neighbours of random cells, one value for each repeat.

    Parameters
    ----------
    batch
        Batch of each cell, shape (n_cells,).
    latent
        Shape (n_cells, n_latent).
    seed
        Of the cells that are drawn.
    k, n_cells, n_repeats
        Neighbours of a cell (the cell itself is none of them; Euclidean distance; all other cells
        where there are fewer than k), cells of a repeat, drawn without replacement, and repeats.

    Returns
    -------
    np.ndarray
        Shape (n_repeats,). Each is the mean over its cells of -sum(p log p), p the shares of the B
        batches among the k neighbours, log to base B: 0 where all neighbours are of one batch, 1
        where all batches are equally frequent. Of perfectly mixed batches it is about
        `mixed_entropy`, less than 1 where the batches differ in size.
    """
    from sklearn.neighbors import NearestNeighbors

    batch, latent = np.asarray(batch), np.asarray(latent)
    if len(batch) != len(latent):
        raise ValueError(f"`batch` has {len(batch)} cells but `latent` has {len(latent)}.")
    names, code = np.unique(batch, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"`batch` must hold at least 2 batches, got {len(names)}.")
    n, k = len(batch), min(k, len(batch) - 1)
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(n, min(n_cells, n), replace=False) for _ in range(n_repeats)]
    cells, place = np.unique(np.concatenate(drawn), return_inverse=True)
    search = NearestNeighbors(n_neighbors=k + 1).fit(latent)
    near = search.kneighbors(latent[cells], return_distance=False)
    # Of cells at the same place the cell itself need not come first, nor be found at all.
    itself = near == cells[:, None]
    itself[~itself.any(axis=1), -1] = True
    near = near[~itself].reshape(len(cells), k)
    share = np.stack([(code[near] == i).mean(axis=1) for i in range(len(names))], axis=1)
    return _entropy(share)[place].reshape(n_repeats, -1).mean(axis=1)


def mixed_entropy(batch: np.ndarray) -> float:
    """Entropy to base B of the batches themselves: what perfect mixing gives as k grows."""
    sizes = np.unique(batch, return_counts=True)[1]
    return float(_entropy(sizes[None] / sizes.sum())[0])


def _entropy(share: np.ndarray) -> np.ndarray:
    """-sum(p log p) to the base of the number of columns, for each row."""
    logs = np.log(share, out=np.zeros_like(share, dtype=float), where=share > 0)
    return np.abs(-(share * logs).sum(axis=1) / np.log(share.shape[1]))  # abs: never -0
