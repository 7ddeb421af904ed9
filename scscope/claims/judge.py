"""Judge the paper's claims from the gathered tables, by criteria that were fixed beforehand.

A claim is *reproduced* where every check is passed on every level, against every rival, with as many
replicates and cells as it asks for. It is *not reproduced* as soon as one complete check fails: what
is missing could not save it. In all other cases it is *not testable here*, and the reason is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from scscope.claims.criteria import AGAINST_RIVALS, STATISTICS, Check, Level, Values
from scscope.comparisons import agreement, rank_stability
from scscope.figures.tables import METHODS, ON_COUNTS
from scscope.metrics import METRICS
from scscope.run.status import FAILED

REPRODUCED, NOT_REPRODUCED, NOT_TESTABLE = "reproduced", "not reproduced", "not testable here"
JUDGED, SENSITIVITY, RELEASED = "judged", "sensitivity", "released code"
COSTS = ("seconds", "peak_rss_mb", "peak_gpu_mb")  # of the table of runs; less is better
ALL_COSTS = {*COSTS, *(name for name, metric in METRICS.items() if metric.kind == "cost")}
MIN_ORDERED = 3  # methods of an order
COLUMNS = [
    *("claim", "source", "statement", "role", "verdict", "paper", "ours", "why"),
    *("method", "preset", "scale", "clusterer", "metric", "statistic", "threshold"),
    *("n_asked", "n", "cells_asked"),
]


@dataclass(frozen=True)
class Tables:
    """What a judge reads.

    Parameters
    ----------
    scores, runs, datasets
        The gathered tables.
    methods
        Entries of the config by name.
    released
        Scores of the released code: `scale`, `seed`, `clusterer`, `metric`, `value`, `data_hash`.
    """

    scores: pd.DataFrame
    runs: pd.DataFrame
    datasets: pd.DataFrame
    methods: Mapping[str, Mapping]
    released: pd.DataFrame | None = None
    facts: pd.DataFrame = field(init=False)

    def __post_init__(self):
        """Bring scores and costs to one table, of rows with the same columns."""
        columns = ["dataset", "method", "seed", "clusterer", "metric", "value", "status"]
        costs = self.runs.melt(
            ["dataset", "method", "seed", "status"],
            [cost for cost in COSTS if cost in self.runs],
            "metric",
            "value",
        ).assign(clusterer="")
        facts = pd.concat([self.scores[columns], costs[columns]], ignore_index=True)
        object.__setattr__(self, "facts", facts[facts["status"] != "not_applicable"])


@dataclass(frozen=True)
class Setting:
    """Under which choices a claim is judged."""

    preset: str
    scale: str
    clusterer: str


def judge(claims: Mapping[str, Mapping], tables: Tables) -> pd.DataFrame:
    """One row for each claim, then its rows of other choices and of the released code.

    Parameters
    ----------
    claims
        Claims by name, as `config/claims.yaml` has them.
    tables
        What the run found.

    Returns
    -------
    pd.DataFrame
        Columns as in `COLUMNS`. `role` says what a row is: "judged" by what was fixed beforehand;
        "sensitivity", the same statistic under another scale, preset or clusterer, where it can be
        tested; "released code", the authors' program in place of ours, where its scores on the same
        data (by content hash) are known.
    """
    rows = []
    for name, claim in claims.items():
        setting = _setting_of(claim)
        rows.append(_row(name, claim, setting, JUDGED, tables))
        if "untestable" in claim:
            continue
        others = [
            _row(name, claim, s, SENSITIVITY, tables) for s in _others(setting, claim, tables)
        ]
        rows += [row for row in others if row["verdict"] != NOT_TESTABLE]
        if released := _released_row(name, claim, setting, tables):
            rows.append(released)
    return pd.DataFrame(rows, columns=COLUMNS)


def lacking(claim: Mapping, tables: Tables) -> list[str]:
    """What the tables lack to judge a claim with levels and rivals: in words, one for each kind."""
    case = _Case(claim, _setting_of(claim), tables)
    case.levels()
    return case.missing


def _setting_of(claim: Mapping) -> Setting:
    """What a claim is judged under."""
    method = claim.get("method", {})
    return Setting(method.get("preset", ""), method.get("scale", ""), claim.get("clusterer", ""))


def _row(name: str, claim: Mapping, setting: Setting, role: str, tables: Tables, own=None) -> dict:
    """The verdict on a claim under one setting, with all that it hangs on."""
    about = {
        "claim": name,
        "source": claim["source"],
        "statement": claim["statement"],
        "role": role,
        "paper": claim.get("paper", ""),
        "preset": setting.preset,
        "scale": setting.scale,
        "clusterer": setting.clusterer,
        "metric": ", ".join(claim.get("metrics", [])),
        "statistic": claim.get("statistic", ""),
        "threshold": _words_of(claim.get("threshold", "")),
        "n_asked": claim.get("n", ""),
        "cells_asked": claim.get("cells", ""),
    }
    if "untestable" in claim:
        empty = {"ours": "", "method": "", "n": ""}
        return {**about, **empty, "verdict": NOT_TESTABLE, "why": claim["untestable"]}
    if claim["statistic"] == "same_order":
        return {**about, **_same_order(claim, setting, tables)}
    case = _Case(claim, setting, tables, own)
    levels = case.levels()
    checks = [check for level in levels for check in STATISTICS[claim["statistic"]](level, claim)]
    verdict, why = _verdict(checks, case.missing, claim, case.on_cpu())
    found = "; ".join(check.found for check in checks)
    n = min((len(level.own.raw) for level in levels), default=0)
    return {**about, "method": case.entry, "n": n, "ours": found, "verdict": verdict, "why": why}


def _verdict(
    checks: list[Check], missing: list[str], claim: Mapping, on_cpu: bool
) -> tuple[str, str]:
    wrong = [check.found for check in checks if check.ok is False]
    missing = [*missing, *(f"no value: {check.found}" for check in checks if check.ok is None)]
    if wrong and claim.get("hardware") == "gpu" and on_cpu:
        return NOT_TESTABLE, f"The claim is of a GPU, and this run had none: {'; '.join(wrong)}."
    if wrong:
        return NOT_REPRODUCED, f"{len(wrong)} of {len(checks)} checks failed: {'; '.join(wrong)}."
    if missing or not checks:
        return NOT_TESTABLE, f"{'; '.join(missing) or 'Nothing to check'}."
    return REPRODUCED, f"All {len(checks)} checks passed."


class _Case:
    """Levels of a claim under a setting, and what is missing to judge it."""

    def __init__(self, claim: Mapping, setting: Setting, tables: Tables, own=None):
        self.claim, self.setting, self.tables = claim, setting, tables
        self.lacks: dict[str, list[str]] = {}  # what is missing, by kind
        self.own = own
        self.entry = RELEASED if own is not None else self._entry_of(claim["method"])

    @property
    def missing(self) -> list[str]:
        """What is missing, in words."""
        return [f"{kind} {', '.join(dict.fromkeys(names))}" for kind, names in self.lacks.items()]

    def lack(self, kind: str, name: str) -> None:
        """Note that something is missing."""
        self.lacks.setdefault(kind, []).append(name)

    def levels(self) -> list[Level]:
        """Levels with all that the claim asks for, but for rivals that are not there."""
        claim, found = self.claim, []
        present = set(self.tables.runs["dataset"].astype(str))
        for dataset in claim["datasets"]:
            if dataset not in present:
                self.lack("no run has the data", dataset)
        if not self.entry:
            self.lack("no method of the config is", self._words(claim["method"]))
            return []
        rivals = self._rivals()
        for dataset in (name for name in claim["datasets"] if name in present):
            if self._too_few_cells(dataset):
                continue
            for metric in claim["metrics"]:
                name = dataset if len(claim["metrics"]) == 1 else f"{dataset}, {metric}"
                values = self._values(self.entry, dataset, metric, self.setting.clusterer)
                if values is None:
                    self.lack(f"{self.entry} has no {self._named(metric)} on", dataset)
                elif self._enough(values, name):
                    others = self._rival_values(rivals, dataset, metric, name)
                    found.append(Level(name, dataset, sign_of(metric), values, others))
        return found

    def on_cpu(self) -> bool:
        """Whether no run of the method had a GPU."""
        runs = self.tables.runs
        devices = runs.loc[runs["method"] == self.entry, "device"] if "device" in runs else []
        return not any("cuda" in str(device) for device in devices)

    def _rivals(self) -> dict[str, list[tuple[str, str]]]:
        """Entries and clusterers by the name of each rival; rivals without an entry are missing."""
        if self.claim["statistic"] not in AGAINST_RIVALS:
            return {}
        named = {}
        for rival in self.claim["rivals"]:
            wanted = {"use": rival} if isinstance(rival, str) else dict(rival)
            clusterer = wanted.pop("clusterer", self.setting.clusterer)
            wanted = wanted or dict(self.claim["method"])
            name = self._words(wanted)
            if clusterer != self.setting.clusterer:
                name = f"{name} with {clusterer}"
            itself = (self.entry, self.setting.clusterer)
            entries = [(entry, clusterer) for entry in self._entries(wanted)]
            named[name] = [rival for rival in entries if rival != itself]
            if not named[name]:
                fed = wanted.get("scale", f"{self.setting.scale} or counts")
                self.lack(f"no method of the config, fed {fed}, is", name)
        return {name: entries for name, entries in named.items() if entries}

    def _rival_values(self, rivals, dataset, metric, level) -> dict[str, Values]:
        """Values of each rival; of several entries those of the best, which is hardest to beat."""
        best = {}
        for name, entries in rivals.items():
            found = [self._values(entry, dataset, metric, c) for entry, c in entries]
            found = [v for v in found if v is not None and len(v.raw) >= self.claim["n"]]
            if found:
                sign = sign_of(metric)
                best[name] = max(
                    found, key=lambda v: v.gain(sign or 1, self.claim.get("target")).median()
                )
            else:
                self.lack(f"{name} has not the {self.claim['n']} replicates asked for on", level)
        return best

    def _entry_of(self, wanted: Mapping) -> str:
        return next(iter(self._entries(wanted)), "")

    def _entries(self, wanted: Mapping) -> list[str]:
        """Entries of the config that use a method, on the scale that it must stand on.

        That is the setting's; for a rival also counts, or the one scale that the claim names.
        `params` are those beside the preset; a rival without any may have all. An entry that has a
        preset must have the setting's. One that is fitted to a part of the cells (`fit_on`) is how the
        paper lets a rival that does not scale stand for its scores; it is not the method itself, and
        what it costs, or that it ends, says nothing of the method.
        """
        own = wanted["use"] == self.claim["method"]["use"]
        exact = own or "params" in wanted
        scales = (self.setting.scale,) if own else (self.setting.scale, *ON_COUNTS)
        if not own and "scale" in wanted:
            scales = (wanted["scale"],)
        whole = own or self.claim["statistic"] == "fails"
        whole |= not ALL_COSTS.isdisjoint(self.claim["metrics"])
        found = []
        for name, entry in self.tables.methods.items():
            if whole and "fit_on" in entry:
                continue
            params = dict(entry.get("params", {}))
            same = params.pop("preset", None) in (None, self.setting.preset)
            same &= not exact or params == dict(wanted.get("params", {}))
            if _is_of(name, entry, wanted["use"]) and entry["scale"] in scales and same:
                found.append(name)
        return found

    def _values(self, entry: str, dataset: str, metric: str, clusterer: str) -> Values | None:
        if self.own is not None and entry == self.entry:
            rows = self.own
        else:
            rows = self.tables.facts[self.tables.facts["method"] == entry]
        rows = rows[(rows["dataset"] == dataset) & (rows["metric"] == metric)]
        rows = rows[rows["clusterer"] == clusterer].set_index("seed").sort_index()
        failed = rows["status"].isin(FAILED)
        known = failed | rows["value"].notna()
        rows, failed = rows[known], failed[known]
        return Values(rows["value"].astype(float), failed) if len(rows) else None

    def _enough(self, values: Values, level: str) -> bool:
        n, asked = len(values.raw), self.claim["n"]
        if n < asked:
            self.lack(f"not the {asked} replicates asked for:", f"{n} of {level}")
        return n >= asked

    def _too_few_cells(self, dataset: str) -> bool:
        datasets = self.tables.datasets
        cells = datasets.loc[datasets["dataset"] == dataset, "n_cells"].min()
        asked = self.claim["cells"]
        if cells < asked:
            self.lack(f"fewer than the {asked:,} cells asked for:", f"{dataset} has {cells:,}")
        return bool(cells < asked)

    def _named(self, metric: str) -> str:
        return f"{metric} ({self.setting.clusterer})" if self.setting.clusterer else metric

    def _words(self, wanted: Mapping) -> str:
        words = [wanted["use"]]
        if wanted["use"] == self.claim["method"]["use"]:
            words += [self.setting.preset, self.setting.scale]
        words += [f"{key} = {value}" for key, value in dict(wanted.get("params", {})).items()]
        return " ".join(filter(None, words))


def _is_of(name: str, entry: Mapping, use: str) -> bool:
    """Whether an entry is of a method. One of no registered method is known by its name or label."""
    if "use" in entry:
        return entry["use"] == use
    return name == use or entry.get("label") == METHODS.get(use, use)


def _same_order(claim: Mapping, setting: Setting, tables: Tables) -> dict:
    """Whether methods come in the same order on all input scales: mean Kendall's tau."""
    scores = tables.scores
    rows = scores[
        scores["dataset"].isin(claim["datasets"])
        & scores["metric"].isin(claim["metrics"])
        & (scores["clusterer"] == setting.clusterer)
    ]
    missing = sorted(set(claim["datasets"]) - set(rows["dataset"]))
    stability = rank_stability(rows)
    # Two methods are in the same order or not: that tells nothing of an order.
    orders = agreement(stability[stability["n_methods"] >= MIN_ORDERED])
    orders = orders[orders["changed"] == "scale"]
    n = int(rows.groupby("dataset")["seed"].nunique().min()) if len(rows) else 0
    about = {"method": "all", "n": n, "ours": ""}
    if missing or orders.empty or n < claim["n"]:
        why = (
            f"no run has {', '.join(missing)}"
            if missing
            else f"no two scales with {MIN_ORDERED} methods each to compare"
        )
        if not missing and n < claim["n"]:
            why = f"{n} of the {claim['n']} replicates that the claim asks for"
        return {**about, "verdict": NOT_TESTABLE, "why": f"{why}."}
    if few := _small(claim, tables):
        return {**about, "verdict": NOT_TESTABLE, "why": f"{few}."}
    tau, pairs = orders[["mean_tau", "n_pairs"]].iloc[0]
    ok = tau >= claim["threshold"]
    found = f"mean tau {tau:.2f} over {pairs:.0f} pairs of scales"
    return {
        **about,
        "ours": found,
        "verdict": REPRODUCED if ok else NOT_REPRODUCED,
        "why": f"{found}, asked {claim['threshold']:g}.",
    }


