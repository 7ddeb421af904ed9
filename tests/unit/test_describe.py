"""Types, markers, maps and expression of clusters: closed forms and other implementations."""

import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy
from anndata import AnnData
from scipy import sparse, stats
from sklearn.manifold import trustworthiness

from scscope.data import read_dataset, write_dataset
from scscope.datasets import intestine, retina
from scscope.datasets.prepare import finish
from scscope.datasets.record import Record
from scscope.datasets.standins import dress, numbered
from scscope.describe import COLUMNS, expression, maps
from scscope.describe.cells import Cells, labelled_types, read_cells
from scscope.describe.panels import PANEL_OF, STAND_INS, genes_of_interest, panel_genes, read_panel
from scscope.describe.run import TOP, describe
from scscope.describe.tables import gathered, of_run
from scscope.describe.types import (
    AGES,
    CYCLING,
    SIDES,
    SUBTYPES,
    cluster_types,
    over_clusters,
    told_apart,
    type_scores,
)
from scscope.evaluate import Run
from scscope.gather import read_table, write_table
from scscope.simulate.splat import splat_simulation
from tests import standins

TABLES = tuple(COLUMNS)
RATE = 8.0  # counts of a marker in its own cluster


def cells_of(
    panel: str, own: dict[int, str], clusters: np.ndarray, *, noise: float = 0.2, **about
) -> Cells:
    """Cells of which each cluster has the markers of its own type, and ten genes of noise."""
    rng = np.random.default_rng(0)
    genes = [*panel_genes(panel), *(f"Noise{i}" for i in range(10))]
    rate = np.full((len(clusters), len(genes)), noise)
    for cluster, kind in own.items():
        chosen = [genes.index(gene) for gene in read_panel(panel).get(kind, ())]
        rate[np.ix_(clusters == cluster, chosen)] = RATE
    nothing = np.full(len(clusters), "")
    named = {"sample": np.full(len(clusters), "all"), "condition": nothing, "label": nothing}
    X = sparse.csr_matrix(np.log1p(rng.poisson(rate)).astype(np.float32))
    return Cells(X=X, genes=np.array(genes), **(named | about))


def described(cells: Cells, clusters: np.ndarray, panel: str, status: str = "ok", **given):
    latent = np.random.default_rng(1).normal(clusters[:, None], 0.1, (len(clusters), 3))
    settings = {"tables": TABLES, "source": panel, "given_are_labels": False, "seed": 0}
    run = Run(status, latent if status == "ok" else None, None, None)
    return describe(run, {"kmeans": clusters}, cells, panel=panel, **(settings | given))


@pytest.mark.parametrize("name", sorted(set(PANEL_OF.values())))
def test_panels_name_their_source_and_no_gene_twice(name):
    from scscope.describe.panels import FOLDER

    head = [s for s in (FOLDER / f"{name}.csv").read_text().splitlines() if s.startswith("#")]
    assert any("ource" in line for line in head)
    assert "not known" in " ".join(head)
    genes = [gene for own in read_panel(name).values() for gene in own]
    assert len(genes) == len(set(genes)) >= 13
    assert set(genes) | set(genes_of_interest(name)) == set(panel_genes(name))
    assert genes_of_interest("intestine") == ("Saa1",)
    with pytest.raises(ValueError, match="no panel of marker genes 'lung'. Known panels: brain"):
        read_panel("lung")


def test_retina_has_the_types_that_are_known_of_it():
    assert list(read_panel("retina")) == list(retina.TYPES)


def test_the_markers_of_the_retina_are_those_of_the_published_table(test_data):
    """The rule of the panel's first lines; a row of the text may have its fields torn apart."""
    path = test_data / "retina/macosko_cluster_markers.csv"
    torn = pd.Series(path.read_text().splitlines()[1:]).str.extract(
        r"^\d+,(?P<gene>[^,]*),(?P<values>.*),(?P<cluster>\d+)$"
    )
    whole = torn["values"].str.extract(r"^(?:0\.\d+|1),(-?\d\.\d+),(0\.\d+)$")
    joined = torn["values"].str.replace(",", "").str.extract(r"(-?\d\.\d{5,6})\s*(0?\.\d{3})")
    values = whole.fillna(joined).astype(float)
    table = torn.assign(difference=values[0], power=values[1]).query("difference > 0")
    table["type"] = [retina.type_of(int(cluster)) for cluster in table["cluster"]]
    n_clusters = torn["cluster"].astype(int).drop_duplicates().map(retina.type_of).value_counts()
    single = table.groupby("gene")["type"].transform("nunique") == 1
    power = table[single].groupby(["type", "gene"])["power"].sum()
    for name, genes in read_panel("retina").items():
        mean = power[name] / n_clusters[name]
        assert set(mean.nlargest(5, keep="all").index) >= set(genes)


