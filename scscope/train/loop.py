"""The training loop: one for all sources, engines, stopping rules and numbers of devices."""

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scscope.errors import Diverged
from scscope.model import Network
from scscope.progress import Progress
from scscope.settings import Settings
from scscope.sources import Source
from scscope.train.adam import Adam
from scscope.train.checkpoint import Checkpoints
from scscope.train.corruption import corruption_of
from scscope.train.engine import gradient_of
from scscope.train.stopping import MAX_EPOCHS, MAX_SECONDS, rule_of
from scscope.train.workers import Workers, workers

logger = logging.getLogger("scscope.train")

WATCH = 100  # steps between looks at losses, clock and checkpoints; a look waits for the device
EXPLODED = 1e3  # a mean loss so many times that of the first epoch is divergence


@dataclass
class State:
    """How far a training is: what a checkpoint keeps beside weights and moments.

    Parameters
    ----------
    epoch
        Epoch under way, from 1.
    step
        Steps done in it.
    steps
        Steps done in all.
    loss
        Sum of their losses in this epoch.
    seconds
        Time spent, of earlier processes too.
    history
        Columns of equal length, one row for each finished epoch.
    stopped
        Why training ended, or None.
    """

    epoch: int = 1
    step: int = 0
    steps: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    history: dict[str, list] = field(default_factory=lambda: {"epoch": [], "loss": [], "error": []})
    stopped: str | None = None


def train(
    network: Network,
    source: Source,
    settings: Settings,
    *,
    seed: int,
    device: str,
    max_seconds: float = float("inf"),
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 600,
) -> tuple[dict[str, list], dict]:
    """Fit the network to the cells of `source`, in place.

    Parameters
    ----------
    network
        Network on `device`.
    source
        Values of shape (n_cells, n_genes), finite and non-negative.
    settings
        How to train.
    seed
        Seed of the minibatches and of the held-out entries.
    device
        "cpu" or "cuda".
    max_seconds
        Time after which training stops, at the next look at the clock.
    checkpoint
        Folder in which the training is kept, to be gone on with by the same call. One that was
        broken off and gone on with ends with the same weights as one that was not.
    checkpoint_seconds
        Time between checkpoints.

    Returns
    -------
    tuple
        History: columns "epoch", "loss" (mean over minibatches) and "error" (that of the stopping
        rule where it was checked, else NaN). And a record of the run: "stopped" (see
        `scscope.train.stopping`), "epochs", "steps", "seconds", "engine", "device", "threads",
        "n_devices".

    Raises
    ------
    Diverged
        The loss is no longer finite, or 1,000 times that of the first epoch.
    KeyboardInterrupt
        The user broke off; the checkpoint was written before.
    """
    with workers(device) as group, interrupt() as interrupted:
        rule, source = rule_of(source, settings, seed)
        optimisers = optimisers_of(network, settings)
        kept = Checkpoints(checkpoint, network, source, settings, seed, group.size)
        state = State(**(kept.load(optimisers, rule) or {}))
        if state.stopped in (MAX_EPOCHS, MAX_SECONDS):
            state.stopped = None  # more may be asked for now
        training = Training(network, source, settings, device, group, optimisers, state, seed)
        clock = time.perf_counter() - state.seconds
        written = clock + state.seconds

        with Progress(
            "Training", total=training.total_steps, done=state.steps, enabled=group.rank == 0
        ) as progress:
            while state.stopped is None and state.epoch <= settings.max_epochs:
                for n_steps in training.epoch():
                    state.seconds = group.agree(time.perf_counter() - clock)
                    progress.advance(n_steps, epoch=state.epoch, loss=training.mean_loss())
                    stop = bool(group.agree(interrupted.is_set()))
                    if stop or time.perf_counter() - written > checkpoint_seconds:
                        kept.save(optimisers, rule, asdict(state), group)
                        written = time.perf_counter()
                    if stop:
                        raise KeyboardInterrupt(kept.message())
                    if state.seconds > max_seconds:
                        state.stopped = MAX_SECONDS
                        break
                else:
                    state.stopped = training.end_epoch(rule)
        if state.stopped is None:
            state.stopped = MAX_EPOCHS
        kept.save(optimisers, rule, asdict(state), group)

    take_best(network, rule.best())
    return state.history, {**training.record(), "n_devices": group.size}


