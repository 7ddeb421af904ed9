"""Compare the methods: within simulated levels, across real datasets, and over all choices."""

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scscope.comparisons import across_datasets, agreement, rank_stability, within_levels
from scscope.gather import panel_table, read_table, select, write_table
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
scores = read_table(snakemake.input.scores)
# Simulated data are new with each seed, which makes seeds replicates; real data are the same, and
# what is hidden of them is hidden of the same cells.
simulated = scores["dataset"].isin(snakemake.params.simulated)
stability = pd.concat(
    [
        rank_stability(select(scores, **selection), study)
        for study, selection in snakemake.params.studies.items()
    ],
    ignore_index=True,
)
tables = {
    "comparisons": within_levels(scores[simulated]),
    "rank_stability": stability,
    "rank_agreement": agreement(stability),
    "panels": panel_table(snakemake.params.panels),
    "mean_ranks": across_datasets(scores[~simulated], snakemake.params.unit_of),
}
for name, table in tables.items():
    write_table(table, Path(snakemake.output[name]))
