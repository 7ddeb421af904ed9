"""`scscope doctor`: what is here, what can run, what is missing and how to get it.

Nothing that it looks for is imported: a package counts as there if Python would find it.
"""

import argparse
import ast
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.fingerprint import closure_of, path_of
from scscope.version import __version__

if TYPE_CHECKING:
    from scscope.methods import Method

# Name in `import` -> name to install, where they differ.
DISTRIBUTIONS = {
    "igraph": "igraph",
    "magic": "magic-impute",
    "scvi": "scvi-tools",
    "sklearn": "scikit-learn",
    "snakemake_executor_plugin_slurm": "snakemake-executor-plugin-slurm",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
# Importing their registry would import what they need.
SIMULATORS = ("splat", "simlr", "splatter")
WORKFLOW = ("snakemake", "jsonschema", "jinja2", "matplotlib", "pandas", "psutil", "yaml", "scanpy")
# Seconds between two looks of the executor at the queue, at most: finished jobs must stay so long.
LONGEST_SILENCE = 180


def add_doctor(commands) -> argparse.ArgumentParser:
    """`scscope doctor`."""
    command = commands.add_parser(
        "doctor",
        help="say what can run here, what is missing and how to get it",
        description="What is installed, which methods and simulators can run here, what is missing "
        "and how to get it. Exit code 1 if any of NEED is not there.",
        allow_abbrev=False,
    )
    command.add_argument(
        "need",
        nargs="*",
        metavar="NEED",
        help="what must be there: methods, simulators, `workflow`, `slurm`, `cuda`, `R`",
    )
    command.add_argument("--json", action="store_true", help="print all of it as JSON")
    command.set_defaults(run=run)
    return command


COMMANDS = (add_doctor,)


def run(args: argparse.Namespace) -> None:
    """Print the findings; refuse names that nobody knows, fail if a needed thing is missing.

    Raises
    ------
    ValueError
        If a name in `args.need` is unknown.
    RuntimeError
        If one of them is missing.
    """
    found = examine()
    abilities = found["abilities"]
    for name in args.need:
        if name not in abilities:
            raise ValueError(f"Unknown name '{name}'. Known names: {', '.join(abilities)}.")
    print(json.dumps(found, indent=2) if args.json else in_words(found))
    missing = [
        f"{name}: {abilities[name]['why']}" for name in args.need if not abilities[name]["ok"]
    ]
    if missing:
        raise RuntimeError("Missing: " + "; ".join(missing))


def examine() -> dict:
    """All findings.

    Returns
    -------
    dict
        `machine`, `packages`, `r`, `cuda`, `slurm`: facts. `abilities`: for each method, simulator
        and part, whether it is `ok`, and if not `why` and `how` to get it.
    """
    from scscope.methods import METHODS

    r, cuda, slurm = r_facts(), cuda_facts(), slurm_facts()
    abilities = {"workflow": ability(WORKFLOW)}
    worker = needs_of("scscope.run.worker")
    for name, method in METHODS.items():
        abilities[name] = {
            "kind": "method",
            **ability(tuple(sorted({*worker, *needs_of_method(method)}))),
        }
    for name in SIMULATORS:
        needs = needs_of(f"scscope.simulate.{name}")
        abilities[name] = {"kind": "simulator", **ability(needs)}
    abilities["splatter"] = {"kind": "simulator", **splatter_ability(r)}
    abilities["R"] = verdict(r["why"], "apt install r-base-core, or conda: see docs/simulation.md")
    abilities["cuda"] = verdict(cuda["why"], "a machine with an NVIDIA GPU and its driver")
    abilities["slurm"] = slurm_ability(slurm)
    packages = {name: version_of(name) for name in sorted({*WORKFLOW, "torch", "numpy", "anndata"})}
    return {
        "scscope": __version__,
        "machine": machine_facts(),
        "packages": packages,
        "r": r,
        "cuda": cuda,
        "slurm": slurm,
        "abilities": abilities,
    }


def needs_of(*modules: str | Path) -> tuple[str, ...]:
    """Packages outside of Python's own that modules import, and those that the library needs for it.

    Of the modules themselves every import counts, also those in functions; of library modules
    further down only those that happen when they are imported. An import whose failure is caught is
    none that is needed.
    """
    own = {module if isinstance(module, Path) else path_of(module) for module in modules}
    names = set()
    for path in closure_of(*modules):
        tree = ast.parse(path.read_text())
        tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try)]
        caught = {id(part) for node in tries for line in node.body for part in ast.walk(line)}
        for node in ast.walk(tree) if path in own else tree.body:
            if id(node) in caught:
                continue
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return tuple(sorted(names - set(sys.stdlib_module_names) - {"scscope"}))


def needs_of_method(method: "Method") -> tuple[str, ...]:
    """Packages that a fit of a registered method needs."""
    own = {method.needs} if method.needs else set()
    return tuple(sorted({*needs_of(method.module), *own}))


def ability(packages: tuple[str, ...]) -> dict:
    """Whether all packages are there."""
    absent = [DISTRIBUTIONS.get(name, name) for name in packages if find_spec(name) is None]
    why = f"no {', '.join(absent)}" if absent else ""
    return verdict(why, f"pip install {' '.join(absent)}, in the versions of requirements.lock")


