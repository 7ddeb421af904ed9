"""MAGIC, by magic-impute itself."""

import numpy as np
from scipy import sparse

from scscope.data import Scaled
from scscope.methods.fit import Fit
from scscope.methods.optional import require
from scscope.methods.pca import check_n_latent

BLOCK = 2_000  # cells whose imputed values are brought to the log scale at a time


def magic(
    data: Scaled,
    *,
    seed: int,
    device: str,
    n_latent: int = 50,
    transform: str = "none",
    knn: int = 5,
    decay: float = 1,
    t: int | str = 3,
    n_pca: int = 100,
) -> Fit:
    """Impute by diffusion over neighbours (van Dijk et al., Cell 2018); defaults of magic-impute.

    The latent is the `n_latent` leading principal components of the imputed values on the log scale.

    Parameters
    ----------
    data
        Values of any scale; its authors recommend "size" with `transform: sqrt`.
    seed
        Of the principal components between which neighbours are sought, and of the genes by which
        `t: auto` judges.
    device
        Not used.
    n_latent
        Components of the latent.
    transform
        "sqrt" takes the square root of the values before, and squares what was imputed; or "none".
    knn, decay, t, n_pca
        Of `magic.MAGIC`: neighbours, decay of the kernel, steps of diffusion (or "auto"), components
        between which neighbours are sought.
    """
    if transform not in ("none", "sqrt"):
        raise ValueError(f"`transform` must be none or sqrt, got {transform!r}.")
    n_cells, n_genes = data.X.shape
    check_n_latent(n_latent, data.X.shape)
    tool = require("magic", "magic-impute")
    X = sparse.csr_matrix(data.X, dtype=np.float64)  # it refuses sparse arrays, csr_array
    if transform == "sqrt":
        X = X.sqrt()
    from sklearn.decomposition import PCA

    operator = tool.MAGIC(
        knn=knn,
        decay=decay,
        t=t,
        n_pca=n_pca if n_pca < min(X.shape) else None,
        random_state=seed % 2**32,
        n_jobs=1,
        verbose=0,
    )
    np.random.seed(seed)  # noqa: NPY002, from here the tool draws genes where t is "auto"
    # The one dense matrix that the tool itself makes; all else goes with the operator.
    imputed = operator.fit_transform(X, genes="all_genes")
    del operator, X
    for start in range(0, n_cells, BLOCK):
        rows = imputed[start : start + BLOCK]
        np.maximum(rows, 0, out=rows)
        if transform == "sqrt":
            np.square(rows, out=rows)
        cells = np.arange(start, start + len(rows))
        rows[:] = data.to_log(rows, cells[:, None], np.arange(n_genes)[None, :])
    return Fit(
        latent=PCA(n_latent, random_state=seed).fit_transform(imputed),
        impute=lambda cells, genes: imputed[cells, genes],
        record={"engine": f"magic-impute {tool.__version__}"},
    )
