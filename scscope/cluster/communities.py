"""Communities in a graph by igraph: Louvain and Leiden, the same for the same seed."""

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy.special import stdtrit

from scscope.cluster.graph import igraph_seed

if TYPE_CHECKING:
    from igraph import Graph

Method = Literal["louvain", "leiden"]

# PhenoGraph 1.5.7 repeats Louvain until 20 runs in a row have not raised the modularity by more
# than 0.001, at most 100 times (or for 2,000 seconds: a result is not to depend on the machine).
# Half that tolerance makes up for the fewer runs here (docs/clustering.md).
PATIENCE = 20
MAX_RUNS = 100
TOLERANCE = 5e-4
# Where there are groups, Leiden settles within four iterations; where there are none, it would go on
# for long.
N_ITERATIONS = 4


def find_communities(
    graph: "Graph", *, method: Method = "louvain", seed: int, resolution: float = 1.0
) -> tuple[np.ndarray, float, int]:
    """Communities by Louvain, repeated, or by Leiden.

    Parameters
    ----------
    graph
        Undirected, with the edge attribute "weight".
    method
        "louvain", as in the paper, or "leiden".
    seed
        Seed of the vertex orders.
    resolution
        More than 1 gives more communities, less than 1 fewer.

    Returns
    -------
    tuple
        Community of each vertex, shape (n_vertices,); modularity at this resolution, NaN where
        there is no edge; number of runs.
    """
    if method not in get_args(Method):
        raise ValueError(f"Unknown method {method!r}. Known: {', '.join(get_args(Method))}.")
    if not resolution > 0:
        raise ValueError(f"`resolution` is {resolution}: it must be more than 0.")
    if not graph.ecount():
        return np.arange(graph.vcount()), float("nan"), 0
    with igraph_seed(seed):
        if method == "louvain":
            return _louvain(graph, resolution)
        partition = graph.community_leiden(
            objective_function="modularity",
            weights="weight",
            resolution=resolution,
            n_iterations=N_ITERATIONS,
        )
    membership = partition.membership
    modularity = graph.modularity(membership, weights="weight", resolution=resolution)
    return np.array(membership), modularity, 1


def _louvain(graph: "Graph", resolution: float) -> tuple[np.ndarray, float, int]:
    """The best of as many runs as it takes.

    The original waits for 20 runs in vain; here the runs end as soon as the spread of those made so
    far says that 20 more would be in vain.
    """
    best, found, updated = None, [], 0
    while len(found) < MAX_RUNS and len(found) - updated < PATIENCE:
        partition = graph.community_multilevel(weights="weight", resolution=resolution)
        membership = partition.membership
        modularity = graph.modularity(membership, weights="weight", resolution=resolution)
        if not found or modularity > max(found) + TOLERANCE:
            updated = len(found) + 1
        if not found or modularity > max(found):
            best = membership
        found.append(modularity)
        if len(found) > 1 and _within_reach(found) - max(found) <= TOLERANCE:
            break
    return np.array(best), max(found), len(found)


def _within_reach(found: list[float]) -> float:
    """The modularity that one of 20 more runs may be expected to exceed.

    The upper bound of the one-sided 95 % prediction interval of a normal distribution: with few
    runs it is wide.
    """
    n_runs = len(found)
    quantile = stdtrit(n_runs - 1, 1 - 1 / PATIENCE)
    return np.mean(found) + quantile * np.std(found, ddof=1) * np.sqrt(1 + 1 / n_runs)
