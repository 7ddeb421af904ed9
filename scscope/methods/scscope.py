"""scScope, and the plain autoencoder that it is with a single pass."""

from scscope.data import Scaled
from scscope.methods.fit import Fit


def scscope(data: Scaled, *, seed: int, device: str, preset: str = "paper", **settings) -> Fit:
    """scScope; `settings` are those of `scscope.settings.Settings`."""
    from scscope.estimator import ScScope

    model = ScScope(preset=preset, seed=seed, device=device, **settings).fit(data.X)
    return Fit(
        latent=model.transform(data.X),
        impute=lambda cells, genes: data.to_log(model.impute(cells, genes), cells, genes),
        history=model.history_,
    )


def ae(data: Scaled, *, seed: int, device: str, preset: str = "paper", **settings) -> Fit:
    """Autoencoder: scScope with one pass, as in the paper's comparison."""
    return scscope(data, seed=seed, device=device, preset=preset, n_steps=1, **settings)
