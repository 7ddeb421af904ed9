"""Is our scScope the released one? Fits of both, scored side by side on the same data and seeds.

    python benchmarks/equivalence.py --official DIR --python TF_PYTHON --demo demo_1.h5ad
    python benchmarks/equivalence.py --methods package paper       # ours alone
    python benchmarks/equivalence.py --quick                       # does it run?
    python benchmarks/equivalence.py --write docs/equivalence.md   # tables of the scores at hand

Scores are added to a table as they come, and what is in it is not computed again. How to get DIR and
TF_PYTHON is said in `official.py`, next to this file.

The rule, fixed before the runs that it judges
----------------------------------------------
Compared are the released code ("official") and our preset "package", both at learning rate 1e-3:
batch 64, 100 epochs, T = 2, 50 latent units, beta1 0.05, norm loss, independent draws of minibatches.
Six datasets (`demo_1`, and Fig. 1c's design at dropout midpoints 1 to 5), three input scales and three
measures make 54 comparisons, each over the same ten seeds. For a Splat design a seed gives new data, the
same for both, and a new fit; on `demo_1` it gives a new fit.

Spread: a comparison is inside where the means differ by at most the official code's standard deviation
    over its seeds, or by at most two standard errors of the difference of two independent means. Of two
    samples of one distribution about 4 % fall outside: of 54, more than 5 would be a surprise.
Paired: a comparison is inside where the mean of the ten differences within seeds is at most 2.26 of its
    standard errors (95 % of Student's t, 9 degrees of freedom). By chance 2.7 of 54 fall outside: more
    than 6 would be a surprise.

The two are equivalent if neither surprise happens. The preset "paper" stands beside them without a verdict.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scscope.atomic import write_text
from scscope.data import (
    Dataset,
    Scaled,
    Targets,
    imputation_targets,
    read_dataset,
    scaled,
    write_dataset,
)
from scscope.evaluate import Run, evaluate
from scscope.methods.fit import Fit
from scscope.seeds import derive_seed

if TYPE_CHECKING:
    import pandas as pd

SCORES = ROOT / "results" / "reference" / "equivalence" / "scores.tsv"
COLUMNS = ("dataset", "scale", "seed", "method", "clusterer", "metric", "value", "data_hash")

MIDPOINTS = {f"mid_{mid}": mid for mid in range(1, 6)}
DATASETS = ("demo_1", *MIDPOINTS)
SCALES = ("size", "size_unit", "log")
MEASURES = {
    ("phenograph", "ari"): "ARI, PhenoGraph k = 30",
    ("kmeans", "ari"): "ARI, k-means with the true k",
    ("", "imputation_error"): "Error of dropped entries, log scale",
}
SEEDS = tuple(range(10))
N_COMPARISONS = len(DATASETS) * len(SCALES) * len(MEASURES)

OFFICIAL = {  # arguments of the released `train`
    "latent_code_dim": 50,
    "T": 2,
    "batch_size": 64,
    "max_epoch": 100,
    "learning_rate": 1e-3,
    "beta1": 0.05,
}
PACKAGE = {"preset": "package", "learning_rate": 1e-3}
PAPER = {"preset": "paper"}
METHODS = {  # settings of ours; the others each change one thing
    "package": PACKAGE,
    "paper": PAPER,
    "package_squared": PACKAGE | {"loss": "squared"},
    "package_beta1": PACKAGE | {"beta1": 0.9},
    "package_permutation": PACKAGE | {"sampling": "permutation"},
    "paper_norm": PAPER | {"loss": "norm"},
    "paper_beta1": PAPER | {"beta1": 0.05},
    "paper_draws": PAPER | {"sampling": "draws"},
}
COMPARED = ("official", "package", "paper")
ALLOWED = {"spread": 5, "paired": 6}  # comparisons outside; more have a chance below 2 %
BEGIN, END = "<!-- written by benchmarks/equivalence.py -->", "<!-- end of what is written -->"


@dataclass(frozen=True)
class Sample:
    """Data of one seed on one scale."""

    data: Dataset
    targets: Targets
    scaled: Scaled


def sample(name: str, scale: str, seed: int, demo: Path | None, folder: Path) -> Sample:
    """Data of one seed on one scale; files are kept in `folder`."""
    data_seed = derive_seed(0 if name == "demo_1" else seed, "data")
    path = folder / f"{name}_{data_seed}.h5ad"
    true = path.with_suffix(".npz")
    if not true.exists():
        write_sample(name, data_seed, demo, path)
    data = read_dataset(path)
    with np.load(true) as file:
        targets = Targets(file["cell"], file["gene"], file["value"])
    return Sample(data, targets, scaled(data, scale))


def write_sample(name: str, seed: int, demo: Path | None, path: Path) -> None:
    """Write a dataset and its imputation targets, `path` with the suffix .npz."""
    import anndata

    from scscope.data import write_targets
    from scscope.simulate import splat

    if name == "demo_1":
        raw = anndata.read_h5ad(demo)
        adata = anndata.AnnData(raw.X, raw.obs[["Group"]].rename(columns={"Group": "label"}))
        adata.layers["true"] = raw.layers["true_counts"]
        adata.uns["values"] = "counts"
    else:
        adata = splat(
            n_cells=2_000,
            n_genes=500,
            group_prob=[1 / 3, 1 / 3, 1 / 3],
            dropout_type="experiment",
            dropout_mid=MIDPOINTS[name],
            dropout_shape=-1,
            seed=seed,
        )
    write_dataset(adata, path)
    targets = imputation_targets(adata.X, adata.layers["true"], seed=seed)
    write_targets(targets, path.with_suffix(".npz"))


def fit_ours(data: Scaled, settings: dict, seed: int) -> Fit:
    """Fit our scScope on one thread."""
    import torch

    from scscope.methods.scscope import scscope

    torch.set_num_threads(1)
    return scscope(data, seed=derive_seed(seed, "fit"), device="cpu", **settings)


def fit_official(samples: dict[int, Sample], options: argparse.Namespace, folder: Path):
    """Fit the released code to the data of each seed, all in one process of `--python`."""
    inputs = {seed: folder / f"seed_{seed}.npz" for seed in samples}
    for seed, path in inputs.items():
        settings = json.dumps(OFFICIAL)
        np.savez(path, X=samples[seed].scaled.X.toarray(), seed=seed, settings=settings)
    driver = Path(__file__).with_name("official.py")
    command = [options.python, driver, "fit", "--official", options.official, *inputs.values()]
    subprocess.run(command, check=True, stdout=sys.stderr)
    for seed, path in inputs.items():
        result = path.with_suffix(".fit")
        with np.load(result) as file:
            latent, output = file["latent"], file["output"]
        path.unlink()
        result.unlink()
        yield seed, fit_of(samples[seed].scaled, latent, output)


def fit_of(data: Scaled, latent: np.ndarray, output: np.ndarray) -> Fit:
    """What the released `predict` gives, as a fit like ours."""
    return Fit(
        latent=latent,
        impute=lambda cells, genes: data.to_log(output[cells, genes], cells, genes),
    )


def score(fit: Fit, sample: Sample, seed: int) -> list[dict]:
    """Rows with the three measures of a fit."""
    run = Run("ok", fit.latent, None, fit.impute(sample.targets.cell, sample.targets.gene))
    rows, _ = evaluate(
        run,
        sample.data,
        sample.targets,
        gives=("latent", "imputation"),
        metrics=["ari", "imputation_error"],
        clusterers=["phenograph", "kmeans"],
        seed=derive_seed(seed, "cluster"),
    )
    return rows


def read_scores(path: Path) -> list[dict]:
    """Rows of the table, none where it does not exist."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [row | {"seed": int(row["seed"]), "value": float(row["value"])} for row in rows]


