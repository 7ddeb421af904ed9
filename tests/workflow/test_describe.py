"""Studies that describe their clusters, on a tiny simulation in the dress of a real set."""

import pandas as pd
import pytest

from scscope.datasets.intestine import CONDITIONS, condition_of
from scscope.describe import COLUMNS
from scscope.describe.types import SUBTYPES
from scscope.gather import read_table

pytestmark = pytest.mark.workflow
GUT = {
    "source": "splat",
    "stands_for": "intestine",
    "params": {
        "batch_cells": [40, 40, 40, 40],
        "n_genes": 150,
        "group_prob": [0.2, 0.2, 0.2, 0.2, 0.2],
        "de_prob": 0.5,
        "de_fac_loc": 1.0,
    },
}


@pytest.fixture
def described(checkout):
    """The tiny config with a study that describes a stand-in, one method of which fails."""
    checkout.config["datasets"]["synthetic_gut"] = GUT
    checkout.config["methods"]["bad"] = {"command": "false {input} {output}", "scale": "log"}
    checkout.config["allow_failures"] = True
    main = checkout.config["studies"]["main"]
    checkout.config["studies"]["details"] = {
        **main,
        "datasets": ["synthetic_gut"],
        "methods": ["pca", "truth", "bad"],
        "metrics": ["ari", "n_clusters"],
        "clusterers": ["kmeans"],
        "describe": list(COLUMNS),
        "panels": ["overview"],
    }
    return checkout


def test_a_study_that_describes_gives_four_tables(described):
    described.run()
    tables = {n: read_table(described.results / f"tables/{n}.tsv") for n in COLUMNS}
    for name, table in tables.items():
        assert table.columns.tolist() == ["dataset", "method", "seed", *COLUMNS[name]]
        assert set(table["dataset"]) == {"synthetic_gut"}
        assert set(table["method"]) == ({"pca"} if name == "maps" else {"pca", "truth"})
    cells = tables["compositions"]
    assert cells.groupby(["method", "clusterer"])["n_cells"].sum().tolist() == [160, 160]
    mice = cells.drop_duplicates("sample")
    assert [condition_of(mouse) for mouse in mice["sample"]] == mice["condition"].tolist()
    assert set(cells["condition"]) == set(CONDITIONS)
    assert set(SUBTYPES) & set(cells["type"])
    assert len(tables["maps"]) == 160
    saa1 = tables["expression"].query("gene == 'Saa1' and method == 'pca'")
    assert set(saa1["condition"]) == set(CONDITIONS)
    panels = pd.read_csv(described.results / "tables/panels.tsv", sep="\t")
    assert set(panels["panel"]) == {"figure_1c", "supplementary_2", "overview"}
    report = (described.results / "report.html").read_text()
    assert "splat, synthetic, in place of intestine" in report


def test_what_describes_reruns_no_fit_and_another_table_no_scores(described):
    described.config["studies"]["details"] |= {"describe": ["markers"], "methods": ["pca", "truth"]}
    described.run()
    assert not (described.results / "tables/maps.tsv").exists()
    assert "Nothing to be done" in described.run()
    described.edit("scscope/describe/run.py", "TOP = 10", "TOP = 11")
    said = described.run("--dry-run", "--quiet", "host")
    assert described.plan() == []
    assert said.count("Describe ") == 2
    described.config["studies"]["details"]["describe"].append("maps")
    described.run()
    assert len(read_table(described.results / "tables/maps.tsv")) == 160


def test_a_stand_in_for_timing_alone_keeps_its_plain_names(described):
    study = described.config["studies"]["details"]
    del study["describe"]
    study |= {"timing": True, "methods": ["pca"], "panels": []}
    described.run(target="results/tables/scores.tsv")
    card = (described.results / "data/synthetic_gut/seed_0.json").read_text()
    assert '"Group1"' in card
    assert '"Batch1"' in card


def no_known_markers(config):
    config["studies"]["details"]["datasets"] = ["tiny"]
    return (
        "studies.details.describe: compositions, expression cannot be made of tiny: no marker genes "
        "of its types are known. They are known of retina, intestine"
    )


def no_clusterers(config):
    config["studies"]["details"]["clusterers"] = []
    return "studies.details.clusterers: `describe` needs at least one."


def no_metric_of_clusters(config):
    config["studies"]["details"]["metrics"] = ["imputation_error"]
    return "studies.details.metrics: `describe` needs one of clusters, such as n_clusters."


def no_such_table(config):
    config["studies"]["details"]["describe"] = ["map"]
    return "studies.details.describe"


@pytest.mark.parametrize(
    "mistake", [no_known_markers, no_clusterers, no_metric_of_clusters, no_such_table]
)
def test_what_cannot_be_described_is_refused_before_any_job(described, mistake):
    message = mistake(described.config)
    result = described.snakemake()
    assert result.returncode != 0
    assert message in result.stdout
    assert not described.results.exists()


def test_a_panel_says_which_tables_it_lacks(described):
    described.edit(
        "scscope/figures/panels.py",
        'metrics=("ari", "n_clusters"),',
        'metrics=("ari", "n_clusters"),\n        needs=("maps", "datasets"),',
    )
    described.config["studies"]["details"]["describe"] = ["markers"]
    result = described.snakemake()
    assert result.returncode != 0
    assert "studies.details.describe: overview is drawn from maps too: add it." in result.stdout
