"""What is done to a real dataset on its way: shape after each step, counts that must come out."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scscope.validation import examples

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger("scscope.datasets")


@dataclass
class Record:
    """The history of a dataset, which its data card tells.

    Parameters
    ----------
    steps
        Shape after each step: `step`, `n_cells`, `n_genes`, and `sparsity` where it is known.
    labels
        In a sentence, what the labels are and who made them.
    notes
        What differs from what was expected, in sentences.
    facts
        Further facts by name: what JSON can hold.
    """

    steps: list[dict] = field(default_factory=list)
    labels: str = ""
    notes: list[str] = field(default_factory=list)
    facts: dict = field(default_factory=dict)

    def step(self, what: str, data: "AnnData") -> "AnnData":
        """Note the shape and sparsity of the data after a step; returns the data."""
        n_entries = data.n_obs * data.n_vars
        sparsity = 1 - data.X.nnz / n_entries if n_entries else None
        self.shape(what, data.n_obs, data.n_vars, sparsity)
        return data

    def shape(self, what: str, n_cells: int, n_genes: int, sparsity: float | None = None) -> None:
        """Note a shape, of data that are not at hand as a whole."""
        logger.info("%s: %d cells x %d genes", what, n_cells, n_genes)
        step = {"step": what, "n_cells": int(n_cells), "n_genes": int(n_genes)}
        self.steps.append({**step, "sparsity": None if sparsity is None else float(sparsity)})

    def require(self, what: str, found, expected, why: str = "") -> None:
        """Stop, with both numbers, if a count that is a rule does not come out."""
        if found != expected:
            hint = f" {why}" if why else ""
            raise ValueError(
                f"{what}: {_number(found)}, but it must be {_number(expected)}. The file is not the "
                f"published one, or was changed.{hint}"
            )

    def expect(self, what: str, found, expected, why: str) -> None:
        """Warn, with both numbers, if a count whose rule is not known does not come out."""
        if found != expected:
            self.note(f"{what}: {_number(found)}, where {_number(expected)} is stated. {why}")

    def note(self, sentence: str) -> None:
        """Keep a warning for the data card, and log it."""
        logger.warning("%s", sentence)
        self.notes.append(sentence)

    def card(self) -> dict:
        """All of it, as part of a data card."""
        return {
            "steps": self.steps,
            "labels": self.labels,
            "notes": self.notes,
            **({"facts": self.facts} if self.facts else {}),
        }


def text_hash(texts: Iterable[str]) -> str:
    """sha256 of texts, one a line."""
    return hashlib.sha256("".join(f"{text}\n" for text in texts).encode()).hexdigest()


def missing_from(what: str, wanted: Iterable[str], present: Iterable[str]) -> None:
    """Refuse names that are wanted but not there.

    Raises
    ------
    ValueError
        With their number and the first of them.
    """
    present = set(present)
    missing = [name for name in wanted if name not in present]
    if missing:
        raise ValueError(f"{what} lacks {len(missing):,} names: {examples(missing)}.")


def pairs_of(path: Path, separator: str) -> dict[str, str]:
    """First and second field of each line of a table without a header.

    Parameters
    ----------
    path
        Text, gzipped or not; line ends of any kind.
    separator
        Between the fields.

    Raises
    ------
    ValueError
        A line has not two fields, or a name is there twice.
    """
    pairs: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split(separator)
        if len(fields) != 2 or not all(fields):
            raise ValueError(
                f"{path}, line {number}: {line[:80]!r}, where a name and a label are expected."
            )
        if fields[0] in pairs:
            raise ValueError(f"{path}, line {number}: {fields[0]!r} is there for the second time.")
        pairs[fields[0]] = fields[1]
    return pairs


def _lines(path: Path) -> Iterator[str]:
    import gzip

    opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()
    try:
        with opened as file:
            yield from (line.rstrip("\n") for line in file)
    except (EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is truncated or damaged: {error}.") from error


def _number(value) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
