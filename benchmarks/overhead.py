"""What a job of the workflow costs beside the fit itself: programs that start, files that are read.

    python benchmarks/overhead.py --output overhead.tsv

Each method is fitted in the workflow with one job at a time, and its function is called twice in a
process of this script, on the same data: the second call is "the fit itself", with everything
imported and compiled. Overhead is the time of a job's script, as Snakemake measures it, less that.
Snakemake's own share per job is the time of a call with several jobs less that of a call with one,
by the jobs between them, less the time of the script.
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

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

COLUMNS = ("method", "seed", "job", "cpu", "child", "load", "fit", "impute", "itself", "overhead")
SPLAT = {"n_cells": 500, "n_genes": 500, "dropout_type": "experiment", "dropout_mid": 3}
METHODS = {
    "random": {"use": "random", "scale": "log"},
    "pca": {"use": "pca", "scale": "log"},
    "ae": {"use": "ae", "scale": "log", "params": {"max_epochs": 10}},
    "scscope": {"use": "scscope", "scale": "log", "params": {"max_epochs": 10}},
}
TARGETS = {"random": 1.5, "pca": 1.5, "ae": 2.5, "scscope": 2.5}  # seconds, at most


def snakemake(folder: Path, *targets: str) -> float:
    """Seconds of one call of the workflow, one job at a time."""
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "1"]
    started = time.perf_counter()
    subprocess.run(
        [*command, "--configfile", "overhead.json", "--quiet", "all"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def runs_of(method: str, seeds: range) -> list[str]:
    """Targets of the fits of a method."""
    return [f"results/runs/d/{method}/seed_{seed}/status.json" for seed in seeds]


def itself(folder: Path, method: str, seed: int) -> float:
    """Seconds of the method's function in a process that has called it before."""
    code = (
        "import json, sys, time; sys.path.insert(0, sys.argv[1]); "
        "from scscope.data import read_dataset, scaled; from scscope.methods import method_of; "
        "entry = json.loads(sys.argv[3]); method = method_of(entry['use']).load(); "
        "data = scaled(read_dataset(sys.argv[2]), entry['scale']); "
        "call = lambda: method(data, seed=1, device='cpu', **entry.get('params', {})); call(); "
        "started = time.perf_counter(); call(); print(time.perf_counter() - started)"
    )
    arguments = (ROOT, folder / f"results/data/d/seed_{seed}.h5ad", json.dumps(METHODS[method]))
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    return float(result.stdout)


def measure(folder: Path, method: str, n_jobs: int) -> tuple[list[dict], float]:
    """A row for each job, and Snakemake's share of a job in seconds."""
    one = snakemake(folder, *runs_of(method, range(1)))
    several = snakemake(folder, *runs_of(method, range(1, n_jobs + 1)))
    rows = []
    for seed in range(n_jobs + 1):
        benchmark = folder / f"results/benchmarks/fit/d/{method}/seed_{seed}.tsv"
        status = json.loads((folder / runs_of(method, range(seed, seed + 1))[0]).read_text())
        assert status["status"] == "ok", status
        row = {"method": method, "seed": seed, "child": status["seconds"]}
        values = dict(
            zip(*(line.split() for line in benchmark.read_text().splitlines()), strict=True)
        )
        row |= {"job": float(values["s"]), "cpu": float(values["cpu_time"])}
        row |= {name: status[f"seconds_{name}"] for name in ("load", "fit", "impute")}
        row["itself"] = itself(folder, method, seed)
        # Imputed values are part of what was asked for, and cost next to nothing here.
        row["overhead"] = row["job"] - row["itself"] - row["impute"]
        rows.append(row)
    scripts = [row["job"] for row in rows]
    share = (several - one - (sum(scripts[1:]) - scripts[0])) / (n_jobs - 1)
    return rows[1:], share


def main() -> None:
    """Measure, print a summary, write all values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=5, help="of each method (default: 5)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--output", type=Path, help="table of all values, .tsv")
    options = parser.parse_args()
    if options.jobs < 2:
        parser.error("--jobs must be at least 2.")

    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("scscope", "workflow", "envs"):
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        study = {"datasets": ["d"], "methods": options.methods, "seeds": [*range(options.jobs + 1)]}
        study |= {"metrics": ["ari"], "clusterers": ["kmeans"], "panels": []}
        config = {
            "datasets": {"d": {"source": "splat", "params": SPLAT}},
            "methods": {name: METHODS[name] for name in options.methods},
            "studies": {"overhead": study},
        }
        (folder / "overhead.json").write_text(json.dumps(config))
        snakemake(folder, *(f"results/data/d/seed_{seed}.h5ad" for seed in study["seeds"]))
        print("seconds, median of jobs: fit itself, overhead (target), Snakemake's share")
        for method in options.methods:
            found, share = measure(folder, method, options.jobs)
            rows += found
            half = len(found) // 2
            fit, cost = (sorted(row[key] for row in found)[half] for key in ("itself", "overhead"))
            print(
                f"{method:8} {fit:6.2f} {cost:6.2f} (< {TARGETS[method]}) {share:6.2f}", flush=True
            )
    if options.output:
        lines = ["\t".join(COLUMNS)]
        lines += [
            "\t".join(
                f"{row[c]:.3f}" if isinstance(row[c], float) else str(row[c]) for c in COLUMNS
            )
            for row in rows
        ]
        options.output.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
