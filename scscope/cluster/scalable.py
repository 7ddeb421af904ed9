"""Scalable clustering (the paper's Supplementary Fig. 6): PhenoGraph on centroids of subsets."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from scscope.cluster.communities import Method
from scscope.cluster.neighbours import check_latent
from scscope.cluster.phenograph import phenograph
from scscope.cluster.result import Clustering, Stopwatch
from scscope.cluster.subsets import POOL, centroids_of

if TYPE_CHECKING:
    import h5py

Order = Literal["shuffled", "contiguous"]

# The paper's numbers for its 1.3 million cells: 500 subsets of 2,600 cells, 400 centroids in each.
MOST_SUBSETS, SUBSET_SIZE, MOST_CENTROIDS = 500, 2_600, 400
CELLS_PER_CENTROID = 6
FEWEST_CENTROIDS = 200  # fewer cells than that are all their own centroids
AT_A_TIME = 2**28  # bytes of cells that are read from a file before they are clustered
CHUNK = 2**24  # bytes of a file that are read in one piece


def scalable(
    latent: "np.ndarray | h5py.Dataset",
    *,
    n_subsets: int | None = None,
    n_centroids: int | None = None,
    k: int = 30,
    seed: int,
    method: Method = "louvain",
    resolution: float = 1.0,
    min_size: int = 10,
    order: Order = "shuffled",
    n_threads: int | None = None,
    device: str = "cpu",
) -> Clustering:
    """Cluster many cells: k-means in each of many subsets, PhenoGraph on all centroids.

    Subsets have centroids of their own; a cell belongs to the nearest among those of eight subsets,
    its own with them, and gets the label of that centroid. Cells of centroids in communities of
    `min_size` and fewer get -1 (the released code puts them into cluster 0).

    Parameters
    ----------
    latent
        Shape (n_cells, n_latent): an array, or what is read in chunks and never held as a whole, a
        memory map or an HDF5 dataset such as an .h5ad's `obsm`.
    n_subsets, n_centroids
        Number of subsets, and of centroids in each. By default the paper's 500 and 400 for
        its 1.3 million cells and more; for fewer cells as many subsets of 2,600 as there are.
    k
        Number of neighbours of each centroid.
    seed
        Seed of the subsets, of k-means and of PhenoGraph. The same seed gives the same labels, on
        any number of threads.
    method, resolution, min_size
        See `scscope.cluster.phenograph`; sizes are numbers of centroids.
    order
        "shuffled": a cell may come into any subset. "contiguous": subsets are blocks of consecutive
        cells, as in the released code; in real data these are often batches.
    n_threads
        Threads to use; all cores if None.
    device
        "cpu", or a GPU such as "cuda" for k-means and neighbours.

    Returns
    -------
    Clustering
        Labels of the cells; `graph` and `modularity` are those of the centroids, `n_subsets` and
        `n_centroids` what was chosen.
    """
    in_memory = isinstance(latent, np.ndarray) and not isinstance(latent, np.memmap)
    if in_memory or not hasattr(latent, "shape"):
        latent = check_latent(latent)
    elif len(latent.shape) != 2 or 0 in latent.shape:
        raise ValueError(
            f"`latent` must have the shape (n_cells, n_latent) and not be empty, got {latent.shape}."
        )
    if order not in get_args(Order):
        raise ValueError(f"Unknown order {order!r}. Known: {', '.join(get_args(Order))}.")
    n_cells = latent.shape[0]
    n_subsets, n_centroids = numbers_of(n_cells, n_subsets, n_centroids)

    watch = Stopwatch()
    subset = _subset_of_cells(n_cells, n_subsets, seed, order)
    member = np.empty(n_cells, dtype=np.int32)
    parts, n_before = [], 0
    with watch.phase("centroids"):
        for rows, points in _read_subsets(latent, subset, n_subsets):
            seeds = [seed + 1_000_003 * int(subset[own[0]]) for own in rows]
            centres, members = centroids_of(
                points, n_centroids, seeds, n_threads=n_threads, device=device
            )
            for own, nearest in zip(rows, members, strict=True):
                member[own] = nearest + n_before
            parts.append(centres)
            n_before += len(centres)
    centroids = np.concatenate(parts)
    if len(centroids) <= k:
        raise ValueError(
            f"{n_cells} cells in {n_subsets} subsets gave {len(centroids)} different centroids, but "
            f"each needs `k` = {k} neighbours: lower `k`, ask for more centroids, or use phenograph."
        )

    found = phenograph(
        centroids,
        k,
        seed=seed,
        method=method,
        resolution=resolution,
        min_size=min_size,
        n_threads=n_threads,
        device=device,
    )
    return Clustering(
        labels=_by_cells(found.labels[member]),
        modularity=found.modularity,
        seconds=watch.seconds | found.seconds,
        graph=found.graph,
        recall=found.recall,
        n_runs=found.n_runs,
        n_subsets=n_subsets,
        n_centroids=n_centroids,
    )


def numbers_of(n_cells: int, n_subsets: int | None, n_centroids: int | None) -> tuple[int, int]:
    """Number of subsets and of centroids in each: as asked, where possible, or by the cells."""
    if n_subsets is None:
        n_subsets = min(max(round(n_cells / SUBSET_SIZE), 1), MOST_SUBSETS)
    if not 1 <= n_subsets <= n_cells:
        raise ValueError(
            f"`n_subsets` is {n_subsets} but `latent` has {n_cells} cells: it must be at least 1 and "
            "at most the number of cells."
        )
    smallest = n_cells // n_subsets
    if n_centroids is None:
        fewest = min(-(-FEWEST_CENTROIDS // n_subsets), smallest)
        n_centroids = min(max(smallest // CELLS_PER_CENTROID, fewest), MOST_CENTROIDS)
    if not 1 <= n_centroids <= smallest:
        raise ValueError(
            f"`n_centroids` is {n_centroids} but each of the {n_subsets} subsets of {n_cells} cells "
            f"has only {smallest}: it must be at least 1 and at most that."
        )
    return n_subsets, n_centroids


def _subset_of_cells(n_cells: int, n_subsets: int, seed: int, order: Order) -> np.ndarray:
    """Number of the subset of each cell; subsets differ by one cell at most."""
    subset = np.arange(n_cells) * n_subsets // n_cells
    if order == "shuffled":
        np.random.default_rng(seed).shuffle(subset)
    return subset.astype(np.int32)


def _read_subsets(
    latent: "np.ndarray | h5py.Dataset", subset: np.ndarray, n_subsets: int
) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
    """Subsets, as many at a time as fit into 256 MB: rows and points of each."""
    n_cells, n_latent = latent.shape
    n_rounds = -(-n_cells * n_latent * 4 // AT_A_TIME)
    per_round = -(-n_subsets // (n_rounds * POOL)) * POOL
    for first in range(0, n_subsets, per_round):
        last = min(first + per_round, n_subsets)
        chosen = np.flatnonzero((subset >= first) & (subset < last))
        points = _read_rows(latent, chosen)
        order = np.argsort(subset[chosen], kind="stable")
        ends = np.cumsum(np.bincount(subset[chosen] - first, minlength=last - first))[:-1]
        parts = np.split(order, ends)
        yield [chosen[part] for part in parts], [points[part] for part in parts]


def _read_rows(latent: "np.ndarray | h5py.Dataset", rows: np.ndarray) -> np.ndarray:
    """Some rows, ascending, in single precision; a file is read once, piece by piece."""
    if isinstance(latent, np.ndarray) and not isinstance(latent, np.memmap):
        return latent[rows].astype(np.float32, copy=False)
    found = np.empty((len(rows), latent.shape[1]), dtype=np.float32)
    step = max(CHUNK // (4 * latent.shape[1]), 1)
    for start in range(0, latent.shape[0], step):
        low, high = np.searchsorted(rows, [start, start + step])
        if low == high:
            continue
        piece = np.asarray(latent[start : start + step])[rows[low:high] - start]
        try:
            found[low:high] = check_latent(piece)
        except ValueError as error:
            raise ValueError(f"Cells {start} to {start + step - 1}: {error}") from None
    return found


def _by_cells(labels: np.ndarray) -> np.ndarray:
    """The same clusters with 0 for the one of most cells; centroids stand for unequal numbers."""
    size = np.bincount(labels[labels >= 0])
    rank = np.empty(len(size), dtype=np.int64)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    # The last entry is what -1 finds.
    return np.append(rank, -1)[labels]
