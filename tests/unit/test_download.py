"""Downloads against a real server on the loopback: nothing wrong accepted, nothing good fetched twice.

.venv/bin/python -m pytest tests/unit/test_download.py
"""

import gzip
import hashlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.util import Retry

from scscope.datasets.catalogue import File
from scscope.datasets.checks import WrongFileError, verify
from scscope.datasets.download import UnavailableError, download
from scscope.datasets.transfer import NoRoomError, Patience, Terms, refusal, transfer
from tests.conftest import need
from tests.server import chunked, cut, endless, hang, piece, served, status, trickle, unending

CONTENT = gzip.compress(random.Random(0).randbytes(2_000_000), mtime=0)
OTHER = gzip.compress(random.Random(1).randbytes(2_000_000), mtime=0)
NAME = "set_dge.txt.gz"
QUICK = Patience(
    connect=1, read=0.5, slowest=500, retries=Retry(total=3, connect=1, backoff_factor=0.01)
)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with served() as site:
        site.files[NAME] = CONTENT
        yield site


def pinned(site, *paths, content=CONTENT, **facts) -> File:
    """A file whose size and sha256 are known."""
    return unpinned(
        site,
        *paths,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        **facts,
    )


def unpinned(site, *paths, **facts) -> File:
    """A file of which nothing is published."""
    urls = tuple(site.url(path) for path in paths or (NAME,))
    return File(NAME, urls, "none", source="set", **facts)


