"""Supplementary Figure 15: how training is set."""

import pandas as pd
from matplotlib.figure import Figure

from scscope.figures.by_setting import score_by_setting
from scscope.figures.style import styled

SETTINGS = {
    "learning_rate": "Learning rate",
    "batch_size": "Cells in a minibatch",
    "max_epochs": "Epochs at most",
    "epochs_per_check": "Epochs per check",
}


@styled
def ari_by_training(scores: pd.DataFrame) -> Figure:
    """Draw the ARI of each dataset (rows) by one setting of training after the other (columns).

    Parameters
    ----------
    scores
        Tidy scores of a study, with `params`.
    """
    return score_by_setting(scores, SETTINGS, {"ari": "ARI"}, rows="dataset", columns="setting")
