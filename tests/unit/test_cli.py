"""The commands as a user types them, most of them in this process."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import warnings
from dataclasses import fields
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)

import scscope.sources
from scscope import ScScope
from scscope.cli import main
from scscope.cli import model as commands
from scscope.cli.scaling import learn
from scscope.data import ROUNDED, SCALES, Dataset, scaled
from scscope.errors import Diverged
from scscope.inputs import read_input
from scscope.settings import PRESETS, Settings

ROOT = Path(__file__).parents[2]
N_CELLS, N_GENES = 120, 40
QUICK = ["--n-latent", "3", "--max-epochs", "2"]
FIT = ["fit", "counts.h5ad", "-o", "out.h5ad", *QUICK]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with counts.h5ad and counts.zarr: three groups, two donors."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    group = rng.integers(3, size=N_CELLS)
    rate = rng.gamma(1.0, size=(3, N_GENES))[group]
    data = anndata.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    data.var_names = [f"gene{number}" for number in range(N_GENES)]
    data.obs["cell_type"] = np.array(["B", "T", "NK"])[group]
    data.obs["donor"] = np.array(["x", "y"])[np.arange(N_CELLS) % 2]
    data.obsm["X_pca"] = np.c_[group, rng.normal(size=(N_CELLS, 4))]
    data.obsm["X_noise"] = rng.normal(size=(N_CELLS, 5))
    data.layers["doubled"] = data.X * 2
    data.uns["kept"] = {"a": 1}
    data.write_h5ad(folder / "counts.h5ad")
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of a later default
        data.write_zarr(folder / "counts.zarr")
    return folder


@pytest.fixture
def here(files, tmp_path, monkeypatch):
    """An empty current folder but for counts.h5ad."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(files / "counts.h5ad", "counts.h5ad")
    return tmp_path


@pytest.fixture
def said(capsys):
    """Run a command to a good end: what it printed."""

    def run(*argv):
        assert main(list(map(str, argv))) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def lines_of(text):
    """Two columns as a dict."""
    return dict(line.split("  ", 1) for line in text.splitlines() if "  " in line)


def values_of(text):
    return {name: value.strip() for name, value in lines_of(text).items()}


# --- the real command


def start(*argv):
    """The command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "scscope", *argv],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Jobs in the background, such as a test run may be, ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_every_command_in_a_process_of_its_own(here):
    fit = start(*FIT)
    out, err = fit.communicate(timeout=120)
    assert fit.returncode == 0, err
    assert "max_epochs" in out
    score = ["score", "out.h5ad", "--obsm", "X_scscope", "--label", "cell_type"]
    started = [
        (start("info", "out.model"), "gene0, gene1, gene2"),
        (start("transform", "out.model", "counts.h5ad", "-o", "new.h5ad"), "120 x 6"),
        (start("impute", "out.model", "counts.h5ad", "-o", "imputed.h5ad"), "imputed.h5ad"),
        (start(*score), "best resolution (oracle) *"),
    ]
    for process, words in started:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert words in out
        assert "Traceback" not in err


def test_an_interrupted_fit_leaves_a_checkpoint_and_goes_on_from_it(here):
    argv = [*FIT, "--scale", "log", "--checkpoint", "kept", "--checkpoint-seconds", "0"]
    process = start(*argv, "--max-epochs", "1000000")
    deadline = time.monotonic() + 60
    while not Path("kept/checkpoint.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("scscope: Training was broken off.")
    assert "'kept'" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert sorted(os.listdir()) == ["counts.h5ad", "kept"]

    facts = json.loads(Path("kept/checkpoint.json").read_text())
    epochs = facts["facts"]["state"]["epoch"] + 3
    assert main([*argv, "--max-epochs", str(epochs)]) == 0
    assert ScScope.load("out.model").record_["epochs"] == epochs


def test_the_installed_command_is_main():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"scscope": f"{main.__module__}:{main.__name__}"}


def test_help_needs_nothing_heavy():
    code = """
