"""Simulators of counts with known truth, by the names that the configuration uses."""

from collections.abc import Callable
from importlib import import_module

# Imported here although `load_simulator` is lazy: module and function share their name, and the
# attribute `splat` of this package is the function only if it is bound after the module is loaded.
from scscope.simulate.splat import splat

__all__ = ["SIMULATORS", "load_simulator", "splat"]

SIMULATORS: dict[str, str] = {"splat": "scscope.simulate.splat:splat"}


def load_simulator(name: str) -> Callable:
    """Import the simulator of this name, a function `(*, seed, **params) -> AnnData`."""
    if name not in SIMULATORS:
        raise ValueError(f"Unknown simulator {name!r}. Known simulators: {', '.join(SIMULATORS)}.")
    module, function = SIMULATORS[name].split(":")
    return getattr(import_module(module), function)
