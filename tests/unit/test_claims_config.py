"""The paper's config runs all that its claims are judged by: the two must not part."""

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
import yaml

from scscope.claims.judge import NOT_TESTABLE, Tables, judge, lacking
from scscope.claims.read import read_claims
from scscope.methods.own.entries import method_of_entry
from scscope.metrics import METRICS

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
CLAIMS = {
    name: claim
    for name, claim in read_claims(ROOT / "config/claims.yaml").items()
    if "untestable" not in claim
}
# Programs of others that are called by command; claims may name them where they cannot run.
BY_COMMAND = ["simlr", "zinbwave"]
# Cells that come out of the public files, where docs/datasets.md knows.
REAL = {
    "retina": 44808,
    "cbmc": 8005,
    "intestine": 9842,
    "brain": 1306127,
    "brain_20k": 20000,
    "mca_lung": 6940,
}
# Not known before the download. The atlas of Han et al. annotates more than 200,000 cells.
REAL["mca_atlas"] = 200000


def n_cells(name: str) -> int:
    """Cells of a dataset of the config."""
    dataset = CONFIG["datasets"][name]
    if "of" in dataset:
        return n_cells(dataset["of"])
    params = dataset.get("params", dataset)
    return params["n_cells"] if "n_cells" in params else REAL[dataset["source"]]


def gives(method: str, dataset: str, metric: str) -> bool:
    """Whether a method has a value of a metric on a dataset."""
    entry = CONFIG["methods"][method]
    if CONFIG["datasets"][dataset]["source"] == "simlr" and entry["scale"] == "counts":
        return False  # continuous
    imputes = "imputation" in method_of_entry(method, entry).gives
    return imputes or METRICS[metric].kind not in ("imputation", "octile")


def full_run(claim: dict) -> Tables:
    """What a run of all studies gives on the datasets of a claim, each method the same everywhere."""
    scores, runs = [], []
    for study in CONFIG["studies"].values():
        datasets = [name for name in study["datasets"] if name in claim["datasets"]]
        metrics = [metric for metric in study["metrics"] if metric in claim["metrics"]]
        metrics = metrics or study["metrics"][:1]  # of a claim of costs
        for dataset, method, seed in product(datasets, study["methods"], study["seeds"]):
            entry = CONFIG["methods"][method]
            use = entry.get("use", method)
            run = {"dataset": dataset, "method": method, "seed": seed, "status": "ok", "use": use}
            run |= {"label": entry.get("label", use), "scale": entry["scale"]}
            run["control"] = use in ("random", "truth", "shuffled", "supervised")
            runs.append(run | {"seconds": 1.0, "device": "cuda", "timed": "timing" in study})
            value = sum(map(ord, use)) % 97 / 100
            scores += [
                run | {"metric": metric, "clusterer": clusterer, "value": value}
                for metric in metrics
                if gives(method, dataset, metric)
                for clusterer in (study["clusterers"] if METRICS[metric].needs_clusters else [""])
            ]
    keys = ["dataset", "method", "seed"]
    runs = pd.DataFrame(runs).sort_values("timed").drop_duplicates(keys, keep="last")
    scores = pd.DataFrame(scores, columns=[*runs.columns[:8], "metric", "clusterer", "value"])
    scores = scores.drop_duplicates([*keys, "metric", "clusterer"])
    datasets = runs[["dataset", "seed"]].drop_duplicates()
    datasets = datasets.assign(n_cells=datasets["dataset"].map(n_cells), hash="")
    return Tables(scores, runs, datasets, CONFIG["methods"])


def without_commands(claim: dict) -> dict:
    """A claim without rivals that not every machine has."""
    rivals = [rival for rival in claim.get("rivals", []) if rival not in BY_COMMAND]
    return claim | {"rivals": rivals} if rivals else claim


@pytest.mark.parametrize("name", CLAIMS)
def test_a_run_of_the_papers_config_has_all_that_a_claim_asks_for(name):
    claim = without_commands(CLAIMS[name])
    tables = full_run(claim)
    if claim["statistic"] != "same_order":
        assert lacking(claim, tables) == []
    else:
        row = judge({name: claim}, tables).iloc[0]
        assert row["verdict"] != NOT_TESTABLE, row["why"]


TIMES = [
    name
    for name, claim in CLAIMS.items()
    if "seconds" in claim["metrics"] and claim["statistic"] != "fails"
]


@pytest.mark.parametrize("name", TIMES)
def test_times_are_judged_of_runs_with_nothing_beside_them(name):
    claim = without_commands(CLAIMS[name])
    tables = full_run(claim)
    timed = tables.runs[tables.runs["timed"]]
    tables = Tables(tables.scores, timed, tables.datasets, CONFIG["methods"])
    assert lacking(claim, tables) == []


def test_what_no_study_asks_for_is_found_lacking():
    claim = CLAIMS["figure_2b_expressed"]
    tables = full_run(claim)
    words = lacking(claim | {"metrics": ["rare_ari"], "rivals": ["dca"]}, tables)
    assert words == ["scscope_log has no rare_ari on cbmc_heldout"]
    words = lacking(
        claim | {"rivals": ["simlr", {"use": "pca", "params": {"n_latent": 7}}]}, tables
    )
    assert "pca n_latent = 7" in words[0]
    assert "no run has the data moon" in lacking(claim | {"datasets": ["moon"]}, tables)
    assert lacking(claim | {"cells": 8006, "rivals": ["dca"]}, tables)[0].startswith("fewer than")
