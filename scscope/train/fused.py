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
from scscope.train.adam import Adam

BLOCK = 64  # cells that go through the list at a time
FLOAT_BYTES = 4


class Unsupported(Exception):
    """`Fused` cannot train a network here; the message says why."""


class Kind(enum.IntEnum):
    """Operations. Shapes are those of one block of n cells; `W` (n_out, n_in) is a layer's weight."""

    ZERO = 0  # gradient of a bias = 0, before the first block
    LOAD = 1  # out = x
    FORWARD = 2  # out (n, n_out) = a (n, n_in) Wᵀ
    RELU = 3  # out = relu(out + bias)
    OUTPUT = 4  # out = relu(out + bias), and the squared error of it is added up
    FILL = 5  # out = relu(out + bias) where x is 0, else x
    OUTPUT_GRADIENT = 6  # out = (gradient of the error of a, + b) where a > 0; summed to the bias's
    BACKWARD = 7  # out (n, n_in) = a (n, n_out) W
    RELU_GRADIENT = 8  # out = out where a > 0, else 0; summed over cells to the bias's gradient
    FILL_GRADIENT = 9  # out = out where x is 0 and a > 0, else 0; summed to the bias's gradient
    WEIGHT_GRADIENT = 10  # gradient of W (n_out, n_in) += bᵀ a, over the cells of all passes


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
        ("gradient", c_int64),
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
        Optimiser, in whose flat gradient the parts of each weight have their place.
    capacity
        Cells of a block at most.
    """

    def __init__(self, network: Network, adam: Adam, capacity: int):
        self.capacity = capacity
        self.first_weight = adam.weights.data_ptr()
        self.arena_size = 0  # values of a block
        self.operations: list[Operation] = []
        self.layers: list[nn.Linear | None] = []  # of each operation that is a product
        self.forward_and_backward(network)

    def forward_and_backward(self, network: Network) -> None:
        """Both passes, T = `n_steps` times. Shapes are those of one block of n cells."""
        T = network.n_steps
        layers = linear(network.encode) + linear(network.decode)
        U, V = linear(network.impute) if T > 1 else (None, None)
        inputs = self.places(layers[0].in_features, T)  # x, then x filled: (n, n_genes) each
        values = [
            self.places(layer.out_features, T) for layer in layers
        ]  # after the ReLU; h is one
        outputs = values[-1]  # y: (n, n_genes)
        codes = self.places(U.out_features, T - 1) if U else []  # the imputer's: (n, imputer_width)

        self.record(Kind.LOAD, inputs[0])
        for t in range(T):
            a = inputs[t]
            for layer, value in zip(layers, values, strict=True):
                self.record(Kind.FORWARD, value[t], a, layer=layer)
                kind = Kind.OUTPUT if value is outputs else Kind.RELU
                self.record(kind, value[t], layer=layer, t=t)
                a = value[t]
            if t < T - 1:
                self.record(Kind.FORWARD, codes[t], outputs[t], layer=U)
                self.record(Kind.RELU, codes[t], layer=U)
                self.record(Kind.FORWARD, inputs[t + 1], codes[t], layer=V)
                self.record(Kind.FILL, inputs[t + 1], layer=V)
        self.n_forward = len(self.operations)

        # Gradients of what the values were before the ReLU, each of the shape of its value.
        slopes = [self.places(layer.out_features, T) for layer in layers]
        output_slopes = slopes[-1]
        fill_slopes = self.places(V.out_features, T - 1) if V else []
        code_slopes = self.places(U.out_features, T - 1) if U else []
        for layer in [*layers, *filter(None, (U, V))]:
            self.record(Kind.ZERO, Place(width=layer.out_features), layer=layer)
        for t in reversed(range(T)):
            from_imputer = output_slopes[t] if t < T - 1 else None
            self.record(
                Kind.OUTPUT_GRADIENT, output_slopes[t], outputs[t], from_imputer, layers[-1], t
            )
            for i in reversed(range(1, len(layers))):
                self.record(Kind.BACKWARD, slopes[i - 1][t], slopes[i][t], layer=layers[i])
                self.record(
                    Kind.RELU_GRADIENT, slopes[i - 1][t], values[i - 1][t], layer=layers[i - 1]
                )
            if t > 0:
                self.record(Kind.BACKWARD, fill_slopes[t - 1], slopes[0][t], layer=layers[0])
                self.record(Kind.FILL_GRADIENT, fill_slopes[t - 1], inputs[t], layer=V)
                self.record(Kind.BACKWARD, code_slopes[t - 1], fill_slopes[t - 1], layer=V)
                self.record(Kind.RELU_GRADIENT, code_slopes[t - 1], codes[t - 1], layer=U)
                self.record(Kind.BACKWARD, output_slopes[t - 1], code_slopes[t - 1], layer=U)

        # The weights' gradients, each over the cells of all passes at once.
        for layer, a, slope in zip(layers, [inputs, *values], slopes, strict=False):
            self.record(Kind.WEIGHT_GRADIENT, None, a[0], slope[0], layer, T)
        if T > 1:
            self.record(Kind.WEIGHT_GRADIENT, None, outputs[0], code_slopes[0], U, T - 1)
            self.record(Kind.WEIGHT_GRADIENT, None, codes[0], fill_slopes[0], V, T - 1)

    def places(self, width: int, passes: int) -> list[Place]:
        """Room for (n, width) of each pass."""
        offset = self.arena_size
        self.arena_size += -(-passes * self.capacity * width // 64) * 64
        return [Place(offset, width, t) for t in range(passes)]

    def record(
        self,
        kind: Kind,
        out: Place | None,
        a: Place | None = None,
        b: Place | None = None,
        layer: nn.Linear | None = None,
        t: int = 0,
    ) -> None:
        """Add one operation."""
        operation = Operation(kind, t, out or Place(), a or Place(), b or Place())
        if layer is not None:
            operation.weight = layer.weight.data_ptr()
            operation.bias = layer.bias.data_ptr()
            target = operation.weight if kind in PRODUCTS else operation.bias
            operation.gradient = (target - self.first_weight) // FLOAT_BYTES
        self.operations.append(operation)
        self.layers.append(layer)


class Fused:
    """Fills the flat gradient of an optimiser, as `Autograd` does, on a CPU and faster.

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
        self.network, self.adam, self.settings = network, adam, settings
        self.bfloat16 = bfloat16
        self.sgemm = None if bfloat16 else blas()
        self.is_joint = self.sgemm is None  # products of all cells at once, by torch
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
        self.minibatch.x = x.data_ptr()
        self.minibatch.n_cells = n
        self.minibatch.n_blocks = self.blocks_of(n)
        loss = self.step_by_torch(n) if self.is_joint else self.library.step(*self.arguments)
        return torch.tensor(loss)

    def make_room(self, n_cells: int) -> None:
        """Have memory for minibatches of `n_cells`, and for as many threads as torch has now."""
        n_workers = torch.get_num_threads() if self.is_parallel else 1
        if n_cells <= self.n_cells and n_workers == self.n_workers:
            return
        self.n_cells, self.n_workers = max(n_cells, self.n_cells), n_workers
        n_blocks = self.blocks_of(self.n_cells)
        is_norm = self.settings.loss == "norm"
        recorder = Recorder(
            self.network, self.adam, self.n_cells if self.is_joint else min(BLOCK, self.n_cells)
        )
        self.operations, self.layers = recorder.operations, recorder.layers
        self.n_forward = recorder.n_forward

        n_arenas = 1 if self.is_joint else n_blocks if is_norm else n_workers
        kind = torch.bfloat16 if self.bfloat16 else torch.float32
        self.arenas = torch.zeros(n_arenas, recorder.arena_size, dtype=kind)
        self.partial = torch.zeros(n_workers - 1, len(self.adam.weights))
        self.squares = torch.zeros(n_blocks, self.network.n_steps, dtype=torch.float64)
        self.scale = torch.zeros(self.network.n_steps)
        self.factors = {}  # of products by torch, for each number of cells
        if self.bfloat16:
            self.rounded = self.adam.weights.to(torch.bfloat16)

        self.program = Program(
            operations=(Operation * len(self.operations))(*self.operations),
            n_forward=self.n_forward,
            n_operations=len(self.operations),
            n_passes=self.network.n_steps,
            n_genes=self.network.encode[0].in_features,
            use_mask=self.settings.use_mask,
            is_norm=is_norm,
            n_weights=len(self.adam.weights),
            arena_size=recorder.arena_size,
            sgemm=self.sgemm,
        )
        self.minibatch = Minibatch(
            n_workers=n_workers,
            is_joint=self.is_joint,
            arenas=self.arenas.data_ptr(),
            gradient=self.adam.gradient.data_ptr(),
            partial=self.partial.data_ptr(),
            squares=self.squares.data_ptr(),
            scale=self.scale.data_ptr(),
        )
        self.arguments = (ctypes.byref(self.program), ctypes.byref(self.minibatch))

    def blocks_of(self, n_cells: int) -> int:
        """Number of blocks of a minibatch: the same for each worker, and none above the limit."""
        if self.is_joint:
            return self.n_workers
        return self.n_workers * max(1, -(-n_cells // (self.n_workers * BLOCK)))

    def step_by_torch(self, n_cells: int) -> float:
        """The step with products of all cells at once by torch; only passes are compiled code."""
        if n_cells not in self.factors:
            self.factors[n_cells] = [self.factors_of(o, n_cells) for o in range(len(self.layers))]
        if self.bfloat16:
            self.rounded.copy_(self.adam.weights)
        self.library.begin(*self.arguments)
        done = 0  # operations
        for o, factors in enumerate(self.factors[n_cells]):
            if o == self.n_forward:
                self.library.run(*self.arguments, done, o)
                self.library.loss(*self.arguments)
                done = o
            if factors is not None:
                self.library.run(*self.arguments, done, o)
                multiply(*factors)
                done = o + 1
        self.library.add_up(*self.arguments)
        return self.library.loss(*self.arguments)

    def factors_of(self, number: int, n_cells: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """Result and factors of an operation that is a product, else None."""
        operation, layer = self.operations[number], self.layers[number]
        kind = Kind(operation.kind)
        if kind not in PRODUCTS:
            return None
        start, size = operation.gradient, layer.weight.numel()

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
