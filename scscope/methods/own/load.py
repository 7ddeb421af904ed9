"""The function of a method: one of the library, or one in a file of the user's own."""

import ast
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from scscope.validation import unknown_name

GIVEN = ("seed", "device")  # what every function of a method is called with, beside the data
FORM = "def {name}(data, *, seed, device)"


def load(module: str, function: str) -> Callable:
    """Import and return a function.

    Parameters
    ----------
    module
        Dotted name, or path of a file that ends in `.py`. Modules that lie beside the file can be
        imported by it, after all that are installed.
    function
        Its name there.
    """
    if not module.endswith(".py"):
        return getattr(import_module(module), function)
    path = Path(module).absolute()
    sys.path.append(str(path.parent))
    name = f"own_{path.stem}"
    spec = spec_from_file_location(name, path)
    loaded = module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return getattr(loaded, function)


def split(use: str) -> tuple[str, str]:
    """File and function of "path/to/file.py:function"."""
    path, _, function = use.rpartition(":")
    return path, function


def function_errors(use: str, params: dict) -> Iterator[str]:
    """What is wrong with a function in a file and with its parameters, found without importing it.

    Parameters
    ----------
    use
        "path/to/file.py:function".
    params
        Parameters that it is to be called with, beside data, seed and device.
    """
    file, name = split(use)
    path = Path(file)
    if not path.is_file():
        yield f"there is no file {file!r}. Paths start in the folder where Snakemake runs."
        return
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=file)
    except (SyntaxError, UnicodeDecodeError) as error:
        yield f"{file} is no Python that can be read: {error}."
        return
    defined = dict(_names(tree))
    if name not in defined:
        functions = [key for key, node in defined.items() if isinstance(node, ast.FunctionDef)]
        yield f"{file}: {unknown_name('function', name, functions)}"
    elif isinstance(defined[name], ast.FunctionDef):
        yield from _signature_errors(defined[name], params, file)


def _names(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Names that a module defines or imports at its top."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name, node) for alias in node.names)
        elif isinstance(node, ast.Assign):
            yield from ((name.id, node) for name in node.targets if isinstance(name, ast.Name))


def _signature_errors(node: ast.FunctionDef, params: dict, file: str) -> Iterator[str]:
    place, form = f"{file}:{node.name}", FORM.format(name=node.name)
    arguments = node.args
    positional = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if not positional:
        yield f"{place} takes no data: begin with {form}."
        return
    named = [*positional[1:], *(one.arg for one in arguments.kwonlyargs)]
    taken = set(named) - set(GIVEN)
    if not arguments.kwarg:
        for missing in sorted(set(GIVEN) - set(named)):
            yield f"{place} takes no `{missing}`: begin with {form}."
        for name in sorted(set(params) - taken):
            yield f"{place}: {unknown_name('parameter', name, sorted(taken))}"
    n_defaults = len(arguments.defaults)
    required = set(positional[1 : len(positional) - n_defaults])
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    required |= {one.arg for one, default in pairs if default is None}
    for name in sorted(required - set(GIVEN) - set(params)):
        yield f"{place} needs the parameter {name!r}: set it in `params`, or give it a default."
