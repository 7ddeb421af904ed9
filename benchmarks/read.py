"""Time and memory of the readers: python benchmarks/read.py [--quick] [--brain 1] [--out table.tsv].

The files are stand-ins of the published shape and format with about the published share of
non-zeros; they say nothing about biology. Rows, or cells, are repeated from a pool under new names,
which lies further apart than what compression could use. Each reader runs in a process of its own;
seconds are without imports; memory is the largest resident set of the process. What makes a matrix
dense runs on a share of the file that fits in memory, and ours beside it on the same.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

CHUNK = 80_000  # entries of a chunk in Cell Ranger's files
POOL = 500  # distinct rows of a table
POOL_CELLS = 20_000  # distinct cells of an HDF5 file


class Table(NamedTuple):
    """A table that is published as text: its shape, look and share of non-zeros."""

    n_genes: int
    n_cells: int
    file: str
    corner: str | None
    separator: str
    density: float


TABLES = {
    "retina": Table(24_658, 49_300, "retina.txt.gz", "gene", "\t", 0.03),
    "cbmc": Table(36_280, 8_617, "cbmc.csv.gz", "", ",", 0.03),
    "intestine": Table(15_215, 9_842, "intestine.txt.gz", None, "\t", 0.13),
}
BRAIN_GENES, BRAIN_CELLS, BRAIN_DENSITY = 27_998, 1_306_127, 2_624_828_308 / 27_998 / 1_306_127

# Set, share of its genes (of its cells for the brain) and who reads it.
PLAN = [
    ("retina", 1, ("ours",)),
    ("retina", 0.05, ("ours", "pandas", "scanpy")),
    ("cbmc", 1, ("ours", "pandas")),
    ("cbmc", 0.05, ("ours", "pandas", "scanpy")),
    ("intestine", 1, ("ours", "pandas")),
    ("mtx", 0.002, ("ours", "scanpy")),
    ("brain", 0.02, ("ours", "scanpy", "two_passes")),
]


# Stand-ins


def write_table(table: Table, path: Path, share: float, n_cells: int) -> str:
    """Write a table of counts, genes in rows."""
    rng = np.random.default_rng(0)
    n_genes = max(2, round(table.n_genes * share))
    # Few genes make up most of what is seen.
    densities = rng.gamma(0.3, 1 / 0.3, min(POOL, n_genes))
    densities = np.minimum(densities / densities.mean() * table.density, 0.9)
    pool = []
    for density in densities:
        counts = np.where(rng.random(n_cells) < density, rng.geometric(0.6, n_cells), 0)
        pool.append(table.separator.join(map(str, counts.tolist())).encode())
    cells = [f"r{i % 6 + 1}_{'ACGT' * 2}{i:08d}" for i in range(n_cells)]
    header = cells if table.corner is None else [table.corner, *cells]
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(table.separator.join(header).encode() + b"\n")
        for i in range(n_genes):
            file.write(f"GENE{i}{table.separator}".encode() + pool[i % len(pool)] + b"\n")
    return f"{n_genes} genes x {n_cells} cells"


def pool_of_cells(n_cells: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Counts, gene indices (descending in each cell) and ends of cells like those of the brain."""
    popularity = np.cumsum(rng.lognormal(0, 2, BRAIN_GENES))
    drawn = rng.lognormal(0, 0.4, n_cells)
    drawn = np.rint(drawn / drawn.mean() * BRAIN_GENES * BRAIN_DENSITY * 1.72).astype(np.int64)
    cell = np.repeat(np.arange(n_cells), drawn)
    gene = np.searchsorted(popularity, rng.random(len(cell)) * popularity[-1])
    key, counts = np.unique(cell * BRAIN_GENES + BRAIN_GENES - 1 - gene, return_counts=True)
    ends = np.searchsorted(key, np.arange(n_cells + 1) * BRAIN_GENES)
    return counts, BRAIN_GENES - 1 - key % BRAIN_GENES, ends


