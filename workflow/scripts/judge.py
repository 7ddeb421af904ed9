"""Judge the paper's claims from the tables, by criteria that were fixed before the runs."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.claims.judge import Tables, judge
from scscope.claims.read import read_claims
from scscope.gather import read_table, write_table
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
inputs, released = snakemake.input, None
if inputs.released:
    released = read_table(inputs.released[0])
    released = released[released["method"] == "official"]
else:
    logging.getLogger("scscope.judge").warning("No scores of the released code are at hand.")
tables = {name: read_table(inputs[name]) for name in ("scores", "runs", "datasets")}
found = judge(
    read_claims(inputs.claims[0]),
    Tables(**tables, methods=snakemake.params.methods, released=released),
)
write_table(found, Path(snakemake.output[0]))
