"""pytest tests/unit/test_supplementary_settings.py: scores by setting, by scale, of denoising; all synthetic."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from scscope.figures import PANELS, load_panel
from scscope.figures.by_setting import varied
from scscope.figures.style import WIDTH, save
from scscope.figures.tables import resolved
from tests.unit.tables_of_panels import EXAMPLES, draw_example, study_scores

BY_SETTING = ("supplementary_3", "supplementary_13", "supplementary_15")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def ticks(axes) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


def means(axes) -> list[list[float]]:
    """Heights of the connected points of each clusterer."""
    return [list(container[0].get_ydata()) for container in axes.containers]


def panels(figure) -> list:
    return [axes for axes in figure.axes if axes.axison]


def test_entries_are_sorted_by_the_one_setting_in_which_they_differ():
    table = varied(study_scores("training", n_seeds=1))
    assert set(table.loc[table["is_reference"], "method"]) == {"scscope_log"}
    found = {name: list(group["value"]) for name, group in table.groupby("setting")}
    assert found == {
        "learning_rate": [0.0001, 0.001, 0.01],
        "batch_size": [32, 64, 128],
        "max_epochs": [50, 100, 200],
        "epochs_per_check": [10, 50, 100],
    }


def test_the_reference_is_the_entry_that_sets_least_where_all_differ_in_the_same():
    table = varied(study_scores("passes", n_seeds=1).iloc[::-1])
    assert list(table["value"]) == [1, 2, 3, 4]
    assert list(table.loc[table["is_reference"], "method"]) == ["scscope_log"]


def entries(**params: dict) -> pd.DataFrame:
    rows = [
        {"method": name, "use": "scscope", "scale": "log", "params": json.dumps(own)}
        for name, own in params.items()
    ]
    return pd.DataFrame(rows)


def test_an_entry_that_differs_in_two_settings_is_on_no_axis():
    both = {"n_latent": 30, "n_steps": 3}
    table = varied(entries(plain={}, wide={"n_latent": 100}, both=both, narrow={"n_latent": 10}))
    assert list(table["method"]) == ["narrow", "plain", "wide"]
    assert set(table["setting"]) == {"n_latent"}


def test_a_value_that_is_the_presets_is_no_difference():
    assert varied(entries(plain={}, same={"n_steps": 2, "preset": "paper"})).empty
    assert varied(entries(plain={})[:0]).empty


def test_what_an_entry_leaves_out_is_its_presets():
    assert resolved("scscope", {})["learning_rate"] == 1e-3
    assert resolved("scscope", {"preset": "package"})["learning_rate"] == 1e-4
    assert resolved("ae", {"preset": "paper"})["n_steps"] == 1
    assert "correct_batches" not in resolved("scscope", {"correct_batches": True})
    assert resolved("scscope", {"preset": "none"}) == {}


def test_passes_have_accuracy_error_and_time_of_each_dataset():
    scores = study_scores("passes", n_seeds=2, datasets=["splat_mid1", "cbmc"])
    axes = panels(load_panel("supplementary_3")(scores))
    assert len(axes) == 6  # three measures, two datasets
    assert all(ticks(a) == ["1", "2", "3", "4"] for a in axes)
    assert [len(means(a)) for a in axes] == [2, 2, 1, 0, 1, 1]  # clusterers; none has no error
    runs = scores[scores["dataset"] == "splat_mid1"].drop_duplicates(["method", "seed"])
    seconds = runs.groupby("method", sort=False)["seconds"].mean()
    order = ["scscope_1_pass_log", "scscope_log", "scscope_3_passes_log", "scscope_4_passes_log"]
    np.testing.assert_allclose(means(axes[4])[0], seconds[order])
    assert "no value" in [text.get_text() for text in axes[3].texts]


def test_latent_size_has_one_row_for_each_set_of_labels():
    figure = load_panel("supplementary_13")(study_scores("latent_size", n_seeds=2))
    axes = panels(figure)
    assert len(axes) == 6
    assert ticks(axes[0]) == ["10", "30", "50", "100"]
    assert {"ARI", "AMI", "Clusters", "cbmc", "cbmc_published"} <= set(texts(figure))


def test_training_has_four_blocks():
    figure = draw_example("supplementary_15")
    axes = panels(figure)
    labels = [a.get_xlabel() for a in axes if a.get_xlabel()]
    assert labels == ["Learning rate", "Cells in a minibatch", "Epochs at most", "Epochs per check"]
    assert {"a", "b", "c", "d"} <= set(texts(figure))
    assert ticks(axes[0]) == ["0.0001", "0.001", "0.01"]


def test_failed_runs_are_marked_once_whatever_the_number_of_clusterers():
    shown = texts(draw_example("supplementary_3"))
    assert "1/5" in shown
    assert shown.count("all") == 2  # of ARI and of time; the error of real data is not known
    assert "runs failed / all" in shown


def test_entries_that_are_not_shown_are_named():
    scores = study_scores("real", n_seeds=1)
    extra = study_scores("passes", n_seeds=1, datasets=["cbmc"])
    both = pd.concat([extra, scores[scores["method"] == "pca_log"]])
    assert "not on these axes: PCA" in texts(load_panel("supplementary_3")(both))


@pytest.mark.parametrize("name", BY_SETTING)
def test_what_cannot_be_drawn_is_said(name):
    scores = study_scores("training", n_seeds=1)
    draw = load_panel(name)
    assert any("gather them anew" in text for text in texts(draw(scores.drop(columns="params"))))
    single = scores[scores["method"] == "scscope_log"]
    assert any("No two entries" in text for text in texts(draw(single)))
    assert any("No two entries" in text for text in texts(draw(scores[:0])))


@pytest.mark.parametrize("name", BY_SETTING)
def test_a_study_of_failed_runs_alone_is_drawn(name):
    scores = EXAMPLES[name]()["scores"]
    scores = scores.assign(status="timeout", value=np.nan, seconds=np.nan)
    assert "all" in texts(load_panel(name)(scores))


@pytest.mark.parametrize("name", ["critical_difference", *BY_SETTING])
def test_examples_fit_the_page_and_are_always_the_same(name, tmp_path):
    figure = draw_example(name)
    box, page = figure.get_tightbbox(), figure.get_size_inches()
    assert page[0] <= WIDTH + 1e-9
    assert min(box.x0, box.y0) >= -1e-9
    assert box.x1 <= page[0] + 1e-9
    assert box.y1 <= page[1] + 1e-9
    paths = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for drawing, path in zip((figure, draw_example(name)), paths, strict=True):
        save(drawing, [path])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert PANELS[name].caption.endswith(".")


def scales() -> pd.DataFrame:
    """Real sets, with a model of counts also on rounded values."""
    failing = {("cbmc", "dca_paper"): "timeout", ("retina", "pca_log", 1): "error"}
    failing |= {("retina", "magic_paper"): "not_applicable"}
    scores = study_scores("real", datasets=["cbmc", "retina"], failing=failing)
    rounded = scores[scores["method"] == "scvi_paper"]
    return pd.concat([scores, rounded.assign(method="scvi_rounded", scale="rounded")])


def test_every_scale_is_a_column_and_off_label_is_marked():
    scores = scales()
    figure = load_panel("supplementary_12")(scores)
    axes = figure.axes
    assert len(axes) == 4  # two clusterers, two datasets
    assert ticks(axes[0]) == ["log", "log_counts", "size", "size_unit", "counts", "rounded"]
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names[0] == "scScope"
    assert "scVI" in names
    assert not {"scVI (counts)", "Random latent"} & set(names)
    cells = [text.get_text() for text in axes[0].texts]
    of_scvi = (scores["label"] == "scVI") & (scores["scale"] == "counts")
    here = of_scvi & (scores["dataset"] == "cbmc") & (scores["clusterer"] == "phenograph")
    mean = scores.loc[here & (scores["metric"] == "ari"), "value"].mean()
    assert {f"{mean:.2f}", f"{mean:.2f}†", "–", "failed×"} <= set(cells)
    assert "n/a" in [text.get_text() for text in axes[1].texts]
    assert any(text.endswith("×") for text in (t.get_text() for t in axes[1].texts))
    assert any("off-label" in text for text in texts(figure))


def test_scales_without_labels_are_not_drawn():
    scores = scales()
    unlabelled = scores[scores["metric"] == "n_clusters"]
    assert any("No ARI" in text for text in texts(load_panel("supplementary_12")(unlabelled)))


def test_denoising_has_agreement_for_each_clusterer_and_the_error():
    failing = {("splat_mid2", "ae_log", 1): "timeout"}
    figure = load_panel("supplementary_14")(study_scores("denoising", failing=failing))
    axes = panels(figure)
    assert [a.get_ylabel().split("\n")[0] for a in axes] == [
        *["ARI"] * 3,
        "Error at missed entries",
    ]
    names = {"scScope", "AE", "AE (noise)", "AE (dropped)", "AE (noise, dropped)"}
    assert all(names < {c.get_label() for c in a.containers} for a in axes)
    assert "1/3" in texts(figure)
    empty = load_panel("supplementary_14")(study_scores("latent_size")[:0])
    assert any("Neither ARI nor" in text for text in texts(empty))