def left_in(folder: Path) -> set[str]:
    """Files there, beside locks."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


GOOD = {NAME, f"{NAME}.json"}


def test_a_file_is_fetched_once_verified_and_recorded(site, tmp_path):
    record = download(pinned(site), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert left_in(tmp_path) == GOOD
    assert record == json.loads((tmp_path / f"{NAME}.json").read_text())
    assert record["size"] == len(CONTENT)
    assert record["md5"] == hashlib.md5(CONTENT).hexdigest()
    blob = subprocess.run(
        ["git", "hash-object", "--no-filters", tmp_path / NAME], capture_output=True, text=True
    )
    assert record["git_blob_sha1"] == blob.stdout.strip()
    assert record["from"] == site.url(NAME)
    assert record["verified_by"] == ["size", "sha256"]
    assert download(pinned(site), tmp_path, patience=QUICK) == record
    assert site.requests == [(NAME, None)]
    assert site.sent == len(CONTENT)


@pytest.mark.parametrize("seed", range(4))
def test_cut_at_random_bytes_it_goes_on_there(site, tmp_path, seed):
    first, second = sorted(random.Random(seed).sample(range(1, len(CONTENT)), 2))
    site.etags[NAME] = '"one"'
    site.faults[NAME] = [cut(first), cut(second)]
    file = pinned(site) if seed % 2 else unpinned(site)
    download(file, tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [wanted for _, wanted in site.requests] == [None, f"bytes={first}-", f"bytes={second}-"]
    assert site.headers[1]["If-Range"] == '"one"'
    assert site.sent == len(CONTENT)


def test_a_call_that_gave_up_is_gone_on_with_by_the_next(site, tmp_path):
    site.etags[NAME] = '"one"'
    site.faults[NAME] = [cut(700_000), *[status(503)] * 4]
    with pytest.raises(UnavailableError, match="answered 503 .* after 4 attempts"):
        download(unpinned(site), tmp_path, patience=QUICK)
    assert NAME not in left_in(tmp_path)
    download(unpinned(site), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert site.requests[-1] == (NAME, "bytes=700000-")
    assert site.sent == len(CONTENT) + 4 * len(b"no")


def test_a_file_that_changed_in_between_is_begun_anew(site, tmp_path):
    site.etags[NAME] = '"one"'

    def replaced(handler, content):
        cut(500_000)(handler, OTHER)
        site.etags[NAME] = '"two"'

    site.faults[NAME] = [replaced]
    download(unpinned(site), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_without_a_name_for_the_version_an_unknown_file_is_begun_anew(site, tmp_path):
    site.faults[NAME] = [cut(500_000)]
    download(unpinned(site), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [wanted for _, wanted in site.requests] == [None, None]


def test_a_weak_tag_does_not_vouch_for_bytes_a_date_does(site, tmp_path):
    site.etags[NAME], site.dates[NAME] = 'W/"one"', "Wed, 01 Jan 2020 00:00:00 GMT"
    site.faults[NAME] = [cut(500_000)]
    download(unpinned(site), tmp_path, patience=QUICK)
    assert site.headers[1]["If-Range"] == site.dates[NAME]
    assert site.sent == len(CONTENT)


def answer_with(start, stop, content=CONTENT):
    """Bytes `start` to `stop`, said to be so, whatever was asked for."""
    named = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
    return lambda handler, _: handler.answer(206, content[start:stop], named)


def test_less_than_the_rest_is_a_piece_and_other_bytes_are_none(site, tmp_path):
    site.etags[NAME] = '"one"'
    site.faults[NAME] = [cut(500_000), answer_with(500_000, 600_000)]
    download(unpinned(site), tmp_path / "a", patience=QUICK)
    assert site.requests[-1] == (NAME, "bytes=600000-")
    site.faults[NAME] = [cut(500_000), answer_with(400_000, len(CONTENT))]
    with pytest.raises(UnavailableError, match="sent another piece than asked"):
        download(unpinned(site), tmp_path / "b", patience=QUICK)


def test_a_file_of_another_length_under_the_same_tag_is_begun_anew(site, tmp_path):
    """A table is text, in which nothing would show that it is of two versions."""
    old, new = b"a,b\n" * 1000, b"c,d\n" * 1001
    site.etags["a.csv"] = '"one"'
    site.files["a.csv"] = new
    site.faults["a.csv"] = [lambda h, _: piece(h, old, 2000)]
    file = File("a.csv", (site.url("a.csv"),), "none", source="set")
    download(file, tmp_path, patience=QUICK)
    assert (tmp_path / "a.csv").read_bytes() == new


def test_attempts_that_get_on_do_not_count(site, tmp_path, monkeypatch):
    monkeypatch.setattr("scscope.datasets.transfer.GOT_ON", 100_000)
    site.faults[NAME] = [cut(200_000 * n) for n in range(1, 10)]
    download(pinned(site), tmp_path, patience=QUICK)
    assert site.sent == len(CONTENT)


def test_what_came_whole_before_a_kill_is_not_fetched_again(site, tmp_path):
    part = tmp_path / f".{NAME}.part"
    transfer(site.url(NAME), part, Terms(allowed=("127.0.0.1/",)), QUICK)
    assert left_in(tmp_path) == {part.name, f"{part.name}.json"}
    download(unpinned(site), tmp_path, patience=QUICK)
    assert len(site.requests) == 1
    assert left_in(tmp_path) == GOOD


def test_a_server_without_ranges_is_asked_for_all_again(site, tmp_path):
    site.etags[NAME], site.ranges = '"one"', False
    site.faults[NAME] = [lambda handler, content: handler.answer(200, content, stop=500_000)]
    download(pinned(site), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert site.sent == 500_000 + len(CONTENT)


def test_404_then_the_mirror(site, tmp_path):
    site.files["copy"] = CONTENT
    record = download(pinned(site, "gone", "copy"), tmp_path, patience=QUICK)
    assert record["from"] == site.url("copy")
    assert [path for path, _ in site.requests] == ["gone", "copy"]  # 404 is not asked again


def test_one_address_goes_on_where_another_broke_off(site, tmp_path):
    site.files["copy"] = CONTENT
    site.faults[NAME] = [cut(900_000), status(404)]
    download(pinned(site, NAME, "copy"), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert site.requests[-1] == ("copy", "bytes=900000-")


def test_pieces_of_two_versions_are_fetched_again_in_one(site, tmp_path):
    site.files["copy"] = CONTENT
    site.faults[NAME] = [
        lambda h, _: h.answer(200, OTHER[: len(CONTENT)], stop=900_000),
        status(404),
    ]
    download(pinned(site, NAME, "copy"), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    rest = "bytes=900000-"
    assert [wanted for _, wanted in site.requests] == [None, rest, rest, None]


def test_wrong_bytes_are_never_accepted(site, tmp_path):
    wrong = bytearray(CONTENT)
    wrong[1_000_000] ^= 1
    site.files[NAME] = bytes(wrong)
    with pytest.raises(UnavailableError, match="sha256 is .* is published"):
        download(pinned(site), tmp_path, patience=QUICK)
    assert left_in(tmp_path) == set()
    site.files["copy"] = CONTENT
    record = download(pinned(site, NAME, "copy"), tmp_path, patience=QUICK)
    assert record["from"] == site.url("copy")


def test_wrong_length_is_refused_before_it_is_sent(site, tmp_path):
    site.files[NAME] = CONTENT + bytes(10)
    with pytest.raises(UnavailableError, match=f"{len(CONTENT):,} are expected"):
        download(pinned(site), tmp_path, patience=QUICK)
    site.files[NAME] = CONTENT[:-10]
    with pytest.raises(UnavailableError, match="bytes, .* are expected"):
        download(pinned(site), tmp_path, patience=QUICK)
    assert left_in(tmp_path) == set()


def test_nothing_beyond_the_cap_is_taken(site, tmp_path):
    with pytest.raises(UnavailableError, match="at most 1,000,000 are taken"):
        download(unpinned(site, at_most=1_000_000), tmp_path, patience=QUICK)
    site.sent, site.faults[NAME] = 0, [endless]
    with pytest.raises(UnavailableError, match="sent more than 1,000,000 bytes"):
        download(replace(pinned(site), size=None, at_most=1_000_000), tmp_path, patience=QUICK)
    assert NAME not in left_in(tmp_path)
    assert (tmp_path / f".{NAME}.part").stat().st_size <= 1_000_000


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_is_waited_for(site, tmp_path, code):
    site.faults[NAME] = [status(code, Retry_After="1")]
    start = time.monotonic()
    download(pinned(site), tmp_path, patience=QUICK)
    assert time.monotonic() - start >= 1
    assert len(site.requests) == 2


@pytest.mark.parametrize("words", ["soon", "-1", "9" * 5000, "Wed, 99 Nov 2099 00:00:00 GMT"])
def test_a_retry_after_that_is_none_is_no_fault(site, tmp_path, words):
    quick = replace(QUICK, retries=QUICK.retries.new(retry_after_max=1))
    site.faults[NAME] = [status(429, Retry_After=words)]
    download(pinned(site), tmp_path, patience=quick)
    assert len(site.requests) == 2


def test_a_server_that_says_nothing_more_is_left(site, tmp_path):
    site.files["copy"] = CONTENT
    site.faults[NAME] = [hang(300_000, 3), *[hang(0, 3)] * 9]
    start = time.monotonic()
    record = download(pinned(site, NAME, "copy"), tmp_path, patience=QUICK)
    assert time.monotonic() - start < 8
    assert record["from"] == site.url("copy")
    assert site.sent == len(CONTENT)


def test_a_server_that_trickles_is_left(site, tmp_path):
    site.files["copy"] = CONTENT
    site.faults[NAME] = [trickle(0.05)] * 9
    record = download(pinned(site, NAME, "copy"), tmp_path, patience=QUICK)
    assert record["from"] == site.url("copy")


def test_no_connection_is_said_and_the_file_described(tmp_path):
    with served() as gone:
        pass
    file = pinned(gone)
    with pytest.raises(UnavailableError) as error:
        download(file, tmp_path, patience=QUICK)
    words = str(error.value)
    for fact in (NAME, f"size {len(CONTENT)}", file.sha256, str(tmp_path / NAME), gone.url(NAME)):
        assert fact in words
    assert "refused" in words


def test_redirects_are_followed_within_the_list_alone(site, tmp_path):
    site.faults["here"] = [status(302, Location=f"/{NAME}")]
    download(pinned(site, "here"), tmp_path / "a", patience=QUICK)
    elsewhere = site.address.replace("127.0.0.1", "localhost")
    for target in (
        elsewhere,
        "https://example.org",
        "http://127.0.0.1@example.org",
        "ftp://127.0.0.1",
    ):
        site.faults["here"] = [status(302, Location=f"{target}/{NAME}")]
        with pytest.raises(UnavailableError, match="not among the allowed|not safe|password"):
            download(pinned(site, "here"), tmp_path / "b", patience=QUICK)
    asked = [path for path, _ in site.requests]
    assert asked == ["here", NAME, "here", "here", "here", "here"]
    site.faults["here"] = [status(302, Location="/here")] * 99
    with pytest.raises(UnavailableError, match="more than 5 redirects"):
        download(pinned(site, "here"), tmp_path / "b", patience=QUICK)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://a.org/x", True),
        ("https://A.ORG:444/x", True),
        ("http://a.org/x", False),
        ("ftp://a.org/x", False),
        ("file:///etc/passwd", False),
        ("https://b.org/x", False),
        ("https://a.org.b.org/x", False),
        ("https://a.org@b.org/x", False),
        ("https://me:secret@a.org/x", False),
        ("https://b.org\\@a.org/x", False),
        ("https://bucket.org/ours/x", True),
        ("https://bucket.org/theirs/x", False),
        ("https://bucket.org/ours/../theirs/x", False),
        ("https://10.0.0.1/x", False),
        ("http://127.0.0.1:80/x", True),
        ("http://127.0.0.1.b.org/x", False),
        ("https://h:999999/x", False),
    ],
)
def test_where_requests_may_go(url, allowed):
    reason = refusal(url, ("a.org/", "bucket.org/ours/", "127.0.0.1/"))
    assert (reason == "") is allowed, reason


def test_a_web_page_is_no_file(site, tmp_path):
    site.faults[NAME] = [status(200, b"<html>log in", Content_Type="text/html; charset=utf-8")]
    with pytest.raises(UnavailableError, match="sent a web page"):
        download(unpinned(site), tmp_path, patience=QUICK)
    site.faults[NAME] = [status(202, b"")]  # as a web application firewall does
    with pytest.raises(UnavailableError, match="answered 202"):
        download(unpinned(site), tmp_path, patience=QUICK)


def test_a_gz_that_the_server_calls_encoded_stays_one(site, tmp_path):
    site.faults[NAME] = [lambda h, c: h.answer(200, c, {"Content-Encoding": "gzip"})]
    download(unpinned(site), tmp_path, patience=QUICK)
    assert len(site.requests) == 1
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_length_unknown(site, tmp_path):
    site.faults[NAME] = [partial(chunked, stop=500_000), chunked]
    download(unpinned(site), tmp_path / "a", patience=QUICK)
    assert (tmp_path / "a" / NAME).read_bytes() == CONTENT
    assert len(site.requests) == 2
    # Without a length and without chunks the end of the file is that of the connection: a checksum
    # has to tell which.
    site.faults[NAME] = [unending]
    with pytest.raises(UnavailableError, match="does not say how long"):
        download(unpinned(site), tmp_path / "b", patience=QUICK)
    cut_off = replace(pinned(site), size=None)
    site.faults[NAME] = [lambda h, c: unending(h, c[:500_000]), unending]
    with pytest.raises(UnavailableError, match="sha256 is"):
        download(cut_off, tmp_path / "b", patience=QUICK)
    download(cut_off, tmp_path / "b", patience=QUICK)
    assert (tmp_path / "b" / NAME).read_bytes() == CONTENT


def test_first_sight_is_recorded_and_asked_from_then_on(site, tmp_path):
    file = unpinned(site)
    record = download(file, tmp_path, patience=QUICK)
    assert record["verified_by"] == ["first sight: whole in itself"]
    (tmp_path / NAME).unlink()
    site.files[NAME] = OTHER
    with pytest.raises(UnavailableError, match="on record") as error:
        download(file, tmp_path, patience=QUICK)
    assert f"delete {tmp_path / NAME}.json" in str(error.value)
    site.files[NAME] = CONTENT
    assert download(file, tmp_path, patience=QUICK)["sha256"] == record["sha256"]
    (tmp_path / NAME).write_bytes(OTHER)
    with pytest.raises(WrongFileError, match="on record"):
        verify(file, tmp_path)


def test_a_record_that_says_nothing_is_no_pass(site, tmp_path):
    (tmp_path / f"{NAME}.json").write_text("{}")
    with pytest.raises(WrongFileError, match="no record of a file"):
        download(unpinned(site), tmp_path, patience=QUICK)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt.gz", CONTENT[:-9]),
        ("a.txt.gz", b"no gzip"),
        ("a.txt.gz", gzip.compress(bytes(10**7))),
        ("a.txt.gz", gzip.compress(CONTENT)),
        ("a.txt.gz", CONTENT[:1000] + b"x" + CONTENT[1001:]),
        ("a.tar", b"no tar"),
        ("a.h5", b"\x89HDF\r\n\x1a\n"),
        ("a.csv", b"<!doctype html>"),
        ("a.csv", b'{"error": 404}'),
        ("a.csv", b"a\0b"),
        ("a.csv", b""),
    ],
)
def test_first_sight_takes_only_what_is_whole(site, tmp_path, name, content):
    site.files[name] = content
    file = File(name, (site.url(name),), "none", source="set")
    with pytest.raises(UnavailableError, match="damaged|text|message|empty|unpacks|twice"):
        download(file, tmp_path, patience=QUICK)
    assert left_in(tmp_path) == set()


def test_whole_files_of_other_kinds_are_taken(tmp_path):
    import tarfile

    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = [1, 2]
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(tmp_path / "a.csv", "a.csv")
    for name in ("a.h5", "a.csv", "a.tar"):
        file = File(name, (), "none", source="set")
        assert verify(file, tmp_path)["from"] == "put there by hand"
        whole = (tmp_path / name).read_bytes()
        (tmp_path / "cut").mkdir(exist_ok=True)
        if name != "a.csv":
            (tmp_path / "cut" / name).write_bytes(whole[: len(whole) // 20])
            with pytest.raises(WrongFileError):
                verify(file, tmp_path / "cut")


def test_by_hand_from_a_folder_and_from_a_mirror(site, tmp_path):
    file = pinned(site, "gone")
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / NAME).write_bytes(CONTENT)
    assert download(file, tmp_path / "hand", patience=QUICK)["from"] == "put there by hand"
    (tmp_path / "given" / "set").mkdir(parents=True)
    (tmp_path / "given" / "set" / NAME).write_bytes(CONTENT)
    record = download(file, tmp_path / "a", given=tmp_path / "given", patience=QUICK)
    assert record["from"] == str(tmp_path / "given" / "set" / NAME)
    assert site.requests == []
    site.files[f"mirror/set/{NAME}"] = CONTENT
    record = download(file, tmp_path / "b", mirror=site.url("mirror/"), patience=QUICK)
    assert record["from"] == site.url(f"mirror/set/{NAME}")
    for place in "ab":
        assert (tmp_path / place / NAME).read_bytes() == CONTENT
        assert left_in(tmp_path / place) == GOOD


def test_a_wrong_file_by_hand_is_named_and_left_alone(site, tmp_path):
    (tmp_path / NAME).write_bytes(OTHER)
    with pytest.raises(WrongFileError, match="is published"):
        download(pinned(site), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == OTHER
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / NAME).write_bytes(OTHER)
    record = download(pinned(site), tmp_path / "a", given=tmp_path / "given", patience=QUICK)
    assert record["from"] == site.url(NAME)


FETCH = """
import logging, sys
from pathlib import Path
from urllib3.util import Retry
from scscope.datasets.catalogue import File
from scscope.datasets.download import download
from scscope.datasets.transfer import NoRoomError
url, folder, size, sha256 = sys.argv[1:]
logging.basicConfig(level=logging.INFO)
file = File("set_dge.txt.gz", (url,), "none", source="set", size=int(size), sha256=sha256)
try:
    download(file, folder)
