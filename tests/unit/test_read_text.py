"""Run with `pytest tests/unit/test_read_text.py`."""

import csv
import gzip
import io
import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scscope.datasets import text
from scscope.datasets.text import read_matrix, read_table

FEW = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(folder, name, content):
    path = Path(folder) / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path


def outcome(path, **options):
    """The matrix, or the message of the error that readers raise."""
    try:
        return read_matrix(path, **options), None
    except ValueError as error:
        return None, str(error)


# Real excerpts


@pytest.mark.parametrize(
    ("name", "cells_in", "shape"),
    [
        ("retina/macosko_r1_subset_300x259.csv", "rows", (300, 259)),
        ("cbmc/GSE100866_CBMC_8K_13AB_10X-ADT_umi.csv.gz", "columns", (8617, 13)),
        ("cbmc/GSE100866_CBMC_8K_13AB_10X-ADT_clr-transformed.csv.gz", "columns", None),
        ("gse100866_other/GSE100866_CD8_merged-RNA_umi.csv.gz", "columns", (1774, 11757)),
        (
            "dropseq_speciesmix/GSM1544798_SpeciesMix_ThousandSTAMPs_MOUSE"
            ".digital_expression.txt.gz",
            "columns",
            (1020, 15122),
        ),
    ],
)
def test_real_tables_are_read_as_pandas_reads_them(test_data, name, cells_in, shape):
    path = test_data / name
    if shape is None:  # centred, so there are negative values
        with pytest.raises(ValueError, match=r"has '-0\.\d+' in line 2, row 'CD3', column 'CTGTTT"):
            read_matrix(path, cells_in=cells_in)
        return
    expected = pd.read_csv(path, sep="\t" if ".txt" in name else ",", index_col=0)
    expected = expected.T if cells_in == "columns" else expected
    found = read_matrix(path, cells_in=cells_in, shape=shape)
    assert found.X.dtype == np.float32
    assert found.X.has_canonical_format
    assert np.all(found.X.data)
    np.testing.assert_array_equal(found.X.toarray(), expected.to_numpy())
    np.testing.assert_array_equal(found.cells, expected.index)
    np.testing.assert_array_equal(found.genes, expected.columns)


def test_a_header_without_corner_is_that_of_r(test_data):
    path = test_data / "intestine/atlas_tsne.txt"
    columns, rows = read_table(path)
    expected = pd.read_csv(path, sep="\t")
    assert columns == list(expected.columns) == ["tSNE_1", "tSNE_2"]
    assert [name for name, _ in rows] == list(expected.index)


@pytest.mark.parametrize(
    "content",
    [
        b'"A_1.AC" "A_1.GT"\n"Gm1 a" 0 3\n"Xkr4" 12 0\n',
        b"A_1.AC A_1.GT\nGm1.a 0 3\nXkr4 12 0\n",
        b'"A_1.AC"\t"A_1.GT"\n"Gm1 a"\t0\t3\n"Xkr4"\t12\t0\n',
    ],
    ids=["quoted, spaces", "spaces", "quoted, tabs"],
)
def test_tables_of_write_table_in_r(tmp_path, content):
    path = write(tmp_path, "Lung1_dge.txt.gz", content)
    found = read_matrix(path, cells_in="columns", shape=(2, 2))
    np.testing.assert_array_equal(found.X.toarray(), [[0, 12], [3, 0]])
    assert list(found.cells) == ["A_1.AC", "A_1.GT"]
    assert [name.replace(".", " ") for name in found.genes] == ["Gm1 a", "Xkr4"]


# All forms of valid tables


@st.composite
def tables(draw):
    """A table of numbers with its names, and one of the forms in which it may be written."""
    n_rows, n_columns = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    number = st.one_of(
        st.just("0"),
        st.just("0"),
        st.integers(0, 10**7).map(str),
        st.sampled_from(["0.0", "00", "007", "1e3", "2.5E-2", "+4", "-0", "0.1", "1e-30", " 3"]),
        st.floats(0, 1e30, allow_nan=False).map(repr),
    )
    values = draw(st.lists(number, min_size=n_rows * n_columns, max_size=n_rows * n_columns))
    name = st.text(st.sampled_from("aB1.-|' é\t,\"0"), min_size=1, max_size=6)
    rows = draw(st.lists(name, min_size=n_rows, max_size=n_rows, unique=True))
    columns = draw(st.lists(name, min_size=n_columns, max_size=n_columns, unique=True))
    return np.array(values).reshape(n_rows, n_columns), rows, columns