def _small(claim: Mapping, tables: Tables) -> str:
    """Datasets with fewer cells than the claim asks for, in words."""
    cells = tables.datasets.groupby("dataset")["n_cells"].min()
    small = [
        f"{name} has {cells[name]:,}" for name in claim["datasets"] if cells[name] < claim["cells"]
    ]
    return f"fewer than the {claim['cells']:,} cells asked for: {', '.join(small)}" if small else ""


def _others(setting: Setting, claim: Mapping, tables: Tables) -> list[Setting]:
    """All other choices of scale, preset and clusterer, one or several changed, that runs have."""
    own = [e for e in tables.methods.values() if e.get("use") == claim["method"]["use"]]
    presets = list(dict.fromkeys(e.get("params", {}).get("preset", "") for e in own))
    scales = list(dict.fromkeys(e["scale"] for e in own))
    rows = tables.scores[tables.scores["metric"].isin(claim["metrics"])]
    clusterers = sorted(set(rows["clusterer"]) - {"given", ""}) if setting.clusterer else [""]
    if claim["statistic"] == "same_order":
        presets, scales = [setting.preset], [setting.scale]
    settings = [Setting(p, s, c) for p in presets for s in scales for c in clusterers]
    return [other for other in settings if other != setting]


def _released_row(name: str, claim: Mapping, setting: Setting, tables: Tables) -> dict | None:
    """The claim with the released code in place of ours; None where nothing is known of it."""
    if tables.released is None or claim["method"]["use"] != "scscope":
        return None
    if claim["method"].get("params") or claim["statistic"] == "same_order":
        return None
    hashes = tables.datasets[["dataset", "seed", "hash"]].rename(columns={"hash": "data_hash"})
    keys = ["clusterer", "metric", "value", "data_hash"]
    released = tables.released
    rows = released.loc[released["scale"] == setting.scale, keys].merge(hashes, on="data_hash")
    rows = rows[rows["dataset"].isin(claim["datasets"]) & rows["metric"].isin(claim["metrics"])]
    rows = rows[rows["clusterer"] == setting.clusterer].assign(status="ok")
    if rows.empty:
        return None
    row = _row(name, claim, setting, RELEASED, tables, own=rows)
    return {**row, "preset": "released code, learning rate 1e-3"}


def sign_of(metric: str) -> int:
    """1 where more is better, -1 where less is, 0 where neither."""
    if metric in COSTS:
        return -1
    known = METRICS.get(metric)
    if known is None or known.higher_is_better is None:
        return 0
    return 1 if known.higher_is_better else -1


def _words_of(threshold) -> str:
    if isinstance(threshold, Mapping):
        return "; ".join(f"{key} {low:g} to {high:g}" for key, (low, high) in threshold.items())
    return str(threshold)
