"""Tensors and facts in a folder, as safetensors and JSON: how models and checkpoints are kept."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scscope.atomic import beside, write_text
from scscope.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1  # of the folder; raised when an older version could no longer read it


def save_folder(folder: str | Path, kind: str, tensors: dict[str, "Tensor"], facts: dict) -> None:
    """Write tensors and facts, so that at any moment the folder holds the old or the new ones whole.

    Parameters
    ----------
    folder
        Made if it is not there.
    kind
        What it is, "model" or "checkpoint": the name of the JSON file.
    tensors
        By name.
    facts
        What JSON can hold.

    Raises
    ------
    OSError
        No space, no permission. What was there before is left as it was.
    """
    from safetensors.torch import save

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = save({name: tensor.detach().cpu().clone() for name, tensor in tensors.items()})
    digest = hashlib.sha256(content).hexdigest()
    file = folder / f"{kind}-{digest[:12]}.safetensors"
    with beside(file) as part:
        part.write_bytes(content)
    head = {
        "format": FORMAT,
        "scscope": __version__,
        "tensors": file.name,
        "sha256": digest,
        "facts_sha256": _digest(facts),
    }
    try:
        write_text(folder / f"{kind}.json", json.dumps({**head, "facts": facts}, indent=1) + "\n")
    except BaseException:
        if not _names(folder / f"{kind}.json", file.name):
            file.unlink(missing_ok=True)
        raise
    for old in folder.glob(f"{kind}-*.safetensors"):
        if old != file:
            old.unlink(missing_ok=True)


def load_folder(folder: str | Path, kind: str) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
    """Read what `save_folder` wrote.

    Raises
    ------
    FileNotFoundError
        There is none in the folder.
    ValueError
        It is damaged, or of a later version.
    """
    from safetensors.torch import load

    folder = Path(folder)
    path = folder / f"{kind}.json"
    if not path.is_file():
        raise FileNotFoundError(f"There is no {kind} in '{folder}': it has no file {path.name}.")
    head = _head(path, kind)
    file = folder / str(head["tensors"])
    if not file.is_file():
        raise ValueError(f"The {kind} in '{folder}' is not whole: {file.name} is missing.")
    content = file.read_bytes()
    for what, found, expected in (
        (file.name, hashlib.sha256(content).hexdigest(), head["sha256"]),
        (f"the facts in {path.name}", _digest(head["facts"]), head["facts_sha256"]),
    ):
        if found != expected:
            raise ValueError(
                f"The {kind} in '{folder}' is damaged or was changed: {what} should have the "
                f"sha256 {expected} but has {found}. Take a copy that is whole."
            )
    return load(content), head["facts"]


def _head(path: Path, kind: str) -> dict:
    try:
        head = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"'{path}' is damaged, it is no JSON: {error}.") from error
    if isinstance(head, dict) and isinstance(head.get("format"), int) and head["format"] > FORMAT:
        raise ValueError(
            f"The {kind} in '{path.parent}' was written by scscope {head.get('scscope')} in format "
            f"{head['format']}; scscope {__version__} reads up to format {FORMAT}. Update scscope."
        )
    keys = {"format", "tensors", "sha256", "facts_sha256", "facts"}
    if not isinstance(head, dict) or not keys <= head.keys():
        missing = ", ".join(sorted(keys - set(head))) if isinstance(head, dict) else "everything"
        raise ValueError(f"'{path}' is damaged, it lacks: {missing}.")
    return head


def _names(path: Path, tensors: str) -> bool:
    """Whether the JSON file that is in place refers to these tensors."""
    return path.is_file() and tensors in path.read_text(errors="replace")


def _digest(facts: dict) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