def write_brain(path: Path, share: float) -> str:
    """Write the old layout as published for the 1.3 million cells: chunks, shuffled and gzipped."""
    import h5py

    rng = np.random.default_rng(0)
    n_cells = max(40, round(BRAIN_CELLS * share))
    counts, genes, ends = pool_of_cells(min(POOL_CELLS, n_cells), rng)
    whole = len(genes) // CHUNK * CHUNK or len(genes)  # the pool's chunks are written again
    ends = np.minimum(ends, whole)
    repeats = -(-n_cells // (len(ends) - 1))
    all_ends = np.concatenate([ends[:-1] + i * whole for i in range(repeats)] + [[repeats * whole]])
    all_ends = all_ends[: n_cells + 1].astype(np.int64)
    n_entries = int(all_ends[-1])
    with h5py.File(path, "w") as file:
        group = file.create_group("mm10")
        packing = {"chunks": (CHUNK,), "compression": "gzip", "compression_opts": 1}
        for name, values, dtype in (("data", counts, np.int32), ("indices", genes, np.int64)):
            options = {"dtype": dtype, "shuffle": True, **packing}
            pool = file.create_dataset(f"pool_{name}", data=values[:whole], **options)
            target = group.create_dataset(name, shape=(n_entries,), **options)
            starts = range(0, whole, CHUNK)
            packed = [pool.id.read_direct_chunk((start,))[1] for start in starts]
            for i, start in enumerate(range(0, n_entries, CHUNK)):
                target.id.write_direct_chunk((start,), packed[i % len(packed)])
            del file[f"pool_{name}"]
        group["indptr"] = all_ends
        group["shape"] = np.array([BRAIN_GENES, n_cells])
        group["barcodes"] = np.array([f"{'ACGT' * 2}{i:08d}-1" for i in range(n_cells)], "S")
        group["genes"] = np.array([f"ENSMUSG{i:011d}" for i in range(BRAIN_GENES)], "S")
        group["gene_names"] = np.array([f"Gene{i}" for i in range(BRAIN_GENES)], "S")
    return f"{BRAIN_GENES} genes x {n_cells} cells, {n_entries} non-zeros"


def write_mtx(folder: Path, share: float) -> str:
    """Write the folder of Cell Ranger 3 and later."""
    folder.mkdir()
    n_cells = max(40, round(BRAIN_CELLS * share))
    counts, genes, ends = pool_of_cells(n_cells, np.random.default_rng(0))
    cells = np.repeat(np.arange(n_cells), np.diff(ends))
    head = "%%MatrixMarket matrix coordinate integer general\n"
    with gzip.open(folder / "matrix.mtx.gz", "wt", compresslevel=1) as file:
        file.write(f"{head}{BRAIN_GENES} {n_cells} {len(counts)}\n")
        np.savetxt(file, np.column_stack([genes + 1, cells + 1, counts]), "%d")
    with gzip.open(folder / "barcodes.tsv.gz", "wt") as file:
        file.writelines(f"{'ACGT' * 2}{i:08d}-1\n" for i in range(n_cells))
    with gzip.open(folder / "features.tsv.gz", "wt") as file:
        file.writelines(f"G{i}\tGene{i}\tGene Expression\n" for i in range(BRAIN_GENES))
    return f"{BRAIN_GENES} genes x {n_cells} cells, {len(counts)} non-zeros"


def write(name: str, path: Path, share: float, small: bool) -> str:
    """Write a stand-in and say what is in it."""
    if name == "brain":
        return write_brain(path, share)
    if name == "mtx":
        return write_mtx(path, share)
    table = TABLES[name]
    return write_table(table, path, share, table.n_cells // 100 if small else table.n_cells)


# Readers


def ours(name: str, path: Path) -> Callable[[], object]:
    """The readers of this project."""
    from scscope.datasets.mtx import read_mtx
    from scscope.datasets.tenx import TenxFile
    from scscope.datasets.text import read_matrix

    if name == "mtx":
        import scipy.io  # noqa: F401  (not timed)

        return lambda: read_mtx(path)
    if name == "brain":
        return lambda: TenxFile(path).read()
    return lambda: read_matrix(path, cells_in="columns")


def two_passes(name: str, path: Path) -> Callable[[], object]:
    """Statistics of all genes, and the file of the thousand that are selected."""
    from scscope.datasets.streaming import gene_statistics, write_selected
    from scscope.datasets.tenx import TenxFile

    def run() -> object:
        file = TenxFile(path)
        statistics = gene_statistics(file)
        return write_selected(file, statistics.top(1_000), path.with_suffix(".h5ad"))

    return run


def pandas(name: str, path: Path) -> Callable[[], object]:
    """What most scripts do: a dense table of 8 bytes for each field."""
    import pandas as pd

    table = TABLES[name]
    index = None if table.corner is None else 0
    return lambda: pd.read_csv(path, sep=table.separator, index_col=index)


def scanpy(name: str, path: Path) -> Callable[[], object]:
    """Scanpy's reader for the format."""
    import scanpy as sc

    if name == "brain":
        return lambda: sc.read_10x_h5(path)
    if name == "mtx":
        return lambda: sc.read_10x_mtx(path)
    return lambda: sc.read_csv(path, delimiter=TABLES[name].separator)


READERS = {"ours": ours, "two_passes": two_passes, "pandas": pandas, "scanpy": scanpy}


def run_job(job: list) -> None:
    """What the process of one job does."""
    kind, name, path, *rest = job
    if kind == "write":
        print(json.dumps({"what": write(name, Path(path), *rest)}))
        return
    read = READERS[kind](name, Path(path))
    wall, processor = time.perf_counter(), time.process_time()
    kept = read()
    seconds, processor = time.perf_counter() - wall, time.process_time() - processor
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    facts = {"seconds": seconds, "cpu_seconds": processor, "peak_mb": int(peak.split()[1]) / 1024}
    print(json.dumps({**facts, "kept": type(kept).__name__}))


def in_process(*job) -> dict:
    """Run a job in a process of its own."""
    code = [
        sys.executable,
        __file__,
        "--job",
        json.dumps([str(part) if isinstance(part, Path) else part for part in job]),
    ]
    done = subprocess.run(code, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Write the stand-ins one by one, measure all readers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a hundredth of all genes and cells")
    parser.add_argument("--only", nargs="*", default=[], help="sets or readers; default: all")
    parser.add_argument("--brain", type=float, help="share of the brain's cells; 1: 4 GB on disk")
    parser.add_argument("--folder", type=Path, help="where the stand-ins are written for a while")
    parser.add_argument("--out", type=Path, help="write the table here, too")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run_job(json.loads(options.job))
        return

    plan = PLAN
    if options.brain:
        plan = [("brain", options.brain, ("two_passes",))]
    lines = [f"# {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start"]
    lines.append("set\tshare\treader\tseconds\tcpu_seconds\tpeak_mb\tgzip_mb\twhat")
    print("\n".join(lines), flush=True)
    for name, share, readers in plan:
        share = share / 100 if options.quick else share
        readers = [r for r in readers if not options.only or {r, name} & set(options.only)]
        if not readers:
            continue
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / (TABLES[name].file if name in TABLES else f"{name}.h5")
            what = in_process("write", name, path, share, options.quick)["what"]
            size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e6
            for reader in readers:
                run = in_process(reader, name, path)
                numbers = f"{run['seconds']:.4f}\t{run['cpu_seconds']:.4f}\t{run['peak_mb']:.0f}"
                lines.append(f"{name}\t{share:g}\t{reader}\t{numbers}\t{size:.1f}\t{what}")
                print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
