"""What a short job costs: run here, submitted, submitted in groups, or all in one job of the queue.

    python benchmarks/submit.py --cpus 2

On a SLURM of one node on this machine, so as root and with `slurm-wlm` and `munge`. Simulations of 300
cells, each with a fit of the control `random` and its evaluation: work that takes less than a second.
Processor time is that of the whole machine, which should have nothing else to do; seconds per job are
those of the clock, times the number of cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.slurm.cluster import Cluster, missing

SHORT = ("simulate", "fit", "evaluate")
SPLAT = {"n_cells": 300, "n_genes": 200, "dropout_type": "experiment", "dropout_mid": 3}


def config_of(n_seeds: int) -> dict:
    """A study of `n_seeds` simulations, each with one fit."""
    study = {"datasets": ["d"], "methods": ["random"], "seeds": list(range(n_seeds))}
    return {
        "datasets": {"d": {"source": "splat", "params": SPLAT}},
        "methods": {"random": {"use": "random", "scale": "log"}},
        "studies": {"s": study | {"metrics": ["ari"], "clusterers": ["kmeans"], "panels": []}},
    }


def ways(cpus: int, group: int) -> dict[str, list[str]]:
    """Command of each way."""
    python = [sys.executable, "-m", "snakemake"]
    # A target before the options, of which some take several values.
    call = [*python, "all", "--configfile", "submit.json", "--quiet", "all"]
    grouped = ["--groups", *(f"{rule}=short" for rule in SHORT)]
    grouped += ["--group-components", f"short={group}", "--cores", "1"]
    here = [*call, "--cores", str(cpus)]
    inside = " ".join([*here, "--resources", f"mem_mb={4000 * cpus}"])
    alone = ["sbatch", "--wait", f"--cpus-per-task={cpus}", f"--mem={4000 * cpus}"]
    return {
        "here": here,
        "submitted, each by itself": [*call, "--profile", "slurm"],
        f"submitted, {group} simulations with all that follows": [
            *call,
            *("--profile", "slurm"),
            *grouped,
        ],
        "all in one job": [*alone, "--output=said.txt", f"--wrap={inside}"],
    }


def run(name: str, command: list[str], cluster: Cluster, options: argparse.Namespace) -> None:
    """Run the study from the beginning in one way, and print what it took."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ignore = shutil.ignore_patterns("__pycache__")
        for part in ("scscope", "workflow", "envs", "slurm"):
            shutil.copytree(ROOT / part, folder / part, ignore=ignore)
        (folder / "submit.json").write_text(json.dumps(config_of(options.simulations)))
        before, started = psutil.cpu_times(), time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env=cluster.environment, capture_output=True, text=True
        )
        seconds, after = time.perf_counter() - started, psutil.cpu_times()
        if done.returncode:
            said = folder / "said.txt"
            raise SystemExit(
                done.stdout + done.stderr + (said.read_text() if said.exists() else "")
            )
    jobs = len(SHORT) * options.simulations
    used = after.user + after.system - before.user - before.system
    print(
        f"{name}: {jobs} short jobs, {seconds:.0f} s on the clock, {seconds * options.cpus / jobs:.1f} s "
        f"of a core and {used / jobs:.1f} s of processor time each",
        flush=True,
    )


def main() -> None:
    """Take turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpus", type=int, default=os.cpu_count(), help="of the node")
    parser.add_argument("--simulations", type=int, default=16)
    parser.add_argument("--group", type=int, default=8, help="simulations in a group")
    options = parser.parse_args()
    if reason := missing():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory(prefix="slurm-") as place:
        cluster = Cluster(Path(place), options.cpus)
        try:
            cluster.start()
            for name, command in ways(options.cpus, options.group).items():
                run(name, command, cluster, options)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
