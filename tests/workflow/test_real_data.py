"""Real sets through the whole workflow, on a stand-in of the published form put in place by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from scscope.data import read_dataset, read_targets
from scscope.datasets.heldout import read_hidden
from tests import standins
from tests.workflow.conftest import Checkout

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The workflow after a run on the intestine, on entries hidden in it, and in a simulation."""
    checkout = Checkout(tmp_path_factory.mktemp("real"))
    checkout.edit("scscope/datasets/intestine.py", "N_GENES = 15_215", "N_GENES = 40")
    raw = checkout.results / "raw/intestine"
    raw.mkdir(parents=True)
    standins.write_intestine(raw, n_genes=40)
    checkout.config["datasets"] |= {
        "gut": {"source": "intestine", "n_top_genes": 20, "leave_out": ["Stem", "Enterocyte"]},
        "gut_all": {"source": "intestine"},
        "gut_heldout": {"source": "heldout", "of": "gut_all", "n_top_genes": 20},
        "tiny_thinned": {"source": "heldout", "of": "tiny", "protocol": "thinning"},
        "tiny_split": {"source": "heldout", "of": "tiny", "validation_share": 0.3},
    }
    checkout.config["methods"] |= {
        "no_imputation": {"use": "no_imputation", "scale": "log"},
        "group_mean": {"use": "group_mean", "scale": "log"},
        "gene_mean_zeros": {"use": "gene_mean", "scale": "size", "params": {"zeros": True}},
    }
    shared = {"seeds": [0], "clusterers": [], "panels": []}
    checkout.config["studies"] = {
        "main": {
            **{"datasets": ["gut"], "methods": ["pca"], "seeds": [0], "panels": ["overview"]},
            "metrics": ["ari", "ari_rest", "macro_f1"],
            "clusterers": ["kmeans"],
        },
        "heldout": {
            **shared,
            "datasets": ["gut_heldout"],
            "methods": ["gene_mean", "no_imputation"],
            "metrics": ["imputation_error"],
        },
        "split": {
            **shared,
            "datasets": ["tiny_split"],
            "methods": ["gene_mean", "group_mean"],
            "metrics": ["imputation_error"],
        },
        "thinned": {
            **shared,
            "datasets": ["tiny_thinned"],
            "methods": ["gene_mean_zeros", "no_imputation"],
            "metrics": ["thinning_loss"],
        },
    }
    checkout.run()
    return checkout


def scores_of(checkout):
    return pd.read_csv(checkout.results / "tables/scores.tsv", sep="\t")


def test_the_card_tells_the_history_and_the_report_shows_it(ended):
    card = json.loads((ended.results / "data/gut.json").read_text())
    shapes = [(step["n_cells"], step["n_genes"]) for step in card["steps"]]
    assert shapes[0] == (9_842, 40)
    assert shapes[-1] == (card["n_cells"], 20)
    assert 1_800 < card["groups"]["Stem"] <= 1_857  # of all mice; a few lost all their counts
    assert sum(card["groups"].values()) == card["n_cells"]
    report = (ended.results / "report.html").read_text()
    for words in (
        "mouse small intestine, Haber et al. 2017, GSE92332",
        "as published: 9,842 cells × 40 genes",
        card["files"][0]["sha256"],
        "8 types published by Haber et al. 2017",
        "mask, share 0.1",
    ):
        assert words in report, words


def test_what_was_hidden_is_on_record_and_is_what_is_scored(ended):
    whole = read_dataset(ended.results / "data/gut_all.h5ad")
    folder = ended.results / "data/gut_heldout"
    data = read_dataset(folder / "seed_0.h5ad")
    hidden = read_hidden(folder / "seed_0.hidden.npz")
    assert len(hidden.cell) == round(0.1 * whole.X.nnz)
    observed = whole.X.toarray()
    np.testing.assert_array_equal(hidden.value, observed[hidden.cell, hidden.gene])
    observed[hidden.cell, hidden.gene] = 0
    kept = np.isin(whole.genes, data.genes)
    np.testing.assert_array_equal(
        data.X.toarray(), observed[np.isin(whole.cells, data.cells)][:, kept]
    )
    targets = read_targets(folder / "seed_0.targets.npz")
    left = np.isin(whole.genes[hidden.gene], data.genes)
    left &= np.isin(whole.cells[hidden.cell], data.cells)
    assert len(targets.cell) == left.sum() > 1_000


