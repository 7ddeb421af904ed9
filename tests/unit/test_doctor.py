"""`scscope doctor` says what is here without importing it, and its exit code what is missing."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scscope.cli import doctor, main
from scscope.methods import METHODS
from scscope.simulate import SIMULATORS


def facts(capsys, *arguments):
    assert main(["doctor", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_method_and_simulator_is_judged(capsys):
    found = facts(capsys)
    assert set(doctor.SIMULATORS) == set(SIMULATORS)
    assert {*METHODS, *SIMULATORS, "workflow", "slurm", "cuda", "R"} == set(found["abilities"])
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["memory_gb"] >= found["machine"]["memory_free_gb"] > 0
    for name, able in found["abilities"].items():
        assert able["ok"] is not bool(able["why"]), name
        assert able["ok"] or able["how"], name


def test_what_runs_in_the_tests_is_said_to_run(capsys):
    assert facts(capsys, "pca", "scscope", "splat", "workflow")["abilities"]["ae"]["ok"]


def test_a_missing_package_is_named_with_the_command_to_get_it(capsys, monkeypatch):
    there = doctor.find_spec
    monkeypatch.setattr(
        doctor, "find_spec", lambda name: None if name == "sklearn" else there(name)
    )
    assert main(["doctor", "pca"]) == 1
    said = capsys.readouterr()
    assert "pip install scikit-learn" in said.out
    assert "Missing: pca: no scikit-learn" in said.err
    assert main(["doctor"]) == 0  # nothing was asked for


def test_an_unknown_name_is_refused_with_the_known_ones(capsys):
    assert main(["doctor", "splater"]) == 2
    assert "Unknown name 'splater'. Known names: workflow, scscope" in capsys.readouterr().err


def test_an_import_whose_failure_is_caught_is_not_needed(tmp_path):
    code = "import json, numpy\ntry:\n    import fast\nexcept ImportError:\n    fast = None\ndef f():\n    import scvi.model\n"
    (tmp_path / "m.py").write_text(code)
    assert doctor.needs_of(tmp_path / "m.py") == ("numpy", "scvi")


def program(folder, name, says):
    (folder / name).write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A folder of programs, beside the shell's own."""
    for name in ("sh", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_nothing_there(path, capsys):
    abilities = facts(capsys)["abilities"]
    assert abilities["R"]["why"] == "no Rscript on the path"
    assert abilities["cuda"]["why"] == "no nvidia-smi"
    assert abilities["slurm"]["why"] == "no scontrol"
    assert abilities["splatter"]["why"].startswith("no r")


@pytest.mark.parametrize(
    ("accounting", "age", "why"),
    [
        ("slurmdbd", 60, ""),
        ("none", 300, ""),
        ("none", 120, "no accounts, and ended jobs leave the queue after 120 s"),
    ],
)
def test_a_queue_that_would_let_the_workflow_wait_for_ever_is_found(
    path, capsys, accounting, age, why
):
    config = f"AccountingStorageType = accounting_storage/{accounting}\nMinJobAge = {age} sec\nSLURM_VERSION = 22.05.8"
    program(path, "scontrol", config)
    program(path, "sinfo", "main* 1 nodes, gpu:2")
    found = facts(capsys)
    assert found["slurm"]["version"] == "22.05.8"
    assert found["abilities"]["slurm"]["why"] == why


def test_a_gpu_counts_only_if_pytorch_can_use_it(path, capsys):
    program(path, "nvidia-smi", "NVIDIA H100, 81559 MiB, 550.54")
    found = facts(capsys)
    import torch

    assert found["cuda"]["gpus"] == ["NVIDIA H100, 81559 MiB, 550.54"]
    assert found["abilities"]["cuda"]["ok"] == torch.cuda.is_available()


def test_it_imports_nothing_heavy():
    code = (
        "import sys; from scscope.cli import main; main(['doctor']); "
        "print([m for m in ('torch', 'scipy', 'anndata', 'pandas', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
