"""`ScScope`: fit, transform and impute, as a user of the method calls it."""

from typing import Self

import numpy as np
import torch
from scipy import sparse

from scscope.model import Network
from scscope.settings import settings_of
from scscope.train import apply, train


class ScScope:
    """scScope (Deng et al., Nature Methods 2019).

    Data are taken as they are, cells x genes, finite and non-negative; nothing is scaled. What
    scale they are on decides more than anything else: see `scscope.data.scaled`.

    Parameters
    ----------
    preset
        "paper": as the article describes it. "package": defaults of the released code. A preset
        sets what is left at None below.
    n_latent
        Latent units M of one pass.
    n_steps
        Passes T. 1 is a plain autoencoder without imputation.
    encoder_layers, decoder_layers
        Widths of further dense layers.
    imputer_width
        Units of the imputer's hidden layer.
    use_mask
        Count only observed entries in the loss.
    learning_rate, beta1
        Of Adam.
    batch_size
        Cells of a minibatch.
    max_epochs
        Epochs at most.
    epochs_per_check, tolerance
        Stop when the masked error changes by less than this share between two checks.
    batch_key
        Column of `obs` with batches, whose effect is learned and removed.
    layer
        Layer to take instead of `X`.
    seed
        Seed of initial weights and minibatches. Same seed, device and threads: same result.
    device
        "cpu" or "cuda".

    Examples
    --------
    >>> import numpy as np
    >>> from scscope import ScScope
    >>> counts = np.random.default_rng(0).poisson(1.0, size=(200, 30)).astype("float32")
    >>> model = ScScope(preset="paper", n_latent=5, max_epochs=2, seed=0).fit(counts)
    >>> model.transform(counts).shape  # (n_cells, n_steps x n_latent)
    (200, 10)
    >>> model.impute([0, 0], [3, 7]).shape  # predicted values at two entries of the first cell
    (2,)
    """

    def __init__(
        self,
        *,
        preset: str = "paper",
        n_latent: int | None = None,
        n_steps: int | None = None,
        encoder_layers: tuple[int, ...] | None = None,
        decoder_layers: tuple[int, ...] | None = None,
        imputer_width: int | None = None,
        use_mask: bool | None = None,
        learning_rate: float | None = None,
        beta1: float | None = None,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        epochs_per_check: int | None = None,
        tolerance: float | None = None,
        batch_key: str | None = None,
        layer: str | None = None,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.settings = settings_of(
            preset,
            n_latent=n_latent,
            n_steps=n_steps,
            encoder_layers=encoder_layers,
            decoder_layers=decoder_layers,
            imputer_width=imputer_width,
            use_mask=use_mask,
            learning_rate=learning_rate,
            beta1=beta1,
            batch_size=batch_size,
            max_epochs=max_epochs,
            epochs_per_check=epochs_per_check,
            tolerance=tolerance,
        )
        self.batch_key = batch_key
        self.layer = layer
        self.seed = seed
        self.device = device

    def fit(self, data) -> Self:
        """Train on AnnData, a CSR matrix or an array of shape (n_cells, n_genes).

        Raises
        ------
        ValueError
            The data hold NaN, infinite or negative values, are all zero, or lack `batch_key`.
        scscope.errors.Diverged
            The loss is no longer finite.
        """
        X = self._values(data).copy()  # kept for `impute`, whatever becomes of the caller's
        if X.nnz == 0:
            raise ValueError("All values are zero: there is nothing to learn.")
        batch = self._batches(data)
        self.batches_ = None if batch is None else np.unique(batch)
        self.genes_ = _names(data, "var_names")
        index = self._batch_index(batch)

        generator = torch.Generator().manual_seed(self.seed)
        n_batches = 1 if self.batches_ is None else len(self.batches_)
        network = Network(X.shape[1], n_batches, self.settings, generator)
        self.network_ = network.to(self.device)
        self.history_ = train(
            self.network_, X, index, self.settings, seed=self.seed, device=self.device
        )
        self._fitted = (X, index)
        return self

    def transform(self, data) -> np.ndarray:
        """Latent codes of all passes side by side, shape (n_cells, n_steps x n_latent)."""
        X, index = self._prepared(data)
        latents = [
            torch.cat(passes.latents, dim=1).cpu().numpy()
            for _, passes in apply(self.network_, X, index, self.device)
        ]
        return np.concatenate(latents)

    def impute(self, cells, genes, data=None) -> np.ndarray:
        """Values that the last pass predicts, on the scale of the input.

        Parameters
        ----------
        cells, genes
            Indices of the wanted entries, shape (n,).
        data
            Cells to impute; those of `fit` by default.

        Returns
        -------
        np.ndarray
            Shape (n,). Only cells that are asked for go through the network.
        """
        X, index = self._prepared(data)
        cells, genes = np.asarray(cells, dtype=np.int64), np.asarray(genes, dtype=np.int64)
        _check_entries(cells, genes, X.shape)
        order = np.argsort(cells, kind="stable")
        wanted, first = np.unique(cells[order], return_index=True)
        bounds = np.append(first, len(cells))
        values = np.empty(len(cells), dtype=np.float32)
        done = 0
        for chunk, passes in apply(self.network_, X, index, self.device, wanted):
            entries = order[bounds[done] : bounds[done + len(chunk)]]
            row = np.searchsorted(chunk, cells[entries])
            values[entries] = passes.outputs[-1].cpu().numpy()[row, genes[entries]]
            done += len(chunk)
        return values

    @property
    def batch_effect_(self) -> np.ndarray | None:
        """Learned effect of each batch, shape (n_batches, n_genes); None without batches."""
        self._check_is_fitted()
        effect = self.network_.batch_effect
        return None if effect is None else effect.detach().cpu().numpy()

    def _prepared(self, data) -> tuple[sparse.csr_matrix, np.ndarray | None]:
        self._check_is_fitted()
        if data is None:
            return self._fitted
        X = self._values(data)
        genes = _names(data, "var_names")
        n_genes = self._fitted[0].shape[1]
        if X.shape[1] != n_genes:
            raise ValueError(
                f"The model was fitted on {n_genes} genes, the data have {X.shape[1]}."
            )
        if genes is not None and self.genes_ is not None and not np.array_equal(genes, self.genes_):
            place = np.flatnonzero(genes != self.genes_)[0]
            raise ValueError(
                f"Gene {place} is '{genes[place]}' but the model was fitted with "
                f"'{self.genes_[place]}': bring the genes into the order of `genes_`."
            )
        return X, self._batch_index(self._batches(data))

    def _check_is_fitted(self) -> None:
        if not hasattr(self, "network_"):
            raise RuntimeError("This model is not fitted: call `fit` first.")

    def _values(self, data) -> sparse.csr_matrix:
        values = data
        if self.layer is not None:
            if not hasattr(data, "layers") or self.layer not in data.layers:
                known = ", ".join(getattr(data, "layers", {})) or "none"
                raise ValueError(f"No layer {self.layer!r} in the data. Layers: {known}.")
            values = data.layers[self.layer]
        elif hasattr(data, "obs"):
            values = data.X
        X = sparse.csr_matrix(values, dtype=np.float32)
        if not np.isfinite(X.data).all():
            raise ValueError("The data hold NaN or infinite values: remove them first.")
        if X.nnz and X.data.min() < 0:
            raise ValueError(
                f"The data hold negative values (smallest {X.data.min():g}): scScope takes "
                "non-negative input, so do not centre the genes."
            )
        return X

    def _batches(self, data) -> np.ndarray | None:
        if self.batch_key is None:
            return None
        obs = getattr(data, "obs", None)
        if obs is None or self.batch_key not in obs:
            known = "none" if obs is None else ", ".join(obs)
            raise ValueError(f"No column {self.batch_key!r} in `obs`. Columns: {known}.")
        return obs[self.batch_key].astype(str).to_numpy()

    def _batch_index(self, batch: np.ndarray | None) -> np.ndarray | None:
        if batch is None or len(self.batches_) == 1:
            return None
        unseen = sorted(set(batch) - set(self.batches_))
        if unseen:
            raise ValueError(
                f"Batch '{unseen[0]}' was not seen by `fit`. Known batches: "
                f"{', '.join(self.batches_)}."
            )
        return np.searchsorted(self.batches_, batch)


def _names(data, attribute: str) -> np.ndarray | None:
    names = getattr(data, attribute, None)
    return None if names is None else np.asarray(names).astype(str)


def _check_entries(cells: np.ndarray, genes: np.ndarray, shape: tuple[int, int]) -> None:
    if cells.shape != genes.shape:
        raise ValueError(f"`cells` has shape {cells.shape} but `genes` has {genes.shape}.")
    for name, index, size in (("cells", cells, shape[0]), ("genes", genes, shape[1])):
        if len(index) and not 0 <= index.min() <= index.max() < size:
            raise ValueError(f"`{name}` must be in [0, {size}), got up to {index.max()}.")
