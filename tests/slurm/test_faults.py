"""Faults on a real SLURM: after each, the benchmark ends with the tables of an undisturbed run."""

import os
import signal
import time

import pandas as pd
import pytest

pytestmark = pytest.mark.workflow

# What may differ between two runs of the same: times, and where and with how much they ran.
DIFFERS = ["host", "n_gpus", "peak_rss_mb", "peak_gpu_mb"]


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


def wait_until(what, process, seconds=180):
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
    wait_until(
        lambda: "pca4 on tiny, seed 0: timeout: not done after 30 s" in on_cluster.said(), process
    )
    on_cluster.end_trouble(4)
    assert process.wait(300) == 0, on_cluster.said()

    assert_same_tables(on_cluster, undisturbed)
    said = on_cluster.said()
    assert "pca3 on tiny, seed 0: out_of_memory" in said
    assert "SLURM status is: 'CANCELLED'" in said
    assert [on_cluster.begun(number) for number in (3, 4, 5, 6)] == [2, 2, 2, 1]


def test_killed_and_called_again_it_waits_for_its_jobs_and_redoes_none(on_cluster, undisturbed):
    for number in (5, 6):
        on_cluster.trouble(number, "wait")
    process = on_cluster.submit("--jobs", "3")
    wait_until(lambda: on_cluster.begun(5) or on_cluster.begun(6), process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
