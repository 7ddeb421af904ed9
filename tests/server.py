"""A real HTTP server on the loopback that can be told to misbehave, and counts what it is asked."""

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What a server offers, how it misbehaves, and what it was asked.

    `faults` of a path are used up one request after the other; then it behaves. A fault is a
    function of the handler and the content that answers in place of the server.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    sent: int = 0  # bytes of bodies
    address: str = ""
    headers: list[dict] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self):
        path = self.path.lstrip("/").split("?")[0]
        self.site.requests.append((path, self.headers.get("Range")))
        self.site.headers.append(dict(self.headers))
        faults = self.site.faults.get(path, [])
        if faults:
            return faults.pop(0)(self, self.site.files.get(path, b""))
        if path not in self.site.files:
            return self.answer(404, b"not here")
        return self.offer(path, self.site.files[path])

    def offer(self, path: str, content: bytes) -> None:
        """Answer as a good server does, with Range and If-Range."""
        headers = self.validators(path)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if wanted and self.site.ranges and (not condition or condition in headers.values()):
            start = int(wanted[1])
            if start >= len(content):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self.answer(206, content[start:], headers)
        return self.answer(200, content, headers)

    def validators(self, path: str) -> dict[str, str]:
        """What tells this version of a file from another."""
        both = {"ETag": self.site.etags.get(path), "Last-Modified": self.site.dates.get(path)}
        return {name: value for name, value in both.items() if value}

    def answer(self, status, body, headers=None, *, length=None, stop=None, pause=0.0):
        """Send `body`, or its first `stop` bytes and then nothing more."""
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        body = body[:stop]
        for start in range(0, len(body), 2**14):
            piece = body[start : start + 2**14]
            try:
                self.wfile.write(piece)
            except OSError:  # the other side has gone
                self.close_connection = True
                return
            self.site.sent += len(piece)
            if pause:
                time.sleep(pause)
        if stop is not None or length is not None:
            self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def served():
    """A site on a free port of the loopback."""
    site = Site()
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda *_: None  # clients hang up, that is what they are here for
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def piece(handler, content: bytes, at: int) -> None:
    """Promise the file, or the rest that was asked for, and send it up to byte `at`."""
    headers = handler.validators(handler.path.lstrip("/"))
    wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    start = int(wanted[1]) if wanted else 0
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    handler.answer(206 if wanted else 200, content[start:], headers, stop=max(at - start, 0))


def cut(at: int):
    """Break the connection after `at` bytes, though all were promised."""
    return lambda handler, content: piece(handler, content, at)


def status(code: int, body: bytes = b"no", **headers):
    """Answer with a status and headers, `_` standing for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, content: handler.answer(code, body, named)


def hang(at: int, seconds: float):
    """Send up to byte `at`, then say nothing."""

    def fault(handler, content):
        piece(handler, content, at)
        handler.wfile.flush()
        time.sleep(seconds)

    return fault


def trickle(step: float):
    """Send a byte now and then, so that no single wait is long."""

    def fault(handler, content):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.close_connection = True
        for place in range(min(len(content), 200)):
            try:
                handler.wfile.write(content[place : place + 1])
            except OSError:
                return
            time.sleep(step)

    return fault


def endless(handler, content):
    """Promise nothing and send far more than anybody asks for; not without end, or a test that fails
    would fill the disk.
    """
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    try:
        for _ in range(500):
            handler.wfile.write(bytes(2**16))
            handler.site.sent += 2**16
    except OSError:
        pass


def chunked(handler, content, stop: int | None = None):
    """Send without saying how much it will be; break off after `stop` bytes."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(content[:stop]), 10_000):
        piece = content[start : start + 10_000]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.site.sent += len(piece)
    if stop is None:
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = stop is not None


def unending(handler, content):
    """Send without saying how much it will be, and close."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(content)
