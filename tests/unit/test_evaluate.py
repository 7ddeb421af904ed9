"""Scores of a run, by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from scscope.data import Dataset, Targets, imputation_targets
from scscope.evaluate import Run, evaluate, read_run, true_log, write_scores
from scscope.figures import load_panel
from scscope.gather import conclusion, read_table, run_table, score_table, select, versions_of
from scscope.seeds import derive_seed
from scscope.simulate import splat

N_CELLS = 45
METRICS = ["ari", "n_clusters", "unassigned", "imputation_error", "zero_prediction"]


def dataset(label=None, X=None):
    X = np.arange(N_CELLS * 4).reshape(N_CELLS, 4) % 3 if X is None else np.array(X)
    return Dataset(
        X=sparse.csr_matrix(X.astype(np.float32)),
        cells=np.arange(len(X)).astype(str),
        genes=np.arange(X.shape[1]).astype(str),
        values="counts",
        label=label,
        batch=None,
        hash="abc",
    )


NO_TARGETS = Targets(np.array([], int), np.array([], int), np.array([]))
LABEL = np.repeat(["a", "b", "c"], N_CELLS // 3)


def values(rows):
    return {(row["clusterer"], row["metric"]): row["value"] for row in rows}


def ask(run, data, targets=NO_TARGETS, gives=("latent",), clusterers=("phenograph", "kmeans")):
    return evaluate(run, data, targets, gives=gives, metrics=METRICS, clusterers=clusterers, seed=0)


def test_clusters_of_separate_groups_are_scored_with_every_clusterer():
    centres = {"a": 0, "b": 100, "c": 200}
    latent = np.random.default_rng(0).normal([[centres[x]] * 2 for x in LABEL], 0.1)
    rows, clusters = ask(Run("ok", latent, None, None), dataset(LABEL))
    found = values(rows)
    assert found["kmeans", "ari"] == 1
    assert found["kmeans", "n_clusters"] == 3
    expected = adjusted_rand_score(LABEL, clusters["phenograph"])
    assert found["phenograph", "ari"] == pytest.approx(expected)
    assert all(row["data_hash"] == "abc" and row["status"] == "ok" for row in rows)
    assert rows[0]["sparsity"] == pytest.approx(1 / 3)


def test_without_labels_only_what_needs_none_is_scored():
    latent = np.random.default_rng(0).normal(size=(N_CELLS, 2))
    rows, clusters = ask(Run("ok", latent, None, None), dataset())
    assert set(values(rows)) == {("phenograph", "n_clusters"), ("phenograph", "unassigned")}
    assert set(clusters) == {"phenograph"}


def test_a_failed_run_gets_the_same_rows_without_values():
    rows, clusters = ask(Run("diverged", None, None, None), dataset(LABEL))
    assert len(rows) == 6
    assert {row["status"] for row in rows} == {"diverged"}
    assert np.isnan([row["value"] for row in rows]).all()
    assert clusters == {}


def test_clusters_that_a_method_hands_in_are_taken_and_minus_one_is_no_cluster():
    given = np.where(np.arange(N_CELLS) < 9, "-1", LABEL)
    rows, _ = ask(Run("ok", None, given, None), dataset(LABEL), gives=("labels",))
    found = values(rows)
    assert found["given", "n_clusters"] == 3
    assert found["given", "unassigned"] == pytest.approx(9 / N_CELLS)
    # -1 counts as one cluster like any other.
    assert found["given", "ari"] == pytest.approx(adjusted_rand_score(LABEL, given))


def test_seconds_of_a_clusterer_are_measured_and_those_of_given_clusters_are_not():
    latent = np.random.default_rng(0).normal(size=(N_CELLS, 2))
    asked = {"metrics": ["cluster_seconds"], "clusterers": ["phenograph", "leiden"], "seed": 0}
    run = Run("ok", latent, LABEL, None)
    rows, _ = evaluate(run, dataset(LABEL), NO_TARGETS, gives=("latent", "labels"), **asked)
    assert [row["clusterer"] for row in rows] == ["phenograph", "leiden"]
    assert all(0 < row["value"] < 60 and row["n_cells"] == N_CELLS for row in rows)
    failed = Run("timeout", None, None, None)
    rows, _ = evaluate(failed, dataset(LABEL), NO_TARGETS, gives=("latent",), **asked)
    assert len(rows) == 2
    assert np.isnan([row["value"] for row in rows]).all()


def test_times_by_number_of_cells_go_from_simulation_to_panel(tmp_path):
    """The study of Supplementary Fig. 11, at a size of seconds."""
    tables = []
    for n_cells, seed in [(n, seed) for n in (60, 120, 240) for seed in (0, 1)]:
        counts = splat(n_cells=n_cells, n_genes=40, seed=seed).X
        latent = PCA(5, random_state=0).fit_transform(np.log1p(counts.toarray()))
        data = dataset(X=counts.toarray())
        asked = {"metrics": ["cluster_seconds"], "clusterers": ["phenograph"], "seed": seed}
        rows, _ = evaluate(
            Run("ok", latent, None, None), data, NO_TARGETS, gives=("latent",), **asked
        )
        names = {"dataset": f"cells_{n_cells}", "method": "m", "seed": seed}
        write_scores([{**names, **row} for row in rows], tmp_path / "scores.tsv")
        tables.append(read_table(tmp_path / "scores.tsv"))
    about = {"label": "PCA", "use": "pca", "scale": "log", "control": False}
    figure = load_panel("supplementary_11")(pd.concat(tables).assign(**about))
    points = figure.axes[0].containers[0][0]
    assert list(points.get_xdata()) == [60, 120, 240]
    assert min(points.get_ydata()) > 0


# Totals of the observed counts are 4, 2 and 8, so L = 4 and the factors are 1, 2 and 1/2.
OBSERVED = np.array([[4, 0, 0], [0, 2, 0], [0, 0, 8]])
TRUE = np.array([[4, 3, 0], [0, 2, 5], [6, 0, 8]])


def test_true_values_are_brought_to_the_scale_of_the_observed_matrix():
    X, true = sparse.csr_matrix(OBSERVED), sparse.csr_matrix(TRUE)
    targets = imputation_targets(X, true, seed=0)
    found = {
        (cell, gene): value
        for cell, gene, value in zip(
            targets.cell, targets.gene, true_log(dataset(X=OBSERVED), targets), strict=True
        )
    }
    expected = {(0, 1): 3 * 1, (0, 2): 0, (1, 0): 0, (1, 2): 5 * 2, (2, 0): 6 / 2, (2, 1): 0}
    assert found == pytest.approx({entry: np.log1p(value) for entry, value in expected.items()})


def test_imputation_is_scored_at_missed_entries_and_at_true_zeros():
    targets = imputation_targets(sparse.csr_matrix(OBSERVED), sparse.csr_matrix(TRUE), seed=0)
    data = dataset(X=OBSERVED)
    predicted = true_log(data, targets) + 0.25
    rows, _ = ask(Run("ok", None, None, predicted), data, targets, gives=("imputation",))
    assert values(rows) == pytest.approx(
        {("", "imputation_error"): 0.25, ("", "zero_prediction"): 0.25}
    )


def write_run(folder, **status):
    folder.mkdir(parents=True)
    for name in ("latent.npy", "fit.npz", "history.tsv"):
        (folder / name).write_bytes(b"")
    about = {"dataset": "d", "method": "m", "seed": 0, "status": "ok", "message": ""}
    about |= {"seconds": 1.5, "peak_rss_mb": 20.0, "device": "cpu", "peak_gpu_mb": None}
    status = {**about, "versions": {"numpy": "2.4", "scipy": "1.17"}, **status}
    (folder / "status.json").write_text(json.dumps(status))
    return folder / "status.json"


def test_an_empty_file_says_that_there_is_nothing(tmp_path):
    write_run(tmp_path / "run", status="error")
    run = read_run(tmp_path / "run")
    assert (run.status, run.latent, run.labels, run.imputed) == ("error", None, None, None)


METHODS = {"m": {"use": "pca", "scale": "log"}, "n": {"use": "truth", "scale": "log", "label": "T"}}


def tables(tmp_path):
    paths = [
        write_run(tmp_path / "n", method="n", status="timeout", message="too slow", versions=None),
        write_run(tmp_path / "m", record={"stopped": "no_change", "epochs": 7, "other": 1}),
    ]
    runs = run_table(paths, METHODS)
    names = {"dataset": "d", "seed": 0, "clusterer": "kmeans", "metric": "ari"}
    about = {"sparsity": 0.5, "data_hash": "abc"}
    for method, value, status in (("m", 0.5, "ok"), ("n", np.nan, "timeout")):
        rows = [{**names, "method": method, "value": value, "status": status, **about}]
        write_scores(rows, tmp_path / f"{method}.tsv")
    scores = score_table([tmp_path / "n.tsv", tmp_path / "m.tsv"], runs)
    return runs, scores


def test_runs_and_scores_are_joined_in_the_configs_order(tmp_path):
    runs, scores = tables(tmp_path)
    assert list(runs["method"]) == list(scores["method"]) == ["m", "n"]
    assert list(scores["label"]) == ["PCA", "T"]
    assert list(scores["control"]) == [False, True]
    assert list(scores["status"]) == ["ok", "timeout"]
    assert list(runs["stopped"]) == ["no_change", None]
    assert runs["epochs"][0] == 7
    assert scores["value"][0] == 0.5
    assert np.isnan(scores["value"][1])
    assert versions_of(runs) == {"numpy": "2.4", "scipy": "1.17"}


def test_runs_without_any_score_leave_an_empty_table(tmp_path):
    runs, _ = tables(tmp_path)
    write_scores([], tmp_path / "none.tsv")
    empty = score_table([tmp_path / "none.tsv"], runs)
    assert len(empty) == 0
    assert {"dataset", "method", "value"} <= set(empty)


def test_a_study_sees_what_it_asks_for(tmp_path):
    _, scores = tables(tmp_path)
    asked = {"datasets": ["d"], "methods": ["m"], "seeds": [0], "metrics": ["ari"]}
    assert list(select(scores, **asked, clusterers=["kmeans"])["method"]) == ["m"]
    assert len(select(scores, **asked, clusterers=["phenograph"])) == 0
    assert len(select(scores, **{**asked, "metrics": ["nmi"]}, clusterers=["kmeans"])) == 0


def test_the_conclusion_names_every_failed_run(tmp_path):
    runs, _ = tables(tmp_path)
    well, words = conclusion(runs)
    assert not well
    assert "2 runs: 1 ok, 1 timeout" in words
    assert "d, n, seed 0: timeout: too slow" in words
    well, words = conclusion(runs[runs["status"] == "ok"])
    assert well
    assert words == "1 runs: 1 ok.\n"


def test_times_of_several_hosts_are_no_good_end(tmp_path):
    runs, _ = tables(tmp_path)
    runs = runs.assign(status="ok", host=["one", "two"])
    named = [["d", "m", 0], ["d", "n", 0]]
    assert conclusion(runs)[0]
    well, words = conclusion(runs, {"times": named})
    assert not well
    assert "Study times compares times, but its runs were on 2 hosts: one, two." in words
    assert conclusion(runs, {"times": named[:1]})[0]


def test_texts_of_a_table_stay_texts(tmp_path):
    pd.DataFrame({"method": ["007"], "message": [""], "value": [""]}).to_csv(
        tmp_path / "t.tsv", sep="\t", index=False
    )
    table = read_table(tmp_path / "t.tsv")
    assert list(table.loc[0, ["method", "message"]]) == ["007", ""]
    assert np.isnan(table.loc[0, "value"])


def test_purposes_and_seeds_draw_different_numbers():
    seeds = {derive_seed(seed, name) for seed in range(50) for name in ("data", "fit", "cluster")}
    assert len(seeds) == 150
    assert derive_seed(3, "fit") == derive_seed(3, "fit") < 2**32
    with pytest.raises(ValueError, match="non-negative integer, got -1"):
        derive_seed(-1, "fit")


def test_scores_of_the_rarer_types_leave_out_the_common_one():
    """Found apart in the whole; among the rarer types alone, one cluster says nothing."""
    given = np.where(LABEL == "a", "0", "1")
    asked = {"metrics": ["ari", "ari_rest", "macro_f1"], "clusterers": [], "seed": 0}
    run = Run("ok", None, given, None)
    rows, _ = evaluate(run, dataset(LABEL), NO_TARGETS, gives=("labels",), leave_out=["a"], **asked)
    found = values(rows)
    assert found["given", "ari"] == pytest.approx(adjusted_rand_score(LABEL, given))
    assert found["given", "ari_rest"] == 0
    rows, _ = evaluate(run, dataset(LABEL), NO_TARGETS, gives=("labels",), **asked)
    assert ("given", "ari_rest") not in values(rows)
    with pytest.raises(
        ValueError, match="names 'd', which no cell is labelled with. Labels: a, b, c"
    ):
        evaluate(run, dataset(LABEL), NO_TARGETS, gives=("labels",), leave_out=["d"], **asked)
    with pytest.raises(ValueError, match="names all labels"):
        evaluate(run, dataset(LABEL), NO_TARGETS, gives=("labels",), leave_out=[*"abc"], **asked)


def test_a_failed_run_has_rows_of_the_rarer_types_too():
    asked = {"metrics": ["ari_rest"], "clusterers": ["kmeans"], "seed": 0, "leave_out": ["a"]}
    rows, _ = evaluate(
        Run("error", None, None, None), dataset(LABEL), NO_TARGETS, gives=("latent",), **asked
    )
    assert list(values(rows)) == [("kmeans", "ari_rest")]
    assert np.isnan(rows[0]["value"])
