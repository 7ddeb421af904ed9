"""pytest tests/unit/test_supplementary_9.py: major types of the brain; all tables here are synthetic."""

import numpy as np
import pandas as pd
import pytest

from scscope.datasets.brain import PAPER_CELLS
from scscope.figures import supplementary_9
from tests.unit.tables_of_details import splitseq
from tests.unit.test_figures import synthetic, texts

SOURCES = pd.DataFrame(
    {"dataset": ["mid_1", "splitseq"], "source": ["splat", "splitseq: brain and spinal cord"]}
)


def ours(seeds: int = 2) -> pd.DataFrame:
    """Shares of 60, 20 and 10 % in one seed, of 40, 40 and 10 % in the next; a tenth has no type."""
    cells = [{"glutamatergic": 60, "GABAergic": 20}, {"glutamatergic": 40, "GABAergic": 40}]
    rows = [
        {"seed": seed, "type": name, "n_cells": n}
        for seed in range(seeds)
        for name, n in (cells[seed] | {"non-neuronal": 10, "": 10}).items()
    ]
    about = {"dataset": "mid_1", "method": "pca_log", "clusterer": "phenograph"}
    return pd.DataFrame(rows).assign(**about, sample="all", condition="")


def bars(axes) -> dict[str, list[float]]:
    """Shares in each bar, by its name."""
    names = [label.get_text() for label in axes.figure.axes[0].get_yticklabels()]
    found = {name: [] for name in names}
    for bar in axes.patches:
        found[names[round(bar.get_y() + bar.get_height() / 2)]].append(bar.get_width())
    return found


def test_shares_of_ours_of_splitseq_and_of_the_paper():
    table = pd.concat([ours(), splitseq()], ignore_index=True)
    figure = supplementary_9.major_types(synthetic(2), compositions=table, datasets=SOURCES)
    everything, typed = map(bars, figure.axes)
    assert list(everything) == [
        "mid_1: PCA · log, PhenoGraph",
        "SPLiT-seq (Rosenberg et al. 2018)",
        supplementary_9.PAPER,
    ]
    assert typed["mid_1: PCA · log, PhenoGraph"] == pytest.approx([5 / 9, 3 / 9, 1 / 9])
    assert typed["SPLiT-seq (Rosenberg et al. 2018)"] == pytest.approx(
        np.array([400, 150, 180]) / 730
    )
    paper = np.array([817_309, 212_529, 93_876])
    assert typed[supplementary_9.PAPER] == pytest.approx(paper / paper.sum())
    assert everything[supplementary_9.PAPER][:3] == pytest.approx(paper / PAPER_CELLS)
    for shares in (*everything.values(), *typed.values()):
        assert sum(shares) == pytest.approx(1)
    assert {"unresolved", "other neurons", "no type"} <= texts(figure)


def test_without_splitseq_the_panel_says_how_to_get_it():
    figure = supplementary_9.major_types(synthetic(1), compositions=ours(1), datasets=SOURCES)
    assert any("name dataset splitseq among its datasets" in text for text in texts(figure))
    assert len(bars(figure.axes[0])) == 2


def test_what_stands_for_splitseq_is_a_bar_that_says_so():
    other = splitseq().assign(dataset="synthetic_splitseq")
    table = pd.concat([ours(1), other], ignore_index=True)
    sources = pd.DataFrame(
        {
            "dataset": ["mid_1", "synthetic_splitseq"],
            "source": ["splat", "splat, synthetic, in place of splitseq"],
        }
    )
    figure = supplementary_9.major_types(synthetic(1), compositions=table, datasets=sources)
    typed = bars(figure.axes[1])
    assert typed[supplementary_9.STAND_IN] == pytest.approx(np.array([400, 150, 180]) / 730)
    assert supplementary_9.PUBLISHED not in typed
    assert not any("SPLiT-seq is not in this study" in text for text in texts(figure))


def test_data_without_major_types_are_left_out():
    other = ours(1).assign(dataset="mid_2", type="B cells")
    table = pd.concat([ours(1), other], ignore_index=True)
    figure = supplementary_9.major_types(synthetic(1), compositions=table, datasets=SOURCES)
    assert not any(name.startswith("mid_2") for name in bars(figure.axes[0]))
    nothing = supplementary_9.major_types(synthetic(1), compositions=other, datasets=SOURCES)
    assert any("has major types" in text for text in texts(nothing))


def test_more_bars_than_fit_are_counted():
    many = [ours(1).assign(clusterer=f"clusterer {i}") for i in range(40)]
    figure = supplementary_9.major_types(
        synthetic(1), compositions=pd.concat(many), datasets=SOURCES
    )
    assert len(bars(figure.axes[0])) == supplementary_9.MOST + 1
    assert any(f"the first {supplementary_9.MOST} of 40" in text for text in texts(figure))
