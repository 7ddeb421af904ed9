"""The paper's rule for methods that do not scale: fit random cells; the others get labels by an SVM.

In what the SVM works: in the method's own latent where the method takes new cells, else in principal
components of the input, which are the same for fitted and other cells.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from scscope.data import Scaled, Targets, median_total
from scscope.methods.fit import Fit, as_fit, checked_latent
from scscope.methods.pca import pca

N_COMPONENTS = 50
OWN, INPUT = "own latent", "principal components of the input"


@dataclass(frozen=True)
class Subset:
    """The cells that were fitted, and where all cells stand.

    Parameters
    ----------
    cells
        Indices of the fitted cells, ascending, shape (n_fitted,).
    space
        What the SVM works in, shape (n_cells, n_features), float32.
    """

    cells: np.ndarray
    space: np.ndarray


def fit_on(
    method: Callable,
    data: Scaled,
    n_fitted: int,
    subset_seed: int,
    /,
    *,
    seed: int,
    device: str,
    **params,
) -> tuple[Fit, Subset]:
    """Fit a method to random cells.

    Parameters
    ----------
    method
        Function of `scscope.methods`.
    data
        All cells, of which there are more than `n_fitted`.
    n_fitted
        Number of cells to fit.
    subset_seed
        Seed of the choice of cells.
    seed, device, **params
        Of the method.

    Returns
    -------
    tuple
        The fit of the chosen cells, which knows them by their index among all; latent and labels are
        those of the chosen cells. And the cells.
    """
    n_cells = data.X.shape[0]
    rng = np.random.default_rng(subset_seed)
    cells = np.sort(rng.choice(n_cells, n_fitted, replace=False))
    chosen = some_cells(data, cells)
    if "targets" in params:  # of a method that is told in advance what will be asked of it
        params["targets"] = some_targets(params["targets"], cells)
    fit = as_fit(method(chosen, seed=seed, device=device, **params))
    own = fit.latent is not None and fit.transform is not None
    if own:
        others = np.setdiff1d(np.arange(n_cells), cells)
        latent = checked_latent(fit.latent, n_fitted)
        space = np.empty((n_cells, latent.shape[1]), dtype=np.float32)
        space[cells] = latent
        space[others] = checked_latent(fit.transform(some_cells(data, others)), len(others))
    else:
        most = min(N_COMPONENTS, *(size - 1 for size in data.X.shape))
        space = pca(data, seed=subset_seed, device="cpu", n_latent=most).latent
    impute = fit.impute and _impute(fit, data, chosen, cells)
    record = {**fit.record, "fitted_cells": n_fitted, "svm_space": OWN if own else INPUT}
    return replace(fit, impute=impute, record=record), Subset(cells, space)


def some_cells(data: Scaled, cells: np.ndarray) -> Scaled:
    """Some cells of a dataset, on the scale that it has as a whole."""
    columns = {
        name: None if values is None else values[cells]
        for name, values in (("batch", data.batch), ("label", data.label), ("train", data.train))
    }
    return replace(
        data, X=data.X[cells], cells=data.cells[cells], total=data.total[cells], **columns
    )


def some_targets(targets: Targets, cells: np.ndarray) -> Targets:
    """The targets in some cells (ascending), numbered among these."""
    known = np.isin(targets.cell, cells)
    place = np.searchsorted(cells, targets.cell[known])
    return Targets(place, targets.gene[known], targets.value[known])


def _impute(fit: Fit, data: Scaled, chosen: Scaled, fitted: np.ndarray) -> Callable:
    """Imputation that knows a cell by its index among all, NaN where it was not fitted."""
    # Counts are brought to the median total of the fitted cells, and are compared at that of all.
    factor = 1.0
    if data.scale in ("counts", "rounded"):
        factor = median_total(data.total) / median_total(chosen.total)

    def impute(cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
        place = np.searchsorted(fitted, cells).clip(max=len(fitted) - 1)
        known = fitted[place] == cells
        values = np.full(len(cells), np.nan, dtype=np.float32)
        found = np.asarray(fit.impute(place[known], genes[known]), dtype=np.float64)
        values[known] = np.log1p(np.expm1(found) * factor) if factor != 1 else found
        return values

    return impute
