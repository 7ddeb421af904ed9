"""pytest tests/unit/test_details.py: which run panels of details show, and what they do without one."""

import numpy as np
import pandas as pd
import pytest

from scscope.figures import PANELS, details, load_panel
from scscope.gather import read_table, write_table
from tests.unit.tables_of_details import KINDS, tables
from tests.unit.test_figures import synthetic, texts

TABLES = {"compositions", "markers", "maps", "expression"}
NAMES = [name for name, panel in PANELS.items() if TABLES & set(panel.needs)]
RUN = details.RUN


def kind(name: str) -> str:
    return KINDS.get(name.split("_")[1][0], "intestine")


def drawn_of(name: str, scores: pd.DataFrame, of: pd.DataFrame | None = None):
    """A panel with small tables, of the runs of other scores if such are given."""
    further = tables(kind(name), scores if of is None else of, n_clusters=13, n_cells=60)
    return load_panel(name)(scores, **{table: further[table] for table in PANELS[name].needs})


@pytest.mark.parametrize("name", NAMES)
def test_without_a_run_the_panel_says_how_the_runs_ended(name):
    scores = synthetic(1)
    further = tables(kind(name), scores, n_clusters=13, n_cells=60)
    empty = {table: further[table][:0] for table in PANELS[name].needs}
    lost = scores.assign(status="out_of_memory", value=np.nan)
    shown = texts(load_panel(name)(lost, **empty))
    assert any("No run of this study" in text for text in shown)
    assert any("10 out of memory" in text for text in shown)


@pytest.mark.parametrize("name", NAMES)
def test_runs_that_failed_are_named(name):
    scores = synthetic(3)
    lost = scores["method"].eq("scscope_log") & scores["seed"].ne(2)
    scores.loc[lost, ["status", "value"]] = ["timeout", np.nan]
    shown = " ".join(texts(drawn_of(name, scores)))
    assert "scScope" in shown
    one_run = name.startswith("figure_3") or name in (
        *("supplementary_7a", "supplementary_7b", "supplementary_7c", "supplementary_8"),
    )
    assert ("2/3 timeout" if one_run else "timeout") in shown


@pytest.mark.parametrize(
    "name", ["figure_3e", "supplementary_5c", "supplementary_7a", "supplementary_8"]
)
def test_tables_that_were_written_and_read_give_the_same_panel(name, tmp_path):
    scores = synthetic(1)
    further = tables(kind(name), scores, n_clusters=13, n_cells=60)
    read = {}
    for table in PANELS[name].needs:
        write_table(further[table], tmp_path / table)
        read[table] = read_table(tmp_path / table)
    assert texts(load_panel(name)(scores, **read)) == texts(drawn_of(name, scores))


def test_the_first_run_is_shown_and_never_the_best():
    scores = synthetic(3)
    maps = tables("brain", scores, n_clusters=4, n_cells=10)["maps"]
    worst = scores["method"].eq("scscope_log")
    run = details.shown_run(scores.assign(value=scores["value"].where(~worst, 0)), maps)
    assert list(run.key.values()) == ["mid_1", "scscope_log", 0, "phenograph"]
    assert run.title == "mid_1: scScope · log, PhenoGraph"
    assert run.note == "seed 0 of n = 3 seeds"
    assert set(run.of(maps)["seed"]) == {0}
    shuffled = maps.sample(frac=1, random_state=0)
    assert details.shown_run(scores, shuffled).key == run.key


def test_a_run_is_in_all_tables_and_never_a_control_or_given_labels():
    scores = synthetic(2)
    made = tables("brain", scores, n_clusters=4, n_cells=10)
    late = made["markers"][made["markers"]["method"] == "pca_log"]
    assert details.shown_run(scores, late, made["maps"]).key["method"] == "pca_log"
    given = made["maps"].assign(clusterer="given")
    assert details.shown_run(scores, given) is None
    assert details.shown_run(scores, made["maps"].assign(method="random")) is None


def test_types_have_colours_of_their_own_and_no_type_is_grey():
    names = [*"abcdefghijkl", "other neurons", ""]
    colours = details.type_colours(reversed(names))
    assert len(set(colours.values())) == len(names)
    assert list(colours)[:2] == ["a", "b"]
    assert colours[""] == details.GREYS[""]
    assert details.type_colours(names) == colours


def test_words_for_no_type_are_one():
    types = pd.Series(["rods", "unassigned", np.nan, "unknown", ""])
    assert details.known_types(types).tolist() == ["rods", "", "", "", ""]


def test_samples_are_summed_and_their_sum_is_not_counted_twice():
    run = dict(zip(RUN, ("d", "m", 0, "c"), strict=True))
    rows = [("all", "x", 5), ("one", "x", 2), ("two", "x", 3), ("all", "y", 1), ("two", "y", 1)]
    table = pd.DataFrame(rows, columns=["sample", "type", "n_cells"]).assign(**run)
    whole = table[table["sample"] == "all"].assign(seed=1)
    found = details.pooled(pd.concat([table, whole])).set_index(["seed", "type"])["n_cells"]
    assert found.to_dict() == {(0, "x"): 5, (0, "y"): 1, (1, "x"): 5, (1, "y"): 1}


def test_genes_of_the_panel_are_those_that_every_group_has():
    rows = [("1", "A"), ("1", "B"), ("2", "A"), ("2", "C")]
    table = pd.DataFrame(rows, columns=["group", "gene"]).assign(
        **dict(zip(RUN, ("d", "m", 0, "c"), strict=True))
    )
    assert details.panel_genes(table) == ["A"]


def test_p_has_an_end():
    assert details.minus_log10(pd.Series([0.01, 0.0])).tolist() == pytest.approx([2, 300])
    assert details.p_text(0.0) == "P < 1e-300"
    assert details.p_text(0.0321) == "P = 0.032"
    assert details.p_text(np.nan) == "P not defined"


def test_text_can_be_read_on_its_colour():
    assert details.ink("#FFFFCC") == "black"
    assert details.ink("#081D58") == "white"
