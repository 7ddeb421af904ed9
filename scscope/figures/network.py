"""Figure 1a and Supplementary Figure 10: the network unrolled, drawn from the model's own layers."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scscope.figures import marks
from scscope.figures.scheme import SMALL, arrow, board, box, funnel, words
from scscope.figures.style import GREY, RESERVE, styled
from scscope.figures.tables import natural
from scscope.settings import Settings

PARTS = {
    "encode": ("Encoder", "#0072B2"),
    "decode": ("Decoder", "#009E73"),
    "impute": ("Imputer", "#CC79A7"),
}
SYMBOLS = {"encode": "h", "decode": "y", "impute": "v"}  # of what comes out of a part
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
CODE, INPUT = "#D55E00", "#8A8A8A"  # colours
# In mm.
PAGE, LEFT, RIGHT, TOP, BAR = 183.0, 16.0, 8.0, 12.0, 2.6
TALL, GAP, END = 20.0, 13.0, 7.0  # heights: of a pass, between two, of what stands below


@dataclass(frozen=True)
class Layer:
    """A layer of weights as it was called in a pass.

    Parameters
    ----------
    name, part
        Its name in the network, such as "encode.0", and the part of the network, "encode".
    n_in, n_out
        Columns that go in and come out.
    then
        What follows it without weights of its own, such as "ReLU".
    """

    name: str
    part: str
    n_in: int
    n_out: int
    then: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unrolled:
    """What a network does to its input.

    Parameters
    ----------
    passes
        Layers of each pass, in the order in which they are called.
    n_genes, n_batches, n_weights
        Columns of the input, batches of the correction (0 without one), and all weights.
    n_codes
        Columns of all codes side by side.
    """

    passes: list[list[Layer]]
    n_genes: int
    n_batches: int
    n_weights: int
    n_codes: int

    def tall(self, n: int) -> float:
        """Height of a box in mm: by the logarithm of its columns; the largest is `TALL`."""
        most = max(self.n_genes, *(layer.n_out for layer in self.passes[0]))
        return TALL * float(np.log(n + 1) / np.log(most + 1))


@styled
def unrolled(scores: pd.DataFrame, datasets: pd.DataFrame) -> Figure:
    """Draw the network of the paper's settings as it is built for the first dataset of a study.

    Parameters
    ----------
    scores
        Not looked at: every panel is given them.
    datasets
        Datasets of the study, with `n_genes` and `n_batches`.
    """
    return _for_first(datasets, Settings())


@styled
def unrolled_to_three(scores: pd.DataFrame, datasets: pd.DataFrame) -> Figure:
    """Draw the same network with three passes; see `unrolled`."""
    return _for_first(datasets, Settings(n_steps=3))


def _for_first(datasets: pd.DataFrame, settings: Settings) -> Figure:
    known = datasets.dropna(subset=["n_genes"])
    if known.empty:
        return marks.empty_figure("No dataset of this study: its genes decide the network's size.")
    first = known.loc[known["dataset"].astype(str).map(natural).sort_values().index[0]]
    n_batches = 0 if pd.isna(first["n_batches"]) else int(first["n_batches"])
    return draw(record(settings, int(first["n_genes"]), n_batches), settings, first["dataset"])


def record(settings: Settings, n_genes: int, n_batches: int) -> Unrolled:
    """Build a network and write down which of its layers a pass through it calls.

    Parameters
    ----------
    settings
        Shape of the network.
    n_genes, n_batches
        Of the data; with fewer than two batches there is no correction.
    """
    import torch

    from scscope.model import new_network

    network = new_network(n_genes, max(n_batches, 1), settings, seed=0)
    passes: list[list[Layer]] = []
    calls: Counter[str] = Counter()

    def note(name: str):
        def hook(module, inputs, output) -> None:
            calls[name] += 1
            if not list(module.parameters()):  # such as a ReLU: belongs to the layer before it
                layer = passes[-1].pop()
                then = (*layer.then, type(module).__name__)
                passes[-1].append(Layer(layer.name, layer.part, layer.n_in, layer.n_out, then))
                return
            if calls[name] > len(passes):
                passes.append([])
            shape = int(inputs[0].shape[-1]), int(output.shape[-1])
            passes[-1].append(Layer(name, name.split(".")[0], *shape))

        return hook

    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(note(name))
    has_batches = network.batch_effect is not None
    with torch.no_grad():
        batch = torch.zeros(1, dtype=torch.long) if has_batches else None
        found = network(torch.zeros(1, n_genes), batch)
    return Unrolled(
        passes=passes,
        n_genes=n_genes,
        n_batches=n_batches if has_batches else 0,
        n_weights=sum(weights.numel() for weights in network.parameters()),
        n_codes=sum(code.shape[1] for code in found.latents),
    )


def draw(network: Unrolled, settings: Settings, dataset: str) -> Figure:
    """Draw one row for each pass, and below what is done with the codes.

    Parameters
    ----------
    network
        What is drawn.
    settings
        What it was built from.
    dataset
        Of what data its numbers of genes and batches are.
    """
    height = TOP + len(network.passes) * (TALL + GAP) + END
    figure, axes = board(PAGE, height)
    n_columns = 1 + max(map(len, network.passes))
    corrected = bool(network.n_batches)
    x = np.linspace(LEFT, PAGE - RIGHT, n_columns + corrected)
    if corrected:
        _draw_correction(axes, x[0], x[1], network)
        x = x[1:]
    _draw_headings(axes, x, network.passes[0])
    code = x[_last_of("encode", network.passes[0]) + 1]
    for t, layers in enumerate(network.passes):
        y = _middle(t)
        words(axes, 2, y, f"Pass {t + 1}", ha="left", fontweight="bold")
        _draw_pass(axes, x, y, network, t + 1)
        _draw_code_line(axes, code, t, network)
        if t + 1 < len(network.passes):
            _draw_return(axes, x[len(layers)], x[0], t, settings)
    _draw_end(axes, code, network, settings, dataset)
    return figure


def _middle(t: int) -> float:
    return TOP + t * (TALL + GAP) + TALL / 2


def _last_of(part: str, layers: list[Layer]) -> int:
    return max(i for i, layer in enumerate(layers) if layer.part == part)


def _look(part: str, place: int) -> tuple[str, str]:
    """Name and colour of a part of the network."""
    return PARTS.get(part, (part.capitalize(), RESERVE[place % len(RESERVE)]))


def _draw_headings(axes: Axes, x: np.ndarray, layers: list[Layer]) -> None:
    """Names of the parts of the network above the layers of each."""
    for place, part in enumerate(dict.fromkeys(layer.part for layer in layers)):
        own = [i for i, layer in enumerate(layers) if layer.part == part]
        name, colour = _look(part, place)
        ends = x[own[0]] + 1.5 * BAR, x[own[-1] + 1] - 0.5 * BAR
        axes.plot(ends, (6, 6), color=colour, linewidth=1.2)
        words(axes, sum(ends) / 2, 3.5, name, fontweight="bold", color=colour)


def _draw_correction(axes: Axes, before: float, after: float, network: Unrolled) -> None:
    """The input as observed, and how it loses the effect of its batch."""
    y, middle = _middle(0), (before + after) / 2
    tall = network.tall(network.n_genes)
    box(axes, before, y, BAR, tall, INPUT)
    _name_value(axes, before, y, tall, "x̃", network.n_genes)
    arrow(axes, [(before + BAR / 2, y), (after - BAR / 2, y)])
    words(axes, middle, 3.5, "Batch correction", fontweight="bold", color=GREY)
    axes.plot((before, after - 0.5 * BAR), (6, 6), color=GREY, linewidth=1.2)
    words(axes, middle, y - 3, "− B e, ReLU")
    words(
        axes, middle, y + 3.6, f"batch_effect\n{network.n_batches} × {network.n_genes:,}", **SMALL
    )


def _draw_pass(axes: Axes, x: np.ndarray, y: float, network: Unrolled, t: int) -> None:
    """The input of pass `t` at x[0], and its layers, each with what comes out of it."""
    layers, before = network.passes[t - 1], network.tall(network.n_genes)
    filled = f"x + {_raised('v', t - 1)}" if t > 1 else "x"
    box(axes, x[0], y, BAR, before, INPUT)
    _name_value(axes, x[0], y, before, filled, network.n_genes)
    parts = list(dict.fromkeys(layer.part for layer in layers))
    for i, layer in enumerate(layers):
        is_last = _last_of(layer.part, layers) == i
        is_code = layer.part == "encode" and is_last
        colour = _look(layer.part, parts.index(layer.part))[1]
        tall = network.tall(layer.n_out)
        ends = (x[i] + BAR / 2, y), (x[i + 1] - BAR / 2, y)
        funnel(axes, *ends, (before, tall), colour)
        _name_layer(axes, (x[i] + x[i + 1]) / 2, y, layer)
        box(axes, x[i + 1], y, BAR, tall, CODE if is_code else colour)
        symbol = _raised(SYMBOLS[layer.part], t) if is_last and layer.part in SYMBOLS else ""
        _name_value(axes, x[i + 1], y, tall, symbol, layer.n_out, beside=is_code)
        before = tall


def _raised(symbol: str, t: int) -> str:
    """The symbol of a value in pass `t`."""
    return symbol + str(t).translate(RAISED)


def _name_layer(axes: Axes, x: float, y: float, layer: Layer) -> None:
    words(axes, x, y - 1.6, layer.name, fontsize=6)
    words(axes, x, y + 1.6, f"{layer.n_in:,} → {layer.n_out:,}", **SMALL)
    if layer.then:
        words(axes, x, y + 4.2, ", ".join(layer.then), **SMALL)


def _name_value(
    axes: Axes, x: float, y: float, tall: float, symbol: str, n: int, *, beside: bool = False
) -> None:
    """A symbol above a box and its columns below; `beside` the line that goes through a code."""
    place = {"ha": "right"} if beside else {}
    words(axes, x - beside, y - tall / 2 - 2, symbol, **place)
    words(axes, x - beside, y + tall / 2 + 2, f"{n:,}", **SMALL, **place)


def _draw_code_line(axes: Axes, x: float, t: int, network: Unrolled) -> None:
    """From the code of a pass down to that of the next, or to where all are put side by side."""
    is_last = t + 1 == len(network.passes)
    end = _middle(t) + TALL / 2 + 6 if is_last else _middle(t + 1)
    line = {"color": CODE, "linewidth": 0.8, "zorder": 0}
    axes.plot((x, x), (_middle(t), end), **line)


def _draw_return(axes: Axes, start: float, end: float, t: int, settings: Settings) -> None:
    """What the imputer gives goes back to the input, masked."""
    below, y = _middle(t) + TALL / 2, _middle(t) + TALL / 2 + 5.5
    arrow(axes, [(start, below + 3.5), (start, y), (end, y), (end, _middle(t + 1) - TALL / 2 - 4)])
    imputed = _raised("v", t + 1)
    how = {
        "imputation": f"mask: ReLU({imputed}) where x is 0, and x elsewhere",
        "sum": f"mask: ReLU(x̃ − B e + {imputed}) where x̃ is 0, and x elsewhere",
    }[settings.rectify]
    words(axes, start - 1, y + 1.8, how, ha="right", **SMALL)


def _draw_end(axes: Axes, x: float, network: Unrolled, settings: Settings, dataset: str) -> None:
    """The latent, and in words what a drawing does not say."""
    T, y = len(network.passes), _middle(len(network.passes) - 1) + TALL / 2 + 8
    width = 2.2 * T * BAR
    for t in range(T):
        box(axes, x - width / 2 + (t + 0.5) * width / T, y, width / T, 3.6, CODE)
    codes = ", ".join(_raised("h", t + 1) for t in range(T))
    text = f"latent for clustering: {codes}" + (" side by side" if T > 1 else "")
    words(axes, x + width / 2 + 2, y, f"{text}, {network.n_codes:,} columns", ha="left")
    where = "entries that were observed" if settings.use_mask else "all entries"
    once = f", the same in all {T} passes" if T > 1 else ""
    notes = [
        f"Built for {dataset}: {network.n_genes:,} genes, {max(network.n_batches, 1)} "
        f"batch{'' if network.n_batches < 2 else 'es'}; {network.n_weights:,} weights{once}. "
        f"The loss sums the error of every y at {where}.",
        "Numbers: columns of a value, and those that go into and come out of a layer of weights. "
        "Heights follow the logarithm of the columns.",
    ]
    for i, note in enumerate(notes):
        words(axes, 2, y + 6 + 3 * i, note, ha="left", **SMALL)
