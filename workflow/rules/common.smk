"""The config, checked, and the input and parameter functions used by all rule files."""

import os
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
from scscope.run.queue import settle
from scscope.run.status import failed_attempts
from scscope.simulate import SIMULATORS
from scscope.validation import not_writable, schema_errors, unknown_name

RESULTS = Path(workflow.pathvars.apply("<results>"))
# Retries of a fit that ran out of memory or time; each is given more.
FIT_RETRIES = 2
# What slurm/profile.yaml is told of the cluster, too.
SITE_FILE = Path(os.environ.get("SCSCOPE_SITE") or ROOT / "slurm/site.yaml").expanduser()
SITE = yaml.safe_load(SITE_FILE.read_text()) if SITE_FILE.exists() else {}
SITE_KEYS = "account partition gpus gpu_model jobs status container partitions".split()


def reading_of(dataset):
    """What the config says of how a file is read."""
    return {key: dataset[key] for key in ("cells_in", "layer", "true_layer") if key in dataset}


def site_errors():
    """What is wrong with the description of the cluster, as sentences."""
    if "SCSCOPE_SITE" in os.environ and not SITE_FILE.exists():
        yield f"SCSCOPE_SITE: there is no file '{SITE_FILE}'."
    for key in sorted(set(SITE) - set(SITE_KEYS)):
        yield f"{SITE_FILE}: {unknown_name('key', key, SITE_KEYS)}"
    if SITE.get("gpu_model") and not SITE.get("gpus"):
        yield f"{SITE_FILE}: `gpu_model` without GPUs; `gpus` is how many jobs may hold together."


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
    yield from site_errors()
    if reason := not_writable(RESULTS):
        yield f"pathvars.results: {reason}"


# Jobs need not check again what the main process has checked.
if workflow.is_main_process and (errors := list(config_errors())):
    raise WorkflowError("The config cannot be used:\n  " + "\n  ".join(errors))

DATASETS, STUDIES = config["datasets"], config["studies"]
SIMULATED = [name for name in DATASETS if DATASETS[name]["source"] in SIMULATORS]
BY_R = [name for name in SIMULATED if DATASETS[name]["source"] == "splatter"]
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
    """Parameter function: fingerprint of a script and of the library code that it uses."""
    # Every job reads this file and needs the fingerprint of its own rule alone.
    return lambda wildcards: fingerprint(Path(workflow.basedir, "scripts", f"{script}.py"))


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
    # A job on a cluster does not know that the profile allows none, and would ask for what it has not.
    if workflow.remote_exec and not SITE.get("gpus"):
        return 0
    return config["methods"][wildcards.method].get("params", {}).get("n_devices", 1)


def gpu_model_of(wildcards):
    """Type of GPU that a deep method's job asks for; empty for any."""
    return SITE.get("gpu_model") or ""


def environment_of_method(wildcards):
    """Conda environment of a method's fits: that of its family."""
    if config["methods"][wildcards.method]["use"] in ("scvi", "magic"):
        return "../../envs/scvi.yaml"
    if wildcards.method in CPU_METHODS:
        return "../../envs/base.yaml"
    return f"../../envs/torch-{'gpu' if SITE.get('gpus') else 'cpu'}.yaml"


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


def wait_for_former_calls():
    """Let no job run twice: see to those that a killed call left in the queue, and plan anew."""
    jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    submitted = {number for job in jobs for number in workflow.persistence.external_jobids(job)}
    # As the executor words it.
    planned = {f"rule_{job.rule.name}_wildcards_{'_'.join(job.wildcards)}" for job in jobs}
    try:
        planned_too_early = settle(submitted, planned, Path.cwd(), logger.warning)
    except RuntimeError as error:
        raise WorkflowError(str(error)) from error
    if planned_too_early:
        workflow.persistence.unlock()
        os.execv(sys.executable, sys.orig_argv)
    record_what_ended_unseen()


def record_what_ended_unseen():
    """Write down what results were made from whose job ended while Snakemake was gone.

    Without it no change of a parameter would ever rerun them. What was edited after they were made is
    another matter: nobody knows what they were made from.
    """
    read_by_jobs = (*ROOT.glob("scscope/**/*.py"), *ROOT.glob("workflow/**/*.*"))
    edited = max(os.path.getmtime(path) for path in (*workflow.configfiles, *read_by_jobs))
    unknown = []
    for job in workflow.dag.jobs:
        if workflow.dag.needrun(job) or job.is_local or workflow.persistence.has_metadata(job):
            continue
        if min(map(os.path.getmtime, job.output)) > edited:
            workflow.async_run(workflow.persistence.finished(job))
        else:
            unknown.append(job.output[0])
    if unknown:
        logger.warning(
            f"{len(unknown)} results, such as {unknown[0]}, came while Snakemake was gone, and config "
            "or code were edited since: --forcerun their rules if that matters to them."
        )
