"""Principal components."""

from scscope.data import Scaled
from scscope.methods.fit import Fit


def pca(data: Scaled, *, seed: int, device: str, n_latent: int = 50) -> Fit:
    """Scores of the leading principal components of the centred input.

    scikit-learn's solver for sparse input centres without making the matrix dense.
    """
    from sklearn.decomposition import PCA

    most = min(data.X.shape) - 1
    if not 1 <= n_latent <= most:
        raise ValueError(
            f"`n_latent` must be between 1 and {most} for {data.X.shape[0]} cells and "
            f"{data.X.shape[1]} genes, got {n_latent}."
        )
    model = PCA(n_latent, svd_solver="arpack", random_state=seed)
    return Fit(latent=model.fit_transform(data.X))
