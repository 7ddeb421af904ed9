"""pytest tests/unit/test_supplementary_5.py: types of the retina; all tables here are synthetic."""

import numpy as np
import pandas as pd
import pytest

from scscope.datasets.retina import JEON_1998
from scscope.figures import supplementary_5 as retina
from scscope.figures.style import GREY
from scscope.metrics.composition import share_correlation
from tests.unit.tables_of_details import tables
from tests.unit.test_figures import synthetic, texts

DATASETS = pd.DataFrame({"dataset": ["mid_1", "mid_2"], "seed": [0, 0], "n_labels": [39, 12]})


def counted(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with numbers of clusters: 30 everywhere."""
    clusters = scores[scores["metric"] == "ari"].assign(metric="n_clusters", value=30.0)
    return pd.concat([scores, clusters], ignore_index=True)


def of_types(cells: dict[str, dict[str, int]], *, seed: int = 0, clusterer: str = "phenograph"):
    """Compositions of dataset mid_1: cells by type, by method."""
    rows = [
        {"method": method, "type": name, "n_cells": n}
        for method, types in cells.items()
        for name, n in types.items()
    ]
    about = {"dataset": "mid_1", "seed": seed, "clusterer": clusterer, "sample": "all"}
    return pd.DataFrame(rows).assign(condition="", **about)


def test_known_number_of_clusters_is_a_line_in_each_dataset():
    figure = retina.agreement_and_clusters(counted(synthetic(2)), datasets=DATASETS)
    assert {"ARI, all cells", "Clusters"} == {axes.get_xlabel() for axes in figure.axes}
    assert {"39 known", "12 known"} <= texts(figure)
    places = []
    for axes in figure.axes:
        if axes.get_xlabel() == "Clusters":
            places += [line.get_xdata()[0] for line in axes.lines if line.is_dashed()]
    assert places == [39, 12]


def test_failed_runs_stand_in_their_line():
    scores = counted(synthetic(3, failing={"scvi": ("mid_2", 2, "timeout")}))
    lost = scores["status"] != "ok"
    scores.loc[lost, "value"] = np.nan
    figure = retina.agreement_and_clusters(scores, datasets=DATASETS)
    lines = [[label.get_text() for label in axes.get_yticklabels()] for axes in figure.axes]
    assert ["scVI (counts)  × 2/3" in names for names in lines] == [False, False, True, False]
    assert any("scVI (counts): 2/6 timeout" in text for text in texts(figure))


def test_shares_are_among_the_types_that_microscopy_has():
    found = {"rods": 800, "amacrine": 60, "bipolar": 40, "pericytes": 500}
    table = of_types({"pca_log": found})
    axes = retina.shares_of_all_types(synthetic(1), compositions=table).axes[0]
    drawn = next(line for line in axes.lines if line.get_label() == "PCA")
    shares = dict(zip(JEON_1998, drawn.get_ydata(), strict=True))
    assert shares["rods"] == pytest.approx(800 / 900)
    assert shares["cones"] == pytest.approx(0.005 / 1.001 / 10, rel=0.01)  # none: the lower end
    axes = retina.shares_without_rods(synthetic(1), compositions=table).axes[0]
    drawn = next(line for line in axes.lines if line.get_label() == "PCA")
    types = [name for name in JEON_1998 if name != "rods"]
    assert dict(zip(types, drawn.get_ydata(), strict=True))["amacrine"] == pytest.approx(0.6)


def test_correlations_are_those_of_the_shares():
    found = {"horizontal": 9, "amacrine": 60, "cones": 5, "bipolar": 80, "Müller glia": 30}
    figure = retina.shares_without_rods(
        synthetic(1), compositions=of_types({"pca_log": found, "scvi": found})
    )
    axes = figure.axes[1]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    y = labels.index("PCA · log")
    means = [line for line in axes.lines if line.get_markersize() == 3.6]
    drawn = [line.get_xdata()[0] for line in means if abs(np.ravel(line.get_ydata())[0] - y) < 0.5]
    reference = pd.Series(JEON_1998).drop("rods")
    shares = pd.Series(found)
    expected = [share_correlation(shares, reference, rank=rank) for rank in (False, True)]
    assert drawn == pytest.approx(expected)
    assert expected[0] != pytest.approx(expected[1])
    assert "no run with clusters" in texts(figure)  # of the other methods


def test_published_labels_are_a_line_of_their_own():
    ours = of_types({"pca_log": {"amacrine": 6, "bipolar": 4}})
    labels = of_types({"truth": {"amacrine": 3, "bipolar": 7}}, clusterer="given")
    figure = retina.shares_without_rods(synthetic(1), compositions=pd.concat([ours, labels]))
    drawn = next(line for line in figure.axes[0].lines if line.get_label() == retina.LABELS)
    assert drawn.get_color() == GREY
    types = [name for name in JEON_1998 if name != "rods"]
    assert dict(zip(types, drawn.get_ydata(), strict=True))["bipolar"] == pytest.approx(0.7)
    without = retina.shares_without_rods(synthetic(1), compositions=ours)
    assert retina.LABELS not in texts(without)


def of_genes(rows: list[tuple]) -> pd.DataFrame:
    """Markers of types in dataset mid_1: method, seed, type, gene, fold change, P."""
    columns = ["method", "seed", "group", "gene", "log2_fold_change", "p"]
    about = {"dataset": "mid_1", "clusterer": "phenograph", "grouping": "type"}
    return pd.DataFrame(rows, columns=columns).assign(**about, n_cells=10, descriptive=True)


def cells_of(figure) -> dict[tuple[str, str], str]:
    """Texts by method and type."""
    axes = figure.axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    columns = [label.get_text() for label in axes.get_xticklabels()]
    places = {(t.get_position()[1], int(t.get_position()[0])): t.get_text() for t in axes.texts
              if t.get_position()[1] in range(len(rows))}  # fmt: skip
    return {(rows[int(y)], columns[x]): text for (y, x), text in places.items()}


def test_significance_is_of_a_types_own_genes_and_only_if_it_has_more_of_them():
    markers = of_genes([
        ("pca_log", 0, "rods", "Rho", 3, 1e-50), ("pca_log", 0, "cones", "Rho", -2, 1e-90),
        ("pca_log", 0, "rods", "Opn1sw", -1, 1e-40), ("pca_log", 0, "cones", "Opn1sw", 2, 1e-10),
        ("scvi", 0, "rods", "Rho", 2, 1e-30), ("scvi", 0, "rods", "Opn1sw", -1, 1e-9),
        ("mine", 0, "rods", "Rho", -0.1, 1e-60), ("mine", 0, "cones", "Rho", 0.1, 1e-60),
        ("mine", 0, "rods", "Opn1sw", 0.2, 0.5), ("mine", 0, "cones", "Opn1sw", 0.5, 0.0),
    ])  # fmt: skip
    figure = retina.marker_significance(synthetic(1), markers=markers)
    found = cells_of(figure)
    assert found["PCA · log", "rods"] == "50"
    assert found["PCA · log", "cones"] == "10"
    assert found["PCA · log", "mean\nof types"] == "30"
    assert found["scVI (counts)", "cones"] == "–"
    assert found["scVI (counts)", "mean\nof types"] == "15"
    assert found["My method · size", "rods"] == "0"
    assert found["My method · size", "cones"] == "300"
    assert "no run with types" in texts(figure)  # of scScope


def test_seeds_without_a_type_are_counted():
    rows = [("pca_log", seed, "rods", "Rho", 3, 1e-20) for seed in range(3)]
    rows += [("pca_log", 0, "cones", "Rho", -1, 1e-20)]
    rows += [("pca_log", seed, "rods", "Opn1sw", -3, 1e-20) for seed in range(3)]
    rows += [("pca_log", 0, "cones", "Opn1sw", 1, 1e-20)]
    found = cells_of(retina.marker_significance(synthetic(3), markers=of_genes(rows)))
    assert found["PCA · log", "cones"] == "20 (1/3)"
    assert found["PCA · log", "rods"] == "20"


def test_other_clusterers_and_runs_do_not_mix():
    scores = synthetic(2)
    markers = tables("retina", scores, n_clusters=13, n_cells=30)["markers"]
    of_kmeans = markers["clusterer"] == "kmeans"
    changed = markers.assign(p=markers["p"].where(~of_kmeans, 1.0))
    first, second = (
        cells_of(retina.marker_significance(scores, markers=m)) for m in (markers, changed)
    )
    assert first == second
