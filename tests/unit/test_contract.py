"""`scscope check-method` finds what breaks the contract, each fault caused on purpose."""

import pytest

from scscope.cli import main

GOOD = "return np.asarray(data.X @ np.random.default_rng(seed).normal(size=(data.X.shape[1], 3)))"


def check(tmp_path, body, *options):
    code = "import numpy as np\nfrom scscope.methods.fit import Fit\n"
    code += "def embed(data, *, seed, device, width=1):\n    " + body.replace("\n", "\n    ")
    (tmp_path / "mine.py").write_text(code)
    return main(["check-method", f"{tmp_path}/mine.py:embed", "--cells", "60", *options])


def test_a_method_that_keeps_the_contract(tmp_path, capsys):
    assert check(tmp_path, GOOD, "--param", "width=2", "--scale", "counts") == 0
    said = capsys.readouterr().out
    assert "keeps the contract" in said
    assert "s per 1,000 cells" in said
    assert "another seed, another result" in said
    assert "FAILED" not in said


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('gene')", "FAILED  runs: KeyError: 'gene' ("),
        (
            "return np.ones((3, 2))",
            "FAILED  latent: shape, all finite: ValueError: The latent must",
        ),
        ("return np.full((data.X.shape[0], 2), np.nan)", "Diverged: The latent holds"),
        (
            "data.X.data[:] = 0\n" + GOOD,
            "FAILED  leaves its input as it is: ValueError: `data.X.dat",
        ),
        (
            "return np.random.rand(data.X.shape[0], 2)",
            "FAILED  same seed, same result: ValueError: T",
        ),
        ("return np.ones((60, 2))", "FAILED  runs on another shape: ValueError: The latent must"),
        ("data.batch.sum\n" + GOOD, "FAILED  runs without batches: AttributeError"),
        ("return Fit()", "FAILED  gives something"),
        ("return Fit(impute=lambda c, g: c[1:])", "FAILED  imputes single entries: ValueError"),
        ("return Fit(impute=lambda c, g: c - 60.0)", "Imputed values are negative"),
        ("return Fit(impute=lambda c, g: np.arange(len(c)))", "depend on the order"),
        ("return Fit(labels=['a'])", "FAILED  labels: one for each cell"),
    ],
)
def test_each_fault_is_found(tmp_path, capsys, body, message):
    assert check(tmp_path, body) == 1
    out, err = capsys.readouterr()
    assert message in out
    assert "breaks the contract in" in err


def test_a_seed_that_changes_nothing_is_a_note(tmp_path, capsys):
    assert check(tmp_path, "return np.asarray(data.X[:, :2].toarray())") == 0
    assert "note  the seed changes nothing" in capsys.readouterr().out


def test_what_cannot_be_tried_is_refused(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("def embed(data, *, seed, device): ...")
    for use, message in (
        (f"{tmp_path}/mine.py", "is not a file and a function in it"),
        (f"{tmp_path}/mine.py:embd", "Did you mean 'embed'?"),
        (f"{tmp_path}/no.py:embed", "there is no file"),
    ):
        assert main(["check-method", use]) == 2
        assert message in capsys.readouterr().err
