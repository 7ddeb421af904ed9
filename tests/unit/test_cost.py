"""pytest tests/unit/test_cost.py: time, memory, accuracy by time, status, critical difference; all synthetic."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from scscope.figures import load_panel
from scscope.figures.accuracy_by_cost import pareto
from scscope.figures.critical_difference import cliques
from scscope.figures.status import counts_in_words
from scscope.figures.tables import with_names
from tests.unit.tables_of_panels import real_sets, study_scores

FAILING = {
    ("cbmc", "dca_paper"): "timeout",
    ("retina", "scvi_paper", 1): "error",
    ("intestine", "magic_today"): "not_applicable",
    ("retina", "magic_paper"): "out_of_memory",
    ("cbmc", "magic_paper"): "out_of_memory",
    ("intestine", "magic_paper"): "out_of_memory",
}
SETS = ["cbmc", "retina", "intestine"]


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def real(**about) -> pd.DataFrame:
    return study_scores("real", datasets=SETS, failing=FAILING).assign(**about)


def test_each_method_has_median_time_and_memory_of_each_dataset():
    scores = study_scores("passes", datasets=["splat_mid1", "splat_mid2"])
    figure = load_panel("cost")(scores)
    for axes, cost in zip(figure.axes, ("seconds", "peak_rss_mb"), strict=False):
        assert axes.get_xscale() == "log"
        points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() != "None"]
        runs = scores.drop_duplicates(["dataset", "method", "seed"])
        medians = runs.groupby(["dataset", "method"])[cost].median()
        assert len(points) == 8
        np.testing.assert_allclose(sorted(points), sorted(medians))


def test_runs_without_a_cost_are_named_beside_their_method():
    shown = set(texts(load_panel("cost")(real())))
    assert {
        "× 3/9 timeout: cbmc",
        "× 1/9 error: retina",
        "3/9 not applicable: intestine",
        "× 9/9 out of memory: 3 datasets",
    } <= shown


@pytest.mark.parametrize("name", ["cost", "accuracy_by_cost", "status", "supplementary_12"])
def test_failures_stay_on_the_page(name):
    figure = load_panel(name)(real())
    figure.draw_without_rendering()
    box, page = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= page[0]
    assert box.y1 <= page[1]


def test_a_study_without_costs_says_so():
    scores = real(status="error", seconds=np.nan, peak_rss_mb=np.nan)
    for table in (scores, scores[:0]):
        assert any("No run of this study" in text for text in texts(load_panel("cost")(table)))


def point(method: str, seconds: float, value: float, status: str = "ok") -> list[dict]:
    about = {"method": method, "label": method, "use": method, "scale": "log", "control": False}
    about |= {"dataset": "d", "clusterer": "phenograph", "metric": "ari", "seconds": seconds}
    last = {"seconds": np.nan, "value": np.nan} if status != "ok" else {}
    rows = [{**about, "seed": 0, "value": value, "status": "ok"}]
    return [*rows, {**about, "seed": 1, "value": value, "status": status, **last}]


@pytest.mark.parametrize("order", [1, -1])
def test_the_front_holds_what_none_beats_in_both(order):
    rows = [point("fast", 1, 0.3), point("slow", 9, 0.9), point("between", 3, 0.5)]
    rows += [point("beaten", 4, 0.5), point("slower", 9, 0.8), point("partial", 0.5, 1, "error")]
    table = pareto(with_names(pd.DataFrame(sum(rows[::order], []))))
    assert list(table.loc[table["on_front"], "method"]) == ["fast", "between", "slow"]
    assert list(table.loc[table["is_partial"], "method"]) == ["partial"]
    assert list(table["seconds"]) == sorted(table["seconds"])


def test_two_that_are_the_same_stand_for_each_other():
    table = pareto(with_names(pd.DataFrame(point("one", 1, 0.5) + point("two", 1, 0.5))))
    assert table["on_front"].sum() == 1


def test_accuracy_is_drawn_against_time_and_failures_are_listed():
    scores = real()
    figure = load_panel("accuracy_by_cost")(scores)
    first = figure.axes[0]
    front = [line for line in first.lines if line.get_gid() == "front"]
    assert len(front) == 1
    assert first.get_xscale() == "log"
    drawn = {line.get_label(): line for line in first.lines if line.get_gid() is None}
    here = scores[scores["dataset"].eq("cbmc") & scores["method"].eq("pca_log")]
    ari = here[here["metric"].eq("ari") & here["clusterer"].eq("phenograph")]
    assert drawn["pca_log"].get_ydata()[0] == pytest.approx(ari["value"].mean())
    assert drawn["pca_log"].get_xdata()[0] == pytest.approx(ari["seconds"].mean())
    assert "dca_paper" not in drawn
    assert "random" not in drawn
    listed = "\n".join(texts(figure)).split("\n")
    assert {"× DCA (counts): timeout", "× scVI (counts): 1/3 error"} <= set(listed)
    assert "MAGIC (today) · size: not applicable" in listed
    assert any("No ARI" in text for text in texts(load_panel("accuracy_by_cost")(scores[:0])))


def test_a_dataset_on_which_all_failed_has_no_points():
    scores = real(status="timeout", value=np.nan, seconds=np.nan)
    assert "no value" in texts(load_panel("accuracy_by_cost")(scores))


def test_every_run_is_counted_once_by_how_it_ended():
    scores = real()
    figure = load_panel("status")(scores)
    cells = [text.get_text() for text in figure.axes[0].texts]
    n_methods = scores["method"].nunique()
    assert len(cells) == 3 * n_methods
    expected = {"2 · 1 E": 1, "3 T": 1, "3 n/a": 1, "3 M": 3, "3": 3 * n_methods - 6}
    assert {text: cells.count(text) for text in set(cells)} == expected
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[-2:] == ["Random latent · log", "True labels · log"]  # controls last
    assert any("E: error; M: out of memory; T: timeout" in text for text in texts(figure))


def test_pairs_that_were_not_asked_for_are_dashes():
    scores = real()
    part = scores[(scores["method"] != "pca_log") | (scores["dataset"] == "cbmc")]
    cells = [text.get_text() for text in load_panel("status")(part).axes[0].texts]
    assert cells.count("–") == 2
    assert any("no runs" in text for text in texts(load_panel("status")(scores[:0])))


def test_counts_of_endings_are_in_one_order():
    statuses = pd.Series(["timeout", "ok", "diverged", "ok", "not_applicable"])
    assert counts_in_words(statuses) == "2 · 1 n/a · 1 D · 1 T"


def test_methods_are_joined_as_far_as_the_critical_difference_reaches():
    assert cliques(np.array([1, 2, 3.5, 6]), 2) == [(0, 1), (1, 2)]
    assert cliques(np.array([1, 2, 2.9]), 2) == [(0, 2)]
    assert cliques(np.array([1, 4]), 2) == []
    assert cliques(np.array([1, 3]), 2) == []  # as far apart as the difference is enough


def test_a_diagram_is_drawn_from_ten_datasets_up():
    tables = real_sets(10)
    scores, ranks = tables["scores"], tables["mean_ranks"]
    figure = load_panel("critical_difference")(scores, mean_ranks=ranks)
    own = ranks[(ranks["metric"] == "ari") & (ranks["clusterer"] == "phenograph")]
    assert [axes.get_label() for axes in figure.axes] == ["log", "log_counts", "size", "size_unit"]
    log = own[own["scale"] == "log"].sort_values("mean_rank")
    bars = [line for line in figure.axes[0].lines if line.get_gid() == "clique"]
    difference = log["critical_difference"].iloc[0]
    assert len(bars) == len(cliques(log["mean_rank"].to_numpy(), difference))
    assert any(f"critical difference {difference:.2f}" in text for text in texts(figure))
    best = log["mean_rank"].iloc[0]
    assert any(text.endswith(f"  {best:.2f}") for text in texts(figure))
    assert any("10 real datasets" in text for text in texts(figure))


def test_with_fewer_datasets_it_is_said_how_many_there_are():
    tables = real_sets(9)
    shown = texts(
        load_panel("critical_difference")(tables["scores"], mean_ranks=tables["mean_ranks"])
    )
    assert any("at least 10 real" in text.replace("\n", " ") for text in shown)
    assert any("share 9 (" in text.replace("\n", " ") for text in shown)


def test_without_ranks_there_is_no_diagram():
    tables = real_sets(10)
    none = tables["mean_ranks"][:0]
    shown = texts(load_panel("critical_difference")(tables["scores"], mean_ranks=none))
    assert any("No two methods" in text for text in shown)
