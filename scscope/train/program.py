"""The list of operations of a training step: forward and backward pass, top to bottom.

`Recorder` writes down once what one would compute step by step; `fused.c` runs the list.
"""

import enum
from ctypes import POINTER, Structure, c_int32, c_int64, c_void_p

from torch import nn

from scscope.model import Network
from scscope.settings import Settings
from scscope.train.adam import Adam

FLOAT_BYTES = 4


class Kind(enum.IntEnum):
    """Operations. Shapes are those of one block of n cells; `W` (n_out, n_in) is a layer's weight."""

    ZERO = 0  # gradient of a bias = 0, before the first block
    LOAD = 1  # out = x, or what is shown in its place
    FORWARD = 2  # out (n, n_out) = a (n, n_in) Wᵀ
    RELU = 3  # out = relu(out + bias)
    OUTPUT = 4  # out = relu(out + bias), and its squared error is added up
    LAST_OUTPUT = 5  # the same, and out = gradient of what went into the ReLU, as OUTPUT_GRADIENT
    FILL = 6  # out = relu(out + bias) where what LOAD loaded is 0, else that
    # The next three set the gradient of a layer's values before its ReLU, (n, n_out), and add it,
    # summed over cells, to the gradient of the layer's bias.
    OUTPUT_GRADIENT = 7  # out = gradient of the error of a (+ out, from the imputer) where a > 0
    BACKWARD = 8  # out (n, n_in) = a (n, n_out) W
    RELU_GRADIENT = 9  # out = out where a > 0, else 0
    FILL_GRADIENT = 10  # out = out where what LOAD loaded is 0 and a > 0, else 0
    WEIGHT_GRADIENT = 11  # gradient of W (n_out, n_in) += bᵀ a, over the cells of all passes
    # Where few entries are observed, of the last pass only these are computed.
    ZERO_WEIGHT = 12  # gradient of W = 0, before the first block
    SAMPLED_OUTPUT = 13  # from a to out: FORWARD, LAST_OUTPUT, BACKWARD and WEIGHT_GRADIENT


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
        ("layer", c_int32),
    ]


class Layer(Structure):
    """A weight (n_out, n_in), and room for it as the right factor of products in bfloat16."""

    _fields_ = [
        ("weight", c_void_p),
        ("forward", c_void_p),
        ("backward", c_void_p),
        ("n_out", c_int32),
        ("n_in", c_int32),
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
        ("layers", POINTER(Layer)),
        ("n_layers", c_int32),
        ("scratch_size", c_int64),
    ]


class Minibatch(Structure):
    """What the compiled code works on in one step."""

    _fields_ = [
        ("x", c_void_p),
        ("input", c_void_p),
        ("n_cells", c_int32),
        ("n_workers", c_int32),
        ("n_blocks", c_int32),
        ("is_joint", c_int32),
        ("arenas", c_void_p),
        ("gradient", c_void_p),
        ("partial", c_void_p),
        ("squares", c_void_p),
        ("scale", c_void_p),
        ("scratch", c_void_p),
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
        self.forward_and_backward(network, settings.loss == "norm", sampled)

    def forward_and_backward(self, network: Network, is_norm: bool, sampled: bool) -> None:
        """Both passes, T = `n_steps` times. Shapes are those of one block of n cells."""
        T = network.n_steps
        layers = linear(network.encode) + linear(network.decode)
        U, V = linear(network.impute) if T > 1 else (None, None)
        self.layers = [*layers, *filter(None, (U, V))]
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

        for layer in self.layers:
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
            operation.layer = self.layers.index(layer)
            operation.weight = layer.weight.data_ptr()
            operation.bias = layer.bias.data_ptr()
            operation.weight_gradient = (operation.weight - self.first_weight) // FLOAT_BYTES
            operation.bias_gradient = (operation.bias - self.first_weight) // FLOAT_BYTES
        self.operations.append(operation)


def linear(layers: nn.Sequential) -> list[nn.Linear]:
    """The dense layers."""
    return [layer for layer in layers if isinstance(layer, nn.Linear)]
