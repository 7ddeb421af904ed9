"""scScope, and the plain autoencoder that it is with a single pass."""

from types import SimpleNamespace

import numpy as np

from scscope.data import Scaled
from scscope.methods.batches import need_known_batches, need_two_batches
from scscope.methods.fit import Fit


def scscope(
    data: Scaled,
    *,
    seed: int,
    device: str,
    preset: str = "paper",
    n_devices: int = 1,
    correct_batches: bool = False,
    **settings,
) -> Fit:
    """Fit scScope (Deng et al., Nature Methods 2019).

    Parameters
    ----------
    data
        The dataset.
    seed, device
        See `scscope.ScScope`.
    preset
        A name in `scscope.settings.PRESETS`.
    n_devices
        Devices to train on, each with minibatches of its own.
    correct_batches
        Whether the effect of the dataset's batches is learned and removed.
    **settings
        Fields of `scscope.settings.Settings`.
    """
    from scscope.estimator import ScScope

    batch_key = "batch" if correct_batches else None
    if correct_batches:
        need_two_batches(data.batch)
        fitted = slice(None) if data.train is None else data.train
        need_known_batches(data.batch, data.batch[fitted])
    cells = _with_batches(data) if correct_batches else data.X
    fitted_to = cells if data.train is None else _rows(cells, data.train)
    model = ScScope(
        preset=preset,
        seed=seed,
        device=device,
        n_devices=n_devices,
        batch_key=batch_key,
        **settings,
    ).fit(fitted_to)
    applied_to = None if data.train is None else cells

    def impute(cells: np.ndarray, genes: np.ndarray) -> np.ndarray:
        return data.to_log(model.impute(cells, genes, applied_to), cells, genes)

    def transform(others: Scaled) -> np.ndarray:
        if not correct_batches:
            return model.transform(others.X)
        need_known_batches(others.batch, data.batch)
        return model.transform(_with_batches(others))

    return Fit(
        latent=model.transform(applied_to),
        impute=impute,
        transform=transform,
        history=model.history_,
        record=model.record_,
    )


def _with_batches(data: Scaled) -> SimpleNamespace:
    import pandas as pd

    return SimpleNamespace(X=data.X, obs=pd.DataFrame({"batch": data.batch}))


def _rows(cells, chosen: np.ndarray):
    """Some of the cells, bool of shape (n_cells,), in the form in which they come."""
    if not isinstance(cells, SimpleNamespace):
        return cells[chosen]
    return SimpleNamespace(X=cells.X[chosen], obs=cells.obs[chosen])


def ae(data: Scaled, *, seed: int, device: str, **settings) -> Fit:
    """Autoencoder: scScope with one pass, as in the paper's comparison."""
    return scscope(data, seed=seed, device=device, n_steps=1, **settings)
