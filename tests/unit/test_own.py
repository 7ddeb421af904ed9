"""Methods of the user's own: what is refused, what is read, how their ends are told."""

import sys
from pathlib import Path

import anndata
import numpy as np
import pytest
import yaml
from scipy import io

from scscope.contract import simulated
from scscope.data import Targets, scaled
from scscope.errors import NotApplicable
from scscope.methods.own.command import command, run
from scscope.methods.own.entries import code_of_entry, entry_errors
from scscope.methods.own.exchange import places, read_output, write_input
from scscope.methods.own.tables import read_labels, read_latent, read_values
from scscope.validation import schema_errors
from tests.conftest import ROOT

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
RUNS = [("tiny", 0), ("tiny", 1)]


@pytest.fixture(scope="module")
def data():
    return scaled(simulated(8, 5), "log")


@pytest.fixture(scope="module")
def targets(data):
    cell, gene = (data.X.toarray() == 0).nonzero()
    return Targets(cell, gene, np.ones(len(cell), np.float32))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import helper\nCONSTANT = 1\ndef embed(data, *, seed, device, n_latent, width=3): ...\n"
        "def bare(data): ...\n"
    )
    (tmp_path / "helper.py").write_text("VALUE = 1\n")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"use": "mine.py"},
            "use: 'mine.py' is not a file and a function in it, such as path/to/mine.py:embed.",
        ),
        ({"use": "scscop"}, "group_mean, shuffled, supervised, or a function of your own, path/to"),
        ({"command": "x", "use": "pca"}, "unknown key 'use'. Allowed: command, exchange, conda"),
        ({"latent": "x.csv", "params": {}}, "unknown key 'params'. Allowed: latent, imputed"),
        ({"command": "x", "exchange": "csv"}, "unknown value 'csv'. Allowed: h5ad, text."),
        ({"use": "mine.py:embed", "gives": ["latents"]}, "Did you mean 'latent'? Allowed: latent,"),
        ({"use": "pca", "gives": ["latent"]}, "unknown key 'gives'."),
    ],
)
def test_wrong_combinations_are_refused_in_words(entry, message):
    config = yaml.safe_load((ROOT / "tests/workflow/config.yaml").read_text())
    config["methods"]["mine"] = {"scale": "log", **entry}
    errors = schema_errors(config, SCHEMA)
    assert len(errors) == 1
    assert message in errors[0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"use": "no.py:embed"}, "use: there is no file 'no.py'. Paths start in the folder where"),
        ({"use": "mine.py:embd"}, "unknown function 'embd'. Did you mean 'embed'? Allowed: embed,"),
        ({"use": "mine.py:embed"}, "mine.py:embed needs the parameter 'n_latent'"),
        (
            {"use": "mine.py:embed", "params": {"n_latent": 2, "widht": 3}},
            "unknown parameter 'widht'. Did you mean 'width'? Allowed: n_latent, width.",
        ),
        ({"use": "mine.py:bare"}, "takes no `device`: begin with def bare(data, *, seed, device)"),
        ({"command": "x {input}"}, "command: the command names no {output}"),
        ({"command": "x {input} {output} {sede}"}, "unknown placeholder {sede}. Allowed: {input},"),
        ({"command": "x '{input} {output}"}, "cannot be split into words: No closing quotation."),
        ({"command": "x {input} {output}", "params": {"k": 1}}, "does not name {k}, so it would"),
        ({"command": "x {input} {output}", "conda": "e.yaml"}, "there is no file 'e.yaml'"),
        ({"latent": "{dataset}_{seed}.csv"}, "no file 'tiny_0.csv', nor 1 others like it"),
        (
            {"latent": "e.csv", "method": "pca"},
            "method: 'pca' is what a registered method is called",
        ),
        ({"latent": "{sede}.csv"}, "unknown placeholder {sede}. Allowed: {dataset}, {seed}."),
    ],
)
def test_what_a_schema_cannot_see_is_refused_before_work(entry, message):
    assert any(message in words for words in entry_errors(entry, RUNS))


