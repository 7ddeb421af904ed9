"""Hide a part of a dataset, to judge imputation by."""

import json
import logging
import sys
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.data import read_dataset, write_dataset, write_targets
from scscope.datasets.heldout import hold_out, write_hidden
from scscope.datasets.prepare import take_dropped
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
logger = logging.getLogger("scscope.hold_out")
wildcards, settings = snakemake.wildcards, snakemake.params.settings

whole = read_dataset(snakemake.input.data)
try:
    data, targets, hidden, record = hold_out(whole, seed=int(wildcards.seed), **settings)
except ValueError as error:
    words = f"datasets.{wildcards.dataset}: {error}"
    logger.info(words)
    sys.exit(words)
record.facts["hash of the whole"] = whole.hash
dropped = take_dropped(data)
card = {
    "dataset": wildcards.dataset,
    "seed": int(wildcards.seed),
    "source": snakemake.params.source,
    **write_dataset(data, snakemake.output.data),
    **dropped,
    **record.card(),
}
write_targets(targets, snakemake.output.targets)
write_hidden(hidden, snakemake.output.hidden)
write_text(snakemake.output.card, json.dumps(card, indent=2) + "\n")
