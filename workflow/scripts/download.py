"""Verify all files of the real data sets that the studies need, and say what they are."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.datasets.catalogue import files_of
from scscope.datasets.checks import WrongFileError, verify
from scscope.log import log_to

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

log_to(snakemake.log[0])
logger = logging.getLogger("scscope.download")
faults = []
for path in map(Path, snakemake.input):
    file = next(file for file in files_of(path.parent.name) if file.name == path.name)
    try:
        record = verify(file, path.parent)
    except WrongFileError as error:
        logger.info(error)
        faults.append(str(error))
        continue
    by = ", ".join(record["verified_by"])
    line = f"{file.source}/{file.name}: {record['size']:,} bytes, verified by {by}"
    logger.info(line)
    print(line)
if not snakemake.input:
    print("No study uses a real data set: there is nothing to download.")
if faults:
    sys.exit("\n".join(faults))
