"""Jobs that a call of the workflow left in SLURM's queue when it was killed."""

import shutil
import subprocess
import time
from collections.abc import Callable, Collection

PERIOD = 10.0  # seconds between two questions to the queue


def settle(jobs: Collection[str], say: Callable[[str], None], *, period: float = PERIOD) -> bool:
    """Cancel those of `jobs` that have not begun, and wait until the others are gone.

    Work that has begun is not thrown away, and nobody else does it at the same time.

    Parameters
    ----------
    jobs
        Numbers of jobs, as SLURM gave them.
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
        If the queue cannot be asked.
    """
    waited = False
    while left := states_of(jobs):
        pending = [job for job, state in left.items() if state == "PENDING"]
        if pending:
            say(f"Cancelling {len(pending)} jobs of a former call that have not begun.")
            ask("scancel", "--state=PENDING", *pending)
        if len(pending) < len(left):
            running = sorted(set(left) - set(pending))
            if not waited:
                say(
                    f"Waiting for {len(running)} jobs of a former call: {', '.join(running)}. "
                    "`scancel` ends one whose work is not wanted."
                )
            waited = True
        time.sleep(period if waited else 1)
    return waited


def states_of(jobs: Collection[str]) -> dict[str, str]:
    """State of each of `jobs` that is in the queue: PENDING, RUNNING, COMPLETING …."""
    if not jobs:
        return {}
    said = ask("squeue", "--me", "--array", "--noheader", "--format=%i|%T")
    known = dict(line.strip().split("|") for line in said.splitlines())
    return {job: known[job] for job in jobs if job in known}


def ask(*command: str) -> str:
    """What a command of SLURM says."""
    if shutil.which(command[0]) is None:
        raise RuntimeError(
            f"A former call left jobs in SLURM's queue, and there is no `{command[0]}` here: call "
            "the workflow where there is one, or wait until they have ended."
        )
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(f"`{command[0]}` failed: {done.stderr.strip()}")
    return done.stdout
