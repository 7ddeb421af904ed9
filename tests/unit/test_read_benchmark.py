"""The stand-ins of benchmarks/read.py have the published formats, and it measures."""

import subprocess
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "read.py"


@pytest.mark.workflow
def test_every_stand_in_is_read(tmp_path):
    command = [sys.executable, PATH, "--quick", "--only", "ours", "two_passes"]
    folders = ["--folder", tmp_path, "--out", tmp_path / "out.tsv"]
    done = subprocess.run([*command, *folders], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head, *rows = (line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()[1:])
    rows = [dict(zip(head, row, strict=True)) for row in rows]
    assert {(row["set"], row["reader"]) for row in rows} == {
        *((name, "ours") for name in ("retina", "cbmc", "intestine", "mtx", "brain")),
        ("brain", "two_passes"),
    }
    assert all(float(row["seconds"]) > 0 and float(row["peak_mb"]) > 10 for row in rows)
    assert [path.name for path in tmp_path.iterdir()] == ["out.tsv"]  # stand-ins are gone
