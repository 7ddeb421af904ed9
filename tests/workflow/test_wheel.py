"""The library as a wheel, in an environment that has only what it asks for."""

import subprocess
import sys
import venv

import pytest

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, pytestconfig):
    folder = tmp_path_factory.mktemp("wheel")
    command = ["build", "--wheel", "--no-isolation", "--outdir", folder, pytestconfig.rootpath]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_works_without_snakemake_scanpy_and_r(wheel, tmp_path):
    venv.create(tmp_path / "bare", with_pip=True)
    python = tmp_path / "bare/bin/python"
    # The version of the lock, which is at hand; any other would bring gigabytes of CUDA.
    install = [python, "-m", "pip", "install", "--quiet", "torch==2.13.0", wheel]
    subprocess.run(install, check=True, capture_output=True)
    code = """
import importlib.util, numpy as np, scscope
for absent in ("snakemake", "scanpy", "anndata", "rpy2", "sklearn", "matplotlib"):
    assert importlib.util.find_spec(absent) is None, absent
from scscope import ScScope
counts = np.random.default_rng(0).poisson(1.0, (50, 20))
model = ScScope(preset="paper", n_latent=4, max_epochs=1, seed=0).fit(counts)
assert model.transform(counts).shape == (50, 8)
print(scscope.__version__, scscope.__file__)
"""
    result = subprocess.run(
        [python, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert str(tmp_path / "bare") in result.stdout


def test_the_wheel_carries_the_tables_and_templates(wheel):
    names = subprocess.run(
        [sys.executable, "-m", "zipfile", "--list", wheel],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for file in ("scscope/figures/reference/fig1c.csv", "template.html.j2", "scscope/py.typed"):
        assert file in names
    assert "tests/" not in names
