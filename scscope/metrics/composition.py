"""Which share of a sample is of which type, and how two sets of shares agree.

Shares are between 0 and 1 and sum to 1 over the types of a sample; neither more nor less is better.
"""

import numpy as np
import pandas as pd

MIN_SAMPLES = 3  # of each condition; two against any number cannot reach P < 0.05 by ranks


def proportions(sample: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    """Share of each type in each sample: a mouse, for instance.

    Parameters
    ----------
    sample, group
        Sample and type of each cell, shape (n_cells,).

    Returns
    -------
    pd.DataFrame
        One row for each sample, one column for each type, rows sum to 1.
    """
    if len(sample) != len(group):
        raise ValueError(f"`sample` has {len(sample)} cells but `group` has {len(group)}.")
    return pd.crosstab(
        pd.Series(sample, name="sample"), pd.Series(group, name="group"), normalize="index"
    )


def share_correlation(found: pd.Series, reference: pd.Series, *, rank: bool = False) -> float:
    """Correlation of shares with a reference over the types that the reference has.

    Parameters
    ----------
    found, reference
        Shares by type. A type of the reference that was not found has share 0.
    rank
        Spearman's instead of Pearson's. One type of four fifths of all cells (rods in retina) makes
        Pearson's all but 1 whatever the others do.

    Returns
    -------
    float
        -1 to 1, more is better; NaN where one of the two is constant, or of fewer than two types.
    """
    from scipy.stats import pearsonr, spearmanr

    shares = found.reindex(reference.index).fillna(0)
    if len(shares) < 2 or shares.nunique() < 2 or reference.nunique() < 2:
        return float("nan")
    correlate = spearmanr if rank else pearsonr
    return float(correlate(shares, reference).statistic)


def compare_shares(shares: pd.DataFrame, condition: pd.Series, control: str) -> pd.DataFrame:
    """Shares per condition against those of the control; the sample is the unit.

    Parameters
    ----------
    shares
        As from `proportions`.
    condition
        Condition of each sample, by the index of `shares`.
    control
        The condition that the others are compared with.

    Returns
    -------
    pd.DataFrame
        For each other condition and type: `mean_control`, `mean`, `n_control`, `n`, P of the
        two-sided t test (Welch) and of the exact rank-sum test, and `descriptive`: True where a
        condition has fewer than three samples, so that no P below 0.05 by ranks is possible.
    """
    from scipy.stats import mannwhitneyu, ttest_ind

    condition = condition.reindex(shares.index)
    if control not in set(condition):
        known = ", ".join(map(str, sorted(set(condition.dropna()))))
        raise ValueError(f"No sample is of the control {control!r}. Conditions: {known}.")
    reference = shares[condition == control]
    rows = []
    for name in [c for c in condition.dropna().unique() if c != control]:
        own = shares[condition == name]
        enough = min(len(own), len(reference)) > 1
        for group in shares.columns:
            a, b = own[group].to_numpy(), reference[group].to_numpy()
            varies = np.ptp(np.concatenate([a, b])) > 0
            rows.append(
                {
                    "condition": name,
                    "group": group,
                    "mean_control": b.mean(),
                    "mean": a.mean(),
                    "n_control": len(b),
                    "n": len(a),
                    "p_t": ttest_ind(a, b, equal_var=False).pvalue if enough and varies else np.nan,
                    "p_rank_sum": mannwhitneyu(a, b, method="exact").pvalue if varies else np.nan,
                    "descriptive": min(len(a), len(b)) < MIN_SAMPLES,
                }
            )
    return pd.DataFrame(rows)
