"""One file over HTTP: resumed where it broke off, tried again with patience, from allowed hosts.

`requests` keeps TLS, proxies and redirects' headers in order, urllib3's `Retry` counts attempts and
reads Retry-After; what is here is what they lack.
"""

import errno
import ipaddress
import json
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import urljoin

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    LocationParseError,
    MaxRetryError,
    ReadTimeoutError,
)
from urllib3.util import Retry, parse_url

from scscope.atomic import write_text
from scscope.progress import Progress

logger = logging.getLogger("scscope.download")

CHUNK = 2**20  # bytes asked of the connection at once
GOT_ON = 2**20  # an attempt that brings as many bytes starts the count of attempts anew
MAX_REDIRECTS = 5
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
USER_AGENT = "scscope (download of public research data)"


class RefusedError(Exception):
    """An address gives no such file, or one that must not be taken: go on to the next."""


class BrokenError(Exception):
    """A transfer broke off: try the same address again."""

    def __init__(self, words: str, *, answer=None, connected: bool = True):
        super().__init__(words)
        self.answer = answer  # of urllib3, for its Retry-After
        self.connected = connected


class NoRoomError(OSError):
    """The disk is full: no other address will help."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, and how often to try again.

    Attributes
    ----------
    connect
        Seconds until a connection must stand.
    read
        Seconds without a byte, and seconds over which the slowest rate is measured.
    slowest
        Bytes per second below which a server counts as hanging.
    retries
        Attempts without progress; waits grow from 0 over 2, 4, 8 … to 60 seconds. A server may
        ask for up to ten minutes by Retry-After.
    """

    connect: float = 15
    read: float = 60
    slowest: float = 500
    retries: Retry = Retry(
        total=5, connect=2, backoff_factor=1, backoff_max=60, retry_after_max=600
    )


PATIENCE = Patience()


@dataclass(frozen=True)
class Terms:
    """What is asked of the answer.

    Attributes
    ----------
    allowed
        Beginnings of host and path to which requests may go, such as "example.org/".
    size
        Exact number of bytes, if it is known.
    at_most
        Number of bytes beyond which nothing is taken.
    known
        Whether a checksum will judge the file, so that one address may go on where another broke
        off.
    packed
        Whether the file itself is compressed, so that a server may well call it encoded.
    title
        What the progress bar is of.
    """

    allowed: tuple[str, ...]
    size: int | None = None
    at_most: int = 10**9
    known: bool = False
    packed: bool = False
    title: str = "Download"


def transfer(url: str, part: Path, terms: Terms, patience: Patience = PATIENCE) -> bool:
    """Bring what an address gives into `part`, going on from what is there.

    Parameters
    ----------
    url
        Where from.
    part
        File to write; `{part}.json` beside it keeps what a resumption needs.
    terms
        What is asked of the answer.
    patience
        How long to wait.

    Returns
    -------
    Whether the file was put together from more than one answer.

    Raises
    ------
    RefusedError
        If the address does not give the file, after all attempts.
    NoRoomError
        If it does not fit on the disk. What came is kept.
    """
    retry, resumed = patience.retries, False
    with requests.Session() as session:
        session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        while True:
            before = _size(part)
            try:
                return _attempt(session, url, part, terms, patience) or resumed
            except BrokenError as error:
                resumed = True
                if _size(part) >= before + GOT_ON:
                    retry = patience.retries
                retry = _wait(retry, url, error)


def refusal(url: str, allowed: tuple[str, ...]) -> str:
    """Why no request may go to `url`; empty if one may.

    Only https, to the allowed hosts; plain http to this very machine alone.
    """
    try:
        parts = parse_url(url)  # the parser that requests uses: no two readings of one address
    except LocationParseError as error:
        return str(error)
    if parts.auth:
        return "it holds a password, which logs would show: put it into ~/.netrc"
    host = parts.host or ""
    if not f"{host}{parts.path or '/'}".startswith(allowed):
        return f"{host or url} is not among the allowed hosts"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host)):
        return ""
    return f"{parts.scheme}:// is not safe, only https:// is taken"


