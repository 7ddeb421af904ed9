"""What is wrong with the config, said in plain words before the first job."""

from scscope.claims.read import claim_errors
from scscope.datasets.download import not_a_mirror
from scscope.datasets.files import check_reading
from scscope.describe import OF_TYPES
from scscope.methods.epochs import epochs_not_fixed
from scscope.methods.own.entries import entry_errors
from scscope.validation import not_writable, schema_errors, unknown_name


def runs_of(method):
    """Dataset and seed of each run of a method, in any study."""
    for study in config["studies"].values():
        if method in study["methods"]:
            yield from ((dataset, seed) for dataset in study["datasets"] for seed in study["seeds"])


def site_errors():
    """What is wrong with the description of the cluster, as sentences."""
    if "SCSCOPE_SITE" in os.environ and not SITE_FILE.exists():
        yield f"SCSCOPE_SITE: there is no file '{SITE_FILE}'."
    for key in sorted(set(SITE) - set(SITE_KEYS)):
        yield f"{SITE_FILE}: {unknown_name('key', key, SITE_KEYS)}"
    if SITE.get("gpu_model") and not SITE.get("gpus"):
        yield f"{SITE_FILE}: `gpu_model` without GPUs; `gpus` is how many jobs may hold together."
    image = SITE.get("container") or ""
    if image and "://" not in image and not Path(image).expanduser().is_file():
        yield (
            f"{SITE_FILE}: container: there is no file '{image}' in {Path.cwd()}. Build it as "
            "docs/cluster.md says, or name one that can be pulled, such as docker://name/image."
        )


def study_errors(name, study):
    """What a study asks for that is not there or cannot be given, as sentences."""
    for kind in ("datasets", "methods"):
        for entry in sorted(set(study[kind]) - set(config[kind])):
            yield f"studies.{name}.{kind}: {unknown_name('name', entry, config[kind])}"
    for method in study["methods"] if study.get("timing") else ():
        if words := epochs_not_fixed(config["methods"].get(method, {})):
            yield f"studies.{name}: it compares times, so {words} (methods.{method})."
    yield from metric_errors(name, study)
    yield from description_errors(name, study)


def description_errors(name, study):
    """What is wrong with what a study asks of its clusters, as sentences."""
    asked = study.get("describe", [])
    for panel in study["panels"]:
        if missing := [
            table for table in PANELS[panel].needs if table in set(DETAILS) - set(asked)
        ]:
            yield (
                f"studies.{name}.describe: {panel} is drawn from {', '.join(missing)} too: add "
                f"{'them' if len(missing) > 1 else 'it'}."
            )
    if not asked:
        return
    if not study["clusterers"]:
        yield f"studies.{name}.clusterers: `describe` needs at least one."
    if not any(METRICS[metric].needs_clusters for metric in study["metrics"]):
        yield f"studies.{name}.metrics: `describe` needs one of clusters, such as n_clusters."
    tables = [table for table in asked if table in OF_TYPES]
    for entry in sorted(set(study["datasets"]) & set(config["datasets"])) if tables else ():
        # Clusters cannot be asked of held-out data, which is said elsewhere.
        if config["datasets"][entry]["source"] != "heldout" and real_set_of(entry) not in PANEL_OF:
            yield (
                f"studies.{name}.describe: {', '.join(tables)} cannot be made of {entry}: no marker "
                f"genes of its types are known. They are known of {', '.join(PANEL_OF)}, and of "
                "`source: splat` that `stands_for` one of them. Make a study of its own."
            )


def metric_errors(name, study):
    """What metrics a study asks of datasets that cannot give them, as sentences."""
    held_out = {}
    for entry in study["datasets"]:
        dataset = config["datasets"].get(entry, {})
        if dataset.get("source") == "heldout":
            held_out[entry] = dataset.get("protocol", "mask")
    others = sorted(set(study["datasets"]) - set(held_out))
    for metric in study["metrics"]:
        kind = METRICS[metric].kind
        for entry, protocol in held_out.items():
            gives = (
                "thinning_loss" if protocol == "thinning" else "imputation_error and its octiles"
            )
            kinds = ("thinning",) if protocol == "thinning" else ("imputation", "octile")
            if kind not in kinds or metric == "zero_prediction":
                yield (
                    f"studies.{name}.metrics: {metric} cannot be asked of {entry}: a held-out dataset "
                    f"with protocol {protocol} gives {gives} alone, and clusters are scored on the "
                    "dataset that it is held out of. Make a study of its own."
                )
        if kind == "thinning" and others:
            yield (
                f"studies.{name}.metrics: {metric} cannot be asked of {', '.join(others)}: it is for "
                "held-out datasets with `protocol: thinning`. Make a study of its own."
            )
        if METRICS[metric].needs_clusters and not study["clusterers"]:
            yield f"studies.{name}.clusterers: {metric} needs at least one."
        if METRICS[metric].of_rest and not any(
            "leave_out" in config["datasets"].get(entry, {}) for entry in study["datasets"]
        ):
            yield (
                f"studies.{name}.metrics: {metric} needs a dataset with `leave_out`, the labels of "
                "the types that are left out."
            )


