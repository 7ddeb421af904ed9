"""Results that lie in files already: scored without running anything."""

from pathlib import Path

from scscope.data import Scaled
from scscope.methods.fit import Fit
from scscope.methods.own.tables import read_latent, read_values


def files(
    data: Scaled, *, seed: int, device: str, latent: str | None = None, imputed: str | None = None
) -> Fit:
    """Take latent and imputed values from text tables, matched by the names of the cells.

    Parameters
    ----------
    data
        The dataset. Imputed values are on its scale.
    seed, device
        Not used.
    latent
        Path, see `scscope.methods.own.tables.read_latent`.
    imputed
        Path, see `scscope.methods.own.tables.read_values`.
    """

    def impute(cells, genes):
        values = read_values(Path(imputed), data.cells, data.genes, cells, genes)
        return data.to_log(values, cells, genes)

    return Fit(
        latent=read_latent(Path(latent), data.cells) if latent else None,
        impute=impute if imputed else None,
    )
