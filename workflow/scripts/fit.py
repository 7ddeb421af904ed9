"""Fit one method to one dataset with one seed, under supervision.

Ends well whatever the method does: how the run ended is its result, in status.json.
"""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.log import log_to
from scscope.run.exclusive import host
from scscope.run.status import FAILED, NEEDS_MORE, record_failure
from scscope.run.supervisor import SECONDS_TO_SPEAK, limits_of, record_silence, supervise

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
logger = logging.getLogger("scscope.fit")
resources = snakemake.resources
folder = Path(snakemake.output.status).parent

request = {
    **snakemake.params.method,
    "data": snakemake.input.data,
    "targets": snakemake.input.targets,
    "seed": int(snakemake.wildcards.seed),
    "threads": snakemake.threads,
    "n_gpus": resources.get("gpu", 0),
}
names = {name: snakemake.wildcards[name] for name in ("dataset", "method")}
about = {**names, "seed": request["seed"], "timed": snakemake.params.timed}
tries = 1 + snakemake.params.retries
if resources.attempt <= tries:
    limits = limits_of(resources.get("mem_mb"), resources.get("runtime"))
    with host(alone=snakemake.params.timed) as waited:
        # What has waited long is given some time; but none is given more than its job has.
        least = min(limits["seconds"], SECONDS_TO_SPEAK)
        limits["seconds"] = max(limits["seconds"] - waited, least)
        status = supervise(request, folder, about=about, log=Path(snakemake.log[0]), **limits)
    logger.info("%(status)s after %(seconds).1f s, %(peak_rss_mb).0f MB. %(message)s", status)
else:  # the last one wrote nothing
    status = record_silence(request, folder, about=about, attempts=tries)

if status["status"] in FAILED:
    logger.warning("%(method)s on %(dataset)s, seed %(seed)d: %(status)s: %(message)s", status)
if status["status"] in NEEDS_MORE and resources.attempt < tries:
    sys.exit("Snakemake tries this run again with more memory and time.")
if status["status"] in FAILED:
    record_failure(folder)