import sys, scscope.cli
try: scscope.cli.main(["fit", "--help"])
except SystemExit: pass
print(*(name for name in sys.modules if "." not in name), file=sys.stderr)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "--learning-rate" in result.stdout
    heavy = {"torch", "anndata", "sklearn", "scipy", "numpy", "pandas", "h5py", "igraph", "zarr"}
    assert heavy & set(result.stderr.split()) == set()


# --- fit, transform, impute, info


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_fit_writes_what_the_library_gives_and_keeps_all_else(files, tmp_path, said, suffix):
    source, out = files / f"counts{suffix}", tmp_path / f"out{suffix}"
    before = sorted(os.listdir(files))
    printed = values_of(said("fit", source, "-o", out, "--seed", 3, *QUICK))

    read = anndata.read_h5ad if suffix == ".h5ad" else anndata.read_zarr
    result, original = read(out), read(source)
    model = ScScope(n_latent=3, max_epochs=2, seed=3).fit(source)
    np.testing.assert_array_equal(result.obsm["X_scscope"], model.transform())
    again = ScScope.load(tmp_path / "out.model")
    np.testing.assert_array_equal(again.transform(source), model.transform())
    assert printed["stopped"] == "max_epochs"
    assert printed["epochs"] == "2"
    assert printed["scale"] == "none (values as they are given)"
    assert float(printed["seconds"]) >= 0

    note = result.uns.pop("scscope")
    assert note["scale"] == "none"
    assert json.loads(note["settings"])["n_latent"] == 3
    del result.obsm["X_scscope"]
    assert_same(result, original)
    assert sorted(os.listdir(files)) == before
    assert set(os.listdir(tmp_path)) == {"out.model", f"out{suffix}"}


def assert_same(data, other):
    np.testing.assert_array_equal(data.X.toarray(), other.X.toarray())
    assert data.uns == other.uns
    assert data.obs.equals(other.obs)
    assert data.var.equals(other.var)
    for part in ("obsm", "layers"):
        one, two = getattr(data, part), getattr(other, part)
        assert set(one) == set(two)
        for name in one:
            assert (one[name] != two[name]).sum() == 0


def test_a_file_without_obsm_and_uns_gets_them(here, said):
    with h5py.File("counts.h5ad") as source, h5py.File("bare.h5ad", "w") as file:
        file.attrs.update(source.attrs)
        for name in ("X", "obs", "var"):
            source.copy(name, file)
    said("fit", "bare.h5ad", "-o", "out.h5ad", *QUICK)
    with warnings.catch_warnings(action="error"):
        assert anndata.read_h5ad("out.h5ad").obsm["X_scscope"].shape == (N_CELLS, 6)


def test_layer_and_batch_key_are_those_of_the_model(here, said):
    said(*FIT, "--layer", "doubled", "--batch-key", "donor")
    model = ScScope(n_latent=3, max_epochs=2, layer="doubled", batch_key="donor")
    expected = model.fit("counts.h5ad").transform()
    said("transform", "out.model", "counts.h5ad", "-o", "new.h5ad", "--key", "X_new")
    for name, key in (("out", "X_scscope"), ("new", "X_new")):
        np.testing.assert_array_equal(anndata.read_h5ad(f"{name}.h5ad").obsm[key], expected)
    printed = values_of(said("info", "out.model"))
    assert printed["batches"] == "x, y (obs 'donor')"
    assert printed["layer"] == "doubled"
    assert printed["genes"] == "40: gene0, gene1, gene2, ..."


def test_every_setting_is_an_option_with_its_type_and_a_word_of_help(here, said):
    assert set(commands.HELP) == {field.name for field in fields(Settings)}
    options = {
        "n-latent": "4",
        "encoder-layers": "16,8",
        "learning-rate": "0.01",
        "loss": "norm",
        "precision": "bfloat16",
    }
    argv = [part for name, value in options.items() for part in (f"--{name}", value)]
    said(*FIT, "--preset", "package", *argv, "--no-use-mask", "--no-separate-batch-step")
    found = ScScope.load("out.model").settings
    for name, value in {
        "n_latent": 4,
        "encoder_layers": (16, 8),
        "learning_rate": 0.01,
        "loss": "norm",
        "precision": "bfloat16",
        "use_mask": False,
        "separate_batch_step": False,
    }.items():
        assert getattr(found, name) == value
    assert found.beta1 == PRESETS["package"].beta1


