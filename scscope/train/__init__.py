"""Training: the loop, and what it is made of."""

from scscope.train.loop import apply, train

__all__ = ["apply", "train"]
