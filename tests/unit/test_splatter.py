"""R through rpy2, and the R package splatter: what it returns is what its authors published."""

import hashlib
import json
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from scscope.simulate import r, splatter
from scscope.simulate.r import RError, RMissingError, RWarning, call_r, require_r
from scscope.simulate.splatter import MAX_SEED, PARAMETERS, R_NAMES, checked
from tests.conftest import need

SMALL = {"n_cells": 60, "n_genes": 40, "seed": 1}


@pytest.fixture(scope="module")
def with_r():
    need("r", bool(which("R")), "apt-get install r-base-core")
    need("r", find_spec("rpy2") is not None, "pip install rpy2==3.5.17 (R 4.2) or rpy2 (newer R)")


@pytest.fixture(scope="module")
def with_splatter(with_r):
    try:
        require_r("splatter")
    except RMissingError as error:
        need("splatter", False, str(error))


# What needs no R


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"dropout.mid": 1}, "unknown parameter 'dropout.mid'. Did you mean 'dropout_mid'"),
        (
            {"de_probs": 0.1},
            "unknown parameter 'de_probs'. Did you mean 'de_prob'\\? Allowed: method",
        ),
        ({"group_prob": [0.5, 0.4]}, "`group_prob` must sum to 1"),
        ({"n_genes": 0}, "`n_genes` must be a positive integer, got 0"),
        ({"n_cells": 0}, "`n_cells` must be a positive integer, got 0"),
        ({"n_cells": None}, "`n_cells`, or `batch_cells` with the size of each batch, is needed"),
        ({"batch_cells": [30, 20]}, "`n_cells` must be the sum of `batch_cells`, 50"),
        ({"seed": -1}, f"`seed` must be a whole number from 0 to {MAX_SEED}, got -1"),
        ({"seed": 2**31}, f"`seed` must be a whole number from 0 to {MAX_SEED}, got 2147483648"),
        ({"method": "path"}, "Unknown `method` 'path'. Known: single, groups, paths"),
    ],
)
def test_bad_parameters_are_refused_before_r_starts(bad, message):
    with pytest.raises(ValueError, match=message):
        checked(**{**SMALL, **bad})


def test_a_seed_and_a_number_of_genes_are_needed():
    for name in ("seed", "n_genes"):
        with pytest.raises(ValueError, match=f"`{name}` is needed"):
            checked(**{key: value for key, value in SMALL.items() if key != name})


def test_names_are_splatters_in_snake_case():
    settings, method = checked(
        **SMALL, de_fac_loc=1, path_n_steps=5, batch_rm_effect=True, group_prob=[0.5, 0.5]
    )
    assert {"nGenes", "batchCells", "de.facLoc", "path.nSteps", "batch.rmEffect"} < set(settings)
    assert (settings["batchCells"], method) == ([60], "groups")
    assert len(PARAMETERS) == len(R_NAMES)


