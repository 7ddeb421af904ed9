"""`scscope check-method`: whether a method of one's own keeps the contract."""

import argparse


def add_check(commands) -> argparse.ArgumentParser:
    """`scscope check-method`."""
    command = commands.add_parser(
        "check-method",
        help="try a method of one's own on small simulated data",
        description="Call a function (data, *, seed, device, **params) on small simulated data: "
        "shapes, finite values, seed, input left alone, imputation, time. The exit code is 1 if it "
        "breaks the contract.",
        allow_abbrev=False,
    )
    command.add_argument("use", metavar="FILE:FUNCTION", help="such as path/to/mine.py:embed")
    command.add_argument("--scale", default="log", help="scale of its input (default: log)")
    command.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter, its value as in YAML or JSON; may be repeated",
    )
    command.add_argument("--cells", type=int, default=300, help="(default: 300)")
    command.add_argument("--genes", type=int, default=100, help="(default: 100)")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    command.set_defaults(run=check)
    return command


COMMANDS = (add_check,)


def check(args: argparse.Namespace) -> None:
    """Print what each test found, and a verdict."""
    from scscope.contract import FAILED, check_method
    from scscope.methods.own.load import function_errors, load, split

    if ".py:" not in args.use:
        raise ValueError(
            f"{args.use!r} is not a file and a function in it, such as path/to/mine.py:embed."
        )
    if args.cells < 10 or args.genes < 4:
        raise ValueError("--cells must be at least 10, and --genes at least 4.")
    params = dict(_param(text) for text in args.param)
    errors = list(function_errors(args.use, params))
    if errors:
        raise ValueError(" ".join(errors))
    n_failed = 0
    findings = check_method(
        load(*split(args.use)),
        scale=args.scale,
        params=params,
        n_cells=args.cells,
        n_genes=args.genes,
        device=args.device,
    )
    for finding in findings:
        n_failed += finding.state == FAILED
        words = f": {finding.words}" if finding.words else ""
        print(f"{finding.state:>6}  {finding.what}{words}", flush=True)
    if n_failed:
        raise RuntimeError(f"{args.use} breaks the contract in {n_failed} of these tests.")
    print(f"\n{args.use} keeps the contract.")


def _param(text: str) -> tuple[str, object]:
    import json

    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ValueError(f"--param {text!r} is not of the form NAME=VALUE.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
