"""Score a run: cluster its latent, compare with the labels, compare imputed with true values."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scscope.atomic import beside, write_text
from scscope.cluster import CLUSTERERS, UNASSIGNED, clusterings
from scscope.data import Dataset, Targets, cell_totals, log_normalised, median_total
from scscope.datasets.matrix import examples
from scscope.metrics import METRICS, score
from scscope.run.status import IMPUTED, LABELS, LATENT, STATUS, read_status

NEED_CLUSTERS = ("clustering", "cost")  # kinds of metrics
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
        Predicted values at the targets, log-normalised, shape (n_targets,).
    """

    status: str
    latent: np.ndarray | None
    labels: np.ndarray | None
    imputed: np.ndarray | None


def read_run(folder: Path) -> Run:
    """Read what a run left in `folder`."""
    return Run(
        status=read_status(folder / STATUS)["status"],
        latent=_load(folder / LATENT),
        labels=_load(folder / LABELS),
        imputed=_load(folder / IMPUTED),
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

    Parameters
    ----------
    run
        The run. One that is not `ok` gets the same rows, with NaN for values.
    data, targets
        What is known of the dataset. What cannot be known is left out: no agreement with labels
        without labels, no imputation error without targets.
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
        `n_cells`, `sparsity` and `data_hash`; and labels of shape (n_cells,) by clusterer.
    """
    rest = _rest(data.label, leave_out)
    # Clusters that no metric asks for are not made: held-out data are never clustered.
    asked = clusterers if any(METRICS[metric].kind in NEED_CLUSTERS for metric in metrics) else []
    names = [
        name
        for name in asked
        if "latent" in gives and (data.label is not None or not CLUSTERERS[name].needs_labels)
    ]
    found = {}
    if run.latent is not None and names:
        found = clusterings(run.latent, names, label=data.label, seed=seed)
    clusters = {name: clustering.labels for name, clustering in found.items()}
    if "labels" in gives:
        names.append(GIVEN)
        if run.labels is not None:
            number = np.unique(run.labels, return_inverse=True)[1]
            clusters[GIVEN] = np.where(run.labels == "-1", UNASSIGNED, number)

    values = {}
    for metric in metrics:
        measure = METRICS[metric]
        if measure.kind == "clustering" and (data.label is not None or not measure.needs_truth):
            if measure.of_rest and rest is None:
                continue
            cells = rest if measure.of_rest else slice(None)
            label = None if data.label is None else data.label[cells]
            for name in names:
                known = name in clusters
                values[name, metric] = (
                    score(metric, label, clusters[name][cells]) if known else np.nan
                )
        elif measure.kind == "cost":
            for name in names:
                if name != GIVEN:
                    known = name in found
                    values[name, metric] = sum(found[name].seconds.values()) if known else np.nan
        elif (
            measure.kind in ("imputation", "thinning")
            and "imputation" in gives
            and len(targets.cell)
        ):
            known = run.imputed is not None
            truth = true_log(data, targets)
            values["", metric] = score(metric, truth, run.imputed) if known else np.nan

    n_cells, n_genes = data.X.shape
    sparsity = 1 - data.X.nnz / (n_cells * n_genes)
    shared = {
        "status": run.status,
        "n_cells": n_cells,
        "sparsity": sparsity,
        "data_hash": data.hash,
    }
    rows = [
        {"clusterer": clusterer, "metric": metric, "value": value, **shared}
        for (clusterer, metric), value in values.items()
    ]
    return rows, clusters


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


def _load(path: Path) -> np.ndarray | None:
    return np.load(path, allow_pickle=False) if path.stat().st_size else None
