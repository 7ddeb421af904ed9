"""Principal components."""

from scscope.data import Scaled
from scscope.methods.fit import Fit


def pca(data: Scaled, *, seed: int, device: str, n_latent: int = 50) -> Fit:
    """Scores of the leading principal components of the centred input.

    scikit-learn's solver for sparse input centres without making the matrix dense.
    """
    from sklearn.decomposition import PCA

    n_latent = min(n_latent, min(data.X.shape) - 1)
    model = PCA(n_latent, svd_solver="arpack", random_state=seed)
    return Fit(latent=model.fit_transform(data.X))