def forget(part: Path) -> None:
    """Remove a part and what is kept beside it."""
    for path in (part, _notes(part)):
        path.unlink(missing_ok=True)


def _attempt(session, url: str, part: Path, terms: Terms, patience: Patience) -> bool:
    """One request and what it brings; True if it went on from an earlier one."""
    notes, start = _read_notes(part), _size(part)
    total = terms.size or notes.get("total")
    if total is not None and start == total and (terms.known or notes.get("url") == url):
        return True  # whole already, only nobody came to say so
    headers = _range(start, url, notes, terms)
    with _ask(session, url, headers, terms, patience) as answer:
        if answer.status_code == 416:
            forget(part)
            raise BrokenError("it has no more than what came before; begun anew")
        start, total = _promise(answer, start if headers else 0, terms)
        if start and notes.get("total") not in (None, total):
            forget(part)
            raise BrokenError("it is of another length than what came before; begun anew")
        if not start:
            forget(part)
            facts = {"url": url, "validator": _validator(answer), "total": total}
            write_text(_notes(part), json.dumps(facts) + "\n")
        if total is not None:
            _need_room(part, total - start)
        _receive(answer.raw, part, start, total, terms, patience)
    return start > 0


def _range(start: int, url: str, notes: dict, terms: Terms) -> dict[str, str]:
    """Headers that ask for the rest of a file; none where it has to be begun anew."""
    if start and notes.get("url") == url and notes.get("validator"):
        return {"Range": f"bytes={start}-", "If-Range": notes["validator"]}
    if start and notes and terms.known:
        return {"Range": f"bytes={start}-"}
    return {}


def _ask(session, url: str, headers: dict, terms: Terms, patience: Patience) -> requests.Response:
    """The answer to a request, after redirects, each of which is checked before it is followed."""
    for _ in range(MAX_REDIRECTS + 1):
        if reason := refusal(url, terms.allowed):
            raise RefusedError(reason)
        try:
            answer = session.get(
                url,
                headers=headers,
                stream=True,
                allow_redirects=False,
                timeout=(patience.connect, patience.read),
            )
        except requests.exceptions.SSLError as error:
            raise RefusedError(
                f"its certificate is not trusted ({error}). Where a proxy opens TLS, name its "
                "certificate in REQUESTS_CA_BUNDLE"
            ) from error
        except (requests.ConnectTimeout, requests.ConnectionError) as error:
            raise BrokenError(f"no connection ({_cause(error)})", connected=False) from error
        except requests.Timeout as error:
            raise BrokenError(f"no answer for {patience.read:g} s") from error
        except (requests.RequestException, HTTPError) as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        if not answer.is_redirect:
            return answer
        answer.close()
        url = urljoin(url, answer.headers["location"])
    raise RefusedError(f"more than {MAX_REDIRECTS} redirects")


def _promise(answer: requests.Response, start: int, terms: Terms) -> tuple[int, int | None]:
    """Where an answer begins and how long the file will be, or why it is not taken."""
    status, headers = answer.status_code, answer.headers
    if status in TRY_AGAIN:
        raise BrokenError(f"answered {status} {answer.reason}", answer=answer.raw)
    if status not in (200, 206):
        raise RefusedError(f"answered {status} {answer.reason}")
    if headers.get("content-type", "").lower().startswith("text/html"):
        raise RefusedError("sent a web page instead of the file")
    if headers.get("content-encoding", "identity") != "identity" and not terms.packed:
        raise RefusedError(f"sent it encoded ({headers['content-encoding']}), unasked")
    if status == 206:
        found = re.fullmatch(
            r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)", headers.get("content-range", "")
        )
        if not start or not found or int(found[1]) != start:
            raise RefusedError(f"sent another piece than asked ({headers.get('content-range')})")
        total = None if found[2] == "*" else int(found[2])
    else:
        start, length = 0, headers.get("content-length", "")
        total = int(length) if re.fullmatch(r"\d{1,19}", length) else None
    if terms.size is not None and total not in (None, terms.size):
        raise RefusedError(f"has {total:,} bytes, {terms.size:,} are expected")
    if total is None and not terms.known and "transfer-encoding" not in headers:
        raise RefusedError("does not say how long the file is, and no checksum would tell its end")
    if total is not None and total > terms.at_most:
        raise RefusedError(f"has {total:,} bytes, at most {terms.at_most:,} are taken")
    return start, total or terms.size


