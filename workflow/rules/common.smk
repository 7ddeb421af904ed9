"""The config, checked, and the input and parameter functions used by all rule files."""

import os
import re
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError

ROOT = Path(workflow.basedir).parent
# Scripts import the library of this checkout, never an installed copy.
sys.path.insert(0, str(ROOT))

from scscope.datasets.catalogue import CATALOGUE, files_of
from scscope.datasets.sets import SETS
from scscope.describe import COLUMNS as DETAILS
from scscope.describe.panels import PANEL_OF, STAND_INS
from scscope.figures import COMPOSITES, PANELS, needs_of, panels_of, tables_of
from scscope.fingerprint import fingerprint
from scscope.methods.own.entries import (
    code_of_entry,
    files_of_entry,
    is_files,
    method_of_entry,
    params_of_entry,
)
from scscope.metrics import METRICS
from scscope.report import TITLES
from scscope.run.status import failed_attempts
from scscope.simulate import SIMULATORS

RESULTS = Path(workflow.pathvars.apply("<results>"))
# Retries of a fit that ran out of memory or time; each is given more.
FIT_RETRIES = 2
# What slurm/profile.yaml is told of the cluster, too.
SITE_FILE = Path(os.environ.get("SCSCOPE_SITE") or ROOT / "slurm/site.yaml").expanduser()
SITE = (yaml.safe_load(SITE_FILE.read_text()) if SITE_FILE.exists() else None) or {}
SITE_KEYS = (
    "account partition gpus gpu_model jobs evaluations_per_job status container partitions".split()
)


def reading_of(dataset):
    """What the config says of how a file is read."""
    return {key: dataset[key] for key in ("cells_in", "layer", "true_layer") if key in dataset}


def origin_of(name):
    """Source of a dataset, or of the dataset that it is held out of."""
    dataset = config["datasets"][name]
    return origin_of(dataset["of"]) if "of" in dataset else dataset["source"]


def is_dressed(name):
    """Whether a simulation has the names of the real set that it stands for.

    One that is used for timing alone, or is temporary, has no need of them.
    """
    dataset = config["datasets"][name]
    return (
        dataset["source"] == "splat"
        and dataset.get("stands_for") in STAND_INS
        and not dataset.get("temporary")
        and any(
            name in study["datasets"] and not study.get("timing")
            for study in config["studies"].values()
        )
    )


def real_set_of(name):
    """The real set that a dataset is, or in whose dress it is; empty for others."""
    if is_dressed(name):
        return config["datasets"][name]["stands_for"]
    return origin_of(name) if origin_of(name) in SETS else ""


# Nothing below is read of a config that cannot be used. Jobs need not check again what the main process
# has checked.
if workflow.is_main_process:

    include: "check.smk"


# Of each rule; does nothing unless Snakemake is told to use Apptainer, as slurm/profile.yaml does.
if SITE.get("container"):

    container: os.path.expanduser(SITE["container"])


