"""Fingerprint of code: it changes with what a module does, not with what it says about itself."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
# Their code decides no result, so editing them reruns nothing. What a download may bring is decided
# by checksums, which are recorded with it.
IGNORED = (
    "scscope.datasets.catalogue",
    "scscope.datasets.checks",
    "scscope.datasets.download",
    "scscope.datasets.transfer",
    "scscope.log",
    "scscope.progress",
    "scscope.run.exclusive",
    "scscope.version",
)


@cache
def fingerprint(*sources: str | Path) -> str:
    """Hash of the code of modules and of all library modules that they import.

    As a parameter of a job it makes the job rerun when code that it uses has changed, and only
    then: comments and docstrings do not count. Imports are followed inside functions too. A
    package's `__init__` counts where it is itself what is imported (`from scscope.methods import
    METHODS`), not where it only lies on the way to a module. Tables and templates that lie beside
    the modules of a subpackage count too.

    Parameters
    ----------
    sources
        Dotted names of library modules, or paths of scripts.
    """
    closure = closure_of(*sources)
    digest = hashlib.sha256()
    for path in sorted(closure):
        digest.update(code_of(path).encode())
    for folder in sorted({path.parent for path in closure} - {PACKAGE}):
        for path in tables_in(folder):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def closure_of(*sources: str | Path) -> set[Path]:
    """Files of modules and scripts, and of all library modules that they import."""
    pending = [source if isinstance(source, Path) else path_of(source) for source in sources]
    closure: set[Path] = set()
    while pending:
        path = pending.pop()
        if path not in closure:
            closure.add(path)
            pending += imports_of(path)
    return closure


def code_of(path: Path) -> str:
    """Syntax tree of a file without docstrings, as text."""
    return _read(path)[0]


def imports_of(path: Path) -> tuple[Path, ...]:
    """Files of the library that a file imports, in any place of it."""
    return _read(path)[1]


@cache
def _read(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Code and imports of a file: reading it takes longer than all else here."""
    tree = ast.parse(path.read_text(), filename=str(path))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level and PACKAGE in path.parents:
            raise ValueError(f"{path}, line {node.lineno}: import by the full name, from scscope.")
        elif isinstance(node, ast.ImportFrom):
            # `from scscope import data` names a module, `from scscope.data import scaled` does not.
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [name if is_module(name) else str(node.module) for name in modules]
    wanted = {name for name in names if name.split(".")[0] == "scscope" and name not in IGNORED}
    found = (*(path_of(name) for name in sorted(wanted)), *beside(path, names))
    return ast.dump(tree), found


def beside(path: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """Files that a script outside of the library imports from its own folder."""
    if PACKAGE in path.absolute().parents:
        return ()
    found = []
    for name in sorted({name.split(".")[0] for name in names} - {"scscope"}):
        folder = path.parent / name
        files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
        found += [file for file in files if file.is_file()]
    return tuple(found)


def tables_in(folder: Path) -> list[Path]:
    """Files of a subpackage that its code reads: tables, templates."""
    if PACKAGE not in folder.parents:
        return []
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".py")
    return sorted(path for path in files if path.parent.name != "__pycache__")


def is_module(name: str) -> bool:
    """Whether a dotted name is a file or package of the library."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return name.startswith("scscope.") and (path.with_suffix(".py").exists() or path.is_dir())


def path_of(name: str) -> Path:
    """File of a module of the library."""
    path = PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.exists():
            return candidate
    raise ValueError(f"No module {name!r} in the library.")
