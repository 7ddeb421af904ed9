"""Training: the loop, and what it is made of."""

from scscope.train.apply import apply
from scscope.train.loop import train

__all__ = ["apply", "train"]
