"""Progress of long work: a bar on a terminal, a log line every few seconds elsewhere."""

import logging
import math
import os
import sys
from collections.abc import Callable
from time import monotonic
from typing import Self

logger = logging.getLogger("scscope.progress")

BAR_SECONDS = 0.2  # between two drawings of the bar
LOG_SECONDS = 5.0  # between two lines of a log
BAR_WIDTH = 20  # characters at most
BYTES_OF_MB = 10**6


class Progress:
    """Say how far a piece of work is, without slowing it down.

    Where stderr is a terminal, a bar is drawn there; elsewhere a record goes to the logger
    `scscope.progress` at level INFO every few seconds. Work that is shorter than that shows nothing.

    Parameters
    ----------
    title
        What is being done, such as "Training".
    total
        Units that there are to do, or None where nobody knows.
    unit
        What is counted, in the plural. "bytes" are shown as MB.
    done
        Units that were done before, for instance by a run that is now resumed.
    enabled
        Whether to show anything.

    Examples
    --------
    >>> from scscope.progress import Progress
    >>> with Progress("Counting", total=1000, unit="numbers") as progress:
    ...     for number in range(1000):
    ...         progress.advance(1, square=number**2)
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        unit: str = "steps",
        *,
        done: int = 0,
        enabled: bool = True,
    ):
        self.title = title
        self.total = total
        self.unit = unit
        self.done = done
        self.enabled = enabled
        self.figures: dict = {}

    def __enter__(self) -> Self:
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._show: Callable[[bool], None] = self._draw if on_terminal else self._log
        self._interval = BAR_SECONDS if on_terminal else LOG_SECONDS
        self._done_before = self.done
        self._start = monotonic()
        self._due = self._start + self._interval if self.enabled else math.inf
        self._is_shown = False
        return self

    def advance(self, n: int = 1, **figures) -> None:
        """Count `n` more units; called for every step, so it costs less than a microsecond.

        Parameters
        ----------
        n
            Units done since the last call.
        **figures
            Numbers to show, by name. They are turned into text only when they are shown, so a
            tensor on a device may be given without waiting for it.
        """
        self.done += n
        if figures:
            self.figures = figures
        now = monotonic()
        if now >= self._due:
            self._due = now + self._interval
            self._is_shown = True
            self._show(False)

    def __exit__(self, kind, error, trace) -> None:
        if not self._is_shown:
            return
        if kind is None:
            self._show(True)
        if self._show == self._draw:
            print(file=sys.stderr)  # what follows begins on a line of its own

    def _draw(self, at_end: bool) -> None:
        state, columns = self._state(at_end), _columns() - 1
        # The bar takes the room that the words leave.
        width = min(columns - len(f"{self.title} [] {state}"), BAR_WIDTH)
        bar = ""
        if self.total and width > 0:
            full = int(width * min(self.done / self.total, 1))
            bar = f"[{'#' * full}{'.' * (width - full)}] "
        line = f"{self.title} {bar}{state}"
        print(f"\r{line[:columns]}\x1b[K", end="", file=sys.stderr, flush=True)

    def _log(self, at_end: bool) -> None:
        logger.info("%s: %s", self.title, self._state(at_end))

    def _state(self, at_end: bool) -> str:
        """Done, total, rate, time and figures in words."""
        elapsed = max(monotonic() - self._start, 1e-9)
        rate = (self.done - self._done_before) / elapsed
        whole = "" if self.total is None else f" of {self._amount(self.total)}"
        share = f" ({self.done / self.total:.0%})" if self.total else ""
        unit, per_second = ("MB", " MB/s") if self.unit == "bytes" else (self.unit, "/s")
        parts = [
            f"{self._amount(self.done)}{whole} {unit}{share}",
            f"{self._amount(rate)}{per_second}",
        ]
        if at_end:
            parts.append(f"took {clock(elapsed)}")
        elif self.total is not None and rate > 0:
            parts.append(f"{clock(max(self.total - self.done, 0) / rate)} left")
        parts += [f"{name} {float(value):.4g}" for name, value in self.figures.items()]
        return ", ".join(parts)

    def _amount(self, number: float) -> str:
        if self.unit == "bytes":
            return f"{number / BYTES_OF_MB:,.1f}"
        return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.2g}"


def clock(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _columns() -> int:
    """Width of the terminal behind stderr; 80 where it does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
