"""Child processes that do not outlive their parent, however they were started."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

SET_DEATH_SIGNAL, SET_SUBREAPER = 1, 36  # of prctl(2): PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER
SECONDS_TO_DIE = 5.0


def end_with(parent: int) -> None:
    """Have this process killed when its parent dies, so that no two ever write one file.

    Parameters
    ----------
    parent
        Process id of the parent. If it is another one by now, this process exits.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The parent process is gone.")


@contextmanager
def adopting() -> Iterator[None]:
    """Let this process inherit the orphans among its descendants, on Linux, until the block ends.

    A descendant that leaves its session and loses its parent, as a daemon does, is a child of this
    process then, and can be found.
    """
    if sys.platform != "linux":
        yield
        return
    prctl = ctypes.CDLL(None).prctl
    prctl(SET_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(SET_SUBREAPER, 0, 0, 0, 0)


def descendants(besides: "set[psutil.Process]" = frozenset()) -> "list[psutil.Process]":
    """Processes that this one has started, or adopted, directly or not.

    Parameters
    ----------
    besides
        Processes that are left out, with what they have started.
    """
    import psutil

    if not besides:
        return psutil.Process().children(recursive=True)
    found = []
    for child in psutil.Process().children():
        if child not in besides:
            found.append(child)
            try:
                found += child.children(recursive=True)
            except psutil.NoSuchProcess:
                continue
    return found


def end_descendants(besides: "set[psutil.Process]" = frozenset()) -> list[str]:
    """Kill all that `descendants` finds, until there are none; return the names of what lived."""
    import psutil

    ended: list[str] = []
    deadline = time.monotonic() + SECONDS_TO_DIE
    while time.monotonic() < deadline:
        left = descendants(besides)
        if not left:
            break
        for process in left:
            try:
                if process.status() != psutil.STATUS_ZOMBIE:
                    ended.append(process.name())
                    process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=0.1)  # takes leave of those that are our children
    return ended
