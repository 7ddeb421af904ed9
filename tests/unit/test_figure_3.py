"""pytest tests/unit/test_figure_3.py: maps, genes and sizes of clusters; all tables here are synthetic."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba

from scscope.datasets.brain import MARKERS, PAPER_CELLS
from scscope.figures import details, figure_3
from scscope.figures.figure_3 import paper_clusters
from tests.unit.tables_of_details import tables
from tests.unit.test_figures import synthetic, texts

N_CLUSTERS, N_CELLS = 9, 400


@cache
def made() -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    scores = synthetic(1)
    return scores, tables("brain", scores, n_clusters=N_CLUSTERS, n_cells=N_CELLS)


@cache
def first() -> dict[str, pd.DataFrame]:
    """The tables of the run that is shown."""
    scores, all_runs = made()
    run = details.shown_run(scores, all_runs["maps"])
    return {name: run.of(all_runs[name]) for name in ("maps", "markers")}


def cloud(figure) -> PathCollection:
    return next(a for a in figure.findobj(PathCollection) if len(a.get_offsets()) == N_CELLS)


def test_every_cell_is_drawn_once_and_every_cluster_has_its_number():
    scores, further = made()
    figure = figure_3.clusters_on_map(scores, maps=further["maps"])
    maps = first()["maps"]
    drawn = np.sort(np.asarray(cloud(figure).get_offsets())[:, 0])
    np.testing.assert_allclose(drawn, np.sort(maps["x"]))
    in_none = (maps["cluster"] == -1).sum()
    assert in_none > 0
    assert {f"{N_CELLS} cells, {N_CLUSTERS} clusters, {in_none} in none (grey)"} <= texts(figure)
    numbers = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    for cluster, cells in maps[maps["cluster"] != -1].groupby("cluster"):
        assert numbers[str(cluster)] == pytest.approx((cells["x"].median(), cells["y"].median()))
    assert "-1" not in numbers


def test_cells_have_the_colour_of_their_type():
    scores, further = made()
    figure = figure_3.types_on_map(scores, maps=further["maps"])
    types = details.known_types(first()["maps"]["type"])
    colours = details.type_colours(types)
    assert {*colours, "no type"} - {""} <= texts(figure)
    shown = pd.Series(map(tuple, cloud(figure).get_facecolors())).value_counts()
    for name, n in types.value_counts().items():
        assert shown[to_rgba(colours[name])] == n


def test_dots_are_means_over_the_clusters_of_a_type():
    scores, further = made()
    figure = figure_3.markers_by_type(scores, **{n: further[n] for n in ("markers", "maps")})
    types = details.cluster_types(first()["maps"])
    markers = first()["markers"].query("grouping == 'cluster'")
    axes = figure.axes[0]
    genes = [label.get_text() for label in axes.get_xticklabels()]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(genes) == sorted(gene for panel in MARKERS.values() for gene in panel)
    assert rows[0] == f"GABAergic ({(types == 'GABAergic').sum()})"
    dots = axes.collections[0]
    at = [tuple(place) for place in np.asarray(dots.get_offsets())].index((genes.index("Gad1"), 0))
    own = markers[(markers["gene"] == "Gad1") & (markers["group"].map(types) == "GABAergic")]
    assert dots.get_array()[at] == pytest.approx(own["log2_fold_change"].mean())
    smallest, largest = 1.5, figure_3.DOT
    share = (dots.get_sizes()[at] - smallest) / (largest - smallest)
    assert share == pytest.approx(own["is_marker"].mean())


def test_genes_stand_by_their_type():
    scores, further = made()
    figure = figure_3.markers_by_type(scores, **{n: further[n] for n in ("markers", "maps")})
    genes = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert set(genes[:3]) == set(MARKERS["GABAergic"])
    assert set(genes[3:5]) == set(MARKERS["glutamatergic"])


def test_top_genes_pass_both_thresholds_and_stand_in_order():
    scores, further = made()
    markers = further["markers"].copy()
    lost = (markers["grouping"] == "cluster") & (markers["group"] == "0")
    markers.loc[lost, "is_marker"] = False
    figure = figure_3.top_genes(scores, markers=markers, maps=further["maps"])
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    lines = {y: label.split(" ")[0] for y, label in enumerate(labels)}
    assert sorted(lines.values()) == [str(i) for i in range(N_CLUSTERS)]
    for y, cluster in lines.items():
        words = [text.get_text() for text in axes.texts if text.get_position()[1] == y]
        if cluster == "0":
            assert words == ["no gene above both thresholds"]
            continue
        own = first()["markers"].query("grouping == 'cluster' and group == @cluster and is_marker")
        expected = own.nlargest(10, "log2_fold_change")["gene"]
        assert words == list(expected)
    assert any("descriptive: the clusters come from the same values" in t for t in texts(figure))


def test_more_clusters_than_fit_are_counted():
    scores = synthetic(1)
    further = tables("brain", scores, n_clusters=60, n_cells=900)
    run = details.shown_run(scores, further["maps"])
    one = {name: run.of(further[name]) for name in ("markers", "maps")}
    figure = figure_3.top_genes(scores, **one)
    assert len(figure.axes[0].get_yticklabels()) == figure_3.MOST_CLUSTERS
    assert any("the 48 largest of 60 clusters" in text for text in texts(figure))
    sizes = [
        int(t.get_text().split(" ")[-1].replace(",", "")) for t in figure.axes[0].get_yticklabels()
    ]
    assert min(sizes) >= sorted(one["markers"].drop_duplicates("group")["n_cells"])[12]


def test_sizes_are_shares_of_all_cells_and_the_papers_stand_below():
    scores, further = made()
    figure = figure_3.cluster_sizes(scores, **{n: further[n] for n in ("markers", "maps")})
    ours, paper = figure.axes
    sizes = first()["markers"].query("grouping == 'cluster'").drop_duplicates("group")["n_cells"]
    shares = [share for line in ours.lines for share in line.get_ydata()]
    np.testing.assert_allclose(sorted(shares), sorted(sizes / sizes.sum()))
    drawn = {line.get_label(): line.get_ydata() for line in paper.lines}
    assert max(drawn["glutamatergic"]) == pytest.approx(345_532 / PAPER_CELLS)
    assert {"Paper (as printed in Fig. 3)", "glutamatergic\n817,309 cells"} <= texts(figure)
    labels = [label.get_text() for label in paper.get_xticklabels()]
    assert sorted(labels, key=int) == sorted(paper_clusters()["cluster"], key=int)


def test_the_papers_clusters_have_the_sums_that_are_known_of_them():
    table = paper_clusters()
    sums = table.groupby("type")["n_cells"].sum().to_dict()
    assert sums == {"non-neuronal": 93_876, "glutamatergic": 817_309, "GABAergic": 212_529}
    assert len(table) == table["cluster"].nunique() == 24


def test_a_cluster_that_is_not_on_the_map_has_no_type_but_its_size():
    scores, further = made()
    maps = further["maps"][further["maps"]["cluster"] != 0]
    figure = figure_3.cluster_sizes(scores, markers=further["markers"], maps=maps)
    assert any(text.startswith("no type\n") for text in texts(figure))
    assert sum(len(line.get_ydata()) for line in figure.axes[0].lines) == N_CLUSTERS