def verdict(why: str, how: str) -> dict:
    """A finding: well if there is no reason against it."""
    return {"ok": not why, "why": why, "how": how if why else ""}


def version_of(name: str) -> str | None:
    """Version of an installed package, by the name that one imports."""
    try:
        return version(DISTRIBUTIONS.get(name, name))
    except PackageNotFoundError:
        return None


def say(*command: str) -> str | None:
    """What a program prints; None if it is not there or fails."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else done.stdout.strip()


def machine_facts() -> dict:
    """Cores, memory and disk."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    available = os.sysconf("SC_AVPHYS_PAGES") * size
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():  # counts what the system keeps of files as available
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        available = int(lines["MemAvailable"].split()[0]) * 1024
    disk = shutil.disk_usage(".")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": cores,
        "memory_gb": round(pages * size / 1e9, 1),
        "memory_free_gb": round(available / 1e9, 1),
        "disk_free_gb": round(disk.free / 1e9, 1),
        "compiler": shutil.which("cc") or shutil.which("gcc"),
    }


def r_facts() -> dict:
    """R, rpy2 and splatter."""
    code = (
        'cat(as.character(getRversion()), if (nzchar(system.file(package = "splatter"))) '
        'as.character(packageVersion("splatter")) else "")'
    )
    said = say("Rscript", "--vanilla", "-e", code)
    r, splatter = (*said.split(" "), "")[:2] if said else ("", "")
    return {
        "r": r or None,
        "rpy2": version_of("rpy2"),
        "splatter": splatter or None,
        "why": "" if r else "no Rscript on the path",
    }


def splatter_ability(r: dict) -> dict:
    """Whether `source: splatter` can run."""
    absent = [name for name in ("r", "rpy2", "splatter") if r[name] is None]
    why = f"no {', '.join(absent)}" if absent else ""
    return verdict(why, "envs/splatter.yaml has all of it; other ways: docs/simulation.md")


def cuda_facts() -> dict:
    """GPUs of the driver, and whether PyTorch uses them."""
    query = "--query-gpu=name,memory.total,driver_version"
    said = say("nvidia-smi", query, "--format=csv,noheader")
    facts = {"gpus": said.splitlines() if said else [], "torch": version_of("torch")}
    if not facts["gpus"]:
        return {**facts, "why": "nvidia-smi finds no GPU" if said == "" else "no nvidia-smi"}
    # The only question that cannot be answered without PyTorch itself.
    usable = say(sys.executable, "-c", "import torch; print(torch.cuda.is_available())")
    return {**facts, "why": "" if usable == "True" else "PyTorch cannot use the GPU"}


def slurm_facts() -> dict:
    """What SLURM says of itself."""
    said = say("scontrol", "show", "config")
    facts = {"version": None, "accounting": None, "min_job_age": None, "partitions": None}
    if said is None:
        found = shutil.which("scontrol")
        return {**facts, "why": "the controller does not answer" if found else "no scontrol"}
    config = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    config = {key.strip(): value.strip() for key, value in config.items()}
    age = config.get("MinJobAge", "").split()
    return {
        "version": config.get("SLURM_VERSION"),
        "accounting": config.get("AccountingStorageType") != "accounting_storage/none",
        "min_job_age": int(age[0]) if age else None,
        "partitions": say("sinfo", "--noheader", "--format=%P %D nodes, %G"),
        "why": "",
    }


def slurm_ability(slurm: dict) -> dict:
    """Whether `snakemake --profile slurm` can run."""
    if slurm["why"]:
        return verdict(slurm["why"], "a login node of a cluster: see docs/cluster.md")
    if not slurm["accounting"] and (slurm["min_job_age"] or 0) <= LONGEST_SILENCE:
        why = f"no accounts, and ended jobs leave the queue after {slurm['min_job_age']} s"
        return verdict(why, f"ask for MinJobAge above {LONGEST_SILENCE} s: see docs/cluster.md")
    return ability(("snakemake_executor_plugin_slurm",))


def in_words(found: dict) -> str:
    """The findings for the terminal."""
    machine, r, cuda, slurm = (found[name] for name in ("machine", "r", "cuda", "slurm"))
    have = [f"{name} {number}" for name, number in found["packages"].items() if number]
    lines = [
        f"scscope {found['scscope']}, Python {machine['python']}, {machine['system']}",
        f"machine     {machine['cores']} cores, {machine['memory_gb']} GB of memory "
        f"({machine['memory_free_gb']} free), {machine['disk_free_gb']} GB free on this disk, "
        f"C compiler: {machine['compiler'] or 'none'}",
        f"packages    {', '.join(have)}",
        f"R           {r['why'] or r['r']}, rpy2 {r['rpy2']}, splatter {r['splatter']}",
        f"GPU         {'; '.join(cuda['gpus']) or cuda['why']}",
        f"SLURM       {slurm['why'] or slurm['version']}"
        + ("" if slurm["why"] else f", {'with' if slurm['accounting'] else 'no'} accounts"),
        "",
    ]
    for name, able in found["abilities"].items():
        lines.append(f"{'yes' if able['ok'] else 'no ':3}  {name:14}{able['why']}")
        if not able["ok"]:
            lines.append(f"       {able['how']}")
    return "\n".join(lines)
