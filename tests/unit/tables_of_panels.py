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
from scscope.methods.own.entries import use_of_entry

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
LABELLED = {"ari", "ami"}
IMPUTED = {"imputation_error", "zero_prediction"}
SPARSITY = {f"splat_mid{i}": 0.13 * i + 0.1 for i in range(1, 6)}
# Runs that fail in the examples of panels.
BEYOND = {
    ("brain_1m", "dca_timed"): "timeout",
    ("brain_500k", "scvi_paper", 0): "timeout",
    ("brain_1m", "scvi_paper"): "timeout",
    **{(f"brain_{size}", "magic_paper"): "out_of_memory" for size in ("100k", "500k", "1m")},
}
ONE_TOO_LONG = {("simlr_p20_rare01", "scvi_rounded"): "timeout"}
SOME_OF_HIDDEN = {
    ("retina_heldout", "dca_paper"): "not_applicable",
    ("cbmc_heldout", "dca_today", 0): "error",
}
TOO_MANY_GENES = {
    ("mca_20k", "scvi_paper"): "timeout",
    **{(f"mca_{size}", "dca_paper"): "timeout" for size in ("10k", "20k")},
}
TOO_FEW_GPUS = {
    ("brain_1m", "scscope_4_gpus"): "out_of_memory",
    ("brain_1m", "scscope_2_gpus", 1): "out_of_memory",
}
SIZES = {"5k": 5_000, "10k": 10_000, "50k": 50_000, "100k": 100_000, "500k": 500_000, "1m": 10**6}


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
        "use": use_of_entry(name, entry),
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


def brain_times(n_seeds: int = 1, failing: dict | None = None) -> pd.DataFrame:
    """Runs whose time and memory grow with the number of cells, by a factor of each method's own."""
    scores = study_scores("brain_time", n_seeds=n_seeds, failing=failing)
    n_cells = scores["dataset"].str.removeprefix("brain_").map(SIZES)
    factor = 1 + scores["method"].map({m: 3 * i for i, m in enumerate(scores["method"].unique())})
    ok = scores["status"] == "ok"
    seconds = (4 + n_cells / 4_000 * (1 + 0.1 * scores["seed"])) * factor
    memory = 400 + n_cells / 200 * factor
    scores = scores.assign(n_cells=n_cells)
    return scores.assign(seconds=seconds.where(ok), peak_rss_mb=memory.where(ok))


def simulated(
    study: str, setting: str, *, n_seeds: int = 5, failing: dict | None = None
) -> dict[str, pd.DataFrame]:
    """Scores that rise with a setting of the simulation, and the datasets with their settings."""
    scores = study_scores(study, n_seeds=n_seeds, failing=failing)
    level = scores["dataset"].map(lambda name: CONFIG["datasets"][name]["params"][setting])
    rank = scores["method"].map({m: i for i, m in enumerate(scores["method"].unique())})
    rng = np.random.default_rng(1)
    value = 0.5 - 0.06 * rank + 0.2 * level / level.max() + 0.05 * rng.normal(size=len(scores))
    scores["value"] = value.clip(0, 1).where(scores["status"] == "ok")
    return {"scores": scores, "datasets": datasets_of(scores)}


def datasets_of(scores: pd.DataFrame, **columns: dict) -> pd.DataFrame:
    """The table of datasets behind some scores; `columns` map its datasets to values."""
    table = scores[["dataset", "seed"]].drop_duplicates(ignore_index=True)
    entries = table["dataset"].map(CONFIG["datasets"])
    table["source"] = entries.map(lambda entry: entry["source"])
    table["params"] = entries.map(lambda entry: json.dumps(entry.get("params", {})))
    for name, values in columns.items():
        table[name] = table["dataset"].map(values)
    return table


