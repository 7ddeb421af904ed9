"""Time of a training step on a CPU, beside a plain PyTorch loop and the released code, in one run.

python benchmarks/train.py                               ours and a plain PyTorch loop, four jobs
python benchmarks/train.py --official PYTHON FOLDER      beside the released code, too
python benchmarks/train.py --compile                     beside torch.compile, too
python benchmarks/train.py --million                     a million cells, in memory and streamed
python benchmarks/train.py --accuracy                    scores of float32 beside bfloat16
python benchmarks/train.py --quick                       any of these at a size of seconds

PYTHON and FOLDER are what benchmarks/official.py needs: an interpreter that has TensorFlow, and a
checkout of the released code. Competitors take turns; the table has medians over the rounds, the
file of --raw every round. A step is all that happens for a minibatch: its cells are drawn and
gathered, then loss, gradient and update.
"""

import argparse
import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
from scipy import sparse

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True)
class Job:
    """Data and minibatches."""

    n_cells: int
    n_genes: int
    batch_size: int
    density: float  # share of values above 0

    def __str__(self):
        return f"{self.n_cells:,} x {self.n_genes:,}, {self.density:.0%}, batch {self.batch_size}"


JOBS = [
    Job(2_000, 500, 64, 0.5),
    Job(10_000, 1_000, 64, 0.5),
    Job(100_000, 1_000, 512, 0.5),
    Job(100_000, 1_000, 512, 0.1),
]
QUICK = [Job(300, 50, 64, 0.5), Job(600, 50, 128, 0.1)]
# Shape of 10x's 1.3 million brain cells at the paper's 1,000 genes. 7.2 % of all 28,000 genes' values
# are above 0 there; those of genes chosen for their variance are more often.
MILLION = Job(1_306_127, 1_000, 512, 0.10)
MILLION_QUICK = Job(20_000, 100, 512, 0.10)
ACCURACY = [("mid_2", "size_unit"), ("mid_4", "size_unit")]  # datasets of benchmarks/equivalence.py
ACCURACY_SEEDS, ACCURACY_EPOCHS = 10, 30
OURS = {"float32": "ours, float32", "bfloat16": "ours, bfloat16"}
FLOOR = "products alone"


