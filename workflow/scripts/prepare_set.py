"""Make a dataset of the downloaded files of a real set."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.atomic import write_text
from scscope.data import no_targets, write_dataset, write_targets
from scscope.datasets.catalogue import files_of
from scscope.datasets.checks import verify
from scscope.datasets.prepare import finish
from scscope.datasets.record import Record
from scscope.datasets.sets import SETS
from scscope.describe.panels import PANEL_OF, panel_genes
from scscope.log import log_to
from scscope.run.exclusive import stay_beside_others

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
stay_beside_others()
logger = logging.getLogger("scscope.prepare_set")
real_set, record = SETS[snakemake.params.source], Record()
settings = dict(snakemake.params.settings)
raw = Path(snakemake.input[0]).parent

try:
    # Also files that were put there by hand.
    files = [verify(file, raw) for file in files_of(snakemake.params.source)]
    n_top_genes = settings.pop("n_top_genes", None)
    if real_set.chooses_genes:
        settings["n_top_genes"] = n_top_genes
    panel = PANEL_OF.get(snakemake.params.source)
    data, dropped = finish(
        real_set.load()(raw, record, **settings),
        record,
        n_top_genes,
        keep_counts_of=panel_genes(panel) if panel else (),
    )
except (ValueError, OSError) as error:
    words = f"datasets.{snakemake.wildcards.dataset}: {error}"
    logger.info(words)
    sys.exit(words)
card = {
    "dataset": snakemake.wildcards.dataset,
    "source": f"{snakemake.params.source}: {real_set.title}",
    **write_dataset(data, snakemake.output.data),
    **dropped,
    **record.card(),
    "files": [
        {"name": file["file"], "bytes": file["size"], "sha256": file["sha256"]} for file in files
    ],
}
write_targets(no_targets(), snakemake.output.targets)
write_text(snakemake.output.card, json.dumps(card, indent=2) + "\n")
