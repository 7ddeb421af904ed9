"""The workflow on its smallest config: to the end, again, after edits, and with bad configs."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow


def scores_of(checkout):
    return pd.read_csv(checkout.results / "tables/scores.tsv", sep="\t", keep_default_na=False)


def test_everything_is_there_in_the_end(finished):
    tables = finished.results / "tables"
    gathered, compared = ["datasets", "runs", "scores"], ["comparisons", "mean_ranks", "panels"]
    of_config = [f"supplementary_table_{number}" for number in (1, 2, 3)]
    names = [*gathered, *compared, *of_config, "rank_agreement", "rank_stability"]
    assert {path.name for path in tables.iterdir()} == {f"{name}.tsv" for name in names}
    figures = {path.name for path in (finished.results / "figures").iterdir()}
    assert figures == {
        f"{panel}.{suffix}"
        for panel in ("figure_1c", "supplementary_2", "figure_1")
        for suffix in ("svg", "pdf", "png")
    }
    assert (finished.results / "report.html").stat().st_size > 10_000
    assert "3 runs: 3 ok" in (finished.results / "conclusion.txt").read_text()
    assert "gene_mean" in (finished.results / "summary.txt").read_text()


def test_scores_are_tidy_and_carry_what_they_came_from(finished):
    scores = scores_of(finished)
    assert {"dataset", "method", "scale", "seed", "clusterer", "metric", "value"} <= set(scores)
    assert {"status", "seconds", "peak_rss_mb", "data_hash"} <= set(scores)
    assert scores["data_hash"].str.fullmatch("[0-9a-f]{64}").all()
    truth = scores.query("method == 'truth' and metric == 'ari'")
    assert list(zip(truth["clusterer"], truth["value"], strict=True)) == [("given", 1.0)]
    pca = scores.query("method == 'pca'")
    assert set(pca["clusterer"]) == {"phenograph", "kmeans"}
    assert set(pca["metric"]) == {"ari", "ami", "n_clusters"}
    gene_mean = scores.query("method == 'gene_mean'")
    assert list(gene_mean["metric"]) == ["imputation_error"]


def test_every_job_leaves_a_log_and_a_benchmark(finished):
    places = []
    for kind, suffix in (("logs", ".log"), ("benchmarks", ".tsv")):
        folder = finished.results / kind
        found = [path.relative_to(folder).with_suffix("") for path in folder.rglob(f"*{suffix}")]
        places.append(sorted(map(str, found)))
    assert places[0] == places[1]
    stages = {place.split("/")[0] for place in places[0]}
    local = {"gather", "compare", "write_tables", "write_report", "conclude"}
    assert stages == {"simulate", "fit", "evaluate", "draw", "draw_page", *local}


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run()


def test_editing_words_and_touching_files_reruns_nothing(copy):
    for path in (*copy.folder.glob("workflow/**/*"), *copy.folder.glob("scscope/**/*.py")):
        path.touch()
    copy.edit("scscope/methods/pca.py", '"""Scores of the leading', '"""Values of the leading')
    copy.edit("scscope/data.py", "BLOCK = 2_000  # cells that", "BLOCK = 2_000  # those that")
    copy.edit("workflow/scripts/evaluate.py", '"""Score one run', '"""Evaluate one run')
    assert "Nothing to be done" in copy.run("--dry-run")


def test_a_methods_parameter_reruns_its_jobs_and_no_others(copy):
    copy.config["methods"]["pca"]["params"]["n_latent"] = 6
    assert copy.plan() == ["Evaluate pca on tiny, seed 0", "Fit pca to tiny, seed 0"]


def test_a_methods_code_reruns_its_jobs_and_no_others(copy):
    copy.edit("scscope/methods/pca.py", "n_latent: int = 50", "n_latent: int = 51")
    assert copy.plan() == ["Evaluate pca on tiny, seed 0", "Fit pca to tiny, seed 0"]


def test_what_the_registry_says_of_a_method_reruns_it(copy):
    line = '_CONTROLS, "gene_mean", ("imputation",)'
    copy.edit("scscope/methods/__init__.py", line, line.replace('"gene_mean"', '"no_imputation"'))
    assert copy.plan() == ["Evaluate gene_mean on tiny, seed 0", "Fit gene_mean to tiny, seed 0"]


def test_the_runs_of_a_timing_study_say_that_they_were_alone(copy):
    main = copy.config["studies"]["main"]
    times = {"timing": True, "methods": ["pca"], "panels": []}
    copy.config["studies"]["times"] = {**main, **times}
    copy.run()
    runs = pd.read_csv(copy.results / "tables/runs.tsv", sep="\t").set_index("method")
    assert dict(runs["timed"]) == {"pca": True, "truth": False, "gene_mean": False}
    assert (runs["host"] == os.uname().nodename).all()


def test_a_deep_method_runs_and_its_network_reruns_it_alone(copy):
    copy.config["methods"]["ae"] = {"use": "ae", "scale": "log", "params": {"max_epochs": 1}}
    copy.config["studies"]["main"]["methods"].append("ae")
    copy.run()
    copy.edit("scscope/model.py", "WEIGHT_SD = 0.1", "WEIGHT_SD = 0.2")
    assert copy.plan() == ["Evaluate ae on tiny, seed 0", "Fit ae to tiny, seed 0"]


def test_a_panel_shows_what_its_own_study_asks_for(copy):
    main = copy.config["studies"]["main"]
    main.update(clusterers=["phenograph"], panels=["figure_1c"])
    copy.config["studies"]["other"] = {**main, "clusterers": ["kmeans"], "panels": ["overview"]}
    copy.run()
    pca = scores_of(copy).query("method == 'pca' and metric == 'ari'")
    assert set(pca["clusterer"]) == {"phenograph", "kmeans"}
    figure = (copy.results / "figures/figure_1c.svg").read_text()
    assert "PhenoGraph" in figure
    assert "k-means" not in figure


def test_a_changed_table_of_the_paper_redraws_its_figure(copy):
    copy.edit("scscope/figures/reference/fig1c.csv", "0.94,", "0.95,")
    assert "Draw figure_1c" in copy.run("--dry-run")


def test_a_new_name_of_a_method_refits_nothing(copy):
    copy.config["methods"]["pca"]["label"] = "Principal components"
    assert copy.plan() == []
    copy.run()
    assert set(scores_of(copy).query("use == 'pca'")["label"]) == {"Principal components"}


def test_another_metric_refits_nothing(copy):
    copy.config["studies"]["main"]["metrics"].append("nmi")
    assert copy.plan() == [f"Evaluate {m} on tiny, seed 0" for m in ("gene_mean", "pca", "truth")]


def test_a_new_method_reruns_nothing_of_the_others(copy):
    copy.config["methods"]["random"] = {"use": "random", "scale": "log", "params": {"n_latent": 3}}
    copy.config["studies"]["main"]["methods"].append("random")
    assert copy.plan() == ["Evaluate random on tiny, seed 0", "Fit random to tiny, seed 0"]


def test_claims_are_judged_and_a_changed_threshold_judges_again_and_refits_nothing(copy):
    claim = {
        "source": "Fig. 0",
        "statement": "PCA finds both groups",
        "paper": "1",
        "method": {"use": "pca", "scale": "log", "params": {"n_latent": 5}},
        "datasets": ["tiny"],
        "metrics": ["ari"],
        "clusterer": "kmeans",
        "statistic": "at_least",
        "threshold": -1,
        "n": 1,
        "cells": 60,
        "why": "Any value is at least that.",
    }
    file = copy.folder / "claims.yaml"
    file.write_text(yaml.safe_dump({"claims": {"any": claim}}))
    copy.config["claims"] = "claims.yaml"
    assert copy.plan() == []
    copy.run()
    table = copy.results / "tables/claims.tsv"
    verdicts = pd.read_csv(table, sep="\t").query("role == 'judged'")
    assert verdicts[["claim", "verdict"]].to_numpy().tolist() == [["any", "reproduced"]]
    assert "1 claim of the paper: 1 reproduced" in (copy.results / "report.html").read_text()
    file.write_text(yaml.safe_dump({"claims": {"any": claim | {"threshold": 2}}}))
    assert copy.plan() == []
    copy.run()
    assert pd.read_csv(table, sep="\t")["verdict"][0] == "not reproduced"


def test_two_runs_give_the_same_scores(finished, checkout):
    checkout.run(target="results/tables/scores.tsv")
    cost = ["seconds", "peak_rss_mb"]
    first, second = (scores_of(place).drop(columns=cost) for place in (finished, checkout))
    pd.testing.assert_frame_equal(first, second)


def test_without_our_profile_it_runs_as_well(checkout):
    checkout.run("--workflow-profile", "none", target="results/tables/scores.tsv")


def test_results_go_where_the_config_says(checkout):
    checkout.config["pathvars"] = {"results": "elsewhere/mine"}
    checkout.run(target="elsewhere/mine/tables/scores.tsv")
    assert (checkout.folder / "elsewhere/mine/data/tiny/seed_0.h5ad").exists()
    assert (checkout.folder / "elsewhere/mine/logs/gather.log").exists()
    assert not checkout.results.exists()


def no_file(config, folder):
    config["datasets"]["mine"] = {"source": "file", "path": "mine.h5ad"}
    return "datasets.mine.path: there is no file 'mine.h5ad'"


def no_such_method(config, folder):
    config["studies"]["main"]["methods"].append("pcaa")
    return "studies.main.methods: unknown name 'pcaa'. Did you mean 'pca'?"


def no_such_dataset(config, folder):
    config["studies"]["main"]["datasets"] = ["tinny"]
    return "studies.main.datasets: unknown name 'tinny'. Did you mean 'tiny'?"


def no_way_round(config, folder):
    (folder / "mine.csv").write_text("x")
    config["datasets"]["mine"] = {"source": "file", "path": "mine.csv"}
    return "datasets.mine: `cells_in` is None, but mine.csv is a table"


def unknown_suffix(config, folder):
    (folder / "mine.xlsx").write_text("x")
    config["datasets"]["mine"] = {"source": "file", "path": "mine.xlsx"}
    return "datasets.mine: Unknown suffix of mine.xlsx. Known suffixes: .h5ad"


def groups_that_do_not_sum_to_one(config, folder):
    config["datasets"]["tiny"]["params"]["group_prob"] = [0.5, 0.7]
    return "datasets.tiny: `group_prob` must sum to 1, got [0.5, 0.7], which sums to 1.2"


def more_rare_types_than_types(config, folder):
    params = {"n_cells": 60, "n_genes": 40, "n_latent": 2, "n_types": 3, "dropout_rate": 0.5}
    rare = {"n_rare": 4, "rare_share": 0.01}
    config["datasets"]["tiny"] = {"source": "simlr", "params": {**params, **rare}}
    return "datasets.tiny: `n_rare` must be below `n_types`, 3"


def unmarked_stand_in(config, folder):
    config["datasets"]["tiny"]["stands_for"] = "brain"
    return "datasets.tiny: it stands for real data: call it synthetic_tiny."


def no_claims(config, folder):
    config["claims"] = "claimz.yaml"
    return "claims: there is no file 'claimz.yaml'"


def a_claim_without_reason(config, folder):
    text = (folder / "config/claims.yaml").read_text()
    (folder / "claims.yaml").write_text(text.replace("    why: Nearest is nearest.\n", ""))
    config["claims"] = "claims.yaml"
    return "claims.yaml: claims.supplementary_5_number: missing key 'why'"


def misspelt_key(config, folder):
    config["methods"]["pca"]["parms"] = {}
    return "methods.pca: unknown key 'parms'. Did you mean 'params'?"


def panel_twice(config, folder):
    config["studies"]["other"] = config["studies"]["main"]
    return "studies.other.panels: figure_1c is drawn by main already"


def times_at_open_epochs(config, folder):
    config["methods"]["ae"] = {"use": "ae", "scale": "log", "params": {"max_epochs": 1}}
    config["studies"]["main"].update(methods=["ae"], timing=True)
    return "it compares times, so every fit must train for the same number of epochs: set"


def no_such_function(config, folder):
    (folder / "mine.py").write_text("def embed(data, *, seed, device): ...")
    config["methods"]["mine"] = {"use": "mine.py:embd", "scale": "log"}
    return "methods.mine.use: mine.py: unknown function 'embd'. Did you mean 'embed'?"


def results_below_a_file(config, folder):
    (folder / "file").write_text("")
    config["pathvars"] = {"results": "file/results"}
    return "is a file, so file/results cannot be a folder"


@pytest.mark.parametrize(
    "mistake",
    [
        no_file,
        no_such_method,
        no_such_dataset,
        no_way_round,
        unknown_suffix,
        groups_that_do_not_sum_to_one,
        more_rare_types_than_types,
        unmarked_stand_in,
        no_claims,
        a_claim_without_reason,
        misspelt_key,
        panel_twice,
        times_at_open_epochs,
        no_such_function,
        results_below_a_file,
    ],
)
def test_a_bad_config_is_refused_before_any_job(checkout, mistake):
    message = mistake(checkout.config, checkout.folder)
    result = checkout.snakemake()
    assert result.returncode != 0
    assert message in result.stdout
    assert not checkout.results.exists()


@pytest.mark.parametrize("config", ["config/config.yaml", "config/demo.yaml"])
def test_the_plans_of_the_configs_that_we_ship(checkout, config):
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "host"]
    result = subprocess.run(
        [*command, "--configfile", config], cwd=checkout.folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "write_report" in result.stdout + result.stderr


def test_temporary_data_go_when_their_scores_are_there(checkout):
    checkout.config["datasets"]["tiny"]["temporary"] = True
    checkout.run(target="results/tables/scores.tsv")
    left = {path.name for path in (checkout.results / "data/tiny").iterdir()}
    assert left == {"seed_0.targets.npz", "seed_0.json"}
    assert "Nothing to be done" in checkout.run(target="results/tables/scores.tsv")


def test_without_a_config_it_is_the_papers(checkout):
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "host", "rules"]
    result = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "simulate" in result.stdout + result.stderr
    # Five dropout levels and six numbers of cells, ten seeds; four small stand-ins of the brain, one of
    # them for several GPUs with three seeds.
    # Four P with four shares of rare types and five dropout levels, ten seeds; three large stand-ins.
    lines = (result.stdout + result.stderr).splitlines()
    jobs = dict(line.split() for line in lines if line.startswith("simulate"))
    assert jobs == {"simulate": "66", "simulate_in_r": "50", "simulate_large": "363"}


def test_latents_are_finite_and_have_one_row_per_cell(finished):
    latent = np.load(finished.results / "runs/tiny/pca/seed_0/latent.npy")
    assert latent.shape == (60, 5)
    assert np.isfinite(latent).all()


def test_lint(checkout):
    result = checkout.snakemake("--lint")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["snakefmt", "--check", "workflow"],
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
    ],
    ids=" ".join,
)
def test_the_code_is_formatted(command, pytestconfig):
    tool = [sys.executable, "-m", *command]
    result = subprocess.run(tool, cwd=pytestconfig.rootpath, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_method_on_two_devices_asks_for_two_gpus_and_trains_on_two(checkout):
    params = {"n_latent": 5, "max_epochs": 1, "n_devices": 2}
    checkout.config["methods"]["two"] = {"use": "scscope", "scale": "log", "params": params}
    checkout.config["studies"]["main"]["methods"].append("two")
    checkout.run(target="results/runs/tiny/two/seed_0/status.json")
    status = json.loads((checkout.results / "runs/tiny/two/seed_0/status.json").read_text())
    assert (status["status"], status["n_gpus"]) == ("ok", 2)
    assert status["record"]["n_devices"] == 2
