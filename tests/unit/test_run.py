"""A supervised run always ends with a status; faults are caused for real, in real processes."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import time

import anndata
import numpy as np
import psutil
import pytest

from scscope.data import imputation_targets, read_dataset, write_dataset, write_targets
from scscope.run.status import (
    ARRAYS,
    FIT,
    HISTORY,
    LATENT,
    STATUS,
    failed_attempts,
    read_status,
    record_failure,
)
from scscope.run.supervisor import limits_of, supervise
from tests.conftest import ROOT, need

ABOUT = {"dataset": "tiny", "method": "mine", "seed": 3}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Paths of a small dataset and of its targets."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    true = rng.poisson(3, (60, 20)).astype(np.float32)
    data = anndata.AnnData(true * (rng.random(true.shape) < 0.6))
    data.layers["true"] = true
    data.obs["label"] = rng.choice(["a", "b"], 60)
    data.uns["values"] = "counts"
    write_dataset(data, folder / "data.h5ad")
    targets = imputation_targets(data.X, data.layers["true"], seed=0)
    write_targets(targets, folder / "targets.npz")
    return {"data": str(folder / "data.h5ad"), "targets": str(folder / "targets.npz")}


@pytest.fixture
def run(dataset, tmp_path):
    """Supervise a method, given as the body of a function, and return its status."""

    def run(body=None, *, memory_mb=2000, seconds=60, **changes):
        if body is not None:
            code = "import os, signal, time\nimport numpy as np\n"
            code += "from scscope.errors import Diverged, NotApplicable\n"
            code += "from scscope.methods.fit import Fit\n"
            code += "def method(data, *, seed, device, **params):\n"
            code += textwrap.indent(textwrap.dedent(body), "    ")
            (tmp_path / "mine.py").write_text(code)
            changes = {"module": "mine", "function": "method", **changes}
        request = {
            **dataset,
            "gives": ["latent"],
            "uses_gpu": False,
            "oracle": False,
            "scale": "log",
            "params": {},
            "seed": 3,
            "threads": 1,
            "n_gpus": 0,
            **changes,
        }
        return supervise(
            request,
            tmp_path / "run",
            about=ABOUT,
            memory_mb=memory_mb,
            seconds=seconds,
            log=tmp_path / "log",
        )

    run.folder = tmp_path / "run"
    run.log = tmp_path / "log"
    return run


@pytest.fixture(autouse=True)
def importable(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def sizes(folder):
    return {name: (folder / name).stat().st_size for name in ARRAYS}


def test_a_run_that_ends_well(run, dataset):
    status = run(
        "return Fit(np.ones((60, 2)), lambda c, g: c * 0.5, history={'loss': [2, 1]})",
        gives=["imputation", "latent"],
    )
    assert status["status"] == "ok"
    assert status == read_status(run.folder / STATUS)
    assert ABOUT.items() <= status.items()
    assert status["device"] == "cpu"
    assert status["peak_rss_mb"] > 20
    assert status["seconds"] >= status["seconds_fit"] >= 0
    assert {"python", "numpy", "scipy"} <= set(status["versions"])
    np.testing.assert_array_equal(np.load(run.folder / LATENT), np.ones((60, 2)))
    targets = np.load(dataset["targets"])
    np.testing.assert_array_equal(np.load(run.folder / FIT)["imputed"], targets["cell"] * 0.5)
    assert (run.folder / HISTORY).read_text() == "loss\n2\n1\n"
    assert list(np.load(run.folder / FIT)) == ["imputed"]
    assert sorted(p.name for p in run.folder.iterdir()) == sorted([*ARRAYS, STATUS])


@pytest.mark.parametrize(
    ("body", "expected", "message"),
    [
        ("raise KeyError('gene')", "error", "KeyError: 'gene'"),
        ("os._exit(3)", "error", "left with code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "out_of_memory", "most likely for lack of mem"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "error", "ended by SIGSEGV"),
        ("raise MemoryError('too much')", "out_of_memory", "MemoryError: too much"),
        ("raise Diverged('loss is nan')", "diverged", "loss is nan"),
        ("raise NotApplicable('needs counts')", "not_applicable", "needs counts"),
        ("return Fit(np.full((60, 2), np.nan))", "diverged", "120 values that are NaN"),
        ("return Fit(np.ones((59, 2)))", "error", r"must have shape \(60, n_latent\)"),
        ("return Fit()", "error", "registered to give latent, but its fit holds nothing"),
        ("return Fit(np.ones((60, 2)), labels=['a'] * 60)", "error", "holds latent, labels"),
        ("return None", "error", "The method returned None: return an array of shape"),
    ],
)
def test_whatever_happens_there_is_a_status(run, body, expected, message):
    status = run(body)
    assert status["status"] == expected
    assert re.search(message, status["message"])
    assert status == read_status(run.folder / STATUS)
    assert sizes(run.folder) == dict.fromkeys(ARRAYS, 0)


@pytest.mark.parametrize(
    ("body", "gives", "message"),
    [
        ("return Fit(impute=lambda c, g: c[1:])", "imputation", "Imputation must return shape"),
        ("return Fit(labels=['a'] * 59)", "labels", r"must have shape \(60,\), got \(59,\)"),
    ],
)
def test_values_and_labels_that_do_not_fit_are_refused(run, body, gives, message):
    status = run(body, gives=[gives])
    assert status["status"] == "error"
    assert re.search(message, status["message"])


def test_device_and_versions_are_known_even_of_a_failed_run(run):
    status = run("raise ValueError('no')")
    assert status["device"] == "cpu"
    assert status["peak_gpu_mb"] is None
    assert "numpy" in status["versions"]
    assert run("os._exit(3)")["device"] is None  # the child could not say


def test_memory_beyond_the_limit(run):
    status = run("kept = np.ones(10**9); time.sleep(60)", memory_mb=300)
    assert status["status"] == "out_of_memory"
    assert "of 300 MB: give the job more memory" in status["message"]
    assert status["peak_rss_mb"] >= 300  # rounded to a tenth


def test_time_beyond_the_limit(run):
    started = time.monotonic()
    status = run("time.sleep(60)", seconds=1)
    assert status["status"] == "timeout"
    assert "not done after 1 s: give the job more run time" in status["message"]
    assert time.monotonic() - started < 20


def test_a_child_that_lingers_is_ended(run, tmp_path):
    run(f"""
        import subprocess
        child = subprocess.Popen(["sleep", "300"])
        open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
        return Fit(np.ones((60, 2)))
    """)
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and running(pid):
        time.sleep(0.05)
    assert not running(pid)


def test_a_daemon_that_left_the_session_is_ended_too(run, tmp_path):
    status = run(f"""
        place = {str(tmp_path / "pid")!r}
        if os.fork() == 0:  # twice, with a session of its own and no trace in its environment
            os.setsid()
            if os.fork() == 0:
                open(place, "w").write(str(os.getpid()))
                os.execve("/bin/sleep", ["sleep", "300"], {{}})
            os._exit(0)
        os.wait()
        while not os.path.exists(place) or not open(place).read():
            time.sleep(0.01)
        return Fit(np.ones((60, 2)))
    """)
    assert status["status"] == "ok"
    assert not running(int((tmp_path / "pid").read_text()))


COMMAND = {"module": "scscope.methods.own.command", "function": "command", "body": None}


def do(run, words, **limits):
    about = {"words": words, "exchange": "h5ad", "values": {}, "search_path": None}
    asks = ["folder", "threads", "targets"]
    return run(**COMMAND, asks=asks, params={**about, "gives": ["latent"]}, **limits)


def test_a_command_is_supervised_like_any_method(run):
    status = do(run, "sleep {input} {output}")
    assert status["status"] == "error"
    assert "the command left with code 1: sleep: invalid time" in status["message"]
    mark = run.folder.parent / "pid"
    kept = f"sh -c 'echo $$ > {mark}; sleep 300; true' {{input}} {{output}}"
    status = do(run, kept, seconds=8)
    assert status["status"] == "timeout"
    assert not running(int(mark.read_text()))
    kept = f"{sys.executable} -c 'import time; kept = bytearray(5 * 10**8).replace(bytes(1), bytes([1])); time.sleep(60)'"
    status = do(run, f"{kept} {{input}} {{output}}", memory_mb=400)
    assert status["status"] == "out_of_memory"
    assert not (run.folder / ".partial").exists()


def test_memory_of_a_daemon_counts(run):
    status = run(
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                kept = np.ones(10**8)
                time.sleep(60)
            os._exit(0)
        os.wait()
        time.sleep(60)
        """,
        memory_mb=400,
    )
    assert status["status"] == "out_of_memory"


