"""Adam over one flat vector, in which the network's weights are views."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter

BETA2, EPSILON = 0.999, 1e-8
LATE = 1e9  # a number of steps at which PyTorch corrects no bias


class Adam:
    """Adam with the defaults of Kingma and Ba (2015), in the form of TensorFlow's.

    TensorFlow adds epsilon to the root of the second moment before its bias is corrected (the
    "epsilon hat" at the end of that paper's section 2), PyTorch after. The difference shows where a
    gradient is below about 1e-5.

    Weights, gradient and both moments are flat vectors of the same order: one call updates them
    all, one message exchanges the gradient between devices, and a checkpoint is three vectors.
    That torch's own class is not used has one more reason: its constructor imports PyTorch's
    compiler, which takes longer than many a fit.

    Parameters
    ----------
    parameters
        Weights, all on one device and of one type. Their data and gradients become views of the
        flat vectors.
    learning_rate, beta1
        Step size, and decay of the mean.
    clock
        Steps taken, shape (), int64. Optimisers that share it count each other's steps, as the
        released code's do.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        *,
        learning_rate: float,
        beta1: float,
        clock: Tensor | None = None,
    ):
        self.parameters = list(parameters)
        self.learning_rate, self.beta1 = learning_rate, beta1
        self.weights = torch.cat([weight.detach().flatten() for weight in self.parameters])
        self.gradient = torch.zeros_like(self.weights)
        self.mean = torch.zeros_like(self.weights)
        self.square = torch.zeros_like(self.weights)
        self.clock = torch.zeros((), dtype=torch.int64) if clock is None else clock
        self._late = torch.full((), LATE, device=self.weights.device)
        self.update = self.update_by_torch  # compiled code may take its place
        start = 0
        for parameter in self.parameters:
            end = start + parameter.numel()
            parameter.data = self.weights[start:end].view_as(parameter)
            parameter.grad = self.gradient[start:end].view_as(parameter)
            start = end

    def state(self) -> dict[str, Tensor]:
        """All that decides the next step beside its gradient: the vectors themselves, by name."""
        return {name: getattr(self, name) for name in ("weights", "mean", "square", "clock")}

    def step(self) -> None:
        """Take one step down `gradient`."""
        self.clock += 1
        self.update(self.rate())

    @torch.no_grad()
    def update_by_torch(self, rate: float) -> None:
        """Change weights and moments."""
        torch._fused_adam_(
            [self.weights],
            [self.gradient],
            [self.mean],
            [self.square],
            [],
            [self._late],
            lr=rate,
            beta1=self.beta1,
            beta2=BETA2,
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def rate(self) -> float:
        """Learning rate with both biases corrected."""
        n_steps = int(self.clock)
        return self.learning_rate * math.sqrt(1 - BETA2**n_steps) / (1 - self.beta1**n_steps)
