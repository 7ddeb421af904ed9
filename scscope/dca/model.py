"""`DCA`: fit, transform and impute."""

from typing import Self

import numpy as np
import torch
from scipy import sparse

from scscope.data import cell_totals
from scscope.dca.network import Network
from scscope.dca.scaling import scaling_of
from scscope.dca.settings import Settings
from scscope.dca.train import train
from scscope.sources import InMemory


class DCA:
    """Deep count autoencoder (Eraslan et al., Nature Communications 2019).

    Parameters
    ----------
    seed
        Seed of initial weights, validation cells and minibatches. Same seed, device and threads:
        same result.
    device
        "cpu" or "cuda".
    **settings
        Fields of `scscope.dca.settings.Settings`.

    Attributes
    ----------
    history_ : dict
        Columns "epoch", "loss", "error" (of the validation cells), "learning_rate".
    record_ : dict
        How training went.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scscope.dca.model import DCA
    >>> counts = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, size=(200, 30)))
    >>> model = DCA(distribution="nb", max_epochs=2, seed=0).fit(counts)
    >>> model.transform().shape
    (200, 32)
    >>> model.impute([0, 0], [3, 7]).shape  # expected counts of two genes of the first cell
    (2,)
    """

    def __init__(self, *, seed: int = 0, device: str = "cpu", **settings):
        self.settings = Settings(**settings)
        self.seed, self.device = seed, device

    def fit(self, counts: sparse.csr_matrix) -> Self:
        """Train on counts, CSR of shape (n_cells, n_genes); empty cells are left out.

        Raises
        ------
        ValueError
            They are negative or no whole numbers, or of fewer than two cells that are not empty.
        scscope.errors.Diverged
            The loss is no longer finite.
        """
        counts = _checked(counts)
        total = cell_totals(counts)
        rows = np.flatnonzero(total > 0)
        if int(len(rows) * (1 - self.settings.validation)) in (0, len(rows)):
            raise ValueError(
                f"{len(rows)} cells hold counts: too few to train on some and validate on "
                f"{self.settings.validation:.0%} of them."
            )
        fitted = counts if len(rows) == counts.shape[0] else counts[rows]
        generator = torch.Generator().manual_seed(self.seed)
        self.network_ = Network(counts.shape[1], self.settings, generator).to(self.device)
        self.scaling_ = scaling_of(fitted, total[rows], self.device)
        part = next(InMemory(fitted).parts(np.random.default_rng(0), 1, self.device))
        self.history_, self.record_ = train(
            self.network_,
            part,
            self.scaling_.size(total[rows]),
            self.scaling_,
            self.settings,
            seed=self.seed,
        )
        self._fitted = counts
        return self

    @torch.no_grad()
    def transform(self, counts: sparse.csr_matrix | None = None) -> np.ndarray:
        """The middle layer before normalisation and ReLU, shape (n_cells, n_latent).

        Parameters
        ----------
        counts
            Cells, those of `fit` by default; genes in the same order.
        """
        counts = self._fitted if counts is None else _checked(counts)
        width = self.settings.hidden_layers[self.network_.centre]
        latent = np.empty((counts.shape[0], width), dtype=np.float32)
        for cells, x in self._inputs(counts, None):
            latent[cells] = self.network_.latent(x).cpu().numpy()
        return latent

    @torch.no_grad()
    def impute(self, cells, genes) -> np.ndarray:
        """Expected counts of single entries of the fitted cells, at the median library size.

        Parameters
        ----------
        cells, genes
            Indices of the entries, shape (n,).
        """
        cells, genes = np.asarray(cells, dtype=np.int64), np.asarray(genes, dtype=np.int64)
        order = np.argsort(cells, kind="stable")
        wanted, first = np.unique(cells[order], return_index=True)
        bounds, done = np.append(first, len(cells)), 0
        values = np.empty(len(cells), dtype=np.float32)
        for chunk, x in self._inputs(self._fitted, wanted):
            entries = order[bounds[done] : bounds[done + len(chunk)]]
            row = np.searchsorted(chunk, cells[entries])
            values[entries] = self.network_(x).mean.cpu().numpy()[row, genes[entries]]
            done += len(chunk)
        return values

    def _inputs(self, counts: sparse.csr_matrix, cells: np.ndarray | None):
        self.network_.eval()
        size = self.scaling_.size(cell_totals(counts))
        for chunk, part in InMemory(counts).chunks(cells):
            x, _ = part.load(slice(None))
            factor = torch.from_numpy(size[chunk]).to(self.device)
            yield chunk, self.scaling_.of(x.to(self.device), factor)


def _checked(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    counts = sparse.csr_matrix(counts, dtype=np.float32)
    if counts.nnz and (counts.data.min() < 0 or np.any(counts.data % 1)):
        raise ValueError("DCA models counts: values must be non-negative whole numbers.")
    return counts
