"""scVI, by scvi-tools itself."""

import logging
import warnings

import numpy as np
from scipy import sparse

from scscope.data import Scaled, cell_totals, counts_of, log_expected, median_total
from scscope.methods.batches import need_known_batches, need_two_batches
from scscope.methods.fit import Fit
from scscope.methods.optional import require

BATCH = "batch"
# Arguments of `scvi.model.SCVI` that the config may name.
MODEL_SETTINGS = ("n_hidden", "n_layers", "dropout_rate", "gene_likelihood", "dispersion")
CELLS = 4_096  # for which expected values of all genes are held at a time


def scvi(
    data: Scaled,
    *,
    seed: int,
    device: str,
    n_latent: int = 10,
    max_epochs: int | None = None,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    early_stopping: bool = False,
    correct_batches: bool | None = None,
    n_samples: int = 10,
    **model_settings,
) -> Fit:
    """Fit scVI (Lopez et al., Nature Methods 2018); defaults are those of scvi-tools.

    Parameters
    ----------
    data
        Counts, on the scale "counts" or one of `scscope.data.ROUNDED`.
    seed
        Of scvi-tools as a whole.
    device
        "cpu" or "cuda".
    n_latent
        Latent units.
    max_epochs
        Epochs; None leaves the number to scvi-tools, which takes 400 up to 20,000 cells and fewer
        beyond.
    batch_size, learning_rate, early_stopping
        Of its `train`.
    correct_batches
        Whether the model is told the dataset's batches; None does so where it has two or more.
    n_samples
        Draws of the latent over which expected values are averaged.
    **model_settings
        Further arguments of `scvi.model.SCVI`, see `MODEL_SETTINGS`.
    """
    counts = counts_of(data)
    n_batches = 0 if data.batch is None else len(set(data.batch))
    if correct_batches:
        need_two_batches(data.batch)
    if correct_batches is None:
        correct_batches = n_batches > 1
    tools = quiet(seed)
    annotated = _annotated(counts, data.batch if correct_batches else None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tools.model.SCVI.setup_anndata(annotated, batch_key=BATCH if correct_batches else None)
        model = tools.model.SCVI(annotated, n_latent=n_latent, **model_settings)
        model.train(
            max_epochs=max_epochs,
            batch_size=batch_size,
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            early_stopping=early_stopping,
            plan_kwargs={"lr": learning_rate},
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
    trainer = model.trainer
    library_size = median_total(cell_totals(counts))

    def impute(cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
        tools.settings.seed = seed
        values = np.empty(len(cells), dtype=np.float32)
        wanted, place = np.unique(cells, return_inverse=True)
        for start in range(0, len(wanted), CELLS):
            expected = model.get_normalized_expression(
                indices=wanted[start : start + CELLS],
                library_size=library_size,
                n_samples=n_samples,
                return_numpy=True,
                silent=True,
            )
            here = (place >= start) & (place < start + CELLS)
            values[here] = expected[place[here] - start, genes[here]]
        # The share of the gene in its cell x L is value x L / n_c.
        return log_expected(data, values)

    def transform(others: Scaled) -> np.ndarray:
        if correct_batches:
            need_known_batches(others.batch, data.batch)
        new = _annotated(counts_of(others), others.batch if correct_batches else None)
        return model.get_latent_representation(new)

    return Fit(
        latent=model.get_latent_representation(),
        impute=impute,
        transform=transform,
        history=_history(model),
        record={
            "stopped": "max_epochs" if trainer.current_epoch == trainer.max_epochs else "no_gain",
            "epochs": trainer.current_epoch,
            "steps": trainer.global_step,
            "engine": f"scvi-tools {tools.__version__}",
            "corrected_batches": n_batches if correct_batches else 0,
        },
    )


def quiet(seed: int):
    """scvi-tools, silent and seeded."""
    tools = require("scvi", "scvi-tools")
    tools.settings.verbosity = logging.WARNING
    for name in ("lightning", "lightning.fabric", "lightning.pytorch", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    tools.settings.seed = seed
    return tools


def _annotated(counts: sparse.csr_matrix, batch: np.ndarray | None):
    import anndata
    import pandas as pd

    obs = pd.DataFrame(index=np.arange(counts.shape[0]).astype(str))
    if batch is not None:
        obs[BATCH] = pd.Categorical(batch)
    return anndata.AnnData(counts, obs=obs)


def _history(model) -> dict[str, list]:
    name = next(name for name in ("train_loss_epoch", "train_loss") if name in model.history)
    losses = model.history[name][name].astype(float).tolist()
    return {"epoch": list(range(1, len(losses) + 1)), "loss": losses}
