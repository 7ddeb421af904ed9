"""The imputation error by expression: of eighths of the genes, or of eighths of the entries.

Which of the two the paper's Fig. 2b shows is not stated, so both have a name. Values are on the scale
of `scscope.data.log_normalised`; 0 is best, there is no upper bound. Octile 1 is the lowest.
"""

import numpy as np

from scscope.metrics.imputation import aligned, imputation_error

N_OCTILES = 8


def gene_octile_error(
    true: np.ndarray, predicted: np.ndarray, octile: np.ndarray, *, number: int
) -> float:
    """Mean absolute difference over missed entries of the genes of one octile of expression.

    Parameters
    ----------
    true, predicted
        Values at the targets, shape (n_targets,).
    octile
        Octile, 1 to 8, of the gene of each target: see `octiles`.
    number
        Which one. NaN where no missed entry is of it.
    """
    true, predicted = aligned(true, predicted)
    chosen = np.asarray(octile) == number
    return imputation_error(true[chosen], predicted[chosen])


def entry_octile_error(true: np.ndarray, predicted: np.ndarray, *, number: int) -> float:
    """Mean absolute difference over one octile of the missed entries, by their true value."""
    true, predicted = aligned(true, predicted)
    missed = true > 0
    chosen = octiles(true[missed]) == number
    return imputation_error(true[missed][chosen], predicted[missed][chosen])


def octiles(values: np.ndarray) -> np.ndarray:
    """Octile of each value, 1 (lowest) to 8: eight parts of equal number, as far as n is divisible.

    Ties are parted by their order, so that every part has its number; shape (n,).
    """
    order = np.argsort(np.asarray(values), kind="stable")
    octile = np.empty(len(order), dtype=np.int64)
    octile[order] = 1 + np.arange(len(order)) * N_OCTILES // max(len(order), 1)
    return octile
