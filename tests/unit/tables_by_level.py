"""Synthetic tables for panels that order scores by a level, built on those of the studies."""

import json

import numpy as np
import pandas as pd

from tests.unit.tables_of_panels import CONFIG, study_scores

SIZES = {"5k": 5_000, "10k": 10_000, "50k": 50_000, "100k": 100_000, "500k": 500_000, "1m": 10**6}


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
    study: str, setting: str, *, n_seeds: int = 10, failing: dict | None = None
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
