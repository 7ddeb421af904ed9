"""Simulators of counts with known truth, by the names that the configuration uses."""

# Imported here: module and function share their name, and the
# attribute `splat` of this package is the function only if it is bound after the module is loaded.
from scscope.simulate.splat import splat

__all__ = ["SIMULATORS", "splat"]

SIMULATORS: dict[str, str] = {"splat": "scscope.simulate.splat:splat"}
