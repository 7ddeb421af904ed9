"""pytest tests/unit/test_figures_docs.py: docs/figures.md names every panel, and says what captions say."""

import re
from pathlib import Path

import pytest
import yaml

from scscope.figures import COMPOSITES, PANELS

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/figures.md").read_text().splitlines()
    if line.startswith("| `")
]
BY_PANEL = {row[0].strip("`"): row[1:] for row in ROWS}


def test_no_panel_has_two_rows_and_every_row_is_whole():
    assert len(BY_PANEL) == len(ROWS)
    assert all(len(row) == 4 and all(row[:3]) for row in BY_PANEL.values())


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_has_a_row_that_agrees_with_its_caption(panel):
    study, _, papers, _ = BY_PANEL[panel]
    assert study.strip("`") in CONFIG["studies"]
    assert ("digitised" in PANELS[panel].caption) == (papers == "digitised")
    if not PANELS[panel].table:
        assert papers == "a scheme"


def test_every_panel_has_a_study_on_the_papers_scale_and_one_of_minutes():
    small = yaml.safe_load((ROOT / "config/every_figure.yaml").read_text())
    for studies in (CONFIG["studies"], small["studies"]):
        assert sorted(p for study in studies.values() for p in study["panels"]) == sorted(PANELS)
    assert "claims" not in small


def test_rows_say_the_study_in_which_the_config_has_the_panel():
    for name, study in CONFIG["studies"].items():
        for panel in study["panels"]:
            assert BY_PANEL[panel][0] == f"`{name}`"


def test_every_figure_of_the_paper_has_a_row():
    numbers = {
        (kind, int(n)) for kind, n in re.findall(r"`(figure|supplementary)_(\d+)", str(ROWS))
    }
    assert numbers == {
        *(("figure", n) for n in (1, 2, 3)),
        *(("supplementary", n) for n in range(1, 16)),
    }
    lettered = {panel for page in COMPOSITES.values() for panel in page.values()}
    assert lettered <= set(BY_PANEL)
