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
