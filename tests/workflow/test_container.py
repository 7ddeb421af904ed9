"""The image that the description of a cluster names: every job runs in it, through a stand-in for Apptainer."""

import os
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.workflow

# Notes how it is called, and runs the command where it is. What a real one binds into the container is
# found at its own place.
APPTAINER = """#!/bin/sh
[ "$1" = --version ] && echo 'apptainer version 1.3.6' && exit
echo "$@" >> {folder}/called
while [ "$1" != bash ]; do shift; done
PYTHONPATH={folder} exec "$@"
"""
TABLE, CARD = "results/tables/scores.tsv", "results/data/tiny/seed_0.json"


@pytest.fixture
def with_apptainer(checkout, monkeypatch):
    """A checkout with one method, on a machine with the stand-in."""
    program = checkout.folder / "bin/apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER.format(folder=checkout.folder))
    program.chmod(0o755)
    monkeypatch.setenv(
        "PATH", f"{program.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    checkout.config["studies"]["main"].update(methods=["pca"], panels=[])
    return checkout


def describe_site(checkout, **site):
    (checkout.folder / "slurm").mkdir(exist_ok=True)
    (checkout.folder / "slurm/site.yaml").write_text(yaml.safe_dump(site))


def calls(checkout):
    path = checkout.folder / "called"
    return path.read_text().splitlines() if path.exists() else []


def test_each_job_runs_in_the_image(with_apptainer):
    (with_apptainer.folder / "image.sif").touch()
    describe_site(with_apptainer, container="image.sif")
    with_apptainer.run("--sdm", "apptainer", "--apptainer-args=--nv", target=TABLE)
    called = calls(with_apptainer)
    assert len(called) == 4  # simulate, fit, evaluate, gather
    assert all(" --nv " in call and " image.sif bash -c " in call for call in called)
    assert "\tpca\t" in (with_apptainer.folder / TABLE).read_text()


def test_an_empty_one_changes_nothing(with_apptainer):
    describe_site(with_apptainer, container=None)
    with_apptainer.run("--sdm", "apptainer", target=CARD)
    assert calls(with_apptainer) == []
    # Named only now, and only for where Apptainer is used: nothing is made again.
    describe_site(with_apptainer, container="docker://of/some-registry")
    assert "Nothing to be done" in with_apptainer.run(target=CARD)
    assert "will be pulled" in with_apptainer.run("--sdm", "apptainer", "--dry-run", target=CARD)


def test_an_image_that_is_not_there_is_refused(checkout):
    describe_site(checkout, container="envs/scscope.sif")
    result = checkout.snakemake("--dry-run")
    assert result.returncode != 0
    assert "container: there is no file 'envs/scscope.sif'" in result.stdout
