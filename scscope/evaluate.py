"""Score a run: cluster its latent, compare with the labels, compare imputed with true values."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scscope.atomic import beside, write_text
from scscope.cluster import CLUSTERERS, UNASSIGNED, clusterings
from scscope.cluster.extend import extend_labels
from scscope.data import Dataset, Targets, cell_totals, log_normalised, median_total, scaled
from scscope.metrics import METRICS, score
from scscope.metrics.octiles import octiles
from scscope.metrics.rare import rare_types_of
from scscope.run.status import IMPUTED, LABELS, LATENT, STATUS, SUBSET, read_status

GIVEN = "given"  # stands for the clusterer where a method hands in clusters of its own


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
    return Run(
        status=read_status(folder / STATUS)["status"],
        latent=_load(folder / LATENT),
        labels=_load(folder / LABELS),
        imputed=_load(folder / IMPUTED),
        subset=_load_subset(folder / SUBSET),
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

    Returns
    -------
    tuple
        Rows with `clusterer` (empty for imputation), `metric`, `value`, `status`,
        `n_cells`, `n_fitted`, `sparsity` and `data_hash`; and labels of shape (n_cells,) by clusterer.
    """
    names = [
        name
        for name in clusterers
        if "latent" in gives and (data.label is not None or not CLUSTERERS[name].needs_labels)
    ]
    fitted = slice(None) if run.subset is None else run.subset["cells"]
    label = None if data.label is None else data.label[fitted]
    found = {}
    if run.latent is not None:
        found = clusterings(run.latent, names, label=label, seed=seed)
    clusters = {name: clustering.labels for name, clustering in found.items()}
    if "labels" in gives:
        names.append(GIVEN)
        if run.labels is not None:
            number = np.unique(run.labels, return_inverse=True)[1]
            clusters[GIVEN] = np.where(run.labels == "-1", UNASSIGNED, number)
    if run.subset is not None:
        clusters = {
            name: extend_labels(labels, seed=seed, **run.subset)
            for name, labels in clusters.items()
        }

    values = {}
    for metric in metrics:
        measure = METRICS[metric]
        given = _given(measure.kind, data, targets)
        if measure.is_given and given is None:
            continue
        if measure.kind in ("clustering", "rare"):
            for name in names if data.label is not None or not measure.needs_truth else ():
                known = name in clusters
                values[name, metric] = (
                    score(metric, data.label, clusters[name], given) if known else np.nan
                )
        elif measure.kind == "cost":
            for name in names:
                if name != GIVEN:
                    known = name in found
                    values[name, metric] = sum(found[name].seconds.values()) if known else np.nan
        elif measure.kind == "mixing":
            if "latent" in gives and _has_batches(data):
                known, batch = run.latent is not None, data.batch[fitted]
                values["", metric] = score(metric, batch, run.latent) if known else np.nan
        elif "imputation" in gives and len(targets.cell):
            values["", metric] = np.nan
            if run.imputed is not None:
                known = slice(None) if run.subset is None else np.isin(targets.cell, fitted)
                truth, of_known = true_log(data, targets)[known], given
                if given is not None:
                    of_known = given[known]
                values["", metric] = score(metric, truth, run.imputed[known], of_known)

    n_cells, n_genes = data.X.shape
    sparsity = 1 - data.X.nnz / (n_cells * n_genes)
    shared = {
        "status": run.status,
        "n_cells": n_cells,
        "n_fitted": n_cells if run.subset is None else len(fitted),
        "sparsity": sparsity,
        "data_hash": data.hash,
    }
    rows = [
        {"clusterer": clusterer, "metric": metric, "value": value, **shared}
        for (clusterer, metric), value in values.items()
    ]
    return rows, clusters


def _given(kind: str, data: Dataset, targets: Targets) -> np.ndarray | None:
    """What a metric of this kind is given beside truth and result; None where there is none."""
    if kind == "rare" and data.label is not None:
        types = rare_types_of(data.label, data.rare_types)
        return types if len(types) else None
    if kind == "octile" and len(targets.cell):
        return octiles(mean_log(data))[targets.gene]
    return None


def _has_batches(data: Dataset) -> bool:
    return data.batch is not None and len(np.unique(data.batch)) > 1


def mean_log(data: Dataset) -> np.ndarray:
    """Mean over the cells of log1p(value x L / n_c) of each gene, shape (n_genes,)."""
    logged = scaled(data, "log").X
    return np.asarray(logged.mean(axis=0)).ravel()


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


def _load_subset(path: Path) -> dict[str, np.ndarray] | None:
    if not path.exists() or not path.stat().st_size:
        return None
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in ("cells", "space")}


def _load(path: Path) -> np.ndarray | None:
    return np.load(path, allow_pickle=False) if path.stat().st_size else None