def _receive(raw, part: Path, start: int, total: int | None, terms: Terms, patience: Patience):
    """Append the body of an answer to `part`, which has `start` bytes."""
    limit = terms.at_most if total is None else total
    done = start
    mark, mark_done = monotonic(), start
    with (
        room(part),
        part.open("ab") as file,
        Progress(terms.title, total, "bytes", done=start) as progress,
    ):
        while chunk := _read(raw, patience):
            done += len(chunk)
            if done > limit:
                raise RefusedError(f"sent more than {limit:,} bytes")
            file.write(chunk)
            progress.advance(len(chunk))
            if (seconds := monotonic() - mark) >= patience.read:
                if done - mark_done < patience.slowest * seconds:
                    raise BrokenError(f"sent less than {patience.slowest:g} bytes/s")
                mark, mark_done = monotonic(), done
    if total is not None and done < total:
        raise BrokenError(f"broke off after {done:,} of {total:,} bytes")


def _read(raw, patience: Patience) -> bytes:
    """What the connection holds now, as it was sent: a .gz stays one."""
    try:
        return raw.read1(CHUNK, decode_content=False)
    except ReadTimeoutError as error:
        raise BrokenError(f"sent nothing for {patience.read:g} s") from error
    except HTTPError as error:
        raise BrokenError(f"broke off ({error})") from error


def _wait(retry: Retry, url: str, error: BrokenError) -> Retry:
    """Wait before the next attempt; give the address up if there were enough."""
    cause = HTTPError(str(error)) if error.connected else ConnectTimeoutError(str(error))
    try:
        retry = retry.increment("GET", url, error=cause)
    except MaxRetryError:
        raise RefusedError(f"{error}, after {len(retry.history) + 1} attempts") from error
    logger.info("%s: %s. Trying again.", url, error)
    try:
        retry.sleep(error.answer)
    except (InvalidHeader, ValueError, OverflowError):  # a Retry-After that is none
        retry.sleep()
    return retry


@contextmanager
def room(part: Path) -> Iterator[None]:
    """Say how much is missing where a write does not fit."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise NoRoomError(_no_room_words(part)) from error
        raise


def _need_room(part: Path, size: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if size > free:
        raise NoRoomError(f"{_no_room_words(part)} {size:,} bytes more are needed.")


def _no_room_words(part: Path) -> str:
    free = shutil.disk_usage(part.parent).free
    return (
        f"No room in {part.parent.absolute()} ({free:,} bytes are free; a quota may be in force). "
        f"What came so far is kept ({_size(part):,} bytes in {part.name}): make room and call again."
    )


def _validator(answer: requests.Response) -> str | None:
    """What tells a server's version of a file from another: a strong ETag, or its date."""
    tag = answer.headers.get("etag", "")
    return tag if tag.startswith('"') else answer.headers.get("last-modified")


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_notes(part: Path) -> dict:
    """What was noted at the first answer; nothing if it cannot be read."""
    try:
        notes = json.loads(_notes(part).read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _cause(error: Exception) -> str:
    """The innermost reason, of the many layers around it."""
    reason = getattr(error.args[0] if error.args else error, "reason", error)
    return str(reason).split(": ", 1)[-1]
