"""How much cells of a type, under a condition, express marker genes; with tests between them.

All P are descriptive: the types were given by these genes, clusters come from the same values, and
the cells of a mouse are no replicates.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu, ttest_ind

from scscope.datasets.intestine import CONTROL
from scscope.describe import COLUMNS, QUANTILES
from scscope.describe.cells import Cells
from scscope.describe.panels import genes_of_interest, panel_genes, read_panel
from scscope.describe.types import AGES, SIDES, SUBTYPES

ALL, OTHER, NOTHING = "all", "other", ""


def expression(types: np.ndarray, cells: Cells, panel: str) -> pd.DataFrame:
    """Expression of marker genes by type.

    Of intestine: the markers of enterocytes in their four subtypes and in all other cells, immature
    ones against mature ones and both against the others; and the genes of interest in enterocytes
    by condition, against the control.

    Parameters
    ----------
    types
        Type of each cell, shape (n_cells,).
    cells
        The cells.
    panel
        Name of the panel of marker genes.

    Returns
    -------
    pd.DataFrame
        `gene`, `group`, `condition`, `n_cells`; `mean` of the size-normalised counts, in UMIs per
        cell; quantiles of log(1 + x); `against`: the group or condition that P compares with; `p_t`
        (Welch) and `p_rank_sum`, two-sided, of log(1 + x); NaN where a side has fewer than two
        cells, or no value varies.
    """
    rows: list[dict] = []
    for gene, group, condition, against, own, rest in _asked(types, cells, panel):
        values = _values(cells, gene)
        if values is not None and own.any():
            about = {"gene": gene, "group": group, "condition": condition, "against": against}
            p = tests(values[own], values[rest]) if against else {}
            rows.append(about | summary(values[own]) | p | {"descriptive": bool(against)})
    return pd.DataFrame(rows, columns=COLUMNS["expression"][1:])


def _values(cells: Cells, gene: str) -> np.ndarray | None:
    found, X = cells.columns([gene])
    return X.toarray().ravel().astype(np.float64) if found else None


def _asked(types: np.ndarray, cells: Cells, panel: str) -> Iterator[tuple]:
    """Gene, group, condition, against, and which cells are of either side."""
    if panel != "intestine":
        for gene in panel_genes(panel):
            for group in sorted(set(types)):
                yield gene, group, ALL, NOTHING, types == group, None
        return
    groups = {name: types == name for name in SUBTYPES}
    groups[OTHER] = ~np.isin(types, SUBTYPES)
    for gene in (gene for side in SIDES for gene in read_panel(panel)[side]):
        for group, own in groups.items():
            yield gene, group, ALL, NOTHING, own, None
            for against in _against(group):
                yield gene, group, ALL, against, own, groups[against]
    groups |= {side: np.isin(types, [f"{side} {age}" for age in AGES]) for side in SIDES.values()}
    del groups[OTHER]
    for gene in genes_of_interest(panel):
        yield from _by_condition(gene, groups, cells.condition)


def _against(group: str) -> list[str]:
    """What a subtype of enterocytes is compared with."""
    side, _, age = group.partition(" ")
    immature, mature = AGES
    return {immature: [OTHER, f"{side} {mature}"], mature: [OTHER]}.get(age, [])


def _by_condition(
    gene: str, groups: dict[str, np.ndarray], conditions: np.ndarray
) -> Iterator[tuple]:
    for group, own in groups.items():
        control = own & (conditions == CONTROL)
        for condition in sorted(set(conditions) - {NOTHING}):
            against = NOTHING if condition == CONTROL or not control.any() else CONTROL
            yield gene, group, condition, against, own & (conditions == condition), control


def summary(values: np.ndarray) -> dict[str, float]:
    """Number of cells, mean of x and quantiles of log(1 + x), of values log(1 + x)."""
    quantiles = np.quantile(values, list(QUANTILES.values()))
    named = dict(zip(QUANTILES, quantiles.tolist(), strict=True))
    return {"n_cells": len(values), "mean": float(np.expm1(values).mean()), **named}


def tests(own: np.ndarray, rest: np.ndarray) -> dict[str, float]:
    """P of Welch's t test and of the rank-sum test, both two-sided."""
    if min(len(own), len(rest)) < 2 or np.ptp(np.concatenate([own, rest])) == 0:
        return {"p_t": np.nan, "p_rank_sum": np.nan}
    rank_sum = mannwhitneyu(own, rest, method="asymptotic", use_continuity=False)
    p_t = ttest_ind(own, rest, equal_var=False).pvalue
    return {"p_t": float(p_t), "p_rank_sum": float(rank_sum.pvalue)}
