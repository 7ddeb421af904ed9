"""The catalogue of real files: in order, true to the files at hand, and shown on its page."""

from pathlib import Path

import pytest

from scscope.datasets.catalogue import CATALOGUE, files_of
from scscope.datasets.checks import digests
from scscope.datasets.transfer import refusal


def test_the_catalogue_is_in_order():
    asked = {
        "retina",
        "cbmc",
        "intestine",
        "brain",
        "brain_20k",
        "mca_lung",
        "mca_atlas",
        "splitseq",
    }
    assert asked == set(CATALOGUE)
    for source, files in CATALOGUE.items():
        assert len({file.name for file in files}) == len(files)
        assert files_of(source)
        for file in files:
            assert file.source == source
            assert file.urls
            for url in file.urls:
                host = url.split("/")[2]
                assert refusal(url, (f"{host}/",)) == ""
            lengths = {"sha256": 64, "md5": 32, "git_blob_sha1": 40}
            for kind, value in file.checksums.items():
                assert len(value) == lengths[kind]
                int(value, 16)
            # What has no checksum says by what it is known; what has one, where that comes from.
            assert file.basis != "nothing is published" if file.checksums else file.stands_in
    with pytest.raises(ValueError, match="Did you mean 'retina'"):
        files_of("retinas")


def test_the_catalogue_agrees_with_the_real_files_at_hand(test_data):
    seen = 0
    for source, files in CATALOGUE.items():
        for file in files:
            for path in test_data.rglob(file.name):
                found = digests(path)
                assert found["size"] == file.size, source
                assert {kind: found[kind] for kind in file.checksums} == file.checksums
                seen += 1
    assert seen == 4


def test_the_page_lists_every_file():
    page = (Path(__file__).parents[2] / "docs/download.md").read_text()
    for files in CATALOGUE.values():
        for file in files:
            line = next(line for line in page.splitlines() if f"`{file.name}`" in line)
            assert (f"{file.size:,}" if file.size else "?") in line
            for kind, value in file.checksums.items():
                assert f"{kind} `{value}`" in line
