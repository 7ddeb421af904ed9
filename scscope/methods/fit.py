"""What a method returns."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from scscope.data import Scaled
from scscope.errors import Diverged

Impute = Callable[[np.ndarray, np.ndarray], np.ndarray]
Transform = Callable[[Scaled], np.ndarray]


@dataclass(frozen=True)
class Fit:
    """Result of a method on one dataset.

    Parameters
    ----------
    latent
        Representation of the cells, shape (n_cells, n_latent), or None.
    impute
        Function of indices (cells, genes), each of shape (n,), that returns predicted values as
        log1p(value x L / n_c), shape (n,); see `scscope.data.Scaled.to_log`. Or None.
    transform
        Function of other cells (`scscope.data.Scaled`, genes as in the fitted ones) that returns
        their latent, shape (n_cells, n_latent), or None where the method takes no new cells.
    labels
        Clusters that the method itself found, shape (n_cells,), or None.
    history
        Columns of the training history, of equal length.
    record
        How the fit went, in a method's own words: what JSON can hold.
    """

    latent: np.ndarray | None = None
    impute: Impute | None = None
    transform: Transform | None = None
    labels: np.ndarray | None = None
    history: dict[str, list] = field(default_factory=dict)
    record: dict = field(default_factory=dict)


def as_fit(result: "Fit | np.ndarray") -> Fit:
    """What a method returned, as a `Fit`: an array is a latent."""
    if result is None:
        raise TypeError(
            "The method returned None: return an array of shape (n_cells, n_latent), or a Fit."
        )
    return result if isinstance(result, Fit) else Fit(latent=result)


def checked_latent(latent: np.ndarray, n_cells: int) -> np.ndarray:
    """`latent` as float32, refused unless it is finite and has one row for each cell."""
    latent = np.asarray(latent, dtype=np.float32)
    if latent.ndim != 2 or len(latent) != n_cells or latent.shape[1] == 0:
        raise ValueError(
            f"The latent must have shape ({n_cells}, n_latent), one row for each cell; "
            f"got {latent.shape}."
        )
    _check_finite(latent, "latent")
    return latent


def checked_labels(labels: np.ndarray, n_cells: int) -> np.ndarray:
    """`labels` as text, refused unless there is one for each cell; -1 stands for no cluster."""
    labels = np.asarray(labels).astype(str)
    if labels.shape != (n_cells,):
        raise ValueError(f"The labels must have shape ({n_cells},), got {labels.shape}.")
    return labels


def check_gives(fit: Fit, gives: list[str]) -> None:
    """Refuse a fit that does not hold just what its method is registered to give."""
    held = {"latent": fit.latent, "imputation": fit.impute, "labels": fit.labels}
    found = [name for name, value in held.items() if value is not None]
    if sorted(found) != sorted(gives):
        raise ValueError(
            f"The method is registered to give {', '.join(gives)}, but its fit holds "
            f"{', '.join(found) or 'nothing'}. What a method of your own gives is said by `gives: "
            f"[{', '.join(found) or 'latent'}]` in its entry."
        )


def checked_values(values: np.ndarray, n_targets: int) -> np.ndarray:
    """Imputed values as float32, refused unless there is a finite one for each target."""
    values = np.asarray(values, dtype=np.float32)
    if values.shape != (n_targets,):
        raise ValueError(f"Imputation must return shape ({n_targets},), got {values.shape}.")
    _check_finite(values, "imputation")
    return values


def _check_finite(array: np.ndarray, name: str) -> None:
    bad = np.size(array) - np.count_nonzero(np.isfinite(array))
    if bad:
        raise Diverged(f"The {name} holds {bad} values that are NaN or infinite.")
