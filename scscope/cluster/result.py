"""What a clusterer hands back: labels, and how they came about."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from igraph import Graph

UNASSIGNED = -1  # the label of cells that are in no cluster
GIVEN = "given"  # stands for the clusterer where a method hands in clusters of its own


@dataclass(frozen=True)
class Clustering:
    """Labels of cells, with what is known of how they were found.

    Parameters
    ----------
    labels
        Shape (n_cells,): 0 for the largest cluster; -1 stands for cells in none.
    modularity
        Of the communities in their graph, before small ones lose their label; NaN for a graph
        without edges.
    seconds
        Wall time by phase, in the order in which they ran.
    graph
        The graph in which communities were looked for, of cells or of centroids.
    recall
        Share of the true nearest neighbours that are in the graph; 1 for an exact search.
    n_runs
        How often Louvain was run.
    n_subsets, n_centroids
        Of scalable clustering: how many subsets, and how many centroids in each at most.
    """

    labels: np.ndarray
    modularity: float
    seconds: dict[str, float]
    graph: "Graph | None" = field(default=None, repr=False)
    recall: float = 1.0
    n_runs: int = 1
    n_subsets: int | None = None
    n_centroids: int | None = None

    @property
    def n_clusters(self) -> int:
        """Number of clusters, without the cells that have none."""
        return int(self.labels.max()) + 1

    @property
    def n_unassigned(self) -> int:
        """Number of cells without a cluster."""
        return int(np.count_nonzero(self.labels == UNASSIGNED))


class Stopwatch:
    """Wall time by phase."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the phase `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start
