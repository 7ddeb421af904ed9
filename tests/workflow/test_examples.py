"""SIMLR and ZINB-WaVE as the shipped config has them, where they are installed and where not."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
import yaml

from scscope.contract import simulated
from scscope.data import Targets, scaled
from scscope.methods.own.command import command
from tests.conftest import ROOT, need

pytestmark = pytest.mark.workflow

METHODS = yaml.safe_load((ROOT / "config/config.yaml").read_text())["methods"]


def works(*words) -> bool:
    return subprocess.run(words, capture_output=True).returncode == 0


def r_has(package: str) -> bool:
    return works("Rscript", "-e", f"stopifnot(nzchar(system.file(package = '{package}')))")


def test_what_is_not_installed_is_not_applicable_with_the_reason(checkout):
    need("r", shutil.which("Rscript") is not None, "apt install r-base-core")
    installed = {
        "simlr": works("python3", "-c", "import simlr_py3"),
        "zinbwave": r_has("zinbwave"),
    }
    checkout.config["methods"] |= {name: METHODS[name] for name in installed}
    checkout.config["studies"]["main"].update(
        methods=["pca", *installed], metrics=["ari"], clusterers=["kmeans"], panels=["figure_1c"]
    )
    checkout.run()  # to a good end: what is not there has not failed
    runs = pd.read_csv(checkout.results / "tables/runs.tsv", sep="\t").set_index("method")
    report = (checkout.results / "report.html").read_text()
    figure = (checkout.results / "figures/figure_1c.svg").read_text()
    for name, there in installed.items():
        assert runs.loc[name, "status"] == ("ok" if there else "not_applicable")
        if not there:
            assert "is not installed" in runs.loc[name, "message"]
            assert "brings it" in runs.loc[name, "message"]
            assert f"{METHODS[name]['label']} is not installed" in report.replace("&#39;", "'")
    named = {"simlr": "SIMLR", "zinbwave": "ZINB-WaVE (counts)"}
    for name, there in installed.items():
        assert (f"{named[name]}: not applicable" in figure) == (not there)


STAND_IN = """
zinbwave <- function(Y, K, BPPARAM) {
  stopifnot(is(BPPARAM, "BiocParallelParam"))
  counts <- SummarizedExperiment::assay(Y, "counts")
  stopifnot(all(rowSums(counts) > 0))
  factors <- unname(t(counts)[, seq_len(K)])
  colnames(factors) <- paste0("W", seq_len(K))
  fitted <- as(Y, "SingleCellExperiment")
  reducedDim(fitted, "zinbwave") <- factors
  fitted
}
"""


def test_zinbwave_gets_the_counts_and_its_factors_come_back(tmp_path, monkeypatch):
    """By a package of its name and interface, which gives the first genes as factors."""
    need("r", shutil.which("Rscript") is not None, "apt install r-base-core")
    need("r", r_has("SingleCellExperiment"), "apt install r-bioc-singlecellexperiment")
    package = tmp_path / "zinbwave"
    (package / "R").mkdir(parents=True)
    about = {"Package": "zinbwave", "Version": "0.0.1", "Title": "A", "Description": "A."}
    about |= {"License": "none", "Imports": "methods, SingleCellExperiment"}
    (package / "DESCRIPTION").write_text("".join(f"{k}: {v}\n" for k, v in about.items()))
    names = "import(methods)\nimport(SingleCellExperiment)\nexport(zinbwave)\n"
    (package / "NAMESPACE").write_text(names)
    (package / "R/zinbwave.R").write_text(STAND_IN)
    (tmp_path / "library").mkdir()
    install = ["R", "CMD", "INSTALL", "--no-docs", "--no-test-load", "-l", tmp_path / "library"]
    subprocess.run([*install, package], check=True, capture_output=True)
    monkeypatch.setenv("R_LIBS", str(tmp_path / "library"))
    monkeypatch.chdir(ROOT)

    data = scaled(simulated(20, 12), "counts")
    data.X.data[data.X.indices == 0] = 0  # a gene that no cell has
    data.X.eliminate_zeros()
    entry = METHODS["zinbwave"]
    fit = command(
        data, seed=5, device="cpu", folder=tmp_path, threads=2, words=entry["command"],
        targets=Targets(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32)),
        exchange=entry["exchange"], gives=["latent"], values=entry["params"], search_path=None,
    )  # fmt: skip
    counts = data.X.toarray()
    np.testing.assert_array_equal(fit.latent, counts[:, counts.sum(axis=0) > 0][:, :2])
