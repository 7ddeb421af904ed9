from pathlib import Path

import pytest

from scscope.atomic import beside, write_text


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    with beside(tmp_path / "x") as part:
        part.write_text("new")
        assert not (tmp_path / "x").exists()
    assert (tmp_path / "x").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def half_write(path):
    with beside(path) as part:
        part.write_text("half")
        raise OSError("disk full")


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path):
    write_text(tmp_path / "x", "old")
    with pytest.raises(OSError, match="disk full"):
        half_write(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def write_folder(path, names, fails=False):
    with beside(path) as part:
        part.mkdir()
        for name in names:
            (part / name).write_text("new")
        if fails:
            raise OSError("disk full")


def test_a_folder_takes_the_place_of_a_folder(tmp_path):
    write_folder(tmp_path / "x", ["a", "b"])
    write_folder(tmp_path / "x", ["c"])
    with pytest.raises(OSError, match="disk full"):
        write_folder(tmp_path / "x", ["d"], fails=True)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["c"]


def test_a_folder_that_cannot_take_the_place_leaves_the_old_one(tmp_path, monkeypatch):
    write_folder(tmp_path / "x", ["a"])
    replace = Path.replace

    def fail_for_parts(path, target):
        if path.suffix == ".part":
            raise OSError("no permission")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail_for_parts)
    with pytest.raises(OSError, match="no permission"):
        write_folder(tmp_path / "x", ["b"])
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a"]
