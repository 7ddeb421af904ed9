"""A run that fails is a result: recorded, shown, tried again, and never in the way of others."""

import json
import os
import signal
import subprocess
import time

import pandas as pd
import pytest
import yaml

pytestmark = pytest.mark.workflow

TOO_MANY = {"use": "pca", "scale": "log", "params": {"n_latent": 500}}


def table(checkout, name):
    path = checkout.results / f"tables/{name}.tsv"
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def status_of(checkout, method):
    return json.loads((checkout.results / f"runs/tiny/{method}/seed_0/status.json").read_text())


def with_failure(checkout):
    """Add a method that fails: it asks for more components than there are genes."""
    checkout.config["methods"]["greedy"] = TOO_MANY
    checkout.config["studies"]["main"]["methods"].append("greedy")


def test_a_failure_stops_nothing_and_is_seen_everywhere(copy):
    with_failure(copy)
    result = copy.snakemake()
    assert result.returncode != 0
    assert "greedy on tiny, seed 0: error: ValueError" in result.stdout
    runs = table(copy, "runs").set_index("method")["status"]
    assert dict(runs) == {"pca": "ok", "truth": "ok", "gene_mean": "ok", "greedy": "error"}
    scores = table(copy, "scores").query("method == 'greedy'")
    assert len(scores) == 6  # two clusterers, three metrics
    assert set(scores["status"]) == {"error"}
    assert set(scores["value"]) == {""}
    assert "`n_latent` must be between 1 and 39" in (copy.results / "report.html").read_text()
    assert "4 runs: 3 ok, 1 failed (1 error)" in (copy.results / "summary.txt").read_text()
    assert not (copy.results / "conclusion.txt").exists()


def test_the_config_may_allow_failures(copy):
    with_failure(copy)
    copy.config["allow_failures"] = True
    copy.run()
    assert "greedy, seed 0: error" in (copy.results / "conclusion.txt").read_text()
    assert "Fit greedy to tiny, seed 0" in copy.plan()  # it is tried again all the same


def test_if_all_runs_fail_there_is_still_a_report(checkout):
    checkout.config["methods"] = {"greedy": TOO_MANY}
    checkout.config["studies"]["main"].update(methods=["greedy"])
    assert checkout.snakemake().returncode != 0
    assert "1 run: 0 ok, 1 failed (1 error)" in (checkout.results / "summary.txt").read_text()
    assert "`n_latent` must be between 1 and 39" in (checkout.results / "report.html").read_text()


def test_the_next_call_tries_again_what_failed_and_nothing_else(copy):
    with_failure(copy)
    assert copy.snakemake().returncode != 0
    again = ["Evaluate greedy on tiny, seed 0", "Fit greedy to tiny, seed 0"]
    assert copy.plan() == again
    assert copy.snakemake().returncode != 0  # fails again
    assert copy.plan() == again
    copy.config["methods"]["greedy"] = {**TOO_MANY, "params": {"n_latent": 4}}
    copy.run()  # mended
    assert "Nothing to be done" in copy.run()


def test_a_failure_that_goes_away_is_fitted_once_more_and_then_stands(copy):
    params = {"n_latent": 4, "max_epochs": 1}
    copy.config["methods"]["late"] = {"use": "ae", "scale": "log", "params": params}
    copy.config["studies"]["main"]["methods"].append("late")
    # Fails for a reason that is neither in its code nor in its parameters: a broken package.
    (copy.folder / "broken").mkdir()
    (copy.folder / "broken/torch.py").write_text("raise ImportError('broken')")
    assert copy.snakemake(PYTHONPATH=str(copy.folder / "broken")).returncode != 0
    assert status_of(copy, "late")["message"] == "ImportError: broken"
    copy.run()
    assert status_of(copy, "late")["status"] == "ok"
    assert "Nothing to be done" in copy.run()


