"""Labels of some cells taken to all others by a linear support vector machine."""

import numpy as np

from scscope.cluster.result import UNASSIGNED

MOST_STEPS = 5_000


def extend_labels(
    labels: np.ndarray, cells: np.ndarray, space: np.ndarray, *, seed: int
) -> np.ndarray:
    """Give each cell without a label the one that a classifier trained on the others finds.

    The paper labels by "a support vector machine in latent space" what was not fitted, and leaves
    its kernel open; ours is linear, on features of unit variance, one class against the rest.

    Parameters
    ----------
    labels
        Of the labelled cells, shape (n_labelled,). Cells without a cluster (-1) teach nothing.
    cells
        Their indices among all cells, shape (n_labelled,).
    space
        Features of all cells, shape (n_cells, n_features).
    seed
        Of the classifier.

    Returns
    -------
    np.ndarray
        Shape (n_cells,); what was labelled keeps its label.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    taught = labels != UNASSIGNED
    known = np.unique(labels[taught])
    extended = np.full(len(space), known[0] if len(known) else UNASSIGNED, dtype=labels.dtype)
    if len(known) > 1:
        machine = LinearSVC(dual=False, max_iter=MOST_STEPS, random_state=seed)
        model = make_pipeline(StandardScaler(), machine)
        extended[:] = model.fit(space[cells[taught]], labels[taught]).predict(space)
    extended[cells] = labels
    return extended
