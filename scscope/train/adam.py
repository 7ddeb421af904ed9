"""Adam over one flat vector, in which the network's weights are views."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import Parameter


class Adam:
    """Adam with the defaults of Kingma and Ba (2015), as in `torch.optim.Adam`.

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
    count
        Number of steps taken, shape (); that of another optimiser to count its steps, too.
    """

    def __init__(
        self,
        parameters: Iterable[Parameter],
        *,
        learning_rate: float,
        beta1: float,
        count: Tensor | None = None,
    ):
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.beta1, self.beta2, self.eps = beta1, 0.999, 1e-8
        self.weights = torch.cat([weight.detach().flatten() for weight in self.parameters])
        self.gradient = torch.zeros_like(self.weights)
        self.mean = torch.zeros_like(self.weights)
        self.square = torch.zeros_like(self.weights)
        # Of floats, as torch wants.
        self.count = torch.zeros((), device=self.weights.device) if count is None else count
        start = 0
        for parameter in self.parameters:
            end = start + parameter.numel()
            parameter.data = self.weights[start:end].view_as(parameter)
            parameter.grad = self.gradient[start:end].view_as(parameter)
            start = end

    def state(self) -> dict[str, Tensor]:
        """All that decides the next step beside its gradient: the vectors themselves, by name."""
        names = ("weights", "mean", "square", "count")
        return {name: getattr(self, name) for name in names}

    @torch.no_grad()
    def step(self) -> None:
        """Take one step down `gradient`."""
        self.count += 1
        torch._fused_adam_(
            [self.weights],
            [self.gradient],
            [self.mean],
            [self.square],
            [],
            [self.count],
            lr=self.learning_rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
