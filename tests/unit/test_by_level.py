"""pytest tests/unit/test_by_level.py: what all panels that order scores by a level have in common."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from scscope.figures import PANELS, load_panel
from scscope.figures.by_level import with_scales
from scscope.figures.style import WIDTH, save
from scscope.figures.tables import paper_values, setting
from scscope.gather import dataset_table, read_table, write_table
from tests.unit.tables_of_panels import EXAMPLES, atlas, draw_example

NAMES = [
    *("figure_1b", "figure_1d", "figure_2a", "figure_2b", "figure_2c"),
    *("supplementary_1", "supplementary_4"),
]


@cache
def example(name: str) -> Figure:
    """The panel of the synthetic tables of its own, drawn once: tests only look at it."""
    return draw_example(name)


def texts(figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


@pytest.mark.parametrize("name", NAMES)
def test_panel_lies_within_the_page_and_states_n(name):
    figure = example(name)
    figure.draw_without_rendering()
    assert figure.get_figwidth() <= WIDTH + 1e-9
    drawn, page = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= page[0] + 1e-9
    assert drawn.y1 <= page[1] + 1e-9
    assert any("n = " in text and "seed" in text for text in texts(figure))


@pytest.mark.parametrize("name", NAMES)
def test_same_tables_give_the_same_svg_and_names_of_users_are_text(name, tmp_path):
    for path in (tmp_path / "first.svg", tmp_path / "second.svg"):
        tables = EXAMPLES[name]()
        label = tables["scores"]["label"].replace("scScope", r"$\nothing{$ <b>")
        tables["scores"] = tables["scores"].assign(label=label, use=label)
        save(load_panel(name)(**tables), [path])
    first, second = ((tmp_path / f"{n}.svg").read_bytes() for n in ("first", "second"))
    assert first == second
    by_label = name not in (
        "figure_1b",
        "supplementary_1",
    )  # their entries have labels of their own
    assert not by_label or rb"$\nothing{$ &lt;b&gt;" in first


@pytest.mark.parametrize("name", NAMES)
def test_nothing_to_draw_and_nothing_that_ended_well_are_no_error(name):
    tables = EXAMPLES[name]()
    scores = tables.pop("scores")
    assert "No " in " ".join(texts(load_panel(name)(scores[:0], **tables)))
    failed = scores.assign(value=np.nan, seconds=np.nan, peak_rss_mb=np.nan, status="error")
    figure = load_panel(name)(failed, **tables)
    figure.draw_without_rendering()
    assert any("error" in text or "failed" in text for text in texts(figure))


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_values_are_named_as_such(name):
    shown, caption = texts(example(name)), PANELS[name].caption
    if name == "supplementary_4":
        assert "Paper (digitised)" not in shown
        assert "not available as numbers, so they are not shown" in caption
    else:
        assert "Paper (digitised)" in shown
        assert "digitised from Fig. " in caption
        assert "not numbers printed" in caption


@pytest.mark.parametrize("figure", ["fig1b", "fig1d", "fig2a", "fig2b", "fig2c"])
def test_every_method_of_the_paper_is_known(figure):
    table = paper_values(figure)
    assert set(table.loc[table["use"].isna(), "method"]) <= {"Uncorrected"}


def test_an_entry_on_several_scales_says_on_which():
    scores = atlas()["scores"]
    other = scores[scores["method"] == "pca_log"].assign(method="pca_size", scale="size")
    names = with_scales(pd.concat([scores, other])).drop_duplicates("method").set_index("method")
    assert names.loc[["pca_log", "pca_size", "ae_log"], "name"].tolist() == [
        "PCA · log",
        "PCA · size",
        "AE",
    ]


def test_settings_are_read_from_the_parameters():
    table = pd.DataFrame({"params": ['{"n_devices": 4}', "{}", ""]})
    assert setting(table, "n_devices", 1).tolist() == [4, 1, 1]
    assert setting(pd.DataFrame(index=[0]), "n_devices").isna().all()


def test_the_table_of_datasets_has_the_settings_of_simulations(tmp_path):
    for name in ("simulated", "real"):
        card = {"dataset": name, "seed": 0 if name == "simulated" else None, "n_genes": 7}
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
    entries = {"simulated": {"params": {"rare_share": 0.01}}, "real": {"source": "retina"}}
    write_table(dataset_table(sorted(tmp_path.glob("*.json")), entries), tmp_path / "table.tsv")
    table = read_table(tmp_path / "table.tsv").set_index("dataset")
    assert table.loc["simulated", "params"] == '{"rare_share": 0.01}'
    assert np.isnan(setting(table, "rare_share")["real"])
    assert setting(table, "rare_share")["simulated"] == 0.01