def test_clusters_have_the_type_whose_markers_they_have():
    clusters = np.repeat([0, 1, 2, -1], [40, 40, 40, 10])
    own = {0: "GABAergic", 1: "non-neuronal", 2: "glutamatergic"}
    types = cluster_types(clusters, cells_of("brain", own, clusters), "brain")
    expected = ["GABAergic", "non-neuronal", "glutamatergic", "unassigned"]
    assert types.tolist() == np.repeat(expected, [40, 40, 40, 10]).tolist()
    assert set(cluster_types(clusters, cells_of("brain", own, clusters), "")) == {"unassigned"}


def test_scores_by_hand():
    means = pd.DataFrame({"a": [0.0, 1.0, 4.0], "b": [2.0, 2.0, 2.0], "c": [3.0, 1.0, 0.0]})
    scaled = over_clusters(means)
    assert scaled["a"].tolist() == [0, 0.25, 1]
    assert scaled["b"].tolist() == [0, 0, 0]  # no difference tells nothing
    scores = type_scores(scaled, {"x": ("a", "b", "absent"), "y": ("c",), "z": ("absent",)})
    assert scores["x"].tolist() == [0, 0.125, 0.5]
    assert scores["y"].tolist() == pytest.approx([1, 1 / 3, 0])
    assert scores["z"].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("level", "expected"), [(2.2, "rods"), (4.0, "amacrine")])
def test_a_cluster_of_the_retina_without_a_raised_marker_is_of_rods(level, expected):
    """Log2 of 2.2 / 2 is below 0.5, of 4 / 2 above."""
    clusters, genes = np.repeat([0, 1, 2], 20), panel_genes("retina")
    umis = np.full((60, len(genes)), 2.0)
    for cluster, (kind, n) in enumerate([("cones", 8.0), ("bipolar", 8.0), ("amacrine", level)]):
        own = [genes.index(gene) for gene in read_panel("retina")[kind]]
        umis[np.ix_(clusters == cluster, own)] = n
    nothing = np.full(60, "")
    cells = Cells(sparse.csr_matrix(np.log1p(umis)), np.array(genes), nothing, nothing, nothing)
    types = cluster_types(clusters, cells, "retina")
    assert types[[0, 20, 40]].tolist() == ["cones", "bipolar", expected]


def test_cycling_cells_and_enterocytes_are_told_apart():
    columns = ["distal enterocyte", "proximal enterocyte", "stem", "cell cycle", "goblet"]
    rows = {
        "cell cycle": [(0.1, 0.2, 0.4, 0.6, 0), (0.3, 0.1, 0.2, 0.6, 0), (0.5, 0.1, 0, 0.6, 0)],
        "distal enterocyte": [(0.9, 0.1, 0, 0, 0), (0.6, 0.1, 0, 0, 0), (0.4, 0.1, 0, 0, 0)],
        "proximal enterocyte": [(0.1, 0.3, 0, 0, 0)],
        "goblet": [(0, 0, 0, 0, 1)],
    }
    found = [name for name, own in rows.items() for _ in own]
    scores = pd.DataFrame([row for own in rows.values() for row in own], columns=columns)
    assert told_apart(found, scores) == [
        *("TA early", "TA late", "enterocyte progenitor"),
        *("distal mature", "distal immature", "distal immature"),
        *("proximal mature", "goblet"),
    ]


def test_compositions_count_every_cell_of_every_sample():
    clusters = np.repeat([0, 1, -1, 0, 1], [30, 10, 5, 20, 35])
    sample = np.repeat(["m1 Control", "m2 Salmonella"], [45, 55])
    condition = np.repeat(["Control", "Salmonella"], [45, 55])
    own = {0: "goblet", 1: "tuft"}
    cells = cells_of("intestine", own, clusters, sample=sample, condition=condition)
    table = described(cells, clusters, "intestine", tables=["compositions"])["compositions"]
    assert table.columns.tolist() == COLUMNS["compositions"]
    rows = table[["sample", "condition", "type", "n_cells"]].to_numpy().tolist()
    assert sorted(rows) == [
        ["m1 Control", "Control", "goblet", 30],
        ["m1 Control", "Control", "tuft", 10],
        ["m1 Control", "Control", "unassigned", 5],
        ["m2 Salmonella", "Salmonella", "goblet", 20],
        ["m2 Salmonella", "Salmonella", "tuft", 35],
    ]


