"""The rule by which benchmarks/equivalence.py judges, against scipy and by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

PATH = Path(__file__).parents[2] / "benchmarks" / "equivalence.py"
MEASURE = {"dataset": "mid_1", "scale": "log", "clusterer": "kmeans", "metric": "ari"}


@pytest.fixture(scope="module")
def equivalence():
    spec = importlib.util.spec_from_file_location("equivalence", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows_of(official, package):
    return pd.DataFrame(
        {**MEASURE, "seed": seed, "method": method, "value": value}
        for method, values in (("official", official), ("package", package))
        for seed, value in enumerate(values)
    )


def test_the_paired_verdict_is_that_of_a_t_test(equivalence):
    rng = np.random.default_rng(0)
    verdicts = []
    for shift in np.linspace(0, 0.2, 20):
        official = rng.normal(0.5, 0.1, 10)
        package = official + rng.normal(shift, 0.1, 10)
        row = equivalence.comparison_of(rows_of(official, package)).iloc[0]
        verdicts.append(bool(row["paired"]))
        assert row["paired"] == (stats.ttest_rel(official, package).pvalue > 0.05)
    assert set(verdicts) == {True, False}


@pytest.mark.parametrize(("shift", "inside"), [(0.9, True), (1.1, False)])
def test_the_spread_verdict_is_one_deviation_of_the_official_code(equivalence, shift, inside):
    official = np.tile([0.4, 0.6], 5)
    package = 0.5 + shift * official.std(ddof=1) + np.zeros(10)  # so two standard errors are less
    row = equivalence.comparison_of(rows_of(official, package)).iloc[0]
    assert row["spread"] == inside
    assert row["difference"] == pytest.approx(shift * official.std(ddof=1))


def test_tables_go_between_the_marks_of_a_page(equivalence, tmp_path):
    scores, page = tmp_path / "scores.tsv", tmp_path / "page.md"
    for row in rows_of([0.4, 0.6], [0.5, 0.5]).to_dict("records"):
        equivalence.add_scores(scores, [row], data_hash="abc")
    page.write_text(f"above\n{equivalence.BEGIN}\nold\n{equivalence.END}\nbelow\n")
    equivalence.write_tables(scores, page)
    text = page.read_text()
    assert text.startswith("above\n")
    assert text.endswith("below\n")
    assert "old" not in text
    assert "| mid_1 | log | 0.500 ± 0.141 | 0.500 ± 0.000 | +0.000" in text

    page.write_text("no marks")
    with pytest.raises(SystemExit, match="needs the lines"):
        equivalence.write_tables(scores, page)
