"""Draw one panel from the scores of its study."""

from typing import TYPE_CHECKING

from scscope.figures import load_panel
from scscope.figures.style import save
from scscope.gather import read_table, select
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
scores = select(read_table(snakemake.input.scores), **snakemake.params.study)
save(load_panel(snakemake.wildcards.panel)(scores), snakemake.output)
