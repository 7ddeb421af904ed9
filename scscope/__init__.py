"""scScope: cell types from noisy single-cell profiles, and the benchmark of the method."""

from scscope.version import __version__

__all__ = ["ScScope", "__version__"]


def __getattr__(name: str):
    """Import the model, and with it torch, when it is first asked for."""
    if name == "ScScope":
        from scscope.estimator import ScScope

        return ScScope
    raise AttributeError(f"module 'scscope' has no attribute {name!r}")
