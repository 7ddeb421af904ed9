"""The config, checked, and the input and parameter functions used by all rule files."""

import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir).parent
# Scripts import the library of this checkout, never an installed copy.
sys.path.insert(0, str(ROOT))

from scscope.datasets.files import check_reading
from scscope.figures import PANELS
from scscope.fingerprint import fingerprint
from scscope.methods import METHODS
from scscope.run.status import failed_attempts
from scscope.simulate import SIMULATORS
from scscope.validation import not_writable, schema_errors, unknown_name

RESULTS = Path(workflow.pathvars.apply("<results>"))
# Retries of a fit that ran out of memory or time; each is given more.
FIT_RETRIES = 2


def reading_of(dataset):
    """What the config says of how a file is read."""
    return {key: dataset[key] for key in ("cells_in", "layer", "true_layer") if key in dataset}


def config_errors():
    """What is wrong with the config, as sentences."""
    schema = yaml.safe_load(Path(workflow.basedir, "schemas/config.schema.yaml").read_text())
    broken = schema_errors(config, schema)
    yield from broken
    if broken:
        return
    drawn = {}
    for name, study in config["studies"].items():
        for kind in ("datasets", "methods"):
            for entry in sorted(set(study[kind]) - set(config[kind])):
                yield f"studies.{name}.{kind}: {unknown_name('name', entry, config[kind])}"
        for panel in study["panels"]:
            if panel in drawn:
                yield f"studies.{name}.panels: {panel} is drawn by {drawn[panel]} already."
            drawn[panel] = name
    for name, dataset in config["datasets"].items():
        for key in ("path", "labels_file"):
            if key in dataset and not Path(dataset[key]).is_file():
                yield f"datasets.{name}.{key}: there is no file {dataset[key]!r}."
        try:
            if dataset["source"] == "file":
                check_reading(dataset["path"], **reading_of(dataset))
            else:
                SIMULATORS[dataset["source"]].refuse_wrong(dataset["params"])
        except ValueError as error:
            yield f"datasets.{name}: {error}"
        if "stands_for" in dataset and not name.startswith("synthetic_"):
            yield f"datasets.{name}: it stands for real data: call it synthetic_{name}."
    if reason := not_writable(RESULTS):
        yield f"pathvars.results: {reason}"


if errors := list(config_errors()):
    raise WorkflowError("The config cannot be used:\n  " + "\n  ".join(errors))

DATASETS, STUDIES = config["datasets"], config["studies"]
SIMULATED = [name for name in DATASETS if DATASETS[name]["source"] in SIMULATORS]
BY_R = [name for name in SIMULATED if DATASETS[name]["source"] == "splatter"]
TEMPORARY = [name for name in SIMULATED if DATASETS[name].get("temporary")]
PREPARED = [name for name in DATASETS if name not in SIMULATED]
GPU_METHODS = [m for m in config["methods"] if METHODS[config["methods"][m]["use"]].uses_gpu]
CPU_METHODS = [m for m in config["methods"] if m not in GPU_METHODS]
# Panel -> study whose scores it shows.
STUDY_OF = {panel: name for name, study in STUDIES.items() for panel in study["panels"]}
# All fits, each once, however many studies share it.
RUNS = sorted(
    {
        (dataset, method, seed)
        for study in STUDIES.values()
        for dataset in study["datasets"]
        for method in study["methods"]
        for seed in map(int, study["seeds"])
    }
)


def one_of(names):
    """Wildcard pattern that matches one of `names`, or nothing if there are none."""
    return "|".join(names) if names else r"(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    method=one_of(config["methods"]),
    panel=one_of(STUDY_OF),
    seed=r"\d+",


def data_of(dataset, seed, suffix):
    """Path of a file of a dataset: one for each seed if it is simulated, else one."""
    stem = f"{dataset}/seed_{seed}" if dataset in SIMULATED else dataset
    return f"<results>/data/{stem}{suffix}"


