"""`scscope score`: all clusterers and metrics for anyone's embedding of cells."""

import argparse
import csv
import io
import warnings
from collections.abc import Iterable
from itertools import product
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from scscope.cli.embeddings import Labelled

COLUMNS = ("embedding", "clusterer", "metric", "seed", "value")


def add_score(commands) -> argparse.ArgumentParser:
    """`scscope score`."""
    command = commands.add_parser(
        "score",
        help="cluster an embedding in several ways and compare with known labels",
        description="Score embeddings of cells, by whatever method they were made: every clusterer, "
        "every metric. Either obsm of a file, or tables.",
        allow_abbrev=False,
    )
    command.add_argument("data", type=Path, nargs="?", metavar="DATA", help=".h5ad or .zarr")
    command.add_argument("--obsm", nargs="+", metavar="NAME", help="embeddings in obsm of DATA")
    command.add_argument("--label", help="column of obs, or of --labels, with the true labels")
    command.add_argument(
        "--latent",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="instead of DATA: .npy, or .csv or .tsv with a header line and the names of the cells "
        "in the first column",
    )
    command.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="for --latent: .csv or .tsv with a header line and the names of the cells in the "
        "first column; matched by name, or by order where --latent has no names",
    )
    command.add_argument(
        "--drop-unlabelled", action="store_true", help="leave out cells without a label"
    )
    command.add_argument("--clusterers", nargs="+", metavar="NAME", help="(default: all)")
    command.add_argument("--metrics", nargs="+", metavar="NAME", help="(default: all)")
    command.add_argument("--seed", type=int, default=0, help="of the clusterers (default: 0)")
    command.add_argument(
        "--n-seeds", type=int, default=1, help="repeat with as many seeds, from --seed on"
    )
    command.add_argument(
        "-o", "--output", type=Path, metavar="OUT", help="table for all values, .tsv"
    )
    command.add_argument("--overwrite", action="store_true", help="replace what is there")
    command.set_defaults(run=score)
    return command


COMMANDS = (add_score,)


def score(args: argparse.Namespace) -> None:
    """Cluster embeddings, compare with labels; print a table and write it where it is asked for."""
    from scscope.cli.embeddings import from_file, from_tables
    from scscope.cli.files import check_output
    from scscope.cluster import CLUSTERERS
    from scscope.metrics import METRICS

    _check_usage(args)
    if args.output is not None:
        check_output(args.output, overwrite=args.overwrite, suffixes=(".tsv",))
    measures = {name: metric for name, metric in METRICS.items() if metric.kind == "clustering"}
    clusterers = _chosen(args.clusterers, CLUSTERERS, "clusterer")
    metrics = _chosen(args.metrics, measures, "metric")
    drop = {"drop_unlabelled": args.drop_unlabelled}
    if args.latent:
        cells = from_tables(args.latent, args.labels, args.label, **drop)
    else:
        cells = from_file(args.data, args.obsm, args.label, **drop)
    seeds = range(args.seed, args.seed + args.n_seeds)
    rows = score_rows(cells, clusterers, metrics, seeds, strict=args.clusterers is not None)
    if args.output is not None:
        write(rows, args.output)
    n_groups = len(set(cells.label.tolist()))
    means = f", means over {len(seeds)} seeds" if len(seeds) > 1 else ""
    print(f"{len(cells.label):,} cells, {n_groups} groups{means}\n")
    print(table(rows))
    if any(CLUSTERERS[name].oracle for name in clusterers):
        print("\n* chooses by the true labels: a bound, not a result")


def score_rows(
    cells: "Labelled",
    clusterers: list[str],
    metrics: list[str],
    seeds: Iterable[int],
    *,
    strict: bool,
) -> list[dict]:
    """Every value, one row with `COLUMNS` each, in the order of the arguments.

    A clusterer that cannot take the cells, because they are too few for instance, is an error where
    `strict`; else a warning says why, and its values are NaN.
    """
    from scscope.metrics import score
    from scscope.progress import Progress

    rows, seeds = [], list(seeds)
    with Progress("Scoring", len(cells.embeddings) * len(seeds), "clusterings") as progress:
        for name, latent in cells.embeddings.items():
            for seed in seeds:
                clusters = _clusters(name, latent, cells.label, clusterers, seed, strict)
                for clusterer, metric in product(clusterers, metrics):
                    found = clusters.get(clusterer)
                    value = nan if found is None else score(metric, cells.label, found)
                    values = (name, clusterer, metric, seed, value)
                    rows.append(dict(zip(COLUMNS, values, strict=True)))
                progress.advance()
    return rows


def _clusters(
    name: str,
    latent: "np.ndarray",
    label: "np.ndarray",
    clusterers: list[str],
    seed: int,
    strict: bool,
) -> dict[str, "np.ndarray"]:
    """Labels by clusterer; where not `strict`, without the clusterers that cannot take the cells."""
    from scscope.cluster import cluster

    try:
        return cluster(latent, clusterers, label=label, seed=seed)
    except ValueError as error:
        refusal = ValueError(f"{name}: {error}")
    clusters = {}
    for clusterer in () if strict else clusterers:
        try:
            clusters |= cluster(latent, [clusterer], label=label, seed=seed)
        except ValueError as error:
            warnings.warn(f"{name}: no clusters by {clusterer}. {error}", stacklevel=2)
    if not clusters:
        raise refusal
    return clusters


def table(rows: list[dict]) -> str:
    """Scores for a reader: a line for each embedding and clusterer, a column for each metric.

    Values are means over the seeds, with the standard deviation where there are several.
    """
    import numpy as np

    from scscope.cluster import CLUSTERERS
    from scscope.metrics import METRICS

    values: dict[tuple, dict[str, list[float]]] = {}
    for row in rows:
        line = values.setdefault((row["embedding"], row["clusterer"]), {})
        line.setdefault(row["metric"], []).append(row["value"])
    metrics = list(next(iter(values.values())))
    lines = [["embedding", "clusterer", *metrics]]
    for (embedding, clusterer), of_metric in values.items():
        title = CLUSTERERS[clusterer].title + " *" * CLUSTERERS[clusterer].oracle
        cells = []
        for metric, found in of_metric.items():
            style = ".3f" if METRICS[metric].high < np.inf else ".4g"
            spread = f" ± {np.std(found, ddof=1):{style}}" if len(found) > 1 else ""
            cells.append("-" if isnan(found[0]) else f"{np.mean(found):{style}}{spread}")
        lines.append([embedding, title, *cells])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write(rows: list[dict], path: Path) -> None:
    """Write scores as a tab-separated table with `COLUMNS`; a value that is NaN stays empty."""
    from scscope.atomic import write_text

    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "value": "" if isnan(row["value"]) else row["value"]})
    write_text(path, text.getvalue())


def _check_usage(args: argparse.Namespace) -> None:
    if (args.data is None) == (args.latent is None):
        raise ValueError(
            "Name either a file, with --obsm and --label, or --latent FILE with --labels FILE."
        )
    if args.latent is not None and args.labels is None:
        raise ValueError("--latent needs --labels FILE, a table of cells and their labels.")
    if args.latent is not None and args.obsm is not None:
        raise ValueError("--obsm names parts of DATA; it cannot stand beside --latent.")
    if args.n_seeds < 1 or args.seed < 0:
        raise ValueError("--n-seeds must be at least 1, and --seed at least 0.")


def _chosen(given: list[str] | None, known: dict, what: str) -> list[str]:
    from scscope.validation import unknown_name

    for name in given or ():
        if name not in known:
            raise ValueError(unknown_name(what, name, known))
    return list(dict.fromkeys(given or known))
