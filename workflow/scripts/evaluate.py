"""Score one run against what is known of its dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from scscope.data import read_dataset, read_targets
from scscope.evaluate import evaluate, read_run, write_clusters, write_scores
from scscope.log import log_to
from scscope.run.exclusive import host
from scscope.seeds import derive_seed

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
wildcards = snakemake.wildcards

with host(alone=snakemake.params.timed):
    scores, clusters = evaluate(
        read_run(Path(snakemake.input.status).parent),
        read_dataset(snakemake.input.data),
        read_targets(snakemake.input.targets),
        seed=derive_seed(int(wildcards.seed), "cluster"),
        **snakemake.params.asked,
    )
names = {"dataset": wildcards.dataset, "method": wildcards.method, "seed": wildcards.seed}
write_clusters(clusters, Path(snakemake.output.clusters))
write_scores([{**names, **score} for score in scores], Path(snakemake.output.scores))
