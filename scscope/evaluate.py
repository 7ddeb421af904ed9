"""Score a run: cluster its latent, compare with the labels, compare imputed with true values."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scscope.atomic import beside, write_text
from scscope.cluster import CLUSTERERS, UNASSIGNED, clusterings
from scscope.cluster.extend import extend_labels
from scscope.cluster.result import GIVEN
from scscope.data import Dataset, Targets, cell_totals, log_normalised, median_total, scaled
from scscope.metrics import METRICS, score
from scscope.metrics.octiles import octiles
from scscope.metrics.rare import rare_types_of
from scscope.run.status import FIT, LATENT, STATUS, read_status
from scscope.validation import examples


@dataclass(frozen=True)
class Run:
    """What a run left, None for what it has nothing to say in.

    Parameters
    ----------
    status
        One of `scscope.run.status.STATUSES`.
    latent
        Shape (n_cells, n_latent).
    labels
        Clusters found by the method itself, as text, shape (n_cells,); "-1" stands for none.
    imputed
        Predicted values at the targets, log-normalised, shape (n_targets,); NaN in cells that were
        not fitted.
    subset
        Arrays "cells" and "space" of `scscope.run.subset.Subset` where only some cells were fitted:
        latent and labels are then those of these cells.
    """

    status: str
    latent: np.ndarray | None
    labels: np.ndarray | None
    imputed: np.ndarray | None
    subset: dict[str, np.ndarray] | None = None


def read_run(folder: Path) -> Run:
    """Read what a run left in `folder`."""
    latent, held = folder / LATENT, {}
    if (folder / FIT).stat().st_size:
        with np.load(folder / FIT, allow_pickle=False) as file:
            held = dict(file)
    return Run(
        status=read_status(folder / STATUS)["status"],
        latent=np.load(latent, allow_pickle=False) if latent.stat().st_size else None,
        labels=held.pop("labels", None),
        imputed=held.pop("imputed", None),
        subset=held or None,
    )


def evaluate(
    run: Run,
    data: Dataset,
    targets: Targets,
    *,
    gives: tuple[str, ...],
    metrics: list[str],
    clusterers: list[str],
    seed: int,
    leave_out: Sequence[str] = (),
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Scores of a run, one row each, and its cluster labels.

    Where only some cells were fitted, these are clustered, the others get their labels by
    `scscope.cluster.extend.extend_labels`, and scores of clusters are those of all cells;
    imputation is scored at the targets in fitted cells.

    Parameters
    ----------
    run
        The run. One that is not `ok` gets the same rows, with NaN for values.
    data, targets
        What is known of the dataset. What cannot be known is left out: no agreement with labels
        without labels, no imputation error without targets, no mixing of a single batch, no rare
        types where there are none.
    gives
        What the method gives, see `scscope.methods.Method`.
    metrics, clusterers
        Names of what is asked for.
    seed
        Seed of the clusterers.
    leave_out
        Labels of the types that metrics of the rest leave out. All cells are clustered.

    Returns
    -------
    tuple
        Rows with `clusterer` (empty for imputation), `metric`, `value`, `status`,
        `n_cells`, `n_fitted`, `sparsity` and `data_hash`; and labels of shape (n_cells,) by clusterer.
    """
    rest = _rest(data.label, leave_out)
    # Clusters that no metric asks for are not made: held-out data are never clustered.
    if not any(METRICS[metric].needs_clusters for metric in metrics):
        clusterers = []
    clusters, seconds = _clusters(run, data, gives, clusterers, seed)
    octile = None
    if len(targets.cell) and any(METRICS[metric].kind == "octile" for metric in metrics):
        octile = octiles(mean_log(data))[targets.gene]

    values = {}
    for metric in metrics:
        measure = METRICS[metric]
        if measure.kind == "cost":
            scored = seconds
        elif measure.needs_clusters:
            scored = _of_clusters(metric, clusters, data, rest)
        elif measure.kind == "mixing":
            scored = _of_latent(metric, run, data, gives)
        else:
            scored = _of_imputation(metric, run, data, targets, gives, octile)
        values |= {(name, metric): value for name, value in scored.items()}

    n_cells, n_genes = data.X.shape
    sparsity = 1 - data.X.nnz / (n_cells * n_genes)
    shared = {
        "status": run.status,
        "n_cells": n_cells,
        "n_fitted": n_cells if run.subset is None else len(run.subset["cells"]),
        "sparsity": sparsity,
        "data_hash": data.hash,
    }
    rows = [
        {"clusterer": clusterer, "metric": metric, "value": value, **shared}
        for (clusterer, metric), value in values.items()
    ]
    return rows, {name: labels for name, labels in clusters.items() if labels is not None}


