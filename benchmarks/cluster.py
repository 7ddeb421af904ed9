"""Time, memory and quality of clustering, beside PhenoGraph 1.5.7 and the released scalable clustering.

python benchmarks/cluster.py                                      all of ours, 5,000 to 1,300,000 cells
python benchmarks/cluster.py phenograph --phenograph PYTHON       beside PhenoGraph, in the same run
python benchmarks/cluster.py scalable --phenograph PYTHON --official large_scale_processing.py
python benchmarks/cluster.py --quick                              everything once, at a size of seconds

PYTHON is an interpreter of an environment that has PhenoGraph 1.5.7 and NumPy 1; the official file is
scscope/scscope/large_scale_processing.py of AltschulerWu-Lab/scScope. Each call runs in a process of
its own, after a small one that imports and compiles what it needs; competitors take turns.
"""

import argparse
import ast
import json
import resource
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
SIZES = [5_000, 20_000, 50_000, 100_000, 200_000]
SCALABLE = [(100_000, 50, 400), (200_000, 100, 400)]
MILLION, DIRECT = 1_300_000, 100_000
N_RARE, RARE = 10, 0.001


def main() -> None:
    """Run what is asked for, and print a table of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"phenograph": compare_phenograph, "scalable": compare_scalable, "million": million}
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="numbers of cells")
    parser.add_argument("--repeats", type=int, default=1, help="pairs; medians are printed")
    parser.add_argument("--phenograph", metavar="PYTHON", help="interpreter that has PhenoGraph")
    parser.add_argument("--official", type=Path, metavar="FILE", help="large_scale_processing.py")
    parser.add_argument("--quick", action="store_true", help="sizes of seconds")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(**json.loads(options.child))))
        return
    if options.quick:
        options.sizes = [500, 1_000, 2_000]
    with tempfile.TemporaryDirectory() as folder:
        for part in options.parts or parts:
            parts[part](options, Path(folder))


def compare_phenograph(options: argparse.Namespace, folder: Path) -> None:
    """PhenoGraph by number of cells, and how its time grows."""
    names = ["ours"] + (["phenograph"] if options.phenograph else [])
    medians: dict[str, list[float]] = {name: [] for name in names}
    for n_cells in options.sizes:
        label = write_groups(folder / "latent.npy", n_cells, 50)
        runs = take_turns(options, names, label, latent=str(folder / "latent.npy"))
        for name in names:
            medians[name].append(report(f"{name}, {n_cells:,} x 50", runs[name]))
        ratio(medians)
    for name, seconds in medians.items():
        if len(seconds) > 1:
            power = np.polyfit(np.log(options.sizes), np.log(seconds), 1)[0]
            print(f"growth of {name}: seconds ~ cells^{power:.2f}")


def compare_scalable(options: argparse.Namespace, folder: Path) -> None:
    """Scalable clustering with the same subsets and centroids as the released code."""
    names = ["scalable"] + (["official"] if options.phenograph and options.official else [])
    for n_cells, n_subsets, n_centroids in [(3_000, 3, 200)] if options.quick else SCALABLE:
        label = write_groups(folder / "latent.npy", n_cells, 100)
        shape = {"n_subsets": n_subsets, "n_centroids": n_centroids}
        runs = take_turns(options, names, label, latent=str(folder / "latent.npy"), **shape)
        medians = {
            name: [report(f"{name}, {n_cells:,} x 100, {n_subsets} x {n_centroids}", runs[name])]
            for name in names
        }
        ratio(medians)


def million(options: argparse.Namespace, folder: Path) -> None:
    """Scalable clustering of 1.3 million cells, and its rare types beside those of a direct subset."""
    n_cells, n_direct = (20_000, 5_000) if options.quick else (MILLION, DIRECT)
    label = write_groups(folder / "latent.npy", n_cells, 100, n_rare=N_RARE)
    some = np.sort(np.random.default_rng(1).choice(n_cells, n_direct, replace=False))
    np.save(folder / "some.npy", np.load(folder / "latent.npy", mmap_mode="r")[some])
    for name, truth, file in (("scalable", label, "latent"), ("ours", label[some], "some")):
        run = child(options, name, latent=str(folder / f"{file}.npy"))
        found = np.load(run.pop("labels"))
        run |= {"ari": ari(truth, found), "rare": rare_types(truth, found)}
        report(f"{name}, {len(truth):,} x 100 with {N_RARE} rare types", [run])


def write_groups(path: Path, n_cells: int, n_latent: int, n_rare: int = 0) -> np.ndarray:
    """Write a latent of 30 groups of unequal sizes, and of rare ones; return the labels.

    Within a group the spread of column j falls with 1 / sqrt(j), as that of components does.
    """
    rng = np.random.default_rng(0)
    weight = np.append(rng.dirichlet(np.full(30, 2.0)) * (1 - n_rare * RARE), [RARE] * n_rare)
    label = rng.choice(30 + n_rare, size=n_cells, p=weight)
    spread = 1 / np.sqrt(np.arange(1, n_latent + 1), dtype=np.float32)
    centre = rng.normal(size=(30 + n_rare, n_latent)).astype(np.float32) * 2 * spread
    latent = np.lib.format.open_memmap(path, "w+", np.float32, (n_cells, n_latent))
    for start in range(0, n_cells, 100_000):
        own = label[start : start + 100_000]
        noise = rng.standard_normal((len(own), n_latent), dtype=np.float32)
        latent[start : start + 100_000] = centre[own] + noise * spread
    latent.flush()
    return label


def take_turns(options: argparse.Namespace, names: list[str], label: np.ndarray, **task) -> dict:
    """Runs of each competitor, one after the other, as often as asked."""
    runs: dict[str, list[dict]] = {name: [] for name in names}
    for _ in range(options.repeats):
        for name in names:
            run = child(options, name, **task)
            run["ari"] = ari(label, np.load(run.pop("labels")))
            runs[name].append(run)
    return runs


def child(options: argparse.Namespace, name: str, **task) -> dict:
    """Measure one call in a process of its own."""
    ours = name in ("ours", "scalable")
    task |= {"name": name, "official": None if ours else str(options.official)}
    # PhenoGraph writes files where it runs.
    done = subprocess.run(
        [
            sys.executable if ours else options.phenograph,
            Path(__file__).resolve(),
            "--child",
            json.dumps(task),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(task["latent"]).parent,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, latent: str, official: str | None, **shape) -> dict:
    """Seconds, CPU seconds, peak memory and labels of one call, after a small one."""
    values = np.load(latent, mmap_mode="r" if name == "scalable" and not shape else None)
    call = {"ours": ours, "scalable": scalable, "phenograph": original, "official": released}[name]
    small = np.random.default_rng(0).normal(size=(600, values.shape[1])).astype(np.float32)
    call(small, official, **dict.fromkeys(shape, 20))
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start = time.perf_counter()
    labels, about = call(values, official, **shape)
    seconds = time.perf_counter() - start
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    used = [
        (b.ru_utime + b.ru_stime) - (a.ru_utime + a.ru_stime)
        for a, b in zip(before, after, strict=True)
    ]
    path = f"{latent}.{name}.labels.npy"
    np.save(path, labels)
    peak = max(usage.ru_maxrss for usage in after) / 2**20
    return {"seconds": seconds, "cpu": sum(used), "gb": peak, "labels": path, **about}


def ours(latent: np.ndarray, official: None, **shape):
    """PhenoGraph of this project."""
    sys.path.insert(0, str(ROOT))
    from scscope.cluster import phenograph

    return described(phenograph(latent, seed=0))


def scalable(latent: np.ndarray, official: None, **shape):
    """Scalable clustering of this project."""
    sys.path.insert(0, str(ROOT))
    from scscope.cluster import scalable

    return described(scalable(latent, seed=0, **shape))


def described(found):
    """Labels, and what is to be printed beside them."""
    phases = " ".join(f"{name} {seconds:.1f}" for name, seconds in found.seconds.items())
    about = {"modularity": found.modularity, "n_clusters": found.n_clusters}
    return found.labels, about | {"recall": found.recall, "n_runs": found.n_runs, "phases": phases}


def load_phenograph():
    """PhenoGraph 1.5.7, which imports a name that SciPy no longer has."""
    import scipy.sparse

    base = types.ModuleType("scipy.sparse.base")
    base.spmatrix = scipy.sparse.spmatrix
    sys.modules["scipy.sparse.base"] = base
    import phenograph

    return phenograph


def original(latent: np.ndarray, official: None, **shape):
    """PhenoGraph 1.5.7 by its defaults, with k = 30."""
    labels, _, modularity = load_phenograph().cluster(latent, k=30)
    return labels, {"modularity": modularity, "n_clusters": int(labels.max()) + 1}


def released(latent: np.ndarray, official: str, *, n_subsets: int, n_centroids: int):
    """`scalable_cluster` of the released code, without the TensorFlow that its file imports."""
    from sklearn.cluster import KMeans

    tree = ast.parse(Path(official).read_text())
    function = [node for node in tree.body if getattr(node, "name", "") == "scalable_cluster"]
    names = {"np": np, "KMeans": KMeans, "phenograph": load_phenograph()}
    exec(compile(ast.Module(function, []), official, "exec"), names)
    labels = names["scalable_cluster"](latent, kmeans_num=n_subsets, cluster_num=n_centroids)
    return labels.astype(int), {"n_clusters": int(labels.max()) + 1}


def ari(label: np.ndarray, found: np.ndarray) -> float:
    """Agreement with the truth."""
    from sklearn.metrics import adjusted_rand_score

    return adjusted_rand_score(label, found)


def rare_types(label: np.ndarray, found: np.ndarray) -> str:
    """How well each rare type is one cluster: F1 of the cluster that fits it best."""
    best = []
    for rare in range(30, 30 + N_RARE):
        own = label == rare
        clusters = np.unique(found[own & (found >= 0)])
        overlap = [(np.sum(own & (found == c)), np.sum(found == c)) for c in clusters]
        best.append(max((2 * both / (own.sum() + size) for both, size in overlap), default=0.0))
    return f"{sum(f1 > 0.9 for f1 in best)} of {N_RARE} with F1 > .9, mean F1 {np.mean(best):.3f}"


def report(what: str, runs: list[dict]) -> float:
    """Print the medians of some runs, and return that of the seconds."""
    middle = {key: np.median([run[key] for run in runs]) for key in ("seconds", "cpu", "gb", "ari")}
    words = f"{what}: {middle['seconds']:.1f} s, CPU {middle['cpu']:.1f} s, {middle['gb']:.2f} GB, "
    words += f"ARI {middle['ari']:.3f}"
    others = {key: value for key, value in runs[-1].items() if key not in middle}
    shown = [f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in others.items()]
    print(", ".join([words, *shown]), flush=True)
    return middle["seconds"]


def ratio(medians: dict[str, list[float]]) -> None:
    """Print how many times faster the first is than the second."""
    if len(medians) == 2:
        fast, slow = (seconds[-1] for seconds in medians.values())
        print(f"    {slow / fast:.1f} times faster", flush=True)


if __name__ == "__main__":
    main()
