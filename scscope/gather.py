"""The three tidy tables of the benchmark: scores, runs, datasets."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from scscope.atomic import write_text
from scscope.cluster.result import GIVEN
from scscope.methods.own.entries import method_of_entry, use_of_entry
from scscope.run.status import FAILED, read_status

RUN = ["dataset", "method", "seed"]
ABOUT_METHOD = ["label", "use", "scale", "control", "params"]
CHOICE = ["fit_on"]  # of an entry of the config
COST = ["seconds", "peak_rss_mb"]
RECORD = [
    "stopped",
    "epochs",
    "engine",
    "fitted_cells",
    "svm_space",
]  # of what a method says of its fit, see `Fit.record`
CARD = [
    *("dataset", "seed", "source", "n_cells", "n_genes", "sparsity", "n_labels", "n_batches"),
    *("values", "dropped_cells", "dropped_genes", "dropped_unlabelled", "hash"),
]
SELECTED = ["datasets", "methods", "seeds", "metrics", "clusterers"]  # by a study
# Columns that hold text even where they look like numbers or are empty.
TEXTS = (
    *(
        "dataset",
        "method",
        "label",
        "use",
        "scale",
        "params",
        "source",
        "values",
        "hash",
        "data_hash",
    ),
    *("clusterer", "metric", "status", "message", "device", "host", "versions"),
    *("stopped", "engine", "svm_space"),
    *("study", "name", "rival", "changed", "note"),
    *("sample", "condition", "type", "grouping", "group", "gene", "against"),
)


def dataset_table(cards: Iterable[Path], datasets: dict[str, dict]) -> pd.DataFrame:
    """One row for each dataset and, where it is simulated, seed.

    Parameters
    ----------
    cards
        Data cards.
    datasets
        Entries of the config by name: `params`, as JSON, are those of the simulation.
    """
    table = pd.DataFrame([json.loads(card.read_text()) for card in cards], columns=CARD)
    params = [datasets[name].get("params", {}) for name in table["dataset"]]
    table["params"] = [json.dumps(each, sort_keys=True) for each in params]
    return table.astype({"seed": "Int64"})


def run_table(statuses: Iterable[Path], methods: dict[str, dict]) -> pd.DataFrame:
    """One row for each run: how it ended, on what, and what it took.

    Parameters
    ----------
    statuses
        Files `status.json`.
    methods
        Entries of the config by name.
    """
    rows = []
    for path in statuses:
        status = read_status(path)
        entry = methods[status["method"]]
        method = method_of_entry(status["method"], entry)
        versions = status.pop("versions") or {}
        record = status.pop("record", None) or {}
        about = {
            "label": entry.get("label", method.title),
            "use": use_of_entry(status["method"], entry),
            "scale": entry["scale"],
            "control": method.control,
            "params": json.dumps(entry.get("params", {}), sort_keys=True),
            **{name: entry.get(name) for name in CHOICE},
            "versions": " ".join(f"{name} {version}" for name, version in versions.items()),
            **{name: record.get(name) for name in RECORD},
        }
        rows.append({**{name: status.pop(name) for name in RUN}, **about, **status})
    table = pd.DataFrame(rows)
    # Keep the config's order of methods, so that figures and tables have it too.
    table["method"] = pd.Categorical(table["method"], list(methods))
    return table.sort_values(RUN, ignore_index=True).astype({"method": str})


def score_table(scores: Iterable[Path], runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each score, with its method, status, seconds and peak memory."""
    tables = [read_table(path) for path in scores]
    filled = [rows for rows in tables if len(rows)] or tables[:1]
    table = pd.concat(filled, ignore_index=True).astype({"seed": runs["seed"].dtype})
    # The order of `runs` is kept, and a run without scores leaves no row.
    return runs[RUN + ABOUT_METHOD + COST].merge(table, on=RUN, how="inner", validate="1:m")


def versions_of(runs: pd.DataFrame) -> dict[str, str]:
    """Versions of the packages that the runs used, several of one package side by side."""
    words = sorted({word for versions in runs["versions"] for word in _pairs(versions)})
    names = dict.fromkeys(name for name, _ in words)
    return {name: ", ".join(v for n, v in words if n == name) for name in names}


