"""Work on several threads whose results do not depend on their number."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


def threads_of(n_threads: int | None) -> int:
    """How many threads to use: as asked, else OMP_NUM_THREADS, else all cores of this process."""
    if n_threads is None:
        named = os.environ.get("OMP_NUM_THREADS", "")
        return int(named) if named.isdigit() and int(named) else len(os.sched_getaffinity(0))
    if n_threads < 1:
        raise ValueError(
            f"`n_threads` is {n_threads}: it must be at least 1, or None for all cores."
        )
    return n_threads


@contextmanager
def workers(n_threads: int | None) -> Iterator[ThreadPoolExecutor]:
    """A pool whose threads each compute alone.

    Linear algebra on several threads adds up in the order in which they finish. Here each task runs
    on one thread, so that its result is the same with any number of workers.
    """
    from threadpoolctl import threadpool_limits

    # The limit of OpenMP belongs to the thread that sets it, that of BLAS to the process.
    with (
        threadpool_limits(1),
        ThreadPoolExecutor(
            threads_of(n_threads), initializer=threadpool_limits, initargs=(1,)
        ) as pool,
    ):
        yield pool
