"""What changes the fingerprint of code, tried on a copy of the library."""

import shutil
from pathlib import Path

import pytest

import scscope.fingerprint as module
from scscope.fingerprint import fingerprint

LIBRARY = Path(module.__file__).parent


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A copy of the library that a test may edit."""
    shutil.copytree(LIBRARY, tmp_path / "scscope", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "scscope")

    def forget():
        for function in (module.fingerprint, module._read):
            function.cache_clear()

    def edit(file, old, new):
        forget()
        path = tmp_path / "scscope" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    forget()
    yield edit
    forget()


SCSCOPE, PCA = "scscope.methods.scscope", "scscope.methods.pca"


def prints():
    return {name: fingerprint(name, "scscope.run.worker") for name in (SCSCOPE, PCA)}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        # Comments and docstrings change nothing.
        ("model.py", "WEIGHT_SD = 0.1  # truncated", "WEIGHT_SD = 0.1  # cut off", set()),
        ("model.py", '"""The scScope network', '"""The network', set()),
        (
            "train/loop.py",
            '"""Fit the network to the cells of `source`, in place.',
            '"""Fit.',
            set(),
        ),
        # A method's own code, or what it imports (inside a function, too), changes that method.
        ("model.py", "WEIGHT_SD = 0.1", "WEIGHT_SD = 0.2", {SCSCOPE}),
        ("train/loop.py", "WATCH = 100", "WATCH = 101", {SCSCOPE}),
        ("train/fused.c", "#include <math.h>", "#include <math.h> ", {SCSCOPE}),
        ("methods/pca.py", "n_latent: int = 50", "n_latent: int = 40", {PCA}),
        # What all methods are run by changes all.
        ("data.py", "BLOCK = 2_000", "BLOCK = 3_000", {SCSCOPE, PCA}),
        ("run/worker.py", 'PACKAGES = ("numpy",', 'PACKAGES = ("zlib",', {SCSCOPE, PCA}),
        # Registering a method, supervising, logging and scoring change no fit.
        ("methods/__init__.py", "METHODS = {", "OTHER = 1\nMETHODS = {", set()),
        ("run/supervisor.py", "PERIOD = 0.1", "PERIOD = 0.2", set()),
        ("log.py", "level=logging.INFO", "level=logging.DEBUG", set()),
        ("evaluate.py", '    "data_hash",', '    "hash",', set()),
    ],
)
def test_what_changes_a_methods_fingerprint(library, file, old, new, changed):
    before = prints()
    library(file, old, new)
    after = prints()
    assert {name for name in before if before[name] != after[name]} == changed


def test_where_data_are_fetched_from_changes_nothing(library, tmp_path):
    """Real sets verify what they read; a new address of a file must not rerun their fits."""
    importing = tmp_path / "prepare.py"
    importing.write_text("from scscope.datasets.checks import verify\nverify()\n")
    before = fingerprint(importing)
    library("datasets/catalogue.py", "MB = 10**6", "MB = 2**20")
    library("datasets/transfer.py", "MAX_REDIRECTS = 5", "MAX_REDIRECTS = 6")
    assert fingerprint(importing) == before


def test_a_table_that_a_panel_reads_counts(library, tmp_path):
    before = fingerprint("scscope.figures.figure_1"), fingerprint(PCA)
    library("figures/reference/fig1c.csv", "0.94,", "0.95,")
    assert fingerprint("scscope.figures.figure_1") != before[0]
    assert fingerprint(PCA) == before[1]


def test_what_numba_keeps_beside_the_code_does_not_count(library, tmp_path):
    before = fingerprint("scscope.simulate.splat")
    library("simulate/draws.py", "import math", "import math  # the same")
    cache = tmp_path / "scscope/simulate/__pycache__"
    cache.mkdir()
    (cache / "draws.nbi").write_bytes(b"compiled")
    assert fingerprint("scscope.simulate.splat") == before


def test_a_relative_import_is_refused_because_it_could_not_be_followed(library):
    library("methods/pca.py", "from scscope.data import Scaled", "from .fit import Fit")
    with pytest.raises(ValueError, match=r"pca.py, line \d+: import by the full name"):
        fingerprint(PCA)


def test_changing_code_back_gives_the_old_fingerprint(library):
    before = prints()
    library("model.py", "WEIGHT_SD = 0.1", "WEIGHT_SD = 0.2")
    library("model.py", "WEIGHT_SD = 0.2", "WEIGHT_SD = 0.1")
    assert prints() == before


def test_a_script_counts_with_what_it_imports(library, tmp_path):
    script = tmp_path / "draw.py"
    script.write_text('"""Draw."""\nfrom scscope.data import scaled\n')
    before = fingerprint(script)
    library("data.py", "BLOCK = 2_000", "BLOCK = 3_000")
    assert fingerprint(script) != before


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="No module 'scscope.modle' in the library"):
        fingerprint("scscope.modle")
