"""Supplementary Figure 13: the size of the latent."""

import pandas as pd
from matplotlib.figure import Figure

from scscope.figures.by_setting import score_by_setting
from scscope.figures.style import styled

MEASURES = {"ari": "ARI", "ami": "AMI", "n_clusters": "Clusters"}


@styled
def scores_by_latent_size(scores: pd.DataFrame) -> Figure:
    """Draw ARI, AMI and number of clusters (columns) of each dataset (rows) by latent units.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `params`.
    """
    size = {"n_latent": "Latent units"}
    return score_by_setting(scores, size, MEASURES, rows="dataset", columns="measure")