def test_processes_of_others_are_left_alone(run):
    other = subprocess.Popen(["sleep", "300"])
    try:
        run("return Fit(np.ones((60, 2)))")
        assert running(other.pid)
    finally:
        other.kill()
        other.wait()


FULL_DISK = """
import json, sys, numpy
from pathlib import Path
from scscope.run.supervisor import supervise
request = json.load(sys.stdin)
status = supervise(request, Path("disk/run"), about={}, memory_mb=2000, seconds=60, log=Path("disk/log"))
print(json.dumps(status))
"""


def test_a_full_disk_is_said_and_leaves_whole_files(dataset, tmp_path):
    mount = ["unshare", "--user", "--map-root-user", "--mount"]
    allowed = shutil.which("unshare") and not subprocess.run([*mount, "true"]).returncode
    need("mount", bool(allowed), "a small disk of its own needs user namespaces")
    (tmp_path / "disk").mkdir()
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def method(data, *, seed, device):\n"
        "    with open('disk/hog', 'wb') as file:\n"
        "        try:\n"
        "            while True:\n"
        "                file.write(bytes(1000))\n"
        "                file.flush()\n"
        "        except OSError:\n"
        "            print('the disk is full', flush=True)\n"
        "    return np.ones((60, 2000))\n"
    )
    method = {"module": "mine", "function": "method", "gives": ["latent"], "scale": "log"}
    job = {"uses_gpu": False, "oracle": False, "seed": 3, "threads": 1, "n_gpus": 0, "params": {}}
    inside = (
        f"mount -t tmpfs -o size=1m none disk; {sys.executable} -c '{FULL_DISK}'; ls -l disk/run"
    )
    result = subprocess.run(
        [*mount, "sh", "-c", inside],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        input=json.dumps({**dataset, **method, **job}),
        capture_output=True,
        text=True,
    )
    said, *listing = result.stdout.splitlines()
    status = json.loads(said)
    assert status["status"] == "error"
    assert "No space left" in status["message"]
    names = {line.split()[-1] for line in listing[1:]}
    assert names == {*ARRAYS, STATUS}


