"""Supplementary Figure 4: cell types found among a million simulated cells, by dropout."""

import pandas as pd
from matplotlib.figure import Figure

from scscope.figures.by_level import Axis, page_by_simulation
from scscope.figures.style import styled
from scscope.figures.tables import setting


@styled
def ari_by_dropout(scores: pd.DataFrame, datasets: pd.DataFrame) -> Figure:
    """Draw the ARI of all methods by dropout rate: one column per latent dimension.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`.
    datasets
        Its datasets, with `params`: `dropout_rate` and `n_latent` of the simulation.
    """
    return page_by_simulation(
        scores[scores["metric"] == "ari"],
        datasets.assign(level=100 * setting(datasets, "dropout_rate")),
        Axis("Positive values dropped (%)"),
        label="ARI",
    )
