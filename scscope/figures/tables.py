"""Order, names and outcomes of the benchmark's scores, shared by figures and report."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scscope.settings import Settings, settings_of

# Registered methods in the order in which they are listed everywhere, with their names in the
# paper. Users' own methods follow in alphabetical order.
METHODS = {
    "scscope": "scScope",
    "ae": "AE",
    "pca": "PCA",
    "magic": "MAGIC",
    "dca": "DCA",
    "scvi": "scVI",
    "simlr": "SIMLR",
    "zinbwave": "ZINB-WaVE",
}
SCALES = {
    "log": "size-normalised, log1p",
    "log_counts": "log1p, no size factors",
    "size": "size-normalised, no log",
    "size_unit": "no log, genes / s.d.",
    "log_unit": "log1p, genes / s.d.",
    "counts": "as observed",
    "rounded": "off-label: rounded to whole numbers",
    "size_rounded": "off-label: size-normalised, rounded",
    "log_rounded": "off-label: log1p, rounded",
}
CLUSTERERS = {
    "phenograph": "PhenoGraph",
    "kmeans": "k-means (true k)",
    "best_resolution": "best resolution (oracle)",
    "leiden": "Leiden",
    "scalable": "scalable PhenoGraph",
}
# Scales of methods that model counts, with what is added to a name: such entries stand beside those of
# every other scale.
ON_COUNTS = {
    "counts": " (counts)",
    "rounded": " (rounded)",
    "size_rounded": " (size, rounded)",
    "log_rounded": " (log, rounded)",
}
SCALE_FREE = ("random", "truth", "shuffled", "no_imputation")
UNIT_FREE = ("gene_mean", "group_mean", "supervised")


@dataclass(frozen=True)
class Outcome:
    """What came of the runs of one method on one dataset.

    Parameters
    ----------
    values
        Scores of the runs that have one, shape (n_values,).
    failed, skipped
        Number of runs that failed, and to which the method does not apply.
    total
        Number of runs.
    """

    values: np.ndarray
    failed: int
    skipped: int
    total: int


def outcome(rows: pd.DataFrame) -> Outcome:
    """Sum up the rows of one metric, method and dataset: one row per seed."""
    skipped = rows["status"] == "not_applicable"
    failed = (rows["status"] != "ok") & ~skipped
    values = rows.loc[rows["status"] == "ok", "value"].dropna().to_numpy(dtype=float)
    return Outcome(values, int(failed.sum()), int(skipped.sum()), len(rows))


def applicable(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores (with `name`) without methods that apply to none of the data, unless none does."""
    skipped = scores["status"].eq("not_applicable") & ~scores["control"]
    nowhere = skipped.groupby(scores["name"]).transform("all")
    return scores if (nowhere | scores["control"]).all() else scores[~nowhere]


