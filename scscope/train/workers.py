"""Several devices: each trains on its own share of every minibatch, and gradients are averaged."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor

TIMEOUT = timedelta(minutes=10)  # after which a worker that hears nothing gives up


@dataclass(frozen=True)
class Workers:
    """The processes that train one network, seen from one of them; by default there is one.

    Parameters
    ----------
    rank
        Number of this process, from 0.
    size
        Number of processes.
    """

    rank: int = 0
    size: int = 1

    def share(self, rows: np.ndarray) -> np.ndarray:
        """Part of this worker in a minibatch of `size` times the batch size.

        All parts are equally large, or their mean would not be that of the cells: up to
        `size` - 1 cells of the last minibatch of an epoch are left out.
        """
        each = len(rows) // self.size
        return rows[self.rank * each : (self.rank + 1) * each]

    def average(self, values: Tensor) -> None:
        """Replace `values` by their mean over the workers, in place."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
            values /= self.size

    def agree(self, value: float) -> float:
        """The value of worker 0, for all."""
        if self.size == 1:
            return value
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        shared = torch.tensor([value], dtype=torch.float64, device=device)
        torch.distributed.broadcast(shared, 0)
        return float(shared)


def take_device(device: str) -> None:
    """Let "cuda" mean this worker's own GPU where torchrun started several."""
    if device == "cuda" and "LOCAL_RANK" in os.environ:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


@contextmanager
def workers(device: str) -> Iterator[Workers]:
    """The workers that `torchrun` started this process among; one where it did not.

    Uses NCCL between GPUs and gloo between CPUs. A worker that dies ends the others: torchrun
    stops them, and what still waits for it fails.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Workers()
        return
    group = torch.distributed
    joined = not group.is_initialized()
    if joined:
        backend = "nccl" if device == "cuda" else "gloo"
        group.init_process_group(backend, timeout=TIMEOUT)
    yield Workers(group.get_rank(), group.get_world_size())
    if joined:  # after a failure there is nobody to take leave of
        group.destroy_process_group()
