"""A user's own files through the whole workflow: real excerpts in the formats people have."""

import pandas as pd
import pytest

from tests.workflow.conftest import Checkout

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def ended(tmp_path_factory, test_data, reference):
    """The workflow after a run on a text file, a 10x file, an h5ad and an official demo set."""
    checkout = Checkout(tmp_path_factory.mktemp("own"))
    checkout.config["datasets"] = {
        "cd8": {
            "source": "file",
            "path": str(test_data / "gse100866_other/GSE100866_CD8_merged-RNA_umi.csv.gz"),
            "cells_in": "columns",
            "n_top_genes": 300,
        },
        "neurons": {
            "source": "file",
            "path": str(test_data / "brain_1m/mini_1M_neurons_layout.h5"),
            "n_top_genes": 200,
        },
        "blood": {
            "source": "file",
            "path": str(test_data / "labelled/mudan_reference_2140.h5ad"),
            "label": "label",
            "n_top_genes": 1000,
        },
        "official": {
            "source": "file",
            "path": str(reference / "splatter/demo_1.h5ad"),
            "true_layer": "true_counts",
            "label": "Group",
        },
    }
    official = checkout.config["datasets"]["official"]
    second = {**official, "path": str(reference / "splatter/demo_2.h5ad")}
    checkout.config["datasets"]["official_2"] = second
    checkout.config["methods"]["pca"]["params"]["n_latent"] = 50
    checkout.config["methods"]["group_mean"] = {"use": "group_mean", "scale": "log"}
    checkout.config["studies"]["main"].update(
        datasets=list(checkout.config["datasets"]),
        methods=["pca", "truth", "gene_mean", "group_mean"],
        clusterers=["kmeans", "phenograph"],
        panels=["overview"],
    )
    checkout.run()
    return checkout


def read(checkout, name):
    return pd.read_csv(checkout.results / f"tables/{name}.tsv", sep="\t")


def test_what_was_read_is_what_is_in_the_files(ended):
    cards = read(ended, "datasets").set_index("dataset")
    assert dict(cards["n_genes"]) == {
        "blood": 1000,
        "cd8": 300,
        "neurons": 200,
        "official": 489,  # 11 of the 500 genes were never observed
        "official_2": 496,  # likewise 4 of them
    }
    assert cards.loc["official", "dropped_genes"] == 11
    assert cards.loc["neurons", "n_cells"] == 10_000 - cards.loc["neurons", "dropped_cells"]
    assert cards.loc["cd8", "n_cells"] + cards.loc["cd8", "dropped_cells"] == 1774
    assert cards.loc["blood", "n_labels"] == 9
    assert cards.loc["official", "n_labels"] == 5
    assert cards.loc["official_2", "n_labels"] == 10


def test_each_dataset_is_scored_with_what_it_has(ended):
    scores = read(ended, "scores")
    pca = scores[scores["method"] == "pca"]
    with_labels = pca[pca["metric"] == "ari"]
    assert set(with_labels["dataset"]) == {"blood", "official", "official_2"}
    assert set(pca[pca["dataset"] == "cd8"]["clusterer"]) == {"phenograph"}
    # Sorted blood: PCA with the true k finds far more than chance.
    kmeans = with_labels.query("dataset == 'blood' and clusterer == 'kmeans'")["value"].item()
    assert 0.2 < kmeans < 1
    # True values are known in the official set alone; the oracle knows more than the gene's mean.
    errors = scores[scores["metric"] == "imputation_error"].set_index(["dataset", "method"])[
        "value"
    ]
    assert set(errors.index.get_level_values("dataset")) == {"official", "official_2"}
    for dataset in ("official", "official_2"):
        assert errors[dataset, "group_mean"] < errors[dataset, "gene_mean"]


def test_controls_that_need_labels_do_not_apply_without_them(ended):
    status = read(ended, "runs").set_index(["dataset", "method"])["status"]
    for dataset in ("cd8", "neurons"):
        for method in ("truth", "group_mean"):
            assert status[dataset, method] == "not_applicable"
    assert (status[:, "pca"] == "ok").all()
