"""pytest tests/unit/test_schemes.py: schemes are drawn from the program, not from memory."""

import re
from importlib import import_module

import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text

import scscope.model
from scscope.cluster.scalable import numbers_of
from scscope.figures import load_panel
from scscope.figures.network import draw, record
from scscope.figures.style import styled
from scscope.settings import Settings


def shown(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def network(n_genes: int = 300, n_batches: int = 0, **settings) -> Figure:
    chosen = Settings(**settings)
    return styled(draw)(record(chosen, n_genes, n_batches), chosen, "mine")


def layers(figure: Figure) -> list[str]:
    """Names of the layers in the order in which they are drawn."""
    return [text for text in shown(figure) if re.fullmatch(r"(encode|decode|impute)\.\d+", text)]


def test_a_network_is_unrolled_into_all_layers_that_its_passes_call():
    figure = network(n_steps=2)
    once = ["encode.0", "decode.0"]
    assert layers(figure) == [*once, "impute.0", "impute.2", *once]
    assert {"300 → 50", "50 → 300", "300 → 64", "64 → 300"} <= set(shown(figure))
    assert {"Pass 1", "Pass 2", "x", "h¹", "y¹", "v¹", "x + v¹", "h²", "y²"} <= set(shown(figure))
    assert "v²" not in shown(figure)
    assert any("h¹, h² side by side, 100 columns" in text for text in shown(figure))


def test_a_single_pass_has_no_imputer_and_a_deep_encoder_more_boxes():
    single = network(n_steps=1)
    assert layers(single) == ["encode.0", "decode.0"]
    assert not any("mask" in text or text == "Imputer" for text in shown(single))
    deep = network(n_steps=1, encoder_layers=(128, 90))
    assert layers(deep) == ["encode.0", "encode.2", "encode.4", "decode.0"]
    for kind in (Polygon, Rectangle):
        drawn = [len([*f.findobj(lambda a, k=kind: type(a) is k)]) for f in (single, deep)]
        assert drawn[1] - drawn[0] == 2
    assert {"300 → 128", "128 → 90", "90 → 50"} <= set(shown(deep))


def test_batches_are_corrected_before_the_first_pass_where_there_are_any():
    assert "Batch correction" not in shown(network())
    figure = network(n_batches=3)
    assert {"Batch correction", "x̃", "batch_effect\n3 × 300"} <= set(shown(figure))


def test_weights_are_counted_as_the_model_has_them():
    weights = 300 * 50 + 50 + 50 * 300 + 300 + 300 * 64 + 64 + 64 * 300 + 300
    for T in (2, 3):
        assert any(
            f"{weights:,} weights, the same in all {T}" in text
            for text in shown(network(n_steps=T))
        )


def test_a_layer_that_is_added_to_the_model_is_drawn(monkeypatch):
    plain = scscope.model.dense_layers

    def normalised(widths, generator):
        return torch.nn.Sequential(*plain(widths, generator), torch.nn.LayerNorm(widths[-1]))

    monkeypatch.setattr(scscope.model, "dense_layers", normalised)
    assert layers(network(n_steps=1)) == ["encode.0", "encode.2", "decode.0", "decode.2"]


def test_boxes_are_as_tall_as_the_logarithm_of_their_columns():
    figure = network(n_steps=1, n_latent=10)
    boxes = figure.findobj(lambda artist: type(artist) is Rectangle and artist.get_zorder() == 3)
    tall = [box.get_height() for box in boxes]
    assert tall[0] == pytest.approx(tall[2])  # input and output
    assert tall[1] / tall[0] == pytest.approx(0.42, abs=0.01)  # log 11 / log 301


def test_panels_take_genes_and_batches_of_the_first_dataset():
    datasets = pd.DataFrame(
        {"dataset": ["b_10", "b_2"], "n_genes": [700, 200], "n_batches": [0, 3], "n_cells": 9}
    )
    for name, passes in (("figure_1a", 2), ("supplementary_10", 3)):
        figure = load_panel(name)(None, datasets)
        assert any("Built for b_2: 200 genes, 3 batches" in text for text in shown(figure))
        assert f"Pass {passes}" in shown(figure)
        assert f"Pass {passes + 1}" not in shown(figure)
    empty = load_panel("figure_1a")(None, datasets[:0])
    assert any("No dataset of this study" in text for text in shown(empty))


def test_scalable_clustering_is_shown_with_the_numbers_that_it_uses(monkeypatch):
    datasets = pd.DataFrame({"dataset": list("abc"), "n_cells": [500, 60_000, 60_000]})
    text = shown(load_panel("supplementary_6")(None, datasets))
    for n in (500, 60_000, 1_306_127):
        subsets, each = numbers_of(n, None, None)
        assert {f"{n:,}", f"{subsets:,}", f"{each:,}", f"{subsets * each:,}"} <= set(text)
    assert {"500", "400", "200,000"} <= set(text)  # the paper's own, for its data
    assert any("k = 30, Louvain" in words for words in text)
    monkeypatch.setattr(import_module("scscope.cluster.scalable"), "MOST_CENTROIDS", 333)
    assert "333" in shown(load_panel("supplementary_6")(None, datasets[:0]))
