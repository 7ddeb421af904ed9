"""`scscope compare`: scores of one's own beside those of tables that are shipped or named."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

KEPT = Path(__file__).parents[2] / "results/reference"  # of a checkout
NEEDED = ["dataset", "method", "seed", "clusterer", "metric", "value", "data_hash"]
PLACE = ["metric", "clusterer"]


def add_compare(commands) -> argparse.ArgumentParser:
    """`scscope compare`."""
    command = commands.add_parser(
        "compare",
        help="rank scores of one's own among kept ones, without running the rivals again",
        description="Join a table of scores with kept ones, on the datasets that they share: the "
        "same by their content, not only by their names. A dataset of one name and another content "
        "is refused.",
        allow_abbrev=False,
    )
    command.add_argument(
        "scores", type=Path, metavar="MINE", help="tables/scores.tsv of a run of the workflow"
    )
    command.add_argument(
        "--with",
        dest="others",
        type=Path,
        nargs="+",
        metavar="TABLE",
        help="tables to compare with (default: results/reference/*/scores.tsv of this checkout)",
    )
    command.add_argument("--metrics", nargs="+", metavar="NAME", help="(default: all)")
    command.add_argument("--clusterers", nargs="+", metavar="NAME", help="(default: all)")
    command.set_defaults(run=compare)
    return command


COMMANDS = (add_compare,)


def compare(args: argparse.Namespace) -> None:
    """Print a ranking for each metric and clusterer."""
    from scscope.validation import unknown_name

    mine = read_scores(args.scores)
    others = [(path, read_scores(path)) for path in args.others or kept_tables()]
    if not args.others:
        # Runs that are kept may have other data by the same name: those that have yours count.
        own = set(mine["data_hash"])
        others = [other for other in others if own & set(other[1]["data_hash"])] or others
    for option, given, column in (
        ("--metrics", args.metrics, "metric"),
        ("--clusterers", args.clusterers, "clusterer"),
    ):
        known = sorted(set(mine[column]) - {""})
        for name in given or ():
            if name not in known:
                raise ValueError(f"{option}: {unknown_name(column, name, known)}")
    if args.metrics:
        mine = mine[mine["metric"].isin(args.metrics)]
    if args.clusterers:
        mine = mine[mine["clusterer"].isin([*args.clusterers, "given", ""])]
    for path, table in others:
        check_same_data(mine, args.scores, table, path)
    table, datasets = joined(mine, [rows for _, rows in others])
    if table.empty:
        names = ", ".join(f"'{path}'" for path, _ in others)
        raise ValueError(
            f"No dataset of '{args.scores}' is in {names}. Score your method on one of theirs, with "
            "the same seeds: data are the same if their `data_hash` is."
        )
    print(f"Data in common: {', '.join(datasets)}\n")
    print(ranking(table))
    print(
        "\n> yours   (c) control: a bound, not a result   Means over datasets, of means over seeds."
    )


def kept_tables() -> list[Path]:
    """Tables of scores that lie in the checkout."""
    paths = sorted(KEPT.glob("*/scores.tsv"))
    if not paths:
        raise ValueError(
            "No tables are kept beside this installation: name some by --with TABLE, such as "
            "results/reference/demo/scores.tsv of the repository."
        )
    return paths


def read_scores(path: Path) -> "pd.DataFrame":
    """Scores of a table, with `label`, `scale` and `control` where it has none."""
    from scscope.gather import read_table

    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        table = read_table(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"'{path}' is no table of scores: {error}") from error
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise ValueError(
            f"'{path}' is no table of scores: it lacks the columns {', '.join(missing)}. The "
            "workflow writes one as tables/scores.tsv."
        )
    plain = {"label": table["method"], "scale": "", "control": False, "status": "ok"}
    return table.assign(**{name: value for name, value in plain.items() if name not in table})


def check_same_data(
    mine: "pd.DataFrame", mine_path: Path, other: "pd.DataFrame", other_path: Path
) -> None:
    """Refuse tables that hold one dataset, by its name and seed, with different contents."""
    key, hashes = ["dataset", "seed"], ["dataset", "seed", "data_hash"]
    pairs = mine[hashes].drop_duplicates().merge(other[hashes].drop_duplicates(), on=key)
    wrong = pairs[pairs["data_hash_x"] != pairs["data_hash_y"]]
    if len(wrong):
        first = wrong.iloc[0]
        more = f" So do {len(wrong) - 1} others." if len(wrong) > 1 else ""
        raise ValueError(
            f"Dataset {first['dataset']}, seed {first['seed']}, is not the same data in both tables: "
            f"'{mine_path}' has the content hash {first['data_hash_x']}, '{other_path}' has "
            f"{first['data_hash_y']}.{more} Their scores cannot be compared: score your method on "
            "the data of the other table, or give your dataset another name."
        )


def joined(mine: "pd.DataFrame", others: list["pd.DataFrame"]) -> tuple["pd.DataFrame", list[str]]:
    """Scores on the data that `mine` and any other table share, one value per dataset and method.

    Returns
    -------
    tuple
        Rows with `metric`, `clusterer`, `name`, `scale`, `control`, `mine`, `data_hash` and `value`
        (mean over seeds; NaN where a run failed); and the names of the datasets.
    """
    import pandas as pd

    rivals = pd.concat(others, ignore_index=True)
    shared = set(mine["data_hash"]) & set(rivals["data_hash"])
    # Rivals are judged by what was asked of mine: the same metrics, clusterers and seeds.
    wanted = mine[[*PLACE, "seed"]].drop_duplicates()
    own = wanted[~wanted["clusterer"].isin(["given", ""])]["clusterer"].unique()
    chosen = rivals["metric"].isin(wanted["metric"]) & rivals["seed"].isin(wanted["seed"])
    chosen &= rivals["clusterer"].isin([*own, "given", ""])
    rivals = rivals[chosen].drop_duplicates(["method", "seed", "data_hash", *PLACE])
    # A control that was run again is shown once.
    again = rivals["control"] & rivals["method"].isin(mine.loc[mine["control"], "method"])
    rivals = rivals[~again]
    table = pd.concat([mine.assign(mine=True), rivals.assign(mine=False)], ignore_index=True)
    table = table[table["data_hash"].isin(shared)]
    name = table["label"] + " [" + table["method"] + "]"
    table = table.assign(name=name.where(table["label"] != table["method"], table["label"]))
    # One failed seed is a dataset without a value: the mean of the others would flatter.
    group = table.groupby([*PLACE, "name", "scale", "control", "mine", "data_hash"], sort=False)
    values = group["value"].agg(lambda v: v.mean(skipna=False)).reset_index()
    datasets = table[["dataset", "seed"]].drop_duplicates()
    return values, sorted({f"{row.dataset} (seed {row.seed})" for row in datasets.itertuples()})


def ranking(table: "pd.DataFrame") -> str:
    """Methods by their mean, best first, for each metric and clusterer.

    A method that lacks a value for some dataset has no rank: it comes last, with the number that
    it has.
    """
    from scscope.metrics import METRICS

    blocks = []
    scores = table[table["metric"].isin(METRICS)]
    n_hashes = scores["data_hash"].nunique()
    places = [key for key, _ in scores.groupby(PLACE, sort=False) if key[1] != "given"]
    only_given = [key for key, _ in scores.groupby(PLACE, sort=False) if key[1] == "given"]
    places += [key for key in only_given if key[0] not in {metric for metric, _ in places}]
    for metric, clusterer in places:
        rows = scores[(scores["metric"] == metric) & scores["clusterer"].isin([clusterer, "given"])]
        means = rows.groupby(["name", "scale", "control", "mine"], sort=False)["value"].agg(
            ["mean", "count"]
        )
        means = means.reset_index()
        better = METRICS[metric].higher_is_better
        means = means.assign(whole=means["count"] == n_hashes)
        means = means.sort_values(
            ["whole", "mean"], ascending=[False, better is False], kind="stable"
        )
        order = {True: "higher is better", False: "lower is better", None: "neither is better"}
        by = f", clusters by {clusterer}" if clusterer not in ("", "given") else ""
        lines, rank = [f"{METRICS[metric].title}{by} ({order[better]})"], 0
        for row in means.itertuples():
            place = "-"
            if row.whole and not row.control and better is not None:
                rank += 1
                place = str(rank)
            mark = ">" if row.mine else " "
            value = f"{row.mean:.4f}" if row.count else "failed"
            part = "" if row.whole else f"  {row.count} of {n_hashes} datasets"
            control = " (c)" if row.control else ""
            scale = f"  {row.scale}" if row.scale else ""
            lines.append(f"{mark}{place:>3}  {value:>8}  {row.name}{control}{scale}{part}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
