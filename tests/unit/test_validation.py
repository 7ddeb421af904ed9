"""Errors of a config in words; and the schema agrees with the code that it describes."""

import inspect
import os
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from scscope.cluster import CLUSTERERS
from scscope.data import ROUNDED, SCALES, VALUES
from scscope.datasets.sets import SETS
from scscope.dca.settings import DISTRIBUTIONS
from scscope.dca.settings import Settings as DCASettings
from scscope.figures import PANELS
from scscope.methods import METHODS
from scscope.methods.magic import magic
from scscope.methods.pca import FILLS, SOLVERS, pca
from scscope.methods.scscope import scscope
from scscope.methods.scvi import MODEL_SETTINGS, scvi
from scscope.metrics import METRICS
from scscope.settings import PRESETS, Settings
from scscope.simulate import SIMULATORS
from scscope.simulate.simlr import SimlrSettings
from scscope.simulate.splat import SplatSettings
from scscope.simulate.splatter import PARAMETERS
from scscope.validation import not_writable, schema_errors, unknown_name

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
TINY = (ROOT / "tests/workflow/config.yaml").read_text()


def config(**changes):
    """The tiny config with some places changed: "a.b.c" -> value, None removes."""
    settings = yaml.safe_load(TINY)
    for place, value in changes.items():
        *path, last = place.split("__")
        target = settings
        for key in path:
            target = target.setdefault(key, {})
        target[last] = value
        if value is None:
            del target[last]
    return settings


def test_the_configs_that_we_ship_are_right():
    configs = set(ROOT.glob("config/*.yaml")) - {ROOT / "config/claims.yaml"}
    for path in (*configs, ROOT / "tests/workflow/config.yaml"):
        assert schema_errors(yaml.safe_load(path.read_text()), SCHEMA) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": {}}, "the configuration: unknown key 'dataset'. Did you mean 'datasets'?"),
        ({"studies": None}, "the configuration: missing key 'studies'."),
        (
            {"methods__pca__use": "pcs"},
            "methods.pca.use: unknown value 'pcs'. Did you mean 'pca'? Allowed: scscope, ae, pca",
        ),
        (
            {"methods__pca__scale": "logg"},
            "methods.pca.scale: unknown value 'logg'. Did you mean 'log'? Allowed: counts, size, log",
        ),
        (
            {"methods__pca__params__n_latnet": 5},
            "methods.pca.params: unknown key 'n_latnet'. Did you mean 'n_latent'? Allowed: n_latent, fill",
        ),
        ({"methods__pca__params__n_latent": 0}, "methods.pca.params.n_latent: 0 is less than"),
        (
            {"methods__pca__params__n_latent": "x"},
            "methods.pca.params.n_latent: 'x' must be a whole number.",
        ),
        (
            {"methods__dca": {"use": "dca", "scale": "log"}},
            "methods.dca.scale: unknown value 'log'. Allowed: counts, rounded, size_rounded, log_rounded.",
        ),
        ({"methods__pca__fit_on": 20}, "methods.pca.fit_on: 20 is less than the minimum of 31"),
        ({"tuning_budget": -1}, "tuning_budget: -1 is less than the minimum of 0"),
        ({"methods__truth__params": {"n": 1}}, "methods.truth.params: unknown key 'n'."),
        (
            {"methods__Bad Name": {"use": "pca", "scale": "log"}},
            "methods: 'Bad Name' is no name: use",
        ),
        ({"methods": {5: {"use": "pca", "scale": "log"}}}, "methods: 5 must be text."),
        ({"studies__main__seeds": 3}, "studies.main.seeds: 3 must be a list, such as [a, b]."),
        ({"datasets": None}, "the configuration: missing key 'datasets'."),
        ({"datasets__tiny": {"params": {}}}, "datasets.tiny: missing key 'source'."),
        (
            {"methods__ae": {"use": "ae", "scale": "log", "params": {"learning_rate": "1e-3"}}},
            "'1e-3' must be a number. It was read as text: write 0.001 without quotes.",
        ),
        (
            {"datasets__tiny__params__n_cells": 30},
            "datasets.tiny.params.n_cells: 30 is less than the minimum of 31 (PhenoGraph needs",
        ),
        ({"datasets__tiny__params__dropout": 1}, "unknown key 'dropout'. Did you mean 'dropout_"),
        ({"datasets__tiny__source": "splatt"}, "unknown value 'splatt'. Did you mean 'splat'?"),
        ({"datasets__mine": {"source": "file"}}, "datasets.mine: missing key 'path'."),
        ({"datasets__mine": {"source": "file", "path": "x", "cells_in": "row"}}, "mean 'rows'?"),
        ({"studies__main__metrics": ["arj"]}, "studies.main.metrics.0: unknown value 'arj'."),
        ({"studies__main__seeds": [-1]}, "studies.main.seeds.0: -1 is less than the minimum of 0"),
        ({"studies__main__seeds": []}, "studies.main.seeds: [] should be non-empty"),
        ({"studies__main__panels": ["figure1c"]}, "Did you mean 'figure_1c'?"),
        ({"studies__main__threads": 3}, "unknown key 'threads'."),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(changes, message):
    errors = schema_errors(config(**changes), SCHEMA)
    assert len(errors) == 1
    assert message in errors[0]


