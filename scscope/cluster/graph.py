"""Graphs of neighbours, in which PhenoGraph and Leiden look for communities."""

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from scscope.cluster.neighbours import neighbours
from scscope.cluster.result import UNASSIGNED

if TYPE_CHECKING:
    from igraph import Graph

MARKS = 2**22  # bytes in which neighbours are marked at a time; they fit a core's cache


def jaccard_graph(latent: np.ndarray, k: int = 30) -> "Graph":
    """Graph of cells that share neighbours, as PhenoGraph 1.5.7 builds it by default.

    Parameters
    ----------
    latent
        Array of shape (n_cells, n_latent).
    k
        Number of neighbours of each cell, itself not counted.

    Returns
    -------
    igraph.Graph
        As of `shared_graph`.
    """
    return shared_graph(neighbours(latent, k).index)


def shared_graph(nearest: np.ndarray) -> "Graph":
    """Graph of cells that share neighbours.

    An edge from a cell i to each of its k neighbours j weighs s / (2k - s), where s is the number
    of neighbours that i and j share. The weight of the undirected edge is the mean of both
    directions: half where only one of the two cells is a neighbour of the other.

    Parameters
    ----------
    nearest
        Neighbours of each cell, shape (n_cells, k).

    Returns
    -------
    igraph.Graph
        Undirected, with the edge attribute "weight", positive everywhere. All cells are vertices:
        one that shares no neighbour has no edges.
    """
    shared = n_shared(nearest)
    directed = _adjacency(nearest, shared / (2.0 * nearest.shape[1] - shared))
    directed.eliminate_zeros()
    undirected = sparse.triu(directed + directed.T, k=1).tocoo()
    return _graph(undirected, undirected.data / 2)


def neighbour_graph(nearest: np.ndarray) -> "Graph":
    """Graph with an edge between each cell and its neighbours, all of weight 1.

    Parameters
    ----------
    nearest
        Neighbours of each cell, shape (n_cells, k).

    Returns
    -------
    igraph.Graph
        Undirected: one edge also where both cells are neighbours of each other.
    """
    directed = _adjacency(nearest, np.ones(nearest.shape))
    undirected = sparse.triu(directed + directed.T, k=1).tocoo()
    return _graph(undirected, np.ones(undirected.nnz))


def n_shared(nearest: np.ndarray) -> np.ndarray:
    """How many neighbours each cell shares with each of its neighbours, shape (n_cells, k), uint8.

    The neighbours of a few cells are marked and those of their neighbours looked up: n k^2 look-ups
    in the memory of a few cells.

    Parameters
    ----------
    nearest
        Neighbours of each cell, shape (n_cells, k), each once.
    """
    n_cells, k = nearest.shape
    n_marked = max(1, min(MARKS // n_cells, 256))
    marks = np.zeros((n_marked, n_cells), dtype=bool)
    offset = np.arange(n_marked, dtype=np.int32)[:, None, None] * n_cells
    shared = np.empty((n_cells, k), dtype=np.min_scalar_type(k))
    for start in range(0, n_cells, n_marked):
        own = nearest[start : start + n_marked]
        rows = np.arange(len(own))[:, None]
        marks[rows, own] = True
        found = marks.ravel().take(nearest[own] + offset[: len(own)])
        shared[start : start + n_marked] = found.sum(axis=2, dtype=shared.dtype)
        marks[rows, own] = False
    return shared


def _adjacency(nearest: np.ndarray, weights: np.ndarray) -> sparse.csr_array:
    n_cells, k = nearest.shape
    rows = np.arange(0, n_cells * k + 1, k)
    return sparse.csr_array((weights.ravel(), nearest.ravel(), rows), shape=(n_cells, n_cells))


def _graph(edges: sparse.coo_array, weights: np.ndarray) -> "Graph":
    return load_igraph().Graph(
        n=edges.shape[0],
        edges=np.column_stack(edges.coords).astype(np.int64),
        edge_attrs={"weight": weights.tolist()},
    )


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
    label[size <= min_size] = UNASSIGNED
    return label[community]
