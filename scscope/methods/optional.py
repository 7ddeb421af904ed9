"""Packages that only some methods need."""

from importlib import import_module
from types import ModuleType

from scscope.errors import NotApplicable


def require(package: str, distribution: str) -> ModuleType:
    """Import a package; where it is missing, the method does not apply, and it is said what to do.

    Parameters
    ----------
    package
        Name of the import.
    distribution
        Name by which it is installed.

    Raises
    ------
    NotApplicable
        It is not installed.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise NotApplicable(
            f"{distribution} is not installed. `pip install 'scscope[methods]'`, or in a checkout "
            f"`.venv/bin/pip install {distribution}`, brings it."
        ) from error
