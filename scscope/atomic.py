"""Files and folders that are whole or not there: written beside their place, renamed when complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(path: str | Path) -> Iterator[Path]:
    """Give a name beside `path` to write to; take its place when the block ends well.

    What is written there may be a file or a folder. If the block raises, nothing is left and `path`
    is as it was.
    """
    path = Path(path)
    part, old = (path.with_name(f".{path.name}.{os.getpid()}.{kind}") for kind in ("part", "old"))
    try:
        yield part
        if part.is_dir() and path.is_dir():  # a folder can take the place of an empty one only
            path.replace(old)
        part.replace(path)
    except BaseException:
        if old.exists():
            old.replace(path)
        raise
    finally:
        for left in (part, old):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with beside(path) as part:
        part.write_text(text)
