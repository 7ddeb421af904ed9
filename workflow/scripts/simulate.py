"""Simulate one dataset with one seed."""

import json
from importlib import import_module
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.data import imputation_targets, write_dataset, write_targets
from scscope.log import log_to
from scscope.seeds import derive_seed

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
seed = int(snakemake.wildcards.seed)
module, function = snakemake.params.simulator.split(":")
simulate = getattr(import_module(module), function)

data = simulate(**snakemake.params.settings, seed=derive_seed(seed, "data"))
card = {
    "dataset": snakemake.wildcards.dataset,
    "seed": seed,
    "source": snakemake.params.source,
    **write_dataset(data, snakemake.output.data),
}
targets = imputation_targets(data.X, data.layers["true"], seed=derive_seed(seed, "targets"))
write_targets(targets, snakemake.output.targets)
write_text(snakemake.output.card, json.dumps(card, indent=2) + "\n")
