"""`scscope fit`, `transform`, `impute` and `info`: train a model, use it, look at it."""

import argparse
import os
from dataclasses import asdict, fields
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Literal, get_args, get_origin, get_type_hints

from scscope.settings import PRESETS, Settings

if TYPE_CHECKING:
    from scscope import ScScope
    from scscope.cli.scaling import Scaling

SCALES = ("none", "size", "log", "size_unit", "log_unit")
OBSM = "X_scscope"
MODEL_FILES = ("model.json", "model-", "scale.json", "scale-")  # how their names begin

# What `--help` says of each setting; its type and its defaults are read from `Settings`.
HELP = {
    "n_latent": "latent units of one pass",
    "n_steps": "passes through encoder and decoder; 1 is a plain autoencoder",
    "encoder_layers": "widths of further layers between input and latent",
    "decoder_layers": "widths of further layers between latent and output",
    "imputer_width": "units of the imputer's hidden layer",
    "use_mask": "count only observed entries in the loss",
    "mask_fault": "the released code's faulty loss mask, for comparisons with it",
    "rectify": "what the imputer's ReLU acts on: the imputation, or its sum with the input",
    "loss": "squared error of a cell, or norm of a minibatch",
    "learning_rate": "of Adam",
    "beta1": "of Adam",
    "batch_size": "cells of a minibatch, on each device",
    "max_epochs": "epochs at most",
    "stopping": "stop early when the error hardly changes, or when that of held-out entries has "
    "not fallen for some checks",
    "epochs_per_check": "epochs between two checks for stopping; 1 where `held_out` stops",
    "tolerance": "relative change below which `change` stops",
    "held_out": "share of the observed entries that `held_out` hides",
    "patience": "checks without gain after which `held_out` stops",
    "sampling": "an epoch is a permutation of the cells, or independent draws",
    "separate_batch_step": "give the batch effect an optimiser step of its own",
    "noise": "variance of noise on the input, as a share of that of the gene (denoising)",
    "drop": "share of the observed entries that training does not show (denoising)",
    "precision": "of the factors of matrix products while training",
}


def add_fit(commands) -> argparse.ArgumentParser:
    """`scscope fit`."""
    command = commands.add_parser(
        "fit",
        help="train a model, and write its latent codes into a copy of the data",
        description="Train scScope on the cells of a file. Writes a copy of the file with the "
        "latent codes in `obsm`, and the model.",
        allow_abbrev=False,
    )
    _add_data(command, "cells to train on")
    command.add_argument("--model", type=Path, help="folder for the model (default: OUT.model)")
    command.add_argument("--layer", help="layer to take instead of X")
    command.add_argument("--batch-key", help="column of obs with batches, to remove their effect")
    command.add_argument(
        "--scale",
        choices=SCALES,
        default="none",
        help="bring the values to this scale first, as in config/README.md; kept with the model "
        "and applied to new cells too (default: none, values as they are given)",
    )
    command.add_argument("--preset", choices=PRESETS, default="paper", help="(default: paper)")
    command.add_argument("--seed", type=int, default=0, help="(default: 0)")
    command.add_argument(
        "--checkpoint", type=Path, help="folder to keep the training in, and to go on from"
    )
    command.add_argument("--checkpoint-seconds", type=float, default=600, help="(default: 600)")
    command.add_argument(
        "--max-seconds", type=float, default=float("inf"), help="stop training after this time"
    )
    command.add_argument(
        "--n-devices", type=int, default=1, help="devices to train on (default: 1)"
    )
    command.add_argument("--threads", type=int, help="(default: by the size of the work)")
    settings = command.add_argument_group("settings, which a preset sets and an option overrides")
    for field in fields(Settings):
        _add_setting(settings, field.name)
    command.set_defaults(run=fit)
    return command


def add_transform(commands) -> argparse.ArgumentParser:
    """`scscope transform`."""
    command = commands.add_parser(
        "transform",
        help="write the latent codes of other cells, by a trained model",
        description="Write a copy of a file with the latent codes of its cells in `obsm`. Genes are "
        "matched by name, values brought to the scale of the model.",
        allow_abbrev=False,
    )
    command.add_argument("model", type=Path, metavar="MODEL", help="folder of a model")
    _add_data(command, "cells to encode")
    command.set_defaults(run=transform)
    return command


def add_impute(commands) -> argparse.ArgumentParser:
    """`scscope impute`."""
    command = commands.add_parser(
        "impute",
        help="write the values that a model predicts",
        description="Write all values that a model predicts, a dense matrix, on the scale that it "
        "was trained on.",
        allow_abbrev=False,
    )
    command.add_argument("model", type=Path, metavar="MODEL", help="folder of a model")
    _add_data(command, "cells to impute", has_key=False)
    command.set_defaults(run=impute)
    return command


