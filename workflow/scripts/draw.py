"""Draw one panel from the tables of its study."""

from typing import TYPE_CHECKING

from scscope.figures.redraw import draw_panel, read_tables
from scscope.figures.style import save
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
tables = read_tables(**snakemake.input)
save(draw_panel(snakemake.wildcards.panel, tables, snakemake.params.study), snakemake.output)
