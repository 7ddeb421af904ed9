"""The nearest neighbours of each cell: exact for few cells, approximate where that pays."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from scscope.cluster.threads import workers

Metric = Literal["euclidean", "cosine", "correlation", "manhattan"]
Search = Literal["auto", "exact", "approximate"]

EXACT_UP_TO = 10_000  # up to here an exact search costs no more than an approximate one
# Of an approximate search, on a sample. What it misses lies across the borders of lists: at 0.95 the
# borders showed as clusters (docs/clustering.md), at 0.995 labels are those of an exact search.
RECALL = 0.995
N_SAMPLED = 500  # cells whose true neighbours are looked up to state the recall
LIST_SIZE = 400  # cells that are searched together
BLOCK = 2_048  # cells that a task of an exact search takes
ON_GPU = 2**28  # distances that are held at a time there: 1 GB


@dataclass(frozen=True)
class Neighbours:
    """The k nearest other cells of each cell.

    Parameters
    ----------
    index
        Shape (n_cells, k), int32. Of cells at the same place any may be named. A cell is never its
        own neighbour.
    recall
        Share of the true neighbours that were found: 1 for an exact search, else measured on a
        sample.
    """

    index: np.ndarray
    recall: float


def check_latent(latent: np.ndarray) -> np.ndarray:
    """The latent as an array, or a ValueError where it is not one of finite numbers.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent), neither of them 0.
    """
    latent = np.asarray(latent)
    if latent.dtype.kind not in "fiub":
        raise ValueError(f"`latent` must hold real numbers, got values of type {latent.dtype}.")
    if latent.ndim != 2 or latent.size == 0:
        raise ValueError(
            f"`latent` must have the shape (n_cells, n_latent) and not be empty, got {latent.shape}."
        )
    n_wrong = np.count_nonzero(~np.isfinite(latent))
    if n_wrong:
        raise ValueError(f"`latent` has {n_wrong} NaN or infinite values out of {latent.size}.")
    return latent


def neighbours(
    latent: np.ndarray,
    k: int,
    *,
    metric: Metric = "euclidean",
    search: Search = "auto",
    seed: int = 0,
    n_threads: int | None = None,
    device: str = "cpu",
) -> Neighbours:
    """The k nearest other cells of each cell.

    Up to 10,000 cells the search is exact. Beyond, cells are searched in lists of some hundred that
    lie together (an inverted file): in as many lists as it takes to find 99.5 % of the true neighbours of
    a sample. Where that would be most of them, the search is exact again.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    k
        Number of neighbours, less than the number of cells.
    metric
        Distance between cells. "cosine" and "correlation" are not defined for cells whose values
        are all 0, or all the same.
    search
        "auto" as above; "exact" or "approximate" whatever the number of cells.
    seed
        Seed of the lists and of the sample of an approximate search.
    n_threads
        Threads to use, all cores if None. The result does not depend on it.
    device
        "cpu", or a GPU such as "cuda", where the search is exact and by brute force.
    """
    latent = check_latent(latent)
    n_cells = len(latent)
    if not 1 <= k < n_cells:
        raise ValueError(
            f"`k` is {k} but `latent` has {n_cells} cells: k must be at least 1 and less than the "
            "number of cells."
        )
    for name, value, allowed in (("metric", metric, Metric), ("search", search, Search)):
        if value not in get_args(allowed):
            raise ValueError(f"Unknown {name} {value!r}. Known: {', '.join(get_args(allowed))}.")

    points = _placed(latent, metric)
    if device != "cpu" and metric != "manhattan":
        return Neighbours(_on_gpu(points, k, device), 1.0)
    if metric != "manhattan" and (
        search == "approximate" or (search == "auto" and n_cells > EXACT_UP_TO)
    ):
        found = _approximate(points, k, seed, n_threads, always=search == "approximate")
        if found is not None:
            return found
    return Neighbours(_exact(points, k, metric, n_threads), 1.0)


def _placed(latent: np.ndarray, metric: Metric) -> np.ndarray:
    """Points whose Euclidean distances have the order of `metric`'s; "manhattan" needs none."""
    if latent.dtype != np.float32:
        latent = latent.astype(np.float64)
    if metric in ("euclidean", "manhattan"):
        return latent
    if metric == "correlation":
        latent = latent - latent.mean(axis=1, keepdims=True)
    length = np.linalg.norm(latent, axis=1, keepdims=True)
    n_wrong = np.count_nonzero(length == 0)
    if n_wrong:
        raise ValueError(
            f"The {metric} distance is not defined for {n_wrong} of {len(latent)} cells, whose "
            f"values are all {'0' if metric == 'cosine' else 'the same'}: use metric='euclidean'."
        )
    return latent / length


def _exact(points: np.ndarray, k: int, metric: Metric, n_threads: int | None) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    metric = "manhattan" if metric == "manhattan" else "euclidean"
    model = NearestNeighbors(n_neighbors=k + 1, metric=metric).fit(points)

    def search(start: int) -> np.ndarray:
        cells = np.arange(start, min(start + BLOCK, len(points)))
        nearest = model.kneighbors(points[cells], return_distance=False)
        return _without_self(nearest, cells)

    with workers(n_threads) as pool:
        return np.concatenate(list(pool.map(search, range(0, len(points), BLOCK))))


