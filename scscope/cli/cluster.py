"""`scscope cluster`: clusters of anyone's embedding, from file to file."""

import argparse
import inspect
from pathlib import Path


def add_cluster(commands) -> argparse.ArgumentParser:
    """`scscope cluster`."""
    command = commands.add_parser(
        "cluster",
        help="cluster the cells of an embedding",
        description="Cluster the cells of an embedding by PhenoGraph, by the paper's scalable "
        "clustering, which reads large files in pieces, or by Leiden. -1 stands for cells in no "
        "cluster. What is not given is chosen by the clusterer.",
        allow_abbrev=False,
    )
    command.add_argument(
        "data", type=Path, metavar="DATA", help=".npy, .npz, .h5ad, .csv or .tsv (also .gz)"
    )
    command.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    command.add_argument("--overwrite", action="store_true", help="replace what is there")
    command.add_argument("--key", help="array of an .npz, or in the obsm of an .h5ad")
    command.add_argument(
        "--clusterer",
        choices=("phenograph", "scalable", "leiden"),
        default="phenograph",
        help="(default: phenograph)",
    )
    command.add_argument("--seed", type=int, default=0, help="(default: 0)")
    command.add_argument("--k", type=int, help="neighbours of each cell")
    command.add_argument("--resolution", type=float, help="higher: more clusters")
    command.add_argument("--min-size", type=int, help="clusters of so many and fewer get -1")
    command.add_argument("--method", choices=("louvain", "leiden"), help="way to find communities")
    command.add_argument("--n-subsets", type=int, help="of scalable clustering")
    command.add_argument("--n-centroids", type=int, help="of scalable clustering, in each subset")
    command.add_argument("--order", choices=("shuffled", "contiguous"), help="of the subsets")
    command.add_argument("--n-threads", type=int, help="threads (default: all cores)")
    command.add_argument("--device", choices=("cpu", "cuda"), help="where to search neighbours")
    command.set_defaults(run=cluster)
    return command


COMMANDS = (add_cluster,)
SETTINGS = (
    *("seed", "k", "resolution", "min_size", "method", "n_subsets", "n_centroids"),
    *("order", "n_threads", "device"),
)


def cluster(args: argparse.Namespace) -> None:
    """Cluster the cells of a file, write their labels, say what was found."""
    from scscope.cli.files import check_output
    from scscope.cli.model import print_facts
    from scscope.cluster.files import CLUSTERERS, WRITABLE, cluster_file

    check_output(args.output, overwrite=args.overwrite, suffixes=WRITABLE)
    given = {name: getattr(args, name) for name in SETTINGS}
    settings = {name: value for name, value in given.items() if value is not None}
    known = inspect.signature(CLUSTERERS[args.clusterer]).parameters
    for name in settings:
        if name not in known:
            raise ValueError(
                f"{args.clusterer} has no --{name.replace('_', '-')}. It takes: "
                + ", ".join(f"--{one.replace('_', '-')}" for one in SETTINGS if one in known)
            )
    found = cluster_file(
        args.data,
        args.output,
        clusterer=args.clusterer,
        key=args.key,
        overwrite=args.overwrite,
        **settings,
    )
    subsets = {"subsets": found.n_subsets, "centroids in each": found.n_centroids}
    print_facts(
        {
            "clusters": found.n_clusters,
            "cells in none": f"{found.n_unassigned:,} of {len(found.labels):,}",
            "modularity": f"{found.modularity:.4f}",
            **({} if found.n_subsets is None else subsets),
            "recall of neighbours": f"{found.recall:.3f}",
            "seconds": ", ".join(f"{name} {value:.1f}" for name, value in found.seconds.items()),
            "labels": f"'{args.output}'",
        }
    )
