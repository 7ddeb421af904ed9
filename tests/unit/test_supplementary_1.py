"""pytest tests/unit/test_supplementary_1.py: time by number of GPUs, of synthetic tables."""

import numpy as np
import pytest

from scscope.figures import load_panel
from tests.unit.tables_of_panels import TOO_FEW_GPUS, several_gpus
from tests.unit.test_by_level import texts
from tests.unit.test_figure_1 import by_title, medians


def test_speed_up_is_relative_to_one_device():
    figure = load_panel("supplementary_1")(several_gpus())
    axes = by_title(figure, "This run: synthetic_brain_100k")
    np.testing.assert_allclose(medians(axes)["scScope"], [1, 1.6, 1.6**2])
    np.testing.assert_allclose(medians(axes)["ideal"], [1, 2, 4])
    assert "no labels" in texts(figure)  # the brain has none


def test_the_papers_speed_up_is_that_of_its_times():
    axes = by_title(load_panel("supplementary_1")(several_gpus()), "Paper (digitised)")
    assert medians(axes)["1,000,000"][-1] == pytest.approx(0.83 / 0.40)


def test_failed_runs_are_marked_and_have_no_speed():
    figure = load_panel("supplementary_1")(several_gpus(failing=TOO_FEW_GPUS))
    axes = by_title(figure, "This run: brain_1m")
    assert {"1/3", "all", "failed", "runs failed / all"} <= texts(figure)
    assert len(medians(axes)["scScope"]) == 2


def test_without_one_device_there_is_no_speed_up():
    failing = {("brain_1m", "scscope_1_gpu"): "error"}
    figure = load_panel("supplementary_1")(several_gpus(failing=failing))
    assert "scScope" not in medians(by_title(figure, "This run: brain_1m"))


def test_entries_that_differ_in_more_than_devices_are_no_curve():
    scores = several_gpus()
    params = scores["params"].where(scores["method"] == "scscope_1_gpu", '{"n_devices": 2, "x": 1}')
    shown = texts(load_panel("supplementary_1")(scores.assign(params=params)))
    assert any("No entries" in text for text in shown)
    assert any(
        "No entries" in t
        for t in texts(load_panel("supplementary_1")(scores.drop(columns="params")))
    )
