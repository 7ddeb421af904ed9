"""What a parameter of a simulator may be, in words and as a test; refused otherwise."""

import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real

import numpy as np

Rule = tuple[str, Callable[[float], bool]]
MAX_SEED = 2**32 - 1

POSITIVE_INTEGER: Rule = ("a positive integer", lambda x: isinstance(x, Integral) and x > 0)
COUNT: Rule = ("a whole number from 0", lambda x: isinstance(x, Integral) and x >= 0)
SEED: Rule = (
    f"a non-negative integer up to {MAX_SEED}",
    lambda x: isinstance(x, Integral) and 0 <= x <= MAX_SEED,
)
POSITIVE: Rule = ("a finite number above 0", lambda x: x > 0)
NON_NEGATIVE: Rule = ("a finite number from 0", lambda x: x >= 0)
PROBABILITY: Rule = ("a probability, from 0 to 1", lambda x: 0 <= x <= 1)
FINITE: Rule = ("a finite number", lambda _: True)


def require(rule: Rule, **parameters: float) -> None:
    """Refuse parameters that are not a finite number for which the rule holds."""
    allowed, holds = rule
    for name, value in parameters.items():
        is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool)
        if not (is_number and math.isfinite(value) and holds(value)):
            raise ValueError(f"`{name}` must be {allowed}, got {value!r}.")


def require_flag(**parameters: bool) -> None:
    """Refuse parameters that are neither True nor False."""
    for name, value in parameters.items():
        if not isinstance(value, bool | np.bool):
            raise ValueError(f"`{name}` must be true or false, got {value!r}.")


def require_one_of(known: Sequence[str], **parameters: str) -> None:
    """Refuse parameters that are not among the known names."""
    for name, value in parameters.items():
        if value not in known:
            raise ValueError(f"Unknown `{name}` {value!r}. Known: {', '.join(known)}.")


def one_for_each(
    name: str, value: float | Sequence[float], kind: str, n: int, rule: Rule, *, spread: bool
) -> np.ndarray:
    """A parameter that may differ between groups, batches or cells, checked; shape (n,).

    Parameters
    ----------
    name, value
        The parameter: a number, or a list of numbers.
    kind, n
        For each of what there is a number, in the singular, and how many of them there are.
    rule
        What each of the numbers may be.
    spread
        Whether a single number may stand for all of them.
    """
    if np.ndim(value) > 1 or isinstance(value, str):
        raise ValueError(f"`{name}` must be a number or a list of numbers, got {value!r}.")
    numbers = list(value) if np.ndim(value) == 1 else [value]
    if len(numbers) != n and not (spread and np.ndim(value) == 0):
        alone = "one number, or " if spread and n > 1 else ""
        many = f"a list of {n:,}, one for each {kind}" if n > 1 else "one number"
        raise ValueError(f"`{name}` must be {alone}{many}; got {len(numbers):,}.")
    for i, number in enumerate(numbers):
        require(rule, **{name if np.ndim(value) == 0 else f"{name}[{i}]": number})
    return np.broadcast_to(np.array(numbers, dtype=float), n)


def distribution(group_prob: Sequence[float]) -> np.ndarray:
    """The probabilities of the groups, checked; shape (n_groups,)."""
    if np.ndim(group_prob) != 1:
        raise ValueError(f"`group_prob` must be a list of probabilities, got {group_prob!r}.")
    for group, prob in enumerate(group_prob):
        require(PROBABILITY, **{f"group_prob[{group}]": prob})
    total = math.fsum(group_prob)
    if not math.isclose(total, 1, abs_tol=1e-6):
        raise ValueError(
            f"`group_prob` must sum to 1, got {group_prob!r}, which sums to {total:g}."
        )
    return np.array(group_prob, dtype=float) / total


def cells_of_batches(n_cells: int | None, batch_cells: Sequence[int] | int | None) -> list[int]:
    """Number of cells of each batch, from either parameter or both, checked."""
    if batch_cells is None:
        if n_cells is None:
            raise ValueError("`n_cells`, or `batch_cells` with the size of each batch, is needed.")
        require(POSITIVE_INTEGER, n_cells=n_cells)
        return [int(n_cells)]
    sizes = list(batch_cells) if np.ndim(batch_cells) else [batch_cells]
    if not sizes:
        raise ValueError("`batch_cells` must be a list of at least one size, got [].")
    for batch, size in enumerate(sizes):
        require(POSITIVE_INTEGER, **{f"batch_cells[{batch}]": size})
    if n_cells is not None and n_cells != sum(sizes):
        raise ValueError(
            f"`n_cells` must be the sum of `batch_cells`, {sum(sizes)}, or left out; got {n_cells!r}."
        )
    return [int(size) for size in sizes]
