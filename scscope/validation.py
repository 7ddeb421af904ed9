"""Errors of a configuration in words: where, what was given, what is allowed, what was meant."""

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

# Types of JSON schema, as a writer of YAML knows them.
KINDS = {
    "object": "a mapping (key: value)",
    "array": "a list, such as [a, b]",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


def schema_errors(settings: dict, schema: dict) -> list[str]:
    """Everything in which `settings` break a JSON schema (draft 2020-12), one sentence each.

    Parameters
    ----------
    settings
        What a user wrote.
    schema
        The schema; references within it are followed.
    """
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema).iter_errors(settings)
    sentences = []
    for error in sorted(errors, key=lambda error: list(map(str, error.absolute_path))):
        place = ".".join(map(str, error.absolute_path)) or "the configuration"
        sentences += [f"{place}: {words}" for words in _words_of(error)]
    return list(dict.fromkeys(sentences))


def unknown_name(kind: str, name: str, known) -> str:
    """Sentence for a name that is not among the known ones, with the nearest of them."""
    known = list(map(str, known))
    near = get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {name!r}.{hint} Allowed: {', '.join(known) or 'none'}."


def not_writable(folder: Path) -> str:
    """Why nothing can be written below `folder`, which need not exist yet; empty if it can."""
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    if not existing.is_dir():
        return f"{existing} is a file, so {folder} cannot be a folder. Choose another place."
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{existing} cannot be written to. Choose another place or change its permissions."
    return ""


def _words_of(error) -> list[str]:
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        return [unknown_name("key", key, known) for key in sorted(set(error.instance) - set(known))]
    if error.validator == "enum":
        words = unknown_name("value", error.instance, error.validator_value)
        about = error.schema.get("description", "")
        return [f"{words.removesuffix('.')}, {about}." if about.startswith("or ") else words]
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        # jsonschema reports each missing key on its own.
        return [f"missing key {key!r}." for key in missing if repr(key) in error.message]
    if error.validator == "pattern" and "description" in error.schema:
        return [f"{error.instance!r} is not {error.schema['description']}."]
    if error.validator == "pattern":
        return [f"{error.instance!r} is no name: use a-z, 0-9 and _, and begin with a letter."]
    if error.validator == "type":
        kinds = error.validator_value
        kinds = [kinds] if isinstance(kinds, str) else kinds
        wanted = " or ".join(KINDS.get(kind, kind) for kind in kinds)
        return [f"{error.instance!r} must be {wanted}.{_hint(error.instance)}"]
    about = error.schema.get("description")
    return [f"{error.message}" + (f" ({about})." if about else ".")]


def _hint(value) -> str:
    """What is behind a number that was read as text."""
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    return f" It was read as text: write {number:.10g} without quotes." if number else ""


def examples(names: Sequence[str]) -> str:
    """The first three names, quoted, and how many there are beyond them."""
    quoted = ", ".join(repr(str(name)) for name in names[:3])
    return quoted if len(names) <= 3 else f"{quoted} and {len(names) - 3} more"