@FEW
@given(
    table=tables(),
    separator=st.sampled_from([",", "\t", " "]),
    corner=st.sampled_from(["gene", "", None]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    ending=st.booleans(),
    block=st.sampled_from([1, 2, 7, 30, 2**20]),
    is_gzip=st.booleans(),
)
def test_every_form_of_a_table_gives_its_numbers(
    tmp_path, table, separator, corner, quoting, newline, ending, block, is_gzip
):
    values, rows, columns = table
    if separator == " ":  # a tab in a name would make it a table of tabs
        rows, columns = ([name.replace("\t", ";") for name in names] for names in (rows, columns))
        if len(set(rows)) < len(rows) or len(set(columns)) < len(columns):
            return
        values = np.char.strip(values)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=newline)
    writer.writerow(columns if corner is None else [corner, *columns])
    writer.writerows([name, *row] for name, row in zip(rows, values, strict=True))
    content = out.getvalue() if ending else out.getvalue().rstrip("\r\n")
    suffix = ".csv" if separator == "," else ".txt"
    path = write(tmp_path, f"x{suffix}{'.gz' if is_gzip else ''}", content.encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK", block)
        found = read_matrix(path, cells_in="rows")
        across = read_matrix(path, cells_in="columns", shape=values.T.shape)
    np.testing.assert_array_equal(found.X.toarray(), values.astype(float))
    assert np.all(found.X.data)
    assert (list(found.cells), list(found.genes)) == (rows, columns)
    np.testing.assert_array_equal(across.X.toarray(), found.X.toarray().T)
    assert (list(across.cells), list(across.genes)) == (columns, rows)


# Anything else


def reference(content: bytes) -> tuple[np.ndarray, list[str], list[str]] | None:
    """What the csv module makes of a table, or None where a rule of ours is broken."""
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header, *rows = [fields for fields in lines if fields]
        width = len(rows[0])
    except (csv.Error, UnicodeDecodeError, ValueError, IndexError):
        return None
    columns = header[len(header) - width + 1 :]
    names = [row[0] for row in rows]
    number = re.compile(r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *", re.ASCII)
    if (
        width < 2
        or len(header) not in (width, width - 1)
        or any(len(row) != width for row in rows)
        or len(set(names)) < len(names)
        or len(set(columns)) < len(columns)
        or "\0" in "".join([*names, *columns])
        or not all(number.fullmatch(field) for row in rows for field in row[1:])
    ):
        return None
    values = np.array([[float(field) for field in row[1:]] for row in rows])
    return (values, names, columns) if np.all((values >= 0) & np.isfinite(values)) else None


PLAIN = b"gene,c1,c2,c3\ng1,0,0,12\ng2,5,0,0\ng3,0,7,1\n"
QUOTED = b'"c1","c2"\n"g1",0,1.5\n"g2",20,0\n'


@FEW
@given(
    start=st.sampled_from([PLAIN, QUOTED]),
    edits=st.lists(
        st.tuples(
            st.integers(0, 60),
            st.integers(0, 3),
            st.one_of(
                st.sampled_from([*b'0159,.-+eE "\n\r\tNA_x', 0, 255]).map(lambda b: bytes([b])),
                st.binary(max_size=3),
                st.sampled_from([b"nan", b"inf", b"-1", b"1e999", b"0x10", "٣".encode(), b"1_0"]),
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    block=st.sampled_from([1, 9, 2**20]),
)
def test_a_changed_table_is_read_right_or_refused(tmp_path, start, edits, block):
    content = start
    for place, n_removed, added in edits:
        content = content[:place] + added + content[place + n_removed :]
    path = write(tmp_path, "x.csv", content)
    expected = reference(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK", block)
        found, error = outcome(path, cells_in="rows")
    if error is not None:
        assert str(path) in error
        # Only what is right in all else may be refused for a quoted field of several lines.
        assert expected is None or b'"' in content, content
        return
    assert expected is not None, content
    np.testing.assert_array_equal(found.X.toarray(), expected[0])
    assert (list(found.cells), list(found.genes)) == expected[1:]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_gzip_file_is_refused_or_whole(data):
    rows = "".join(f"g{i},{i % 7},0,{i * i}\n" for i in range(300))
    content = gzip.compress(f"gene,c1,c2,c3\n{rows}".encode(), mtime=0)
    broken = bytearray(content)
    if data.draw(st.booleans()):
        del broken[data.draw(st.integers(0, len(broken) - 1)) :]
    else:
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        path, whole = Path(folder) / "x.csv.gz", Path(folder) / "whole.csv.gz"
        path.write_bytes(broken)
        whole.write_bytes(content)
        found, error = outcome(path, cells_in="columns")
        if error is None:  # the header of gzip holds a time and a system that say nothing
            assert (found.X != read_matrix(whole, cells_in="columns").X).nnz == 0
        else:
            assert str(path) in error


# Errors


@pytest.mark.parametrize("filler", [0, 5000], ids=["first block", "later block"])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bad,1,2", "has 3 fields in line {} but 4 in its first row"),
        ("bad,1,2,3,4", "has 5 fields in line {} but 4 in its first row"),
        ("bad,1,x,3", "has 'x' in line {}, row 'bad', column 'c2', where a finite number from 0"),
        ("bad,1,-2,3", "has '-2' in line {}, row 'bad', column 'c2', where a finite number from 0"),
        ("bad,1,2,", "has '' in line {}, row 'bad', column 'c3', where a finite number from 0"),
        ("bad,inf,2,3", "has 'inf' in line {}, row 'bad', column 'c1'"),
        ("bad,1e999,2,3", "has '1e999' in line {}, row 'bad', column 'c1'"),
        ("bad,1" + "0" * 80 + ",2,3", "has '10{{63}}…' in line {}, row 'bad', column 'c1'"),
        ('bad,"x",2,3', "has 'x' in line {}, row 'bad', column 'c1'"),
        ('"bad,1,2,3', "cannot be read as text. Line {}: Error: unexpected end of data"),
        ("b\udce4d,1,2,3", "cannot be read as text. Line {}: UnicodeDecodeError"),
        ("g0,1,2,3", "has gene names more than once: 'g0'"),
        ("bad\0,1,2,3", r"has a NUL in the name 'bad\\x00'"),
    ],
)
def test_errors_name_line_row_and_column(tmp_path, monkeypatch, line, message, filler):
    monkeypatch.setattr(text, "BLOCK", 1000)
    rows = "".join(f"g{i},0,0,{i}\n" for i in range(filler + 1))
    content = f"gene,c1,c2,c3\n{rows}{line}\nlast,0,0,0\n"
    path = write(tmp_path, "x.csv", content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=message.format(filler + 3)):
        read_matrix(path, cells_in="columns")


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "MAX_LINE", 3000)
    monkeypatch.setattr(text, "BLOCK", 1000)
    path = write(tmp_path, "x.csv", b"gene,c1\ng1,1" + b"0" * 100_000)
    with pytest.raises(ValueError, match="line 2 does not end within 3,000 bytes"):
        read_matrix(path, cells_in="columns")


def test_a_table_cut_at_the_end_of_a_line_is_known_by_its_shape(tmp_path):
    path = write(tmp_path, "x.csv", b"".join(PLAIN.splitlines(keepends=True)[:-1]))
    assert read_matrix(path, cells_in="columns").shape == (3, 2)
    with pytest.raises(ValueError, match="has 3 cells x 2 genes, but 3 x 3 are expected. It is no"):
        read_matrix(path, cells_in="columns", shape=(3, 3))


def test_numbers_keep_their_precision(tmp_path):
    path = write(tmp_path, "x.csv", b"cell,g1,g2\nc1,0.1,16777217\nc2,3,0\n")
    found = read_matrix(path, cells_in="rows").X
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found.toarray(), [[0.1, 16777217], [3, 0]])