def test_markers_are_scanpys_and_the_best_and_the_panels_are_kept():
    clusters = np.repeat([0, 1, 2, 3, -1], [40, 40, 40, 1, 10])
    own = {0: "goblet", 1: "tuft", 2: "goblet"}
    cells = cells_of("intestine", own, clusters)
    table = described(cells, clusters, "intestine")["markers"]
    assert set(table["group"]) == {"0", "1", "2", "goblet", "tuft"}  # one cell is no group
    assert table["descriptive"].all()
    for _, rows in table.groupby(["grouping", "group"]):
        assert set(panel_genes("intestine")) <= set(rows["gene"])
        beside = rows[~rows["gene"].isin(panel_genes("intestine"))]
        assert len(beside) <= TOP
        assert beside["is_marker"].all()
    sizes = table.drop_duplicates("group").set_index("group")["n_cells"]
    assert {"0": 40, "tuft": 40}.items() <= sizes.to_dict().items()
    assert sizes["goblet"] >= 80

    seen = clusters != -1
    data = AnnData(cells.X[seen].astype(float), var=pd.DataFrame(index=cells.genes))
    data.obs["cluster"] = pd.Categorical(clusters[seen].astype(str))
    scanpy.tl.rank_genes_groups(
        data, "cluster", groups=["0"], method="wilcoxon", tie_correct=True, n_genes=len(cells.genes)
    )
    theirs = scanpy.get.rank_genes_groups_df(data, "0").set_index("names")
    ours = table[(table["grouping"] == "cluster") & (table["group"] == "0")].set_index("gene")
    theirs = theirs.loc[ours.index]
    np.testing.assert_allclose(ours["p"], theirs["pvals"], rtol=1e-6)
    np.testing.assert_allclose(ours["log2_fold_change"], theirs["logfoldchanges"], atol=1e-4)


def test_a_map_keeps_neighbours_and_is_the_same_for_a_seed():
    clusters = np.repeat([0, 1, 2], 40)
    cells = cells_of("brain", {}, clusters, label=np.repeat(["a", "b", "c"], 40))
    table = described(cells, clusters, "brain", map_cells=60)["maps"]
    assert table.columns.tolist() == COLUMNS["maps"]
    assert len(table) == 60
    assert (table["label"] == table["cluster"].map({0: "a", 1: "b", 2: "c"})).all()
    pd.testing.assert_frame_equal(table, described(cells, clusters, "brain", map_cells=60)["maps"])
    latent = np.random.default_rng(0).normal(clusters[:, None], 0.1, (120, 3))
    assert trustworthiness(latent, maps.embed(latent, 0), n_neighbors=5) > 0.9
    assert np.isfinite(maps.embed(np.ones((40, 1)), 0)).all()
    chosen = maps.sample_of(1000, 3, max_cells=20)
    assert len(set(chosen)) == 20
    assert chosen.tolist() == maps.sample_of(1000, 3, max_cells=20).tolist()
    assert maps.sample_of(7, 3).tolist() == list(range(7))


def test_a_map_is_of_the_cells_that_were_fitted():
    clusters = np.repeat([0, 1], 50)
    cells = cells_of("brain", {}, clusters, label=np.arange(100).astype(str))
    fitted = np.arange(0, 100, 2)
    latent = np.random.default_rng(0).normal(size=(50, 3))
    run = Run("ok", latent, None, None, {"cells": fitted, "space": latent})
    table = describe(
        run, {"kmeans": clusters}, cells,
        tables=["maps"], source="", panel="", given_are_labels=False, seed=0,
    )["maps"]  # fmt: skip
    assert table["label"].astype(int).tolist() == fitted.tolist()
    assert (table["type"] == "unassigned").all()


def enterocytes() -> tuple[Cells, np.ndarray]:
    types = np.repeat(["distal mature", "distal immature", "proximal mature", "goblet"], 30)
    condition = np.tile(np.repeat(["Control", "Salmonella"], 15), 4)
    return cells_of("intestine", {}, np.zeros(120, int), condition=condition), types