def test_the_scales_are_those_of_the_benchmark():
    # Rounded ones are for count models.
    assert set(commands.SCALES) == set(SCALES) - {"counts", "log_counts", *ROUNDED} | {"none"}


@pytest.mark.parametrize("scale", ["size", "log", "size_unit", "log_unit"])
@pytest.mark.parametrize("memory_mb", [None, 0.001])
def test_a_scale_means_the_same_as_in_the_benchmark(here, said, monkeypatch, scale, memory_mb):
    monkeypatch.setattr(scscope.sources, "CHUNK_VALUES", 50 * N_GENES)  # three pieces
    original = anndata.read_h5ad("counts.h5ad")
    names = {"cells": original.obs_names, "genes": original.var_names}
    dataset = Dataset(original.X, **names, values="counts", label=None, batch=None, hash="")
    expected = scaled(dataset, scale)

    given = read_input("counts.h5ad", memory_mb=memory_mb)
    scaling = learn(given.source, scale)
    np.testing.assert_allclose(scaling(original.X).toarray(), expected.X.toarray(), rtol=1e-6)

    limit = [] if memory_mb is None else ["--memory-mb", memory_mb]
    said(*FIT, "--scale", scale, "--max-epochs", 0, *limit)
    latent = ScScope(n_latent=3, max_epochs=0).fit(expected.X).transform()
    result = anndata.read_h5ad("out.h5ad")
    np.testing.assert_allclose(result.obsm["X_scscope"], latent, rtol=1e-4, atol=1e-6)
    assert result.uns["scscope"]["scale"] == scale
    assert (result.X != original.X).nnz == 0
    assert scale in values_of(said("info", "out.model"))["scale"]


def test_new_cells_are_scaled_like_those_of_the_training_by_gene_name(here, said):
    said(*FIT, "--scale", "size_unit")
    data = anndata.read_h5ad("counts.h5ad")
    order = np.random.default_rng(1).permutation(N_GENES)
    data[::3, order].write_h5ad("few.h5ad")
    said("transform", "out.model", "few.h5ad", "-o", "new.h5ad")
    whole = anndata.read_h5ad("out.h5ad").obsm["X_scscope"]
    new = anndata.read_h5ad("new.h5ad").obsm["X_scscope"]
    np.testing.assert_allclose(new, whole[::3], rtol=1e-4, atol=1e-6)


def test_impute_writes_the_models_values_on_its_scale(here, said):
    said(*FIT, "--scale", "log")
    assert "log" in said("impute", "out.model", "counts.h5ad", "-o", "imputed.h5ad")
    result = anndata.read_h5ad("imputed.h5ad")
    data = anndata.read_h5ad("counts.h5ad")
    data.X = learn(read_input("counts.h5ad").source, "log")(data.X)
    cells, genes = np.indices(data.shape).reshape(2, -1)
    expected = ScScope.load("out.model").impute(cells, genes, data).reshape(data.shape)
    np.testing.assert_allclose(result.X, expected, rtol=1e-5, atol=1e-6)
    assert list(result.var_names) == list(data.var_names)
    assert list(result.obs_names) == list(data.obs_names)
    assert result.uns["scscope"]["scale"] == "log"


def test_overwrite_replaces_even_the_input(here, said):
    said(*FIT)
    first = anndata.read_h5ad("out.h5ad").obsm["X_scscope"]
    said("fit", "out.h5ad", "-o", "out.h5ad", "--overwrite", "--seed", 1, *QUICK)
    again = anndata.read_h5ad("out.h5ad")
    assert not np.allclose(again.obsm["X_scscope"], first)
    assert again.uns["kept"] == {"a": 1}
    assert ScScope.load("out.model").seed == 1