def main() -> None:
    """Run what is asked for, and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--official", nargs=2, metavar=("PYTHON", "FOLDER"), help="time it, too")
    parser.add_argument("--compile", action="store_true", help="time torch.compile, too")
    parser.add_argument("--jobs", type=int, nargs="+", help="numbers of jobs, 1 is the first")
    parser.add_argument("--threads", type=int, help="of all; default: as `ScScope` chooses")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each competitor, each round")
    parser.add_argument("--raw", type=Path, metavar="TSV", help="append every round to this file")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--epochs", type=int, default=10, help="of the million cells")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--quick", action="store_true", help="sizes of seconds")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(million_part(**json.loads(options.child))))
    elif options.million:
        million(MILLION_QUICK if options.quick else MILLION, options.epochs, options.threads)
    elif options.accuracy:
        accuracy(options.quick)
    else:
        if options.quick:
            options.rounds, options.seconds = 2, 0.1
        jobs = QUICK if options.quick else JOBS
        for number, job in enumerate(jobs, start=1):
            if number in (options.jobs or range(1, len(jobs) + 1)):
                compare(job, options)


# ---- a step ----


def compare(job: Job, options: argparse.Namespace) -> None:
    """Time all competitors on a job, and print a table."""
    import torch

    from scscope.train.devices import threads_for, use_threads

    entries = job.batch_size * job.n_genes
    threads = options.threads or threads_for(entries, torch.get_num_threads())
    print(f"\n{job}, T = 2, {threads} thread(s)")
    with use_threads(threads):
        timers = competitors(job, options, threads)
        times: dict[str, list[float]] = {name: [] for name in timers}
        for _ in range(options.rounds):
            for name, timer in timers.items():
                times[name].append(timer())
    if options.raw:
        write_raw(options.raw, job, threads, times)
    for line in table(job, times):
        print(line)


def competitors(
    job: Job, options: argparse.Namespace, threads: int
) -> dict[str, Callable[[], float]]:
    """Functions that train for a while and give the seconds of a step, by name."""
    from scscope.sources import InMemory

    rng = np.random.default_rng(0)
    part = next(InMemory(made_up(job)).parts(rng, job.batch_size, "cpu"))

    def minibatch():
        return part.load(rng.choice(job.n_cells, job.batch_size, replace=False))[0]

    steps = {OURS[precision]: ours(job, precision, minibatch) for precision in OURS}
    steps[FLOOR] = products(job, minibatch)
    steps["plain PyTorch"] = plain(job, minibatch, compiled=False)
    if options.compile:
        steps["torch.compile"] = plain(job, minibatch, compiled=True)
    steps = {name: step for name, step in steps.items() if step is not None}
    timers = {name: timer_of(step, options.seconds) for name, step in steps.items()}
    if options.official:
        for n in sorted({threads, n_cores()}):
            timers[f"released code, {n} thread(s)"] = official(job, options, n)
    return timers


def ours(job: Job, precision: str, minibatch: Callable) -> Callable | None:
    """A step of this library; None where `precision` is not what it would do here."""
    from scscope.model import new_network
    from scscope.settings import settings_of
    from scscope.train.engine import gradient_of
    from scscope.train.loop import optimisers_of

    settings = settings_of("paper", precision=precision)
    network = new_network(job.n_genes, 1, settings, 0)
    (adam,) = optimisers_of(network, settings)
    gradient, reason = gradient_of(network, adam, settings, job.batch_size)
    print(f"  {OURS[precision]}: {reason}")
    if precision == "bfloat16" and "bfloat16 products" not in reason:
        return None

    def step():
        loss = gradient(minibatch(), None)
        adam.step()
        return loss

    return step


def products(job: Job, minibatch: Callable) -> Callable | None:
    """The matrix products of our step in float32 and nothing else."""
    from scscope.model import new_network
    from scscope.settings import settings_of
    from scscope.train.fused import Fused, Unsupported
    from scscope.train.loop import optimisers_of
    from scscope.train.program import PRODUCTS

    settings = settings_of("paper")
    network = new_network(job.n_genes, 1, settings, 0)
    (adam,) = optimisers_of(network, settings)
    try:
        engine = Fused(network, adam, settings)
    except Unsupported:
        return None
    x = minibatch()
    engine.can_sample = False
    engine.make_room(len(x))
    for recorder in engine.recorders:
        recorder.operations = [o for o in recorder.operations if o.kind in PRODUCTS]
        recorder.n_forward = len(recorder.operations)
    engine.programs = [engine.program_of(recorder) for recorder in engine.recorders]
    return lambda: engine(x)


def plain(job: Job, minibatch: Callable, *, compiled: bool) -> Callable:
    """The loop that one would write first: `nn.Module`, autograd, `torch.optim.Adam`."""
    import torch

    from scscope.model import new_network
    from scscope.settings import settings_of
    from scscope.train.gradient import loss_of

    settings = settings_of("paper")
    network = new_network(job.n_genes, 1, settings, 0)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)

    def loss_at(x):
        return loss_of(network(x), x, settings)

    if compiled:
        loss_at = torch.compile(loss_at)

    def step():
        optimiser.zero_grad()
        loss = loss_at(minibatch())
        loss.backward()
        optimiser.step()
        return loss

    return step


def timer_of(step: Callable, seconds: float) -> Callable[[], float]:
    """Median time of a step, over as many as fit into some seconds."""
    for _ in range(3):
        step()

    def timer() -> float:
        times, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 5:
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    return timer


def official(job: Job, options: argparse.Namespace, threads: int) -> Callable[[], float]:
    """The same of the released code, in a process of its own."""
    python, folder = options.official
    per_epoch = job.n_cells // job.batch_size
    steps = 30 if options.quick else max(100, int(1_000 * options.seconds * 64 / job.batch_size))
    command = [python, ROOT / "benchmarks" / "official.py", "time", "--official", folder]
    sizes = {
        "cells": job.n_cells,
        "genes": job.n_genes,
        "batch": job.batch_size,
        "density": job.density,
        "epochs": -(-steps // per_epoch),
        "threads": threads,
    }
    for name, value in sizes.items():
        command += [f"--{name}", str(value)]

    def timer() -> float:
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return json.loads(done.stdout)["median_seconds_per_step"]

    return timer


def table(job: Job, times: dict[str, list[float]]) -> list[str]:
    """Markdown: medians, and medians of the ratios of each round."""
    lines = [
        "| | ms per step | cells per second | float32 is faster by | bfloat16 is faster by "
        "| share of the products |",
        "|---|---|---|---|---|---|",
    ]
    for name, each in times.items():
        median = statistics.median(each)
        faster = [ratio(each, times[ours]) if ours in times else "" for ours in OURS.values()]
        share = ""
        if FLOOR in times and name != FLOOR:
            share = ratio(times[FLOOR], each)
        rate = job.batch_size / median
        lines.append(
            f"| {name} | {1e3 * median:.3f} | {rate:,.0f} | {' | '.join(faster)} | {share} |"
        )
    return lines


def ratio(times: list[float], others: list[float]) -> str:
    """Median of the ratios of each round."""
    return f"{statistics.median(t / o for t, o in zip(times, others, strict=True)):.2f}"


def write_raw(path: Path, job: Job, threads: int, times: dict[str, list[float]]) -> None:
    """Append one row for each competitor and round."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        if is_new:
            writer.writerow(["job", "threads", "round", "competitor", "ms_per_step"])
        for name, each in times.items():
            for number, seconds in enumerate(each):
                writer.writerow([job, threads, number, name, f"{1e3 * seconds:.4f}"])


