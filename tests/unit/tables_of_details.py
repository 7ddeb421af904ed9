"""Synthetic tables of details, of realistic size: 36 clusters, 12 types, ten mice. All values are drawn."""

import itertools

import numpy as np
import pandas as pd

from scscope.datasets.brain import MARKERS
from scscope.datasets.intestine import CONDITIONS, MICE
from scscope.datasets.retina import JEON_1998, TYPES

SUBTYPES = ("distal immature", "distal mature", "proximal immature", "proximal mature")
# Marker genes by type. Their values here are drawn; only the names are those of genes.
PANEL = {
    "brain": MARKERS,
    "retina": {
        name: tuple(f"{name[:3].title()}{i}" for i in range(1, 4)) for name in TYPES
    },
    "intestine": {
        "stem": ("Lgr5", "Ascl2", "Olfm4"),
        "TA early": ("Mki67", "Cdk4"),
        "TA late": ("Pcna", "Mcm5"),
        "enterocyte progenitor": ("Ccnb1", "Cdc20"),
        **dict.fromkeys(SUBTYPES[:2], ("Fabp6", "Slc10a2", "Mep1a")),
        **dict.fromkeys(SUBTYPES[2:], ("Fabp1", "Gsta1", "Rbp2", "Apoa4")),
        "goblet": ("Muc2", "Tff3"),
        "enteroendocrine": ("Chga", "Chgb"),
        "tuft": ("Dclk1", "Trpm5"),
    },
}  # fmt: skip
KINDS = {"3": "brain", "5": "retina", "9": "brain"}  # by number of the figure
NO_TYPE = {"brain": "unassigned", "retina": "astrocytes", "intestine": "unassigned"}


def tables(
    kind: str, scores: pd.DataFrame, *, n_clusters: int = 36, n_cells: int = 2_000
) -> dict[str, pd.DataFrame]:
    """All tables of details of the runs of some scores, by name.

    `kind` is "brain", "retina" or "intestine", after the types that they have.
    """
    rng = np.random.default_rng(1)
    runs = scores[~scores["control"] & scores["clusterer"].notna() & scores["status"].eq("ok")]
    runs = runs[["dataset", "method", "seed", "clusterer"]].drop_duplicates()
    made = {name: [] for name in ("compositions", "markers", "maps", "expression")}
    for i, run in enumerate(runs.to_dict("records")):
        types = cluster_types(kind, n_clusters, rng)
        for name, rows in one_run(kind, types, n_cells, rng, first=i == 0).items():
            made[name].append(rows.assign(**run))
    given = {"method": "truth", "seed": 0, "clusterer": "given"}
    for dataset in sorted(set(runs["dataset"])):
        labels = cluster_types(kind, n_clusters, rng)
        made["compositions"].append(
            compositions(kind, labels, rng).assign(dataset=dataset, **given)
        )
    if kind == "brain":
        made["compositions"].append(splitseq())
    cards = [(dataset, seed) for dataset in sorted(set(scores["dataset"])) for seed in range(3)]
    datasets = pd.DataFrame(cards, columns=["dataset", "seed"]).assign(n_labels=39, source="retina")
    if kind == "brain":
        datasets.loc[len(datasets)] = ["splitseq", 0, 73, "splitseq: brain and spinal cord"]
    return {name: pd.concat(rows, ignore_index=True) for name, rows in made.items()} | {
        "datasets": datasets
    }


def cluster_types(kind: str, n_clusters: int, rng) -> list[str]:
    """Type of each cluster; all types have one if there are enough clusters."""
    names = [*PANEL[kind], NO_TYPE[kind]]
    rest = rng.choice(names, max(n_clusters - len(names), 0))
    return [*names, *rest][:n_clusters]


def one_run(kind: str, types: list[str], n_cells: int, rng, *, first: bool) -> dict:
    """Tables of one run, without the columns that name it; maps are as large as asked for only once."""
    clusters = np.arange(len(types))
    sizes = np.sort(rng.lognormal(9, 1.2, len(types)).astype(int) + 5)[::-1]
    share = sizes / sizes.sum()
    n = n_cells if first else 50
    own = rng.choice(clusters, n, p=share)
    own[rng.random(n) < 0.01] = -1
    angle = clusters * 2.4
    centre = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.sqrt(clusters)[:, None] * 3
    place = centre[own] + rng.normal(0, 0.3 + 3 * share[own][:, None], (n, 2))
    names = np.array([*types, "unassigned"])
    maps = pd.DataFrame({
        "x": place[:, 0], "y": place[:, 1], "cluster": own, "type": names[own],
        "label": "", "condition": rng.choice(list(CONDITIONS), n),
    })  # fmt: skip
    return {
        "maps": maps,
        "markers": markers(kind, types, sizes, rng),
        "compositions": compositions(kind, types, rng),
        "expression": expression(kind, rng) if kind == "intestine" else pd.DataFrame(),
    }


