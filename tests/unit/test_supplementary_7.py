"""pytest tests/unit/test_supplementary_7.py: the intestine, also of figure 8; all tables are synthetic."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from scscope.datasets.intestine import CONDITIONS, MICE
from scscope.figures import details, supplementary_7, supplementary_8
from scscope.figures.supplementary_7 import SUBTYPES
from tests.unit.tables_of_details import PANEL, tables
from tests.unit.test_figures import synthetic, texts

ORDER = ["Control", "Hpoly.Day3", "Hpoly.Day10", "Salmonella"]


@cache
def made() -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    scores = synthetic(1)
    return scores, tables("intestine", scores, n_clusters=12, n_cells=300)


def shown(table: str) -> pd.DataFrame:
    """Rows of the run that is shown."""
    scores, further = made()
    return details.shown_run(scores, further[table]).of(further[table])


def composition(compositions: pd.DataFrame | None = None):
    scores, further = made()
    cells = further["compositions"] if compositions is None else compositions
    return supplementary_7.composition_by_condition(
        scores, maps=further["maps"], compositions=cells
    )


def test_every_condition_has_its_map_with_all_cells():
    figure = composition()
    maps = shown("maps")
    assert set(ORDER) == set(CONDITIONS)
    for axes, condition in zip(figure.axes, ORDER, strict=False):
        assert condition in {text.get_text() for text in axes.texts}
        others, own = axes.findobj(PathCollection)
        n = (maps["condition"] == condition).sum()
        assert len(own.get_offsets()) == n
        assert len(others.get_offsets()) == len(maps) - n


def test_bars_are_shares_of_each_mouse_and_their_mean():
    axes = composition().axes[-1]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert len(labels) == sum(map(len, MICE.values())) + len(MICE)
    heights = np.array([[bar.get_height() for bar in bars] for bars in axes.containers])
    np.testing.assert_allclose(heights.sum(axis=0), 1)  # types sum to all cells of a mouse
    cells = shown("compositions").pivot_table(
        index=["condition", "sample"], columns="type", values="n_cells", aggfunc="sum"
    )
    shares = cells.div(cells.sum(axis=1), axis=0)
    shares = shares.rename(columns={"unassigned": ""})
    types = list(details.type_colours(shares.columns))
    control = shares.loc["Control", types].mean()
    np.testing.assert_allclose(heights[:, labels.index("mean of 4\nControl")], control)
    assert labels[0] == f"B1\n{cells.loc['Control'].iloc[0].sum():,}"


def test_two_mice_are_descriptive_and_three_would_not_be():
    assert any("Salmonella: n = 2; descriptive: too few" in text for text in texts(composition()))
    cells = made()[1]["compositions"]
    more = [cells.assign(sample=cells["sample"] + f" {i}") for i in range(2)]
    assert not any("descriptive" in text for text in texts(composition(pd.concat(more))))


def written(axes) -> dict[tuple[str, int], str]:
    """Texts of cells by gene and column."""
    genes = [label.get_text() for label in axes.get_yticklabels()]
    return {
        (genes[int(text.get_position()[1])], int(text.get_position()[0])): text.get_text()
        for text in axes.texts
        if text.get_position()[1] in range(len(genes)) and text.get_position()[0] > 0.1
    }


def test_means_are_written_and_other_genes_are_not():
    scores, further = made()
    axes = supplementary_7.enterocyte_markers(scores, expression=further["expression"]).axes[0]
    rows = shown("expression").query("condition == 'all'").drop_duplicates(["gene", "group"])
    means = rows.set_index(["gene", "group"])["mean"]
    cells = written(axes)
    for (gene, column), text in cells.items():
        assert text == f"{means[gene, (*SUBTYPES, 'other')[column]]:.2g}"
    genes = list(dict.fromkeys(gene for gene, _ in cells))
    n_distal = len(PANEL["intestine"]["distal mature"])
    assert set(genes[:n_distal]) == set(PANEL["intestine"]["distal mature"])
    assert set(genes[n_distal:]) == set(PANEL["intestine"]["proximal mature"])
    assert "Saa1" not in genes


def test_high_means_are_written_in_full():
    assert [supplementary_7._short(mean) for mean in (0.123, 12.3, 99.6, 1234.5)] == [
        "0.12",
        "12",
        "100",
        "1,234",
    ]


def test_of_many_genes_those_of_enterocytes_are_kept_and_the_others_counted():
    rows = shown("expression").query("condition == 'all'")
    other = rows["group"] == "other"
    more = [
        rows.assign(gene=rows["gene"] + f".{i}", mean=rows["mean"].where(~other, 1e6))
        for i in range(6)
    ]
    table = pd.concat([rows, *more])
    for module in (supplementary_7.enterocyte_markers, supplementary_8.marker_tests):
        figure = module(made()[0], expression=table)
        genes = {label.get_text() for label in figure.axes[0].get_yticklabels()}
        assert len(genes) == supplementary_7.MOST_GENES
        assert set(rows["gene"]) <= genes
        assert any("40 of 49 genes" in text for text in texts(figure))


def test_a_subtype_without_cells_is_a_dash():
    scores, further = made()
    lost = further["expression"].query("group != 'distal immature'")
    axes = supplementary_7.enterocyte_markers(scores, expression=lost).axes[0]
    column = [text for (_, x), text in written(axes).items() if x == 0]
    assert set(column) == {"–"}
    assert "distal\nimmature\nno cells" in {label.get_text() for label in axes.get_xticklabels()}


def test_saa1_has_a_box_for_each_condition_and_p_against_control():
    scores, further = made()
    figure = supplementary_7.saa1_by_condition(scores, expression=further["expression"])
    assert len(figure.axes) == 2
    rows = shown("expression").query("gene == 'Saa1' and group == 'distal'").set_index("condition")
    distal = figure.axes[0]
    medians = [line.get_ydata()[0] for line in distal.lines if line.get_linewidth() == 1.3]
    assert medians == pytest.approx(list(rows.loc[ORDER, "median"]))
    words = {text.get_text().strip() for text in distal.texts}
    day = rows.loc["Hpoly.Day10"]
    assert f"{details.p_text(day['p_t'])}\n{details.p_text(day['p_rank_sum'])}" in words
    assert sum("P " in text for text in words) == len(ORDER) - 1
    assert any("of cells: descriptive" in " ".join(t.split()) for t in texts(figure))


def test_without_groups_as_a_whole_the_subtypes_are_drawn():
    scores, further = made()
    parts = further["expression"].query("group not in ('distal', 'proximal')")
    figure = supplementary_7.saa1_by_condition(scores, expression=parts)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(SUBTYPES)
    lost = parts[~((parts["condition"] == "Salmonella") & (parts["group"] == "distal mature"))]
    assert "no cells" in texts(supplementary_7.saa1_by_condition(scores, expression=lost))


def test_p_of_both_tests_is_written_with_its_direction():
    scores, further = made()
    figure = supplementary_8.marker_tests(scores, expression=further["expression"])
    rows = shown("expression").query("condition == 'all'")
    means = rows.drop_duplicates(["gene", "group"]).set_index(["gene", "group"])["mean"]
    tests = rows.set_index(["gene", "group", "against"]).sort_index()
    for axes, side in zip(figure.axes, ("distal", "proximal"), strict=True):
        for (gene, column), text in written(axes).items():
            pair = supplementary_8.comparisons(side)[column // 2]
            p = tests.at[(gene, *pair), ("p_t", "p_rank_sum")[column % 2]]
            assert text.startswith("▼") == (means[gene, pair[0]] < means[gene, pair[1]])
            number = float(text.strip("▼ >"))
            assert number == pytest.approx(min(-np.log10(max(p, 1e-320)), 300), abs=0.5)


def test_a_pair_counts_in_either_order_and_one_without_a_test_is_a_dash():
    row = {"gene": "Apoa4", "group": "distal mature", "against": "distal immature", "p_t": 0.01}
    about = {"p_rank_sum": 0.2, "mean": 1.0, "condition": "all", "n_cells": 9, "descriptive": True}
    run = {"dataset": "mid_1", "method": "pca_log", "seed": 0, "clusterer": "phenograph"}
    table = pd.DataFrame([{**row, **about, **run}])
    figure = supplementary_8.marker_tests(synthetic(1), expression=table)
    cells = written(figure.axes[0])
    assert [cells["Apoa4", x] for x in range(6)] == ["2.0", "0.7", "–", "–", "–", "–"]
