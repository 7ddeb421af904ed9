"""What a benchmark run found, in one HTML file and on the terminal."""

from scscope.report.render import Drawing, render
from scscope.report.summary import summary

__all__ = ["Drawing", "render", "summary"]
