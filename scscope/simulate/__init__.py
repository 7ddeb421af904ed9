"""Simulators of data with known truth, by the names that the configuration uses."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

# Imported here: module and function share their name, and an attribute such as `splat` of this
# package is the function only if it is bound after the module is loaded.
from scscope.simulate.simlr import simlr
from scscope.simulate.splat import splat
from scscope.simulate.splatter import splatter

__all__ = ["SIMULATORS", "Simulator", "simlr", "splat", "splatter"]


@dataclass(frozen=True)
class Simulator:
    """What is known of a simulator before it runs.

    Parameters
    ----------
    module
        Where it is.
    function
        Name of a function `(*, seed, **params)` that returns an AnnData, or, where the data may
        not fit in memory, a `scscope.simulate.blocks.Simulation`.
    check
        Name of what takes the same parameters and refuses wrong ones, without simulating.
    n_seeds
        Number of seeds, from 0.
    """

    module: str
    function: str
    check: str
    n_seeds: int = 2**32

    def load(self) -> Callable:
        """Import and return the function."""
        return getattr(import_module(self.module), self.function)

    def refuse_wrong(self, params: dict) -> None:
        """Raise ValueError if the parameters, all but the seed, cannot be used."""
        getattr(import_module(self.module), self.check)(**params, seed=0)


SIMULATORS = {
    "splat": Simulator("scscope.simulate.splat", "splat_simulation", "SplatSettings"),
    # R's integers are signed and have 32 bits.
    "splatter": Simulator("scscope.simulate.splatter", "splatter", "checked", n_seeds=2**31),
    "simlr": Simulator("scscope.simulate.simlr", "simlr_simulation", "SimlrSettings"),
}
