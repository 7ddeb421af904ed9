"""A real SLURM: what is asked of it; and faults, after which the tables are those of an undisturbed run.

One file, because there can be one cluster at a time.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT
from tests.slurm.conftest import OnCluster

pytestmark = pytest.mark.workflow

# What may differ between two runs of the same: times, and where and with how much they ran.
DIFFERS = ["host", "load", "n_gpus", "peak_rss_mb", "peak_gpu_mb"]


def tables(checkout):
    """The three tables without what may differ."""
    for name in ("scores", "runs", "datasets"):
        path = checkout.results / f"tables/{name}.tsv"
        table = pd.read_csv(path, sep="\t", keep_default_na=False)
        drop = [column for column in table if column in DIFFERS or "seconds" in column]
        yield table.drop(columns=drop)


def assert_same_tables(checkout, undisturbed):
    for mine, theirs in zip(tables(checkout), tables(undisturbed), strict=True):
        assert len(mine)
        pd.testing.assert_frame_equal(mine, theirs)


def wait_until(what, process, seconds=300):
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, "Snakemake has ended"
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_memory_time_scancel_and_a_lost_node(on_cluster, undisturbed):
    on_cluster.trouble(3, "memory")  # more than its first attempt has
    for number in (4, 5, 6):
        on_cluster.trouble(number, "wait")
    process = on_cluster.submit()
    wait_until(lambda: all(map(on_cluster.begun, (3, 4, 5, 6))), process)
    on_cluster.cluster.call("scancel", on_cluster.job_of(5))
    on_cluster.end_trouble(5)
    on_cluster.cluster.stop_node()  # while fit 6 runs on it
    time.sleep(2)
    on_cluster.end_trouble(6)
    on_cluster.cluster.start_node()
    # Ended by its supervisor or, where starting took long, by SLURM.
    wait_until(lambda: on_cluster.job_of(4) is None, process)
    on_cluster.end_trouble(4)
    assert process.wait(300) == 0, on_cluster.said()

    assert_same_tables(on_cluster, undisturbed)
    assert "SLURM status is: 'CANCELLED'" in on_cluster.said()
    assert [on_cluster.begun(number) for number in (3, 4, 5, 6)] == [2, 2, 2, 1]


def test_what_no_attempt_is_enough_for_is_recorded_and_the_rest_stands(with_data, undisturbed):
    # However often: as much memory, and as little time.
    with_data.give(mem_mb=1000, runtime="1 if wildcards.method == 'pca4' else 30")
    with_data.trouble(3, "memory")
    for number in (4, 5):
        with_data.trouble(number, "wait")
    process = with_data.submit()
    for attempt in (1, 2, 3):
        wait_until(lambda: with_data.begun(5) == attempt, process)  # noqa: B023
        with_data.cluster.call("scancel", with_data.job_of(5))
    assert process.wait(300) == 1, with_data.said()  # for what has failed

    scores, runs, _ = tables(with_data)
    status = {"pca3": "out_of_memory", "pca4": "timeout", "pca5": "error", "pca6": "ok"}
    assert runs.set_index("method")["status"].to_dict() == status
    assert [with_data.begun(number) for number in (3, 4, 5, 6)] == [3, 3, 3, 1]
    message = runs.set_index("method")["message"]
    assert "give the job more memory" in message["pca3"]
    assert "not done after 30 s" in message["pca4"]
    assert "each of 3 attempts was ended from outside" in message["pca5"]
    failed = scores.query("method != 'pca6'")
    assert failed["status"].tolist() == failed["method"].map(status).tolist()
    assert set(failed["value"]) == {""}
    theirs = next(tables(undisturbed)).query("method == 'pca6'").reset_index(drop=True)
    mine = scores.query("method == 'pca6'").reset_index(drop=True).astype({"value": float})
    pd.testing.assert_frame_equal(mine, theirs)
    assert len(scores) == 4 * len(theirs)
    said = (with_data.results / "summary.txt").read_text()
    assert "4 runs: 1 ok, 3 failed (1 error, 1 out of memory, 1 timeout)" in said


def test_all_in_one_job_of_the_queue(with_data, undisturbed):
    """As docs/cluster.md says for short jobs."""
    options = ("--workflow-profile", "tight", "--resources", "mem_mb=8000", "gpu=0")
    ask = ("--wait", "--nodes=1", "--cpus-per-task=2", "--mem=8G", "--time=30")
    where = (f"--chdir={with_data.folder}", f"--output={with_data.folder}/said")
    command = shlex.join(with_data.command(*options))
    with_data.cluster.call("sbatch", *ask, *where, "--wrap", command)
    assert "SLURM jobid" not in with_data.said()
    assert_same_tables(with_data, undisturbed)


def test_evaluations_share_jobs(with_data, undisturbed):
    with_data.edit("slurm/site.yaml", "evaluations_per_job:", "evaluations_per_job: 2")
    process = with_data.submit()
    assert process.wait(300) == 0, with_data.said()
    assert with_data.said().count("SLURM jobid") == 4 + 4 / 2  # fits, and pairs of evaluations
    assert_same_tables(with_data, undisturbed)


def test_what_a_killed_call_left_in_a_group_is_waited_for(with_data, undisturbed):
    grouped = ("--groups", "fit=fits", "--group-components", "fits=4", "--cores", "1")
    with_data.trouble(5, "wait")
    process = with_data.start("--profile", "slurm", *grouped)
    wait_until(lambda: with_data.begun(5), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    with_data.run("--unlock")
    process = with_data.start("--profile", "slurm", *grouped)
    wait_until(lambda: "Waiting for 1 jobs of a former call" in with_data.said(), process)
    with_data.end_trouble(5)
    assert process.wait(300) == 0, with_data.said()
    assert_same_tables(with_data, undisturbed)
    assert [with_data.begun(number) for number in (3, 4, 5, 6)] == [1, 1, 1, 1]


def test_killed_and_called_again_it_waits_for_its_jobs_and_redoes_none(with_data, undisturbed):
    cluster = with_data.cluster
    for number in (5, 6):
        with_data.trouble(number, "wait")
    process = with_data.submit()
    wait_until(lambda: all(map(with_data.begun, (3, 4, 5, 6))), process)
    # What is submitted from now on has to wait in the queue: the evaluation of the other fits.
    cluster.call("scontrol", "update", "NodeName=localhost", "State=DRAIN", "Reason=test")
    wait_until(lambda: cluster.jobs(states="PENDING"), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    with_data.run("--unlock")
    process = with_data.submit()
    wait_until(lambda: "Waiting for 2 jobs of a former call" in with_data.said(), process)
    assert "Cancelling" in with_data.said()
    assert not cluster.jobs(states="PENDING")
    cluster.call("scontrol", "update", "NodeName=localhost", "State=RESUME")
    for number in (5, 6):
        with_data.end_trouble(number)
    assert process.wait(300) == 0, with_data.said()
    assert_same_tables(with_data, undisturbed)
    assert [with_data.begun(number) for number in (3, 4, 5, 6)] == [1, 1, 1, 1]
    assert "Nothing to be done" in with_data.run("--workflow-profile", "tight")
    # What a fit was made from is known although Snakemake was gone when it ended.
    with_data.config["methods"]["pca5"]["params"]["n_latent"] = 7
    assert with_data.plan() == ["Evaluate pca5 on tiny, seed 0", "Fit pca5 to tiny, seed 0"]


SCORES = "scores/tiny/pca5/seed_0.tsv"


def test_killed_without_a_queue_and_called_again_nothing_is_written_twice_at_one_time(
    with_data, undisturbed
):
    with_data.trouble(5, "wait")
    # Only Snakemake itself is killed: the fit that it had started goes on.
    process = with_data.start(target=f"results/{SCORES}")
    wait_until(lambda: with_data.begun(5), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    with_data.run("--unlock")
    process = with_data.start(target=f"results/{SCORES}")
    waiting = "pca5/seed_0.log: waiting for a process that does this job already"
    wait_until(lambda: waiting in with_data.said(), process)
    assert with_data.begun(5) == 1
    with_data.end_trouble(5)
    assert process.wait(300) == 0, with_data.said()
    assert (with_data.results / SCORES).read_text() == (undisturbed.results / SCORES).read_text()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of 64 megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def write_without_end(path):
    with path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            continue


def test_a_full_disk(with_data, undisturbed, small_disk):
    with_data.config["pathvars"] = {"results": str(small_disk)}
    options = ("--workflow-profile", "tight")
    shutil.copytree(with_data.results / "data", small_disk / "data")
    with pytest.raises(OSError, match="No space left"):
        write_without_end(small_disk / "ballast")
    target = f"{small_disk}/{SCORES}"
    result = with_data.snakemake(*options, target=target)
    assert result.returncode != 0
    assert "No space left on device" in result.stdout
    assert not (small_disk / SCORES).exists()

    (small_disk / "ballast").unlink()
    with_data.run(*options, target=target)
    assert (small_disk / SCORES).read_text() == (undisturbed.results / SCORES).read_text()


def ended_from_outside(checkout):
    """Let the supervisor of each fit be killed, as a scheduler does it."""
    checkout.edit(
        "scscope/methods/pca.py",
        "    meet_trouble(n_latent)",
        "    import os, signal\n\n    os.kill(os.getppid(), signal.SIGKILL)",
    )


def test_a_fit_whose_every_attempt_is_killed_is_recorded(with_data):
    ended_from_outside(with_data)
    target = "results/runs/tiny/pca5/seed_0/status.json"
    with_data.run("--workflow-profile", "tight", target=target)
    status = json.loads((with_data.folder / target).read_text())
    assert status["status"] == "error"
    assert "each of 3 attempts was ended from outside" in status["message"]
    # Is tried again by the next call, as what has failed is.
    assert with_data.plan() != []


FIT = "results/runs/tiny/two/seed_0"


def run_on_two_devices(undisturbed, folder, gpus):
    """Train a method with `n_devices: 2` through SLURM on a site with so many GPUs."""
    cluster = undisturbed.cluster
    checkout = OnCluster(folder, cluster)
    shutil.copytree(undisturbed.results / "data", checkout.results / "data")
    params = {"n_latent": 5, "max_epochs": 1, "n_devices": 2}
    checkout.config["methods"] = {"two": {"use": "scscope", "scale": "log", "params": params}}
    checkout.config["studies"]["main"]["methods"] = ["two"]
    site = yaml.safe_load((ROOT / "slurm/site.yaml").read_text())
    (folder / "slurm/site.yaml").write_text(yaml.safe_dump({**site, "gpus": gpus}))
    process = checkout.submit(target=f"{FIT}/status.json")
    assert process.wait(300) == 0, checkout.said()
    job = cluster.jobs(states="all")["rule_fit_deep_wildcards_tiny_two_0"]
    return checkout, cluster.call("scontrol", "show", "job", job)


def test_a_method_gets_gpus_where_the_site_has_some_and_gives_the_same_without(
    undisturbed, tmp_path_factory
):
    with_gpus, job = run_on_two_devices(undisturbed, tmp_path_factory.mktemp("gpus"), 2)
    assert "TresPerJob=gres:gpu:2" in job
    without, job = run_on_two_devices(undisturbed, tmp_path_factory.mktemp("none"), 0)
    assert "gpu" not in job
    status = [
        json.loads((each.folder / FIT / "status.json").read_text()) for each in (with_gpus, without)
    ]
    assert [each["n_gpus"] for each in status] == [2, 0]
    assert [each["device"] for each in status] == ["cpu", "cpu"]  # the GPUs are stand-ins
    assert (
        "finds none: it computes on the CPU"
        in (with_gpus.folder / "results/logs/fit/tiny/two/seed_0.log").read_text()
    )
    for name in ("latent.npy", "fit.npz"):
        assert (with_gpus.folder / FIT / name).read_bytes() == (
            without.folder / FIT / name
        ).read_bytes()


@pytest.fixture
def checkout(cluster, tmp_path):
    return OnCluster(tmp_path, cluster)


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"acount": "me"}, "site.yaml: unknown key 'acount'. Did you mean 'account'?"),
        ({"gpu_model": "a100"}, "site.yaml: `gpu_model` without GPUs"),
    ],
)
def test_a_mistake_in_the_site_is_refused(checkout, site, message):
    (checkout.folder / "slurm/site.yaml").write_text(yaml.safe_dump(site))
    result = checkout.snakemake("--dry-run")
    assert result.returncode != 0
    assert message in result.stdout
