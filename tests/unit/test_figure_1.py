"""pytest tests/unit/test_figure_1.py: Figures 1b and 1d, and Supplementary Figure 4, of synthetic tables."""

import numpy as np
import pytest

from scscope.figures import load_panel
from scscope.figures.tables import paper_values
from tests.unit.tables_of_panels import BEYOND, brain_times, simulated
from tests.unit.test_by_level import example, texts


def curves(axes) -> dict:
    """Points of each curve with bars, by its label."""
    return {c.get_label(): dict(zip(*c[0].get_data(), strict=True)) for c in axes.containers}


def by_title(figure, title: str):
    """The panel of a title."""
    return next(a for a in figure.axes if title in {text.get_text() for text in a.texts})


def by_label(figure, label: str):
    return next(axes for axes in figure.axes if axes.get_ylabel() == label)


def test_times_are_drawn_beside_the_papers_on_equal_axes():
    scores = brain_times(2)
    figure = load_panel("figure_1b")(scores)
    paper, ours = by_title(figure, "Paper (digitised)"), by_title(figure, "This run")
    for axes in (paper, ours):
        assert axes.get_xscale() == axes.get_yscale() == "log"
    assert paper.get_xlim() == ours.get_xlim()
    assert paper.get_ylim() == ours.get_ylim()
    assert curves(paper)["scScope"][1e6] == pytest.approx(0.83 * 3600)
    assert curves(paper)["scScope, 4 GPUs"][1e6] == pytest.approx(0.40 * 3600)
    assert set(curves(paper)["MAGIC"]) == {5_000, 10_000, 50_000}
    pca = scores[(scores["method"] == "pca_log") & (scores["n_cells"] == 10**6)]
    assert curves(ours)["PCA"][1e6] == pytest.approx(pca["seconds"].mean())
    memory = curves(by_label(figure, "Peak memory (GiB)"))
    assert memory["PCA"][1e6] == pytest.approx(pca["peak_rss_mb"].mean() / 1024)
    assert "brain_5k to brain_1m" in texts(figure)


def strip(figure, word: str) -> dict[str, list]:
    """Sizes with a cross, by method, in the strip that is headed by a word."""
    axes = next(a for a in figure.axes if f"{word}:" in {t.get_text() for t in a.get_yticklabels()})
    names = [t.get_text() for t in axes.get_yticklabels()][1:]
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    return {
        name: sorted(c.get_xdata()[0] for c in crosses if c.get_ydata()[0] == i)
        for i, name in enumerate(names)
    }


def test_sizes_at_which_methods_failed_are_marked():
    figure = load_panel("figure_1b")(brain_times(2, BEYOND))
    assert strip(figure, "failed") == {
        "MAGIC": [100_000, 500_000, 1_000_000],
        "DCA (100 epochs) (counts)": [1_000_000],
        "scVI (counts)": [500_000, 1_000_000],
    }
    assert "1/2" in texts(figure)  # of scVI at half a million cells
    assert strip(figure, "no value")["SIMLR"] == [500_000, 1_000_000]
    # A failed run's time until it failed is no time of the method.
    assert 1e6 not in curves(by_title(figure, "This run"))["MAGIC"]


def test_a_study_without_failures_says_so():
    assert "failed: none" in texts(load_panel("figure_1b")(brain_times()))


def ticks(axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def medians(axes) -> dict:
    """Height of each method's line, by its label."""
    return {
        line.get_label(): line.get_ydata()
        for line in axes.lines
        if not line.get_label().startswith("_")
    }


def test_rare_types_have_a_column_for_each_latent_dimension():
    tables = simulated("rare_types", "rare_share")
    figure = load_panel("figure_1d")(**tables)
    columns = [by_title(figure, f"This run: P = {p}") for p in (5, 10, 20, 50)]
    assert all(ticks(axes) == ["0.05", "0.1", "0.5", "1"] for axes in columns)
    scores = tables["scores"]
    own = scores[(scores["method"] == "pca_log") & (scores["metric"] == "rare_ari")]
    names = ["simlr_p20_rare005", "simlr_p20_rare01", "simlr_p20_rare05", "simlr_p20_rare1"]
    expected = [own.loc[own["dataset"] == name, "value"].median() for name in names]
    np.testing.assert_allclose(medians(columns[2])["PCA"], expected)


def test_the_papers_rare_types_are_its_boxes():
    axes = by_title(example("figure_1d"), "Paper (digitised)")
    assert ticks(axes) == ["0.05", "0.1", "0.5", "1"]
    np.testing.assert_allclose(medians(axes)["scScope"], [0.151, 0.148, 0.264, 0.447])
    assert len(paper_values("fig1d")) == len(axes.patches) - 2  # boxes, without the shaded levels


def test_dropout_levels_are_those_of_the_simulation():
    figure = example("supplementary_4")
    columns = [by_title(figure, f"This run: P = {p}") for p in (5, 10, 20, 50)]
    assert all(ticks(axes) == ["10", "30", "50", "70", "90"] for axes in columns)
    assert len(figure.axes) == 5  # and the legend: nothing of the paper


@pytest.mark.parametrize("name", ["figure_1d", "supplementary_4"])
def test_data_that_were_simulated_otherwise_are_not_drawn(name):
    study, key = (
        ("rare_types", "rare_share") if "1d" in name else ("million_dropout", "dropout_rate")
    )
    tables = simulated(study, key, n_seeds=1)
    tables["datasets"] = tables["datasets"].drop(columns="params")
    figure = load_panel(name)(**tables)
    assert any("No dataset of this study was simulated" in text for text in texts(figure))
