"""The scripts in examples/, by which programs of others are methods of the benchmark."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import yaml

from scscope.contract import simulated
from scscope.data import Targets, scaled
from scscope.errors import NotApplicable
from scscope.figures.style import COLOURS
from scscope.methods.own.command import command, run
from scscope.methods.own.entries import entry_errors, method_of_entry, use_of_entry
from scscope.methods.own.words import files_of_command
from tests.conftest import ROOT, need

SIMLR = ROOT / "examples/simlr.py"
METHODS = yaml.safe_load((ROOT / "config/config.yaml").read_text())["methods"]
NONE = Targets(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32))
# Writes its index where it is, and starts its eigenvectors anywhere, as the package does.
STAND_IN = """
import numpy as np
from scipy.sparse import diags, linalg

class SIMLR_LARGE:
    def __init__(self, rank, neighbours):
        assert neighbours == 30
        self.rank = rank

    def fit(self, X):
        open("test.ann", "x").close()
        A = diags(np.arange(1.0, 9))
        vectors = [linalg.eigsh(A, 1, which="LM")[1] for _ in range(16)]
        signs = sum(2**i for i, vector in enumerate(vectors) if vector[-1, 0] > 0)
        X = np.asarray(X)[:, : self.rank - 1]
        return None, np.hstack([X, np.full((len(X), 1), signs)]), None, None
"""


def simlr(data, folder, python=sys.executable, n_types=3):
    entry = METHODS["simlr"]
    words = entry["command"].replace("python3", python).replace("examples/simlr.py", str(SIMLR))
    return command(
        data, seed=5, device="cpu", folder=folder, threads=1, targets=NONE, words=words,
        exchange=entry["exchange"], gives=["latent"], values={"n_types": n_types}, search_path=None,
    )  # fmt: skip


@pytest.mark.parametrize("name", [name for name in METHODS if "command" in METHODS[name]])
def test_shipped_commands_name_scripts_that_are_there(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    entry = METHODS[name]
    assert not list(entry_errors(entry, []))
    named = [word for word in entry["command"].split() if word.startswith("examples/")]
    assert [str(path) for path in files_of_command(entry["command"])] == named
    assert method_of_entry(name, entry).gives == ("latent",)


@pytest.mark.parametrize("name", ["simlr", "simlr_on_20000", "zinbwave", "zinbwave_on_20000"])
def test_a_figure_takes_them_for_the_papers(name):
    assert use_of_entry(name, METHODS[name]) in COLOURS


def test_simlr_gets_the_cells_and_its_coordinates_come_back(tmp_path, monkeypatch):
    package = tmp_path / "packages/simlr_py3"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from .core import SIMLR_LARGE")
    (package / "core.py").write_text(STAND_IN)
    (package / "helper.py").write_text("def fast_pca(X, n): return X[:, ::-1][:, :n].toarray()")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.chdir(tmp_path)
    few, many = scaled(simulated(8, 5), "log"), scaled(simulated(8, 501), "log")
    found, again = (simlr(few, tmp_path / name).latent for name in ("few", "again"))
    np.testing.assert_allclose(found[:, :2], few.X[:, :2].toarray(), 1e-6)
    np.testing.assert_array_equal(found, again)  # and so are the signs of eigenvectors
    expected = many.X[:, :-3:-1].toarray()
    np.testing.assert_allclose(simlr(many, tmp_path / "many").latent[:, :2], expected, 1e-6)
    # Two fits at a time do not share the file.
    assert not (tmp_path / "test.ann").exists()
    assert (tmp_path / "few/exchange/output/test.ann").exists()


def test_simlr_itself(tmp_path):
    need("simlr", find_spec("simlr_py3") is not None, "pip install simlr-py3")
    data = scaled(simulated(200, 60), "log")
    latent = simlr(data, tmp_path / "a").latent
    assert latent.shape == (200, 3)
    assert np.isfinite(latent).all()
    np.testing.assert_array_equal(simlr(data, tmp_path / "b").latent, latent)


def test_where_simlr_is_missing_it_says_what_brings_it(tmp_path):
    alone = f"{sys.executable} -I -S"  # without installed packages
    with pytest.raises(NotApplicable, match="not installed for .*: `python3 -m pip install simlr"):
        simlr(scaled(simulated(8, 5), "log"), tmp_path, python=alone)


def test_where_r_is_missing_that_is_the_reason(tmp_path):
    (tmp_path / "path.txt").write_text(f"{tmp_path}\n")
    words = ["/bin/sh", str(ROOT / "examples/in_r.sh"), str(ROOT / "examples/zinbwave.R")]
    with pytest.raises(NotApplicable, match="R is not installed: there is no Rscript on the PATH"):
        run(words, str(tmp_path / "path.txt"))