except NoRoomError as error:
    sys.exit(f"full: {error}")
"""


def fetching(site, folder, before=""):
    """A process of its own that downloads."""
    file = pinned(site)
    command = [sys.executable, "-c", before + FETCH, file.urls[0], folder]
    return subprocess.Popen(
        [*map(str, command), str(file.size), file.sha256], stderr=subprocess.PIPE, text=True
    )


def test_killed_in_the_middle_it_goes_on_there(site, tmp_path):
    site.etags[NAME] = '"one"'
    slow = lambda h, c: h.answer(200, c, {"ETag": '"one"'}, pause=0.05)  # noqa: E731
    site.faults[NAME] = [slow]
    process, part = fetching(site, tmp_path), tmp_path / f".{NAME}.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 300_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    have = part.stat().st_size
    assert 300_000 < have < len(CONTENT)
    assert not (tmp_path / NAME).exists()
    download(pinned(site), tmp_path, patience=QUICK)
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert site.requests == [(NAME, None), (NAME, f"bytes={have}-")]
    assert left_in(tmp_path) == GOOD


def test_two_processes_at_once_fetch_once(site, tmp_path):
    site.faults[NAME] = [lambda h, c: h.answer(200, c, pause=0.01)]
    processes = [fetching(site, tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert site.requests == [(NAME, None)]
    assert site.sent == len(CONTENT)


def test_a_full_disk_is_said_and_what_came_is_kept(site, tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))\n"
    process = fetching(site, tmp_path, limit)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "full: No room in" in said
    assert "600,000 bytes in" in said
    assert not (tmp_path / NAME).exists()
    download(pinned(site), tmp_path, patience=QUICK)
    assert site.requests == [(NAME, None), (NAME, "bytes=600000-")]
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_what_cannot_fit_is_not_begun(site, tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(NoRoomError, match="bytes more are needed"):
        download(pinned(site), tmp_path, patience=QUICK)


def test_a_full_disk_without_a_length(site, tmp_path):
    """The real thing, a file system of one megabyte."""
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], capture_output=True, text=True
    )
    need("mount", mounting.returncode == 0, mounting.stderr.strip() or "may not mount a tmpfs")
    try:
        site.faults[NAME] = [chunked]
        with pytest.raises(NoRoomError, match="0 bytes are free"):
            download(unpinned(site), tmp_path, patience=QUICK)
        assert not (tmp_path / NAME).exists()
        part = (tmp_path / f".{NAME}.part").read_bytes()
        assert len(part) > 900_000
        assert CONTENT.startswith(part)
    finally:
        subprocess.run(["umount", tmp_path], check=True)


SMALL = gzip.compress(random.Random(2).randbytes(3000), mtime=0)
SMALL_OTHER = gzip.compress(random.Random(3).randbytes(3000), mtime=0)
at = st.integers(0, len(SMALL) + 5)
FAULTS = st.one_of(
    at.map(cut),
    st.sampled_from([404, 416, 429, 500, 503, 202]).map(status),
    st.just(chunked),
    at.map(lambda stop: partial(chunked, stop=stop)),
    # The other version, whole or cut; with ranges as asked, or without.
    at.map(lambda stop: lambda h, _: piece(h, SMALL_OTHER, stop)),
    at.map(lambda stop: lambda h, _: h.answer(200, SMALL_OTHER, stop=stop)),
    at.map(lambda stop: lambda h, _: h.answer(200, SMALL_OTHER[:stop])),
    # Another range than was asked for.
    at.map(
        lambda start: (
            lambda h, c: h.answer(
                206, c[start:], {"Content-Range": f"bytes {start}-{len(c) - 1}/{len(c)}"}
            )
        )
    ),
    st.just(unending),
    st.just(status(302, Location="/copy")),
    st.just(status(302, Location="https://example.org/")),
)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(faults=st.lists(st.lists(FAULTS, max_size=6), min_size=2, max_size=2), known=st.booleans())
def test_whatever_servers_do_nothing_wrong_is_accepted(site, faults, known):
    """Two addresses misbehave in any way, call after call: right at last, and never wrong before."""
    site.requests.clear()
    site.files, site.etags = {NAME: SMALL, "copy": SMALL}, {NAME: '"one"', "copy": '"one"'}
    site.faults = dict(zip((NAME, "copy"), map(list, faults), strict=True))
    file = pinned(site, NAME, "copy", content=SMALL)
    file = file if known else replace(file, size=None, sha256=None)
    patience = replace(QUICK, retries=Retry(total=1))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, NAME)
        for _ in range(14):
            try:
                download(file, folder, patience=patience)
                break
            except UnavailableError:
                assert not place.exists()
        # Of an unknown file either version is right on first sight, a mixture never is.
        assert place.read_bytes() in ([SMALL] if known else [SMALL, SMALL_OTHER])


def test_a_log_gets_a_line_now_and_then(site, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("scscope.progress.LOG_SECONDS", 0.1)
    site.faults[NAME] = [lambda h, c: h.answer(200, c, pause=0.01)]
    with caplog.at_level(logging.INFO):
        download(pinned(site), tmp_path, patience=QUICK)
    lines = [line for line in caplog.messages if line.startswith("Download set: ")]
    assert 2 < len(lines) < 40
    assert "of 2.0 MB (" in lines[0]
