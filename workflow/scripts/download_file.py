"""Bring one file of a real data set to its place, verified."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.datasets.catalogue import CATALOGUE
from scscope.datasets.checks import WrongFileError
from scscope.datasets.download import UnavailableError, alone, download
from scscope.datasets.transfer import NoRoomError
from scscope.log import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
path, source = Path(snakemake.output[0]), snakemake.wildcards.source
file = next(file for file in CATALOGUE[source] if file.name == path.name)
where = snakemake.config.get("downloads", {})
try:
    # One file at a time: servers are not pressed, and one bar is drawn.
    with alone(Path(snakemake.log[0]).parents[1] / ".transfer.lock"):
        download(file, path.parent, given=where.get("folder"), mirror=where.get("mirror"))
except (UnavailableError, WrongFileError, NoRoomError) as error:
    logging.getLogger("scscope.download").info(error)
    sys.exit(str(error))
