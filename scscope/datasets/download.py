"""Bring a file of a real data set to its place: from where it lies, or from where it is offered.

In this order: what is there already, a folder named by the user, a mirror, the addresses of the
catalogue. Whatever it is, it is verified before it takes its place.
"""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from filelock import FileLock, Timeout
from urllib3.util import parse_url

from scscope.datasets.catalogue import REDIRECTS, File
from scscope.datasets.checks import (
    WrongFileError,
    published,
    read_record,
    recorded,
    verify,
)
from scscope.datasets.transfer import (
    PATIENCE,
    NoRoomError,
    Patience,
    RefusedError,
    Terms,
    forget,
    refusal,
    room,
    transfer,
)

logger = logging.getLogger("scscope.download")


class UnavailableError(RuntimeError):
    """None of the places where a file may be had gives it."""


def download(
    file: File,
    folder: str | Path,
    *,
    given: str | Path | None = None,
    mirror: str | None = None,
    patience: Patience = PATIENCE,
) -> dict:
    """Have a verified file in `folder`; nothing is fetched if it is there.

    Parameters
    ----------
    file
        What to bring.
    folder
        `raw/{source}`. While a file is on its way it lies there as `.{name}.part`, from which a
        later call goes on.
    given
        Folder that may hold the file, as `{source}/{name}` or `{name}`. It is copied from there.
    mirror
        Base address that may offer it, as `{mirror}/{source}/{name}`; asked before the others.
    patience
        How long to wait for servers.

    Returns
    -------
    The record of the file, see `scscope.datasets.checks.verify`.

    Raises
    ------
    WrongFileError
        If a wrong file lies at its place. It is not touched.
    UnavailableError
        If it cannot be had; says what was tried, and where to put it by hand.
    NoRoomError
        If it does not fit on the disk.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    place, tried = folder / file.name, []
    part = folder / f".{file.name}.part"
    with room(part), alone(folder / f".{file.name}.lock"):
        if place.exists():
            record = verify(file, folder)
            forget(part)  # of a transfer that it came before
            return record
        for origin, bring in origins(file, folder, given, mirror, patience):
            try:
                return bring_verified(file, folder, origin, bring)
            except (RefusedError, WrongFileError) as error:
                logger.warning("%s: %s", origin, error)
                tried.append(f"{origin}: {error}")
    raise UnavailableError(cannot_be_had(file, folder, tried))


def origins(file: File, folder: Path, given, mirror, patience) -> Iterator[tuple[str, Callable]]:
    """Where a file may be had, the nearest first, each with what brings it.

    What brings a file returns where it lies then, and whether it was put together from pieces.
    """
    if given:
        for path in (Path(given, file.source, file.name), Path(given, file.name)):
            if path.exists():
                yield str(path.absolute()), partial(copy, path, folder / f".{file.name}.copy")
    known = bool(file.checksums or read_record(file, folder))
    for url in urls_of(file, mirror):
        terms = Terms(
            allowed=tuple(f"{parse_url(url).host}/" for url in urls_of(file, mirror)) + REDIRECTS,
            size=file.size,
            at_most=file.size or file.at_most,
            known=known,
            packed=file.name.endswith(".gz"),
            title=f"Download {file.source}",
        )
        yield url, partial(fetch, url, folder / f".{file.name}.part", terms, patience)


def urls_of(file: File, mirror: str | None) -> list[str]:
    """Addresses of a file in the order in which they are asked."""
    if mirror:
        return [f"{mirror.rstrip('/')}/{file.source}/{quote(file.name)}", *file.urls]
    return list(file.urls)


def bring_verified(file: File, folder: Path, origin: str, bring: Callable) -> dict:
    """Bring a file, verify it, and put it in its place.

    A file that came in pieces and is wrong is fetched once more in one: the pieces may have been of
    two versions.
    """
    path, in_pieces = bring()
    try:
        record = verify(file, folder, path=path, origin=origin)
    except WrongFileError:
        forget(path)
        if in_pieces:
            return bring_verified(file, folder, origin, lambda: (bring()[0], False))
        raise
    with path.open("rb") as written:
        os.fsync(written.fileno())
    path.replace(folder / file.name)
    forget(path)
    logger.info("%s is verified by %s", file.name, ", ".join(record["verified_by"]))
    return record


def fetch(url: str, part: Path, terms: Terms, patience: Patience) -> tuple[Path, bool]:
    """Bring a file from an address."""
    logger.info("Fetching %s", url)
    return part, transfer(url, part, terms, patience)


def copy(path: Path, beside: Path) -> tuple[Path, bool]:
    """Bring a file from a folder."""
    try:
        with room(beside):
            shutil.copyfile(path, beside)
    except NoRoomError:
        forget(beside)
        raise
    except OSError as error:
        raise RefusedError(f"cannot be read ({error.strerror})") from error
    return beside, False


def not_a_mirror(address: str) -> str:
    """Why an address cannot be used as a mirror; empty if it can."""
    return refusal(address, ("",))


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process holds a lock. A killed process holds nobody up."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info("Another process is bringing files; waiting for it (%s).", path)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def cannot_be_had(file: File, folder: Path, tried: list[str]) -> str:
    """What was tried, which file it is about, and where to put it by hand."""
    facts = published(file) or recorded(read_record(file, folder))
    known = [f"{kind} {value}" for kind, value in facts.items()]
    if "size" not in facts:
        known.insert(0, f"size not published, at most {file.at_most:,} bytes")
    if not file.checksums:
        known.append(f"no checksum published; {file.stands_in or 'it must be whole in itself'}")
    return "\n  ".join(
        [
            f"{file.source}: {file.name} cannot be had.",
            *(f"Tried {attempt}" for attempt in tried),
            "Bring it in another way and put it at",
            f"    {Path(folder, file.name).absolute()}",
            f"or, as {file.source}/{file.name} or {file.name}, in a folder that the config names",
            "(downloads: {folder: …}); a mirror is named by downloads: {mirror: https://…}.",
            "It is checked as a download is:",
            *(f"    {fact}" for fact in known),
        ]
    )
