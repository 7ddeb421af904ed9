"""Synthetic tables, as studies of config/config.yaml give them, for tests of panels."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from scscope.comparisons import across_datasets
from scscope.figures import load_panel
from scscope.methods import method_of

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
LABELLED = {"ari", "ami"}
IMPUTED = {"imputation_error", "zero_prediction"}
SPARSITY = {f"splat_mid{i}": 0.13 * i + 0.1 for i in range(1, 6)}


def study_scores(
    study: str, *, n_seeds: int = 3, datasets: list[str] | None = None, failing: dict | None = None
) -> pd.DataFrame:
    """Scores of a study of the paper's config, drawn at random but the same in every call.

    Parameters
    ----------
    study
        Its name.
    datasets
        Instead of the study's own.
    failing
        Status by (dataset, method): all seeds of it end so; by (dataset, method, seed): this one.
    """
    asked, rng = CONFIG["studies"][study], np.random.default_rng(0)
    rows = []
    runs = itertools.product(datasets or asked["datasets"], asked["methods"], range(n_seeds))
    for dataset, method, seed in runs:
        known = failing or {}
        status = known.get((dataset, method, seed), known.get((dataset, method), "ok"))
        about = about_method(method) | {"dataset": dataset, "seed": seed, "status": status}
        cost = {"seconds": 2 + 30 * rng.random(), "peak_rss_mb": 300 + 2000 * rng.random()}
        about |= {name: value if status == "ok" else np.nan for name, value in cost.items()}
        about |= {"n_cells": 2000, "sparsity": SPARSITY.get(dataset, 0.93), "data_hash": dataset}
        level = rng.random()
        for metric in asked["metrics"]:
            if metric in IMPUTED and not dataset.startswith("splat"):
                continue
            for clusterer in [""] if metric in IMPUTED else asked["clusterers"] or [""]:
                value = np.clip(level + 0.05 * rng.normal(), 0, 1)
                value = value if metric in LABELLED | IMPUTED else np.round(5 + 20 * value)
                value = value if status == "ok" else np.nan
                rows.append({**about, "clusterer": clusterer, "metric": metric, "value": value})
    return pd.DataFrame(rows)


def about_method(name: str) -> dict:
    """Columns of the scores that say what an entry of the config is."""
    entry = CONFIG["methods"][name]
    known = None if "use" not in entry else method_of(entry["use"])
    return {
        "method": name,
        "label": entry.get("label", known.title if known else name),
        "use": entry.get("use", name),
        "scale": entry["scale"],
        "control": known.control if known else False,
        "params": json.dumps(entry.get("params", {}), sort_keys=True),
    }


def passes() -> dict[str, pd.DataFrame]:
    """Passes on two simulated sets and a real one, with runs that failed."""
    failing = {
        ("splat_mid3", "scscope_log", 1): "timeout",
        ("cbmc", "scscope_4_passes_log"): "error",
    }
    datasets = ["splat_mid3", "splat_mid5", "cbmc"]
    return {"scores": study_scores("passes", n_seeds=5, datasets=datasets, failing=failing)}


def training() -> dict[str, pd.DataFrame]:
    """Settings of training, one of which diverges."""
    failing = {("cbmc", "scscope_fast_log"): "diverged"}
    return {"scores": study_scores("training", n_seeds=5, failing=failing)}


def real_sets(n: int) -> dict[str, pd.DataFrame]:
    """Scores on `n` real sets, on which methods differ, and the mean ranks that follow."""
    datasets = [f"set_{i}" for i in range(n)]
    scores = study_scores("real", datasets=datasets)
    scores["value"] = scores["value"] * 0.5 + scores.groupby("method").ngroup() / 40
    return {
        "scores": scores,
        "mean_ranks": across_datasets(scores, {name: name for name in datasets}),
    }


# Tables of the panels that need more than the scores of any study.
EXAMPLES = {
    "supplementary_3": passes,
    "supplementary_13": lambda: {"scores": study_scores("latent_size")},
    "supplementary_15": training,
    "critical_difference": lambda: real_sets(12),
}


def draw_example(name: str):
    """The panel of a name, of its tables."""
    tables = EXAMPLES[name]()
    return load_panel(name)(tables.pop("scores"), **tables)