def dataset_file(wildcards):
    return data_of(wildcards.dataset, wildcards.seed, ".h5ad")


def targets_file(wildcards):
    return data_of(wildcards.dataset, wildcards.seed, ".targets.npz")


def of_all_runs(pattern):
    """Paths of one kind of file for all runs."""
    datasets, methods, seeds = zip(*RUNS)
    return collect(pattern, zip, dataset=datasets, method=methods, seed=seeds)


def cards_of_all_data():
    """Data cards of all datasets that any run uses."""
    return sorted({data_of(dataset, seed, ".json") for dataset, _, seed in RUNS})


def code_of(script):
    """Fingerprint of a script and of the library code that it uses."""
    return fingerprint(Path(workflow.basedir, "scripts", f"{script}.py"))


def simulation_settings(wildcards):
    """What the config says of a simulated dataset that matters to its data."""
    dataset = DATASETS[wildcards.dataset]
    return {"keep_true": dataset.get("keep_true", True), "params": dataset["params"]}


def simulation_source(wildcards):
    """What the data card says of where a dataset comes from."""
    dataset = DATASETS[wildcards.dataset]
    stands_for = dataset.get("stands_for")
    return dataset["source"] + (f", synthetic, in place of {stands_for}" if stands_for else "")


def simulator_code(wildcards):
    """Fingerprint of what a simulated dataset depends on."""
    simulator = SIMULATORS[DATASETS[wildcards.dataset]["source"]]
    return fingerprint(simulator.module, Path(workflow.basedir, "scripts/simulate.py"))


def method_code(wildcards):
    """Fingerprint of what a fit depends on: the method's module and the worker that calls it."""
    method = METHODS[config["methods"][wildcards.method]["use"]]
    return fingerprint(method.module, "scscope.run.worker")


def method_settings(wildcards):
    """What config and registry say of a method that matters to its fits."""
    entry = config["methods"][wildcards.method]
    method = METHODS[entry["use"]]
    return {
        "module": method.module,
        "function": method.function,
        "gives": list(method.gives),
        "uses_gpu": method.uses_gpu,
        "oracle": method.oracle,
        "scale": entry["scale"],
        "params": entry.get("params", {}),
    }


def gpus_of(wildcards):
    """GPUs of a deep method's job: as many as the devices it trains on."""
    return config["methods"][wildcards.method].get("params", {}).get("n_devices", 1)


def gives_of(wildcards):
    """What the fits of a method hold."""
    return METHODS[config["methods"][wildcards.method]["use"]].gives


def failures_of(wildcards):
    """Number of failed attempts at a run; by it the next call tries again what failed."""
    return failed_attempts(RESULTS / "runs/{dataset}/{method}/seed_{seed}".format(**wildcards))


def number_of_attempt(wildcards, attempt):
    """1 for the first try of a job, more for its retries."""
    return attempt


def measures_of(wildcards):
    """Metrics and clusterers that the studies ask of a run, in the config's order."""
    run = (wildcards.dataset, wildcards.method, int(wildcards.seed))
    asked = [
        study
        for study in STUDIES.values()
        if run[0] in study["datasets"] and run[1] in study["methods"] and run[2] in study["seeds"]
    ]
    return {
        kind: list(dict.fromkeys(name for study in asked for name in study[kind]))
        for kind in ("metrics", "clusterers")
    }


def files_of_dataset(wildcards):
    """Files that a dataset is read from."""
    dataset = DATASETS[wildcards.dataset]
    return {key: dataset[key] for key in ("path", "labels_file") if key in dataset}


def panel_code(wildcards):
    """Fingerprint of what a panel depends on."""
    code = PANELS[wildcards.panel].function.split(":")[0]
    return fingerprint(code, Path(workflow.basedir, "scripts/draw.py"))


def study_of_panel(wildcards):
    """Selection of runs that a panel shows."""
    study = STUDIES[STUDY_OF[wildcards.panel]]
    return {kind: study[kind] for kind in study if kind != "panels"}