def markers(kind: str, types: list[str], sizes: np.ndarray, rng) -> pd.DataFrame:
    """Genes of the panel in every cluster and type, and ten genes of its own in each cluster."""
    panel = sorted({gene for genes in PANEL[kind].values() for gene in genes})
    rows = []
    for cluster, (name, size) in enumerate(zip(types, sizes, strict=True)):
        own = PANEL[kind].get(name, ())
        rows += [("cluster", str(cluster), gene, size, gene in own) for gene in panel]
        rows += [("cluster", str(cluster), f"Gm{100 * cluster + i}", size, True) for i in range(10)]
    for name in dict.fromkeys(types):
        size = sum(s for s, t in zip(sizes, types, strict=True) if t == name)
        rows += [("type", name, gene, size, gene in PANEL[kind].get(name, ())) for gene in panel]
    table = pd.DataFrame(rows, columns=["grouping", "group", "gene", "n_cells", "high"])
    n = len(table)
    fold = np.where(table["high"], rng.gamma(4, 0.6, n), rng.normal(-0.8, 0.8, n))
    p = 10.0 ** -np.where(table["high"], rng.uniform(0.5, 400, n), rng.uniform(0, 30, n))
    table = table.assign(log2_fold_change=fold, p=p, p_adjusted=p, descriptive=True)
    return table.assign(is_marker=(fold > 0.5) & (p < 0.05)).drop(columns="high")


def compositions(kind: str, types: list[str], rng) -> pd.DataFrame:
    """Cells of each type in each mouse; as in microscopy, more or less, in retina."""
    names = list(dict.fromkeys(types))
    mice = [(f"B{i + 1} {c}", c) for c, rows in MICE.items() for i in range(len(rows))]
    mice = mice if kind == "intestine" else [("all", "")]
    base = np.array([JEON_1998.get(name, 0.3) for name in names])
    rows = [
        (sample, condition, name, int(1 + rng.poisson(10 * share * rng.lognormal(0, 0.3))))
        for sample, condition in mice
        for name, share in zip(names, base if kind == "retina" else 10 + 0 * base, strict=True)
    ]
    return pd.DataFrame(rows, columns=["sample", "condition", "type", "n_cells"])


def splitseq() -> pd.DataFrame:
    """Published types of SPLiT-seq nuclei, in made-up numbers."""
    cells = {"glutamatergic": 400, "GABAergic": 150, "unresolved": 300, "other neurons": 20}
    rows = [("all", "", name, n) for name, n in (cells | {"non-neuronal": 180}).items()]
    table = pd.DataFrame(rows, columns=["sample", "condition", "type", "n_cells"])
    return table.assign(dataset="splitseq", method="truth", seed=0, clusterer="given")


def expression(kind: str, rng) -> pd.DataFrame:
    """Markers of enterocytes by subtype with tests, and Saa1 by condition."""
    genes = sorted({gene for name in SUBTYPES for gene in PANEL[kind][name]})
    rows = []
    for gene, group in itertools.product(genes, (*SUBTYPES, "other")):
        high = gene in PANEL[kind].get(group, ())
        mean = rng.gamma(3, 3) if high else rng.gamma(1, 0.2)
        side, age = (group.split(" ") + [""])[:2]
        against = ["", "other"] if age == "mature" else ["", "other", f"{side} mature"]
        for other in against if age else [""]:
            rows.append(_row(gene, group, "all", mean, other, rng))
    for group, condition in itertools.product((*SUBTYPES, "distal", "proximal"), CONDITIONS):
        mean = 8 if "distal" in group and condition in ("Salmonella", "Hpoly.Day10") else 1
        against = "" if condition == "Control" else "Control"
        rows.append(_row("Saa1", group, condition, mean, against, rng))
    return pd.DataFrame(rows)


def _row(gene: str, group: str, condition: str, mean: float, against: str, rng) -> dict:
    middle = np.log1p(mean)
    quantiles = dict(zip(
        ("q05", "q25", "median", "q75", "q95"), middle * np.array([0, 0.6, 1, 1.4, 2]), strict=True
    ))  # fmt: skip
    p = 10.0 ** -rng.uniform(0, 330) if against else np.nan
    return {
        "gene": gene, "group": group, "condition": condition, "n_cells": int(rng.integers(50, 900)),
        "mean": mean, **quantiles, "against": against, "p_t": p, "p_rank_sum": p * 3,
        "descriptive": bool(against),
    }  # fmt: skip
