"""What a method's entry in the config says: a registered method, or one of the user's own."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Formatter

from scscope.fingerprint import fingerprint
from scscope.methods import METHODS, Method, method_of
from scscope.methods.own.load import function_errors, split
from scscope.methods.own.words import command_errors, files_of_command

OWN = "scscope.methods.own"
FILES = {"latent": "latent", "imputed": "imputation"}  # key -> what it gives
FILE_NAMES = ("dataset", "seed")  # placeholders of the paths


def is_function(entry: dict) -> bool:
    """Whether an entry uses a function in a file."""
    return ".py" in entry.get("use", "")


def is_files(entry: dict) -> bool:
    """Whether an entry names results that lie in files."""
    return bool(FILES.keys() & entry.keys())


def method_of_entry(name: str, entry: dict) -> Method:
    """What is known of the method of an entry before it runs.

    Parameters
    ----------
    name
        Of the entry; a method of the user's own has no other.
    entry
        As in the config, checked by its schema.
    """
    own = {
        "title": name,
        "gives": tuple(entry.get("gives", ["latent"])),
        "uses_gpu": entry.get("gpu", False),
    }
    if "command" in entry:
        asks = ("folder", "threads", "targets")
        return Method(module=f"{OWN}.command", function="command", asks=asks, **own)
    if is_files(entry):
        own["gives"] = tuple(gives for key, gives in FILES.items() if key in entry)
        return Method(module=f"{OWN}.files", function="files", **own)
    if is_function(entry):
        module, function = split(entry["use"])
        return Method(
            module=module, function=function, inductive=entry.get("inductive", False), **own
        )
    return method_of(entry["use"])


def use_of_entry(name: str, entry: dict) -> str:
    """What tables call the method of an entry: entries with the same are one method."""
    return entry.get("use") or entry.get("method", name)


def params_of_entry(entry: dict, search_path: str, **run) -> dict:
    """What the function of an entry's method is called with, beside what every one is.

    Parameters
    ----------
    entry
        As in the config.
    search_path
        Where the PATH of its conda environment is kept.
    **run
        `dataset` and `seed`.
    """
    if "command" in entry:
        return {
            "words": entry["command"],
            "exchange": entry.get("exchange", "h5ad"),
            "gives": entry.get("gives", ["latent"]),
            "values": entry.get("params", {}),
            "search_path": search_path if "conda" in entry else None,
        }
    if is_files(entry):
        return files_of_entry(entry, **run)
    return entry.get("params", {})


def files_of_entry(entry: dict, **run) -> dict[str, str]:
    """Files in which the results of one run lie, by the keys of the entry."""
    return {key: entry[key].format(**run) for key in FILES if key in entry}


def code_of_entry(entry: dict, *sources: str) -> str:
    """Fingerprint of what the fits of an entry depend on in code.

    Of Python comments and docstrings do not count; of a script in another language, of which
    nothing is understood, everything does.

    Parameters
    ----------
    entry
        As in the config.
    sources
        What they depend on beside, as `scscope.fingerprint.fingerprint` takes it.
    """
    if is_function(entry):
        return fingerprint(Path(split(entry["use"])[0]), *sources)
    code = fingerprint(method_of_entry("", entry).module, *sources)
    if "command" not in entry:
        return code
    digest = hashlib.sha256(code.encode())
    for path in files_of_command(entry["command"]):
        content = fingerprint(path) if path.suffix == ".py" else path.read_bytes().hex()
        digest.update(content.encode())
    return digest.hexdigest()[:12]


def entry_errors(entry: dict, runs: Iterable[tuple[str, int]]) -> Iterator[str]:
    """What is wrong with an entry beyond its schema, as sentences.

    Parameters
    ----------
    entry
        As in the config.
    runs
        Dataset and seed of each run that uses it.
    """
    params = entry.get("params", {})
    if entry.get("method") in METHODS:
        yield (
            f"method: {entry['method']!r} is what a registered method is called. Take a name of your own, "
            f"or `use: {entry['method']}`."
        )
    if "command" in entry:
        for words in command_errors(entry["command"], params):
            yield f"command: {words}"
        if "conda" in entry and not Path(entry["conda"]).is_file():
            yield f"conda: there is no file {entry['conda']!r}."
    elif is_files(entry):
        for key in FILES.keys() & entry.keys():
            yield from (f"{key}: {words}" for words in _path_errors(entry[key], runs))
    elif is_function(entry):
        for words in function_errors(entry["use"], params):
            yield f"use: {words}"


def _path_errors(pattern: str, runs: Iterable[tuple[str, int]]) -> Iterator[str]:
    try:
        asked = {name for _, name, _, _ in Formatter().parse(pattern) if name is not None}
    except ValueError as error:
        yield f"{pattern!r}: {error}."
        return
    unknown = sorted(asked - set(FILE_NAMES))
    if unknown:
        yield f"unknown placeholder {{{unknown[0]}}}. Allowed: {{dataset}}, {{seed}}."
        return
    paths = dict.fromkeys(pattern.format(dataset=dataset, seed=seed) for dataset, seed in runs)
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        more = f", nor {len(missing) - 1} others like it" if len(missing) > 1 else ""
        yield f"there is no file {missing[0]!r}{more}. Paths start in the folder where Snakemake runs."