def test_not_applicable_stands(checkout):
    lines = ["cell," + ",".join(f"g{j}" for j in range(20))]
    lines += [f"c{i}," + ",".join(str((i * j) % 5 + 1) for j in range(20)) for i in range(40)]
    (checkout.folder / "mine.csv").write_text("\n".join(lines))
    checkout.config["datasets"] = {
        "mine": {"source": "file", "path": "mine.csv", "cells_in": "rows"}
    }
    checkout.config["studies"]["main"].update(datasets=["mine"], panels=["overview"])
    checkout.run()
    runs = table(checkout, "runs").set_index("method")
    assert runs.loc["truth", "status"] == "not_applicable"
    assert "needs true labels" in runs.loc["truth", "message"]
    assert runs.loc["pca", "status"] == "ok"
    # Without labels nothing is compared with labels.
    scores = table(checkout, "scores")
    assert set(scores.query("method == 'pca'")["metric"]) == {"n_clusters"}
    assert "Nothing to be done" in checkout.run()


def limited(copy, memory):
    """Use a profile that gives fits `memory`, an expression in `attempt`."""
    profile = yaml.safe_load((copy.folder / "workflow/profiles/default/profile.yaml").read_text())
    profile["set-resources"]["fit"]["mem_mb"] = memory
    (copy.folder / "limited").mkdir()
    (copy.folder / "limited/profile.yaml").write_text(yaml.safe_dump(profile))
    copy.config["methods"]["pca"]["params"]["n_latent"] = 7  # so that it has to run again
    return copy.snakemake("--workflow-profile", copy.folder / "limited")


def test_a_fit_that_lacks_memory_is_given_more(copy):
    result = limited(copy, "45 if attempt < 3 else 2000")
    assert result.returncode == 0, result.stdout
    assert "pca on tiny, seed 0: out_of_memory" in result.stdout
    assert status_of(copy, "pca")["status"] == "ok"
    assert "Nothing to be done" in copy.run()


def test_a_fit_that_never_has_enough_memory_is_recorded(copy):
    result = limited(copy, "45 + attempt")
    assert result.returncode != 0
    assert status_of(copy, "pca")["status"] == "out_of_memory"
    assert dict(table(copy, "runs")["status"].value_counts()) == {"ok": 2, "out_of_memory": 1}
    assert copy.plan() == ["Evaluate pca on tiny, seed 0", "Fit pca to tiny, seed 0"]


def children_of(folder):
    """Processes that work in a folder."""
    import psutil

    found = []
    for process in psutil.process_iter(["cwd"]):
        if process.info["cwd"] and process.info["cwd"].startswith(str(folder)):
            found.append(process)
    return found


def test_killed_in_the_middle_and_started_again_it_ends_the_same(finished, checkout):
    process = subprocess.Popen(
        checkout.command(),
        cwd=checkout.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not list((checkout.results / "runs").glob("tiny/*/seed_0/status.json")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while children_of(checkout.folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not children_of(checkout.folder), "nothing may go on writing"

    checkout.run("--unlock")
    checkout.run()
    cost = ["seconds", "peak_rss_mb"]
    tables = [table(place, "scores").drop(columns=cost) for place in (finished, checkout)]
    pd.testing.assert_frame_equal(*tables)


def test_data_that_cannot_be_used_stop_before_any_fit(checkout):
    (checkout.folder / "mine.csv").write_text(
        "cell,g1,g2\n" + "\n".join(f"c{i},1,-2" for i in range(40))
    )
    checkout.config["datasets"] = {
        "mine": {"source": "file", "path": "mine.csv", "cells_in": "rows"}
    }
    checkout.config["studies"]["main"].update(datasets=["mine"], panels=["overview"])
    result = checkout.snakemake()
    assert result.returncode != 0
    assert "'-2' in line 2, row 'c0', column 'g2'" in result.stdout
    assert not list((checkout.results / "data").glob("*.h5ad"))
    assert not (checkout.results / "runs").exists() or not list(
        (checkout.results / "runs").rglob("status.json")
    )
