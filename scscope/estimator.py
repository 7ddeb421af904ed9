"""`ScScope`: fit, transform, impute, save and load, as a user of the method calls it."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from scscope.inputs import Input, columns_of, read_input
from scscope.model import new_network
from scscope.settings import settings_of
from scscope.store import load_folder, save_folder
from scscope.train import apply, train
from scscope.train.devices import threads_for, train_on_devices, use_threads
from scscope.train.workers import take_device

if TYPE_CHECKING:
    from anndata import AnnData

OBSM = "X_scscope"
KIND = "model"


class ScScope:
    """scScope (Deng et al., Nature Methods 2019).

    Data are cells x genes, finite and non-negative, and taken as they are; nothing is scaled. What
    scale they are on decides more than anything else: see `scscope.data.scaled`. They may be
    AnnData (in memory or backed), a path to .h5ad or .zarr, a sparse matrix or an array. Files
    larger than `memory_mb` are streamed.

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
        Cells of a minibatch, on each device.
    max_epochs
        Epochs at most.
    stopping, epochs_per_check, tolerance, held_out, patience
        When to stop before, see `scscope.settings.Settings`.
    precision
        "float32", or "bfloat16" for the factors of matrix products while training, where the
        device has instructions for it; `record_["engine"]` says what was done.
    batch_key
        Column of `obs` with batches, whose effect is learned and removed.
    layer
        Layer to take instead of `X`.
    seed
        Seed of initial weights and minibatches. Same seed, device and threads: same result.
    device
        "cpu" or "cuda".
    n_devices
        Devices to train on, each with minibatches of its own. Inside `torchrun` its workers count,
        and this is left at 1.
    threads
        Threads to train with; None chooses by the size of the work, at most
        `torch.get_num_threads()`.
    memory_mb
        Memory that data on disk may take, MiB; None is half of what is free.
    **settings
        Any further field of `scscope.settings.Settings`.

    Attributes
    ----------
    history_ : dict
        Columns "epoch", "loss", "error", one row for each epoch.
    record_ : dict
        How training went: "stopped" (why), "epochs", "steps", "seconds", "engine", "device",
        "threads", "n_devices".
    genes_, batches_ : np.ndarray or None
        Names of genes and batches.

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
    >>> model.record_["stopped"]
    'max_epochs'
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
        stopping: str | None = None,
        epochs_per_check: int | None = None,
        tolerance: float | None = None,
        held_out: float | None = None,
        patience: int | None = None,
        precision: str | None = None,
        batch_key: str | None = None,
        layer: str | None = None,
        seed: int = 0,
        device: str = "cpu",
        n_devices: int = 1,
        threads: int | None = None,
        memory_mb: float | None = None,
        **settings,
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
            stopping=stopping,
            epochs_per_check=epochs_per_check,
            tolerance=tolerance,
            held_out=held_out,
            patience=patience,
            precision=precision,
            **settings,
        )
        check_run(seed=seed, device=device, n_devices=n_devices, threads=threads)
        self.batch_key = batch_key
        self.layer = layer
        self.seed = seed
        self.device = device
        self.n_devices = n_devices
        self.threads = threads
        self.memory_mb = memory_mb

    def fit(
        self,
        data,
        *,
        checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 600,
        max_seconds: float = float("inf"),
    ) -> Self:
        """Train on data of shape (n_cells, n_genes).

        Parameters
        ----------
        data
            See the class.
        checkpoint
            Folder in which the training is kept while it runs. The same call goes on from there.
        checkpoint_seconds
            Time between checkpoints.
        max_seconds
            Time after which training stops; what was learned until then stands.

        Raises
        ------
        ValueError
            The data hold NaN, infinite or negative values, are all zero or a single cell, or lack
            `batch_key`; the checkpoint is of another training.
        scscope.errors.Diverged
            The loss is no longer finite, or rises without bounds.
        """
        take_device(self.device)
        given = self._read(data)
        self._check_for_fit(given)
        self.genes_ = given.genes
        self.batches_ = None if given.batch is None else np.unique(given.batch)
        given.source.batch = self._batch_index(given.batch)
        self._fitted = given
        n_batches = 1 if self.batches_ is None else len(self.batches_)
        options = {
            "seed": self.seed,
            "device": self.device,
            "checkpoint": checkpoint,
            "checkpoint_seconds": checkpoint_seconds,
            "max_seconds": max_seconds,
        }
        source, settings = given.source, self.settings
        network = new_network(source.shape[1], n_batches, settings, self.seed).to(self.device)
        available = max(1, torch.get_num_threads() // self.n_devices)
        threads = self.threads or threads_for(settings.batch_size * source.shape[1], available)
        if self.n_devices == 1:
            with use_threads(threads):
                history, record = train(network, source, settings, **options)
        else:
            weights, history, record = train_on_devices(
                source,
                settings,
                n_devices=self.n_devices,
                n_batches=n_batches,
                threads=threads,
                **options,
            )
            network.load_state_dict(weights)
        self.network_, self.history_, self.record_ = network, history, record
        return self

    def transform(self, data=None) -> np.ndarray:
        """Latent codes of all passes side by side, shape (n_cells, n_steps x n_latent).

        Parameters
        ----------
        data
            Cells, those of `fit` by default. Genes are matched by name.
        """
        given = self._prepared(data)
        width = self.settings.n_steps * self.settings.n_latent
        latent = np.empty((given.source.shape[0], width), dtype=np.float32)
        for cells, passes in apply(self.network_, given.source, self.device):
            latent[cells] = torch.cat(passes.latents, dim=1).cpu().numpy()
        return latent

    def fit_transform(self, data, **limits) -> np.ndarray:
        """`fit`, then `transform` the same cells."""
        return self.fit(data, **limits).transform()

    def annotate(self, adata: "AnnData", key: str = OBSM) -> None:
        """Put the latent codes of all cells into `adata.obsm[key]`, as scanpy's tools do."""
        adata.obsm[key] = self.transform(adata)

    def impute(self, cells, genes, data=None) -> np.ndarray:
        """Values that the last pass predicts, on the scale of the input.

        Parameters
        ----------
        cells, genes
            Indices of the wanted entries, shape (n,); genes in the order of `genes_`.
        data
            Cells to impute; those of `fit` by default.

        Returns
        -------
        np.ndarray
            Shape (n,). Only cells that are asked for go through the network.
        """
        source = self._prepared(data).source
        cells, genes = np.asarray(cells, dtype=np.int64), np.asarray(genes, dtype=np.int64)
        _check_entries(cells, genes, source.shape)
        order = np.argsort(cells, kind="stable")
        wanted, first = np.unique(cells[order], return_index=True)
        bounds = np.append(first, len(cells))
        values = np.empty(len(cells), dtype=np.float32)
        done = 0
        for chunk, passes in apply(self.network_, source, self.device, wanted):
            entries = order[bounds[done] : bounds[done + len(chunk)]]
            row = np.searchsorted(chunk, cells[entries])
            values[entries] = passes.outputs[-1].cpu().numpy()[row, genes[entries]]
            done += len(chunk)
        return values

    def impute_to(self, path: str | Path, data=None) -> None:
        """Write all values that the last pass predicts to an .h5ad file, some cells at a time.

        Its `X` is dense, (n_cells, n_genes), on the scale of the input, genes in the order of
        `genes_`; observed entries are predicted too.

        Raises
        ------
        OSError
            No space, no permission; nothing is left then.
        """
        from scscope.outputs import write_rows

        given = self._prepared(data)
        rows = (
            passes.outputs[-1].cpu().numpy()
            for _, passes in apply(self.network_, given.source, self.device)
        )
        write_rows(path, rows, given.source.shape, cells=given.cells, genes=self.genes_)

    def save(self, folder: str | Path) -> None:
        """Write the model to a folder, as safetensors and JSON; the training data are not kept.

        Raises
        ------
        OSError
            No space, no permission; a model that was there before is still whole then.
        """
        self._check_is_fitted()
        names = {
            name: None if values is None else values.tolist()
            for name, values in (("genes", self.genes_), ("batches", self.batches_))
        }
        history = {
            name: [None if value != value else value for value in column]
            for name, column in self.history_.items()
        }
        facts = {
            "settings": asdict(self.settings),
            "n_genes": self._n_genes,
            **names,
            "batch_key": self.batch_key,
            "layer": self.layer,
            "seed": self.seed,
            "history": history,
            "record": self.record_,
        }
        save_folder(folder, KIND, dict(self.network_.state_dict()), facts)

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "cpu") -> Self:
        """Read a model that `save` wrote.

        Raises
        ------
        FileNotFoundError
            There is none.
        ValueError
            It is damaged, was changed, or was written by a later version.
        """
        tensors, facts = load_folder(folder, KIND)
        try:
            model = cls(
                batch_key=facts["batch_key"],
                layer=facts["layer"],
                seed=facts["seed"],
                device=device,
                **facts["settings"],
            )
            for name in ("genes", "batches"):
                names = facts[name]
                setattr(model, f"{name}_", None if names is None else np.array(names, dtype=str))
            n_batches = 1 if model.batches_ is None else len(model.batches_)
            network = new_network(facts["n_genes"], n_batches, model.settings, 0)
            network.load_state_dict(tensors)
            history = facts["history"].items()
            model.history_ = {
                name: [float("nan") if value is None else value for value in column]
                for name, column in history
            }
            model.record_ = facts["record"]
        except (KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"The model in '{folder}' is damaged: {error}.") from error
        model.network_ = network.to(device)
        model._fitted = None
        return model

    @property
    def batch_effect_(self) -> np.ndarray | None:
        """Learned effect of each batch, shape (n_batches, n_genes); None without batches."""
        self._check_is_fitted()
        effect = self.network_.batch_effect
        return None if effect is None else effect.detach().cpu().numpy()

    @property
    def _n_genes(self) -> int:
        return self.network_.encode[0].in_features

    def _read(self, data) -> Input:
        return read_input(
            data, layer=self.layer, batch_key=self.batch_key, memory_mb=self.memory_mb
        )

    def _check_for_fit(self, given: Input) -> None:
        n_cells, n_genes = given.source.shape
        if given.is_zero:
            raise ValueError("All values are zero: there is nothing to learn.")
        if n_cells < 2:
            raise ValueError("The data hold a single cell: there is nothing to compare it with.")
        if given.batch is not None and len(np.unique(given.batch)) < 2:
            raise ValueError(
                f"All cells are of one batch, '{given.batch[0]}', in column {self.batch_key!r}: "
                "there is no batch effect to learn. Leave `batch_key` out."
            )
        if self.settings.n_latent > n_genes:
            import warnings

            warnings.warn(
                f"`n_latent` = {self.settings.n_latent} is more than the {n_genes} genes of the "
                "data: the codes compress nothing.",
                stacklevel=3,
            )

    def _prepared(self, data) -> Input:
        """Data to apply the model to, genes in its order."""
        self._check_is_fitted()
        if data is None:
            if self._fitted is None:
                raise ValueError("A loaded model has no cells of its own: name the `data`.")
            return self._fitted
        given = self._read(data)
        columns = columns_of(given.genes, self.genes_, given.source.shape[1], self._n_genes)
        source = given.source if columns is None else given.source.reordered(columns)
        source.batch = self._batch_index(given.batch)
        return replace(given, source=source)

    def _check_is_fitted(self) -> None:
        if not hasattr(self, "network_"):
            raise RuntimeError("This model is not fitted: call `fit` first.")

    def _batch_index(self, batch: np.ndarray | None) -> np.ndarray | None:
        if batch is None:
            return None
        unseen = sorted(set(batch) - set(self.batches_))
        if unseen:
            raise ValueError(
                f"Batch '{unseen[0]}' was not seen by `fit`. Known batches: "
                f"{', '.join(self.batches_)}."
            )
        return np.searchsorted(self.batches_, batch)


def check_run(*, seed: int, device: str, n_devices: int, threads: int | None) -> None:
    """Refuse what no run can use."""
    for name, value, least in (
        ("seed", seed, 0),
        ("n_devices", n_devices, 1),
        ("threads", threads, 1),
    ):
        is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not (value is None and name == "threads") and not (is_integer and value >= least):
            raise ValueError(f"`{name}` must be an integer of at least {least}, got {value!r}.")
    if device not in ("cpu", "cuda"):
        raise ValueError(f"`device` must be 'cpu' or 'cuda', got {device!r}.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("`device` is 'cuda' but PyTorch finds no GPU here; take device='cpu'.")


def _check_entries(cells: np.ndarray, genes: np.ndarray, shape: tuple[int, int]) -> None:
    if cells.shape != genes.shape:
        raise ValueError(f"`cells` has shape {cells.shape} but `genes` has {genes.shape}.")
    for name, index, size in (("cells", cells, shape[0]), ("genes", genes, shape[1])):
        if len(index) and not 0 <= index.min() <= index.max() < size:
            raise ValueError(f"`{name}` must be in [0, {size}), got up to {index.max()}.")