class Training:
    """The steps of a training, from wherever `state` is."""

    def __init__(
        self,
        network: Network,
        source: Source,
        settings: Settings,
        device: str,
        group: Workers,
        optimisers: list[Adam],
        state: State,
        seed: int,
    ):
        self.network, self.source, self.settings, self.device = network, source, settings, device
        self.group, self.state, self.seed = group, state, seed
        n_cells = min(settings.batch_size, source.shape[0])
        chosen = [gradient_of(network, adam, settings, n_cells) for adam in optimisers]
        self.gradients = [gradient for gradient, _ in chosen]
        self.engine = chosen[0][1]
        self.dtype = optimisers[0].weights.dtype
        self.corrupt = corruption_of(source, settings, device, seed, group.rank)
        self.losses = torch.zeros(WATCH, dtype=self.dtype, device=device)

    @property
    def total_steps(self) -> int:
        """Steps if nothing stops the training early; streamed epochs may have a few more."""
        n_cells, size = self.source.shape[0], self.settings.batch_size * self.group.size
        per_epoch = max(
            1, n_cells // size if self.settings.sampling == "draws" else -(-n_cells // size)
        )
        return per_epoch * self.settings.max_epochs

    def epoch(self) -> Iterator[int]:
        """Take the steps of one epoch; now and then, say how many were taken since."""
        rng = np.random.default_rng([self.seed, self.state.epoch])
        to_skip, pending = self.state.step, 0
        for step, (x, batch) in enumerate(self.minibatches(rng, to_skip), start=to_skip):
            shown = None if self.corrupt is None else self.corrupt(x, self.state.epoch, step)
            for gradient in self.gradients:
                loss = gradient(x, batch, shown)
                self.group.average(gradient.adam.gradient)
                gradient.adam.step()
            self.losses[pending] = loss
            pending += 1
            if pending == WATCH:
                self.look_at(pending)
                yield pending
                pending = 0
        if pending:
            self.look_at(pending)
            yield pending

    def minibatches(
        self, rng: np.random.Generator, to_skip: int
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Shares of this worker in the minibatches of an epoch, without the first `to_skip`."""
        size = self.settings.batch_size * self.group.size
        for part in self.source.parts(rng, size, self.device):
            for rows in minibatches(len(part), size, self.settings.sampling, rng):
                rows = self.group.share(rows)
                if to_skip or not len(rows):
                    to_skip -= bool(len(rows))
                    continue
                x, batch = part.load(rows)
                yield x.to(self.dtype), batch

    def look_at(self, n_steps: int) -> None:
        """Add up the last losses; stop where one is not finite."""
        for loss in self.losses[:n_steps].tolist():
            self.state.step += 1
            self.state.steps += 1
            self.state.loss += loss
            if not np.isfinite(loss):
                raise Diverged(
                    f"The loss is {loss} in step {self.state.step} of epoch {self.state.epoch} "
                    f"of {self.settings.max_epochs}. {self.advice()}"
                )

    def mean_loss(self) -> float:
        """Mean loss of the epoch so far."""
        return self.state.loss / max(1, self.state.step)

    def end_epoch(self, rule) -> str | None:
        """Close the epoch's row of the history; the reason to stop, if there is one."""
        state, settings = self.state, self.settings
        loss = torch.tensor(self.mean_loss(), dtype=torch.float64, device=self.device)
        self.group.average(loss)
        error, reason = float("nan"), None
        if state.epoch % settings.epochs_per_check == 0:
            error, reason = rule.check(self.network, self.device)
            reason = reason if self.group.agree(reason is not None) else None
            logger.info("Epoch %d: loss %.6g, error %.6g", state.epoch, loss, error)
        row = {"epoch": state.epoch, "loss": float(loss), "error": error}
        for name, value in row.items():
            state.history[name].append(value)
        first = state.history["loss"][0]
        if row["loss"] > EXPLODED * first > 0:
            raise Diverged(
                f"The loss rose from {first:.4g} in epoch 1 to {row['loss']:.4g} in epoch "
                f"{state.epoch}. {self.advice()}"
            )
        state.epoch, state.step, state.loss = state.epoch + 1, 0, 0.0
        return reason

    def advice(self) -> str:
        """What to try when training diverges."""
        return f"Try a learning rate below {self.settings.learning_rate:g} or another input scale."

    def record(self) -> dict:
        """What was done, for the model's record."""
        return {
            "stopped": self.state.stopped,
            "epochs": len(self.state.history["epoch"]),
            "steps": self.state.steps,
            "seconds": round(self.state.seconds, 3),
            "engine": self.engine,
            "device": self.device,
            "threads": torch.get_num_threads(),
        }


def optimisers_of(network: Network, settings: Settings) -> list[Adam]:
    """Adam over all weights, or one more for the batch effect where it takes steps of its own.

    The two then share their count of steps, from which Adam corrects its biases (released code).
    """
    groups = [list(network.parameters())]
    if settings.separate_batch_step and network.batch_effect is not None:
        effect = network.batch_effect
        groups = [[weight for weight in groups[0] if weight is not effect], [effect]]
    constants = {
        "learning_rate": settings.learning_rate,
        "beta1": settings.beta1,
        "clock": torch.zeros((), dtype=torch.int64),
    }
    return [Adam(group, **constants) for group in groups]


def minibatches(
    n_cells: int, size: int, sampling: str, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Cell indices of the minibatches of one epoch.

    Parameters
    ----------
    n_cells
        Number of cells. Fewer than one minibatch are one minibatch.
    size
        Cells of a minibatch.
    sampling
        "permutation" or "draws", see `scscope.settings.Settings`.
    rng
        Source of the order.
    """
    size = min(size, n_cells)
    if sampling == "draws":
        for _ in range(n_cells // size):
            yield rng.choice(n_cells, size, replace=False)
        return
    order = rng.permutation(n_cells)
    for start in range(0, n_cells, size):
        yield order[start : start + size]


@torch.no_grad()
def take_best(network: Network, weights: Tensor | None) -> None:
    """Put flat weights into the network, in the order of its parameters."""
    if weights is None:
        return
    parameters = list(network.parameters())
    parts = weights.split([parameter.numel() for parameter in parameters])
    for parameter, values in zip(parameters, parts, strict=True):
        parameter.copy_(values.view_as(parameter))


@contextmanager
def interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C inside the block into an event; the second one breaks off at once.

    Where the process ignores Ctrl-C, as jobs in the background do, it still does.
    """
    event = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        yield event
        return

    def ask(*_):
        event.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
