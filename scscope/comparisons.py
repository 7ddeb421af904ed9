"""Tables that compare methods: within levels, across datasets, and how stable their order is.

They are made from the gathered scores. A condition is what a benchmark is free to choose: the scale
of the input, the clusterer, the metric.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from scscope import statistics
from scscope.figures.tables import CLUSTERERS, ON_COUNTS, SCALES, rank, with_names
from scscope.metrics import METRICS
from scscope.seeds import derive_seed

CONDITION = ["scale", "clusterer", "metric"]
# Lower is better, but it is the price of imputing and no quality: whoever imputes nothing wins.
PRICES = ("zero_prediction",)
SKIPPED = "not_applicable"

WITHIN = [
    *("dataset", "scale", "clusterer", "metric", "method", "rival"),
    *("n", "failed", "rival_failed", "effect", "p", "p_holm"),
    *("n_available", "mean_difference", "low", "high", "p_available", "p_available_holm"),
]
STABILITY = [
    *("study", *CONDITION, "name", "use"),
    *("rank", "rank_available", "n_methods", "n_datasets", "n_runs", "n_failed"),
]
AGREEMENT = [
    *("study", "changed", "n_pairs", "mean_tau", "lowest_tau", "highest_tau", "same_winner"),
]
ACROSS = [
    *(*CONDITION, "method", "mean_rank", "mean_rank_available"),
    *("n_methods", "n_units", "n_datasets", "friedman_p", "critical_difference", "note"),
]


def judged(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores by which methods can be ordered, of methods that compete, with `gain`: more is better.

    `gain` is -inf where a run failed and NaN where a method does not apply or has no value.
    """
    better = {
        name: 1 if metric.higher_is_better else -1
        for name, metric in METRICS.items()
        if metric.needs_truth and metric.higher_is_better is not None and name not in PRICES
    }
    rows = scores[scores["metric"].isin(better) & ~scores["control"].astype(bool)]
    rows = rows[rows["clusterer"] != "given"]
    ok = rows["status"] == "ok"
    gain = rows["value"].astype(float).where(ok) * rows["metric"].map(better)
    failed = ~ok & (rows["status"] != SKIPPED)
    return rows.assign(gain=gain.where(~failed, -np.inf).astype(float))


def conditions(scores: pd.DataFrame):
    """Condition by condition: scale, clusterer, metric, and its scores.

    Entries on counts are repeated with every scale, unless there is no other.
    """
    scales = set(scores["scale"]) - set(ON_COUNTS) or set(scores["scale"])
    for scale in sorted(scales):
        own = scores[scores["scale"].isin([scale, *ON_COUNTS])]
        for (clusterer, metric), rows in own.groupby(["clusterer", "metric"], sort=True):
            yield (scale, clusterer, metric), rows


def within_levels(scores: pd.DataFrame, *, use: str = "scscope") -> pd.DataFrame:
    """Every entry of one method against every rival on each simulated dataset.

    Parameters
    ----------
    scores
        Scores of simulated datasets, whose seeds are replicates: new data and a new fit.
    use
        Registered method whose entries are compared with those of all others.

    Returns
    -------
    pd.DataFrame
        One row for each dataset, condition, entry and rival: see `scscope.statistics.Paired`.
        `mean_difference` and `effect` are oriented so that more is better for the entry. Holm's
        procedure is over the rivals of an entry within a dataset and condition.
    """
    rows = []
    for condition, part in conditions(judged(scores)):
        for dataset, level in part.groupby("dataset", sort=False):
            gain = level.pivot_table("gain", "seed", "method", dropna=False, sort=False)
            uses = level.drop_duplicates("method").set_index("method")["use"]
            for method in uses.index[uses == use]:
                names = (dataset, *condition, method)
                rows += _family(gain, method, list(uses.index[uses != use]), names)
    return pd.DataFrame(rows, columns=WITHIN)


