"""Gather the tables of one kind that describe runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from scscope.describe.tables import gathered
from scscope.gather import write_table
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
write_table(gathered(map(Path, snakemake.input)), Path(snakemake.output[0]))
