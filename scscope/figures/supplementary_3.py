"""Supplementary Figure 3: passes through the network: accuracy, imputation and time."""

import pandas as pd
from matplotlib.figure import Figure

from scscope.figures.by_setting import score_by_setting
from scscope.figures.style import styled

MEASURES = {
    "ari": "ARI",
    "imputation_error": "Imputation error\n(mean |Δ log1p|)",
    "seconds": "Time of the fit (s)",
}


@styled
def scores_by_passes(scores: pd.DataFrame) -> Figure:
    """Draw ARI, imputation error and seconds (rows) of each dataset (columns) by passes T.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `params` and `seconds`.
    """
    passes = {"n_steps": "Passes T"}
    return score_by_setting(scores, passes, MEASURES, rows="measure", columns="dataset")
