"""Describe the clusters of one run: types, markers, a map, expression."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scscope.describe.cells import read_cells
from scscope.describe.run import describe
from scscope.describe.tables import of_run
from scscope.evaluate import read_run
from scscope.gather import write_table
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
inputs, wildcards, asked = snakemake.input, snakemake.wildcards, dict(snakemake.params.asked)
clusterers = asked.pop("clusterers")
about = {"dataset": wildcards.dataset, "method": wildcards.method, "seed": int(wildcards.seed)}

with np.load(inputs.clusters, allow_pickle=False) as file:
    clusters = {name: file[name] for name in clusterers if name in file}
tables = describe(
    read_run(Path(inputs.status).parent),
    clusters,
    read_cells(inputs.data, source=asked["source"], panel=asked["panel"]),
    seed=about["seed"],
    **asked,
)
for name, table in tables.items():
    write_table(of_run(table, **about), Path(snakemake.output[name]))
