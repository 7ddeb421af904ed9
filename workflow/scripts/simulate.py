"""Simulate one dataset with one seed."""

import json
import logging
import sys
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.data import TargetSampler, write_dataset, write_targets
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others
from scscope.seeds import derive_seed
from scscope.simulate import SIMULATORS
from scscope.simulate.blocks import Simulation
from scscope.simulate.r import RError, RMissingError

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
logging.captureWarnings(True)
logger = logging.getLogger("scscope.simulate")
seed, settings = int(snakemake.wildcards.seed), snakemake.params.settings
simulator = SIMULATORS[snakemake.params.simulator]

try:
    data = simulator.load()(
        **settings["params"], seed=derive_seed(seed, "data") % simulator.n_seeds
    )
except (RMissingError, RError, ValueError) as error:
    words = f"datasets.{snakemake.wildcards.dataset}: {error}"
    logger.info(words)
    sys.exit(words)
if isinstance(data, Simulation):
    data = data.stream(threads=snakemake.threads)
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
