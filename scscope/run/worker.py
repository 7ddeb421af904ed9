"""The child process of a run: read the data, fit the method, leave arrays and an outcome.

Reads a request as JSON from standard input, see `scscope.run.supervisor.supervise`.
"""

import csv
import json
import logging
import os
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from scscope.data import Scaled, read_dataset, read_targets, scaled
from scscope.errors import Diverged, NotApplicable
from scscope.methods.fit import (
    Fit,
    as_fit,
    check_gives,
    checked_labels,
    checked_latent,
    checked_values,
)
from scscope.methods.own.load import load
from scscope.processes import end_with
from scscope.run.status import FIT, HISTORY, LATENT, OUTCOME
from scscope.seeds import derive_seed

logger = logging.getLogger("scscope.run")

# Reported if they were used.
PACKAGES = ("numpy", "scipy", "sklearn", "torch", "scvi", "magic")


def perform(request: dict, folder: Path, device: str) -> dict:
    """Run the request and write its arrays to `folder`; return seconds by phase, and the record."""
    clock = [time.perf_counter()]
    data = scaled(read_dataset(request["data"]), request["scale"], with_labels=request["oracle"])
    if data.train is not None and not request.get("inductive"):
        raise NotApplicable(
            "The cells of this dataset are split into those to train on and those to validate on, and "
            "the method does not declare that it can be applied to new cells."
        )
    targets = read_targets(request["targets"])
    clock.append(time.perf_counter())

    own = {"folder": folder, "threads": request["threads"], "targets": targets}
    asked = {name: own[name] for name in request.get("asks", ())}
    fit, subset = fitted(request, data, device=device, **asked)
    clock.append(time.perf_counter())
    check_gives(fit, request["gives"])
    held = {} if subset is None else {"cells": subset.cells, "space": subset.space}
    n_cells = data.X.shape[0] if subset is None else len(subset.cells)
    if fit.labels is not None:
        held["labels"] = checked_labels(fit.labels, n_cells)
    save_fit(fit, folder, n_cells=n_cells)
    saved = time.perf_counter() - clock[-1]

    if fit.impute is not None and len(targets.cell):
        known = slice(None) if subset is None else np.isin(targets.cell, subset.cells)
        cell, gene = targets.cell[known], targets.gene[known]
        held["imputed"] = np.full(len(targets.cell), np.nan, dtype=np.float32)
        held["imputed"][known] = checked_values(fit.impute(cell, gene), len(cell))
    clock.append(time.perf_counter() - saved)
    if held:
        np.savez(folder / FIT, **held)

    # Writing files belongs to none of them.
    names = ("seconds_load", "seconds_fit", "seconds_impute")
    seconds = dict(zip(names, np.diff(clock).round(3).tolist(), strict=True))
    return {**seconds, "record": fit.record}


def fitted(request: dict, data: Scaled, **options) -> tuple[Fit, Any]:
    """Fit the method to all cells, or to as many as the request says and no more.

    Returns
    -------
    tuple
        The fit; and None, or the `scscope.run.subset.Subset` that was fitted.
    """
    method = load(request["module"], request["function"])
    options |= {"seed": derive_seed(request["seed"], "fit"), **request["params"]}
    n_fitted = request.get("fit_on")
    if not n_fitted or n_fitted >= data.X.shape[0]:
        return as_fit(method(data, **options)), None
    # By name: only fits that use it depend on its code.
    fit_on = import_module("scscope.run.subset").fit_on
    subset_seed = derive_seed(request["seed"], "subset")
    return fit_on(method, data, n_fitted, subset_seed, **options)


def save_fit(fit: Fit, folder: Path, *, n_cells: int) -> None:
    """Write the latent and how the training went."""
    if fit.latent is not None:
        np.save(folder / LATENT, checked_latent(fit.latent, n_cells))
    if fit.history:
        with (folder / HISTORY).open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t", lineterminator="\n")
            writer.writerow(fit.history)
            writer.writerows(zip(*fit.history.values(), strict=True))


def device_of(request: dict) -> str:
    """Where to compute: "cuda" for a job that was given a GPU and finds one, else "cpu"."""
    if not request["uses_gpu"]:
        return "cpu"
    import torch

    torch.set_num_threads(request["threads"])
    if not request["n_gpus"]:
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    logger.warning("The job was given a GPU but finds none: it computes on the CPU.")
    return "cpu"


def peak_gpu_mb(device: str) -> float | None:
    """Largest GPU memory that PyTorch held, or None without a GPU."""
    if device != "cuda":
        return None
    import torch

    # 0: whatever computed there was not PyTorch, and how much it held is not known.
    return round(torch.cuda.max_memory_allocated() / 2**20, 1) or None


def outcome_of(request: dict, folder: Path) -> dict:
    """Run the request; whatever it raises becomes a status with its message."""
    device = ""
    try:
        device = device_of(request)
        end = {"status": "ok", "message": "", **perform(request, folder, device)}
    except NotApplicable as reason:
        end = {"status": "not_applicable", "message": str(reason)}
    except Diverged as reason:
        end = {"status": "diverged", "message": str(reason)}
    except Exception as error:
        logger.exception("The method failed")
        lack = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
        status = "out_of_memory" if lack or "can't allocate memory" in str(error) else "error"
        end = {"status": status, "message": f"{type(error).__name__}: {error}"}
    return {"device": device, "peak_gpu_mb": peak_gpu_mb(device), **end}


def main() -> None:
    """Answer one request."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    request = json.load(sys.stdin)
    end_with(request["parent"])
    folder = Path(request["folder"])
    outcome = outcome_of(request, folder)
    used = {name: sys.modules[name].__version__ for name in PACKAGES if name in sys.modules}
    outcome["versions"] = {"python": sys.version.split()[0], **used}
    # Its place on the disk was taken before the run: a full disk does not keep it from speaking.
    with (folder / OUTCOME).open("r+") as file:
        file.write(json.dumps(outcome))
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the log is on the full disk
            continue
    # Nothing is left to do, and tearing down large libraries takes a while.
    os._exit(0)


if __name__ == "__main__":
    main()