def with_names(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with a column `name`: how figures call an entry, the same on every scale.

    Entries that take counts, or values rounded to counts, say so, and entries that could not be told
    apart get the name that they have in the config.
    """
    scores = scores.assign(
        dataset=scores["dataset"].astype(str),
        control=scores["control"].astype(bool),
        clusterer=scores["clusterer"].fillna(""),
    )
    entries = scores.drop_duplicates("method")[["method", "label", "use", "scale", "control"]]
    suffix = entries["scale"].map(ON_COUNTS).where(~entries["control"].astype(bool)).fillna("")
    name = entries["label"].astype(str) + suffix
    alike = pd.DataFrame({"name": name, "scale": entries["scale"]}).duplicated(keep=False)
    alike |= entries["use"].groupby(name).transform("nunique") > 1
    name = name.where(~alike, entries["label"].astype(str) + " [" + entries["method"] + "]")
    return scores.assign(name=scores["method"].map(dict(zip(entries["method"], name, strict=True))))


def ordered(entries: pd.DataFrame) -> pd.DataFrame:
    """Entries (columns `name`, `use`, and `scale` if there is one) in the order of the benchmark."""
    order = list(METHODS)

    def key(entry) -> tuple:
        known = order.index(entry.use) if entry.use in order else len(order)
        canonical = without_suffix(entry.name) == METHODS.get(entry.use)
        scale = rank(getattr(entry, "scale", ""), SCALES)
        return known, entry.use, not canonical, natural(entry.name), scale

    rows = sorted(entries.itertuples(index=False), key=key)
    return pd.DataFrame(rows, columns=entries.columns)


def entry_text(name: str, scale: str) -> str:
    """An entry by its name and its scale, unless the name says it."""
    return name if name.endswith(tuple(ON_COUNTS.values())) else f"{name} · {scale}"


def without_suffix(name: str) -> str:
    """A name as it is on the other scales."""
    for suffix in ON_COUNTS.values():
        name = name.removesuffix(suffix)
    return name


def rank(name: str, order: dict) -> tuple:
    """Sort key: known names in their order, then the others in alphabetical order."""
    known = list(order)
    return (known.index(name), "") if name in known else (len(known), str(name))


def natural(text: str) -> list:
    """Sort key that puts "T = 2" before "T = 10"; no two texts have the same ("1" and "01")."""
    parts = re.split(r"(\d+)", str(text))
    key = [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
    return [*key, (-2, str(text))]


def words(status: str) -> str:
    """A status as people say it: "out of memory"."""
    return str(status).replace("_", " ")


def entries_of(table: pd.DataFrame) -> pd.DataFrame:
    """Methods of a table of scores or runs in the order of the benchmark, controls last."""
    entries = with_names(table.assign(clusterer="")).drop_duplicates("method")
    columns = ["name", "use", "scale", "method", "label", "control"]
    return ordered(entries[columns]).sort_values("control", kind="stable")


def datasets_of(table: pd.DataFrame) -> list[str]:
    """Datasets of a table in their natural order."""
    return sorted(set(table["dataset"].astype(str)), key=natural)


def problems(statuses: pd.Series) -> str:
    """Runs that are not ok, such as "timeout" where all are, or "2/3 timeout"."""
    counts = statuses[statuses != "ok"].value_counts().sort_index()
    if len(counts) == 1 and counts.iloc[0] == len(statuses):
        return words(counts.index[0])
    return ", ".join(f"{n}/{len(statuses)} {words(status)}" for status, n in counts.items())


def kind_of(statuses: pd.Series) -> str:
    """What became of some runs: "ok", "partial", "failed", or "not-applicable"."""
    if (statuses == "ok").all():
        return "ok"
    if (statuses == "not_applicable").all():
        return "not-applicable"
    return "partial" if (statuses == "ok").any() else "failed"


def clusterers_of(scores: pd.DataFrame) -> list[str]:
    """Clusterers in the scores, in their order; "given" (true labels) is none."""
    return sorted(set(scores["clusterer"]) - {"", "given"}, key=lambda c: rank(c, CLUSTERERS))


def scales_of(scores: pd.DataFrame) -> list[str]:
    """Scales that have a column of their own: all but those of counts, unless there are no others."""
    present = set(scores.loc[~scores["control"], "scale"])
    return sorted(present - set(ON_COUNTS) or present, key=lambda scale: rank(scale, SCALES))


def on_scale(scores: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Scores to be shown in the column of a scale: its own, and those that no scale touches.

    These are methods on counts, and controls whose result is the same on every scale, or with and
    without division by the gene's deviation.
    """
    own = scores["scale"] == scale
    undivided = scores["scale"] == scale.removesuffix("_unit")
    same = scores["use"].isin(SCALE_FREE) | (scores["use"].isin(UNIT_FREE) & undivided)
    elsewhere = scores[same]
    absent = elsewhere[~elsewhere["use"].isin(scores.loc[own, "use"])]
    stand_in = absent.groupby("use")["method"].min()
    counts = scores["scale"].isin(ON_COUNTS) & ~scores["control"]
    return scores[own | counts | scores["method"].isin(stand_in)]


def of_clusterer(scores: pd.DataFrame, clusterer: str) -> pd.DataFrame:
    """Scores of one clusterer, with those that need none (true labels)."""
    return scores[scores["clusterer"].isin([clusterer, "given", ""])]


def resolved(use: str, params: Mapping) -> dict:
    """All settings of a fit of scScope or AE: its preset's, but for what its entry, or the method, changes.

    Parameters
    ----------
    use
        Registered method: AE has one pass, whatever the preset.
    params
        Of an entry of the config; its preset is the paper's if it names none. Parameters that are
        none of `scscope.settings.Settings` are left out.

    Returns
    -------
    dict
        Value of each setting by its name; empty if they are refused: then the fits have failed, and
        say why.
    """
    known = asdict(Settings())
    own = {name: value for name, value in params.items() if name in known}
    if use == "ae":
        own["n_steps"] = 1
    try:
        return asdict(settings_of(params.get("preset", "paper"), **own))
    except (ValueError, TypeError):
        return {}


def runs_of(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for each run behind some scores: what it took does not depend on how it was scored."""
    return scores.drop_duplicates(["dataset", "method", "seed"])


def cost_as_score(scores: pd.DataFrame, cost: str) -> pd.DataFrame:
    """What the runs behind some scores took, as scores without a clusterer.

    Parameters
    ----------
    scores
        Tidy scores of a study.
    cost
        Column "seconds" or "peak_rss_mb": of the whole fit.
    """
    runs = runs_of(scores)
    return runs.assign(clusterer="", metric=cost, value=runs[cost].astype(float))


def levels(scores: pd.DataFrame) -> pd.Series:
    """Mean sparsity in % of each dataset, in ascending order; NaN, last, where it is unknown."""
    sparsity = scores.get("sparsity", pd.Series(np.nan, index=scores.index))
    mean = 100 * sparsity.astype(float).groupby(scores["dataset"]).mean()
    return mean.sort_index(key=lambda names: names.map(natural)).sort_values(kind="stable")


def seeds_text(rows: pd.DataFrame) -> str:
    """Number of seeds behind the drawn values, such as "n = 10 seeds" or "n = 2 to 3 seeds"."""
    if rows.empty:
        return "n = 0 seeds"
    n = rows.groupby(["dataset", "method"])["seed"].nunique()
    amount = f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
    return f"n = {amount} seed{'' if n.max() == 1 else 's'}"


def setting(table: pd.DataFrame, name: str, default: float = np.nan) -> pd.Series:
    """A number among the `params` of each row, `default` where they do not name it.

    Parameters
    ----------
    table
        Scores, whose `params` are the method's, or datasets, whose `params` are the simulation's.
    """
    params = table.get("params", pd.Series("", index=table.index))
    values = [json.loads(text or "{}").get(name, default) for text in params]
    return pd.Series(values, index=table.index, dtype=float)


def paper_values(figure: str) -> pd.DataFrame:
    """The paper's values, digitised from one of its figures, with `use` as in the benchmark.

    Parameters
    ----------
    figure
        Such as "fig1c". Boxes are `q1`, `median` (`value` where there are no boxes), `q3`, `low` and
        `high`, these two the extremes; what the values are stands at the head of the file.
    """
    table = pd.read_csv(Path(__file__).with_name("reference") / f"{figure}.csv", comment="#")
    table = table.rename(columns={"whisker_min": "low", "whisker_max": "high"})
    return table.assign(use=table["method"].map({name: use for use, name in METHODS.items()}))