def _without_self(nearest: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The k nearest others, of k + 1 that were found."""
    own = nearest == cells[:, None]
    # A cell that does not find itself lies in a heap of more than k: any of them will do.
    own[~own.any(axis=1), -1] = True
    return nearest[~own].reshape(len(cells), -1).astype(np.int32)


def _approximate(
    points: np.ndarray, k: int, seed: int, n_threads: int | None, *, always: bool
) -> Neighbours | None:
    """Search in lists of cells that lie together; None where that does not pay, unless `always`."""
    from sklearn.neighbors import NearestNeighbors

    rng = np.random.default_rng(seed)
    # Around their mean, single precision is at its best.
    points = (points - points.mean(axis=0, dtype=np.float64)).astype(np.float32)
    sample = np.sort(rng.choice(len(points), min(N_SAMPLED, len(points)), replace=False))
    truth, reach = _true_neighbours(points, sample, k)
    lists = _lists(points, sample, truth, seed, n_threads, always=always)
    if lists is None:
        return None
    found = np.empty((len(points), k), dtype=np.int32)

    def search(task: tuple[np.ndarray, np.ndarray]) -> None:
        cells, others = task
        model = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(points[others])
        nearest = others[model.kneighbors(points[cells], return_distance=False)]
        found[cells] = _without_self(nearest, cells)

    with workers(n_threads) as pool:
        list(pool.map(search, lists))
    distance = ((points[sample, None] - points[found[sample]]) ** 2).sum(axis=2)
    return Neighbours(found, float(np.mean(distance <= reach[:, None])))


def _true_neighbours(
    points: np.ndarray, sample: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours of some cells by brute force, shape (n, k), and how far they reach, squared.

    The reach has a margin of the rounding, within which one neighbour is as good as another.
    """
    square = np.einsum("ij,ij->i", points, points)
    truth = np.empty((len(sample), k), dtype=np.int64)
    reach = np.empty(len(sample))
    for start in range(0, len(sample), 32):
        cells = sample[start : start + 32]
        distance = square - 2 * points[cells] @ points.T
        distance[np.arange(len(cells)), cells] = np.inf
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
        truth[start : start + 32] = nearest
        far = ((points[cells, None] - points[nearest]) ** 2).sum(axis=2).max(axis=1)
        reach[start : start + 32] = far * (1 + 1e-4)
    return truth, reach


def _lists(
    points: np.ndarray,
    sample: np.ndarray,
    truth: np.ndarray,
    seed: int,
    n_threads: int | None,
    *,
    always: bool,
) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Lists of cells that lie together, each with the cells to compare them with.

    None where these would be more than half of all, unless it is `always` to be approximate.
    """
    n_cells = len(points)
    n_lists = max(n_cells // LIST_SIZE, 2)
    member = _member(points, n_lists, seed, n_threads)
    order = np.argsort(member, kind="stable")
    size = np.bincount(member, minlength=n_lists)
    cells_of = np.split(order, np.cumsum(size)[:-1])
    centre = np.array([points[cells].mean(axis=0) for cells in cells_of])
    square = (centre**2).sum(axis=1)
    nearest = np.argsort(square - 2 * centre @ centre.T, axis=1, kind="stable")
    rank = np.empty_like(nearest)
    np.put_along_axis(rank, nearest, np.arange(n_lists)[None], axis=1)

    # The true neighbours of the sample say how many of the nearest lists hold nearly all.
    needed = rank[member[sample][:, None], member[truth]]
    n_probed = int(np.quantile(needed, RECALL, method="higher")) + 1
    compared = size[nearest[:, :n_probed]].sum(axis=1)
    if not always and np.sum(size * compared) > n_cells**2 / 2:
        return None
    k = truth.shape[1]
    lists = []
    for own, cells in enumerate(cells_of):
        reached = np.cumsum(size[nearest[own]])
        n = max(n_probed, int(np.searchsorted(reached, k + 1)) + 1)
        lists.append((cells, np.concatenate([cells_of[other] for other in nearest[own, :n]])))
    return lists


def _member(points: np.ndarray, n_lists: int, seed: int, n_threads: int | None) -> np.ndarray:
    """The list of each cell, by k-means on a sample; none of the lists is empty."""
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import pairwise_distances_argmin

    rng = np.random.default_rng(seed)
    some = rng.choice(len(points), min(len(points), 40 * n_lists), replace=False)
    with workers(n_threads) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few distinct cells
        model = KMeans(n_lists, init="random", n_init=1, max_iter=8, random_state=seed)
        centre = model.fit(points[some]).cluster_centers_
        starts = range(0, len(points), BLOCK)
        blocks = (points[start : start + BLOCK] for start in starts)
        nearest = pool.map(lambda block: pairwise_distances_argmin(block, centre), blocks)
        member = np.concatenate(list(nearest))
    return np.unique(member, return_inverse=True)[1]


def _on_gpu(points: np.ndarray, k: int, device: str) -> np.ndarray:
    """Brute force with PyTorch, in blocks of rows."""
    import torch

    points = points - points.mean(axis=0, dtype=np.float64)
    all_points = torch.as_tensor(points.astype(np.float32), device=device)
    square = (all_points**2).sum(dim=1)
    n_cells = len(points)
    step = max(ON_GPU // n_cells, 1)
    found = np.empty((n_cells, k), dtype=np.int32)
    for start in range(0, n_cells, step):
        block = all_points[start : start + step]
        distance = torch.addmm(square, block, all_points.T, alpha=-2)
        rows = torch.arange(len(block), device=device)
        distance[rows, rows + start] = torch.inf
        found[start : start + step] = distance.topk(k, largest=False).indices.cpu().numpy()
    return found