def _clusters(
    run: Run, data: Dataset, gives: tuple[str, ...], clusterers: list[str], seed: int
) -> tuple[dict[str, np.ndarray | None], dict[str, float]]:
    """Labels of all cells by clusterer, None where a run has none; and seconds of clustering."""
    fitted = _fitted(run)
    label = None if data.label is None else data.label[fitted]
    names = [
        name
        for name in clusterers
        if "latent" in gives and (label is not None or not CLUSTERERS[name].needs_labels)
    ]
    clusters: dict[str, np.ndarray | None] = dict.fromkeys(names)
    seconds = dict.fromkeys(names, np.nan)
    if run.latent is not None and names:
        found = clusterings(run.latent, names, label=label, seed=seed)
        clusters |= {name: clustering.labels for name, clustering in found.items()}
        seconds |= {name: sum(clustering.seconds.values()) for name, clustering in found.items()}
    if "labels" in gives:
        clusters[GIVEN] = None
        if run.labels is not None:
            number = np.unique(run.labels, return_inverse=True)[1]
            clusters[GIVEN] = np.where(run.labels == "-1", UNASSIGNED, number)
    if run.subset is not None:
        clusters = {
            name: labels if labels is None else extend_labels(labels, seed=seed, **run.subset)
            for name, labels in clusters.items()
        }
    return clusters, seconds


def _fitted(run: Run) -> np.ndarray | slice:
    """Which cells a run knows."""
    return slice(None) if run.subset is None else run.subset["cells"]


def _of_clusters(
    metric: str, clusters: dict[str, np.ndarray | None], data: Dataset, rest: np.ndarray | None
) -> dict[str, float]:
    measure, given = METRICS[metric], ()
    if (measure.needs_truth and data.label is None) or (measure.of_rest and rest is None):
        return {}
    if measure.is_given:
        types = rare_types_of(data.label, data.rare_types)
        if not len(types):
            return {}
        given = (types,)
    cells = rest if measure.of_rest else slice(None)
    label = None if data.label is None else data.label[cells]
    return {
        name: np.nan if labels is None else score(metric, label, labels[cells], *given)
        for name, labels in clusters.items()
    }


def _of_latent(metric: str, run: Run, data: Dataset, gives: tuple[str, ...]) -> dict[str, float]:
    if "latent" not in gives or data.batch is None or len(np.unique(data.batch)) < 2:
        return {}
    if run.latent is None:
        return {"": np.nan}
    return {"": score(metric, data.batch[_fitted(run)], run.latent)}


def _of_imputation(
    metric: str,
    run: Run,
    data: Dataset,
    targets: Targets,
    gives: tuple[str, ...],
    octile: np.ndarray | None,
) -> dict[str, float]:
    if "imputation" not in gives or not len(targets.cell):
        return {}
    if run.imputed is None:
        return {"": np.nan}
    known = slice(None) if run.subset is None else np.isin(targets.cell, _fitted(run))
    given = (octile[known],) if METRICS[metric].is_given else ()
    return {"": score(metric, true_log(data, targets)[known], run.imputed[known], *given)}


def mean_log(data: Dataset) -> np.ndarray:
    """Mean over the cells of log1p(value x L / n_c) of each gene, shape (n_genes,)."""
    logged = scaled(data, "log").X
    return np.asarray(logged.mean(axis=0)).ravel()


def _rest(label: np.ndarray | None, leave_out: Sequence[str]) -> np.ndarray | None:
    """Which cells are of none of the types to leave out; None if none is to be left out."""
    if label is None or not len(leave_out):
        return None
    known = np.unique(label)
    if unknown := [name for name in leave_out if name not in known]:
        raise ValueError(
            f"`leave_out` names {examples(unknown)}, which no cell is labelled with. Labels: "
            f"{', '.join(map(str, known))}."
        )
    rest = ~np.isin(label, leave_out)
    if not rest.any():
        raise ValueError("`leave_out` names all labels: no cell is left to score.")
    return rest


def true_log(data: Dataset, targets: Targets) -> np.ndarray:
    """True values at the targets as log1p(value x L / n_c), n_c and L of the observed matrix."""
    total = cell_totals(data.X)
    return log_normalised(targets.value, total[targets.cell], median_total(total))


COLUMNS = (
    "dataset",
    "method",
    "seed",
    "clusterer",
    "metric",
    "value",
    "status",
    "n_cells",
    "n_fitted",
    "sparsity",
    "data_hash",
)


def write_scores(rows: list[dict], path: Path) -> None:
    """Write rows of scores as a tab-separated table; a value that is NaN stays empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "value": "" if np.isnan(row["value"]) else float(row["value"])})
    write_text(path, text.getvalue())


def write_clusters(clusters: dict[str, np.ndarray], path: Path) -> None:
    """Write cluster labels by clusterer, each of shape (n_cells,), as npz."""
    with beside(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **clusters)