DATASETS = config["datasets"]
STUDIES = {name: config["studies"][name] for name in config.get("only", config["studies"])}
SIMULATED = [name for name in DATASETS if DATASETS[name]["source"] in SIMULATORS]
BY_R = [name for name in SIMULATED if DATASETS[name]["source"] == "splatter"]
DRESSED = [name for name in SIMULATED if is_dressed(name)]
TEMPORARY = [name for name in SIMULATED if DATASETS[name].get("temporary")]
PREPARED = [name for name in DATASETS if DATASETS[name]["source"] == "file"]
REAL = [name for name in DATASETS if DATASETS[name]["source"] in SETS]
HELD_OUT = [name for name in DATASETS if DATASETS[name]["source"] == "heldout"]
SEEDED = {*SIMULATED, *HELD_OUT}
# Names of all files that the catalogue of real data sets knows.
RAW_FILES = {file.name for files in CATALOGUE.values() for file in files}
METHODS = {name: method_of_entry(name, entry) for name, entry in config["methods"].items()}
GPU_METHODS = [name for name in METHODS if METHODS[name].uses_gpu]
CPU_METHODS = [name for name in METHODS if name not in GPU_METHODS]
# Commands with a conda environment of their own.
IN_ENVIRONMENT = [name for name in METHODS if "conda" in config["methods"][name]]
CLAIMS = [config["claims"]] if "claims" in config else []
# Scores of the authors' program, where this checkout has them.
RELEASED = [path for path in [ROOT / "results/reference/equivalence/scores.tsv"] if path.exists()]
COMPARISONS = ["comparisons", "rank_stability", "rank_agreement", "mean_ranks", "panels"]
# Tables of what clusters are, that any study asks for.
DESCRIBED = [
    name for name in DETAILS if any(name in s.get("describe", ()) for s in STUDIES.values())
]
TABLES = ["scores", "runs", "datasets", *COMPARISONS, *TITLES, *DESCRIBED]
TABLES += ["claims"] if CLAIMS else []
# Panel -> study whose scores it shows.
STUDY_OF = {panel: name for name, study in STUDIES.items() for panel in study["panels"]}
# Figures of the paper of which at least one panel is drawn.
PAGES = [page for page in COMPOSITES if panels_of(page, STUDY_OF)]
# Dataset, method and seed of each fit -> studies that share it.
STUDIES_OF = {}
for study in STUDIES.values():
    for run in product(study["datasets"], study["methods"], map(int, study["seeds"])):
        STUDIES_OF.setdefault(run, []).append(study)
RUNS = sorted(STUDIES_OF)


def one_of(names):
    """Wildcard pattern that matches one of `names`, or nothing if there are none."""
    return "|".join(names) if names else r"(?!)"


wildcard_constraints:
    dataset=one_of(DATASETS),
    method=one_of(config["methods"]),
    panel=one_of(STUDY_OF),
    page=one_of(PAGES),
    seed=r"\d+",


def data_of(dataset, seed, suffix):
    """Path of a file of a dataset: one for each seed if it is simulated or held out, else one."""
    stem = f"{dataset}/seed_{seed}" if dataset in SEEDED else dataset
    return f"<results>/data/{stem}{suffix}"


def dataset_file(wildcards):
    return data_of(wildcards.dataset, wildcards.seed, ".h5ad")


def targets_file(wildcards):
    return data_of(wildcards.dataset, wildcards.seed, ".targets.npz")


def whole_dataset(wildcards):
    """The dataset that another is held out of."""
    return data_of(DATASETS[wildcards.dataset]["of"], wildcards.seed, ".h5ad")


def of_all_runs(pattern):
    """Paths of one kind of file for all runs."""
    datasets, methods, seeds = zip(*RUNS)
    return collect(pattern, zip, dataset=datasets, method=methods, seed=seeds)


def cards_of_all_data():
    """Data cards of all datasets that any run uses."""
    return sorted({data_of(dataset, seed, ".json") for dataset, _, seed in RUNS})


def raw_files_of(source):
    """Paths of the files of a real data set."""
    return [f"<results>/raw/{source}/{file.name}" for file in files_of(source)]


def raw_files_of_studies():
    """Paths of all files of all real data sets that any study uses."""
    used = {origin_of(name) for study in STUDIES.values() for name in study["datasets"]}
    return [path for source in sorted(used & set(CATALOGUE)) for path in raw_files_of(source)]


def code_of(script):
    """Parameter function: fingerprint of a script and of the library code that it uses."""
    # Every job reads this file and needs the fingerprint of its own rule alone.
    return lambda wildcards: fingerprint(Path(workflow.basedir, "scripts", f"{script}.py"))


def setting(key):
    """Parameter function: what the config says of a dataset under a key."""
    # Snakemake's `lookup` walks the whole config for every job.
    return lambda wildcards: DATASETS[wildcards.dataset][key]


def simulation_settings(wildcards):
    """What the config says of a simulated dataset that matters to its data."""
    dataset = DATASETS[wildcards.dataset]
    return {"keep_true": dataset.get("keep_true", True), "params": dataset["params"]}


def preparation_settings(wildcards):
    """What the config says of a dataset that matters to its data, without where it comes from."""
    about = ("source", "of", "leave_out")
    dataset = DATASETS[wildcards.dataset]
    return {key: value for key, value in dataset.items() if key not in about}


