"""Running the workflow in a directory of its own, on a copy of the code that a test may edit."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/workflow/config.yaml"


class Checkout:
    """A copy of the code in a fresh directory, with a config, and Snakemake to run it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.results = folder / "results"
        ignore = shutil.ignore_patterns("*.pyc")  # what numba has compiled comes along
        for name in ("scscope", "workflow", "envs", "config", "examples"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignore)
        self.config = yaml.safe_load(TINY.read_text())

    def command(self, *options, target="all") -> list[str]:
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False))
        command = [sys.executable, "-m", "snakemake", target, "--cores", "2"]
        return [*command, "--configfile", "tiny.yaml", *map(str, options)]

    def snakemake(
        self, *options, target="all", PYTHONPATH="", timeout=300
    ) -> subprocess.CompletedProcess:
        """Run Snakemake; stdout and stderr come together in `stdout`."""
        return subprocess.run(
            self.command(*options, target=target),
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    def run(self, *options, target="all", timeout=300) -> str:
        """Run Snakemake to a good end and return what it said."""
        result = self.snakemake(*options, target=target, timeout=timeout)
        assert result.returncode == 0, result.stdout
        return result.stdout

    def plan(self) -> list[str]:
        """Jobs that a call would run now, "rule wildcards", without those that always follow."""
        said = self.run("--dry-run", "--quiet", "host")
        jobs = re.findall(r"^Job \d+: (.*)$", said, re.MULTILINE)
        return sorted(job for job in jobs if job.startswith(("Simulate", "Prepare", "Fit", "Eval")))

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    """A fresh copy in which nothing has run."""
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Checkout:
    """A copy in which the tiny config has run to the end. Tests leave it as they find it."""
    checkout = Checkout(tmp_path_factory.mktemp("finished"))
    checkout.said = checkout.run()
    return checkout


@pytest.fixture
def copy(finished, tmp_path) -> Checkout:
    """A copy of the finished one, results and all, that a test may change."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    checkout = Checkout.__new__(Checkout)
    checkout.__dict__.update(finished.__dict__, folder=tmp_path, results=tmp_path / "results")
    checkout.config = yaml.safe_load(TINY.read_text())
    return checkout