def test_expression_of_enterocytes_has_means_quantiles_and_scipys_tests():
    cells, types = enterocytes()
    table = expression.expression(types, cells, "intestine")
    gene = "Fabp6"
    values = cells.X[:, list(cells.genes).index(gene)].toarray().ravel().astype(float)
    rows = table[(table["gene"] == gene)].set_index(["group", "against"])
    assert set(rows["condition"]) == {"all"}
    own = values[types == "distal immature"]
    row = rows.loc[("distal immature", "distal mature")]
    assert row["n_cells"] == 30
    assert row["mean"] == pytest.approx(np.expm1(own).mean())
    assert row["median"] == pytest.approx(np.median(own))
    assert row["q95"] == pytest.approx(np.quantile(own, 0.95))
    rest = values[types == "distal mature"]
    assert row["p_t"] == pytest.approx(stats.ttest_ind(own, rest, equal_var=False).pvalue)
    exact = stats.mannwhitneyu(own, rest, method="asymptotic", use_continuity=False)
    assert row["p_rank_sum"] == pytest.approx(exact.pvalue)
    assert rows.loc[("other", ""), "n_cells"] == 30
    assert not rows.loc[("other", ""), "descriptive"]
    assert row["descriptive"]
    assert ("proximal immature", "") not in rows.index  # no cell is of it


def test_genes_of_interest_stand_by_condition_against_the_control():
    cells, types = enterocytes()
    table = expression.expression(types, cells, "intestine").query("gene == 'Saa1'")
    assert set(table["group"]) == {
        *("distal mature", "distal immature", "proximal mature"),
        *("distal", "proximal"),
    }
    assert table.set_index(["group", "condition"]).loc[("distal", "Salmonella"), "n_cells"] == 30
    against = table.groupby("condition")["against"].unique()
    assert against["Control"].tolist() == [""]
    assert against["Salmonella"].tolist() == ["Control"]
    assert table.query("against == ''")["p_t"].isna().all()


def test_what_does_not_vary_has_no_p():
    assert np.isnan(list(expression.tests(np.ones(5), np.ones(4)).values())).all()
    assert np.isnan(list(expression.tests(np.ones(1), np.zeros(4)).values())).all()


def test_failed_runs_and_tables_that_nobody_asked_for_are_empty(tmp_path):
    clusters = np.repeat([0, 1], 40)
    cells = cells_of("brain", {0: "GABAergic", 1: "non-neuronal"}, clusters)
    failed = described(cells, clusters, "brain", status="timeout")
    asked = described(cells, clusters, "brain", tables=["markers"])
    assert all(failed[name].empty for name in TABLES)
    assert [name for name in TABLES if len(asked[name])] == ["markers"]
    for i, table in enumerate((failed["markers"], asked["markers"])):
        run = of_run(table, dataset="a", method="b", seed=i)
        write_table(run, tmp_path / f"{i}.tsv")
    both = gathered([tmp_path / "0.tsv", tmp_path / "1.tsv"])
    assert both.columns.tolist() == ["dataset", "method", "seed", *COLUMNS["markers"]]
    assert len(both) == len(asked["markers"])
    write_table(both, tmp_path / "both.tsv")
    read = read_table(tmp_path / "both.tsv")
    assert read["group"].map(type).eq(str).all()
    assert read["is_marker"].dtype == bool
    assert gathered([tmp_path / "0.tsv"]).columns.tolist() == both.columns.tolist()


@pytest.mark.parametrize(
    ("are_labels", "expected"), [(True, {"rods", "bipolar"}), (False, {"cones", "microglia"})]
)
def test_labels_tell_the_types_of_a_control_that_hands_them_in(are_labels, expected):
    clusters = np.repeat([0, 1], 30)
    label = np.repeat(["24", "26"], 30)  # published clusters of rods and of bipolar cells
    own = {0: "cones", 1: "microglia"}
    cells = cells_of("retina", own, clusters, label=label, noise=0)
    found = describe(
        Run("ok", None, label, None), {"given": clusters}, cells, tables=["compositions"],
        source="retina", panel="retina", given_are_labels=are_labels, seed=0,
    )["compositions"]  # fmt: skip
    assert dict(zip(found["type"], found["n_cells"], strict=True)) == dict.fromkeys(expected, 30)


@pytest.mark.parametrize(
    ("label", "source", "expected"),
    [
        ("22 Purkinje Early", "splitseq", "GABAergic"),
        ("other neurons", "splitseq", "other neurons"),
        ("39", "retina", "microglia"),
        ("rods 2", "retina", "rods"),
        ("TA.Early", "intestine", "TA.Early"),
    ],
)
def test_types_of_labels(label, source, expected):
    assert labelled_types(np.array([label]), source).tolist() == [expected]


