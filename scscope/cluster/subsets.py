"""Centroids of many small subsets: scikit-learn on threads, or PyTorch for all at once on a GPU."""

import warnings

import numpy as np

from scscope.cluster.threads import workers

# Subsets have some 2,600 cells and 400 centroids: within 8 rounds the mean distance to the centroid
# is less than 0.1 % above where it ends (see docs/clustering.md).
N_ROUNDS = 8
# Subsets whose centroids are pooled: a rare type of 0.1 % has 2 or 3 cells in a subset of 2,600, often
# too few for a centroid of their own, but 20 in a pool.
POOL = 8
BLOCK = 512  # cells that are compared with a pool at a time
ON_GPU = 2**26  # distances that are held at a time there: 256 MB

Centroids = tuple[np.ndarray, np.ndarray]


def centroids_of(
    subsets: list[np.ndarray],
    n_centroids: int,
    seeds: list[int],
    *,
    n_threads: int | None = None,
    device: str = "cpu",
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Centroids of subsets by Lloyd's algorithm from randomly chosen cells.

    Each subset gets centroids of its own; then every cell goes to the nearest among those of eight
    subsets, and these move to the mean of their cells once more.

    Parameters
    ----------
    subsets
        Cells of each, shape (n_cells, n_latent), float32.
    n_centroids
        Number of centroids, at most the number of cells of the smallest subset.
    seeds
        Seed of the first centroids, one for each subset.
    n_threads
        Threads to use; all cores if None. The result does not depend on it.
    device
        "cpu", or a GPU such as "cuda".

    Returns
    -------
    tuple
        Centroids, shape (at most n_subsets * n_centroids, n_latent), each the mean of its cells;
        and for each subset the centroid of each cell, shape (n_cells,). Fewer centroids come out
        where cells coincide.
    """
    with workers(n_threads) as pool:
        if device == "cpu":
            tasks = [
                (points, n_centroids, seed) for points, seed in zip(subsets, seeds, strict=True)
            ]
            found = list(pool.map(lambda task: _alone(*task), tasks))
        else:
            found = _together(subsets, n_centroids, seeds, device)
        starts = range(0, len(subsets), POOL)
        pools = [(subsets[start : start + POOL], found[start : start + POOL]) for start in starts]
        pooled = list(pool.map(lambda task: _pooled(*task), pools))
    members, n_before = [], 0
    for centres, own in pooled:
        members += [member + n_before for member in own]
        n_before += len(centres)
    return np.concatenate([centres for centres, _ in pooled]), members


def _pooled(subsets: list[np.ndarray], found: list[Centroids]) -> tuple[np.ndarray, list]:
    """Centroids of several subsets, and for each subset the nearest of them for each cell."""
    if len(subsets) == 1:
        return found[0][0], [found[0][1]]
    centres = np.concatenate([own for own, _ in found])
    middle = centres.mean(axis=0)
    centres = centres - middle
    square = (centres**2).sum(axis=1)
    points = np.concatenate(subsets)
    blocks = (points[start : start + BLOCK] - middle for start in range(0, len(points), BLOCK))
    nearest = [np.argmin(square - 2 * (block @ centres.T), axis=1) for block in blocks]
    centres, member = _means(points, np.concatenate(nearest))
    return centres, np.split(member, np.cumsum([len(own) for own in subsets])[:-1])


def _alone(points: np.ndarray, n_centroids: int, seed: int) -> Centroids:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    first = points[_first_cells(len(points), n_centroids, seed)]
    model = KMeans(n_centroids, init=first, n_init=1, max_iter=N_ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few distinct cells
        member = model.fit(points).labels_
    return _means(points, member)


def _together(
    subsets: list[np.ndarray], n_centroids: int, seeds: list[int], device: str
) -> list[Centroids]:
    """Subsets of the same size in one product, as many as fit."""
    import torch

    found: list[Centroids | None] = [None] * len(subsets)
    for size in {len(points) for points in subsets}:
        alike = [i for i, points in enumerate(subsets) if len(points) == size]
        step = max(ON_GPU // (size * n_centroids), 1)
        for start in range(0, len(alike), step):
            batch = alike[start : start + step]
            points = torch.as_tensor(np.stack([subsets[i] for i in batch]), device=device)
            first = [_first_cells(size, n_centroids, seeds[i]) for i in batch]
            member = _lloyd(points, torch.as_tensor(np.stack(first), device=device)).cpu().numpy()
            for i, own in zip(batch, member, strict=True):
                found[i] = _means(subsets[i], own)
    return found


def _lloyd(points, first):
    """Centroid of each cell after the last round; tensors of shape (n_subsets, n_cells, ...)."""
    import torch

    points = points - points.mean(dim=1, keepdim=True)
    n_subsets, _, n_latent = points.shape
    index = first[..., None].expand(-1, -1, n_latent)
    centre = points.gather(1, index)
    for _ in range(N_ROUNDS):
        square = (centre**2).sum(dim=2)
        member = torch.baddbmm(square[:, None], points, centre.mT, alpha=-2).argmin(dim=2)
        index = member[..., None].expand(-1, -1, n_latent)
        total = torch.zeros_like(centre).scatter_add_(1, index, points)
        size = torch.zeros_like(square).scatter_add_(1, member, torch.ones_like(points[..., 0]))
        # A centroid without cells stays where it is.
        centre = torch.where(size[..., None] > 0, total / size[..., None].clamp(min=1), centre)
    return member


def _first_cells(n_cells: int, n_centroids: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(n_cells, n_centroids, replace=False)


def _means(points: np.ndarray, member: np.ndarray) -> Centroids:
    """Mean of the cells of each centroid that has any, and its number for each cell."""
    _, member, size = np.unique(member, return_inverse=True, return_counts=True)
    order = np.argsort(member, kind="stable")
    starts = np.concatenate([[0], np.cumsum(size)[:-1]])
    total = np.add.reduceat(points[order].astype(np.float64), starts, axis=0)
    return (total / size[:, None]).astype(np.float32), member
