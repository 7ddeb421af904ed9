"""What a benchmark run found, in one HTML file and on the terminal."""

from scscope.report.render import render
from scscope.report.summary import summary

__all__ = ["render", "summary"]
