"""What the report says of each method: what it was fed, how it was set, what was tried before."""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from scscope.figures.tables import SCALES
from scscope.methods import METHODS

SIZE = "size-normalised"  # what the words for a scale say of all but counts


@dataclass(frozen=True)
class MethodRow:
    """A row of the table of methods.

    Parameters
    ----------
    method, label, control
        Name in the config, name in figures, and whether it is a control.
    given
        What it is fed, in words.
    settings
        Its parameters as in the config.
    fitted
        On which cells it is fitted.
    budget
        Number of settings that were tried before this one was chosen, or "not stated".
    """

    method: str
    label: str
    control: bool
    given: str
    settings: str
    fitted: str
    budget: str


def method_rows(config: Mapping) -> list[MethodRow]:
    """One row for each method that a study uses, in the config's order, controls last."""
    used = {name for study in config.get("studies", {}).values() for name in study["methods"]}
    rows = [
        _row(name, entry, config.get("tuning_budget"))
        for name, entry in config.get("methods", {}).items()
        if name in used
    ]
    return sorted(rows, key=lambda row: row.control)


def budgets_in_words(rows: list[MethodRow]) -> str:
    """Whether all methods but controls had the same tuning budget."""
    budgets = {row.method: row.budget for row in rows if not row.control}
    found = sorted(set(budgets.values()))
    if not budgets or found == ["not stated"]:
        return "The tuning budget is not stated."
    if len(found) == 1:
        return f"The tuning budget is the same for all methods: {found[0]}."
    groups = (
        f"{budget}: {', '.join(name for name in budgets if budgets[name] == budget)}"
        for budget in found
    )
    return f"The tuning budget is unequal. {'; '.join(groups)}."


def _row(name: str, entry: Mapping, budget: int | None) -> MethodRow:
    known = METHODS.get(entry.get("use", ""))
    budget = entry.get("tuning_budget", budget)
    n_fitted = entry.get("fit_on")
    params = entry.get("params") or {}
    return MethodRow(
        method=name,
        label=entry.get("label", known.title if known else name),
        control=bool(known and known.control),
        given=_given(entry.get("scale", "")),
        settings=yaml.safe_dump(_plain(params), default_flow_style=True, width=10**6).strip("{}\n")
        or "its defaults",
        fitted="all" if n_fitted is None else f"{n_fitted:,} at random; the others by an SVM",
        budget="not stated" if budget is None else str(budget),
    )


def _given(scale: str) -> str:
    """A scale in words: counts, or one of the study's scales."""
    if scale == "counts":
        return "counts, as observed"
    words = SCALES.get(scale, scale)
    return words if scale in ("log", "size", "rounded") or not scale else f"{SIZE}, {words}"


def _plain(value):
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
