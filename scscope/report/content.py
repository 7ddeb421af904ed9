"""What the report says: tables of text, made from the gathered tables of numbers."""

from dataclasses import dataclass

import pandas as pd

from scscope.figures.tables import (
    CLUSTERERS,
    clusterers_of,
    datasets_of,
    entries_of,
    kind_of,
    natural,
    of_clusterer,
    outcome,
    problems,
    rank,
    with_names,
    words,
)
from scscope.metrics import METRICS

MAIN = ("ari", "imputation_error")  # shown first
ORDER = dict.fromkeys([*MAIN, *METRICS])
WHOLE = ("n_clusters",)  # metrics that count


@dataclass(frozen=True)
class Cell:
    """Text of a table cell.

    Parameters
    ----------
    text
        What is shown.
    kind
        What became of its runs: "ok", "partial", "failed", "not-applicable", or "empty".
    spread, note
        What is added to the text: a standard deviation, and what went wrong with some runs.
    """

    text: str
    kind: str = "ok"
    spread: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A titled table: one row per method, one column per dataset.

    Parameters
    ----------
    rows
        Pairs of an entry (with `method`, `label`, `scale`, `control`) and its cells.
    """

    title: str
    datasets: list[str]
    rows: list[tuple]


def number(value: float, metric: str) -> str:
    """A score in as many digits as it deserves."""
    digits = 1 if metric in WHOLE else 3
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0: never "-0.000"


def metrics_of(scores: pd.DataFrame) -> list[str]:
    """Metrics in the scores, in the order in which they are shown."""
    return sorted(set(scores["metric"]), key=lambda metric: rank(metric, ORDER))


def title_of(metric: str) -> str:
    """A metric as the head of a table."""
    title = METRICS[metric].title if metric in METRICS else metric
    return title[:1].upper() + title[1:]


def score_cell(rows: pd.DataFrame, metric: str) -> Cell:
    """Mean ± standard deviation over seeds, and what went wrong."""
    if rows.empty:
        return Cell("–", "empty")
    values, problem = outcome(rows).values, problems(rows["status"])
    if not len(values):
        return Cell(problem, kind_of(rows["status"])) if problem else Cell("–", "empty")
    spread = number(values.std(ddof=1), metric) if len(values) > 1 else ""
    return Cell(number(values.mean(), metric), kind_of(rows["status"]), spread, problem)


def status_cell(runs: pd.DataFrame) -> Cell:
    """How many runs ended how."""
    if runs.empty:
        return Cell("–", "empty")
    counts = runs["status"].value_counts().sort_index(key=lambda names: names != "ok")
    text = ", ".join(f"{n} {words(status)}" for status, n in counts.items())
    return Cell(text, kind_of(runs["status"]))


def cost_cell(runs: pd.DataFrame) -> Cell:
    """Median time and largest memory of the runs that are ok."""
    done = runs[runs["status"] == "ok"]
    if done.empty:
        return Cell("–", "empty")
    text = f"{done['seconds'].median():,.1f} s, {done['peak_rss_mb'].max():,.0f} MB"
    if done["peak_gpu_mb"].max() > 0:
        text += f", GPU {done['peak_gpu_mb'].max():,.0f} MB"
    return Cell(text)


def by_method_and_dataset(table: pd.DataFrame, title: str, cell) -> Table:
    """Lay out `cell(rows)` of each method (rows) and dataset (columns)."""
    datasets = datasets_of(table)
    parts = dict(tuple(table.groupby(["method", table["dataset"].astype(str)])))
    rows = [
        (entry, [cell(parts.get((entry.method, dataset), table[:0])) for dataset in datasets])
        for entry in entries_of(table).itertuples()
    ]
    return Table(title, datasets, rows)


def score_tables(scores: pd.DataFrame) -> dict[tuple[str, str], Table]:
    """A table for each metric and clusterer, in their order."""
    scores = with_names(scores)
    tables = {}
    for metric in metrics_of(scores):
        rows = scores[scores["metric"] == metric]
        for clusterer in clusterers_of(rows) or [""]:
            title = title_of(metric)
            if clusterer:
                title += f", {CLUSTERERS.get(clusterer, clusterer)}"
            own = of_clusterer(rows, clusterer)
            tables[metric, clusterer] = by_method_and_dataset(
                own, title, lambda part, metric=metric: score_cell(part, metric)
            )
    return tables


def score_rows(scores: pd.DataFrame) -> list[dict]:
    """One row for each dataset, method, clusterer and metric: mean, spread and number of seeds."""
    scores = with_names(scores)
    order = {entry.method: place for place, entry in enumerate(entries_of(scores).itertuples())}
    metrics = metrics_of(scores)
    keys = ["dataset", "method", "clusterer", "metric"]
    rows = []
    for (dataset, method, clusterer, metric), group in scores.groupby(keys, sort=False):
        found, first = outcome(group), group.iloc[0]
        cell = score_cell(group, metric)
        rows.append(
            {
                "dataset": dataset,
                "method": method,
                "label": first["label"],
                "scale": first["scale"],
                "control": bool(first["control"]),
                "clusterer": CLUSTERERS.get(clusterer, clusterer) or "none",
                "metric": metric,
                "cell": cell,
                "value": float(found.values.mean()) if len(found.values) else None,
                "n": len(found.values),
                "seeds": found.total,
                "place": (natural(dataset), metrics.index(metric), order[method], clusterer),
            }
        )
    return sorted(rows, key=lambda row: row["place"])


def verdict(runs: pd.DataFrame) -> Cell:
    """One line on all runs: "45 runs: 40 ok, 2 not applicable, 3 failed (3 timeout)."."""
    failed = runs.loc[~runs["status"].isin(["ok", "not_applicable"]), "status"]
    ok, skipped = ((runs["status"] == status).sum() for status in ("ok", "not_applicable"))
    text = f"{len(runs):,} run{'' if len(runs) == 1 else 's'}: {ok:,} ok"
    if skipped:
        text += f", {skipped:,} not applicable"
    if len(failed):
        counts = failed.value_counts().sort_index()
        text += f", {len(failed):,} failed"
        text += f" ({', '.join(f'{n:,} {words(status)}' for status, n in counts.items())})"
    else:
        text += ", none failed"
    return Cell(f"{text}.", "failed" if len(failed) else "ok")


def without_result(runs: pd.DataFrame) -> list[dict]:
    """Runs that are not ok, those with the same message together."""
    bad = runs[runs["status"] != "ok"].fillna({"message": ""})
    groups = []
    for (method, status, message), group in bad.groupby(["method", "status", "message"]):
        seeds = group.groupby(group["dataset"].astype(str))["seed"].agg(
            lambda seeds: ", ".join(map(str, sorted(seeds)))
        )
        lines = str(message).strip().splitlines()
        groups.append(
            {
                "method": method,
                "label": group["label"].iloc[0],
                "status": words(status),
                "kind": "not-applicable" if status == "not_applicable" else "failed",
                "where": [
                    f"{dataset} (seed {seeds[dataset]})"
                    for dataset in sorted(seeds.index, key=natural)
                ],
                "line": lines[-1] if lines else "no message",
                "message": str(message) if len(lines) > 1 else "",
            }
        )
    return sorted(groups, key=lambda group: (group["kind"], natural(group["method"])))


def dataset_rows(datasets: pd.DataFrame) -> list[dict]:
    """One row per dataset: what is the same over its seeds, or the range of what is not."""
    rows = []
    for name in datasets_of(datasets):
        group = datasets[datasets["dataset"].astype(str) == name]
        row = {
            "dataset": name,
            "seeds": int(group["seed"].nunique()),
            "zeros": interval(100 * group["sparsity"], ".1f"),
            "hashes": list(zip(group["seed"].map(plain), group["hash"], strict=True)),
        }
        for column in ("n_cells", "n_genes", "n_labels", "n_batches"):
            row[column] = interval(group[column], ",.0f")
        for column in ("dropped_cells", "dropped_genes"):
            row[column] = interval(group[column].fillna(0), ",.0f")
        for column in ("source", "values"):
            row[column] = ", ".join(sorted(set(group[column].dropna().astype(str))))
        rows.append(row)
    return rows


def interval(values: pd.Series, form: str) -> str:
    """Smallest to largest value, or the one value."""
    values = values.dropna()
    if values.empty:
        return "–"
    low, high = f"{values.min():{form}}", f"{values.max():{form}}"
    return low if low == high else f"{low} to {high}"


def plain(value) -> str:
    """A seed as it was written: pandas reads a column with gaps as floats."""
    return "" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)
