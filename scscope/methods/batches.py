"""What a method that corrects batches asks of a dataset."""

import numpy as np

from scscope.errors import NotApplicable
from scscope.validation import examples


def need_two_batches(batch: np.ndarray | None) -> None:
    """Refuse data in which there is nothing to correct.

    Raises
    ------
    NotApplicable
        Unless there are two batches at least.
    """
    if batch is None or len(set(batch)) < 2:
        raise NotApplicable("`correct_batches` is asked for, but the dataset has no two batches.")


def need_known_batches(batch: np.ndarray, fitted: np.ndarray) -> None:
    """Refuse cells of batches that the method was not fitted to, so that it has no correction of theirs.

    Raises
    ------
    NotApplicable
        With the batches of `batch` that are not among those of `fitted`.
    """
    if unknown := sorted(set(batch) - set(fitted)):
        raise NotApplicable(
            f"`correct_batches` is asked for, but no cell of {examples(unknown)} was fitted: fit more "
            f"cells (`fit_on`, `validation_share`), or all."
        )
