"""Write the report, one HTML file, and its short form for the terminal."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.figures import PANELS
from scscope.gather import read_table, versions_of
from scscope.log import log_to
from scscope.report import render, summary
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
inputs, config = snakemake.input, snakemake.params.config
tables = {name: read_table(inputs[name]) for name in ("scores", "runs", "datasets")}
figures = zip(
    snakemake.params.panels, map(Path, inputs.figures), map(Path, inputs.images), strict=True
)

html = render(
    title=config.get("title", "scScope benchmark"),
    panels=[
        (panel, PANELS[panel].title, PANELS[panel].caption, svg.read_bytes(), png.read_bytes())
        for panel, svg, png in figures
    ],
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