def test_a_warning_is_one_line(here, capsys):
    assert main([*FIT, "--n-latent", "50"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert (
        "scscope: warning: `n_latent` = 50 is more than the 40 genes of the data: the codes compress nothing."
        in lines
    )


def test_a_real_file(test_data, tmp_path, said):
    source = test_data / "labelled/kang_pbmc_stim_ctrl_2000.h5ad"
    argv = ["--batch-key", "batch", "--scale", "log", "--max-epochs", 0]
    printed = values_of(said("fit", source, "-o", tmp_path / "out.h5ad", *argv))
    assert printed["data"].endswith("2,000 cells x 9,015 genes")
    assert ScScope.load(tmp_path / "out.model").batches_.tolist() == ["ctrl", "stim"]


# --- cluster


def test_cluster_writes_the_labels_of_the_clusterer(here, said):
    from scscope.cluster import phenograph

    printed = values_of(said("cluster", "counts.h5ad", "--key", "X_pca", "-o", "c.csv", "--k", 10))
    latent = anndata.read_h5ad("counts.h5ad").obsm["X_pca"]
    expected = phenograph(latent, 10, seed=0)
    names, labels = np.loadtxt("c.csv", delimiter=",", skiprows=1, dtype=str, unpack=True)
    assert labels.astype(int).tolist() == expected.labels.tolist()
    assert names.tolist() == [str(number) for number in range(N_CELLS)]
    assert printed["clusters"] == str(expected.n_clusters)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--clusterer", "leiden", "--min-size", "3"],
            "leiden has no --min-size. It takes: --seed",
        ),
        (["--key", "X_none"], "X_none"),
        (["--key", "X_pca", "--k", "500"], "500"),
        (["--key", "X_pca", "-o", "none/c.csv"], "There is no folder 'none'"),
        (["--key", "X_pca", "-o", "c.h5ad"], "'c.h5ad' must end in .npy or .csv or .tsv"),
    ],
)
def test_cluster_refuses_in_one_line(here, capsys, argv, message):
    assert main(["cluster", "counts.h5ad", "-o", "c.csv", *argv]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("c.csv").exists()


# --- what the documentation shows


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md"])
def test_every_command_of_the_documentation_works(here, said, page):
    data = anndata.read_h5ad("counts.h5ad")
    data.layers["counts"] = data.X
    data.obsm["X_mine"] = data.obsm["X_noise"]
    for name in ("counts", "new", "mine"):
        data.write_h5ad(f"{name}.h5ad")
    data.obs[["cell_type"]].to_csv("labels.csv")
    data.obsm.to_df()[["X_pca1", "X_pca2"]].to_csv("latent.csv")

    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines()]
    commands = [
        shlex.split(line, comments=True) for line in commands if line.startswith("scscope ")
    ]
    assert {"fit", "transform", "score"} <= {command[1] for command in commands}
    for command in commands:
        said(*command[1:])


# --- errors


