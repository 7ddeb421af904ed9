"""What the README tells a stranger to do works as it stands there."""

import gzip
import re
from pathlib import Path

import anndata
import numpy as np
import pytest
import yaml

from tests.workflow.conftest import Checkout

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language, containing):
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(text for text in blocks if containing in text)


def test_the_two_commands_are_targets_of_make():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in block("sh", "make demo")
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_example_of_the_library_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    adata = anndata.AnnData(np.random.default_rng(0).poisson(1.0, (64, 60)).astype(np.float32))
    names = {"adata": adata}
    exec(block("python", "ScScope"), names)
    assert names["latent"].shape == (64, 100)
    assert names["values"].shape == (2,)
    np.testing.assert_array_equal(adata.obsm["X_scscope"], names["latent"])
    loaded = names["ScScope"].load("model")
    np.testing.assert_array_equal(loaded.transform(adata), names["latent"])


def test_the_config_for_ones_own_data_is_followed_to_the_letter(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.config = yaml.safe_load(block("yaml", "source: file"))
    rng = np.random.default_rng(0)
    cells = [f"cell{i}" for i in range(40)]
    lines = [",".join(["gene", *cells])]
    lines += [",".join([f"g{j}", *map(str, rng.poisson(2, 40))]) for j in range(30)]
    with gzip.open(tmp_path / "counts.csv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    labels = "\n".join(f"{cell},{'ab'[i % 2]}" for i, cell in enumerate(cells))
    (tmp_path / "labels.csv").write_text(f"cell,label\n{labels}\n")

    checkout.run(target="results/mine/data/mine.h5ad")
    data = anndata.read_h5ad(tmp_path / "results/mine/data/mine.h5ad")
    assert data.shape == (40, 30)
    assert list(data.obs["label"][:3]) == ["a", "b", "a"]
    fits = [job for job in checkout.plan() if job.startswith("Fit")]
    assert len(fits) == 4 * 3  # methods x seeds
