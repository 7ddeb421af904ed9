"""The loss of a minibatch and its gradient by automatic differentiation, for any network and device."""

from dataclasses import replace

import torch
from torch import Tensor

from scscope.model import Network, Passes
from scscope.settings import Settings
from scscope.train.adam import Adam

WARM_UP = 3  # times that work is done before it is recorded, as CUDA libraries set themselves up


class Autograd:
    """Fills the flat gradient of an optimiser with the gradient of the loss.

    Parameters
    ----------
    network
        The network.
    adam
        Optimiser of all of its weights, or of some.
    settings
        What the loss is.
    """

    def __init__(self, network: Network, adam: Adam, settings: Settings):
        self.network, self.adam, self.settings = network, adam, settings
        is_low = settings.precision == "bfloat16" and adam.weights.is_cuda
        self.products = torch.autocast("cuda", torch.bfloat16, is_low, cache_enabled=False)

    def __call__(self, x: Tensor, batch: Tensor | None, shown: Tensor | None = None) -> Tensor:
        """Loss of a minibatch, shape (); its gradient is then in `adam.gradient`.

        Parameters
        ----------
        x
            Observed values, shape (n_cells, n_genes).
        batch
            Index of the batch of each cell, shape (n_cells,), or None.
        shown
            What the network is shown in place of `x`, (n_cells, n_genes), or None; it is still `x`
            that it has to predict.
        """
        self.adam.gradient.zero_()
        with self.products:
            passes = self.network(x if shown is None else shown, batch)
        if shown is not None:
            shifted, corrected = self.network.correct(x, batch)
            passes = replace(passes, shifted=shifted, corrected=corrected)
        loss = loss_of(passes, x, self.settings)
        torch.autograd.backward(loss, inputs=self.adam.parameters)
        return loss.detach()


class Captured:
    """The same on a GPU, its kernels recorded once and launched together.

    At these sizes launching the hundred kernels of a minibatch takes longer than running them.

    Parameters
    ----------
    gradient
        What to record.
    n_cells
        Cells of a whole minibatch; smaller ones are computed unrecorded.
    """

    def __init__(self, gradient: Autograd, n_cells: int):
        self.gradient, self.adam, self.n_cells = gradient, gradient.adam, n_cells
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, x: Tensor, batch: Tensor | None, shown: Tensor | None = None) -> Tensor:
        """Loss of a minibatch, shape (), overwritten by the next call."""
        if len(x) != self.n_cells:
            return self.gradient(x, batch, shown)
        if self.graph is None:
            self._record(x, batch, shown)
        self.x.copy_(x)
        if shown is not None:
            self.shown.copy_(shown)
        if batch is not None:
            self.batch.copy_(batch)
        self.graph.replay()
        return self.loss

    def _record(self, x: Tensor, batch: Tensor | None, shown: Tensor | None) -> None:
        self.x, self.batch, self.shown = (
            None if given is None else given.clone() for given in (x, batch, shown)
        )
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self.gradient(self.x, self.batch, self.shown)
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.loss = self.gradient(self.x, self.batch, self.shown)


def loss_of(passes: Passes, x: Tensor, settings: Settings) -> Tensor:
    """Reconstruction error over all passes.

    Only observed entries count, unless `use_mask` is off. "squared" is the sum over passes and
    genes of the squared error, averaged over the cells of the minibatch (the paper sums over
    cells: a constant factor, to which Adam is indifferent). "norm" is the Frobenius norm of the
    whole minibatch, summed over passes (released code).
    """
    target = passes.shifted if settings.mask_fault else passes.corrected
    observed = (x if settings.rectify == "sum" and not settings.mask_fault else target).sign()
    losses = []
    for output in passes.outputs:
        residual = output - target
        if settings.use_mask:
            residual = residual * observed
        if settings.loss == "squared":
            losses.append((residual * residual).sum() / len(x))
        else:
            losses.append(torch.linalg.norm(residual))
    return torch.stack(losses).sum()
