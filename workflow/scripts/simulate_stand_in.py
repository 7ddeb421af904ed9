"""Simulate one dataset with one seed, in the dress of the real set that it stands for."""

import json
import logging
import sys
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.data import TargetSampler, write_dataset, write_targets
from scscope.datasets.standins import dress
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others
from scscope.seeds import derive_seed
from scscope.simulate.splat import splat_simulation

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
seed, settings = int(snakemake.wildcards.seed), snakemake.params.settings

try:
    simulation = splat_simulation(**settings["params"], seed=derive_seed(seed, "data"))
except ValueError as error:
    words = f"datasets.{snakemake.wildcards.dataset}: {error}"
    logging.getLogger("scscope.simulate").info(words)
    sys.exit(words)
data = dress(simulation.stream(threads=snakemake.threads), snakemake.params.stands_for)
sampler = TargetSampler(seed=derive_seed(seed, "targets"))
card = {
    "dataset": snakemake.wildcards.dataset,
    "seed": seed,
    "source": snakemake.params.source,
    **write_dataset(data, snakemake.output.data, sampler=sampler, keep_true=settings["keep_true"]),
    "targets": sampler.counts(),
}
write_targets(sampler.targets(), snakemake.output.targets)
write_text(snakemake.output.card, json.dumps(card, indent=2) + "\n")
