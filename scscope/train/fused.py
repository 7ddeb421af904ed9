"""The loss of a minibatch and its gradient on a CPU, written out by hand and run by compiled code.

The step is a list of operations, made once: `Recorder` writes down the forward and the backward pass of
the network, top to bottom, as one would compute them; `fused.c` runs the list on blocks of cells that
fit into the cache, each thread on blocks of its own. That avoids what makes small minibatches slow:
the overhead of hundreds of calls, and passes over memory that only add a bias or apply a ReLU.
"""

import ctypes
import enum
import functools
from ctypes import POINTER, Structure, c_double, c_int32, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor, nn

from scscope.model import Network
from scscope.settings import Settings
from scscope.train import kernels
from scscope.train.adam import BETA2, EPSILON, Adam

BLOCK = 64  # cells that go through the list at a time
FLOAT_BYTES = 4
SAMPLED_BELOW = 0.15  # share of observed entries below which the last output is sampled


class Unsupported(Exception):
    """`Fused` cannot train a network here; the message says why."""


class Kind(enum.IntEnum):
    """Operations. Shapes are those of one block of n cells; `W` (n_out, n_in) is a layer's weight."""

    ZERO = 0  # gradient of a bias = 0, before the first block
    LOAD = 1  # out = x
    FORWARD = 2  # out (n, n_out) = a (n, n_in) Wᵀ
    RELU = 3  # out = relu(out + bias)
    OUTPUT = 4  # out = relu(out + bias), and its squared error is added up
    LAST_OUTPUT = 5  # the same, and out = gradient of what went into the ReLU, as OUTPUT_GRADIENT
    FILL = 6  # out = relu(out + bias) where x is 0, else x
    # The next three set the gradient of a layer's values before its ReLU, (n, n_out), and add it,
    # summed over cells, to the gradient of the layer's bias.
    OUTPUT_GRADIENT = 7  # out = gradient of the error of a (+ out, from the imputer) where a > 0
    BACKWARD = 8  # out (n, n_in) = a (n, n_out) W
    RELU_GRADIENT = 9  # out = out where a > 0, else 0
    FILL_GRADIENT = 10  # out = out where x is 0 and a > 0, else 0
    WEIGHT_GRADIENT = 11  # gradient of W (n_out, n_in) += bᵀ a, over the cells of all passes
    # Where few entries are observed, of the last pass only these are computed.
    ZERO_WEIGHT = 12  # gradient of W = 0, before the first block
    SAMPLED_OUTPUT = (
        13  # FORWARD, LAST_OUTPUT, BACKWARD and WEIGHT_GRADIENT from a to out (n, n_in)
    )


PRODUCTS = (Kind.FORWARD, Kind.BACKWARD, Kind.WEIGHT_GRADIENT)


class Place(Structure):
    """Where a block has the values (n, width) of pass t; those of all passes lie one after another."""

    _fields_ = [("offset", c_int64), ("width", c_int32), ("t", c_int32)]


class Operation(Structure):
    """One operation, see `Kind`. `t` is the pass, or the number of passes of a weight's gradient."""

    _fields_ = [
        ("kind", c_int32),
        ("t", c_int32),
        ("out", Place),
        ("a", Place),
        ("b", Place),
        ("weight", c_void_p),
        ("bias", c_void_p),
        ("weight_gradient", c_int64),
        ("bias_gradient", c_int64),
        ("is_added", c_int32),
    ]


class Program(Structure):
    """What stays the same from step to step."""

    _fields_ = [
        ("operations", POINTER(Operation)),
        ("n_forward", c_int32),
        ("n_operations", c_int32),
        ("n_passes", c_int32),
        ("n_genes", c_int32),
        ("use_mask", c_int32),
        ("is_norm", c_int32),
        ("n_weights", c_int64),
        ("arena_size", c_int64),
        ("sgemm", c_void_p),
    ]


