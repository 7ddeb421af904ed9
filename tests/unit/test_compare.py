"""`scscope compare`: joined by content, mismatches refused, ranks that no failure flatters."""

import pandas as pd
import pytest

from scscope.cli import main
from tests.conftest import ROOT

DEMO = ROOT / "results/reference/demo/scores.tsv"


def rows(method, values, *, dataset="d", control=False, metric="ari", clusterer="kmeans"):
    return [
        {
            "dataset": dataset,
            "method": method,
            "seed": seed,
            "label": method,
            "scale": "log",
            "control": control,
            "clusterer": clusterer,
            "metric": metric,
            "value": value,
            "status": "error" if value is None else "ok",
            "data_hash": f"{dataset}{seed}",
        }
        for seed, value in enumerate(values)
    ]


@pytest.fixture
def ranked(tmp_path, capsys):
    def ranked(mine, others, *options):
        for name, table in (("mine", mine), ("others", others)):
            pd.DataFrame(table).to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False)
        paths = [str(tmp_path / "mine.tsv"), "--with", str(tmp_path / "others.tsv")]
        code = main(["compare", *paths, *options])
        out, err = capsys.readouterr()
        return code, out, err

    return ranked


def lines(out):
    """Rank, value and name of each line of a ranking."""
    return [
        (line[0], *line[1:].split()[:3])
        for line in out.splitlines()
        if line[6:14].strip()[:1] == "0"
    ]


def test_best_first_with_controls_but_without_a_rank_for_them(ranked):
    others = [*rows("good", [0.8, 0.9]), *rows("bad", [0.1, 0.1])]
    others += rows("bound", [0.99, 0.99], control=True)
    code, out, _ = ranked(rows("mine", [0.5, 0.6]), others)
    assert code == 0
    assert lines(out) == [
        (" ", "-", "0.9900", "bound"),
        (" ", "1", "0.8500", "good"),
        (">", "2", "0.5500", "mine"),
        (" ", "3", "0.1000", "bad"),
    ]


def test_an_error_is_ranked_from_below(ranked):
    error = {"metric": "imputation_error", "clusterer": ""}
    others = [*rows("low", [0.2, 0.2], **error), *rows("high", [0.9, 0.9], **error)]
    _, out, _ = ranked(rows("mine", [0.5, 0.5], **error), others)
    assert [line[3] for line in lines(out)] == ["low", "mine", "high"]


def test_who_failed_on_some_data_has_no_rank(ranked):
    code, out, _ = ranked(rows("mine", [0.5, 0.5]), rows("lucky", [0.9, None]))
    assert code == 0
    assert lines(out) == [(">", "1", "0.5000", "mine"), (" ", "-", "0.9000", "lucky")]
    assert "1 of 2 datasets" in out


def test_only_what_both_share_counts(ranked):
    mine = [*rows("mine", [0.5, 0.5]), *rows("mine", [0.0, 0.0], dataset="other")]
    _, out, _ = ranked(mine, [*rows("good", [0.8, 0.8]), *rows("good", [0.1], dataset="third")])
    assert lines(out) == [(" ", "1", "0.8000", "good"), (">", "2", "0.5000", "mine")]
    assert "Data in common: d (seed 0), d (seed 1)" in out


def test_the_same_name_with_other_content_is_refused_with_both_hashes(ranked):
    others = [{**row, "data_hash": "x" + row["data_hash"]} for row in rows("good", [0.8, 0.8])]
    code, out, err = ranked(rows("mine", [0.5, 0.5]), others)
    assert code == 2
    assert out == ""
    assert "Dataset d, seed 0, is not the same data in both tables" in err
    assert "has the content hash d0," in err
    assert "has xd0." in err
    assert "So do 1 others." in err


def test_nothing_in_common_is_refused(ranked):
    code, _, err = ranked(rows("mine", [0.5]), rows("good", [0.5], dataset="other"))
    assert code == 2
    assert "No dataset of" in err


def test_the_kept_tables_are_found_and_read(capsys):
    assert main(["compare", str(DEMO), "--metrics", "ari", "--clusterers", "kmeans"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n>") > 5
    # The larger run has data by the same names, of other content.
    assert "Data in common: splat_mid1 (seed 0), splat_mid1 (seed 1), splat_mid3 (seed 0)" in out
    kept = ROOT / "results/reference/two_cores/scores.tsv"
    assert main(["compare", str(DEMO), "--with", str(kept)]) == 2
    assert "is not the same data in both tables" in capsys.readouterr().err


def test_what_is_no_table_of_scores_is_refused(tmp_path, capsys):
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n")
    assert main(["compare", str(tmp_path / "x.tsv")]) == 2
    assert "lacks the columns dataset, method" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "y.tsv")]) == 2
    assert main(["compare", str(DEMO), "--metrics", "arj"]) == 2
    assert "Did you mean 'ari'?" in capsys.readouterr().err
