"""Whether a file of a real data set is the right one: checksums, and a record that survives.

Where no checksum is published, a file is accepted on first sight if it is whole in itself; what it
was then stands in its record and is asked from then on.
"""

import gzip
import hashlib
import json
import tarfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

from scscope.atomic import write_text
from scscope.datasets.catalogue import File
from scscope.progress import Progress

CHUNK = 2**20
# The published tables, mostly zeros, are up to some fifty times as large as their .gz.
UNPACKED_AT_MOST = 500  # times as large


class WrongFileError(ValueError):
    """A file is not the one that it should be."""


def verify(file: File, folder: Path, *, path: Path | None = None, origin: str = "") -> dict:
    """Check a file by all that is known of it, and record what it is.

    Parameters
    ----------
    file
        What it should be.
    folder
        `raw/{source}`, where the file and its record `{name}.json` lie.
    path
        Where the file lies now, if not at its place.
    origin
        Where it comes from, for the record; put there by hand if it is not said.

    Returns
    -------
    The record: size, all checksums, where and when it came from, and by what it was verified.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    WrongFileError
        If it is another file, or not whole. It is left as it is, and so is the record.
    """
    path = path or Path(folder, file.name)
    found, record = digests(path), read_record(file, folder)
    faults = [
        f"{kind} is {found[kind]}, {wanted} is {whose}"
        for whose, facts in (("published", published(file)), ("on record", recorded(record)))
        for kind, wanted in facts.items()
        if found[kind] != wanted
    ]
    if not (file.checksums or record) and not faults:
        faults = [fault] if (fault := what_is_broken(path, file.name)) else []
    if faults:
        raise WrongFileError(f"{path}: {'; '.join(faults)}.{_way_out(file, folder, record)}")
    by = [*published(file)] if file.checksums else ["first sight: whole in itself"]
    now = {
        "file": file.name,
        "source": file.source,
        **found,
        "from": origin or record.get("from") or "put there by hand",
        "when": record.get("when") or datetime.now(UTC).isoformat(timespec="seconds"),
        "verified_by": by,
        "basis": file.basis,
    }
    if now != record:
        write_text(record_path(file, folder), json.dumps(now, indent=2) + "\n")
    return now


def digests(path: Path) -> dict:
    """Size and all checksums of a file, in one pass."""
    size = path.stat().st_size
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    blob = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as content, Progress("Verify", size, "bytes") as progress:
        while chunk := content.read(CHUNK):
            for digest in (sha256, md5, blob):
                digest.update(chunk)
            progress.advance(len(chunk))
    named = {"sha256": sha256, "md5": md5, "git_blob_sha1": blob}
    return {"size": size, **{kind: digest.hexdigest() for kind, digest in named.items()}}


def published(file: File) -> dict:
    """What is published of a file's size and checksums."""
    return {**({} if file.size is None else {"size": file.size}), **file.checksums}


def recorded(record: dict) -> dict:
    """What a record says of them."""
    return {kind: record[kind] for kind in ("size", "sha256") if kind in record}


def record_path(file: File, folder: Path) -> Path:
    """Where the record of a file lies; it stays when the file is deleted."""
    return Path(folder, f"{file.name}.json")


def read_record(file: File, folder: Path) -> dict:
    """What was recorded of a file; nothing if it was never seen.

    Raises
    ------
    WrongFileError
        If there is a record that says nothing.
    """
    path = record_path(file, folder)
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text())
        if not isinstance(record["sha256"], str):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise WrongFileError(f"{path}: no record of a file. Delete it, or restore it.") from None
    return record


def what_is_broken(path: Path, name: str) -> str:
    """In what a file is not whole, by the kind that its name says; empty if nothing is seen.

    A .gz is read to its end, whose checksum is its own; a .tar from member to member; an HDF5 file
    says how long it is; text must be text.
    """
    try:
        if path.stat().st_size == 0:
            return "it is empty"
        kind = _kind(name)
        if kind == "gz":
            return _what_is_broken_in_gz(path)
        elif kind == "tar":
            with tarfile.open(path, "r:") as members:
                if not members.getmembers():
                    return "it is a tar file without members"
        elif kind == "hdf5":
            import h5py

            h5py.File(path, "r").close()
        else:
            return _what_is_no_text(path)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        return f"it is damaged or no {kind} file ({error})"
    return ""


def _what_is_broken_in_gz(path: Path) -> str:
    unpacked, limit = 0, UNPACKED_AT_MOST * path.stat().st_size
    with gzip.open(path) as content:
        while chunk := content.read(CHUNK):
            if not unpacked and chunk.startswith(b"\x1f\x8b"):
                return "it is packed twice"
            unpacked += len(chunk)
            if unpacked > limit + CHUNK:
                return f"it unpacks to more than {UNPACKED_AT_MOST} times its size"
    return ""


def _kind(name: str) -> str:
    ending = name.rsplit(".", 1)[-1].lower()
    return {"gz": "gz", "tar": "tar", "h5": "hdf5", "hdf5": "hdf5"}.get(ending, "text")


def _what_is_no_text(path: Path) -> str:
    with path.open("rb") as content:
        head = content.read(CHUNK)
    if b"\0" in head:
        return "it is no text"
    if head.lstrip()[:1] in (b"<", b"{"):
        return "it is a web page or a message of a server"
    return ""


def _way_out(file: File, folder: Path, record: dict) -> str:
    if not record or file.checksums:
        return ""
    return (
        f" The record is of {record.get('when')}; if the new file is meant, "
        f"delete {record_path(file, folder)}."
    )
