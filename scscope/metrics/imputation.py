"""How well missed values are predicted, and what is predicted where nothing was missed.

A metric takes true and predicted values at the imputation targets, both of shape (n_targets,) and
on the scale of `scscope.data.log_normalised`. It is NaN where no target is of its kind.
"""

import numpy as np


def imputation_error(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute difference over the targets whose true value is positive."""
    true, predicted = aligned(true, predicted)
    return _mean_difference(true, predicted, true > 0)


def zero_prediction(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean predicted value, by magnitude, over the targets whose true value is 0.

    The price of over-imputing, which `imputation_error` does not see.
    """
    true, predicted = aligned(true, predicted)
    return _mean_difference(true, predicted, true == 0)


def _mean_difference(true: np.ndarray, predicted: np.ndarray, chosen: np.ndarray) -> float:
    if not chosen.any():
        return float("nan")
    return float(np.mean(np.abs(predicted[chosen] - true[chosen])))


def aligned(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64; refused where their lengths differ or a value is not finite."""
    if len(true) != len(predicted):
        raise ValueError(f"`true` has {len(true)} values but `predicted` has {len(predicted)}.")
    arrays = np.asarray(true, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    for name, array in zip(("true", "predicted"), arrays, strict=True):
        n_wrong = np.count_nonzero(~np.isfinite(array))
        if n_wrong:
            raise ValueError(f"`{name}` has {n_wrong} NaN or infinite values out of {array.size}.")
    return arrays
