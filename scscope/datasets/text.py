"""Read text tables: rows of fields as they are, or a matrix of numbers, made sparse block by block."""

import csv
import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
from scipy import sparse

from scscope.datasets.matrix import CellMatrix, check_shape, check_unique, reading

CellsIn = Literal["columns", "rows"]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
SUFFIXES = (*SEPARATORS, *(f"{suffix}.gz" for suffix in SEPARATORS))

BLOCK = 2**20  # bytes of text that are parsed at a time: what is made of them stays in the cache
MAX_LINE = 2**30  # bytes: 500 million fields
MAX_DIGITS = 64  # characters of a number
NEWLINE, ZERO, QUOTE, SPACE = b'\n0" '
NUMBER = np.zeros(256, bool)  # characters of a number; spaces may surround it
NUMBER[list(b"0123456789.eE+- ")] = True


class Rows(NamedTuple):
    """Some rows of a table: their names, and column, value and end of row of what is not zero."""

    names: list[str]
    columns: np.ndarray
    values: np.ndarray
    lengths: np.ndarray


class Layout(NamedTuple):
    """What the head of a table says: its separator, fields in a row, and names of the columns."""

    path: Path
    separator: str
    width: int
    columns: list[str]


class BadFieldError(Exception):
    """A field is no number from 0; its place among those that were looked at."""


def suffix_of(path: Path) -> str:
    """The suffix in lower case, `.csv.gz` for compressed files."""
    name = path.name.lower()
    inner = Path(name.removesuffix(".gz")).suffix
    return f"{inner}.gz" if name.endswith(".gz") else inner


def read_table(path: str | Path) -> tuple[list[str], Iterator[tuple[str, list[str]]]]:
    """Names of the columns, and name and fields of each row, of a text table.

    The header may lack the field above the row names, as R writes it. Blank lines are skipped.

    Parameters
    ----------
    path
        `.csv` (commas), `.tsv` or `.txt` (tabs, or spaces where header line and first row have no tab), each
        also as `.gz`, UTF-8, with a header line.
    """
    blocks = line_blocks(Path(path))
    layout, blocks = _layout(Path(path), blocks)

    def rows():
        for number, block in blocks:
            for _, fields in _fields(layout, number, block):
                yield fields[0], fields[1:]

    return layout.columns, rows()


def read_matrix(
    path: str | Path, *, cells_in: CellsIn, shape: tuple[int, int] | None = None
) -> CellMatrix:
    """Read a table of numbers; in memory are its non-zeros and one block of text.

    Parameters
    ----------
    path
        As for `read_table`: with a header line and a name at the start of each row.
    cells_in
        Whether the cells are the "columns" or the "rows" of the table.
    shape
        Number of cells and of genes that the table must have, if it is known.

    Returns
    -------
    CellMatrix
        Values float32 where that holds all of them exactly, else float64.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is damaged; a row has too few or too many fields; a field is not a finite number from 0;
        a name occurs twice; the shape is another.
    """
    path = Path(path)
    layout, blocks = _layout(path, line_blocks(path))
    across, down = ("cell", "gene") if cells_in == "columns" else ("gene", "cell")
    hint = "; the first line must be a header"
    check_unique(path, across, layout.columns, hint)
    names, columns, values, lengths = [], [], [], []
    for number, block in blocks:
        rows = _parse(layout, number, block)
        names += rows.names
        columns.append(rows.columns)
        values.append(rows.values)
        lengths.append(rows.lengths)
    check_unique(path, down, names, hint)
    _refuse_nul(path, [*layout.columns, *names])

    ends = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
    data, indices = np.concatenate(values), np.concatenate(columns)
    del values, columns
    X = sparse.csr_matrix((data, indices, ends), shape=(len(names), len(layout.columns)))
    del data, indices
    row_names, column_names = (np.array(n, dtype=str) for n in (names, layout.columns))
    if cells_in == "columns":
        result = CellMatrix(X.T.tocsr(), column_names, row_names)
    else:
        result = CellMatrix(X, row_names, column_names)
    check_shape(path, result.shape, shape)
    return result


def _refuse_nul(path: Path, names: list[str]) -> None:
    """No name holds a NUL: at its end numpy would drop it, and no text has one."""
    for name in names:
        if "\0" in name:
            raise ValueError(f"{path} has a NUL in the name {name!r}: it is damaged, or no text.")


# Lines


