"""DCA, the deep count autoencoder."""

from scscope.data import Scaled, counts_of, log_expected
from scscope.methods.fit import Fit


def dca(data: Scaled, *, seed: int, device: str, **settings) -> Fit:
    """Fit DCA (Eraslan et al., Nature Communications 2019); see docs/dca.md.

    Parameters
    ----------
    data
        Counts, on the scale "counts" or one of `scscope.data.ROUNDED`.
    seed, device
        See `scscope.dca.model.DCA`.
    **settings
        Fields of `scscope.dca.settings.Settings`.
    """
    counts = counts_of(data)
    from scscope.dca.model import DCA

    model = DCA(seed=seed, device=device, **settings).fit(counts)
    return Fit(
        latent=model.transform(),
        # What it expects at the median library size is value x L / n_c.
        impute=lambda cells, genes: log_expected(data, model.impute(cells, genes)),
        transform=lambda others: model.transform(counts_of(others)),
        history=model.history_,
        record=model.record_,
    )
