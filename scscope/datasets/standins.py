"""Simulated data in the dress of a real set, so that what looks at types, genes and mice has them.

Names alone change: groups are called after the set's types, the genes that a group has most of
after the markers of its type, batches after samples. No name says anything of the real data.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scscope.data import Stream
from scscope.datasets.intestine import MICE
from scscope.describe.panels import PANEL_OF, STAND_INS, TYPES, genes_of_interest, read_panel

SAMPLES = {
    "retina": ("p1", "r1", "r2", "r3", "r4", "r5", "r6"),
    "mca_lung": ("Lung1", "Lung2", "Lung3"),
    # The first mouse of each condition, then the second, so that few batches have many conditions.
    "intestine": tuple(
        f"B{i + 1} {condition}"
        for i in range(max(map(len, MICE.values())))
        for condition, mice in MICE.items()
        if i < len(mice)
    ),
}


def dress(data: Stream, stands_for: str) -> Stream:
    """Name groups, genes and batches of a Splat simulation as a real set has them.

    Groups take the types in their order, those of the panel or of `TYPES`; of more groups than types,
    the rest begin again, with a number after the name. Each group gives names of the markers of its
    type to the genes that it has most of, by the simulation's factors. Genes of interest are raised in
    the first type. Values do not change.

    Parameters
    ----------
    data
        As `scscope.simulate.splat.splat_simulation(...).stream()` returns it.
    stands_for
        One of `STAND_INS`.
    """
    if stands_for not in STAND_INS:
        raise ValueError(
            f"There is no dress of {stands_for!r}. A simulation can stand for "
            f"{', '.join(STAND_INS)}."
        )
    obs = dict(data.obs)
    groups = [f"Group{i + 1}" for i in range(_n_groups(data.var))]
    panel = read_panel(PANEL_OF[stands_for]) if stands_for in PANEL_OF else {}
    types = list(panel) or list(TYPES[stands_for])
    genes = data.genes
    if types:
        names = dict(zip(groups, numbered(types, len(groups)), strict=True))
        obs["label"] = _renamed(obs["label"], names)
    if panel:
        first = next(iter(panel))
        panel = panel | {first: (*panel[first], *genes_of_interest(PANEL_OF[stands_for]))}
        genes = _named_genes(data, panel, len(groups))
    if "batch" in obs and stands_for in SAMPLES:
        batches = [f"Batch{i + 1}" for i in range(len(np.unique(obs["batch"])))]
        samples = numbered(SAMPLES[stands_for], len(batches))
        obs["batch"] = _renamed(obs["batch"], dict(zip(batches, samples, strict=True)))
    return replace(data, genes=genes, obs=obs)


def numbered(names: tuple[str, ...] | list[str], n: int) -> list[str]:
    """The first n names; if there are not as many, from the start again with a number behind."""
    rounds = ((name, i // len(names)) for i, name in enumerate(list(names) * (n // len(names) + 1)))
    return [name if again == 0 else f"{name} {again + 1}" for name, again in rounds][:n]


def _n_groups(var: Mapping[str, np.ndarray]) -> int:
    return sum(name.startswith("de_factor_group") for name in var)


def _renamed(values: np.ndarray, names: dict[str, str]) -> np.ndarray:
    return np.array([names[value] for value in values.tolist()])


def _named_genes(data: Stream, panel: Mapping[str, tuple[str, ...]], n_groups: int) -> np.ndarray:
    """Names of the genes: markers for those that groups have most of.

    Several groups of one type take its markers in turn.
    """
    factors = np.stack([data.var[f"de_factor_group{i + 1}"] for i in range(n_groups)])
    mean = data.var["gene_mean"]
    genes = data.genes.astype(object)
    free = mean >= np.median(mean)  # few cells would show the others
    for number, markers in enumerate(panel.values()):
        of_type = range(number, n_groups, len(panel))
        for i, marker in enumerate(markers if of_type else ()):
            group = of_type[i % len(of_type)]
            most_of_others = np.delete(factors, group, axis=0).max(axis=0)
            best = int(np.argmax(np.where(free, factors[group] / most_of_others, 0)))
            if not free[best]:
                return genes.astype(str)
            genes[best], free[best] = marker, False
    return genes.astype(str)
