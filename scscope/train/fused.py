"""The loss of a minibatch and its gradient on a CPU, written out by hand and run by compiled code.

The step is a list of operations (`program.py`), which `fused.c` runs on blocks of cells that fit into the
cache, each thread on blocks of its own. That avoids what makes small minibatches slow: the overhead of
hundreds of calls, and passes over memory that only add a bias or apply a ReLU.
"""

import ctypes
import functools
from ctypes import c_double, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor, nn

from scscope.model import Network
from scscope.settings import Settings
from scscope.train import kernels
from scscope.train.adam import BETA2, EPSILON, Adam
from scscope.train.program import (
    PRODUCTS,
    Kind,
    Layer,
    Minibatch,
    Operation,
    Place,
    Program,
    Recorder,
    linear,
)

BLOCK = 64  # cells that go through the list at a time
WEIGHTS_PER_THREAD = 200_000  # in Adam; fewer are not worth the threads' meeting
SAMPLED_BELOW = 0.15  # share of observed entries below which the last output is sampled


class Unsupported(Exception):
    """`Fused` cannot train a network here; the message says why."""


class Fused:
    """Fills the flat gradient of an optimiser, as `Autograd` does, on a CPU and faster.

    Of the optimiser it takes over the update, too.

    Results depend on the number of threads of torch at the time of a call, and on nothing else that
    varies. Values must be non-negative, as everywhere in this library.

    Parameters
    ----------
    network
        Network in float32 on the CPU, without batch correction.
    adam
        Optimiser of all of its weights.
    settings
        What the loss is.
    bfloat16
        Round the factors of matrix products to bfloat16.

    Raises
    ------
    Unsupported
        The network is another, or there is no compiled code; the message says why.
    """

    def __init__(self, network: Network, adam: Adam, settings: Settings, *, bfloat16: bool = False):
        check(network, adam)
        try:
            self.library, self.is_parallel = kernels.load()
        except kernels.NoKernels as error:
            raise Unsupported(str(error)) from error
        for function in (self.library.step, self.library.loss, self.library.density):
            function.restype = c_double
        self.library.right_size.restype = c_int64
        self.network, self.adam, self.settings = network, adam, settings
        self.n_genes = network.encode[0].in_features
        self.bfloat16 = bfloat16
        self.sgemm = blas()
        self.is_joint = (
            self.sgemm is None and not bfloat16
        )  # products of all cells at once, by torch
        self.is_norm = settings.loss == "norm"
        self.can_sample = (
            settings.use_mask
            and not (self.is_norm or self.is_joint)
            and self.library.can_sample(linear(network.decode)[-1].in_features)
        )
        adam.update = self.update
        self.n_cells, self.n_workers = 0, 0  # for which there is memory

    @property
    def description(self) -> str:
        """How it computes, in words."""
        words = "bfloat16 products" if self.bfloat16 else "float32"
        if self.is_joint:
            words += ", products by torch"
        return words if self.is_parallel else words + ", one thread (no common OpenMP with torch)"

    def __call__(
        self, x: Tensor, batch: Tensor | None = None, shown: Tensor | None = None
    ) -> Tensor:
        """Loss of a minibatch, shape (); its gradient is then in `adam.gradient`.

        Parameters
        ----------
        x
            Observed values, shape (n_cells, n_genes), float32, contiguous.
        batch
            None.
        shown
            What the network is shown in place of `x`, like `x`, or None.
        """
        shown = x if shown is None else shown
        for given in (x, shown):
            is_right = given.dtype == torch.float32 and given.is_contiguous()
            if not is_right or given.shape != (len(x), self.n_genes):
                raise ValueError(
                    f"`x` must be contiguous, float32 and have {self.n_genes} genes, got "
                    f"{given.dtype} of shape {tuple(given.shape)}."
                )
        n = len(x)
        self.make_room(n)
        minibatch = self.minibatch
        minibatch.x, minibatch.input = x.data_ptr(), shown.data_ptr()
        minibatch.n_cells, minibatch.n_blocks = n, self.blocks_of(n)
        if self.is_joint:
            return torch.tensor(self.step_by_torch(n))
        program = self.programs[0]
        if self.can_sample:
            density = self.library.density(ctypes.byref(program), ctypes.byref(minibatch))
            program = self.programs[density < SAMPLED_BELOW]
        return torch.tensor(self.library.step(ctypes.byref(program), ctypes.byref(minibatch)))

    def update(self, rate: float) -> None:
        """Step of Adam, as `Adam.update_by_torch`, but fast also where moments have decayed to 0."""
        adam = self.adam
        vectors = (adam.weights, adam.gradient, adam.mean, adam.square)
        pointers = [c_void_p(vector.data_ptr()) for vector in vectors]
        size = c_int64(len(adam.weights))
        n_workers = max(1, min(self.threads(), size.value // WEIGHTS_PER_THREAD))
        constants = [c_double(value) for value in (rate, adam.beta1, BETA2, EPSILON)]
        self.library.adam(*pointers, size, n_workers, *constants)

    def threads(self) -> int:
        """Threads of torch, where the compiled code can use them."""
        return torch.get_num_threads() if self.is_parallel else 1

    def make_room(self, n_cells: int) -> None:
        """Have memory for minibatches of `n_cells`, and for as many threads as torch has now."""
        n_workers = self.threads()
        if n_cells <= self.n_cells and n_workers == self.n_workers:
            return
        self.n_cells, self.n_workers = max(n_cells, self.n_cells), n_workers
        n_blocks = self.blocks_of(self.n_cells)
        capacity = self.n_cells if self.is_joint else min(BLOCK, self.n_cells)
        self.recorders = [
            Recorder(self.network, self.adam, self.settings, capacity, sampled)
            for sampled in ((False, True) if self.can_sample else (False,))
        ]
        self.make_room_for_factors(self.network.n_steps * capacity)
        self.programs = [self.program_of(recorder) for recorder in self.recorders]

        n_arenas = 1 if self.is_joint else n_blocks if self.is_norm else n_workers
        self.arenas = torch.zeros(n_arenas, self.recorders[0].arena_size)
        self.partial = torch.zeros(n_workers - 1, len(self.adam.weights))
        self.squares = torch.zeros(n_blocks, self.network.n_steps, dtype=torch.float64)
        self.scale = torch.zeros(self.network.n_steps)
        self.minibatch = Minibatch(
            n_workers=n_workers,
            is_joint=self.is_joint,
            arenas=self.arenas.data_ptr(),
            gradient=self.adam.gradient.data_ptr(),
            partial=self.partial.data_ptr(),
            squares=self.squares.data_ptr(),
            scale=self.scale.data_ptr(),
            scratch=self.scratch.data_ptr(),
        )
        self.factors = {}  # of products by torch, for each number of cells

    def make_room_for_factors(self, n_cells: int) -> None:
        """Have memory for the factors of products in bfloat16, of a weight's gradient over `n_cells`."""
        self.layers, self.pairs, self.scratch_size = [], [], 0
        size = self.library.right_size
        for layer in self.recorders[0].layers if self.bfloat16 else []:
            n_out, n_in = layer.weight.shape
            forward, backward = (
                torch.zeros(size(*shape), dtype=torch.int32)
                for shape in ((n_in, n_out), (n_out, n_in))
            )
            pointers = (given.data_ptr() for given in (layer.weight, forward, backward))
            self.layers.append(Layer(*pointers, n_out, n_in))
            self.pairs += [forward, backward]
            both = size(n_cells, n_in) + size(n_cells, n_out)  # no other product needs more
            self.scratch_size = max(both, self.scratch_size)
        self.scratch = torch.zeros(self.n_workers, self.scratch_size, dtype=torch.int32)

    def program_of(self, recorder: Recorder) -> Program:
        """A list of operations as the compiled code takes it."""
        operations = recorder.operations
        return Program(
            operations=(Operation * len(operations))(*operations),
            n_forward=recorder.n_forward,
            n_operations=len(operations),
            n_passes=self.network.n_steps,
            n_genes=self.n_genes,
            use_mask=self.settings.use_mask,
            is_norm=self.is_norm,
            n_weights=len(self.adam.weights),
            arena_size=recorder.arena_size,
            sgemm=self.sgemm,
            layers=(Layer * len(self.layers))(*self.layers),
            n_layers=len(self.layers),
            scratch_size=self.scratch_size,
        )

    def blocks_of(self, n_cells: int) -> int:
        """Number of blocks of a minibatch: the same for each worker, and none above the limit."""
        if self.is_joint:
            return self.n_workers
        return self.n_workers * max(1, -(-n_cells // (self.n_workers * BLOCK)))

    def step_by_torch(self, n_cells: int) -> float:
        """The step with products of all cells at once by torch; only passes are compiled code."""
        recorder, program = self.recorders[0], self.programs[0]
        arguments = (ctypes.byref(program), ctypes.byref(self.minibatch))
        if n_cells not in self.factors:
            self.factors[n_cells] = [
                self.factors_of(operation, recorder.layers[operation.layer], n_cells)
                for operation in recorder.operations
            ]
        self.library.begin(*arguments)
        done = 0  # operations
        for o, factors in enumerate(self.factors[n_cells]):
            if o == recorder.n_forward:
                self.library.run(*arguments, done, o)
                self.library.loss(*arguments)
                done = o
            if factors is not None:
                self.library.run(*arguments, done, o)
                out, a, b = factors
                torch.mm(a, b, out=out)
                done = o + 1
        self.library.add_up(*arguments)
        return self.library.loss(*arguments)

    def factors_of(
        self, operation: Operation, layer: nn.Linear, n_cells: int
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Result and factors of an operation that is a product, else None."""
        kind = Kind(operation.kind)
        if kind not in PRODUCTS:
            return None

        def values(place: Place, passes: int = 1) -> Tensor:
            first = place.offset + place.t * n_cells * place.width
            rows = passes * n_cells
            return self.arenas[0, first : first + rows * place.width].view(rows, place.width)

        if kind == Kind.WEIGHT_GRADIENT:
            start, size = operation.weight_gradient, layer.weight.numel()
            gradient = self.adam.gradient[start : start + size].view_as(layer.weight)
            a, b = (values(place, operation.t) for place in (operation.a, operation.b))
            return gradient, b.T, a
        weight = layer.weight.detach()
        factor = weight.T if kind == Kind.FORWARD else weight
        return values(operation.out), values(operation.a), factor


def check(network: Network, adam: Adam) -> None:
    """Refuse what the list of operations cannot say."""
    if network.batch_effect is not None:
        raise Unsupported("the network learns a batch effect")
    weights = adam.weights
    if weights.device.type != "cpu" or weights.dtype != torch.float32:
        raise Unsupported(f"the weights are {weights.dtype} on {weights.device.type}")
    if list(adam.parameters) != list(network.parameters()):
        raise Unsupported("the optimiser has not all weights of the network")


def has_bfloat16() -> bool:
    """Whether the CPU has instructions for products in bfloat16, and the compiler knows them.

    Without, they can be had too, but are slower than those of float32.
    """
    try:
        return bool(kernels.load()[0].has_bfloat16())
    except kernels.NoKernels:
        return False


@functools.cache
def blas() -> int | None:
    """Address of `sgemm` of the BLAS that torch uses; None where it does not show it."""
    try:
        path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
        return ctypes.cast(ctypes.CDLL(str(path)).sgemm_, c_void_p).value
    except (OSError, AttributeError):
        return None