def _family(gain: pd.DataFrame, method: str, rivals: list[str], names: tuple) -> list[dict]:
    """Comparisons of a method with all rivals in one level, adjusted together."""
    found = []
    for rival in rivals:
        seed = derive_seed(0, "/".join([*names, rival]))
        paired = statistics.compare(gain[method], gain[rival], seed=seed)
        found.append({**dict(zip(WITHIN, (*names, rival), strict=False)), **vars(paired)})
    for kind in ("p", "p_available"):
        adjusted = statistics.holm(np.array([row[kind] for row in found]))
        for row, value in zip(found, adjusted, strict=True):
            row[f"{kind}_holm"] = value
    return [{**row, "mean_difference": row["mean"]} for row in found]


def by_dataset(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Ranks within datasets, seeds averaged, failures last; rows are scores of one condition.

    Returns
    -------
    pd.DataFrame
        One row for each dataset and name (of `column`): `rank`, `rank_available` (of what the
        seeds that did not fail gave), `n_runs`, `n_failed`.
    """
    runs = rows[rows["status"] != SKIPPED]
    failed = np.isneginf(runs["gain"])
    runs = runs.assign(value=runs["gain"].where(~failed), failed=failed)
    keys = ["dataset", column]
    groups = runs.groupby(keys, sort=False)
    table = groups.agg(gain=("value", "mean"), share=("failed", "mean")).assign(
        n_runs=groups.size(), n_failed=groups["failed"].sum()
    )
    table = table.reset_index()
    for dataset in table["dataset"].unique():
        here = table["dataset"] == dataset
        gain, share = table.loc[here, "gain"], table.loc[here, "share"]
        table.loc[here, "rank"] = statistics.ranks(gain, share)
        table.loc[here, "rank_available"] = statistics.ranks(gain, 0 * share)
    return table.reindex(columns=[*keys, "rank", "rank_available", "n_runs", "n_failed"])


def rank_stability(scores: pd.DataFrame, study: str = "") -> pd.DataFrame:
    """Mean rank of each method in each condition: how the order depends on what is free to choose.

    Parameters
    ----------
    scores
        Scores of a study. A method has one name on all scales, and another on counts.
    study
        Name of the study, for a table of several.

    Returns
    -------
    pd.DataFrame
        One row for each condition and method: its rank, averaged over datasets (seeds are averaged
        before); failures last in `rank`, left out in `rank_available`. Conditions with a single
        method have no order and no row.
    """
    scores = judged(scores)
    if scores.empty:
        return pd.DataFrame(columns=STABILITY)
    named = with_names(scores)
    uses = named.drop_duplicates("name").set_index("name")["use"]
    tables = []
    for condition, rows in conditions(named):
        ranked = by_dataset(rows, "name").dropna(subset="rank")
        groups = ranked.groupby("name", sort=False)
        table = (
            groups[["rank", "rank_available"]]
            .mean()
            .assign(
                n_datasets=groups.size(),
                n_runs=groups["n_runs"].sum(),
                n_failed=groups["n_failed"].sum(),
                n_methods=ranked["name"].nunique(),
            )
        )
        table = table.reset_index().assign(study=study, use=lambda t: t["name"].map(uses))
        tables.append(table.assign(**dict(zip(CONDITION, condition, strict=True))))
    table = pd.concat(tables, ignore_index=True).reindex(columns=STABILITY)
    return table[table["n_methods"] > 1].reset_index(drop=True)


def agreement(stability: pd.DataFrame) -> pd.DataFrame:
    """How far two orders agree that differ in one choice only: scale, clusterer or metric.

    Parameters
    ----------
    stability
        As `rank_stability` returns it, of one study or several.

    Returns
    -------
    pd.DataFrame
        For each study and choice: number of pairs of conditions, mean, lowest and highest Kendall's
        tau-b of the ranks of the methods that both have (1: the same order, -1: reversed), and share of the
        pairs in which the same methods lead. Pairs that share fewer than two methods have no tau.
    """
    rows = []
    for study, table in stability.groupby("study", sort=False):
        orders = {key: part.set_index("name")["rank"] for key, part in table.groupby(CONDITION)}
        for place, changed in enumerate(CONDITION):
            pairs = [
                _agree(orders[first], orders[second])
                for first, second in itertools.combinations(orders, 2)
                if [i for i in range(3) if first[i] != second[i]] == [place]
            ]
            known = [pair for pair in pairs if not np.isnan(pair[0])]
            if known:
                tau, winner = np.array(known).T
                spread = (tau.mean(), tau.min(), tau.max())
                rows.append((study, changed, len(known), *spread, winner.mean()))
    return pd.DataFrame(rows, columns=AGREEMENT)


def _agree(first: pd.Series, second: pd.Series) -> tuple[float, float]:
    """Kendall's tau-b of the methods that both have, and whether the same lead."""
    from scipy.stats import kendalltau

    both = first.index.intersection(second.index, sort=False)
    if len(both) < 2:
        return np.nan, np.nan
    a, b = first[both], second[both]
    tau = kendalltau(a, b).statistic  # NaN where all methods tie in one of the two
    return float(tau), float(set(a.index[a == a.min()]) == set(b.index[b == b.min()]))


def across_datasets(scores: pd.DataFrame, unit_of: Mapping[str, str]) -> pd.DataFrame:
    """Mean ranks over real data, and what they can tell.

    Parameters
    ----------
    scores
        Scores of real datasets.
    unit_of
        What counts as one by dataset: datasets of the same cells are no replicates of each other.

    Returns
    -------
    pd.DataFrame
        One row for each condition and entry. Entries are ranked by their mean rank over the datasets
        of a unit; `mean_rank` is over units. Only entries that apply to every dataset of the
        condition are ranked. `friedman_p` takes three entries and two units, `critical_difference`
        ten units; `note` says why it is empty.
    """
    rows = []
    for condition, part in conditions(judged(scores)):
        ranked = by_dataset(part, "method").dropna(subset="rank")
        n_datasets = ranked["dataset"].nunique()
        everywhere = ranked.groupby("method")["dataset"].nunique() == n_datasets
        ranked = by_dataset(part[part["method"].isin(everywhere.index[everywhere])], "method")
        n_methods = ranked["method"].nunique()
        if n_methods < 2:
            continue
        rank_of = {kind: by_unit(ranked, unit_of, kind) for kind in ("rank", "rank_available")}
        n_units = len(rank_of["rank"])
        difference, note = np.nan, ""
        try:
            difference = statistics.critical_difference(n_methods, n_units)
        except ValueError as error:
            note = str(error)
        p = statistics.friedman(rank_of["rank"]) if n_methods > 2 and n_units > 1 else np.nan
        means = {kind: table.mean() for kind, table in rank_of.items()}
        for method in ranked["method"].unique():
            of_method = (means["rank"][method], means["rank_available"][method])
            counts = (n_methods, n_units, n_datasets, p, difference, note)
            rows.append((*condition, method, *of_method, *counts))
    return pd.DataFrame(rows, columns=ACROSS)


def by_unit(ranked: pd.DataFrame, unit_of: Mapping[str, str], kind: str) -> pd.DataFrame:
    """Ranks within units, of mean ranks over the datasets of each; shape (n_units, n_methods).

    Parameters
    ----------
    ranked
        As `by_dataset` returns it, of entries that are ranked on every dataset.
    unit_of
        Unit of each dataset.
    kind
        The column of `ranked` to take.
    """
    units = ranked["dataset"].map(dict(unit_of)).rename("unit")
    return ranked.groupby([units, "method"])[kind].mean().unstack().rank(axis=1)


def condition_order(stability: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Conditions of a table of `rank_stability`, in the order in which figures show them."""
    known = {tuple(key) for key in stability[CONDITION].itertuples(index=False)}
    metrics = list(METRICS)
    return sorted(
        known, key=lambda c: (rank(c[0], SCALES), metrics.index(c[2]), rank(c[1], CLUSTERERS))
    )
