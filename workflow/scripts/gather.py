"""Gather scores, runs and datasets in three tidy tables."""

from pathlib import Path
from typing import TYPE_CHECKING

from scscope.gather import dataset_table, run_table, score_table, write_table
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
datasets = dataset_table(map(Path, snakemake.input.cards), snakemake.params.datasets)
runs = run_table(map(Path, snakemake.input.statuses), snakemake.params.methods)
scores = score_table(map(Path, snakemake.input.scores), runs)
for table, path in zip((datasets, runs, scores), ("datasets", "runs", "scores"), strict=True):
    write_table(table, Path(snakemake.output[path]))