def set_code(wildcards):
    """Fingerprint of what a real set depends on."""
    real_set = SETS[DATASETS[wildcards.dataset]["source"]]
    return fingerprint(real_set.module, Path(workflow.basedir, "scripts/prepare_set.py"))


def simulation_source(wildcards):
    """What the data card says of where a dataset comes from."""
    return stamped(DATASETS[wildcards.dataset]["source"], wildcards.dataset)


def heldout_source(wildcards):
    """What the data card says of where held-out data come from."""
    of = DATASETS[wildcards.dataset]["of"]
    return stamped(f"held out of {of}", of)


def stamped(words, name):
    """Words on where data come from, with the real data that a dataset stands for, if it does."""
    stands_for = DATASETS[name].get("stands_for")
    return f"{words}, synthetic, in place of {stands_for}" if stands_for else words


def simulator_code(wildcards):
    """Fingerprint of what a simulated dataset depends on."""
    simulator = SIMULATORS[DATASETS[wildcards.dataset]["source"]]
    return fingerprint(simulator.module, Path(workflow.basedir, "scripts/simulate.py"))


def stand_in_code(wildcards):
    """Fingerprint of what a simulation in the dress of a real set depends on."""
    return fingerprint(
        SIMULATORS["splat"].module, Path(workflow.basedir, "scripts/simulate_stand_in.py")
    )


def method_code(wildcards):
    """Fingerprint of what a fit depends on: the method's module and the worker that calls it."""
    entry = config["methods"][wildcards.method]
    subset = ["scscope.run.subset"] if "fit_on" in entry else []
    return code_of_entry(entry, "scscope.run.worker", *subset)


def method_settings(wildcards):
    """What config and registry say of a method that matters to its fits."""
    entry, method = config["methods"][wildcards.method], METHODS[wildcards.method]
    search_path = str(RESULTS / f"environments/{wildcards.method}.txt")
    run = {"dataset": wildcards.dataset, "seed": wildcards.seed}
    return {
        "module": method.module,
        "function": method.function,
        "gives": list(method.gives),
        "uses_gpu": method.uses_gpu,
        "oracle": method.oracle,
        "asks": list(method.asks),
        "inductive": method.inductive,
        "scale": entry["scale"],
        "params": params_of_entry(entry, search_path, **run),
        "fit_on": entry.get("fit_on"),
        # Installing what was missing reruns what did not apply for lack of it.
        "installed": not method.needs or find_spec(method.needs) is not None,
    }


def files_of_method(wildcards):
    """What a fit reads beside its dataset: results that lie in files, or where programs are found."""
    entry = config["methods"][wildcards.method]
    if "conda" in entry:
        return {"environment": f"<results>/environments/{wildcards.method}.txt"}
    run = {"dataset": wildcards.dataset, "seed": wildcards.seed}
    return files_of_entry(entry, **run) if is_files(entry) else {}


def environment_of(wildcards):
    """Description of the conda environment of a command."""
    return str(Path(config["methods"][wildcards.method]["conda"]).absolute())


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
    if config["methods"][wildcards.method].get("use") in ("scvi", "magic"):
        return "../../envs/scvi.yaml"
    if wildcards.method in CPU_METHODS:
        return "../../envs/base.yaml"
    return f"../../envs/torch-{'gpu' if SITE.get('gpus') else 'cpu'}.yaml"


def failures_of(wildcards):
    """Number of failed attempts at a run; by it the next call tries again what failed."""
    return failed_attempts(RESULTS / "runs/{dataset}/{method}/seed_{seed}".format(**wildcards))


def number_of_attempt(wildcards, attempt):
    """1 for the first try of a job, more for its retries."""
    return attempt


def run_of(wildcards):
    """Dataset, method and seed, as the studies name them."""
    return wildcards.dataset, wildcards.method, int(wildcards.seed)