def add_info(commands) -> argparse.ArgumentParser:
    """`scscope info`."""
    command = commands.add_parser(
        "info", help="say what a model is and how it was trained", allow_abbrev=False
    )
    command.add_argument("model", type=Path, metavar="MODEL", help="folder of a model")
    command.set_defaults(run=info)
    return command


COMMANDS = (add_fit, add_transform, add_impute, add_info)


def fit(args: argparse.Namespace) -> None:
    """Train on the cells of a file; write model and latent codes; say how it went."""
    from scscope import ScScope
    from scscope.atomic import beside
    from scscope.cli.files import check_cells, check_key, check_output, copy_with
    from scscope.cli.scaling import learn, on_scale

    import_module("anndata.io")  # to find it missing after the training would be too late
    folder = args.model or args.output.with_suffix(".model")
    check_cells(args.data, layer=args.layer, batch_key=args.batch_key)
    check_output(args.output, overwrite=args.overwrite, suffixes=(args.data.suffix,))
    _check_model_folder(folder, args)
    check_key(args.data, args.key, overwrite=args.overwrite)
    model = ScScope(
        preset=args.preset,
        layer=args.layer,
        batch_key=args.batch_key,
        seed=args.seed,
        device=args.device,
        n_devices=args.n_devices,
        threads=args.threads,
        memory_mb=args.memory_mb,
        **{field.name: getattr(args, field.name) for field in fields(Settings)},
    )
    scaling_for = None if args.scale == "none" else lambda given: learn(given.source, args.scale)
    with on_scale(args.data, scaling_for, near=args.output, **_reading(model)) as (data, scaling):
        model.fit(
            data,
            checkpoint=args.checkpoint,
            checkpoint_seconds=args.checkpoint_seconds,
            max_seconds=args.max_seconds,
        )
        if int(os.environ.get("RANK", "0")):
            return  # of several workers that torchrun started, the first one writes
        with beside(folder) as part:
            model.save(part)
            if scaling is not None:
                scaling.save(part)
        latent = model.transform()
    copy_with(args.data, args.output, args.key, latent, _note(model, scaling))
    n_cells, width = latent.shape
    print_facts(
        {
            "data": f"'{args.data}': {n_cells:,} cells x {len(model.genes_):,} genes",
            "scale": _scale_words(scaling),
            **model.record_,
            "latent": f"'{args.output}', obsm {args.key!r}: {n_cells:,} x {width}",
            "model": f"'{folder}'",
        }
    )


def transform(args: argparse.Namespace) -> None:
    """Write a copy of a file with the latent codes of its cells by a trained model."""
    from scscope.cli.files import check_cells, check_key, check_output, copy_with
    from scscope.cli.scaling import on_scale

    model, scaling = _load(args)
    check_cells(args.data, layer=model.layer, batch_key=model.batch_key)
    check_output(args.output, overwrite=args.overwrite, suffixes=(args.data.suffix,))
    check_key(args.data, args.key, overwrite=args.overwrite)
    scaling_for = _scaling_for(model, scaling)
    with on_scale(args.data, scaling_for, near=args.output, **_reading(model)) as (data, _):
        latent = model.transform(data)
    copy_with(args.data, args.output, args.key, latent, _note(model, scaling))
    n_cells, width = latent.shape
    print_facts(
        {
            "scale": _scale_words(scaling),
            "latent": f"'{args.output}', obsm {args.key!r}: {n_cells:,} x {width}",
        }
    )


def impute(args: argparse.Namespace) -> None:
    """Write all values that a model predicts for the cells of a file."""
    from scscope.atomic import beside
    from scscope.cli.files import check_cells, check_output, write_into
    from scscope.cli.scaling import on_scale

    model, scaling = _load(args)
    check_cells(args.data, layer=model.layer, batch_key=model.batch_key)
    check_output(args.output, overwrite=args.overwrite, suffixes=(".h5ad",))
    scaling_for = _scaling_for(model, scaling)
    with on_scale(args.data, scaling_for, near=args.output, **_reading(model)) as (data, _):
        with beside(args.output) as part:
            model.impute_to(part, data)
            write_into(part, {}, _note(model, scaling))
    print_facts({"scale": _scale_words(scaling), "predicted values": f"'{args.output}', X"})


