"""Controls: methods whose scores are known beforehand, between which all others have to lie."""

import numpy as np
from scipy import sparse

from scscope.data import Scaled
from scscope.errors import NotApplicable
from scscope.methods.fit import Fit, Impute


def random(data: Scaled, *, seed: int, device: str, n_latent: int = 50) -> Fit:
    """A latent that knows nothing: normal noise."""
    rng = np.random.default_rng(seed)
    return Fit(latent=rng.standard_normal((data.X.shape[0], n_latent), dtype=np.float32))


def truth(data: Scaled, *, seed: int, device: str) -> Fit:
    """The true labels, handed in as clusters: the best score that there is."""
    return Fit(labels=_labels(data))


def shuffled(data: Scaled, *, seed: int, device: str) -> Fit:
    """The true labels in random order: groups of the right sizes that know nothing."""
    return Fit(labels=np.random.default_rng(seed).permutation(_labels(data)))


def supervised(data: Scaled, *, seed: int, device: str, n_folds: int = 5) -> Fit:
    """Labels predicted by logistic regression, for each cell from the others: what the input tells.

    Multinomial, L2 with C = 1, on the input with each gene divided by its largest magnitude; folds
    keep the shares of the groups. A group with fewer cells than folds is missing in some of them.
    """
    import warnings

    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler

    label = _labels(data)
    largest = np.unique(label, return_counts=True)[1].max()
    if len(set(label)) < 2 or largest < 2:
        raise NotApplicable("Supervised labels need two groups, and one of at least two cells.")
    folds = StratifiedKFold(min(n_folds, int(largest)), shuffle=True, random_state=seed)
    model = make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return Fit(labels=cross_val_predict(model, data.X, label, cv=folds))


def no_imputation(data: Scaled, *, seed: int, device: str) -> Fit:
    """The observed value: 0 at every entry that was missed."""

    def impute(cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
        return data.to_log(np.asarray(data.X[cells, genes]).ravel(), cells, genes)

    return Fit(impute=impute)


def gene_mean(data: Scaled, *, seed: int, device: str, zeros: bool = False) -> Fit:
    """The mean of the gene over the cells in which it was observed, on the input scale.

    With `zeros`, over all cells: what to expect of molecules that were hidden by thinning.
    """
    X = data.X if data.train is None else data.X[data.train]
    mean = _gene_mean(X) if zeros else nonzero_mean(X)
    return Fit(impute=lambda cells, genes: data.to_log(mean[genes], cells, genes))


def group_mean(data: Scaled, *, seed: int, device: str, zeros: bool = False) -> Fit:
    """The mean of the gene over the cells of the same true group in which it was observed.

    A gene that was never observed in a group gets its mean over all groups. With `zeros`, the mean
    is over all cells of the group.
    """
    groups, group = np.unique(_labels(data), return_inverse=True)
    of_group = [data.X[group == g] for g in range(len(groups))]
    if zeros:
        means = np.array([_gene_mean(X) for X in of_group])
    else:
        overall = nonzero_mean(data.X)
        means = np.array([nonzero_mean(X, overall) for X in of_group])
    return Fit(impute=_lookup(data, means, group))


def nonzero_mean(X: sparse.csr_matrix, default: np.ndarray | float = 0.0) -> np.ndarray:
    """Mean of each gene over its non-zero entries, `default` where it has none; (n_genes,)."""
    total = np.bincount(X.indices, weights=X.data, minlength=X.shape[1])
    n_observed = np.bincount(X.indices, minlength=X.shape[1])
    mean = np.broadcast_to(np.asarray(default, dtype=np.float64), total.shape).copy()
    return np.divide(total, n_observed, out=mean, where=n_observed > 0)


def _gene_mean(X: sparse.csr_matrix) -> np.ndarray:
    """Mean of each gene over all cells, (n_genes,)."""
    return np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()


def _lookup(data: Scaled, means: np.ndarray, group: np.ndarray) -> Impute:
    def impute(cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
        return data.to_log(means[group[cells], genes], cells, genes)

    return impute


def _labels(data: Scaled) -> np.ndarray:
    if data.label is None:
        raise NotApplicable("This control needs true labels and the dataset has none.")
    return data.label
