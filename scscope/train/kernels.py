"""Compiles C source of this package for the CPU at hand, once, and loads it."""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch  # noqa: F401  (loads the OpenMP runtime that the compiled code then finds)

SOURCE = Path(__file__).with_name("fused.c")
# `-fno-trapping-math` lets the compiler turn conditions into masks; NaN keeps its meaning.
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd")
NATIVE = {
    "x86_64": ("-march=native", "-mprefer-vector-width=512"),
    "aarch64": ("-mcpu=native",),
}
COMPILER_SECONDS = 120  # it should take two


class NoKernels(Exception):
    """Compiled code cannot be had here; the message says why."""


@functools.cache
def load() -> tuple[ctypes.CDLL, bool]:
    """The compiled source, and whether it uses several threads.

    OpenMP is compiled in but not linked: its functions are then those of the runtime that torch has
    loaded, and both use the same threads. Where that does not work, the code has one thread.

    Raises
    ------
    NoKernels
        There is no compiler, it fails, or what it made cannot be loaded.
    """
    compiler = shlex.split(os.environ.get("CC", "")) or ["cc"]
    if shutil.which(compiler[0]) is None:
        raise NoKernels(f"no C compiler ({compiler[0]!r} is not found; CC can name another)")
    flags = [*FLAGS, *NATIVE.get(platform.machine(), ())]
    try:
        return library([*compiler, *flags, "-fopenmp"]), True
    except NoKernels:
        return library([*compiler, *flags]), False


def library(command: list[str]) -> ctypes.CDLL:
    """Load what `command` makes of the source: from the user's cache, or compiled now."""
    name = f"{SOURCE.stem}-{fingerprint(command)}.so"
    folder = cache_folder()
    try:
        return ctypes.CDLL(str(folder / name))
    except OSError:
        pass  # not there, or broken
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return compiled(command, folder, name)
    except OSError:  # the cache cannot be written, or nothing may be executed from it
        pass
    try:
        return compiled(command, None, name)
    except OSError as error:
        raise NoKernels(f"compiled code cannot be loaded ({error})") from error


def compiled(command: list[str], folder: Path | None, name: str) -> ctypes.CDLL:
    """Compile the source, keep the library in `folder` if there is one, and load it.

    Jobs may do so at the same time: each works in a folder of its own and renames what is whole.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="compiling-") as work:
        object_file, path = Path(work, "code.o"), Path(work, name)
        execute([*command, "-c", str(SOURCE), "-o", str(object_file)])
        execute([command[0], "-shared", str(object_file), "-o", str(path), "-lm"])
        if folder is not None:
            path = path.replace(folder / name)
        return ctypes.CDLL(str(path))


def execute(command: list[str]) -> None:
    """Run the compiler."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILER_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NoKernels(f"{command[0]!r} took more than {COMPILER_SECONDS} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise NoKernels(f"{command[0]!r} fails: {lines[-1]}")


def cache_folder() -> Path:
    """Where compiled code of this user is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "scscope")


def fingerprint(command: list[str]) -> str:
    """Hash of all that decides the compiled code: source, command, compiler and CPU."""
    version = subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout
    parts = (SOURCE.read_text(), *command, version, cpu())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def cpu() -> str:
    """Model and instruction sets of the CPU, so that unlike machines may share a home."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.machine() + platform.processor()
    wanted = ("model", "cpu family", "stepping", "flags", "Features", "CPU ")
    return "\n".join(line for line in lines if line.startswith(wanted))
