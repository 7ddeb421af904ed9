"""Jobs that a killed call left in the queue: those that wait are cancelled, others waited for."""

from pathlib import Path

import pytest

from scscope.run.queue import settle

HERE = Path("/scratch/mine")
PLANNED = {"rule_fit_wildcards_tiny_pca_0", "rule_fit_wildcards_tiny_ae_0"}


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Programs `squeue` and `scancel`; the first prints `queue`, which ends after so many questions."""
    squeue = f"""#!/bin/sh
echo asked >> {tmp_path}/asked
[ $(wc -l < {tmp_path}/asked) -gt 2 ] || cat {tmp_path}/queue
"""
    scancel = f"#!/bin/sh\necho $@ >> {tmp_path}/cancelled\nsed -i /PENDING/d {tmp_path}/queue\n"
    for name, text in (("squeue", squeue), ("scancel", scancel)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "asked").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def settled(queue, submitted, *lines):
    (queue / "queue").write_text("".join(line + "\n" for line in lines))
    said = []
    waited = settle(submitted, PLANNED, HERE, said.append, period=0.01)
    cancelled = queue / "cancelled"
    return waited, said, cancelled.read_text().split() if cancelled.exists() else []


def test_an_empty_queue(queue):
    assert settled(queue, set()) == (False, [], [])


def test_what_waits_is_cancelled_and_the_plan_stands(queue):
    line = "7|PENDING|rule_fit_wildcards_tiny_pca_0|/scratch/mine"
    waited, said, cancelled = settled(queue, {"7"}, line)
    assert not waited
    assert cancelled == ["--state=PENDING", "7"]
    assert said == ["Cancelling 1 jobs of a former call that have not begun."]


def test_what_has_begun_is_waited_for(queue):
    line = "8|RUNNING|rule_fit_wildcards_tiny_ae_0|/scratch/mine"
    waited, said, cancelled = settled(queue, set(), line)
    assert waited
    assert not cancelled
    assert said[0].startswith("Waiting for 1 jobs of a former call: 8.")


@pytest.mark.parametrize(
    "line",
    [
        "9|PENDING|rule_fit_wildcards_tiny_pca_0|/scratch/mine",  # another results folder's
        "9|RUNNING|rule_fit_wildcards_tiny_pca_0|/scratch/other",
        "9|RUNNING|rule_fit_wildcards_tiny_other_0|/scratch/mine",
        "9|RUNNING|(null)|/scratch/mine",
    ],
)
def test_jobs_of_others_are_let_alone(queue, line):
    assert settled(queue, {"7"}, line) == (False, [], [])


def test_without_slurm_nothing_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not settle(set(), PLANNED, HERE, print)
    with pytest.raises(RuntimeError, match=r"no `squeue` here: call the workflow where there is"):
        settle({"7"}, PLANNED, HERE, print)


def test_a_queue_that_does_not_answer_counts_only_if_jobs_were_submitted(queue):
    (queue / "squeue").write_text("#!/bin/sh\necho no contact >&2; exit 1\n")
    assert not settle(set(), PLANNED, HERE, print)
    with pytest.raises(RuntimeError, match="`squeue` failed: no contact"):
        settle({"7"}, PLANNED, HERE, print)
