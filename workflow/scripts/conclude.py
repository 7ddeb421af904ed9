"""Fail if any run has failed, unless the config allows it.

The last step, so that all tables and figures stand before it.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.gather import conclusion, read_table
from scscope.log import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
well, words = conclusion(read_table(snakemake.input.runs), snakemake.params.timed)
if not well and not snakemake.params.allow_failures:
    Path(snakemake.log[0]).write_text(words)
    sys.exit(words)
write_text(snakemake.output[0], words)
