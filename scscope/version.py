"""The version, apart: whoever needs only it depends on no other code."""

__version__ = "0.1.0"
