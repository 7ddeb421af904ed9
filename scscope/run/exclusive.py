"""Runs that are timed have the host for themselves: nothing that computes in a workflow runs beside them.

Two files in the host's memory are locked. All jobs share the first; a run that
is timed waits until it has that one alone. The second is a turnstile: whoever waits for the first
holds it, so that jobs that come later wait behind a timed run and not before it.
"""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger("scscope.run")


@contextmanager
def host(*, alone: bool) -> Iterator[float]:
    """Be on the host, beside other jobs or alone, until the block or the process ends.

    Parameters
    ----------
    alone
        Whether no other job of this user's workflows may run on this host meanwhile. It waits for
        those that run.

    Yields
    ------
    float
        Seconds that it waited.
    """
    started = time.monotonic()
    turnstile, lock = _open()
    try:
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        finally:
            fcntl.flock(turnstile, fcntl.LOCK_UN)
        waited = time.monotonic() - started
        if waited > 1:
            logger.info("Waited %.0f s for %s.", waited, "other jobs" if alone else "a timed run")
        yield waited
    finally:
        os.close(lock)
        os.close(turnstile)


def stay_beside_others() -> None:
    """Be on the host beside other jobs until this process ends."""
    turnstile, lock = _open()
    fcntl.flock(turnstile, fcntl.LOCK_EX)
    fcntl.flock(lock, fcntl.LOCK_SH)
    os.close(turnstile)


def _open() -> tuple[int, int]:
    # A folder for temporary files may be a job's own; this one is the host's.
    shared = Path("/dev/shm")
    place = shared if os.access(shared, os.W_OK) else Path(tempfile.gettempdir())
    user = os.getuid()
    names = (f"scscope-{user}-turnstile.lock", f"scscope-{user}-host.lock")
    turnstile, lock = (os.open(place / name, os.O_RDWR | os.O_CREAT, 0o600) for name in names)
    return turnstile, lock
