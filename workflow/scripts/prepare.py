"""Read a user's own file, check it and bring it to the dataset contract."""

import json
import logging
import sys
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.data import imputation_targets, no_targets, write_dataset, write_targets
from scscope.datasets.files import read_file
from scscope.datasets.prepare import prepare, take_dropped
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
logger = logging.getLogger("scscope.prepare")
settings = dict(snakemake.params.settings)
path, source = settings.pop("path"), snakemake.params.source
reading = {key: settings.pop(key) for key in ("cells_in", "layer", "true_layer") if key in settings}

try:
    data = prepare(read_file(path, **reading), **settings)
except (ValueError, OSError) as error:
    words = f"datasets.{snakemake.wildcards.dataset}: {error}"
    logger.info(words)
    sys.exit(words)
dropped = take_dropped(data)
card = {
    "dataset": snakemake.wildcards.dataset,
    "source": f"{source}: {path}",
    **write_dataset(data, snakemake.output.data),
    **dropped,
}
known = "true" in data.layers
targets = imputation_targets(data.X, data.layers["true"], seed=0) if known else no_targets()
write_targets(targets, snakemake.output.targets)
write_text(snakemake.output.card, json.dumps(card, indent=2) + "\n")
