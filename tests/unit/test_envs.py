"""Conda environments: exact pins, the versions of the lock, and all that the rules' code imports."""

import os
import re

import pytest
import yaml

from scscope.cli.doctor import needs_of, needs_of_method
from scscope.figures import PANELS
from scscope.methods import METHODS
from tests.conftest import ROOT
from tests.workflow.conftest import Checkout

ENVS = sorted(ROOT.glob("envs/*.yaml"))
# Name on PyPI -> name on conda-forge, where they differ.
ON_CONDA = {"torch": "pytorch", "igraph": "python-igraph"}
# Name in `import` -> name on conda-forge, where they differ.
IMPORTED = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "scvi": "scvi-tools",
    "magic": "magic-impute",
}
IMPORTED |= ON_CONDA
FAMILIES = ("base", "torch-cpu", "torch-gpu", "scvi", "splatter")


def locked():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if re.match(r"[\w.-]+==", line))
    return {ON_CONDA.get(name.lower(), name.lower()): number for name, number in pins.items()}


def pinned(path):
    """Version of each package of an environment, PyTorch's builds under one name."""
    found = {}
    for entry in yaml.safe_load(path.read_text())["dependencies"]:
        match = re.fullmatch(r"([a-z0-9-]+) =(\d+(\.\d+)+)", entry)
        assert match, f"{path.name}: {entry!r} is not `name =1.2.3`"
        found[re.sub("^pytorch-(cpu|gpu)$", "pytorch", match[1])] = match[2]
    return found


def test_there_is_one_for_each_family():
    assert {path.stem for path in ENVS} == set(FAMILIES)


@pytest.mark.parametrize("path", ENVS, ids=lambda path: path.stem)
def test_form_and_versions(path):
    described = yaml.safe_load(path.read_text())
    assert set(described) == {"channels", "dependencies"}
    assert described["channels"] in (
        ["conda-forge", "nodefaults"],
        ["conda-forge", "bioconda", "nodefaults"],
    )
    packages, lock = pinned(path), locked()
    assert packages["python"] == "3.11"
    differ = {
        name: (number, lock[name])
        for name, number in packages.items()
        if lock.get(name, number) != number
    }
    assert not differ, "version here, version in requirements.lock"
    assert len({"numpy", "scipy", "h5py"} & set(packages)) == 3


def scripts_of(*names):
    return needs_of(*(ROOT / f"workflow/scripts/{name}.py" for name in names))


def of_methods(choose):
    return {need for name in METHODS if choose(name) for need in needs_of_method(METHODS[name])}


FIT = {*scripts_of("fit"), *needs_of("scscope.data")}
EVERY = ("simulate", "prepare", "evaluate", "gather", "draw", "write_report", "conclude")
OTHERS = ("scvi", "magic")


@pytest.mark.parametrize(
    ("family", "needs"),
    [
        (
            "base",
            {
                *scripts_of(*EVERY),
                *needs_of("scscope.cluster.phenograph", "scscope.simulate.splat"),
                *needs_of(*{panel.function.split(":")[0] for panel in PANELS.values()}),
            },
        ),
        ("base", FIT | of_methods(lambda name: not METHODS[name].uses_gpu and name not in OTHERS)),
        ("torch-cpu", FIT | of_methods(lambda name: METHODS[name].uses_gpu and name not in OTHERS)),
        ("torch-gpu", FIT | of_methods(lambda name: METHODS[name].uses_gpu and name not in OTHERS)),
        ("scvi", FIT | of_methods(lambda name: name in OTHERS) | {"scvi", "magic", "torch"}),
        ("splatter", {*scripts_of("simulate"), *needs_of("scscope.simulate.splatter"), "rpy2"}),
    ],
)
def test_an_environment_has_what_its_rules_import(family, needs):
    packages = pinned(ROOT / f"envs/{family}.yaml")
    # The runner's Snakemake is on the path of every script.
    missing = {IMPORTED.get(name, name) for name in needs - {"snakemake"}} - set(packages)
    assert not missing


def test_every_rule_that_computes_names_an_environment_that_exists():
    for path in ROOT.glob("workflow/rules/*.smk"):
        text = path.read_text()
        for rule in re.findall(r"^rule (\w+):(.*?)(?=^\w|\Z)", text, re.M | re.S):
            assert "conda:" in rule[1], rule[0]
        for name in re.findall(r'"\.\./\.\./envs/([^"{]*)\.yaml"', text):
            assert (ROOT / f"envs/{name}.yaml").exists(), name


def test_the_container_installs_the_lock():
    text = (ROOT / "envs/container.def").read_text()
    assert "requirements.lock" in text
    assert "python:3.11" in text


CONDA = """#!/bin/sh
case "$*" in
  *--version*) echo 'conda 25.1.0' ;;
  *config*) echo '{"get": {"channel_priority": "strict"}}' ;;
  *info*) echo '{"conda_version": "25.1.0", "platform": "linux-64", "conda_prefix": "PLACE"}' ;;
esac
"""


@pytest.mark.workflow
def test_snakemake_finds_the_environment_of_each_family(tmp_path, monkeypatch):
    checkout = Checkout(tmp_path)
    for name in ("conda", "bin/activate"):  # stands in for conda, which nothing is asked to install
        (tmp_path / "conda/bin").mkdir(parents=True, exist_ok=True)
        (tmp_path / "conda" / name).write_text(CONDA.replace("PLACE", f"{tmp_path}/conda"))
        (tmp_path / "conda" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/conda:{os.environ['PATH']}")
    checkout.config["methods"]["ae"] = {"use": "ae", "scale": "log"}
    checkout.config["studies"]["main"]["methods"].append("ae")
    said = checkout.run("--list-conda-envs", "--sdm", "conda")
    assert set(re.findall(r"^envs/([\w-]+)\.yaml", said, re.MULTILINE)) == {"base", "torch-cpu"}