def asked_of_scores(wildcards):
    """Metrics and clusterers that the studies ask of a run, in the config's order, and what it holds."""
    studies = STUDIES_OF.get(run_of(wildcards), ())
    metrics, clusterers = (
        list(dict.fromkeys(name for study in studies for name in study[kind]))
        for kind in ("metrics", "clusterers")
    )
    of_rest = any(METRICS[metric].of_rest for metric in metrics)
    return {
        "gives": METHODS[wildcards.method].gives,
        "metrics": metrics,
        "clusterers": clusterers,
        "leave_out": DATASETS[wildcards.dataset].get("leave_out", []) if of_rest else [],
    }


def describing(run):
    """Studies that ask what the clusters of a run are."""
    return [study for study in STUDIES_OF.get(run, ()) if "describe" in study]


def description_of(wildcards):
    """What the studies ask of the description of a run, and what its types are told by."""
    # Few jobs need it, and every job would wait for it.
    from scscope.cluster.result import GIVEN

    studies = describing(run_of(wildcards))
    source = real_set_of(wildcards.dataset)
    return {
        "tables": [name for name in DETAILS if any(name in s["describe"] for s in studies)],
        "clusterers": [*dict.fromkeys(name for s in studies for name in s["clusterers"]), GIVEN],
        "source": source,
        "panel": PANEL_OF.get(source, ""),
        "given_are_labels": config["methods"][wildcards.method].get("use") == "truth",
    }


def details_of_all_runs(wildcards):
    """Tables of one kind of all runs that any study asks it of."""
    pattern = "<results>/details/{0}/{1}/seed_{2}.{3}.tsv"
    return [
        pattern.format(*run, wildcards.table)
        for run in RUNS
        if any(wildcards.table in study["describe"] for study in describing(run))
    ]


def files_of_dataset(wildcards):
    """Files that a dataset is read from."""
    dataset = DATASETS[wildcards.dataset]
    return {key: dataset[key] for key in ("path", "labels_file") if key in dataset}


def raw_files_of_dataset(wildcards):
    """Downloaded files that a real dataset is made of."""
    return raw_files_of(DATASETS[wildcards.dataset]["source"])


def is_timed(wildcards):
    """Whether a study compares the time of a run: then nothing may run beside it."""
    return run_of(wildcards) in TIMED


def runs_of_timing_studies():
    """Dataset, method and seed of the runs of each study that compares times."""
    return {
        name: [list(run) for run in product(study["datasets"], study["methods"], study["seeds"])]
        for name, study in STUDIES.items()
        if study.get("timing")
    }


TIMED = {tuple(run) for runs in runs_of_timing_studies().values() for run in runs}


def panel_code(wildcards):
    """Fingerprint of what a panel depends on."""
    code = PANELS[wildcards.panel].function.split(":")[0]
    return fingerprint(code, Path(workflow.basedir, "scripts/draw.py"))


def selections():
    """Selection of runs of each study."""
    return {
        name: {kind: study[kind] for kind in study if kind not in ("panels", "timing", "describe")}
        for name, study in STUDIES.items()
    }


def paths_of_tables(panels):
    """Tables that panels are drawn from, by name."""
    return {name: f"<results>/tables/{name}.tsv" for name in tables_of(panels)}


def tables_of_panel(wildcards):
    """Tables that a panel is drawn from."""
    return paths_of_tables([wildcards.panel])


def tables_of_page(wildcards):
    """Tables that the panels of a page are drawn from."""
    return paths_of_tables(panels_of_page(wildcards).values())


def study_of_panel(wildcards):
    """Selection of runs that a panel shows."""
    return selections()[STUDY_OF[wildcards.panel]]


def selections_of_panels(panels):
    """Selection of runs that each of some panels shows."""
    return {panel: selections()[STUDY_OF[panel]] for panel in panels}


def panels_of_page(wildcards):
    """Panels of a page by letter, of those that are drawn."""
    return panels_of(wildcards.page, STUDY_OF)


def selections_of_page(wildcards):
    """Selection of runs that each panel of a page shows."""
    return selections_of_panels(panels_of_page(wildcards).values())


def page_code(wildcards):
    """Fingerprint of what a page depends on."""
    codes = [PANELS[panel].function.split(":")[0] for panel in panels_of_page(wildcards).values()]
    return fingerprint(*codes, Path(workflow.basedir, "scripts/draw_page.py"))
