"""What can be asked of the values of a method beside those of its rivals, on one level.

A level is one metric on one dataset. Each statistic takes a level and the claim and returns checks;
a claim is reproduced only where every check of every level is passed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scscope import statistics
from scscope.seeds import derive_seed


@dataclass(frozen=True)
class Values:
    """What a method reached in the seeds of a level.

    Parameters
    ----------
    raw
        Values by seed, NaN where a run failed.
    failed
        Whether the run failed, by seed.
    """

    raw: pd.Series
    failed: pd.Series

    @property
    def median(self) -> float:
        """Median of the seeds that did not fail, NaN if all did."""
        return float(self.raw[~self.failed].median())

    def gain(self, sign: int, target: float | None = None) -> pd.Series:
        """Values oriented so that more is better, -inf where a run failed.

        With a target, what counts is to be near to it.
        """
        gain = self.raw * sign if target is None else -(self.raw - target).abs()
        return gain.where(~self.failed, -np.inf)


@dataclass(frozen=True)
class Level:
    """A metric on a dataset: values of the method under judgement and of its rivals.

    Parameters
    ----------
    name, dataset
        How the level is called, and its dataset.
    sign
        1 where more is better, -1 where less is, 0 where neither.
    own, rivals
        Values of the method and, by name, of each rival.
    """

    name: str
    dataset: str
    sign: int
    own: Values
    rivals: Mapping[str, Values] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """Outcome of one question: None where it has no answer; and in words what was found."""

    ok: bool | None
    found: str


def leads(level: Level, claim: Mapping) -> list[Check]:
    """Median at least the median of each rival plus `threshold`; failures last.

    With `significant`, the exact signed-rank test must tell them apart, too, after Holm's
    procedure over the rivals. With `target`, the median distance to it counts.
    """
    target, sign = claim.get("target"), level.sign
    own = level.own.gain(sign, target)
    others = {name: values.gain(sign, target) for name, values in level.rivals.items()}
    p = {}
    if claim.get("significant"):
        pairs = {name: paired(own, other, f"{level.name}/{name}") for name, other in others.items()}
        adjusted = statistics.holm(np.array([pair.p for pair in pairs.values()]))
        p = {
            name: value if pairs[name].effect > 0 else 1.0
            for name, value in zip(pairs, adjusted, strict=True)
        }
    checks = []
    for name, other in others.items():
        lead = difference(own.median(), other.median())
        ok = lead >= claim["threshold"] and p.get(name, 0) < statistics.ALPHA
        words = f"{level.name}: {shown(level.own)}, {name} {shown(level.rivals[name])}"
        words += f" (Holm P {p[name]:.2g})" if p else ""
        checks.append(Check(bool(ok), words))
    return checks


def similar(level: Level, claim: Mapping) -> list[Check]:
    """Median within `threshold` of the median of each rival."""
    checks = []
    for name, other in level.rivals.items():
        near = bool(abs(level.own.median - other.median) <= claim["threshold"])
        words = f"{level.name}: {shown(level.own)}, {name} {shown(other)}"
        checks.append(Check(unless_failed(level, other, near), words))
    return checks


def ratio(level: Level, claim: Mapping) -> list[Check]:
    """Median of each rival at least `threshold` times the method's; a rival that failed has none."""
    checks = []
    for name, other in level.rivals.items():
        times = other.median / level.own.median
        words = f"{level.name}: {shown(level.own)}, {name} {shown(other)}"
        words += "" if np.isnan(times) else f" ({times:.1f} times)"
        ok = bool(times >= claim["threshold"])
        checks.append(Check(unless_failed(level, other, ok), words))
    return checks


def at_most(level: Level, claim: Mapping) -> list[Check]:
    """Median at most `threshold`; every run that failed is above it."""
    median = np.median(np.where(level.own.failed, np.inf, level.own.raw))
    return [Check(bool(median <= claim["threshold"]), f"{level.name}: {shown(level.own)}")]


def at_least(level: Level, claim: Mapping) -> list[Check]:
    """Median at least `threshold`; every run that failed is below it."""
    median = np.median(np.where(level.own.failed, -np.inf, level.own.raw))
    return [Check(bool(median >= claim["threshold"]), f"{level.name}: {shown(level.own)}")]


def in_range(level: Level, claim: Mapping) -> list[Check]:
    """Median of a method that never failed within the `threshold` of its dataset: [low, high]."""
    low, high = claim["threshold"][level.dataset]
    ok = not level.own.failed.any() and low <= level.own.median <= high
    words = f"{level.name}: {shown(level.own)} (asked {low:g} to {high:g})"
    return [Check(bool(ok), words)]


def fails(level: Level, claim: Mapping) -> list[Check]:
    """Every run of each rival failed where the method has a value."""
    checks = []
    for name, other in level.rivals.items():
        ok = bool(other.failed.all() and not level.own.failed.any())
        words = f"{level.name}: {shown(level.own)}, {name} {shown(other)}"
        checks.append(Check(ok, words))
    return checks


STATISTICS: dict[str, Callable[[Level, Mapping], list[Check]]] = {
    "leads": leads,
    "similar": similar,
    "ratio": ratio,
    "at_most": at_most,
    "at_least": at_least,
    "in_range": in_range,
    "fails": fails,
}
AGAINST_RIVALS = ("leads", "similar", "ratio", "fails")


def paired(own: pd.Series, other: pd.Series, name: str) -> statistics.Paired:
    """Comparison over the seeds that both have."""
    seeds = own.index.intersection(other.index)
    return statistics.compare(own[seeds], other[seeds], seed=derive_seed(0, name))


def unless_failed(level: Level, other: Values, ok: bool) -> bool | None:
    """An answer, False where all runs of the method failed, None where those of the rival did."""
    if level.own.failed.all():
        return False
    return None if other.failed.all() else ok


def difference(own: float, other: float) -> float:
    """Lead of one median over another; -inf for a method that failed, 0 for two that did."""
    return 0.0 if own == other else own - other


def shown(values: Values) -> str:
    """Median in words, with how many runs failed."""
    median = values.median
    text = f"{median:.3f}" if abs(median) < 10 else f"{median:,.1f}"
    text = "failed" if values.failed.all() else text
    n_failed = int(values.failed.sum())
    return text if n_failed in (0, len(values.failed)) else f"{text} ({n_failed} failed)"