def no_training(*args, **kwargs):
    raise AssertionError("training has begun")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fit", "none.h5ad", "-o", "o.h5ad"], "There is no file 'none.h5ad'."),
        (["fit", "there.txt", "-o", "o.txt"], "'there.txt' cannot be read: known are .h5ad, .zarr."),
        (["fit", "broken.h5ad", "-o", "o.h5ad"], "'broken.h5ad' is not an AnnData file"),
        (["fit", "old.h5ad", "-o", "o.h5ad"], "written by an anndata before 0.7"),
        (["fit", "matrix.h5ad", "-o", "o.h5ad"], "not an AnnData file: it has no `obs`"),
        (["fit", "counts.h5ad", "-o", "o.zarr"], "'o.zarr' must end in .h5ad"),
        (["fit", "counts.h5ad", "-o", "no/o.h5ad"], "There is no folder 'no' for 'o.h5ad'"),
        (["fit", "counts.h5ad", "-o", "there.txt/o.h5ad"], "there.txt is a file, so"),
        (["fit", "counts.h5ad", "-o", "counts.h5ad"], "'counts.h5ad' exists: choose another name"),
        ([*FIT, "--model", "full"], "'full' exists: choose another name, or replace it"),
        ([*FIT, "--model", "full", "--overwrite"], "holds more than a model, such as 'thesis.tex'"),
        ([*FIT, "--model", "there.txt", "--overwrite"], "'there.txt' is a file"),
        ([*FIT, "--model", "m", "--checkpoint", "m"], "cannot hold both the model and its checkpoint"),
        ([*FIT, "--key", "X_pca"], "has an obsm 'X_pca': choose another --key"),
        ([*FIT, "--layer", "double"], "No layer 'double' in 'counts.h5ad'. Did you mean 'doubled'?"),
        ([*FIT, "--batch-key", "doner"], "Did you mean 'donor'? There: cell_type, donor."),
        ([*FIT, "--n-latent", "0"], "`n_latent` must be an integer of at least 1, got 0"),
        ([*FIT, "--seed", "-1"], "`seed` must be an integer of at least 0"),
        (["transform", "none", "counts.h5ad", "-o", "o.h5ad"], "There is no model 'none'"),
        (["transform", "full", "counts.h5ad", "-o", "o.h5ad"], "There is no model in 'full'"),
        (["info", "there.txt"], "There is no model 'there.txt': it must be a folder."),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_one_line_before_work_starts(
    here, capsys, monkeypatch, argv, message
):
    Path("there.txt").write_text("")
    Path("broken.h5ad").write_text("no HDF5")
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("")
    with h5py.File("old.h5ad", "w") as file:
        file["obs"] = file["var"] = np.zeros(3, dtype=[("index", "S3")])
    with h5py.File("matrix.h5ad", "w") as file:
        file["X"] = np.zeros((3, 3))
    before = sorted(map(str, here.rglob("*")))
    monkeypatch.setattr(ScScope, "fit", no_training)

    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scscope: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(map(str, here.rglob("*"))) == before


@pytest.mark.parametrize("scale", ["none", "log"])
def test_bad_values_are_refused_and_nothing_is_left(here, capsys, scale):
    data = anndata.read_h5ad("counts.h5ad")
    data.X[0, 0] = -1
    data.write_h5ad("bad.h5ad")
    assert main(["fit", "bad.h5ad", "-o", "out.h5ad", "--scale", scale]) == 2
    assert "negative values (smallest -1)" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["bad.h5ad", "counts.h5ad"]


def test_mostly_empty_cells_have_no_size(here, capsys):
    data = anndata.read_h5ad("counts.h5ad")
    data.X = data.X.multiply(np.arange(N_CELLS)[:, None] > N_CELLS // 2).tocsr()
    data.write_h5ad("bad.h5ad")
    assert main(["fit", "bad.h5ad", "-o", "out.h5ad", "--scale", "size"]) == 2
    assert "At least half of the 120 cells hold no counts" in capsys.readouterr().err


def test_other_genes_are_named(here, capsys, said):
    said(*FIT, "--scale", "log")
    data = anndata.read_h5ad("counts.h5ad")
    data[:, 1:].write_h5ad("fewer.h5ad")
    assert main(["transform", "out.model", "fewer.h5ad", "-o", "new.h5ad"]) == 2
    assert "lack 1 gene: gene0" in capsys.readouterr().err
    assert not Path("new.h5ad").exists()


@pytest.mark.parametrize("file", ["model.json", "scale.json"])
def test_a_damaged_model_is_refused(here, capsys, said, file):
    said(*FIT, "--scale", "log")
    path = Path("out.model") / file
    path.write_text(path.read_text().replace('"facts": {', '"facts": {"extra": 1,', 1))
    assert main(["info", "out.model"]) == 2
    assert "is damaged or was changed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (Diverged("The loss is nan."), 1, "scscope: error: The loss is nan.\n"),
        (OSError(28, "No space left"), 1, "scscope: error: [Errno 28] No space left\n"),
        (MemoryError("12 GB"), 1, "scscope: error: There is not enough memory. 12 GB\n"),
        (KeyboardInterrupt(), 130, "scscope: Interrupted.\n"),
        (ModuleNotFoundError(name="igraph"), 1, "pip install 'scscope[cli]'"),
    ],
)
def test_what_fails_fails_in_one_line(here, capsys, monkeypatch, error, code, message):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(ScScope, "fit", fail)
    assert main(FIT) == code
    assert message in capsys.readouterr().err
    assert os.listdir() == ["counts.h5ad"]


