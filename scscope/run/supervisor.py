"""The parent process of a run: watch the child, and say how it ended whatever happens."""

import json
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import psutil

from scscope.atomic import write_text
from scscope.processes import adopting, descendants, end_descendants
from scscope.run.status import ARRAYS, OUTCOME, STATUS

logger = logging.getLogger("scscope.run")

WORKER = (sys.executable, "-m", "scscope.run.worker")
LIBRARY = Path(__file__).parents[2]
PERIOD = 0.1  # seconds between two looks at the child

# The supervisor has to speak before a scheduler kills the whole job.
SHARE_OF_MEMORY = 0.9
MB_BESIDE = 350  # of Snakemake, twice on a cluster, and of the supervisor
SECONDS_TO_SPEAK = 120
UNKNOWN = dict.fromkeys(("device", "peak_gpu_mb", "versions"))
# Bytes of the disk that are taken before a run and given back after it, so that there is room to
# say how it ended, also when it has filled the disk.
RESERVE = 2**16


def supervise(
    request: dict,
    folder: Path,
    *,
    about: dict,
    memory_mb: float,
    seconds: float,
    log: Path,
) -> dict:
    """Run one request in a child process and leave its arrays and `status.json` in `folder`.

    Parameters
    ----------
    request
        What the worker reads: paths `data` and `targets`; `module` and `function` of the method,
        what it `gives`, whether it `uses_gpu` and is an `oracle`; `scale` and `params`; `seed`,
        `threads`, `n_gpus`.
    folder
        Where the files of `scscope.run.status` go. Every one of them exists afterwards.
    about
        Names by which the run is known; they are written into its status.
    memory_mb
        Memory that the child and its children may hold together.
    seconds
        Time that it may take.
    log
        File to which the child's output is appended.

    Returns
    -------
    dict
        The status, as written.
    """
    started = time.time()
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / OUTCOME).write_text(" " * RESERVE)
    load = os.getloadavg()[0]
    ours = set(psutil.Process().children())
    with adopting(), log.open("a") as output:
        child = start({**request, "folder": str(partial), "parent": os.getpid()}, output)
        peak, breach = watch(child, memory_mb, seconds, ours)
    status = {
        **about,
        **UNKNOWN,  # if the child says nothing
        **read_outcome(partial, child.returncode, breach),
        "seconds": round(time.time() - started, 3),
        "peak_rss_mb": round(peak, 1),
        "threads": request["threads"],
        "n_gpus": request["n_gpus"],
        "host": os.uname().nodename,
        "load": round(load, 2),  # of the host, before the run
    }
    leave(status, partial, folder)
    return status


def record_silence(request: dict, folder: Path, *, about: dict, attempts: int) -> dict:
    """Leave the files of a run whose every attempt was ended, supervisor and all, from outside.

    Arguments and result are those of `supervise`; `attempts` is their number.
    """
    words = (
        f"each of {attempts} attempts was ended from outside before it could say why: by the "
        "scheduler, for more memory or time than the job had; with its node; or by hand"
    )
    status = {
        **about,
        **UNKNOWN,
        "status": "error",
        "message": words,
        **dict.fromkeys(("seconds", "peak_rss_mb")),
        "threads": request["threads"],
        "n_gpus": request["n_gpus"],
        "host": os.uname().nodename,
    }
    partial = folder / ".partial"
    partial.mkdir(parents=True, exist_ok=True)
    leave(status, partial, folder)
    return status


def leave(status: dict, partial: Path, folder: Path) -> None:
    """Move the arrays of a good run to their place, make the others empty, and write the status."""
    for name in ARRAYS:
        if status["status"] == "ok" and (partial / name).exists():
            (partial / name).replace(folder / name)
        else:
            (folder / name).write_bytes(b"")
    shutil.rmtree(partial)
    write_text(folder / STATUS, json.dumps(status, indent=2) + "\n")


def limits_of(mem_mb: float | None, runtime_minutes: float | None) -> dict[str, float]:
    """Limits of a child within a job's memory and run time, as arguments of `supervise`.

    None is a job without such a limit.
    """
    mem_mb = math.inf if mem_mb is None else mem_mb
    runtime = math.inf if runtime_minutes is None else 60 * runtime_minutes
    return {
        "memory_mb": max(min(SHARE_OF_MEMORY * mem_mb, mem_mb - MB_BESIDE), mem_mb / 2),
        "seconds": max(runtime - SECONDS_TO_SPEAK, runtime / 2),
    }


def start(request: dict, output: IO) -> subprocess.Popen:
    """Start the child in a session of its own, so that all it starts can be ended with it."""
    count = {name: str(request["threads"]) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    path = os.pathsep.join(filter(None, (str(LIBRARY), os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        WORKER,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **count, "PYTHONPATH": path},
        start_new_session=True,
        text=True,
    )
    try:
        child.stdin.write(json.dumps(request))
        child.stdin.close()
    except BrokenPipeError:
        logger.warning("The child ended before it had read its request.")
    return child


def watch(
    child: subprocess.Popen, memory_mb: float, seconds: float, ours: set[psutil.Process]
) -> tuple[float, dict | None]:
    """Wait for the child; end it, and all it started, when it breaks a limit or we are ended.

    `ours` are processes of this one that have nothing to do with the run.

    Returns
    -------
    tuple
        Largest memory seen in MB, and the status of the breach if there was one.
    """
    deadline = time.monotonic() + seconds
    peak, breach = 0.0, None
    previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        while breach is None:
            peak = max(peak, memory_of(descendants(ours)))
            if peak > memory_mb:
                words = f"held {peak:.0f} MB of {memory_mb:.0f} MB: give the job more memory"
                breach = {"status": "out_of_memory", "message": words}
            elif time.monotonic() > deadline:
                words = f"not done after {seconds:.0f} s: give the job more run time"
                breach = {"status": "timeout", "message": words}
            try:
                child.wait(PERIOD)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        # The session at once; then, one by one, what has left it.
        end_session(child)
        if left := end_descendants(ours):
            logger.warning("Ended what the run had left behind: %s.", ", ".join(left))
        signal.signal(signal.SIGTERM, previous)
    return peak, breach


def end_session(child: subprocess.Popen) -> None:
    """Kill whatever is left of the child's session."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def memory_of(processes: list[psutil.Process]) -> float:
    """Resident memory of processes in MB; those that are gone hold none."""
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def read_outcome(partial: Path, returncode: int, breach: dict | None) -> dict:
    """What the child said of its end, or what its death says."""
    if breach is not None:
        return breach
    try:
        return json.loads((partial / OUTCOME).read_text())
    except ValueError:  # it had not come to speak, or not to an end
        pass
    if returncode < 0:
        name = signal.Signals(-returncode).name
        if name == "SIGKILL":  # not by us: so ends what takes more than system or scheduler allow
            words = "the process was ended by SIGKILL, most likely for lack of memory"
            return {"status": "out_of_memory", "message": words}
        return {"status": "error", "message": f"the process was ended by {name}"}
    return {"status": "error", "message": f"the process left with code {returncode}, no outcome"}
