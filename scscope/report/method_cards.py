"""Method cards of the report: what was run under a name, on which input, with which settings."""

from collections.abc import Mapping

import pandas as pd

from scscope.figures.tables import SCALES, entries_of, resolved

NOT_STATED = "not stated"


def method_cards(
    runs: pd.DataFrame, methods: Mapping[str, Mapping], *, budget: int | None = None
) -> list[dict]:
    """One card for each method that ran, in the order of the benchmark, controls last.

    Parameters
    ----------
    runs
        The gathered table.
    methods
        Entries of the config by name.
    budget
        Number of settings of each method that were tried before the stated ones were chosen, where
        its entry does not say; None if that is not stated.

    Returns
    -------
    list
        For each: `method`, `label`, `control`, and `facts`, pairs of words.
    """
    cards = []
    for entry in entries_of(runs).itertuples():
        own = runs[runs["method"] == entry.method]
        said = methods.get(entry.method, {})
        settings = said.get("params", {})
        facts = [("uses", entry.use), ("input", scale_words(entry.scale))]
        facts += [("settings", words_of(settings) or "none to choose")]
        if preset := settings.get("preset"):
            full = resolved(entry.use, settings)
            shown = {name: value for name, value in full.items() if value not in ((), None)}
            facts.append((f"preset {preset}", words_of(shown)))
        facts.append(("fitted to", cells_words(said.get("fit_on"))))
        tried = said.get("tuning_budget", budget)
        facts.append(("tuning budget", NOT_STATED if tried is None else str(tried)))
        for name, column in (("stopped by", "stopped"), ("computed by", "engine")):
            facts += [(name, counted(own[column]))] if column in own and any(own[column]) else []
        facts.append(("device", counted(own["device"])))
        facts.append(
            ("versions", "; ".join(sorted(set(own["versions"].dropna()))) or "not recorded")
        )
        name = {"method": entry.method, "label": entry.label, "control": bool(entry.control)}
        cards.append({**name, "facts": facts})
    return cards


def budgets_in_words(cards: list[dict]) -> str:
    """Whether all methods but controls had the same tuning budget."""
    budgets = {
        card["method"]: dict(card["facts"])["tuning budget"]
        for card in cards
        if not card["control"]
    }
    found = sorted(set(budgets.values()))
    if not budgets or found == [NOT_STATED]:
        return "The tuning budget is not stated."
    if len(found) == 1:
        return f"The tuning budget is the same for all methods: {found[0]}."
    groups = (
        f"{budget}: {', '.join(name for name in budgets if budgets[name] == budget)}"
        for budget in found
    )
    return f"The tuning budget is unequal. {'; '.join(groups)}."


def cells_words(n_fitted: int | None) -> str:
    """On which cells a method is fitted."""
    return "all cells" if n_fitted is None else f"{n_fitted:,} at random; the others by an SVM"


def scale_words(scale: str) -> str:
    """A scale with what it means."""
    return f"{scale} ({SCALES[scale]})" if scale in SCALES else scale


def words_of(settings: Mapping) -> str:
    """Settings in a line."""
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def counted(values: pd.Series) -> str:
    """What the runs say, such as "max_epochs", or "cpu (3), cuda (1)" where they differ."""
    counts = values.replace("", pd.NA).dropna().value_counts()
    if len(counts) < 2:
        return str(counts.index[0]) if len(counts) else "not recorded"
    return ", ".join(f"{value} ({n})" for value, n in counts.items())