def line_blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about `BLOCK` bytes at a time, ended by a newline; and the number of the first.

    A thread decompresses the next ones meanwhile.
    """
    is_gzip = path.name.lower().endswith(".gz")
    with (
        reading(path, "gzipped text" if is_gzip else "text"),
        (gzip.open if is_gzip else open)(path, "rb") as file,
        ThreadPoolExecutor(1) as thread,
    ):
        number, rest = 1, b""
        coming = thread.submit(_read, file, BLOCK)
        while chunk := coming.result():
            if len(rest) > MAX_LINE:
                raise ValueError(f"line {number} does not end within {MAX_LINE:,} bytes")
            coming = thread.submit(_read, file, max(BLOCK, len(rest)))
            if not rest and number == 1:
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            text = rest + chunk
            if b"\r" in text:
                # What follows a last one is not known yet.
                cut = len(text) - text.endswith(b"\r")
                held = text[cut:]
                text = text[:cut].replace(b"\r\n", b"\n").replace(b"\r", b"\n") + held
            cut = text.rfind(b"\n") + 1
            block, rest = text[:cut], text[cut:]
            if block:
                yield number, block
                number += block.count(b"\n")
        if rest.rstrip(b"\r"):
            yield number, rest.rstrip(b"\r") + b"\n"


def _read(file: BinaryIO, size: int) -> bytes:
    return file.read(size)


def _layout(
    path: Path, blocks: Iterator[tuple[int, bytes]]
) -> tuple[Layout, Iterator[tuple[int, bytes]]]:
    """What header line and first row say, and the blocks of the rows."""
    separator = SEPARATORS.get(suffix_of(path).removesuffix(".gz"))
    if separator is None:
        known = ", ".join(SEPARATORS)
        raise ValueError(f"{path} is not a table. Known suffixes: {known}, each also with .gz.")

    head, header_line, blocks = next_line(blocks)
    if header_line is None:
        raise ValueError(f"{path} is empty; a header line and rows are expected.")
    number, line, blocks = next_line(blocks)
    if line is None:
        raise ValueError(f"{path} has a header line but no rows.")
    if suffix_of(path).startswith(".txt") and b"\t" not in header_line + line:
        separator = " "
    header = _split(path, separator, head, header_line)
    width = len(_split(path, separator, number, line))
    if width < 2:
        raise ValueError(f"{path} has one field in a row; fields are separated by {separator!r}.")
    if len(header) not in (width, width - 1):
        raise ValueError(
            f"{path} has {len(header)} fields in its header line but {width} in its first row; "
            "a header has as many, or one less where there is none above the row names."
        )
    columns = header[len(header) - width + 1 :]
    return Layout(path, separator, width, columns), chain([(number, line)], blocks)


def next_line(
    blocks: Iterator[tuple[int, bytes]],
) -> tuple[int, bytes | None, Iterator[tuple[int, bytes]]]:
    """Number and bytes of the next line that is not blank, and the blocks behind it."""
    for number, block in blocks:
        start = 0
        while start < len(block):
            end = block.index(b"\n", start) + 1
            if end - start > 1:
                rest = block[end:]
                left = [(number + 1, rest)] if rest else []
                return number, block[start:end], chain(left, blocks)
            number, start = number + 1, end
    return 0, None, iter(())


def _split(path: Path, separator: str, number: int, line: bytes) -> list[str]:
    """The fields of one line; quotes may surround a field, and are doubled within one."""
    try:
        text = line.decode().removesuffix("\n")
        return next(csv.reader([text], delimiter=separator, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        cause = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path} cannot be read as text. Line {number}: {cause}.") from error


def _fields(layout: Layout, number: int, block: bytes) -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line of a block that is not blank."""
    for i, line in enumerate(block.split(b"\n")[:-1]):
        if not line:
            continue
        fields = _split(layout.path, layout.separator, number + i, line)
        if len(fields) != layout.width:
            raise ValueError(
                f"{layout.path} has {len(fields)} fields in line {number + i} but {layout.width} "
                "in its first row."
            )
        yield number + i, fields


# Numbers


def _parse(layout: Layout, number: int, block: bytes) -> Rows:
    """Make the rows of a block sparse: all at once if they are plain, else line by line."""
    rows = _parse_plain(layout, number, block)
    if rows is not None:
        return rows
    parts = [_parse_fields(layout, *line) for line in _fields(layout, number, block)]
    if not parts:
        return Rows([], np.empty(0, np.int32), np.empty(0, np.float32), np.empty(0, np.int64))
    return Rows(
        [name for part in parts for name in part.names],
        *(np.concatenate(column) for column in list(zip(*parts, strict=True))[1:]),
    )


def _parse_fields(layout: Layout, number: int, fields: list[str]) -> Rows:
    """Make one row sparse whose fields are separated already."""
    columns = np.array([i for i, field in enumerate(fields[1:]) if field != "0"], np.int32)
    found = [fields[i + 1].encode() or b" " for i in columns]
    sizes = np.array([len(field) for field in found], np.int64)
    text = np.frombuffer(b"".join(found), np.uint8)
    try:
        values = numbers(text, np.cumsum(sizes) - sizes, sizes)
    except BadFieldError as error:
        place = columns[error.args[0]]
        raise _bad_field(layout, number, fields[0], place, fields[place + 1]) from None
    kept = values != 0
    return Rows([fields[0]], columns[kept], values[kept], np.array([kept.sum()]))


