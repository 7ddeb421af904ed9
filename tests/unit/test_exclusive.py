"""A timed run has the host for itself, and those that come later wait behind it."""

import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

JOB = """
import sys, time
from scscope.run.exclusive import host, stay_beside_others
name, alone, seconds = sys.argv[1], sys.argv[2] == "alone", float(sys.argv[3])
print(name, "came", flush=True)
if sys.argv[2] == "stay":
    stay_beside_others()
    print(name, "begins", time.monotonic(), flush=True)
    time.sleep(seconds)
    print(name, "ends", time.monotonic(), flush=True)
else:
    with host(alone=alone):
        print(name, "begins", time.monotonic(), flush=True)
        time.sleep(seconds)
        print(name, "ends", time.monotonic(), flush=True)
"""


@pytest.fixture
def start(tmp_path):
    """Start jobs in order; give when each began and ended."""
    started = []

    def start(name, kind, seconds=0.4):
        process = subprocess.Popen(
            [sys.executable, "-c", JOB, name, kind, str(seconds)],
            env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == f"{name} came\n"
        time.sleep(0.15)  # until it has asked for its place
        started.append(process)

    def times():
        said = [process.communicate()[0].split() for process in started]
        return {words[0]: (float(words[2]), float(words[5])) for words in said}

    start.times = times
    return start


def overlap(one, other):
    return one[0] < other[1] and other[0] < one[1]


def test_jobs_share_the_host_and_a_timed_run_does_not(start):
    start("first", "stay", 0.8)
    start("second", "shared", 0.6)
    start("timed", "alone")
    start("third", "shared")
    times = start.times()
    assert overlap(times["first"], times["second"])
    assert not any(overlap(times["timed"], times[name]) for name in ("first", "second", "third"))
    assert times["timed"][0] < times["third"][0]  # nobody overtakes it


def test_two_timed_runs_follow_each_other(start):
    start("one", "alone")
    start("two", "alone")
    times = start.times()
    assert not overlap(times["one"], times["two"])