def test_held_out_data_give_errors_and_nothing_of_clusters(ended):
    scores = scores_of(ended)
    held_out = scores[scores["dataset"] != "gut"]
    assert set(held_out["metric"]) == {"imputation_error", "thinning_loss"}
    assert held_out["clusterer"].isna().all()
    with np.load(ended.results / "scores/gut_heldout/gene_mean/seed_0.clusters.npz") as clusters:
        assert clusters.files == []
    errors = held_out.groupby(["dataset", "method"])["value"].mean()
    # The genes of this stand-in have a mean of their own and no more: it beats saying nothing.
    assert errors["gut_heldout", "gene_mean"] < errors["gut_heldout", "no_imputation"]
    # In the simulation counts are large: half of the molecules say more of a cell than its gene's mean.
    assert errors["tiny_thinned", "no_imputation"] < errors["tiny_thinned", "gene_mean_zeros"]


def test_split_cells_are_for_inductive_methods_alone(ended):
    runs = pd.read_csv(ended.results / "tables/runs.tsv", sep="\t")
    status = runs.groupby(["dataset", "method"])["status"].first()["tiny_split"]
    assert dict(status) == {
        "gene_mean": "ok",
        "group_mean": "not_applicable",
    }


def test_scores_of_the_rarer_types_are_those_of_their_cells(ended):
    scores = scores_of(ended).query("dataset == 'gut'").set_index("metric")["value"]
    label = read_dataset(ended.results / "data/gut.h5ad").label
    with np.load(ended.results / "scores/gut/pca/seed_0.clusters.npz") as clusters:
        found = clusters["kmeans"]
    rest = ~np.isin(label, ["Stem", "Enterocyte"])
    assert scores["ari"] == pytest.approx(adjusted_rand_score(label, found))
    assert scores["ari_rest"] == pytest.approx(adjusted_rand_score(label[rest], found[rest]))
    assert 0 < scores["macro_f1"] < 0.5


def test_what_is_left_out_of_scores_prepares_nothing_again(ended):
    ended.config["datasets"]["gut"]["leave_out"] = ["Stem"]
    try:
        plan = ended.plan()
    finally:
        ended.config["datasets"]["gut"]["leave_out"] = ["Stem", "Enterocyte"]
    assert plan == ["Evaluate pca on gut, seed 0"]


def test_a_count_that_does_not_come_out_stops_with_both_numbers(checkout):
    raw = checkout.results / "raw/intestine"
    raw.mkdir(parents=True)
    standins.write_intestine(raw)
    checkout.config["datasets"] = {"gut": {"source": "intestine"}}
    checkout.config["studies"]["main"].update(datasets=["gut"])
    result = checkout.snakemake(target="results/data/gut.h5ad")
    assert result.returncode != 0
    assert "datasets.gut: genes of" in result.stdout
    assert "12, but it must be 15,215" in result.stdout
    assert not (checkout.results / "data/gut.h5ad").exists()


def test_what_held_out_data_cannot_give_is_refused_before_any_job(checkout):
    checkout.config["datasets"] |= {
        "continuous": {"source": "simlr", "params": {"n_cells": 50, "n_genes": 9, "n_latent": 2}},
        "selected": {"source": "retina", "n_top_genes": 384},
        "hidden": {"source": "heldout", "of": "tiny"},
        "hidden_again": {"source": "heldout", "of": "hidden"},
        "hidden_late": {"source": "heldout", "of": "selected"},
        "hidden_nowhere": {"source": "heldout", "of": "tinny"},
        "split": {"source": "heldout", "of": "continuous", "protocol": "thinning"},
    }
    main = checkout.config["studies"]["main"]
    main.update(datasets=["hidden", "tiny"], metrics=["ari", "thinning_loss", "ari_rest"])
    main["clusterers"] = []
    checkout.config["only"] = ["mian"]
    result = checkout.snakemake()
    assert result.returncode != 0
    for words in (
        "only: unknown name 'mian'. Did you mean 'main'?",
        "studies.main.metrics: ari cannot be asked of hidden: a held-out dataset with protocol mask "
        "gives imputation_error and its octiles alone",
        "studies.main.metrics: thinning_loss cannot be asked of tiny",
        "studies.main.metrics: ari_rest needs a dataset with `leave_out`",
        "studies.main.clusterers: ari needs at least one.",
        "datasets.hidden_again.of: hidden is held out itself.",
        "datasets.hidden_late.of: the genes of selected are chosen before anything is hidden.",
        "datasets.hidden_nowhere.of: unknown name 'tinny'. Did you mean 'tiny'?",
        "datasets.split.protocol: thinning splits counts, and continuous has none.",
    ):
        assert words in result.stdout, words
    assert not checkout.results.exists()


def test_a_study_of_real_data_leaves_the_others_without_a_network(checkout):
    checkout.config["datasets"]["eye"] = {"source": "retina"}
    checkout.config["studies"]["eye"] = {**checkout.config["studies"]["main"], "panels": []}
    checkout.config["studies"]["eye"]["datasets"] = ["eye"]
    assert "Download" in checkout.run("--dry-run", "--quiet", "host")
    assert "Download" not in checkout.run(
        "--dry-run", "--quiet", "host", "--config", "only=['main']"
    )