def heldout_errors(name, dataset):
    """What is wrong with a held-out dataset, as sentences."""
    of = config["datasets"].get(dataset["of"])
    if of is None:
        known = [other for other in config["datasets"] if other != name]
        yield f"datasets.{name}.of: {unknown_name('name', dataset['of'], known)}"
    elif of["source"] == "heldout":
        yield f"datasets.{name}.of: {dataset['of']} is held out itself. Name the dataset it is of."
    elif "n_top_genes" in of:
        yield (
            f"datasets.{name}.of: the genes of {dataset['of']} are chosen before anything is hidden. "
            f"Name an entry without `n_top_genes`, and give `n_top_genes` to {name}."
        )
    elif dataset.get("protocol") == "thinning" and (
        of["source"] == "simlr" or of.get("values") == "continuous"
    ):
        yield f"datasets.{name}.protocol: thinning splits counts, and {dataset['of']} has none."


def dataset_errors(name, dataset):
    """What is wrong with a dataset, as sentences."""
    for key in ("path", "labels_file"):
        if key in dataset and not Path(dataset[key]).is_file():
            yield f"datasets.{name}.{key}: there is no file {dataset[key]!r}."
    try:
        if dataset["source"] == "file":
            check_reading(dataset["path"], **reading_of(dataset))
        elif dataset["source"] == "heldout":
            yield from heldout_errors(name, dataset)
        elif dataset["source"] in SIMULATORS:
            SIMULATORS[dataset["source"]].refuse_wrong(dataset["params"])
    except ValueError as error:
        yield f"datasets.{name}: {error}"
    if "stands_for" in dataset and not name.startswith("synthetic_"):
        yield f"datasets.{name}: it stands for real data: call it synthetic_{name}."


def downloads_errors(downloads):
    """What is wrong with where files are to be found, as sentences."""
    if "folder" in downloads and not Path(downloads["folder"]).is_dir():
        yield f"downloads.folder: there is no folder {downloads['folder']!r}."
    if reason := not_a_mirror(downloads["mirror"]) if "mirror" in downloads else "":
        yield f"downloads.mirror: {downloads['mirror']!r}: {reason}."


def claims_errors(path):
    """What is wrong with the file of claims, as sentences."""
    if not Path(path).is_file():
        yield f"claims: there is no file {path!r}."
        return
    yield from (
        f"{path}: {error}" for error in claim_errors(yaml.safe_load(Path(path).read_text()))
    )


def config_errors():
    """What is wrong with the config, as sentences."""
    schema = yaml.safe_load(Path(workflow.basedir, "schemas/config.schema.yaml").read_text())
    broken = schema_errors(config, schema)
    yield from broken
    if broken:
        return
    drawn = {}
    for name in sorted(set(config.get("only", [])) - set(config["studies"])):
        yield f"only: {unknown_name('name', name, config['studies'])}"
    for name, study in config["studies"].items():
        for panel in study["panels"]:
            if panel in drawn:
                yield f"studies.{name}.panels: {panel} is drawn by {drawn[panel]} already."
            drawn[panel] = name
        yield from study_errors(name, study)
    for name, dataset in config["datasets"].items():
        yield from dataset_errors(name, dataset)
    for name, entry in config["methods"].items():
        for words in entry_errors(entry, list(runs_of(name))):
            yield f"methods.{name}.{words}"
    yield from downloads_errors(config.get("downloads", {}))
    if "claims" in config:
        yield from claims_errors(config["claims"])
    yield from site_errors()
    if reason := not_writable(RESULTS):
        yield f"pathvars.results: {reason}"


if errors := list(config_errors()):
    raise WorkflowError("The config cannot be used:\n  " + "\n  ".join(errors))
