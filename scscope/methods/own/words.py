"""The text of a command: what it asks for, what is wrong with it, which files it names."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

PLACEHOLDERS = ("input", "output", "seed", "threads", "device")


def command_errors(words: str, params: dict) -> Iterator[str]:
    """What is wrong with the text of a command and with its parameters."""
    try:
        split = shlex.split(words)
        asked = {
            name for word in split for _, name, _, _ in Formatter().parse(word) if name is not None
        }
    except ValueError as error:
        yield f"{words!r} cannot be split into words: {error}."
        return
    known = (*PLACEHOLDERS, *params)
    for name in sorted(asked - set(known)):
        allowed = ", ".join(f"{{{one}}}" for one in known)
        yield f"unknown placeholder {{{name}}}. Allowed: {allowed}. A brace is written twice."
    for name in ("input", "output"):
        if name not in asked:
            yield f"the command names no {{{name}}}: it would not know its files."
    for name in sorted(set(params) & set(PLACEHOLDERS)):
        yield f"params.{name}: this name is taken, {{{name}}} is given by the workflow."
    for name in sorted(set(params) - asked - set(PLACEHOLDERS)):
        yield f"params.{name}: the command does not name {{{name}}}, so it would have no effect."


def files_of_command(words: str) -> list[Path]:
    """Files that a command names, such as its script: their content decides its results."""
    paths = (Path(word) for word in shlex.split(words) if "{" not in word)
    return [path for path in paths if path.is_file()]