def test_what_is_right_is_not_refused():
    Path("e.csv").write_text("")
    for entry in (
        {"use": "mine.py:embed", "params": {"n_latent": 2}},
        {"command": "x {input} {output} {seed} {{}} {k}", "params": {"k": 1}},
        {"latent": "e.csv"},
        {"use": "pca"},
    ):
        assert list(entry_errors(entry, RUNS)) == []


def test_code_of_ones_own_counts_and_comments_do_not(tmp_path):
    from scscope import fingerprint

    def code(entry):
        for function in (fingerprint.fingerprint, fingerprint._read):
            function.cache_clear()
        return code_of_entry(entry, "scscope.run.worker")

    function, other = {"use": "mine.py:embed"}, {"use": "pca"}
    (tmp_path / "mine.R").write_text("x <- 1\n")
    in_r = {"command": "Rscript mine.R {input} {output}"}
    before = [code(entry) for entry in (function, in_r, other)]
    (tmp_path / "helper.py").write_text("VALUE = 1  # of a module beside it\n")
    assert [code(entry) for entry in (function, in_r, other)] == before
    (tmp_path / "helper.py").write_text("VALUE = 2\n")
    (tmp_path / "mine.R").write_text("x <- 2\n")
    after = [code(entry) for entry in (function, in_r, other)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True]


def table(path, header, rows):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_tables_are_matched_by_names(tmp_path, data):
    rows = [f"{name},{i},{-i}" for i, name in enumerate(data.cells)]
    path = table(tmp_path / "latent.csv", "cell,a,b", [*reversed(rows), "stranger,9,9"])
    np.testing.assert_array_equal(read_latent(path, data.cells)[:, 0], np.arange(8))
    assert list(read_labels(path, data.cells)) == [str(i) for i in range(8)]
    with pytest.raises(ValueError, match="lacks 1 of the dataset's 8 cells, such as 'cell0'"):
        read_latent(table(path, "cell,a,b", rows[1:]), data.cells)
    with pytest.raises(ValueError, match="has cell 'cell1' more than once"):
        read_latent(table(path, "cell,a,b", [*rows, rows[1]]), data.cells)
    with pytest.raises(ValueError, match="cell 'cell0': could not convert string to float: 'x'"):
        read_latent(table(path, "cell,a,b", ["cell0,x,1", *rows[1:]]), data.cells)


def test_values_are_found_in_both_kinds_of_table(tmp_path, data, targets):
    values = np.arange(40.0).reshape(8, 5)
    wide = [f"{name}," + ",".join(map(str, values[i, ::-1])) for i, name in enumerate(data.cells)]
    wide = table(tmp_path / "wide.csv", "cell," + ",".join(data.genes[::-1]), reversed(wide))
    pairs = zip(targets.cell, targets.gene, strict=True)
    lines = [f"{data.cells[i]},{data.genes[j]},{values[i, j]}" for i, j in pairs]
    long = table(tmp_path / "long.tsv", "cell\tgene\tvalue", [x.replace(",", "\t") for x in lines])
    asked = (data.cells, data.genes, targets.cell, targets.gene)
    for path in (wide, long):
        np.testing.assert_array_equal(read_values(path, *asked), values[targets.cell, targets.gene])
    with pytest.raises(ValueError, match="lacks 1 of the "):
        read_values(table(tmp_path / "long.csv", "cell,gene,value", lines[1:]), *asked)
    with pytest.raises(ValueError, match="has no column for 3 genes"):
        read_values(table(tmp_path / "other.csv", "cell,x", ["cell0,1"]), *asked)


