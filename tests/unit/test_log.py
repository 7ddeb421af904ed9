"""A job's log: overwritten, told of crashes, and the lock by which no job runs twice at one time."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

HOLD = "from scscope.log import log_to; import sys, time; log_to(sys.argv[1]); print('mine', flush=True); "


def start(log, then):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD + then, str(log)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_second_process_waits_until_the_first_has_gone_however_it_goes(tmp_path):
    log = tmp_path / "logs/seed_0.log"
    first = start(log, "time.sleep(60)")
    assert first.stdout.readline() == "mine\n"
    log.unlink()  # as Snakemake does before a job
    second = start(log, "print('end')")
    assert "waiting for a process that does this job already" in second.stderr.readline()
    assert second.poll() is None
    first.kill()
    assert second.communicate(timeout=30)[0] == "mine\nend\n"
    assert "Waited for a process that did this job already" in log.read_text()
    first.communicate()


def test_other_jobs_of_the_same_folder_do_not_wait(tmp_path):
    first = start(tmp_path / "seed_0.log", "time.sleep(60)")
    assert first.stdout.readline() == "mine\n"
    second = start(tmp_path / "seed_1.log", "print('end')")
    assert second.communicate(timeout=30) == ("mine\nend\n", "")
    first.kill()
    first.communicate()


@pytest.mark.parametrize("old", ["", "from an earlier attempt"])
def test_a_crash_is_in_the_log_and_the_old_log_is_gone(tmp_path, old):
    log = tmp_path / "job.log"
    log.write_text(old)
    job = start(log, "raise ValueError('reason')")
    assert "ValueError: reason" in job.communicate(timeout=30)[1]
    assert "ValueError: reason" in log.read_text()
    assert "earlier" not in log.read_text()


def test_a_file_system_without_locks_is_said(tmp_path):
    then = "import pathlib; print(pathlib.Path(sys.argv[1]).read_text())"
    code = "import fcntl\ndef no(*_): raise OSError(37, 'No locks available')\nfcntl.lockf = no\n"
    done = subprocess.run(
        [sys.executable, "-c", code + HOLD + then, str(tmp_path / "job.log")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert "The file system has no locks" in done.stdout
    assert "No locks available" in done.stderr