def add_scores(path: Path, rows: Iterable[dict], **keys) -> None:
    """Append rows to the table, each with `keys`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(
            file, COLUMNS, delimiter="\t", lineterminator="\n", extrasaction="ignore"
        )
        if is_new:
            writer.writeheader()
        writer.writerows({**row, **keys, "value": f"{row['value']:.6g}"} for row in rows)


def run(options: argparse.Namespace) -> None:
    """Fit and score all that is asked for and not yet in the table."""
    done = {
        (row["dataset"], row["scale"], row["seed"], row["method"])
        for row in read_scores(options.scores)
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in options.datasets:
            if name == "demo_1" and options.demo is None:
                print("demo_1 is left out: name its file with --demo.", file=sys.stderr)
                continue
            for scale in options.scales:
                for method in options.methods:
                    keys = {"dataset": name, "scale": scale, "method": method}
                    samples = {
                        seed: sample(name, scale, seed, options.demo, folder)
                        for seed in options.seeds
                        if (name, scale, seed, method) not in done
                    }
                    for seed, fit in fits_of(method, samples, options, folder):
                        rows = score(fit, samples[seed], seed)
                        add_scores(options.scores, rows, **keys, seed=seed)
                        values = " ".join(f"{row['value']:.3f}" for row in rows)
                        print(name, scale, method, seed, values, flush=True)


def fits_of(method: str, samples: dict[int, Sample], options: argparse.Namespace, folder: Path):
    """Pairs of seed and fit."""
    if not samples:
        return
    if method == "official":
        yield from fit_official(samples, options, folder)
        return
    for seed, drawn in samples.items():
        yield seed, fit_ours(drawn.scaled, METHODS[method], seed)


def comparison_of(rows: "pd.DataFrame") -> "pd.DataFrame":
    """One row for each measure, dataset and scale: means, deviations and the two verdicts."""
    import pandas as pd
    from scipy import stats

    keys = ["clusterer", "metric", "dataset", "scale"]
    table = rows.pivot(index=[*keys, "seed"], columns="method", values="value")
    table = table.reindex(columns=list(COMPARED)).dropna(subset=["official", "package"])
    each = table.groupby(level=keys)
    mean, sd, n = each.mean(), each.std(), each["official"].size()
    apart = mean["package"] - mean["official"]
    error = np.sqrt((sd["package"] ** 2 + sd["official"] ** 2) / n)
    paired_error = (table["package"] - table["official"]).groupby(level=keys).std() / np.sqrt(n)
    inside = {
        "spread": apart.abs() <= np.maximum(sd["official"], 2 * error),
        "paired": apart.abs() <= stats.t.ppf(0.975, n - 1) * paired_error,
    }
    columns = {"n": n, "difference": apart, "paired_error": paired_error, **inside}
    for method in COMPARED:
        columns |= {f"{method}_mean": mean[method], f"{method}_sd": sd[method]}
    return pd.DataFrame(columns)


def tables_of(path: Path) -> str:
    """The scores as Markdown: verdict, a table for each measure, and what single settings do."""
    import pandas as pd

    rows = pd.DataFrame(read_scores(path))
    main = comparison_of(rows[rows["seed"].isin(SEEDS) & rows["method"].isin(COMPARED)])
    lines = ["## Verdict", ""]
    for rule, allowed in ALLOWED.items():
        n_outside = int((~main[rule]).sum())
        word = "equivalent" if n_outside <= allowed else "not equivalent"
        if len(main) < N_COMPARISONS:
            word = "not complete"
        lines.append(
            f"- {rule.capitalize()} rule: {n_outside} of {len(main)} comparisons outside, "
            f"{allowed} of {N_COMPARISONS} allowed: **{word}**."
        )
    known = main.index.droplevel(["dataset", "scale"])
    for measure, title in MEASURES.items():
        if measure in known:
            lines += ["", f"## {title}", "", *measure_table(main.loc[measure])]
    others = rows[~rows["seed"].isin(SEEDS)]
    if len(others):
        lines += ["", "## One setting at a time", "", *single_table(others)]
    return "\n".join(lines)


def measure_table(part: "pd.DataFrame") -> list[str]:
    """Markdown lines of one measure."""
    titles = ["dataset", "scale", "released code", "`package`", "difference ± its paired error"]
    titles += [*ALLOWED, *(["`paper`"] if part["paper_mean"].notna().any() else [])]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for dataset in DATASETS:
        for scale in SCALES:
            if (dataset, scale) not in part.index:
                continue
            row = part.loc[dataset, scale]
            cells = [
                dataset,
                scale,
                spread(row["official_mean"], row["official_sd"]),
                spread(row["package_mean"], row["package_sd"]),
                f"{row['difference']:+.3f} ± {row['paired_error']:.3f}",
                *("inside" if row[rule] else "**outside**" for rule in ALLOWED),
                spread(row["paper_mean"], row["paper_sd"]),
            ]
            lines.append(f"| {' | '.join(cells[: len(titles)])} |")
    return lines


def single_table(rows: "pd.DataFrame") -> list[str]:
    """Markdown lines of the methods that change one setting."""
    each = rows.groupby(["dataset", "scale", "method", "clusterer", "metric"])["value"]
    mean, sd = each.mean(), each.std()
    places = sorted({key[:2] for key in mean.index})
    seeds = ", ".join(map(str, sorted(rows["seed"].unique())))
    lines = [
        f"Mean ± sd over the seeds {seeds}.",
        "",
        "| preset and change | "
        + " | ".join(f"{d}, {s}: {title}" for d, s in places for title in MEASURES.values())
        + " |",
        "|---" * (1 + len(places) * len(MEASURES)) + "|",
    ]
    for method, settings in METHODS.items():
        preset, *changed = method.split("_")
        change = f"{list(settings)[-1]} = {list(settings.values())[-1]}" if changed else ""
        cells = [f"`{preset}` {change}".strip()]
        for place in places:
            for measure in MEASURES:
                key = (*place, method, *measure)
                cells.append(spread(mean[key], sd[key]) if key in mean.index else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def spread(mean: float, sd: float) -> str:
    """Mean ± sd as text, empty where there is none."""
    return "" if np.isnan(mean) else f"{mean:.3f} ± {sd:.3f}"


def write_tables(scores: Path, page: Path) -> None:
    """Put the tables between the two marks of a page."""
    text = page.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{page} needs the lines {BEGIN!r} and {END!r}: the tables go between them.")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    write_text(page, f"{before}{BEGIN}\n\n{tables_of(scores)}\n\n{END}{after}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--official", type=Path, help="checkout of the released code")
    parser.add_argument("--python", help="Python that has TensorFlow")
    parser.add_argument("--demo", type=Path, help="h5ad file of the released code's demo data")
    parser.add_argument("--scores", type=Path, default=SCORES, help="table of scores to add to")
    known = ("official", *METHODS)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write tables, fit nothing")
    parser.add_argument("--quick", action="store_true", help="one epoch of one fit, not kept")
    parser.add_argument("--methods", nargs="+", choices=known, default=COMPARED)
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--scales", nargs="+", choices=SCALES, default=SCALES)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    options = parser.parse_args()
    if options.write:
        write_tables(options.scores, options.write)
        return
    if options.quick:
        options.methods, options.datasets, options.scales = ["package"], ["mid_1"], ["log"]
        options.seeds, METHODS["package"]["max_epochs"] = [0], 1
        with tempfile.TemporaryDirectory() as folder:
            options.scores = Path(folder) / "scores.tsv"
            run(options)
        return
    if "official" in options.methods and not (options.official and options.python):
        parser.error("the method 'official' needs --official and --python")
    run(options)


if __name__ == "__main__":
    main()
