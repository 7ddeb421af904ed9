"""The graph of shared neighbours, on which PhenoGraph and Leiden look for communities."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from igraph import Graph

BLOCK = 2_000  # cells whose neighbours are intersected at a time


def check_latent(latent: np.ndarray) -> np.ndarray:
    """The latent as an array, or a ValueError where it is not one of finite numbers.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent), neither of them 0.
    """
    latent = np.asarray(latent)
    if latent.ndim != 2 or latent.size == 0:
        raise ValueError(
            f"`latent` must have the shape (n_cells, n_latent) and not be empty, got {latent.shape}."
        )
    n_wrong = np.count_nonzero(~np.isfinite(latent))
    if n_wrong:
        raise ValueError(f"`latent` has {n_wrong} NaN or infinite values out of {latent.size}.")
    return latent


def neighbours(latent: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other cells of each cell, by Euclidean distance and exactly.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    k
        Number of neighbours, less than the number of cells.

    Returns
    -------
    np.ndarray
        Indices, nearest first, shape (n_cells, k). A cell is never its own neighbour, even where
        others lie on the same point.
    """
    from sklearn.neighbors import NearestNeighbors

    latent = check_latent(latent)
    if not 1 <= k < len(latent):
        raise ValueError(
            f"`k` is {k} but `latent` has {len(latent)} cells: k must be at least 1 and less than "
            "the number of cells."
        )
    return NearestNeighbors(n_neighbors=k).fit(latent).kneighbors(return_distance=False)


def jaccard_graph(latent: np.ndarray, k: int = 30) -> "Graph":
    """Graph of cells that share neighbours, as PhenoGraph 1.5.7 builds it by default.

    An edge from a cell i to each of its k neighbours j weighs s / (2k - s), where s is the number
    of neighbours that i and j share. The weight of the undirected edge is the mean of both
    directions: half where only one of the two cells is a neighbour of the other.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    k
        Number of neighbours of each cell, itself not counted.

    Returns
    -------
    igraph.Graph
        Undirected, with the edge attribute "weight", positive everywhere. All cells are vertices:
        one that shares no neighbour has no edges.
    """
    directed = _jaccard(neighbours(latent, k))
    edges = sparse.triu((directed + directed.T) / 2, k=1).tocoo()
    return load_igraph().Graph(
        n=len(latent),
        edges=np.column_stack([edges.row, edges.col]),
        edge_attrs={"weight": edges.data.tolist()},
    )


def _jaccard(nearest: np.ndarray) -> sparse.csr_matrix:
    n_cells, k = nearest.shape
    rows = np.arange(0, n_cells * k + 1, k)
    values = np.ones(n_cells * k)
    members = sparse.csr_matrix((values, nearest.ravel(), rows), shape=(n_cells, n_cells))
    transposed = members.T.tocsr()
    # A product holds all pairs that share a neighbour, some k * k for each cell, of which k are
    # kept: hence in blocks.
    blocks = [members[start : start + BLOCK] for start in range(0, n_cells, BLOCK)]
    shared = sparse.vstack([(block @ transposed).multiply(block) for block in blocks], format="csr")
    shared.data /= 2 * k - shared.data
    return shared


def load_igraph() -> ModuleType:
    """Import igraph without matplotlib, which it wants for plots that nobody draws here.

    That import takes as long as clustering a thousand cells.
    """
    if "igraph" in sys.modules or "matplotlib" in sys.modules:
        return import_module("igraph")
    sys.modules["matplotlib"] = None  # not to be found
    try:
        return import_module("igraph")
    finally:
        del sys.modules["matplotlib"]


@contextmanager
def igraph_seed(seed: int) -> Iterator[None]:
    """Seed igraph inside the block, and give it back Python's `random`, its default, after it.

    igraph has one generator for everything; what is drawn elsewhere does not reach the block, nor
    the other way round.

    Parameters
    ----------
    seed
        Any integer.
    """
    igraph = load_igraph()
    igraph.set_random_number_generator(random.Random(seed))
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)


def by_size(communities: np.ndarray, min_size: int = 0) -> np.ndarray:
    """Rename communities by their size: 0 is the largest.

    Of two that are equally large, the one whose first cell comes first gets the smaller label.

    Parameters
    ----------
    communities
        Any labels, shape (n_cells,).
    min_size
        Communities of this size *and smaller* get -1, as in `sort_by_size` of PhenoGraph 1.5.7
        (whose documentation says "smaller than min_size").
    """
    _, first, community, size = np.unique(
        communities, return_index=True, return_inverse=True, return_counts=True
    )
    label = np.empty(len(size), dtype=np.int64)
    label[np.lexsort((first, -size))] = np.arange(len(size))
    label[size <= min_size] = -1
    return label[community]