def test_a_disk_that_is_full_at_the_end_leaves_the_model_but_no_half_file(here, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left")

    monkeypatch.setattr("scscope.cli.files.write_into", fail)
    assert main(FIT) == 1
    assert sorted(os.listdir()) == ["counts.h5ad", "out.model"]


def test_debug_shows_where_an_error_comes_from(here):
    with pytest.raises(ValueError, match="exists"):
        main(["fit", "counts.h5ad", "-o", "counts.h5ad", "--debug"])


def test_an_error_that_nobody_expected_is_not_dressed_up(here, monkeypatch):
    def fail(*args, **kwargs):
        raise KeyError("a fault of the program")

    monkeypatch.setattr(ScScope, "fit", fail)
    with pytest.raises(KeyError, match="a fault of the program"):
        main(FIT)


def test_a_missing_package_is_missed_before_training(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "anndata.io", None)
    monkeypatch.setattr(ScScope, "fit", no_training)
    assert main(FIT) == 1
    assert "needs the package 'anndata" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["fitt"], [*FIT, "--n-latnt", "3"], [*FIT, "--n-la", "3"]])
def test_unknown_commands_and_options_are_refused(here, argv):
    with pytest.raises(SystemExit) as exit:
        main(argv)
    assert exit.value.code == 2


# --- score

SCORE = ["score", "counts.h5ad", "--obsm", "X_pca", "--label", "cell_type"]


def read_tsv(path):
    header, *rows = (line.split("\t") for line in Path(path).read_text().splitlines())
    return [dict(zip(header, row, strict=True)) for row in rows]


def expected_kmeans(latent, label, seed):
    k = len(set(label))
    found = KMeans(k, n_init=10, random_state=seed).fit_predict(latent)
    return {
        "ari": adjusted_rand_score(label, found),
        "ami": adjusted_mutual_info_score(label, found),
        "nmi": normalized_mutual_info_score(label, found),
        "n_clusters": k,
    }


def test_score_gives_scikit_learns_values_for_every_embedding_and_seed(here, said):
    argv = ["--clusterers", "kmeans", "--metrics", "ari", "ami", "nmi", "n_clusters"]
    printed = said(
        *SCORE[:3],
        "X_pca",
        "X_noise",
        *SCORE[4:],
        *argv,
        "--seed",
        5,
        "--n-seeds",
        2,
        "-o",
        "s.tsv",
    )
    data = anndata.read_h5ad("counts.h5ad")
    rows = read_tsv("s.tsv")
    assert len(rows) == 2 * 2 * 4
    for row in rows:
        values = expected_kmeans(
            data.obsm[row["embedding"]], data.obs["cell_type"], int(row["seed"])
        )
        assert float(row["value"]) == pytest.approx(values[row["metric"]])
    for name in ("X_pca", "X_noise"):
        of_seeds = [
            expected_kmeans(data.obsm[name], data.obs["cell_type"], s)["ari"] for s in (5, 6)
        ]
        line = next(line for line in printed.splitlines() if line.startswith(name))
        assert f"{np.mean(of_seeds):.3f} ± {np.std(of_seeds, ddof=1):.3f}" in line


def test_score_does_all_that_the_registries_hold(here, said):
    from scscope.cluster import CLUSTERERS
    from scscope.metrics import METRICS

    printed = said(*SCORE, "-o", "s.tsv")
    rows = read_tsv("s.tsv")
    assert {row["clusterer"] for row in rows} == set(CLUSTERERS)
    known = {name for name, metric in METRICS.items() if metric.kind == "clustering"}
    assert {row["metric"] for row in rows} == known
    for clusterer in CLUSTERERS.values():
        mark = " *" if clusterer.oracle else "  "
        assert f"X_pca      {clusterer.title}{mark}" in printed
    assert "* chooses by the true labels" in printed


