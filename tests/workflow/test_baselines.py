"""Baselines in the workflow: fits of some cells, and models of counts on what are no counts."""

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.workflow


def table(checkout, name):
    return pd.read_csv(checkout.results / f"tables/{name}.tsv", sep="\t").set_index("method")


def test_a_fit_of_some_cells_and_a_model_of_counts_on_continuous_data(checkout):
    checkout.config["datasets"]["tiny"] = {
        "source": "simlr",
        "params": {"n_cells": 120, "n_genes": 30, "n_types": 2, "n_latent": 3, "dropout_rate": 0.2},
    }
    checkout.config["tuning_budget"] = 0
    checkout.config["methods"] = {
        "whole": {"use": "pca", "scale": "log", "params": {"n_latent": 5}},
        "some": {"use": "pca", "scale": "log", "params": {"n_latent": 5}, "fit_on": 60},
        "dca": {"use": "dca", "scale": "counts"},
        "gene_mean": {"use": "gene_mean", "scale": "log", "fit_on": 60},
    }
    checkout.config["studies"]["main"].update(methods=list(checkout.config["methods"]), panels=[])
    checkout.run()
    runs, scores = table(checkout, "runs"), table(checkout, "scores")
    assert dict(runs["status"]) == {
        "whole": "ok",
        "some": "ok",
        "dca": "not_applicable",
        "gene_mean": "ok",
    }
    assert "models counts, and the dataset declares continuous" in runs.loc["dca", "message"]
    assert runs.loc["some", "svm_space"] == "own latent"
    assert runs.loc["some", "fitted_cells"] == runs.loc["some", "fit_on"] == 60
    assert runs.loc["gene_mean", "svm_space"] == "principal components of the input"
    assert set(scores.loc["some", "n_fitted"]) == {60}
    assert set(scores.loc["whole", "n_fitted"]) == {120}
    assert np.isfinite(scores.loc[["some", "gene_mean"], "value"]).all()
    clusters = checkout.results / "scores/tiny/some/seed_0.clusters.npz"
    assert np.load(clusters)["kmeans"].shape == (120,)
    assert "60 at random; the others by an SVM" in (checkout.results / "report.html").read_text()

    checkout.config["methods"]["some"]["fit_on"] = 70
    assert checkout.plan() == ["Evaluate some on tiny, seed 0", "Fit some to tiny, seed 0"]


def test_a_scale_that_is_none_of_counts_is_refused_before_the_first_job(checkout):
    checkout.config["methods"]["dca"] = {"use": "dca", "scale": "log"}
    result = checkout.snakemake("--dry-run")
    assert result.returncode != 0
    assert "methods.dca.scale: unknown value 'log'. Allowed: counts, rounded, " in result.stdout
