"""One step of training: gradient, exchange between workers, update; on a GPU replayed as a graph."""

import torch
from torch import Tensor

from scscope.train.gradient import Autograd
from scscope.train.workers import Workers

WARM_UP = 3  # steps before a graph is recorded, as CUDA libraries set themselves up


class Step:
    """Take one step on a minibatch.

    Parameters
    ----------
    gradients
        An engine for each optimiser; they take turns on the same minibatch.
    group
        The workers.
    """

    def __init__(self, gradients: list[Autograd], group: Workers):
        self.gradients, self.group = gradients, group

    def __call__(self, x: Tensor, batch: Tensor | None) -> Tensor:
        """Loss before the step, shape ().

        Parameters
        ----------
        x
            Observed values of this worker's cells, shape (n_cells, n_genes).
        batch
            Index of the batch of each cell, shape (n_cells,), or None.
        """
        for gradient in self.gradients:
            loss = gradient(x, batch)
            self.group.average(gradient.adam.gradient)
            gradient.adam.step()
        return loss


class CapturedStep:
    """The same on a GPU, its kernels recorded once and launched together.

    At these sizes launching a step's hundred kernels takes longer than running them.

    Parameters
    ----------
    step
        What to record.
    n_cells
        Cells of a whole minibatch; smaller ones take the step unrecorded.
    """

    def __init__(self, step: Step, n_cells: int):
        self.step, self.n_cells = step, n_cells
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, x: Tensor, batch: Tensor | None) -> Tensor:
        """Loss before the step, shape (); overwritten by the next call."""
        if len(x) != self.n_cells:
            return self.step(x, batch)
        if self.graph is None:
            self._record(x, batch)
        self.x.copy_(x)
        if batch is not None:
            self.batch.copy_(batch)
        self.graph.replay()
        return self.loss

    def _record(self, x: Tensor, batch: Tensor | None) -> None:
        self.x, self.batch = x.clone(), None if batch is None else batch.clone()
        states = [v for gradient in self.step.gradients for v in gradient.adam.state().values()]
        before = [values.clone() for values in states]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.step(self.x, self.batch)
        torch.cuda.current_stream().wait_stream(stream)
        for values, old in zip(states, before, strict=True):
            values.copy_(old)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = self.step(self.x, self.batch)


def step_of(
    gradients: list[Autograd], group: Workers, device: str, n_cells: int
) -> Step | CapturedStep:
    """The step for a device and minibatches of `n_cells`."""
    step = Step(gradients, group)
    return CapturedStep(step, n_cells) if device == "cuda" and group.size == 1 else step
