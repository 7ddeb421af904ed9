"""Mouse small intestine (Haber et al., Nature 2017): 9,842 cells of ten mice in four conditions."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scscope.datasets.files import read_file
from scscope.datasets.record import Record

if TYPE_CHECKING:
    from anndata import AnnData

MATRIX = "GSE92332_SalmHelm_UMIcounts.txt.gz"
N_GENES = 15_215
CONTROL = "Control"
# Number of cells: paper, online Methods.
CONDITIONS = {CONTROL: 3_240, "Salmonella": 1_770, "Hpoly.Day3": 2_121, "Hpoly.Day10": 2_711}
TYPES = (
    *("Endocrine", "Enterocyte", "Enterocyte.Progenitor", "Goblet"),
    *("Stem", "TA", "TA.Early", "Tuft"),
)
# Cells of each mouse by type, in the order of `TYPES`: haber_counts.csv of scCODA.
MICE = {
    "Control": (
        (36, 59, 136, 36, 239, 125, 191, 18),
        (5, 46, 23, 20, 50, 11, 40, 5),
        (45, 98, 188, 124, 250, 155, 365, 33),
        (26, 221, 198, 36, 131, 130, 196, 4),
    ),
    "Hpoly.Day10": (
        (42, 71, 203, 147, 271, 109, 180, 146),
        (40, 57, 383, 170, 321, 244, 256, 71),
    ),
    "Hpoly.Day3": ((52, 75, 347, 66, 323, 263, 313, 51), (65, 126, 115, 33, 65, 39, 129, 59)),
    "Salmonella": ((37, 332, 113, 59, 90, 47, 132, 10), (32, 373, 116, 67, 117, 65, 168, 12)),
}


def intestine(raw: Path, record: Record) -> "AnnData":
    """Counts of all cells.

    Parameters
    ----------
    raw
        Folder with `MATRIX`.
    record
        Takes in what was done.

    Returns
    -------
    AnnData
        9,842 cells x 15,215 genes; `obs["label"]`: 8 types; `obs["batch"]`: the mouse and its
        condition, such as "B1 Control".

    Raises
    ------
    ValueError
        A name of another form, or another number of cells in a condition or of mice.
    """
    data = record.step("as published", read_file(raw / MATRIX, cells_in="columns"))
    record.require(f"genes of {MATRIX}", data.n_vars, N_GENES)
    parts = [parts_of(name) for name in data.obs_names]
    counts = Counter(condition for _, _, condition, _ in parts)
    for condition, expected in CONDITIONS.items():
        record.require(f"cells of condition {condition} in {MATRIX}", counts[condition], expected)

    data.obs["label"] = [label for *_, label in parts]
    data.obs["batch"] = [f"{mouse} {condition}" for mouse, _, condition, _ in parts]
    mice = Counter((condition, mouse) for mouse, _, condition, _ in parts)
    record.require(f"mice of {MATRIX}", len(mice), sum(map(len, MICE.values())))
    _compare_mice(record, parts)
    record.labels = (
        "8 types published by Haber et al. 2017, from the same counts: names of the columns"
    )
    return data


def parts_of(name: str) -> tuple[str, str, str, str]:
    """Mouse, barcode, condition and type in the name of a cell.

    Raises
    ------
    ValueError
        It has another form, or names an unknown condition or type.
    """
    parts = tuple(name.split("_"))
    if len(parts) != 4 or not all(parts):
        raise ValueError(
            f"Cell {name!r} of {MATRIX} is not named mouse_barcode_condition_type, such as "
            "'B1_AATAAGCTAGAGAT_Control_Enterocyte.Progenitor'."
        )
    for what, found, known in (("condition", parts[2], CONDITIONS), ("type", parts[3], TYPES)):
        if found not in known:
            raise ValueError(
                f"Cell {name!r} of {MATRIX} has an unknown {what} {found!r}. Known: {', '.join(known)}."
            )
    return parts


def condition_of(batch: str) -> str:
    """Condition in the name of a mouse, such as "B1 Control"; empty where it names none."""
    return batch.partition(" ")[2]


def _compare_mice(record: Record, parts: list[tuple[str, str, str, str]]) -> None:
    """Warn if the cells of a mouse by type are not those that others counted."""
    for condition, expected in MICE.items():
        found: dict[str, np.ndarray] = {}
        for mouse, _, its, label in parts:
            if its == condition:
                row = found.setdefault(mouse, np.zeros(len(TYPES), int))
                row[TYPES.index(label)] += 1
        rows = sorted(tuple(map(int, row)) for row in found.values())
        record.expect(
            f"cells of each mouse by type ({', '.join(TYPES)}) in condition {condition}",
            rows,
            sorted(expected),
            "These are the counts of scCODA's haber_counts.csv; its source for them is not stated.",
        )
