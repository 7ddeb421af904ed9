"""Child processes that do not outlive their parent."""

import ctypes
import os
import signal
import sys


def end_with(parent: int) -> None:
    """Have this process killed when its parent dies, so that no two ever write one file.

    Parameters
    ----------
    parent
        Process id of the parent. If it is another one by now, this process exits.
    """
    if sys.platform == "linux":
        set_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("The parent process is gone.")