def test_what_is_missing_is_named_with_how_to_get_it(monkeypatch):
    monkeypatch.setattr(r, "find_spec", lambda name: None)
    with pytest.raises(RMissingError, match="rpy2 is missing.*envs/splatter.yaml.*Debian"):
        splatter(**SMALL)
    monkeypatch.setattr(r, "find_spec", lambda name: name)
    monkeypatch.delenv("R_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RMissingError, match="^R is missing"):
        splatter(**SMALL)


# What needs R, but not splatter


def test_a_missing_package_is_named(with_r):
    require_r("stats")
    with pytest.raises(
        RMissingError, match="The R package nosuchpackage is missing. Get all of it"
    ):
        require_r("stats", "nosuchpackage")


def test_values_go_to_r_and_come_back(with_r):
    given = {
        "number": 0.1,
        "whole": 3,
        "numbers": np.array([1.5, -2]),
        "text": "ä b",
        "texts": ["a", "b"],
        "flag": True,
        "nested": {"x": [1, 2]},
    }
    back = call_r(
        "function(x) x", given, use=lambda x: json.loads(json.dumps(x, default=np.ndarray.tolist))
    )
    assert back == {
        **given,
        "number": [0.1],
        "whole": [3],
        "numbers": [1.5, -2],
        "text": ["ä b"],
        "flag": [True],
    }


def test_matrices_and_factors_come_back(with_r):
    code = (
        'function() list(m = matrix(1:6, 2), f = factor(c("b", "a", "b")), n = NULL, l = NA == 1)'
    )
    back = call_r(code, use=lambda x: {**x, "m": x["m"].copy()})
    assert back["m"].tolist() == [[1, 3, 5], [2, 4, 6]]
    assert back["f"].tolist() == ["b", "a", "b"]
    assert back["n"] is None


@pytest.mark.parametrize("value", [[1, "a"], object(), [[1], [2]]])
def test_what_r_does_not_take_is_refused(with_r, value):
    with pytest.raises(ValueError, match="R takes numbers, texts, booleans, or lists of one"):
        call_r("function(x) x", value, use=str)


def test_what_has_no_counterpart_is_refused(with_r):
    with pytest.raises(ValueError, match="R returned what has no counterpart here"):
        call_r("function() quote(x)", use=str)


def test_errors_are_rs_and_the_session_lives_on(with_r):
    with pytest.raises(RError, match="^R stopped: there are 3 left$"):
        call_r('function(n) stop("there are ", n, " left")', 3, use=str)
    assert call_r("function() 1", use=np.ndarray.item) == 1


def test_warnings_are_rs(with_r):
    with pytest.warns(RWarning, match="^R: careful$") as caught:
        assert call_r('function() { warning("careful"); 7 }', use=np.ndarray.item) == 7
    assert len(caught) == 1


def test_nothing_is_printed(with_r, capfd):
    talk = 'function() { print(1:3); cat("x\\n"); message("y"); write("z", stderr()); warning("w"); 1 }'
    with pytest.warns(RWarning, match="w"):
        call_r(talk, use=np.ndarray.item)
    with pytest.raises(RError):
        call_r('function() { cat("x\\n"); stop("no") }', use=np.ndarray.item)
    assert capfd.readouterr() == ("", "")


def test_a_fresh_session_prints_nothing(with_r):
    code = "from scscope.simulate.r import call_r; call_r('function() message(1)', use=str)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_programs_started_later_see_the_same_environment(with_r):
    code = (
        "import os, subprocess, sys; before = dict(os.environ)\n"
        "from scscope.simulate.r import require_r; require_r('stats')\n"
        "changed = {k for k, v in os.environ.items() if before.get(k) != v}\n"
        "assert changed <= {'R_HOME'}, changed\n"
        "subprocess.run([sys.executable, '-c', 'import ssl'], check=True)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_of_r_is_freed(with_r):
    used = "function() sum(gc()[, 2])"
    before = call_r(used, use=np.ndarray.item)
    assert call_r("function() matrix(0, 1e4, 1e3)", use=lambda x: x.shape) == (10_000, 1_000)
    with pytest.raises(RError):
        call_r('function() { x <- numeric(1e7); stop("no") }', use=str)
    assert call_r(used, use=np.ndarray.item) - before < 8  # MB, of 76 and 76


# What needs splatter


def test_parameters_are_all_that_splatter_has(with_splatter):
    code = 'function() methods::slotNames("SplatParams")'
    slots = call_r(f"function() {{ library(splatter); ({code})() }}", use=set)
    # These three follow from others.
    assert set(R_NAMES) == slots - {"nCells", "nBatches", "nGroups"}


@pytest.mark.parametrize(
    ("demo", "n_cells", "n_groups"), [("demo_1", 2_000, 5), ("demo_2", 5_000, 10)]
)
def test_published_demo_data_are_reproduced(with_splatter, reference, demo, n_cells, n_groups):
    import anndata

    data = splatter(
        n_genes=500,
        batch_cells=n_cells,
        group_prob=[1 / n_groups] * n_groups,
        dropout_type="experiment",
        dropout_mid=4,
        dropout_shape=-1,
        seed=0,
    )
    theirs = anndata.read_h5ad(reference / "splatter" / f"{demo}.h5ad")
    assert list(data.obs["label"]) == list(theirs.obs["Group"])
    sizes = theirs.obs["ExpLibSize"].to_numpy()
    np.testing.assert_allclose(data.obs["expected_library_size"], sizes, rtol=1e-13)
    for ours, name in (("gene_mean", "GeneMean"), ("de_factor_group3", "DEFacGroup3")):
        np.testing.assert_allclose(data.var[ours], theirs.var[name], rtol=1e-12)

    readme = (reference / "splatter" / "README.md").read_text()
    for name, matrix in (("counts", data.X), ("true_counts", data.layers["true"])):
        digest = hashlib.sha256(matrix.toarray().astype("<i4").tobytes()).hexdigest()
        assert f"| {demo} {name} | `{digest}` |" in readme
    mask = (data.layers["true"].toarray() > 0) & (data.X.toarray() == 0)
    assert np.array_equal(data.layers["dropout"].toarray(), mask)


def test_batches_groups_and_paths_are_named_as_ours(with_splatter):
    two = {"n_genes": 40, "seed": 1, "group_prob": [0.5, 0.5]}
    batches = splatter(batch_cells=[30, 20], **two)
    assert list(batches.obs["batch"]) == ["Batch1"] * 30 + ["Batch2"] * 20
    assert list(batches.var) == [
        *("base_mean", "outlier_factor", "gene_mean"),
        *("batch_factor_batch1", "batch_factor_batch2"),
        *("de_factor_group1", "de_factor_group2"),
    ]
    paths = splatter(n_cells=50, method="paths", path_from=[0, 1], path_n_steps=[10, 20], **two)
    assert set(paths.obs["label"]) == {"Path1", "Path2"}
    assert paths.obs["step"].max() <= 20
    assert {"de_factor_path2", "local_de_factor_path2", "sigma_factor_path1"} < set(paths.var)
    single = splatter(**SMALL)
    assert set(single.obs["label"]) == {"Group1"}
    assert set(single.var["de_factor_group1"]) == {1}
    assert list(single.obs) == ["label", "expected_library_size"]


def test_splatters_own_words_reach_python(with_splatter, capfd):
    with pytest.raises(RError, match="dropout.type cannot be set to 'group'"):
        splatter(**SMALL, group_prob=[0.5, 0.5], dropout_type="group")
    with pytest.raises(RError, match="de.prob"):
        splatter(**SMALL, group_prob=[0.5, 0.5], de_prob=[0.1, 0.2, 0.3])
    with pytest.warns(RWarning, match="'bcv.df' is infinite"):
        splatter(**SMALL, bcv_df=float("inf"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        splatter(
            **SMALL,
            group_prob=[0.5, 0.5],
            dropout_type="group",
            dropout_mid=[0, 1],
            dropout_shape=[-1, -1],
        )
    assert capfd.readouterr() == ("", "")
