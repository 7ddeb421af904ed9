"""Put the panels of one figure of the paper on a page."""

from typing import TYPE_CHECKING

from scscope.figures.redraw import compose_page
from scscope.figures.style import save
from scscope.gather import read_table
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
tables = {name: read_table(path) for name, path in snakemake.input.items()}
save(compose_page(snakemake.params.panels, tables, snakemake.params.selections), snakemake.output)