def octiles(n_seeds: int = 3, failing: dict | None = None) -> pd.DataFrame:
    """Errors that rise with the octile."""
    scores = study_scores("heldout", n_seeds=n_seeds, failing=failing)
    number = scores["metric"].str.extract(r"octile_(\d)")[0].astype(float).fillna(4)
    rank = scores["method"].map({m: i for i, m in enumerate(scores["method"].unique())})
    value = 0.1 + 0.06 * number + 0.03 * rank + 0.01 * scores["seed"]
    return scores.assign(value=value.where(scores["status"] == "ok"), clusterer="")


def atlas(n_seeds: int = 1, failing: dict | None = None) -> dict[str, pd.DataFrame]:
    """Agreement with tissues, by number of genes."""
    scores = study_scores("atlas", n_seeds=n_seeds, failing=failing)
    n_genes = {name: 1000 * int(name[4:-1]) for name in CONFIG["studies"]["atlas"]["datasets"]}
    return {"scores": scores, "datasets": datasets_of(scores, n_genes=n_genes)}


def several_gpus(n_seeds: int = 3, failing: dict | None = None) -> pd.DataFrame:
    """Runs that are 1.6 times as fast on twice as many devices; the brain has no labels."""
    scores = study_scores("several_gpus", n_seeds=n_seeds, failing=failing)
    devices = scores["params"].map(lambda text: json.loads(text).get("n_devices", 1))
    brain = scores["dataset"] == "brain_1m"
    n_cells = np.where(brain, 10**6, 10**5)
    ok = scores["status"] == "ok"
    seconds = (n_cells / 400 * 1.6 ** -np.log2(devices) * (1 + 0.05 * scores["seed"])).where(ok)
    ari = 0.7 - 0.01 * devices + 0.01 * scores["seed"]
    value = scores["value"].where(scores["metric"] != "ari", ari.where(ok))
    scores = scores.assign(n_cells=n_cells, seconds=seconds, value=value)
    return scores[~(brain & (scores["metric"] == "ari"))]


def lung(n_seeds: int = 3, failing: dict | None = None) -> pd.DataFrame:
    """Entropy and agreement of lung cells; noise mixes them perfectly and agrees with nothing."""
    scores = study_scores("lung", n_seeds=n_seeds, failing=failing)
    entropy = scores["metric"] == "batch_entropy"
    rank = scores["method"].map({m: i for i, m in enumerate(scores["method"].unique())})
    ok = scores["status"] == "ok"
    mixed = (0.8 - 0.1 * rank + 0.01 * scores["seed"]).where(scores["use"] != "random", 0.97)
    agreed = (0.3 + 0.08 * rank + 0.02 * scores["seed"]).where(scores["use"] != "random", 0.0)
    value = mixed.where(entropy, agreed).where(ok)
    value = value.where((scores["use"] != "truth") | entropy, 1.0)
    scores = scores.assign(value=value, n_cells=6940)
    scores.loc[entropy | (scores["use"] == "truth"), "clusterer"] = ""
    scores = scores[~((scores["use"] == "truth") & entropy)]
    return scores[scores["metric"].isin(["batch_entropy", "ari"])]


# Tables of the panels that need more than the scores of any study.
EXAMPLES = {
    "figure_1b": lambda: {"scores": brain_times(2, BEYOND)},
    "figure_1d": lambda: simulated("rare_types", "rare_share", failing=ONE_TOO_LONG),
    "figure_2a": lambda: {"scores": lung(failing={("mca_lung", "scvi_today", 0): "error"})},
    "figure_2b": lambda: {"scores": octiles(failing=SOME_OF_HIDDEN)},
    "figure_2c": lambda: atlas(failing=TOO_MANY_GENES),
    "supplementary_1": lambda: {"scores": several_gpus(failing=TOO_FEW_GPUS)},
    "supplementary_4": lambda: simulated("million_dropout", "dropout_rate"),
    "supplementary_3": passes,
    "supplementary_13": lambda: {"scores": study_scores("latent_size")},
    "supplementary_15": training,
    "critical_difference": lambda: real_sets(12),
}


def draw_example(name: str):
    """The panel of a name, of its tables."""
    tables = EXAMPLES[name]()
    return load_panel(name)(tables.pop("scores"), **tables)