def info(args: argparse.Namespace) -> None:
    """Say what a model is and how it was trained."""
    model, scaling = _load(args)
    genes = "without names"
    if model.genes_ is not None:
        names = model.genes_.tolist()
        genes = f"{len(names):,}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
    batches = "none"
    if model.batches_ is not None:
        batches = f"{', '.join(model.batches_)} (obs {model.batch_key!r})"
    print_facts(
        {
            "genes": genes,
            "batches": batches,
            "layer": model.layer or "X",
            "scale": _scale_words(scaling),
            "seed": model.seed,
            **model.record_,
            **asdict(model.settings),
        }
    )


def _add_data(command: argparse.ArgumentParser, help: str, *, has_key: bool = True) -> None:
    """Input, output and machine, which are the same for all commands that read cells."""
    command.add_argument("data", type=Path, metavar="DATA", help=f"{help}: .h5ad or .zarr")
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    command.add_argument("--overwrite", action="store_true", help="replace what is there")
    if has_key:
        command.add_argument("--key", default=OBSM, help=f"name in obsm (default: {OBSM})")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default: cpu)")
    command.add_argument(
        "--memory-mb",
        type=float,
        help="memory that the cells may take, MiB; larger files are streamed (default: half of "
        "what is free)",
    )


def _add_setting(group, name: str) -> None:
    """An option for a field of `Settings`, with its type and its defaults."""
    hint = get_type_hints(Settings)[name]
    if NoneType in get_args(hint):
        hint = next(kind for kind in get_args(hint) if kind is not NoneType)
    values = {preset: getattr(settings, name) for preset, settings in PRESETS.items()}
    if len(set(values.values())) == 1:
        values = {"default": next(iter(values.values()))}
    default = ", ".join(f"{preset}: {_value_words(value)}" for preset, value in values.items())
    options = {"default": None, "help": f"{HELP.get(name, '')} ({default})"}
    if hint is bool:
        options["action"] = argparse.BooleanOptionalAction
    elif get_origin(hint) is Literal:
        options["choices"] = get_args(hint)
    elif get_origin(hint) is tuple:
        options.update(type=_widths, metavar="N,N")
    else:
        options.update(type=hint, metavar=hint.__name__.upper())
    group.add_argument(f"--{name.replace('_', '-')}", **options)


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(width) for width in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 128,64") from None


def _check_model_folder(folder: Path, args: argparse.Namespace) -> None:
    """Refuse a folder that something other than a model would be lost from."""
    from scscope.cli.files import check_output

    check_output(folder, overwrite=args.overwrite)
    if args.checkpoint is not None and args.checkpoint.resolve() == folder.resolve():
        raise ValueError(f"'{folder}' cannot hold both the model and its checkpoint.")
    if folder.is_file():
        raise ValueError(f"'{folder}' is a file, so it cannot be the folder of a model.")
    others = [path.name for path in folder.glob("*") if not path.name.startswith(MODEL_FILES)]
    if others:
        raise ValueError(
            f"'{folder}' holds more than a model, such as '{min(others)}': it is not replaced. "
            "Choose another folder for the model."
        )


def _load(args: argparse.Namespace) -> tuple["ScScope", "Scaling | None"]:
    from scscope import ScScope
    from scscope.cli.scaling import scaling_in

    if not args.model.is_dir():
        raise FileNotFoundError(f"There is no model '{args.model}': it must be a folder.")
    model = ScScope.load(args.model, device=getattr(args, "device", "cpu"))
    model.memory_mb = getattr(args, "memory_mb", None)
    return model, scaling_in(args.model)


def _scaling_for(model: "ScScope", scaling: "Scaling | None"):
    """For `on_scale`: the scaling of the model, for genes in the order of the data."""
    if scaling is None:
        return None
    return lambda given: scaling.for_genes(given.genes, model.genes_, given.source.shape[1])


def _reading(model: "ScScope") -> dict:
    return {"layer": model.layer, "batch_key": model.batch_key, "memory_mb": model.memory_mb}


def _note(model: "ScScope", scaling: "Scaling | None") -> dict:
    """How values were made, for the `uns` of a file."""
    from scscope.version import __version__

    return {
        "version": __version__,
        "scale": "none" if scaling is None else scaling.scale,
        "layer": model.layer or "X",
        "seed": model.seed,
        "settings": asdict(model.settings),
        "record": model.record_,
    }


def _scale_words(scaling: "Scaling | None") -> str:
    if scaling is None:
        return "none (values as they are given)"
    return f"{scaling.scale} (typical total of a cell: {scaling.median:,.6g})"


def _value_words(value) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )


def print_facts(facts: dict) -> None:
    """Facts as two columns on stdout."""
    names = {name: name.replace("_", " ") for name in facts}
    width = max(map(len, names.values()))
    for name, value in facts.items():
        print(f"{names[name]:<{width}}  {_value_words(value)}")
