"""Supplementary Tables 1 to 3: methods, hyperparameters and simulations, generated from the config."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields

import pandas as pd

from scscope.dca.settings import Settings as DcaSettings
from scscope.figures.tables import SCALES, resolved
from scscope.methods import METHODS
from scscope.methods.own.entries import method_of_entry, use_of_entry
from scscope.report import TITLES
from scscope.report.method_cards import cells_words
from scscope.simulate import SIMULATORS
from scscope.simulate.simlr import SimlrSettings
from scscope.simulate.splat import SplatSettings

CONFIG, DEFAULT = "config", "default"  # where a value comes from
GIVEN = ("data", "seed", "device", "preset")  # arguments that are no hyperparameters
SIMULATIONS = {"splat": SplatSettings, "simlr": SimlrSettings}
REST = "all others"  # parameters whose values only another program knows


def supplementary_tables(config: Mapping, runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The three tables, by the names of their files.

    Parameters
    ----------
    config
        Settings of the run: `methods` and `datasets`.
    runs
        The gathered table, for versions.
    """
    tables = method_table(config["methods"], runs), hyperparameters(config["methods"])
    return dict(zip(TITLES, (*tables, simulations(config["datasets"])), strict=True))


def method_table(methods: Mapping[str, Mapping], runs: pd.DataFrame) -> pd.DataFrame:
    """One row for each entry of the config: what it uses, in which version, on which input.

    Parameters
    ----------
    methods
        Entries of the config by name.
    runs
        The gathered table; entries that did not run have no version.
    """
    versions = runs.groupby("method")["versions"].agg(_all_of) if len(runs) else {}
    rows = []
    for name, entry in methods.items():
        method = method_of_entry(name, entry)
        rows.append(
            {
                "method": name,
                "label": entry.get("label", method.title),
                "uses": entry.get("command", use_of_entry(name, entry)),
                "role": "control" if method.control else "method",
                "gives": ", ".join(method.gives),
                "input_scale": entry["scale"],
                "input": SCALES.get(entry["scale"], ""),
                "fitted_to": cells_words(entry.get("fit_on")),
                "versions": versions.get(name, "not run"),
            }
        )
    return pd.DataFrame(rows)


def hyperparameters(methods: Mapping[str, Mapping]) -> pd.DataFrame:
    """One row for each parameter of each entry: its value, and where this comes from.

    Parameters
    ----------
    methods
        Entries of the config by name. Of a user's own method the defaults are not known.
    """
    rows = []
    for name, entry in methods.items():
        use = use_of_entry(name, entry)
        given = entry.get("params", {})
        for parameter, value, origin in _parameters(use, given):
            words = in_words(value)
            row = {"method": name, "uses": use, "parameter": parameter, "value": words}
            rows.append({**row, "from": origin})
    return pd.DataFrame(rows, columns=["method", "uses", "parameter", "value", "from"])


def simulations(datasets: Mapping[str, Mapping]) -> pd.DataFrame:
    """One row for each parameter of each simulated dataset: its value, and where this comes from.

    Parameters
    ----------
    datasets
        Entries of the config by name; those that are not simulated are left out.
    """
    rows = []
    for name, entry in datasets.items():
        if (simulator := entry["source"]) not in SIMULATORS:
            continue
        row = {"dataset": name, "simulator": simulator, "stands_for": entry.get("stands_for", "")}
        for parameter, value, origin in _simulation(simulator, entry["params"]):
            rows.append({**row, "parameter": parameter, "value": in_words(value), "from": origin})
    return pd.DataFrame(
        rows, columns=["dataset", "simulator", "stands_for", "parameter", "value", "from"]
    )


def in_words(value) -> str:
    """A value as it is read: lists by their items, what is absent as "none"."""
    if value is None or value == ():
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(in_words, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _all_of(versions: pd.Series) -> str:
    return "; ".join(sorted(set(versions.dropna()) - {""})) or "not recorded"


def _parameters(use: str, given: Mapping) -> Iterator[tuple]:
    """Name, value and origin of each parameter of an entry."""
    known: dict[str, tuple] = {}
    if use in ("scscope", "ae"):
        preset = given.get("preset", "paper")
        full = resolved(use, given)
        known = {key: (value, f"preset {preset}") for key, value in full.items()}
    elif use == "dca":
        known = {key: (value, DEFAULT) for key, value in asdict(DcaSettings()).items()}
    if use in METHODS:
        function = METHODS["scscope" if use == "ae" else use].load()
        known |= {key: (value, DEFAULT) for key, value in _defaults(function).items()}
    if use == "ae":
        known["n_steps"] = (1, "method")
    known |= {key: (value, CONFIG) for key, value in given.items() if key != "preset"}
    for key, (value, origin) in known.items():
        yield key, value, origin


def _defaults(function) -> dict:
    """Arguments of a method's function that have a default."""
    signature = inspect.signature(function)
    return {
        name: argument.default
        for name, argument in signature.parameters.items()
        if name not in GIVEN and argument.default is not argument.empty
    }


def _simulation(simulator: str, given: Mapping) -> Iterator[tuple]:
    """Name, value and origin of each parameter of a simulation."""
    if simulator not in SIMULATIONS:
        yield from ((name, value, CONFIG) for name, value in given.items())
        yield REST, "as the program has them", DEFAULT
        return
    known = {
        field.name: None if field.default is MISSING else field.default
        for field in fields(SIMULATIONS[simulator])
        if field.name != "seed"
    }
    for name, value in {**known, **given}.items():
        yield name, value, CONFIG if name in given else DEFAULT


def short(table: pd.DataFrame, key: str) -> list[dict]:
    """A table of parameters with one row for each `key`: what was set, and what was left as it is.

    Parameters
    ----------
    table
        Of `hyperparameters` or `simulations`.
    key
        "method" or "dataset".
    """
    rows = []
    for name, group in table.groupby(key, sort=False):
        words = group["parameter"] + " " + group["value"]
        rows.append(
            {
                "name": name,
                "set": ", ".join(words[group["from"] == CONFIG]),
                "left": ", ".join(words[group["from"] != CONFIG]),
            }
        )
    return rows
