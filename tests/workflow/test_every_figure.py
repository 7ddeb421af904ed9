"""Every panel of the paper's config, on simulated cells that stand for each dataset."""

import re

import pandas as pd
import pytest
import yaml

from scscope.figures import COMPOSITES, PANELS

pytestmark = pytest.mark.workflow
# Drawn from simulations that stand for nothing.
PLAIN = {
    *("figure_1c", "figure_1d", "supplementary_2", "supplementary_4", "supplementary_11"),
    *("supplementary_14", "rank_stability"),
}


def test_every_panel_is_drawn_and_says_where_data_stand_for_others(checkout):
    checkout.config = yaml.safe_load((checkout.folder / "config/every_figure.yaml").read_text())
    results = checkout.folder / checkout.config["pathvars"]["results"]
    checkout.run(timeout=800)
    runs = pd.read_csv(results / "tables/runs.tsv", sep="\t")
    assert set(runs["status"]) == {"ok"}
    for name in {*PANELS, *COMPOSITES}:
        for suffix in ("svg", "pdf", "png"):
            assert (results / f"figures/{name}.{suffix}").stat().st_size > 1_000
    drawn = {name: (results / f"figures/{name}.svg").read_text() for name in PANELS}
    assert {name for name, svg in drawn.items() if "synthetic, in place of" not in svg} == PLAIN
    # What failed, or found nothing to show, would be a line of words.
    empty = r"No run of this study|could not be drawn|No .* in these scores"
    assert [name for name, svg in drawn.items() if re.search(empty, svg)] == []
    assert not (results / "tables/claims.tsv").exists()
    report = (results / "report.html").read_text()
    assert all(f'id="{name}"' in report for name in PANELS)
