"""Verdicts of the report: what became of each claim, and how stable the order of methods is."""

from dataclasses import dataclass

import pandas as pd

from scscope.claims.judge import (
    JUDGED,
    NOT_REPRODUCED,
    NOT_TESTABLE,
    RELEASED,
    REPRODUCED,
    SENSITIVITY,
)

KINDS = {REPRODUCED: "ok", NOT_REPRODUCED: "failed", NOT_TESTABLE: "open"}
CHOICES = {"scale": "input scale", "clusterer": "clusterer", "metric": "metric"}


@dataclass(frozen=True)
class Verdict:
    """A claim as the report shows it.

    Parameters
    ----------
    claim, source, statement, paper, ours, why, verdict
        As in the table of claims.
    kind
        Its colour: "ok", "failed" or "open".
    asked
        What was fixed beforehand, in words.
    elsewhere
        What came out under other choices, in words; empty where there are none.
    released
        The verdict on the authors' program on the same data, and its values; None if unknown.
    """

    claim: str
    source: str
    statement: str
    paper: str
    ours: str
    why: str
    verdict: str
    kind: str
    asked: str
    elsewhere: str
    released: tuple[str, str] | None


def verdicts(claims: pd.DataFrame) -> list[Verdict]:
    """Claims in the order: not reproduced, reproduced, not testable here; else as they stand.

    Parameters
    ----------
    claims
        Table of `scscope.claims.judge.judge`, all of it text.
    """
    found = []
    for row in claims[claims["role"] == JUDGED].itertuples():
        own = claims[claims["claim"] == row.claim]
        others = own.loc[own["role"] == SENSITIVITY, "verdict"]
        released = own[own["role"] == RELEASED]
        found.append(
            Verdict(
                *(row.claim, row.source, row.statement, row.paper, row.ours, row.why, row.verdict),
                kind=KINDS[row.verdict],
                asked=_asked(row),
                elsewhere=_elsewhere(others),
                released=tuple(released.iloc[0][["verdict", "ours"]]) if len(released) else None,
            )
        )
    order = [NOT_REPRODUCED, REPRODUCED, NOT_TESTABLE]
    return sorted(found, key=lambda verdict: order.index(verdict.verdict))


def headline(claims: pd.DataFrame) -> str:
    """How many claims came out how, in a line."""
    counts = claims.loc[claims["role"] == JUDGED, "verdict"].value_counts()
    words = [f"{counts.get(verdict, 0)} {verdict}" for verdict in KINDS]
    return f"{numbered(counts.sum())} of the paper: {', '.join(words)}."


def numbered(n: int) -> str:
    """So many claims: "1 claim", "2 claims"."""
    return f"{n} claim{'' if n == 1 else 's'}"


def stability_words(agreement: pd.DataFrame) -> list[str]:
    """A sentence for each study: how far orders agree when one choice is changed."""
    sentences = []
    for study, rows in agreement.groupby("study", sort=False):
        parts = [
            f"another {CHOICES[row.changed]} {row.mean_tau:.2f} "
            f"(same leader in {row.same_winner:.0%} of {row.n_pairs} pairs)"
            for row in rows.itertuples()
        ]
        sentences.append(f"{study}: {'; '.join(parts)}")
    return sentences


def _asked(row) -> str:
    if not row.statistic:
        return ""
    setting = ", ".join(filter(None, [row.preset, row.scale, row.clusterer]))
    number = f"n = {row.n_asked}, at least {int(row.cells_asked):,} cells"
    return f"{row.metric}: {row.statistic} {row.threshold} ({setting}; {number})"


def _elsewhere(verdicts: pd.Series) -> str:
    if verdicts.empty:
        return ""
    n = int((verdicts == REPRODUCED).sum())
    return f"reproduced in {n} of {len(verdicts)} other choices of scale, preset and clusterer"