def test_a_clusterer_that_cannot_take_the_cells_is_left_out_with_the_reason(here, capsys):
    anndata.read_h5ad("counts.h5ad")[:25].write_h5ad("few.h5ad")
    argv = ["score", "few.h5ad", *SCORE[2:]]
    assert main([*argv, "-o", "s.tsv"]) == 0
    out, err = capsys.readouterr()
    assert "scscope: warning: X_pca: no clusters by phenograph. `k` is 30 but" in err
    values = {(row["clusterer"], row["metric"]): row["value"] for row in read_tsv("s.tsv")}
    assert values["phenograph", "ari"] == ""
    assert float(values["kmeans", "ari"]) <= 1
    assert re.search(r"^X_pca +PhenoGraph +- +- ", out, re.MULTILINE)

    assert main([*argv, "--clusterers", "kmeans", "phenograph"]) == 2
    assert "error: X_pca: `k` is 30 but" in capsys.readouterr().err


def test_score_of_real_labels(test_data, tmp_path, said):
    source = test_data / "labelled/mudan_reference_2140.h5ad"
    data = anndata.read_h5ad(source)
    data.obsm["X_few"] = data.X[:, np.argsort(-data.X.sum(axis=0).A1)[:10]].toarray()
    data.write_h5ad(tmp_path / "mine.h5ad")
    argv = ["score", tmp_path / "mine.h5ad", "--obsm", "X_few", "--label", "label"]
    said(*argv, "--clusterers", "kmeans", "--metrics", "ari", "-o", tmp_path / "s.tsv")
    (row,) = read_tsv(tmp_path / "s.tsv")
    expected = expected_kmeans(data.obsm["X_few"], data.obs["label"], 0)
    assert float(row["value"]) == pytest.approx(expected["ari"])


@pytest.fixture
def tables(here):
    """The same cells as tables: latent.npy, latent.csv and labels.csv, the last in other order."""
    data = anndata.read_h5ad("counts.h5ad")
    latent = data.obsm["X_pca"].astype(np.float64)
    np.save("latent.npy", latent)
    rows = [
        ",".join([name, *map(repr, row)])
        for name, row in zip(data.obs_names, latent.tolist(), strict=True)
    ]
    Path("latent.csv").write_text("\n".join(["cell,a,b,c,d,e", *rows]) + "\n")
    labels = [f"{name},{label},q" for name, label in data.obs["cell_type"].items()]
    Path("ordered.csv").write_text("\n".join(["cell,cell_type,other", *labels]) + "\n")
    Path("labels.csv").write_text("\n".join(["cell,cell_type,other", *labels[::-1]]) + "\n")
    return data


@pytest.mark.parametrize(
    ("latent", "labels"), [("latent.csv", "labels.csv"), ("latent.npy", "ordered.csv")]
)
def test_tables_score_as_the_file_does(tables, said, latent, labels):
    argv = ["--label", "cell_type", "-o"]
    said(*SCORE, "-o", "file.tsv")
    said("score", "--latent", latent, "--labels", labels, *argv, "tables.tsv")
    expected = [{**row, "embedding": latent} for row in read_tsv("file.tsv")]
    assert read_tsv("tables.tsv") == expected