class Minibatch(Structure):
    """What the compiled code works on in one step."""

    _fields_ = [
        ("x", c_void_p),
        ("n_cells", c_int32),
        ("n_workers", c_int32),
        ("n_blocks", c_int32),
        ("is_joint", c_int32),
        ("arenas", c_void_p),
        ("gradient", c_void_p),
        ("partial", c_void_p),
        ("squares", c_void_p),
        ("scale", c_void_p),
    ]


class Recorder:
    """Writes down the step of a network.

    Parameters
    ----------
    network
        The network.
    adam
        Optimiser, in whose flat gradient each weight has its place.
    settings
        What the loss is.
    capacity
        Cells of a block at most.
    sampled
        Compute the last output at observed entries only.
    """

    def __init__(
        self, network: Network, adam: Adam, settings: Settings, capacity: int, sampled: bool
    ):
        self.capacity = capacity
        self.first_weight = adam.weights.data_ptr()
        self.arena_size = 0  # values of a block
        self.operations: list[Operation] = []
        self.layers: list[nn.Linear | None] = []  # of each operation
        self.forward_and_backward(network, settings.loss == "norm", sampled)

    def forward_and_backward(self, network: Network, is_norm: bool, sampled: bool) -> None:
        """Both passes, T = `n_steps` times. Shapes are those of one block of n cells."""
        T = network.n_steps
        layers = linear(network.encode) + linear(network.decode)
        U, V = linear(network.impute) if T > 1 else (None, None)
        n_genes = layers[0].in_features
        # Of each pass; and for each, the gradient of what it was before its ReLU.
        inputs, filled_slopes = self.places(n_genes, T), self.places(n_genes, T)  # x, then x filled
        values, slopes = [], []  # of each layer, (n, n_out); the last are the outputs y
        for layer in layers:
            values.append(self.places(layer.out_features, T))
            slopes.append(self.places(layer.out_features, T))
        outputs, output_slopes = values[-1], slopes[-1]  # (n, n_genes)
        if T > 1:
            codes, code_slopes = (self.places(U.out_features, T - 1) for _ in "ab")  # the imputer's

        for layer in [*layers, *filter(None, (U, V))]:
            self.record(Kind.ZERO, Place(width=layer.out_features), layer=layer)
        self.record(Kind.LOAD, inputs[0])
        for t in range(T):
            a = inputs[t]
            for layer, value in zip(layers[:-1], values, strict=False):
                self.record(Kind.FORWARD, value[t], a, layer)
                self.record(Kind.RELU, value[t], layer=layer)
                a = value[t]
            if t == T - 1 and sampled:
                self.record(Kind.ZERO_WEIGHT, output_slopes[t], a, layers[-1])
                self.record(Kind.SAMPLED_OUTPUT, slopes[-2][t], a, layers[-1], t=t)
                break
            if t == T - 1 and not is_norm:
                self.record(Kind.FORWARD, output_slopes[t], a, layers[-1])
                self.record(Kind.LAST_OUTPUT, output_slopes[t], layer=layers[-1], t=t)
                break
            self.record(Kind.FORWARD, outputs[t], a, layers[-1])
            self.record(Kind.OUTPUT, outputs[t], layer=layers[-1], t=t)
            if t < T - 1:
                self.record(Kind.FORWARD, codes[t], outputs[t], U)
                self.record(Kind.RELU, codes[t], layer=U)
                self.record(Kind.FORWARD, inputs[t + 1], codes[t], V)
                self.record(Kind.FILL, inputs[t + 1], layer=V)
        self.n_forward = len(self.operations)

        for t in reversed(range(T)):
            if t < T - 1 or is_norm:
                self.record(Kind.OUTPUT_GRADIENT, output_slopes[t], outputs[t], layers[-1], t=t)
            for i in reversed(range(1, len(layers))):
                if not (sampled and t == T - 1 and layers[i] is layers[-1]):
                    self.record(Kind.BACKWARD, slopes[i - 1][t], slopes[i][t], layers[i])
                self.record(Kind.RELU_GRADIENT, slopes[i - 1][t], values[i - 1][t], layers[i - 1])
            if t > 0:
                self.record(Kind.BACKWARD, filled_slopes[t], slopes[0][t], layers[0])
                self.record(Kind.FILL_GRADIENT, filled_slopes[t], inputs[t], V)
                self.record(Kind.BACKWARD, code_slopes[t - 1], filled_slopes[t], V)
                self.record(Kind.RELU_GRADIENT, code_slopes[t - 1], codes[t - 1], U)
                self.record(Kind.BACKWARD, output_slopes[t - 1], code_slopes[t - 1], U)

        # The weights' gradients, each over the cells of all passes at once.
        for layer, a, slope in zip(layers, [inputs, *values[:-1]], slopes, strict=True):
            passes = T - 1 if sampled and layer is layers[-1] else T
            self.record(Kind.WEIGHT_GRADIENT, a=a[0], b=slope[0], layer=layer, t=passes)
            self.operations[-1].is_added = passes < T
        if T > 1:
            self.record(Kind.WEIGHT_GRADIENT, a=outputs[0], b=code_slopes[0], layer=U, t=T - 1)
            self.record(Kind.WEIGHT_GRADIENT, a=codes[0], b=filled_slopes[1], layer=V, t=T - 1)

    def places(self, width: int, passes: int) -> list[Place]:
        """Room for (n, width) of each pass."""
        offset = self.arena_size
        self.arena_size += -(-passes * self.capacity * width // 64) * 64
        return [Place(offset, width, t) for t in range(passes)]

    def record(
        self,
        kind: Kind,
        out: Place | None = None,
        a: Place | None = None,
        layer: nn.Linear | None = None,
        *,
        b: Place | None = None,
        t: int = 0,
    ) -> None:
        """Add one operation."""
        operation = Operation(kind, t, out or Place(), a or Place(), b or Place())
        if layer is not None:
            operation.weight = layer.weight.data_ptr()
            operation.bias = layer.bias.data_ptr()
            operation.weight_gradient = (operation.weight - self.first_weight) // FLOAT_BYTES
            operation.bias_gradient = (operation.bias - self.first_weight) // FLOAT_BYTES
        self.operations.append(operation)
        self.layers.append(layer)


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
            self.library, self.is_parallel = kernels.load(*["BFLOAT16"] * bfloat16)
        except kernels.NoKernels as error:
            raise Unsupported(str(error)) from error
        self.library.step.restype = self.library.loss.restype = c_double
        self.library.count.restype = c_int64
        self.network, self.adam, self.settings = network, adam, settings
        self.bfloat16 = bfloat16
        self.sgemm = None if bfloat16 else blas()
        self.is_joint = self.sgemm is None  # products of all cells at once, by torch
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

    def __call__(self, x: Tensor, batch: Tensor | None = None) -> Tensor:
        """Loss of a minibatch, shape (); its gradient is then in `adam.gradient`.

        Parameters
        ----------
        x
            Observed values, shape (n_cells, n_genes), float32, contiguous.
        batch
            None.
        """
        n = len(x)
        self.make_room(n)
        minibatch = self.minibatch
        minibatch.x, minibatch.n_cells, minibatch.n_blocks = x.data_ptr(), n, self.blocks_of(n)
        if self.is_joint:
            return torch.tensor(self.step_by_torch(n))
        program = self.programs[0]
        if self.can_sample:
            observed = self.library.count(ctypes.byref(program), ctypes.byref(minibatch))
            program = self.programs[observed < SAMPLED_BELOW * x.numel()]
        return torch.tensor(self.library.step(ctypes.byref(program), ctypes.byref(minibatch)))

    def update(self, rate: float) -> None:
        """Step of Adam, as `Adam.update_by_torch`, but fast also where moments have decayed to 0."""
        adam = self.adam
        vectors = (adam.weights, adam.gradient, adam.mean, adam.square)
        pointers = [c_void_p(vector.data_ptr()) for vector in vectors]
        size, n_workers = c_int64(len(adam.weights)), self.threads()
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
        self.programs = [self.program_of(recorder) for recorder in self.recorders]

        n_arenas = 1 if self.is_joint else n_blocks if self.is_norm else n_workers
        self.arenas = torch.zeros(
            (n_arenas, self.recorders[0].arena_size),
            dtype=torch.bfloat16 if self.bfloat16 else torch.float32,
        )
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
        )
        self.factors = {}  # of products by torch, for each number of cells
        if self.bfloat16:
            self.rounded = self.adam.weights.to(torch.bfloat16)

    def program_of(self, recorder: Recorder) -> Program:
        """A list of operations as the compiled code takes it."""
        operations = recorder.operations
        return Program(
            operations=(Operation * len(operations))(*operations),
            n_forward=recorder.n_forward,
            n_operations=len(operations),
            n_passes=self.network.n_steps,
            n_genes=self.network.encode[0].in_features,
            use_mask=self.settings.use_mask,
            is_norm=self.is_norm,
            n_weights=len(self.adam.weights),
            arena_size=recorder.arena_size,
            sgemm=self.sgemm,
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
                self.factors_of(operation, layer, n_cells)
                for operation, layer in zip(recorder.operations, recorder.layers, strict=True)
            ]
        if self.bfloat16:
            self.rounded.copy_(self.adam.weights)
        self.library.begin(*arguments)
        done = 0  # operations
        for o, factors in enumerate(self.factors[n_cells]):
            if o == recorder.n_forward:
                self.library.run(*arguments, done, o)
                self.library.loss(*arguments)
                done = o
            if factors is not None:
                self.library.run(*arguments, done, o)
                multiply(*factors)
                done = o + 1
        self.library.add_up(*arguments)
        return self.library.loss(*arguments)

    def factors_of(
        self, operation: Operation, layer: nn.Linear | None, n_cells: int
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Result and factors of an operation that is a product, else None."""
        kind = Kind(operation.kind)
        if kind not in PRODUCTS:
            return None
        start, size = operation.weight_gradient, layer.weight.numel()

        def values(place: Place, passes: int = 1) -> Tensor:
            first = place.offset + place.t * n_cells * place.width
            rows = passes * n_cells
            return self.arenas[0, first : first + rows * place.width].view(rows, place.width)

        if kind == Kind.WEIGHT_GRADIENT:
            gradient = self.adam.gradient[start : start + size].view_as(layer.weight)
            a, b = (values(place, operation.t) for place in (operation.a, operation.b))
            return gradient, b.T, a
        flat = self.rounded if self.bfloat16 else self.adam.weights
        weight = flat[start : start + size].view_as(layer.weight)
        factor = weight.T if kind == Kind.FORWARD else weight
        return values(operation.out), values(operation.a), factor


def multiply(out: Tensor, a: Tensor, b: Tensor) -> None:
    """Set `out` to the product, also where it has a wider type."""
    if out.dtype == a.dtype:
        torch.mm(a, b, out=out)
    else:
        out.copy_(torch.mm(a, b))


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
    """Whether the CPU multiplies bfloat16; without, such products are slower than those of float32."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(kernels.cpu().split())


def linear(layers: nn.Sequential) -> list[nn.Linear]:
    """The dense layers."""
    return [layer for layer in layers if isinstance(layer, nn.Linear)]


@functools.cache
def blas() -> int | None:
    """Address of `sgemm` of the BLAS that torch uses; None where it does not show it."""
    try:
        path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
        return ctypes.cast(ctypes.CDLL(str(path)).sgemm_, c_void_p).value
    except (OSError, AttributeError):
        return None
