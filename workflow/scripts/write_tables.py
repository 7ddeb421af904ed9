"""Write Supplementary Tables 1 to 3: methods, hyperparameters, simulation settings."""

from pathlib import Path
from typing import TYPE_CHECKING

from scscope.gather import read_table, write_table
from scscope.log import log_to
from scscope.report.supplementary_tables import supplementary_tables
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
tables = supplementary_tables(snakemake.params.settings, read_table(snakemake.input.runs))
for name, table in tables.items():
    write_table(table, Path(snakemake.output[name]))
