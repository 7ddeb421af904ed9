"""pytest tests/unit/test_figure_2.py: Figure 2 of synthetic tables."""

import numpy as np
import pytest

from scscope.figures import load_panel
from scscope.figures.style import GREY
from tests.unit.tables_of_panels import atlas, lung, octiles
from tests.unit.test_by_level import example, texts
from tests.unit.test_figure_1 import by_label, by_title, medians, ticks


def by_xlabel(figure, start: str):
    return next(axes for axes in figure.axes if axes.get_xlabel().startswith(start))


def means(axes) -> list:
    """Place of the large point of each entry, from the top."""
    points = [line for line in axes.lines if line.get_markersize() == 3.6]
    return [line.get_xdata()[0] for line in sorted(points, key=lambda p: p.get_ydata()[0])]


def test_noise_mixes_perfectly_and_its_ari_stands_beside():
    figure = load_panel("figure_2a")(lung())
    entropy, ari = by_xlabel(figure, "Entropy of batches"), by_xlabel(figure, "ARI with")
    for axes, expected in ((entropy, {0.97}), (ari, {0.0, 1.0})):
        controls = [line for line in axes.lines if line.get_color() == GREY and line.is_dashed()]
        assert {round(line.get_xdata()[0], 9) for line in controls} == expected
    scores = lung()
    own = scores[(scores["method"] == "scscope_log") & (scores["metric"] == "batch_entropy")]
    assert means(entropy)[0] == pytest.approx(own["value"].mean())


def test_time_of_corrected_and_uncorrected_is_that_of_the_runs():
    scores = lung()
    figure = load_panel("figure_2a")(scores)
    seconds = by_xlabel(figure, "Time of the whole fit")
    order = [
        label.get_text() for label in by_xlabel(figure, "Entropy of batches").get_yticklabels()
    ]
    assert order[:2] == ["scScope · log", "scScope (batches) · log"]
    runs = scores.drop_duplicates(["method", "seed"]).groupby("method")["seconds"].mean()
    expected = [runs["scscope_log"], runs["scscope_batches_log"]]
    np.testing.assert_allclose(means(seconds)[:2], expected)


def test_the_papers_entropy_has_an_axis_of_its_own():
    figure = example("figure_2a")
    paper = by_xlabel(figure, "Entropy of another definition")
    assert paper.get_xlim()[1] < 0
    times = by_xlabel(figure, "Time (s), other hardware")
    without = [line.get_xdata()[0] for line in times.lines if line.get_label() == "without"]
    assert without == [27, 355, 740]
    assert "× 1/3 error" in texts(figure)


def test_octiles_of_genes_and_of_entries_are_two_rows():
    scores = octiles()
    figure = load_panel("figure_2b")(scores)
    for of in ("gene", "entry"):
        word = "genes" if of == "gene" else "entries"
        axes = by_label(figure, f"Error (|Δ log1p|)\nOctiles of {word}")
        assert ticks(axes) == [str(i) for i in range(1, 9)]
        own = scores[(scores["dataset"] == "cbmc_heldout") & (scores["method"] == "ae_log")]
        own = own[own["metric"].str.startswith(of)].groupby("metric")["value"].median()
        np.testing.assert_allclose(sorted(medians(axes)["AE"]), sorted(own))
    paper = by_title(figure, "Paper (digitised)")
    assert medians(paper)["scVI"][-1] == pytest.approx(1.242)


def test_what_has_no_octiles_does_not_count():
    scores = octiles()
    figure = load_panel("figure_2b")(scores[scores["metric"] == "imputation_error"])
    assert any("No error by octile" in text for text in texts(figure))


def test_numbers_of_genes_are_in_order_and_failures_are_marked():
    figure = example("figure_2c")
    ours, paper = by_title(figure, "This run"), by_title(figure, "Paper (digitised)")
    assert ticks(ours) == ticks(paper) == ["1,000", "2,000", "5,000", "10,000", "20,000"]
    assert ours.get_ylim() == paper.get_ylim()
    for axes, n_failed in ((ours, 3), (paper, 5)):
        assert len([line for line in axes.lines if line.get_marker() == "x"]) == n_failed
    assert len(medians(ours)["DCA (counts)"]) == 3
    assert list(medians(paper)["scVI"]) == [0.507, 0.490, 0.473]


def test_a_dataset_of_other_genes_takes_its_place():
    tables = atlas()
    tables["datasets"].loc[tables["datasets"]["dataset"] == "mca_1k", "n_genes"] = 30_000
    axes = by_title(load_panel("figure_2c")(**tables), "This run")
    assert ticks(axes) == ["2,000", "5,000", "10,000", "20,000", "30,000"]