def made_up(job: Job) -> sparse.csr_matrix:
    """Values of many sizes; genes differ in how often they are above 0, cells in how often, too."""
    rng = np.random.default_rng(0)
    of_gene = rng.gamma(0.7, 1, job.n_genes)
    indptr, indices, data = [0], [], []
    for start in range(0, job.n_cells, 10_000):
        of_cell = rng.lognormal(0, 0.4, min(10_000, job.n_cells - start))[:, None]
        chance = -np.log1p(-job.density) * of_cell * of_gene / of_gene.mean()
        chance *= job.density / np.mean(1 - np.exp(-chance))
        rows = sparse.csr_matrix(rng.random(chance.shape) < 1 - np.exp(-chance))
        indices.append(rows.indices.astype(np.int32))
        data.append(rng.gamma(2, 0.5, rows.nnz).astype(np.float32))
        indptr.extend(indptr[-1] + rows.indptr[1:].astype(np.int64))
    arrays = (np.concatenate(data), np.concatenate(indices), np.array(indptr))
    return sparse.csr_matrix(arrays, shape=(job.n_cells, job.n_genes))


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


# ---- a million cells ----


def million(job: Job, epochs: int, threads: int | None) -> None:
    """Fit it in memory and streamed, each in a process of its own, and print time and peak memory."""
    print(f"{job}, {epochs} epochs")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "million.h5ad"))
        asked = {"path": path, "job": vars(job), "epochs": epochs, "threads": threads}
        in_child(part="write", **asked)
        print("| | seconds | peak GB | engine | density |\n|---|---|---|---|---|")
        for part in ("in memory", "streamed"):
            result = in_child(part=part, **asked)
            print(
                f"| {part} | {result['seconds']:.0f} | {result['peak_gb']:.2f} "
                f"| {result['engine']}, {result['threads']} thread(s) | {result['density']:.1%} |",
                flush=True,
            )


def in_child(**arguments) -> dict:
    """What `million_part` gives in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def million_part(part: str, path: str, job: dict, epochs: int, threads: int | None) -> dict:
    """Write the data, or fit them and measure."""
    job = Job(**job)
    if part == "write":
        import anndata

        anndata.AnnData(made_up(job)).write_h5ad(path)
        return {}
    from scscope import ScScope

    model = ScScope(
        preset="paper",
        batch_size=job.batch_size,
        max_epochs=epochs,
        threads=threads,
        memory_mb=500 if part == "streamed" else None,
    )
    data = path if part == "streamed" else read_csr(path)
    start = time.perf_counter()
    model.fit(data)
    return {
        "seconds": time.perf_counter() - start,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "engine": model.record_["engine"],
        "threads": model.record_["threads"],
        "density": read_density(path),
    }


def read_csr(path: str) -> sparse.csr_matrix:
    """The matrix of an .h5ad file, and no more memory than it needs."""
    import h5py

    with h5py.File(path) as file:
        group = file["X"]
        arrays = (group["data"][:], group["indices"][:], group["indptr"][:])
        return sparse.csr_matrix(arrays, shape=tuple(group.attrs["shape"]))


def read_density(path: str) -> float:
    """Share of values above 0."""
    import h5py

    with h5py.File(path) as file:
        return file["X/data"].shape[0] / float(np.prod(file["X"].attrs["shape"], dtype=float))


# ---- float32 beside bfloat16 ----


def accuracy(quick: bool) -> None:
    """Scores of fits of both precisions to the same data, from the same initial weights.

    bfloat16 is computed even where the CPU has no instructions for it: that is slow, but rounds alike.
    """
    import pandas as pd
    from equivalence import MEASURES, fit_ours, sample, score

    rows = []
    seeds = range(2 if quick else ACCURACY_SEEDS)
    epochs = 2 if quick else ACCURACY_EPOCHS
    with tempfile.TemporaryDirectory() as folder:
        for dataset, scale in ACCURACY[: 1 if quick else None]:
            for seed in seeds:
                drawn = sample(dataset, scale, seed, None, Path(folder))
                for precision in OURS:
                    settings = {"max_epochs": epochs, "precision": precision}
                    with mock.patch("scscope.train.engine.has_bfloat16", return_value=True):
                        fit = fit_ours(drawn.scaled, settings, seed)
                    for row in score(fit, drawn, seed):
                        measure = MEASURES[row["clusterer"], row["metric"]]
                        keys = {"dataset": dataset, "scale": scale, "precision": precision}
                        rows.append({**keys, "measure": measure, "value": row["value"]})
    keys = ["dataset", "scale", "measure", "precision"]
    each = pd.DataFrame(rows).groupby(keys)["value"].agg(["mean", "std"])
    print(f"{len(seeds)} seeds, {epochs} epochs; mean ± standard deviation over seeds")
    print("| data, scale | measure | float32 | bfloat16 |\n|---|---|---|---|")
    for dataset, scale, measure in each.index.droplevel("precision").unique():
        cells = [
            "{:.3f} ± {:.3f}".format(*each.loc[(dataset, scale, measure, precision)])
            for precision in OURS
        ]
        print(f"| {dataset}, {scale} | {measure} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
