"""docs/your-own-method.md, followed to the letter; and what an edit of one's own code reruns."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from tests.conftest import need
from tests.workflow.conftest import Checkout

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/your-own-method.md").read_text()
BLOCKS = [text for _, text in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)]
COMMANDS = [
    line
    for _, text in re.findall(r"```(sh)\n(.*?)```", PAGE, re.DOTALL)
    for line in text.split("\n")
    if line
]


def file_blocks():
    """Files of the page by their names, which are the first line's comment."""
    named = (re.match(r"# (\S+\.\w+)\n", text) for text in BLOCKS)
    return {name[1]: text for name, text in zip(named, BLOCKS, strict=True) if name}


def entries():
    """Entries of `methods` by name."""
    found = (yaml.safe_load(text) for text in BLOCKS if text.startswith("# an entry"))
    return {name: entry for one in found for name, entry in one.items()}


def shell(folder, line):
    """Run a line of the page with this Python's programs in front."""
    words = shlex.split(line)
    words[:1] = {
        "snakemake": [sys.executable, "-m", "snakemake"],
        "scscope": [sys.executable, "-m", "scscope"],
    }[words[0]]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        words,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "", "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A checkout in which the page was followed from its top to its end."""
    need("r", shutil.which("Rscript") is not None, "apt install r-base-core")
    folder = Checkout(tmp_path_factory.mktemp("followed")).folder
    shutil.copytree(ROOT / "results/reference", folder / "results/reference")
    for name, text in file_blocks().items():
        (folder / name).write_text(text)
    check, run_all, make_data, compare = COMMANDS
    said = {"check": shell(folder, check), "data": shell(folder, make_data)}
    subprocess.run([sys.executable, "elsewhere.py"], cwd=folder, check=True)
    config = yaml.safe_load((folder / "mine.yaml").read_text())
    config["methods"] |= entries()
    config["studies"]["mine"]["methods"] += list(entries())
    (folder / "mine.yaml").write_text(yaml.safe_dump(config))
    said["run"] = shell(folder, run_all)
    said["compare"] = shell(folder, compare)
    return folder, said


def scores_of(folder):
    table = pd.read_csv(folder / "results/mine/tables/scores.tsv", sep="\t")
    return table.set_index(["method", "metric", "seed"])["value"]


def test_every_way_is_scored(followed):
    scores = scores_of(followed[0])
    given = {
        "mine": {"ari"},
        "imputing": {"imputation_error"},
        "in_r": {"ari", "imputation_error"},
        "standalone": {"ari"},
        "files": {"ari", "imputation_error"},
    }
    for method, metrics in given.items():
        assert set(scores[method].index.get_level_values("metric")) == metrics
        assert scores[method].notna().all()


def test_one_mean_by_three_ways_has_one_error(followed):
    error = scores_of(followed[0]).unstack("metric")["imputation_error"].unstack("seed")
    for method in ("imputing", "in_r"):
        assert error.loc[method].to_numpy() == pytest.approx(error.loc["gene_mean"], rel=1e-5)
    # Means of counts, and not of their logarithms: another method, of the same order.
    assert error.loc["files"].to_numpy() == pytest.approx(error.loc["gene_mean"], rel=0.3)


def test_controls_score_what_they_must(followed):
    ari = scores_of(followed[0]).xs("ari", level="metric").unstack("seed")
    assert (ari.loc["truth"] == 1).all()
    # Of 500 cells in three groups, the ARI of unrelated labels has a standard deviation of 0.003.
    assert ari.loc[["random", "shuffled"]].abs().to_numpy().max() < 0.015
    assert (ari.loc["supervised"] > ari.loc["random"] + 0.1).all()


def test_the_ranking_has_ours_and_the_kept(followed):
    said = followed[1]["compare"]
    assert "Data in common: splat_mid3 (seed 0)\n" in said
    lines = [line for line in said.splitlines() if "PCA [pca_size]" in line]
    assert lines
    assert lines[0].startswith(" ")
    assert any(line.startswith(">") and "in_r" in line for line in said.splitlines())
    assert "True labels [truth] (c)" in said


def test_check_method_says_that_it_is_kept(followed):
    assert "mine.py:embed keeps the contract." in followed[1]["check"]


def plan(folder):
    said = shell(folder, "snakemake --cores 2 --configfile mine.yaml --dry-run --quiet host")
    return set(re.findall(r"^Job \d+: Fit (\w+) to", said, re.MULTILINE))


WORDS = ("mine.py", "Random projections", "Projections")


@pytest.mark.parametrize(
    ("edits", "again"),
    [
        ([WORDS, ("mine.py", "standard_normal", "standard_exponential")], {"mine"}),
        (
            [
                WORDS,
                ("mine.R", "rank. = n_latent", "rank. = n_latent, scale. = FALSE"),
                ("embedding_splat_mid3_0.csv", ",0,1,", ",a,b,"),
            ],
            {"in_r", "files"},
        ),
    ],
)
def test_an_edit_reruns_its_own_fits_and_nothing_else(followed, tmp_path, edits, again):
    folder, _ = followed
    for name, _, _ in edits:
        shutil.copy2(folder / name, tmp_path / name)
    try:
        for name, old, new in edits:
            text = (folder / name).read_text()
            assert old in text
            (folder / name).write_text(text.replace(old, new, 1))
        assert plan(folder) == again
    finally:
        for name, _, _ in edits:
            shutil.copy2(tmp_path / name, folder / name)


def test_of_a_conda_environment_the_programs_path_is_kept(checkout):
    command = "sh -c true {input} {output}"
    entry = {"command": command, "conda": "envs/base.yaml", "scale": "log"}
    checkout.config["methods"]["mine"] = entry
    checkout.config["studies"]["main"]["methods"].append("mine")
    checkout.run(target="results/environments/mine.txt")
    # Without `--sdm conda` that is the PATH of Snakemake itself.
    found = (checkout.results / "environments/mine.txt").read_text().strip().split(os.pathsep)
    assert set(os.environ["PATH"].split(os.pathsep)) <= set(found)
