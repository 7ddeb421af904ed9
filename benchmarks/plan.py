"""Time and memory of planning: `snakemake --dry-run` of the paper's config, and of one of many jobs.

    python benchmarks/plan.py [--jobs 10000]

Processor time of Snakemake and what it starts, which others on the machine disturb less than time on the clock.
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def config_of(jobs: int) -> dict:
    """A config of about so many jobs: each fit has an evaluation."""
    tiny = yaml.safe_load((ROOT / "tests/workflow/config.yaml").read_text())
    methods = {
        f"pca{i}": {"use": "pca", "scale": "log", "params": {"n_latent": i}} for i in range(2, 22)
    }
    n_datasets = max(1, round(jobs / (10 * (2 * len(methods) + 1))))
    datasets = {f"tiny{i}": tiny["datasets"]["tiny"] for i in range(n_datasets)}
    study = tiny["studies"]["main"] | {
        "datasets": list(datasets),
        "methods": list(methods),
        "seeds": list(range(10)),
        "panels": [],
    }
    return {"datasets": datasets, "methods": methods, "studies": {"main": study}}


def plan(config: Path, folder: Path) -> None:
    """Plan once in a fresh folder, and print what it took."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all"]
    command += ["--snakefile", str(ROOT / "workflow/Snakefile"), "--directory", str(folder)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([*command, "--configfile", str(config)], capture_output=True, text=True)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    jobs = int(re.findall(r"^total +(\d+)", done.stdout + done.stderr, re.MULTILINE)[-1])
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{config.name}: {jobs} jobs, {used:.1f} s of processor time, {1000 * used / jobs:.2f} ms "
        f"per job, {seconds:.1f} s on the clock, peak {after.ru_maxrss / 1024:.0f} MB so far",
        flush=True,
    )


def main() -> None:
    """Plan both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan(ROOT / "config/config.yaml", Path(folder))
        many = Path(folder) / "many.yaml"
        many.write_text(yaml.safe_dump(config_of(args.jobs), sort_keys=False))
        plan(many, Path(folder))


if __name__ == "__main__":
    main()