def test_a_command_is_told_the_scaled_values_and_no_truth(tmp_path, data, targets):
    source, _ = places(tmp_path, "h5ad")
    source.parent.mkdir()
    write_input(data, targets, source, "h5ad")
    told = anndata.read_h5ad(source)
    assert (told.X != data.X).nnz == 0
    assert list(told.obs_names) == list(data.cells)
    assert set(told.obs) == {"batch"}
    assert not told.layers
    np.testing.assert_array_equal(told.uns["target_genes"], targets.gene)
    folder, _ = places(tmp_path, "text")
    write_input(data, targets, folder, "text")
    np.testing.assert_allclose(io.mmread(folder / "matrix.mtx").toarray(), data.X.toarray(), 1e-7)
    assert sorted(p.name for p in folder.iterdir()) == [
        "cells.csv",
        "genes.csv",
        "matrix.mtx",
        "targets.csv",
    ]
    assert (folder / "cells.csv").read_text().splitlines()[0] == "cell,batch"


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("print('one'); sys.exit('two')", RuntimeError, "left with code 1: one | two"),
        ("print('no package'); sys.exit(77)", NotApplicable, "^no package$"),
        ("os.kill(os.getpid(), 9)", MemoryError, "SIGKILL, most likely for lack of memory"),
        ("os.kill(os.getpid(), 11)", RuntimeError, "ended by SIGSEGV"),
    ],
)
def test_how_a_command_ends_is_told(code, error, message):
    with pytest.raises(error, match=message.replace("|", r"\|")):
        run([sys.executable, "-c", f"import os, sys; {code}"])


def test_a_program_that_is_not_there_is_named_and_found_on_another_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="no program 'mine' here: install it, or name the"):
        run(["mine"])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/mine").symlink_to("/bin/true")
    (tmp_path / "path.txt").write_text(f"{tmp_path / 'bin'}\n")
    run(["mine"], str(tmp_path / "path.txt"))


def do(tmp_path, data, targets, code, **changes):
    settings = {
        "words": f"{sys.executable} -c '{code}' {{input}} {{output}} {{seed}} {{k}}",
        "exchange": "h5ad",
        "gives": ["latent", "imputation"],
        "values": {"k": 4},
        "search_path": None,
        **changes,
    }
    known = {"folder": tmp_path, "threads": 1, "targets": targets}
    return command(data, seed=2**32 - 1, device="cpu", **known, **settings)


def test_what_a_command_leaves_is_a_fit(tmp_path, data, targets):
    code = (
        "import sys; import numpy as np; _, i, o, s, k = sys.argv; "
        f"np.savez(o, latent=np.full((8, int(k)), int(s)), imputed=np.full({len(targets.cell)}, 2.0))"
    )
    fit = do(tmp_path, data, targets, code)
    assert (fit.latent == 2**31 - 1).all()
    assert fit.latent.shape == (8, 4)
    assert (fit.impute(targets.cell, targets.gene) == 2).all()  # the scale is log already
    assert fit.record["seconds_command"] > 0


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ("0", RuntimeError, "ended well but left nothing in output.npz: it is to write latent or"),
        (
            "import sys; import numpy as np; np.savez(sys.argv[2], laten=1)",
            ValueError,
            "output.npz holds laten. Allowed arrays: latent, imputed, labels.",
        ),
        (
            "import sys; import numpy as np; np.savez(sys.argv[2], imputed=np.ones(3))",
            ValueError,
            "one value for each target; got",
        ),
    ],
)
def test_what_a_command_leaves_wrongly_is_named(tmp_path, data, targets, code, error, message):
    with pytest.raises(error, match=message):
        do(tmp_path, data, targets, code)


def test_labels_come_back_as_text(tmp_path, data, targets):
    (tmp_path / "out").mkdir()
    table(tmp_path / "out/labels.csv", "cell,label", [f"{name},x" for name in data.cells])
    fit = read_output(data, targets, tmp_path / "out", "text", record={})
    assert list(fit.labels) == ["x"] * 8
    assert fit.latent is None
