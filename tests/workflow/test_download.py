"""`snakemake download` against a real server on the loopback, which stands in for a mirror."""

import gzip
import json
import os
import subprocess

import pytest

from tests.server import served

pytestmark = pytest.mark.workflow

NAME = "GSE92332_SalmHelm_UMIcounts.txt.gz"
# No bytes of it are published, so any whole file is accepted on first sight.
CONTENT = gzip.compress(os.urandom(400_000), mtime=0)
OTHER = gzip.compress(b"other", mtime=0)


@pytest.fixture
def site(monkeypatch):
    """A mirror; every other address ends at a closed door of this machine."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served() as site:
        site.files[f"intestine/{NAME}"] = CONTENT
        yield site


@pytest.fixture
def real(checkout):
    """A checkout whose one study uses one of two real sets."""
    checkout.config["datasets"] |= {"gut": {"source": "intestine"}, "eye": {"source": "retina"}}
    checkout.config["studies"]["main"]["datasets"].append("gut")
    checkout.place = checkout.results / "raw/intestine" / NAME
    return checkout


def test_what_the_studies_need_is_fetched_once_and_nothing_else(real, site):
    real.config["downloads"] = {"mirror": site.address}
    said = real.run(target="download")
    assert f"intestine/{NAME}: {len(CONTENT):,} bytes, verified by first sight" in said
    assert real.place.read_bytes() == CONTENT
    assert [path.name for path in (real.results / "raw").iterdir()] == ["intestine"]
    record = real.place.with_name(f"{NAME}.json").read_text()
    assert json.loads(record)["from"] == f"{site.address}/intestine/{NAME}"
    # A second call, be it forced and with another mirror, fetches nothing.
    real.config["downloads"] = {"mirror": site.url("elsewhere")}
    real.run("--forceall", target="download")
    assert site.requests == [(f"intestine/{NAME}", None)]
    # From then on, no other file is taken for it: neither in its place nor from the server.
    real.place.write_bytes(OTHER)
    assert f"{NAME}: size is" in real.snakemake(target="download").stdout
    assert real.place.read_bytes() == OTHER
    real.place.unlink()
    site.files[f"elsewhere/intestine/{NAME}"] = OTHER
    result = real.snakemake(target="download")
    assert result.returncode != 0
    assert "on record" in result.stdout
    assert not real.place.exists()


def test_without_a_network_files_are_taken_from_where_they_are_put(real, site):
    result = real.snakemake(target="download")
    assert result.returncode != 0
    said = (real.results / f"logs/download/intestine/{NAME}.log").read_text()
    for words in (f"intestine: {NAME} cannot be had", "no connection", str(real.place)):
        assert words in said, result.stdout + said
    # In its place, but not whole: named, and left there.
    real.place.write_bytes(CONTENT[:-100])
    result = real.snakemake(target="download")
    assert result.returncode != 0
    assert "it is damaged" in result.stdout
    assert real.place.read_bytes() == CONTENT[:-100]
    # In a folder that the config names.
    real.place.unlink()
    (real.folder / "disk").mkdir()
    (real.folder / "disk" / NAME).write_bytes(CONTENT)
    real.config["downloads"] = {"folder": "disk"}
    assert "verified by first sight" in real.run(target="download")
    assert real.place.read_bytes() == CONTENT
    assert site.requests == []


def test_without_real_sets_there_is_nothing_to_do(checkout):
    assert "nothing to download" in checkout.run(target="download")


def test_a_wrong_place_is_refused_before_any_job(real):
    real.config["downloads"] = {"mirror": "http://mirror.example.org", "folder": "nowhere"}
    result = real.snakemake("--dry-run", target="download")
    assert result.returncode != 0
    assert "downloads.mirror: 'http://mirror.example.org': http:// is not safe" in result.stdout
    assert "downloads.folder: there is no folder 'nowhere'" in result.stdout


def test_a_terminal_shows_a_bar(real, site):
    real.config["downloads"] = {"mirror": site.address}
    site.faults[f"intestine/{NAME}"] = [lambda h, c: h.answer(200, c, pause=0.05)]
    command = " ".join(f"'{word}'" for word in real.command(target="download"))
    said = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        cwd=real.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert said.returncode == 0, said.stdout
    assert "Download intestine [####" in said.stdout
