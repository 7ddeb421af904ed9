"""A method in any language: a command that reads a dataset from files and leaves its results there."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

from scscope.data import Scaled, Targets
from scscope.errors import NotApplicable
from scscope.methods.fit import Fit
from scscope.methods.own import exchange as formats
from scscope.processes import end_with

NOT_APPLICABLE = 77  # exit code by which a command says so; its last line is the reason
MAX_SEED = 2**31  # R takes no larger one
LAST_LINES = 5  # of its output, in the message of a failure


def command(
    data: Scaled,
    *,
    seed: int,
    device: str,
    folder: Path,
    threads: int,
    targets: Targets,
    words: str,
    exchange: str,
    gives: list[str],
    values: dict,
    search_path: str | None,
) -> Fit:
    """Run a command on a dataset and read what it found.

    Parameters
    ----------
    data
        The dataset, on the scale of the method's entry.
    seed, device, threads
        Told to the command where it asks for them. The seed is below 2**31.
    folder
        Where the files that are exchanged may lie.
    targets
        Entries whose values are to be imputed; the true values are not told.
    words
        The command, with `scscope.methods.own.words.PLACEHOLDERS` and the names of `values` in braces. It is split as a
        shell would, but no shell runs it.
    exchange
        "h5ad" or "text", see `scscope.methods.own.exchange`.
    gives
        What the command finds: "latent", "imputation", "labels".
    values
        Further placeholders.
    search_path
        File with the PATH on which programs are found, or None for that of this process.
    """
    source, result = formats.places(folder, exchange)
    source.parent.mkdir(parents=True)
    entries = targets if "imputation" in gives else None
    formats.write_input(data, entries, source, exchange)
    told = {
        **values,
        "input": source,
        "output": result,
        "seed": seed % MAX_SEED,
        "threads": threads,
        "device": device,
    }
    asked = [word.format_map(told) for word in shlex.split(words)]
    started = time.perf_counter()
    run(asked, search_path)
    seconds = round(time.perf_counter() - started, 3)
    return formats.read_output(data, targets, result, exchange, record={"seconds_command": seconds})


def run(words: list[str], search_path: str | None = None) -> None:
    """Run a program, its output going where ours goes; raise what its end says.

    Raises
    ------
    NotApplicable
        It left with code 77.
    MemoryError
        It was ended by SIGKILL.
    RuntimeError
        It left with another code, or was ended by another signal.
    FileNotFoundError
        There is no such program.
    """
    environment, parent = dict(os.environ), os.getpid()
    if search_path:
        environment["PATH"] = Path(search_path).read_text().strip()
    try:
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            preexec_fn=lambda: end_with(parent),
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no program {words[0]!r} here: install it, or name the conda environment "
            "that has it by `conda:` and run Snakemake with `--sdm conda`."
        ) from error
    said: deque[str] = deque(maxlen=LAST_LINES)
    listener = threading.Thread(target=_pass_on, args=(process, said), daemon=True)
    listener.start()
    code = process.wait()
    listener.join(1)  # not longer: a process that it left behind may hold the pipe open
    if code == 0:
        return
    last = " | ".join(said) or "it said nothing"
    if code == NOT_APPLICABLE:
        raise NotApplicable(said[-1] if said else f"{words[0]} left with code {code}.")
    if code < 0:
        name = signal.Signals(-code).name
        if name == "SIGKILL":
            raise MemoryError("the command was ended by SIGKILL, most likely for lack of memory")
        raise RuntimeError(f"the command was ended by {name}: {last}")
    raise RuntimeError(f"the command left with code {code}: {last}")


def _pass_on(process: subprocess.Popen, said: deque) -> None:
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if line.strip():
            said.append(line.strip())
