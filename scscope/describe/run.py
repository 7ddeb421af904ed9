"""Describe a run: tables of what its clusters are, see `scscope.describe.tables`."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial

import numpy as np
import pandas as pd

from scscope.cluster.result import GIVEN
from scscope.describe import COLUMNS
from scscope.describe.cells import Cells, labelled_types
from scscope.describe.expression import expression
from scscope.describe.maps import MAX_CELLS, embed, sample_of
from scscope.describe.panels import panel_genes
from scscope.describe.tables import empty
from scscope.describe.types import UNASSIGNED, cluster_types
from scscope.evaluate import Run
from scscope.metrics.markers import markers

TOP = 10  # genes of each group that are kept, beside those of the panel
NONE = -1
DECIMALS = 3  # of a place on a map, which spans some hundred


def describe(
    run: Run,
    clusters: Mapping[str, np.ndarray],
    cells: Cells,
    *,
    tables: Iterable[str],
    source: str,
    panel: str,
    given_are_labels: bool,
    seed: int,
    map_cells: int = MAX_CELLS,
) -> dict[str, pd.DataFrame]:
    """Tables that describe the clusters of a run.

    Parameters
    ----------
    run
        The run. Of one that is not `ok`, all tables are empty.
    clusters
        Clusters of all cells by clusterer, shape (n_cells,) each, as `scscope.evaluate.evaluate`
        returns them.
    cells
        The cells of its dataset.
    tables
        Which tables are asked for; the others are empty.
    source, panel
        The real set that the dataset is or stands for, and the name of its panel of marker genes;
        either may be empty. Without a panel no cluster has a type.
    given_are_labels
        Whether clusters that the method hands in are the dataset's own labels: then these tell the
        types, and not the markers.
    seed
        Seed of the run.
    map_cells
        Number of cells on a map at most.

    Returns
    -------
    dict
        All tables of `scscope.describe.COLUMNS` by name.
    """
    parts = [{name: empty(name) for name in COLUMNS}]
    place = cache(lambda: _map(run, len(cells.label), seed, map_cells))  # one for all clusterers
    for clusterer, found in clusters.items() if run.status == "ok" else ():
        if clusterer == GIVEN and given_are_labels:
            types = labelled_types(cells.label, source)
        else:
            types = cluster_types(found, cells, panel)
        makers = _makers(found, types, cells, panel)
        if run.latent is not None:
            makers["maps"] = partial(_on_map, place, found, types, cells)
        made = {name: makers[name]() for name in tables if name in makers}
        parts.append({name: table.assign(clusterer=clusterer) for name, table in made.items()})
    return {name: _joined([own[name] for own in parts if name in own]) for name in COLUMNS}


def _makers(
    clusters: np.ndarray, types: np.ndarray, cells: Cells, panel: str
) -> dict[str, Callable[[], pd.DataFrame]]:
    """What makes each table of one clustering that needs no latent."""
    makers = {
        "compositions": partial(composition, types, cells),
        "markers": partial(marker_table, clusters, types, cells, panel),
    }
    return makers | ({"expression": partial(expression, types, cells, panel)} if panel else {})


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables one below the other, with the columns of the first, which may be empty."""
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True).reindex(columns=parts[0].columns)


def composition(types: np.ndarray, cells: Cells) -> pd.DataFrame:
    """Number of cells of each type in each sample; those that it has none of are left out."""
    table = pd.DataFrame(
        {"sample": cells.sample, "condition": cells.condition, "type": types}, dtype=str
    )
    return table.value_counts(sort=False).rename("n_cells").reset_index()


def marker_table(clusters: np.ndarray, types: np.ndarray, cells: Cells, panel: str) -> pd.DataFrame:
    """Marker genes of each cluster and of each type against all other cells.

    Of each group the ten genes with the largest fold change of those that are markers (see
    `scscope.metrics.markers.markers`), and all genes of the panel.
    """
    numbers, code = np.unique(types, return_inverse=True)
    code = np.where(numbers[code] == UNASSIGNED, NONE, code)
    parts = [empty("markers")]
    for grouping, groups in (("cluster", clusters), ("type", code)):
        names, sizes = np.unique(groups[groups != NONE], return_counts=True)
        if len(names) < 2 or sizes.max() < 2:
            continue
        table = markers(cells.X, cells.genes, groups, same_data=True)
        table["n_cells"] = table["cluster"].map(dict(zip(names.astype(str), sizes, strict=True)))
        if grouping == "type":
            table["cluster"] = table["cluster"].map(lambda i: numbers[int(i)])
        table = table.rename(columns={"cluster": "group"}).assign(grouping=grouping)
        parts.append(_worth_keeping(table, set(panel_genes(panel)) if panel else set()))
    return _joined(parts)


def _worth_keeping(table: pd.DataFrame, genes: set[str]) -> pd.DataFrame:
    ranked = table[table["is_marker"]].sort_values(
        "log2_fold_change", ascending=False, kind="stable"
    )
    best = ranked.groupby("group").head(TOP).index
    return table[table.index.isin(best) | table["gene"].isin(genes)]


def _map(run: Run, n_cells: int, seed: int, map_cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the cells of a run's map, and their places; of cells that were fitted."""
    fitted = np.arange(n_cells) if run.subset is None else run.subset["cells"]
    chosen = sample_of(len(fitted), seed, max_cells=map_cells)
    return fitted[chosen], embed(run.latent[chosen], seed)


def _on_map(
    place: Callable[[], tuple[np.ndarray, np.ndarray]],
    clusters: np.ndarray,
    types: np.ndarray,
    cells: Cells,
) -> pd.DataFrame:
    """Place, cluster, type, label and condition of the cells of a map."""
    chosen, places = place()
    x, y = np.round(places.astype(float), DECIMALS).T
    about = {"cluster": clusters, "type": types, "label": cells.label, "condition": cells.condition}
    return pd.DataFrame({"x": x, "y": y} | {name: of[chosen] for name, of in about.items()})
