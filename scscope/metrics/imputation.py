"""How well missed values are predicted, and what is predicted where nothing was missed.

A metric takes true and predicted values at the imputation targets, both of shape (n_targets,) and
on the scale of `scscope.data.log_normalised`. It is NaN where no target is of its kind.
"""

import numpy as np

# Smallest predicted mean that the Poisson deviance takes: what Batson et al.'s code adds to all.
FLOOR = 1e-6


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


def thinning_loss(true: np.ndarray, predicted: np.ndarray) -> float:
    """Mean Poisson deviance of the hidden molecules, both on the size-normalised scale, no logs.

    The hidden count is a draw, which a mean absolute error of its logarithm would reward for being
    predicted too small. The deviance is least, in the mean over draws, at the mean that they are
    drawn from, so it compares predictions of the mean (Batson et al. 2019 use the same likelihood).
    It is not 0 even there. A prediction below `FLOOR` counts as `FLOOR`: none is certain that
    nothing comes.
    """
    from sklearn.metrics import mean_poisson_deviance

    true, predicted = aligned(true, predicted)
    if not len(true):
        return float("nan")
    return float(mean_poisson_deviance(np.expm1(true), np.maximum(np.expm1(predicted), FLOOR)))


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