def test_cells_without_label_are_refused_or_dropped(tables, said, capsys):
    data = tables
    data.obs.loc[data.obs_names[:7], "cell_type"] = None
    data.write_h5ad("holes.h5ad")
    lines = Path("labels.csv").read_text().splitlines()
    Path("fewer.csv").write_text("\n".join([*lines[:-7], f"{data.obs_names[0]},,q"]) + "\n")
    argv = ["--label", "cell_type", "--metrics", "ari", "--clusterers", "kmeans"]
    from_file = ["score", "holes.h5ad", "--obsm", "X_pca", *argv]
    from_tables = ["score", "--latent", "latent.csv", "--labels", "fewer.csv", *argv]
    for words, command in (
        ("7 of 120 cells have no label", from_file),
        ("no label for 6 of 120", from_tables),
    ):
        assert main(command) == 2
        assert words in capsys.readouterr().err
        said(*command, "--drop-unlabelled", "-o", "s.tsv", "--overwrite")
        expected = expected_kmeans(data.obsm["X_pca"][7:], data.obs["cell_type"][7:], 0)
        assert float(read_tsv("s.tsv")[0]["value"]) == pytest.approx(expected["ari"])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["score"], "Name either a file, with --obsm and --label, or --latent"),
        (["score", "counts.h5ad", "--latent", "latent.npy"], "Name either a file"),
        (["score", "--latent", "latent.npy"], "--latent needs --labels FILE"),
        (["score", "counts.h5ad"], "Name --obsm. In 'counts.h5ad' there is: X_noise, X_pca."),
        (["score", "counts.h5ad", "--obsm", "X_pca"], "Name --label. In 'counts.h5ad' there is: cell_type"),
        ([*SCORE[:3], "X_pac", *SCORE[4:]], "No obsm 'X_pac' in 'counts.h5ad'. Did you mean 'X_pca'?"),
        ([*SCORE[:5], "celltype"], "No column 'celltype' in `obs` of 'counts.h5ad'. Did you mean 'cell_type'?"),
        ([*SCORE, "--clusterers", "k-means"], "unknown clusterer 'k-means'. Did you mean 'kmeans'?"),
        ([*SCORE, "--metrics", "arri"], "unknown metric 'arri'. Did you mean 'ari'?"),
        ([*SCORE, "--metrics", "imputation_error"], "unknown metric 'imputation_error'"),
        (["score", "--latent", "holes.npy", "--labels", "ordered.csv", "--label", "cell_type"], "holes.npy: `latent` has 1 NaN or infinite values"),
        ([*SCORE, "--n-seeds", "0"], "--n-seeds must be at least 1"),
        ([*SCORE, "-o", "s.txt"], "'s.txt' must end in .tsv"),
        ([*SCORE, "-o", "there.tsv"], "'there.tsv' exists"),
        (["score", "none.h5ad", "--obsm", "a", "--label", "b"], "There is no file 'none.h5ad'."),
        (["score", "--latent", "none.npy", "--labels", "ordered.csv", "--label", "other"], "There is no file 'none.npy'."),
        (["score", "--latent", "latent.npy", "--labels", "none.csv"], "There is no file 'none.csv'."),
        (["score", "--latent", "latent.npy", "--labels", "ordered.csv"], "has several columns: name one by --label: cell_type, other"),
        (["score", "--latent", "latent.npy", "--labels", "ordered.csv", "--label", "other"], "has 1 different labels for 120 cells"),
        (["score", "--latent", "flat.npy", "--labels", "ordered.csv", "--label", "cell_type"], "'flat.npy' must have the shape (n_cells, n), got (5,)."),
        (["score", "--latent", "object.npy", "--labels", "ordered.csv", "--label", "cell_type"], "'object.npy' is not an array of numbers"),
        (["score", "--latent", "short.npy", "--labels", "ordered.csv", "--label", "cell_type"], "'short.npy' has 100 cells but 'ordered.csv' has 120."),
        (["score", "--latent", "latent.csv", "latent.npy", "--labels", "labels.csv", "--label", "cell_type"], "A .npy file has no names"),
        (["score", "--latent", "words.csv", "--labels", "ordered.csv", "--label", "cell_type"], "'words.csv', cell '0': could not convert string to float: 'x'."),
        (["score", "--latent", "twice.csv", "--labels", "ordered.csv", "--label", "cell_type"], "names of cells more than once"),
    ],
)  # fmt: skip
def test_a_score_that_makes_no_sense_is_refused_in_one_line(tables, capsys, argv, message):
    np.save("holes.npy", np.array([np.nan] + [1.0] * (N_CELLS - 1))[:, None])
    Path("there.tsv").write_text("")
    np.save("flat.npy", np.zeros(5))
    np.save("object.npy", np.array([{}, None]), allow_pickle=True)
    np.save("short.npy", np.zeros((100, 5)))
    Path("words.csv").write_text("cell,a,b\n0,1,x\n")
    Path("twice.csv").write_text("cell,a,b\n0,1,2\n0,1,2\n")
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("scscope: error: ")
    assert err.count("\n") == 1
    assert message in err
