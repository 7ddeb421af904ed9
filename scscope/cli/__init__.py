"""The command line: `scscope fit`, `transform`, `impute`, `info`, `cluster`, `score` and so on."""

import argparse
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scscope.cli import check, cluster, compare, doctor, model, score
from scscope.version import __version__

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130  # exit codes; 130 is 128 + SIGINT, as in a shell


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code.

    Parameters
    ----------
    argv
        Arguments without the name of the program; those of the process by default.

    Returns
    -------
    int
        0; 1 where the work failed; 2 where what was asked for cannot be done; 130 after Ctrl-C.
    """
    args = parser().parse_args(argv)
    try:
        with speaking():
            args.run(args)
    except KeyboardInterrupt as interrupt:
        return _end(INTERRUPTED, str(interrupt) or "Interrupted.")
    except Exception as error:
        if args.debug:
            raise
        return _end(*_in_words(error))
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and options. Nothing heavy is imported to make it."""
    program = argparse.ArgumentParser(
        prog="scscope",
        description="scScope: cell types from noisy single-cell profiles.",
        allow_abbrev=False,
    )
    program.add_argument("--version", action="version", version=f"scscope {__version__}")
    commands = program.add_subparsers(metavar="COMMAND", required=True)
    for add_command in (
        *model.COMMANDS,
        *cluster.COMMANDS,
        *score.COMMANDS,
        *check.COMMANDS,
        *compare.COMMANDS,
        *doctor.COMMANDS,
    ):
        command = add_command(commands)
        command.add_argument("--debug", action="store_true", help="show where an error comes from")
    return program


@contextmanager
def speaking() -> Iterator[None]:
    """Let the library be heard on stderr: warnings in one line, and how far the work is.

    On a terminal a bar shows that; elsewhere the library's log does.
    """
    on_terminal = sys.stderr is not None and sys.stderr.isatty()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("scscope")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if on_terminal else logging.INFO)

    def show(message, *place, **more):
        print(f"scscope: warning: {_one_line(message)}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


def _in_words(error: Exception) -> tuple[int, str]:
    """Exit code and sentence of an error; one that nobody expected is raised again."""
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return BAD_INPUT, f"There is no file '{error.filename}'."
    if isinstance(error, ValueError | FileNotFoundError):
        return BAD_INPUT, str(error)
    if isinstance(error, ModuleNotFoundError):
        return FAILED, (
            f"This needs the package {error.name!r}, which is not installed. "
            "What the commands need comes with: pip install 'scscope[cli]'"
        )
    if isinstance(error, MemoryError):
        return FAILED, f"There is not enough memory. {error}"
    if isinstance(error, RuntimeError | OSError):  # Diverged, a worker that died, a full disk
        return FAILED, str(error)
    raise error


def _end(code: int, message: str) -> int:
    kind = "" if code == INTERRUPTED else "error: "
    print(f"scscope: {kind}{_one_line(message)}", file=sys.stderr)
    return code


def _one_line(message: object) -> str:
    return " ".join(str(message).split())
