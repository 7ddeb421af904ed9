"""The numbers of docs/clustering.md are what its code gives."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "clustering.md"


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def test_the_table_is_what_the_code_prints(capsys):
    text = PAGE.read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL).group(1)
    exec(compile(code, PAGE.name, "exec"), {})
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(printed) == 5
    for line in printed:
        what = line.split(" | ")[0]
        row = next(row for row in text.splitlines() if row.startswith(f"{what} | "))
        # Versions of igraph and scikit-learn may draw other numbers.
        assert numbers(row) == pytest.approx(numbers(line), abs=0.1)
