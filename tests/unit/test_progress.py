import doctest
import io
import logging
import subprocess
import sys
from types import SimpleNamespace

import pytest

import scscope.progress
from scscope.progress import LOG_SECONDS, Progress, clock


@pytest.fixture
def tick(monkeypatch):
    """A clock that goes only when it is told to: `tick(seconds)`."""
    now = [100.0]
    monkeypatch.setattr(scscope.progress, "monotonic", lambda: now[0])

    def tick(seconds):
        now[0] += seconds

    return tick


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "scscope.progress")
    return lambda: [record.getMessage() for record in caplog.records]


class Terminal(io.StringIO):
    def isatty(self):
        return True

    @property
    def lines(self):
        """What is to be read on the lines of the terminal in the end."""
        return [line.split("\r")[-1].split("\x1b[K")[0] for line in self.getvalue().split("\n")]


@pytest.fixture
def terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(scscope.progress, "sys", SimpleNamespace(stderr=terminal))
    return terminal


def test_a_log_gets_a_line_every_few_seconds_and_one_at_the_end(tick, log):
    with Progress("Training", total=1000) as progress:
        for _ in range(50):
            tick(0.25)
            progress.advance(10, loss=0.123456)
    assert log() == [
        "Training: 200 of 1,000 steps (20%), 40/s, 0:20 left, loss 0.1235",
        "Training: 400 of 1,000 steps (40%), 40/s, 0:15 left, loss 0.1235",
        "Training: 500 of 1,000 steps (50%), 40/s, took 0:12, loss 0.1235",
    ]


def test_bytes_are_shown_in_megabytes_and_an_unknown_total_is_left_out(tick, log):
    with Progress("Downloading x", total=8_000_000, unit="bytes") as progress:
        tick(6)
        progress.advance(3_000_000)
    with Progress("Reading", unit="cells") as progress:
        tick(6)
        progress.advance(3)
    assert log()[0] == "Downloading x: 3.0 of 8.0 MB (38%), 0.5 MB/s, 0:10 left"
    assert log()[2] == "Reading: 3 cells, 0.5/s"


def test_what_was_done_before_counts_as_done_but_not_for_the_rate(tick, log):
    with Progress("Training", total=1000, done=900) as progress:
        tick(10)
        progress.advance(10)
    assert log()[0] == "Training: 910 of 1,000 steps (91%), 1/s, 1:30 left"


def test_the_figures_are_the_latest_that_were_given(tick, log):
    with Progress("Training", total=10) as progress:
        progress.advance(1, loss=1.0, error=0.5)
        tick(6)
        progress.advance(1)
        tick(6)
        progress.advance(1, loss=2)
    assert [line.split("left, ")[-1] for line in log()[:2]] == ["loss 1, error 0.5", "loss 2"]


def test_short_work_and_disabled_work_show_nothing(tick, log, terminal):
    for enabled, seconds in ((True, 0.1), (False, 100)):
        with Progress("Training", total=10, enabled=enabled) as progress:
            tick(seconds)
            progress.advance(10)
    assert terminal.getvalue() == ""
    assert log() == []


def test_figures_are_not_touched_before_they_are_shown(tick, log):
    class Tensor:
        def __float__(self):
            raise AssertionError("this waits for the device")

    with Progress("Training", total=10) as progress:
        for _ in range(9):
            tick(LOG_SECONDS / 10)
            progress.advance(1, loss=Tensor())
    assert log() == []


def test_a_terminal_gets_one_line_that_is_drawn_over(tick, log, terminal):
    with Progress("Training", total=100) as progress:
        for _ in range(50):
            tick(0.25)
            progress.advance(1, loss=0.5)
    state = "50 of 100 steps (50%), 4/s, took 0:12, loss 0.5"
    room = 79 - len(f"Training [] {state}")
    bar = "#" * (room // 2) + "." * (room - room // 2)
    assert terminal.lines == [f"Training [{bar}] {state}", ""]
    assert terminal.getvalue().count("\r") == 50 + 1
    assert log() == []


def test_a_narrow_terminal_is_never_wrapped(tick, terminal, monkeypatch):
    monkeypatch.setattr(scscope.progress, "_columns", lambda: 30)
    with Progress("Training", total=100) as progress:
        tick(1)
        progress.advance(1, loss=0.5)
    assert max(map(len, terminal.lines)) == 29


def test_an_error_passes_and_leaves_the_terminal_on_a_fresh_line(tick, terminal):
    class Broken:
        def __float__(self):
            raise RuntimeError("the device is gone")

    def work():
        with Progress("Training", total=100) as progress:
            tick(1)
            progress.advance(1, loss=1)
            progress.advance(1, loss=Broken())
            raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        work()
    assert terminal.getvalue().endswith("\n")


def test_more_than_the_total_does_not_break_the_bar(tick, terminal):
    with Progress("Training", total=10) as progress:
        tick(1)
        progress.advance(11)
    assert "[####################] 11 of 10 steps (110%)" in terminal.lines[0]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0:00"), (59.6, "1:00"), (75, "1:15"), (3_671, "1:01:11")]
)
def test_clock(seconds, words):
    assert clock(seconds) == words


def test_no_stderr_at_all_is_no_reason_to_fail():
    code = "import sys; sys.stderr = None\nfrom scscope.progress import Progress\n"
    code += "with Progress('Training', 1) as progress: progress.advance()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_example_of_the_docstring():
    assert doctest.testmod(scscope.progress).failed == 0
