"""Calls of R functions: values there and back, warnings and errors as Python's, nothing printed.

Uses what rpy2 3.5 (R 4.2) and rpy2 3.6 (newer R) have in common.
"""

import gc
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec

import numpy as np

logger = logging.getLogger("scscope.r")

HOW = (
    "Get all of it with `conda env create --file envs/splatter.yaml`; or R and what splatter needs "
    "from Debian, splatter from Bioconductor and `pip install 'scscope[splatter]'`: see "
    "docs/simulation.md. `source: splat` needs none of it."
)

SEARCH_PATH = "LD_LIBRARY_PATH"

# Calls f(...), and keeps whatever it has to say.
CALMLY = """
function(f, ...) {
  warnings <- character(); messages <- character(); value <- NULL; error <- character()
  withCallingHandlers(
    tryCatch(value <- f(...), error = function(e) error <<- conditionMessage(e)),
    warning = function(w) {
      warnings <<- c(warnings, conditionMessage(w)); invokeRestart("muffleWarning")
    },
    message = function(m) {
      messages <<- c(messages, conditionMessage(m)); invokeRestart("muffleMessage")
    }
  )
  list(value = value, error = error, warnings = warnings, messages = messages)
}
"""


class RMissingError(RuntimeError):
    """R, rpy2 or an R package is not there; the message says which, and how to get it."""


class RError(RuntimeError):
    """An R function stopped; the message is R's."""


class RWarning(UserWarning):
    """What an R function warned of."""


def require_r(*packages: str) -> None:
    """Refuse to go on unless R, rpy2 and the R packages can be used.

    Raises
    ------
    RMissingError
        With the first of them that is missing, and how to get it.
    """
    if find_spec("rpy2") is None:
        raise RMissingError(f"The Python package rpy2 is missing. {HOW}")
    if not (os.environ.get("R_HOME") or shutil.which("R")):
        raise RMissingError(f"R is missing: there is no `R` on the path and no R_HOME. {HOW}")
    run = _session()
    for package in packages:
        found = run("function(name) nzchar(system.file(package = name))")(package)
        if not found[0]:
            raise RMissingError(f"The R package {package} is missing. {HOW}")


def call_r(code: str, *arguments, use: Callable):
    """Call an R function, and free what it returned.

    Parameters
    ----------
    code
        Source of the function.
    arguments
        Numbers, texts, booleans, lists of one of them, mappings of these.
    use
        Is given what the function returned, see `from_r`, and returns what is to stay: arrays are
        R's own memory, which is gone afterwards.

    Raises
    ------
    RError
        If the function stops.
    """
    run = _session()
    answer, said = None, {}
    try:
        with _silence(), warnings.catch_warnings():
            # rpy2's on its own ways.
            warnings.simplefilter("ignore", DeprecationWarning)
            answer = run(CALMLY)(run(code), *map(to_r, arguments))
            said = from_r(answer)
        for message in said["messages"]:
            logger.info("R: %s", message.strip())
        for message in said["warnings"]:
            warnings.warn(f"R: {message}", RWarning, stacklevel=2)
        if len(said["error"]):
            raise RError(f"R stopped: {said['error'][0]}")
        return use(said["value"])
    finally:
        del answer, said
        gc.collect()  # rpy2's handles are in reference cycles
        run("function() invisible(gc())")()


def to_r(value):
    """A Python value as R's: numbers become doubles, a mapping a named list."""
    from rpy2 import robjects

    if isinstance(value, Mapping):
        return robjects.ListVector({name: to_r(part) for name, part in value.items()})
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        value = [value]
    parts = [part.item() if isinstance(part, np.generic) else part for part in value]
    for kind, vector in (
        (bool, robjects.BoolVector),
        (str, robjects.StrVector),
        (int | float, robjects.FloatVector),
    ):
        if all(isinstance(part, kind) for part in parts):
            return vector(parts)
    raise ValueError(f"R takes numbers, texts, booleans, or lists of one of them; got {value!r}.")


def from_r(value):
    """An R value as Python's: a named list as dict, a factor or texts as array of text.

    Numbers become arrays that share R's memory, matrices with R's rows as rows.
    """
    from rpy2 import robjects

    if isinstance(value, robjects.vectors.ListVector):
        return {name: from_r(part) for name, part in zip(value.names, value, strict=True)}
    if isinstance(value, type(robjects.NULL)):
        return None
    if isinstance(value, robjects.vectors.FactorVector):
        return np.array(list(value.levels), dtype=str)[np.asarray(value) - 1]
    if isinstance(value, robjects.vectors.StrVector):
        return np.array(list(value), dtype=str)
    if isinstance(value, robjects.vectors.BoolVector):
        return np.asarray(value).astype(bool)
    if isinstance(value, robjects.vectors.Vector):
        return np.asarray(value)
    raise ValueError(f"R returned what has no counterpart here: {type(value).__name__}.")


def _session() -> Callable:
    """Evaluate R code; starts R the first time."""
    search_path = os.environ.get(SEARCH_PATH)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rpy2's on its own ways of finding R
            from rpy2 import robjects
    except Exception as error:
        raise RMissingError(
            f"rpy2 cannot use the R that is here: {error}. rpy2 3.5 goes with R 4.2, rpy2 3.6 with "
            f"newer ones. {HOW}"
        ) from error
    finally:
        _restore(SEARCH_PATH, search_path)
    return robjects.r


def _restore(name: str, value: str | None) -> None:
    """Take back what rpy2 sets for all programs that are started later.

    R's libraries are loaded by then. With the search path, another Python would load the system's
    OpenSSL in place of its own.
    """
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _silence() -> ExitStack:
    """What R would print goes to the log."""
    from rpy2.rinterface_lib import callbacks

    # rpy2 3.6 has the new name, and warns of the old one.
    name = "replace_in_module" if hasattr(callbacks, "replace_in_module") else "obj_in_module"
    replace = getattr(callbacks, name)
    stack = ExitStack()
    for stream in ("consolewrite_print", "consolewrite_warnerror"):
        to_log = replace(callbacks, stream, lambda text: logger.info("R: %s", text.strip()))
        stack.enter_context(to_log)
    return stack
