"""Time and memory of planning: `snakemake --dry-run` of the paper's config, and Snakemake's own share.

    python benchmarks/plan.py

Snakemake's own share is that of a workflow of as many jobs with the same files and nothing else: no
functions, no resources, and nothing of `workflow/rules/plan.smk`. Processor time of Snakemake and what
it starts, which others on the machine disturb less than time on the clock.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Filled in: number of seeds, of which each is ten datasets with seventeen methods.
BARE = """
DATASETS, METHODS, SEEDS = range(10), range(17), range({seeds})
FITTED = "status.json latent.npy fit.npz history.tsv".split()
DATA = ["data/{{dataset}}/seed_{{seed}}" + suffix for suffix in (".h5ad", ".targets.npz", ".json")]
ONE = "{{dataset}}/{{method}}/seed_{{seed}}"
RUN, SCORES = f"runs/{{ONE}}/", f"scores/{{ONE}}"

rule all:
    input:
        collect(
            [RUN + "latent.npy", RUN + "status.json", SCORES + ".clusters.npz", SCORES + ".tsv"],
            dataset=DATASETS, method=METHODS, seed=SEEDS,
        )
    localrule: True

rule simulate:
    output: DATA
    log: "logs/simulate/{{dataset}}/seed_{{seed}}.log"
    benchmark: "benchmarks/simulate/{{dataset}}/seed_{{seed}}.tsv"
    script: "nothing.py"

rule fit:
    input: DATA[:2]
    output: [RUN + name for name in FITTED]
    log: f"logs/fit/{{ONE}}.log"
    benchmark: f"benchmarks/fit/{{ONE}}.tsv"
    params: code="", method="", failures=0, retries=2, timed=False
    script: "nothing.py"

rule evaluate:
    input: DATA[:2], [RUN + name for name in FITTED if name != "history.tsv"]
    output: SCORES + ".tsv", SCORES + ".clusters.npz"
    log: f"logs/evaluate/{{ONE}}.log"
    benchmark: f"benchmarks/evaluate/{{ONE}}.tsv"
    params: code="", gives="", measures="", timed=False
    script: "nothing.py"
"""


def plan(name: str, folder: Path, *options: str | Path) -> int:
    """Plan once in `folder`, print what it took, and return the number of jobs."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules"]
    started = time.monotonic()
    with (folder / "said.txt").open("w") as file:
        process = subprocess.Popen(
            [*command, *map(str, options)], cwd=folder, stdout=file, stderr=file
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds, said = time.monotonic() - started, (folder / "said.txt").read_text()
    if status:
        raise SystemExit(said)
    jobs = int(re.findall(r"^total +(\d+)", said, re.MULTILINE)[-1])
    used = usage.ru_utime + usage.ru_stime
    print(
        f"{name}: {jobs} jobs, {used:.1f} s of processor time, {1000 * used / jobs:.2f} ms per job, "
        f"{seconds:.1f} s on the clock, peak {usage.ru_maxrss / 1024:.0f} MB",
        flush=True,
    )
    return jobs


def main() -> None:
    """Plan all three."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The config names files by paths from the root of the checkout.
        for part in ("config", "slurm"):
            (folder / part).symlink_to(ROOT / part)
        paper = ["-s", ROOT / "workflow/Snakefile", "--configfile", "config/config.yaml"]
        jobs = plan("the paper's config", folder, *paper)
        plan("the same with --profile slurm", folder, *paper, "--profile", "slurm")
        (folder / "nothing.py").touch()
        (folder / "Snakefile").write_text(BARE.format(seeds=round((jobs - 1) / (10 * 35))))
        options = ["--scheduler", "greedy", "--rerun-triggers", "mtime", "params", "input"]
        plan("Snakemake's own share", folder, *options, "software-env", "--cores", "1")


if __name__ == "__main__":
    main()