def _parse_plain(layout: Layout, number: int, block: bytes) -> Rows | None:
    """Make a block of rows sparse at once, or None if it has blank, ragged or oddly quoted lines.

    Nearly all fields are "0". So only the bytes that are neither a zero nor the end of a field are
    looked at closer.
    """
    text = np.frombuffer(block, np.uint8)
    is_end = text == ord(layout.separator)
    is_end |= text == NEWLINE
    ends = np.flatnonzero(is_end)
    n_rows = block.count(b"\n")
    if len(ends) != n_rows * layout.width:
        return None
    last = ends[layout.width - 1 :: layout.width]
    if not (text[last] == NEWLINE).all():
        return None
    starts = np.concatenate([[0], last[:-1] + 1])
    names = _plain_names(block, starts, ends[:: layout.width])
    if names is None:
        return None

    is_end_after_end = is_end[1:] & is_end[:-1]
    if is_end_after_end.any():  # an empty field
        return None
    is_other = text != ZERO
    is_other &= ~is_end
    field = np.searchsorted(ends, np.flatnonzero(is_other))
    field = field[np.diff(field, prepend=-1) > 0]
    row, column = np.divmod(field, layout.width)
    field, row, column = (a[column > 0] for a in (field, row, column))
    begin = ends[field - 1] + 1
    try:
        values = numbers(text, begin, ends[field] - begin)
    except BadFieldError as error:
        i = error.args[0]
        bad = block[begin[i] : ends[field[i]]].decode(errors="replace")
        if QUOTE in bad.encode():  # a quoted number
            return None
        raise _bad_field(layout, number + row[i], names[row[i]], column[i] - 1, bad) from None
    kept = values != 0
    lengths = np.bincount(row[kept], minlength=n_rows)
    return Rows(names, (column[kept] - 1).astype(np.int32), values[kept], lengths)


def _plain_names(block: bytes, starts: np.ndarray, ends: np.ndarray) -> list[str] | None:
    """Names of the rows of a block, or None if quotes are elsewhere than around whole names."""
    names = [block[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    n_quotes = block.count(b'"')
    if n_quotes:
        if n_quotes != 2 * len(names) or not all(
            len(name) > 1 and name[0] == name[-1] == QUOTE for name in names
        ):
            return None
        names = [name[1:-1] for name in names]
    try:
        return [name.decode() for name in names]
    except UnicodeDecodeError:
        return None


def numbers(text: np.ndarray, start: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The numbers that stand in `text` at `start`, `size` bytes each, shape (n,).

    Raises
    ------
    BadFieldError
        One is not a finite number from 0.
    """
    values = np.zeros(len(start))
    digits = np.zeros(len(start), bool)  # whether a field is a whole number of a few digits
    for length in range(1, 8):
        these = np.flatnonzero(size == length)
        if len(these) == 0:
            continue
        begin, value = start[these], np.zeros(len(these), np.int64)
        good = np.ones(len(these), bool)
        for k in range(length):
            digit = text[begin + k] - np.uint8(ZERO)  # wraps around below zero
            good &= digit < 10
            value = 10 * value + digit
        values[these], digits[these] = value, good
    others = np.flatnonzero(~digits)
    if len(others):
        values[others] = _decimals(text, start[others], size[others], others)
    exact = values.astype(np.float32)
    return exact if np.array_equal(exact, values) else values


def _decimals(
    text: np.ndarray, start: np.ndarray, size: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Like `numbers`, for numbers of any form."""
    width = min(int(size.max()), MAX_DIGITS)
    position = np.arange(width)
    inside = position < size[:, None]
    at = np.minimum(start[:, None] + position, len(text) - 1)
    characters = np.where(inside, text[at], np.uint8(SPACE))
    allowed = NUMBER[characters].all(axis=1) & (size <= MAX_DIGITS)
    fields = np.ascontiguousarray(characters).view(f"S{width}").ravel()
    values = np.zeros(len(fields))
    try:
        values[allowed] = fields[allowed].astype(np.float64)
    except ValueError:
        for i in np.flatnonzero(allowed):
            try:
                values[i] = float(fields[i])
            except ValueError:
                allowed[i] = False
    with np.errstate(invalid="ignore"):
        allowed &= np.isfinite(values) & (values >= 0)
    if not allowed.all():
        raise BadFieldError(int(places[np.argmin(allowed)]))
    return values


def _bad_field(layout: Layout, number: int, row: str, column: int, field: str) -> ValueError:
    shown = field if len(field) <= MAX_DIGITS else f"{field[:MAX_DIGITS]}…"
    return ValueError(
        f"{layout.path} has {shown!r} in line {number}, row {row!r}, column "
        f"{layout.columns[column]!r}, where a finite number from 0 is expected."
    )
