"""Whether a method keeps the contract: its function is called on small simulated data and watched."""

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from scscope.data import SCALES, Dataset, Scaled, scaled
from scscope.errors import NotApplicable
from scscope.methods.fit import Fit, as_fit, checked_labels, checked_latent, checked_values

OK, FAILED, NOTE = "ok", "FAILED", "note"


@dataclass(frozen=True)
class Finding:
    """What one test found: `state` is "ok", "FAILED", or "note" for what is neither."""

    state: str
    what: str
    words: str = ""


def simulated(n_cells: int, n_genes: int, seed: int = 0) -> Dataset:
    """Counts of three groups in two batches, most of them zeros."""
    from scipy import sparse

    rng = np.random.default_rng(seed)
    label = rng.choice(["a", "b", "c"], n_cells)
    rate = {group: rng.gamma(0.5, 4.0, n_genes) for group in "abc"}
    counts = rng.poisson([rate[group] for group in label]).astype(np.float32)
    counts[np.arange(n_cells), rng.integers(n_genes, size=n_cells)] += 1  # no cell is empty
    return Dataset(
        X=sparse.csr_matrix(counts),
        cells=np.array([f"cell{i}" for i in range(n_cells)]),
        genes=np.array([f"gene{j}" for j in range(n_genes)]),
        values="counts",
        label=label,
        batch=rng.choice(["x", "y"], n_cells),
        hash="",
    )


def check_method(
    method: Callable,
    *,
    scale: str = "log",
    params: dict | None = None,
    n_cells: int = 300,
    n_genes: int = 100,
    device: str = "cpu",
) -> Iterator[Finding]:
    """Try a method; each test gives a finding as soon as it is done.

    Parameters
    ----------
    method
        A function `(data, *, seed, device, **params)` that returns a latent of shape (n_cells,
        n_latent), or a `scscope.methods.fit.Fit`.
    scale
        The scale that it is given, one of `scscope.data.SCALES`.
    params
        Its parameters.
    n_cells, n_genes
        Size of the data.
    device
        "cpu" or "cuda".
    """
    if scale not in SCALES:
        raise ValueError(f"Unknown scale {scale!r}. Known scales: {', '.join(SCALES)}.")
    data = scaled(simulated(n_cells, n_genes), scale)
    before = _content(data)

    def call(given: Scaled, seed: int) -> Fit:
        return as_fit(method(given, seed=seed, device=device, **(params or {})))

    started = perf_counter()
    first = _attempt(lambda: call(data, 1))
    if not isinstance(first, Fit):
        yield Finding(FAILED, "runs", _where(first))
        return
    seconds = perf_counter() - started
    yield Finding(OK, "runs", f"on {n_cells} cells x {n_genes} genes, scale {scale}")
    yield _tried("leaves its input as it is", lambda: _same_content(before, _content(data)))
    yield from _shapes(first, n_cells)
    if first.impute is not None:
        yield _tried("imputes single entries", lambda: _check_impute(first, data))

    again = _attempt(lambda: call(_fresh(data), 1))
    if isinstance(again, Fit):
        yield _tried("same seed, same result", lambda: _check_same(first, again))
        other = _attempt(lambda: call(_fresh(data), 2))
        if isinstance(other, Fit):
            differs = not _equal(first, other)
            words = "another seed, another result" if differs else "the seed changes nothing"
            yield Finding(NOTE, words)
    for result in (again, *([] if not isinstance(again, Fit) else [other])):
        if not isinstance(result, Fit):
            yield Finding(FAILED, "runs again", _where(result))
    small = scaled(simulated(n_cells // 2 + 1, n_genes // 2 + 1, seed=1), scale)
    yield _tried("runs on another shape", lambda: _check_other_shape(call(small, 1), small))
    no_batch = replace(_fresh(data), batch=None)
    yield _tried("runs without batches", lambda: _check_other_shape(call(no_batch, 1), no_batch))
    yield Finding(
        NOTE, f"{1000 * seconds / n_cells:.3g} s per 1,000 cells", "first call, imports too"
    )


def _shapes(fit: Fit, n_cells: int) -> Iterator[Finding]:
    if fit.latent is None and fit.impute is None and fit.labels is None:
        yield Finding(FAILED, "gives something", "its Fit holds no latent, no impute, no labels")
    if fit.latent is not None:
        finding = _tried("latent: shape, all finite", lambda: checked_latent(fit.latent, n_cells))
        shape = np.shape(fit.latent)
        yield replace(finding, words=f"{shape}") if finding.state == OK else finding
    if fit.labels is not None:
        yield _tried("labels: one for each cell", lambda: checked_labels(fit.labels, n_cells))


def _tried(what: str, test: Callable) -> Finding:
    end = _attempt(test)
    if isinstance(end, NotApplicable):
        return Finding(NOTE, what, f"not applicable: {end}")
    return Finding(FAILED, what, _where(end)) if isinstance(end, Exception) else Finding(OK, what)


def _attempt(call: Callable) -> object:
    """What a call returns, or the error that it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever a method raises is a finding
        return error


def _where(error: Exception) -> str:
    """An error in a line, with the place in the method's own file."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    own = isinstance(error, ValueError | TypeError | AssertionError) and "scscope" in place.filename
    where = "" if own else f" ({place.filename}, line {place.lineno})"
    return f"{type(error).__name__}: {error}{where}"


def _fresh(data: Scaled) -> Scaled:
    return replace(data, X=data.X.copy(), total=data.total.copy(), unit=data.unit.copy())


def _content(data: Scaled) -> dict[str, np.ndarray]:
    arrays = {"X.data": data.X.data, "X.indices": data.X.indices, "X.indptr": data.X.indptr}
    arrays |= {name: getattr(data, name) for name in ("total", "unit", "cells", "genes", "batch")}
    return {name: array.copy() for name, array in arrays.items()}


def _same_content(before: dict, after: dict) -> None:
    for name, array in before.items():
        if not np.array_equal(array, after[name]):
            raise ValueError(f"`data.{name}` was changed: work on a copy.")


def _check_impute(fit: Fit, data: Scaled) -> None:
    rng = np.random.default_rng(0)
    cells, genes = (rng.integers(n, size=50) for n in data.X.shape)
    values = checked_values(fit.impute(cells, genes), 50)
    if (values < 0).any():
        raise ValueError("Imputed values are negative: they are log1p(value x L / n_c).")
    turned = checked_values(fit.impute(cells[::-1], genes[::-1]), 50)[::-1]
    if not np.allclose(values, turned, rtol=1e-4, atol=1e-6):
        raise ValueError("Imputed values depend on the order in which entries are asked for.")
    checked_values(fit.impute(cells[:0], genes[:0]), 0)


def _check_other_shape(fit: Fit, data: Scaled) -> None:
    if fit.latent is not None:
        checked_latent(fit.latent, data.X.shape[0])
    if fit.labels is not None:
        checked_labels(fit.labels, data.X.shape[0])


def _check_same(first: Fit, again: Fit) -> None:
    if _equal(first, again):
        return
    words = ""
    if first.latent is not None and np.shape(first.latent) == np.shape(again.latent):
        difference = np.abs(np.asarray(first.latent) - np.asarray(again.latent)).max()
        words = f" (up to {difference:.3g})"
    raise ValueError(
        f"Two calls with one seed differ{words}: take every random number from `seed`."
    )


def _equal(first: Fit, second: Fit) -> bool:
    pairs = ((first.latent, second.latent), (first.labels, second.labels))
    return all(
        (a is None) == (b is None) and (a is None or np.array_equal(np.asarray(a), np.asarray(b)))
        for a, b in pairs
    )