def test_all_mistakes_are_said_at_once():
    broken = config(methods__pca__use="pcs", studies__main__seeds=[-1], extra=1)
    assert len(schema_errors(broken, SCHEMA)) == 3


def test_unknown_names_come_with_the_nearest():
    words = unknown_name("method", "scscop", ["scscope", "pca"])
    assert words == "unknown method 'scscop'. Did you mean 'scscope'? Allowed: scscope, pca."


def enum(definition, key):
    return SCHEMA["$defs"][definition]["properties"][key]["enum"]


def test_the_schema_knows_what_is_registered():
    assert enum("method", "use") == list(METHODS)
    assert SCHEMA["$defs"]["scale"]["enum"] == list(SCALES)
    assert enum("dataset", "source") == [*SIMULATORS, "file", "heldout", *SETS]
    assert enum("file", "values") == list(VALUES)
    assert enum("scscope", "preset") == list(PRESETS)
    study = SCHEMA["$defs"]["study"]["properties"]
    assert set(study["metrics"]["items"]["enum"]) == set(METRICS)
    assert study["clusterers"]["items"]["enum"] == list(CLUSTERERS)
    assert study["panels"]["items"]["enum"] == list(PANELS)


def test_the_schema_knows_the_parameters_of_the_simulators():
    known = {
        "splat": {field.name for field in fields(SplatSettings)},
        "simlr": {field.name for field in fields(SimlrSettings)},
        "splatter": {"method", "n_cells", *PARAMETERS},
    }
    for name, parameters in known.items():
        assert set(SCHEMA["$defs"][name]["properties"]) == parameters - {"seed"}


def test_a_number_or_a_list_is_said_as_such():
    errors = schema_errors(config(datasets__tiny__params__de_prob="much"), SCHEMA)
    assert errors == [
        "datasets.tiny.params.de_prob: 'much' must be a number or a list, such as [a, b]."
    ]


def test_the_schema_knows_the_settings_of_scscope():
    # These belong to the presets and are not varied one by one.
    of_preset = {"rectify", "loss", "sampling", "separate_batch_step", "mask_fault"}
    settings = {field.name for field in fields(Settings)} - of_preset
    arguments = set(inspect.signature(scscope).parameters) - {"data", "seed", "device", "settings"}
    assert set(SCHEMA["$defs"]["scscope"]["properties"]) == settings | arguments
    one_pass = settings - {"n_steps", "imputer_width"}
    assert set(SCHEMA["$defs"]["ae"]["properties"]) == one_pass | arguments


def arguments(function):
    """Names of parameters that the config may set."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name for p in parameters if p.kind != p.VAR_KEYWORD} - {"data", "seed", "device"}


def test_the_schema_knows_the_parameters_of_the_other_methods():
    dca = {field.name for field in fields(DCASettings)}
    assert set(SCHEMA["$defs"]["dca"]["properties"]) == dca
    assert enum("dca", "distribution") == list(DISTRIBUTIONS)
    assert set(SCHEMA["$defs"]["pca"]["properties"]) == arguments(pca)
    assert enum("pca", "fill") == list(FILLS)
    assert enum("pca", "solver") == list(SOLVERS)
    assert set(SCHEMA["$defs"]["magic"]["properties"]) == arguments(magic)
    assert set(SCHEMA["$defs"]["scvi"]["properties"]) == arguments(scvi) | set(MODEL_SETTINGS)


def test_models_of_counts_take_counts_only():
    counts = SCHEMA["$defs"]["scale_of_counts"]["enum"]
    for case in SCHEMA["$defs"]["method"]["allOf"]:
        use = case["if"]["properties"]["use"]
        restricted = "scale" in case["then"]["properties"]
        for name in use.get("enum", [use.get("const")]):
            assert METHODS[name].counts == restricted, name
    assert counts == ["counts", *ROUNDED]


def test_every_method_has_its_parameters_in_the_schema():
    described = set()
    for case in SCHEMA["$defs"]["method"]["allOf"]:
        use = case["if"]["properties"]["use"]
        described |= set(use.get("enum", [use.get("const")]))
    assert described == set(METHODS)


def test_a_folder_below_a_file_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert "is a file" in not_writable(tmp_path / "file" / "results")
    assert not_writable(tmp_path / "new" / "results") == ""


def test_a_folder_without_permission_cannot_be_written(tmp_path):
    tmp_path.chmod(0o755)
    if os.geteuid() == 0:  # root may write anywhere: look with the eyes of nobody
        child = os.fork()
        if child == 0:
            try:
                os.setuid(65534)
                refused = "cannot be written to" in not_writable(tmp_path / "results")
            finally:
                os._exit(0 if refused else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    else:
        tmp_path.chmod(0o555)
        assert "cannot be written to" in not_writable(tmp_path / "results")
