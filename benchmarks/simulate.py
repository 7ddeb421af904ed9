"""Time and memory of the simulators: python benchmarks/simulate.py [--quick] [--out table.tsv].

Each job runs in a process of its own, in turns, so that all of them see the same machine; seconds
are medians over the rounds, without imports; memory is the largest resident set of the process.
R Splatter stands beside ours where rpy2 and splatter are installed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

GROUPS = {"group_prob": [0.3333333333, 0.3333333333, 0.3333333334]}
DROPOUT = {"dropout_type": "experiment", "dropout_mid": 3}


def in_memory(simulator: str, n_cells: int, n_genes: int) -> None:
    """Simulate a dataset of Fig. 1c's design in memory."""
    from scscope import simulate

    getattr(simulate, simulator)(n_cells=n_cells, n_genes=n_genes, **GROUPS, **DROPOUT, seed=0)


def to_disk(simulator: str, n_cells: int, n_genes: int) -> None:
    """Stream a dataset to a file, as the workflow's job does: card and targets too."""
    from scscope.data import TargetSampler, write_dataset
    from scscope.simulate.simlr import simlr_simulation
    from scscope.simulate.splat import splat_simulation

    shape = {"n_cells": n_cells, "n_genes": n_genes, "seed": 0}
    if simulator == "splat":
        simulation = splat_simulation(**shape, **GROUPS, **DROPOUT)
    else:
        rare = {"n_rare": 5, "rare_share": 0.0005}
        simulation = simlr_simulation(**shape, **rare, n_latent=20, dropout_rate=0.5)
    keep_true = simulator == "splat"
    with tempfile.TemporaryDirectory() as folder:
        sampler = TargetSampler(seed=0)
        path = Path(folder) / "data.h5ad"
        write_dataset(simulation.stream(), path, sampler=sampler, keep_true=keep_true)
        sampler.targets()


def warm_up(simulator: str) -> None:
    """Import, and start R, outside of what is timed."""
    in_memory("splat" if simulator == "simlr" else simulator, 40, 20)


JOBS = {"in_memory": in_memory, "to_disk": to_disk}


def measure(job: str, simulator: str, n_cells: int, n_genes: int) -> dict[str, float]:
    """Seconds, processor seconds and peak memory of one job in a process of its own."""
    code = [sys.executable, __file__, "--job", json.dumps([job, simulator, n_cells, n_genes])]
    done = subprocess.run(code, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def run_job(job: str, simulator: str, n_cells: int, n_genes: int) -> None:
    """What the process of one job does."""
    warm_up(simulator)
    cpu, wall = time.process_time(), time.perf_counter()
    JOBS[job](simulator, n_cells, n_genes)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mb": peak}))


def has_r() -> bool:
    """Whether R Splatter can stand beside ours."""
    from scscope.simulate.r import RMissingError, require_r

    try:
        require_r("splatter")
    except RMissingError as error:
        print(f"Without R: {error}", file=sys.stderr)
        return False
    return True


def main() -> None:
    """Measure all jobs and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the cells, one round")
    parser.add_argument("--rounds", type=int, default=3, help="how often each job is run")
    parser.add_argument("--only", nargs="*", default=[], help="jobs whose text has one of these")
    parser.add_argument("--out", type=Path, help="write the table here, too")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run_job(*json.loads(options.job))
        return

    jobs = [
        ("in_memory", "splat", 2_000, 500),
        ("in_memory", "splatter", 2_000, 500),
        ("in_memory", "splat", 5_000, 5_000),
        ("in_memory", "splatter", 5_000, 5_000),
        ("in_memory", "splat", 20_000, 5_000),
        ("in_memory", "splatter", 20_000, 5_000),
        ("to_disk", "splat", 100_000, 500),
        ("to_disk", "splat", 1_000_000, 500),
        ("to_disk", "simlr", 1_000_000, 500),
    ]
    rounds = 1 if options.quick else options.rounds
    if options.quick:
        jobs = [(job, simulator, max(40, cells // 100), g) for job, simulator, cells, g in jobs]
    if options.only:
        jobs = [
            job for job in jobs if any(word in " ".join(map(str, job)) for word in options.only)
        ]
    if any(simulator == "splatter" for _, simulator, *_ in jobs) and not has_r():
        jobs = [job for job in jobs if job[1] != "splatter"]
    results = {job: [] for job in jobs}
    for _ in range(rounds):
        for job in jobs:
            results[job].append(measure(*job))

    lines = [f"# {len(os.sched_getaffinity(0))} cores, {rounds} rounds"]
    lines.append("job\tsimulator\tcells\tgenes\tseconds\tcpu_seconds\tpeak_mb")
    for job, runs in results.items():
        medians = [
            statistics.median(run[name] for run in runs)
            for name in ("seconds", "cpu_seconds", "peak_mb")
        ]
        numbers = f"{medians[0]:.3f}\t{medians[1]:.3f}\t{medians[2]:.0f}"
        lines.append("\t".join(map(str, job)) + f"\t{numbers}")
    print("\n".join(lines))
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