def test_counts_of_markers_that_were_not_selected_stay_and_are_normalised_by_all_genes(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(intestine, "N_GENES", 12)
    standins.write_intestine(tmp_path)
    whole = intestine.intestine(tmp_path, Record())
    names = [*whole.var_names[:-2], "Saa1", "Fabp6"]
    whole.var_names = names
    X = whole.X.toarray().astype(float)
    data, _ = finish(whole, Record(), 5, keep_counts_of=panel_genes("intestine"))
    write_dataset(data, tmp_path / "data.h5ad")
    selected = read_dataset(tmp_path / "data.h5ad").genes
    cells = read_cells(tmp_path / "data.h5ad", source="intestine", panel="intestine")
    assert set(cells.genes) == {*selected, "Saa1", "Fabp6"}
    kept = whole.obs_names.isin(data.obs_names)
    total = X[kept].sum(axis=1)
    gene = "Saa1" if "Saa1" not in selected else "Fabp6"
    assert gene not in selected
    expected = np.log1p(X[kept, names.index(gene)] * np.median(total) / total)
    found = cells.X[:, list(cells.genes).index(gene)].toarray().ravel()
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert set(cells.condition) == set(intestine.CONDITIONS)
    assert len(set(cells.sample)) == 10


def simulated(n_groups: int = 4, **params):
    group_prob = [1 / n_groups] * n_groups
    settings = {"n_genes": 120, "group_prob": group_prob, "de_prob": 0.4, "de_fac_loc": 1.0}
    return splat_simulation(**(settings | {"n_cells": 200} | params), seed=1).stream(threads=1)


@pytest.mark.parametrize("stands_for", STAND_INS)
def test_a_dress_changes_names_alone(stands_for, tmp_path):
    plain, dressed = simulated(), dress(simulated(), stands_for)
    write_dataset(plain, tmp_path / "plain.h5ad")
    write_dataset(dressed, tmp_path / "dressed.h5ad")
    first, second = (read_dataset(tmp_path / f"{n}.h5ad") for n in ("plain", "dressed"))
    assert (first.X != second.X).nnz == 0
    assert len(set(second.genes)) == len(second.genes) == 120
    pairs = {*zip(first.label.tolist(), second.label.tolist(), strict=True)}
    assert len(pairs) == 4
    with pytest.raises(ValueError, match="no dress of 'heart'. A simulation can stand for retina"):
        dress(simulated(), "heart")


@pytest.mark.parametrize(
    ("stands_for", "n_groups"),
    [("brain", 3), ("brain", 6), ("retina", 6), ("intestine", 7), ("intestine", 9)],
)
def test_groups_of_a_stand_in_are_told_by_the_markers_of_their_type(stands_for, n_groups, tmp_path):
    data = dress(simulated(n_groups, n_genes=400, n_cells=600), stands_for)
    write_dataset(data, tmp_path / "a.h5ad")
    cells = read_cells(tmp_path / "a.h5ad", source=stands_for, panel=stands_for)
    types = cluster_types(np.unique(cells.label, return_inverse=True)[1], cells, stands_for)
    kinds = list(read_panel(stands_for))
    expected = labelled_types(cells.label, stands_for)
    assert set(expected) == set(kinds[:n_groups])
    finer = dict.fromkeys(CYCLING, "cell cycle")
    finer |= {f"{short} {age}": side for side, short in SIDES.items() for age in AGES}
    assert [finer.get(kind, kind) for kind in types.tolist()] == expected.tolist()
    if n_groups > len(kinds) and stands_for == "intestine":
        assert set(SUBTYPES) <= set(types)
    assert set(genes_of_interest(stands_for)) <= set(cells.genes)


def test_batches_of_a_stand_in_are_mice_of_all_conditions():
    batched = dress(simulated(n_cells=None, batch_cells=[40] * 10), "intestine")
    mice = sorted(set(batched.obs["batch"]))
    known = pd.Series([intestine.condition_of(mouse) for mouse in mice]).value_counts().to_dict()
    assert known == {name: len(rows) for name, rows in intestine.MICE.items()}
    few = dress(simulated(n_cells=None, batch_cells=[50] * 4), "intestine").obs["batch"]
    assert {intestine.condition_of(mouse) for mouse in few} == set(intestine.CONDITIONS)
    assert numbered(["a", "b"], 5) == ["a", "b", "a 2", "b 2", "a 3"]


def test_genes_are_called_by_their_symbols_where_these_are_known(tmp_path):
    data = AnnData(
        sparse.csr_matrix(np.ones((40, 4), dtype=np.float32)),
        var=pd.DataFrame({"symbol": ["Gad1", "Dup", "Dup", "Olig1"]}, index=list("abcd")),
        uns={"values": "counts"},
    )
    write_dataset(data, tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad") as file:
        assert "symbol" in file["var"]
    cells = read_cells(tmp_path / "a.h5ad", source="brain", panel="brain")
    assert cells.genes.tolist() == ["Gad1", "b", "c", "Olig1"]
    assert set(cells.sample) == {"all"}
    assert set(cells.condition) == {""}