def running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_second_run_leaves_nothing_of_the_first(run):
    run("return Fit(np.ones((60, 2)))")
    assert run("raise ValueError('no')")["status"] == "error"
    assert sizes(run.folder) == dict.fromkeys(ARRAYS, 0)


def test_what_the_method_prints_and_its_traceback_are_in_the_log(run):
    run("print('fitting'); raise ValueError('no')")
    log = run.log.read_text()
    assert "fitting" in log
    assert "Traceback" in log


def test_the_seed_of_the_fit_is_derived_and_labels_are_for_oracles(run):
    body = "assert seed != 3; assert data.label is {}None; return Fit(np.ones((60, 2)))"
    assert run(body.format(""))["status"] == "ok"
    assert run(body.format("not "), oracle=True)["status"] == "ok"


def test_a_gpu_that_is_not_there_is_said(run):
    torch = pytest.importorskip("torch")
    status = run("return Fit(np.ones((60, 2)))", uses_gpu=True, n_gpus=1)
    found = torch.cuda.is_available()
    assert status["device"] == ("cuda" if found else "cpu")
    assert ("finds none: it computes on the CPU" in run.log.read_text()) is not found


def test_limits_leave_time_and_memory_to_speak():
    assert limits_of(4000, 60) == {"memory_mb": 3600, "seconds": 3480}
    # Beside the fit there are Snakemake and its supervisor, which SLURM counts, too.
    assert limits_of(1000, 1) == {"memory_mb": 650, "seconds": 30}
    assert limits_of(100, 1)["memory_mb"] == 50
    assert limits_of(None, None) == {"memory_mb": np.inf, "seconds": np.inf}


def test_failed_attempts_are_counted(tmp_path):
    assert failed_attempts(tmp_path) == 0
    record_failure(tmp_path)
    record_failure(tmp_path)
    assert failed_attempts(tmp_path) == 2


def test_the_supervisor_needs_no_heavy_library():
    code = "import scscope.run.supervisor, sys, json; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(os.popen(f"{sys.executable} -c '{code}'").read())
    assert not {"numpy", "torch", "anndata", "pandas"} & set(loaded)


def test_the_data_survive_a_run(run, dataset):
    before = read_dataset(dataset["data"]).hash
    run("return Fit(np.ones((60, 2)))")
    assert read_dataset(dataset["data"]).hash == before