def _pairs(versions: str) -> list[tuple[str, str]]:
    words = versions.split()
    return list(zip(words[::2], words[1::2], strict=True))


def select(
    table: pd.DataFrame,
    datasets: list[str],
    methods: list[str],
    seeds: list[int],
    metrics: list[str],
    clusterers: list[str],
) -> pd.DataFrame:
    """Scores of a study; a run that it shares with others may have more than it asks for."""
    wanted = {
        "dataset": datasets,
        "method": methods,
        "seed": seeds,
        "metric": metrics,
        "clusterer": [*clusterers, GIVEN, ""],
    }
    rows = table[list(wanted)].isin(wanted).all(axis=1)
    return table[rows].reset_index(drop=True)


def restrict(
    table: pd.DataFrame,
    datasets: list[str],
    methods: list[str],
    seeds: list[int],
    metrics: list[str],
    clusterers: list[str],
) -> pd.DataFrame:
    """Rows of a study in a table other than the scores, as `select` takes those of the scores.

    A table that has no column for a choice has the same for all of it; so has a row without a seed.
    """
    wanted = {"dataset": datasets, "method": methods, "clusterer": [*clusterers, GIVEN, ""]}
    rows = pd.Series(True, index=table.index)
    for name in wanted.keys() & set(table):
        rows &= table[name].isin(wanted[name])
    if "seed" in table:
        rows &= table["seed"].isin(seeds) | table["seed"].isna()
    return table[rows].reset_index(drop=True)


def conclusion(
    runs: pd.DataFrame, timed: Mapping[str, list] = MappingProxyType({})
) -> tuple[bool, str]:
    """Whether every run ended well, and in words how the runs ended.

    Parameters
    ----------
    runs
        Table of runs.
    timed
        Runs, as [dataset, method, seed], of each study that compares times. They must have run on
        one host.
    """
    counts = runs["status"].value_counts()
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    failed = runs[runs["status"].isin(FAILED)]
    lines = [f"{len(runs)} runs: {words}."]
    lines += [
        f"  {run.dataset}, {run.method}, seed {run.seed}: {run.status}: {run.message}"
        for run in failed.itertuples()
    ]
    if len(failed):
        lines.append("The next call tries the failed runs again, and nothing else.")
    well = failed.empty
    for study, names in timed.items():
        chosen = pd.MultiIndex.from_frame(runs[RUN]).isin([tuple(name) for name in names])
        hosts = sorted(set(runs.loc[chosen, "host"]))
        if len(hosts) > 1:
            well = False
            lines.append(
                f"Study {study} compares times, but its runs were on {len(hosts)} hosts: "
                f"{', '.join(hosts)}. Remove those of all but one, and run again there."
            )
    return well, "\n".join(lines) + "\n"


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a tab-separated table."""
    write_text(path, table.to_csv(sep="\t", index=False))


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of this module. What is empty is an empty text in `TEXTS`, else NaN."""
    table = pd.read_csv(
        path, sep="\t", dtype=dict.fromkeys(TEXTS, str), na_values=[""], keep_default_na=False
    )
    texts = [name for name in TEXTS if name in table]
    table[texts] = table[texts].fillna("")
    return table


def read_texts(path: str | Path) -> pd.DataFrame:
    """Read a table as it is written: every value is text, and what is empty is an empty text."""
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def panel_table(selections: dict[str, dict[str, list]]) -> pd.DataFrame:
    """What each panel shows: one row for each, what it selects separated by spaces."""
    rows = [
        {"panel": panel, **{kind: " ".join(map(str, names)) for kind, names in selection.items()}}
        for panel, selection in selections.items()
    ]
    return pd.DataFrame(rows, columns=["panel", *SELECTED])


def read_panels(path: str | Path) -> dict[str, dict[str, list]]:
    """Read a table of `panel_table`: what each panel selects, as `select` takes it."""
    table = read_texts(path).set_index("panel")
    selections = {
        panel: {kind: row[kind].split() for kind in SELECTED} for panel, row in table.iterrows()
    }
    for selection in selections.values():
        selection["seeds"] = [int(seed) for seed in selection["seeds"]]
    return selections
