"""How a run ended, and how often it has failed."""

import json
from pathlib import Path

from scscope.atomic import write_text

# What a run leaves. All files are always there; those that it has nothing to say in are empty.
# `FIT` holds what there is of `labels`, `imputed` (values at the targets) and, where only some cells
# were fitted, `cells` and `space` of `scscope.run.subset.Subset`. Few files: planning takes time by
# their number.
LATENT, FIT, HISTORY = "latent.npy", "fit.npz", "history.tsv"
ARRAYS = (LATENT, FIT, HISTORY)
STATUS = "status.json"
OUTCOME = "outcome.json"  # what the child says of its end, to the supervisor
FAILURES = "failed_attempts"

STANDS = ("ok", "not_applicable")
NEEDS_MORE = ("out_of_memory", "timeout")
FAILED = ("error", "diverged", *NEEDS_MORE)
STATUSES = (*STANDS, *FAILED)


def read_status(path: str | Path) -> dict:
    """Read a `status.json`."""
    return json.loads(Path(path).read_text())


def failed_attempts(folder: str | Path) -> int:
    """Number of attempts in `folder` that failed, over all calls of the workflow.

    As a parameter of a job it makes exactly the failed runs rerun: it was lower when they ran.
    """
    path = Path(folder) / FAILURES
    return int(path.read_text()) if path.exists() else 0


def record_failure(folder: str | Path) -> None:
    """Count one more failed attempt in `folder`."""
    write_text(Path(folder) / FAILURES, f"{failed_attempts(folder) + 1}\n")
