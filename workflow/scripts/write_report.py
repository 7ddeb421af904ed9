"""Write the report, one HTML file, and its short form for the terminal."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scscope.atomic import write_text
from scscope.figures import PANELS, needs_of
from scscope.gather import read_table, read_texts, restrict, select, versions_of
from scscope.log import log_to
from scscope.report import TITLES
from scscope.report.downloads import short_enough, shown_scores
from scscope.report.render import Drawing, render
from scscope.report.summary import summary
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
inputs, config = snakemake.input, snakemake.params.config
tables = {name: read_table(inputs[name]) for name in ("scores", "runs", "datasets")}
stability = read_table(inputs.rank_stability)
needed = needs_of(snakemake.params.panels)
further = dict(zip(needed, map(read_table, inputs.further), strict=True))


def behind(panel: str) -> dict[str, pd.DataFrame | None]:
    """The tables that a panel shows, by name; none for a scheme."""
    study = snakemake.params.study_of[panel]
    if not PANELS[panel].table:
        return {}
    if PANELS[panel].table == "rank_stability":
        return {"rank_stability": stability[stability["study"] == study]}
    about, selection = PANELS[panel], snakemake.params.selections[study]
    scores = select(tables["scores"], **selection)
    beside = {name: short_enough(restrict(further[name], **selection)) for name in about.needs}
    return {"scores": shown_scores(scores, about.metrics, costs=about.costs), **beside}


figures = zip(
    snakemake.params.panels, map(Path, inputs.figures), map(Path, inputs.images), strict=True
)
html = render(
    title=config.get("title", "scScope benchmark"),
    panels=[
        Drawing(
            panel,
            PANELS[panel].title,
            PANELS[panel].caption,
            svg.read_bytes(),
            png.read_bytes(),
            behind(panel),
        )
        for panel, svg, png in figures
    ],
    claims=read_texts(inputs.claims[0]) if inputs.claims else None,
    agreement=read_table(inputs.rank_agreement),
    supplementary_tables=dict(
        zip(TITLES, map(read_texts, inputs.supplementary_tables), strict=True)
    ),
    cards=[json.loads(Path(card).read_text()) for card in inputs.cards],
    config=config,
    versions=versions_of(tables["runs"]),
    **tables,
)
write_text(snakemake.output.report, html)
text = summary(
    tables["scores"],
    tables["runs"],
    figures=str(Path(snakemake.output.report).parent / "figures"),
    report=snakemake.output.report,
)
write_text(snakemake.output.summary, text)
