"""Jobs that a call of the workflow left in SLURM's queue when it was killed."""

import shutil
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path

PERIOD = 10.0  # seconds between two questions to the queue


def settle(
    submitted: Collection[str],
    planned: Collection[str],
    folder: Path,
    say: Callable[[str], None],
    *,
    period: float = PERIOD,
) -> bool:
    """Cancel what a former call left waiting in the queue, and wait for what it left running.

    Work that has begun is not thrown away, and nobody else does it at the same time.

    Parameters
    ----------
    submitted
        Numbers, as SLURM gave them, of jobs of whose end Snakemake does not know.
    planned
        What is now to be done, in the words of the comment that a job of it has. A job that has
        begun is known by it: from then on nothing else tells its number.
    folder
        Where Snakemake is called.
    say
        Is told what is waited for.
    period
        Seconds between two questions to the queue.

    Returns
    -------
    bool
        Whether there was any to wait for: then files may have come that were not there before.

    Raises
    ------
    RuntimeError
        If the queue cannot be asked though jobs were submitted to it.
    """
    if not submitted and shutil.which("squeue") is None:
        return False
    waited = False
    while True:
        pending, begun = left_in_queue(submitted, planned, folder)
        if pending:
            say(f"Cancelling {len(pending)} jobs of a former call that have not begun.")
            ask("scancel", "--state=PENDING", *pending)
        if begun and not waited:
            say(
                f"Waiting for {len(begun)} jobs of a former call: {', '.join(begun)}. "
                "`scancel` ends one whose work is not wanted."
            )
            waited = True
        if not pending and not begun:
            return waited
        time.sleep(period if begun else 1)


def left_in_queue(
    submitted: Collection[str], planned: Collection[str], folder: Path
) -> tuple[list[str], list[str]]:
    """Numbers of those jobs that wait, and of those that have begun."""
    try:
        said = ask("squeue", "--me", "--array", "--noheader", "--format=%i|%T|%k|%Z")
    except RuntimeError:
        if submitted:
            raise
        return [], []
    pending, begun = [], []
    for line in said.splitlines():
        number, state, comment, place = line.strip().split("|", 3)
        if state == "PENDING" and number in submitted:
            pending.append(number)
        elif state != "PENDING" and comment in planned and Path(place) == folder:
            begun.append(number)
    return pending, begun


def ask(*command: str) -> str:
    """What a command of SLURM says."""
    if shutil.which(command[0]) is None:
        raise RuntimeError(
            f"A former call left jobs in SLURM's queue, and there is no `{command[0]}` here: call "
            "the workflow where there is one or, if you know that none is left, delete "
            ".snakemake/incomplete."
        )
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"`{command[0]}` failed: {done.stderr.strip()}")
    return done.stdout
