"""The files by which a dataset goes to a command and its results come back.

| exchange | input | output |
|---|---|---|
| h5ad | `input.h5ad`: `X` (CSR), names, `obs["batch"]`; for imputation `uns["target_cells"]` and `uns["target_genes"]`, indices from 0 | `output.npz`: arrays `latent`, `imputed` (aligned with the targets), `labels` |
| text | folder: `matrix.mtx`, `cells.csv`, `genes.csv`; for imputation `targets.csv` (cell, gene) | folder: `latent.csv`, `imputed.csv` (cell, gene, value), `labels.csv` |
"""

import csv
from pathlib import Path

import h5py
import numpy as np

from scscope import h5ad
from scscope.data import Scaled, Targets
from scscope.methods.fit import Fit
from scscope.methods.own.tables import read_labels, read_latent, read_values

EXCHANGES = ("h5ad", "text")
ARRAYS = ("latent", "imputed", "labels")


def places(folder: Path, exchange: str) -> tuple[Path, Path]:
    """Where the input of a command lies, and where its output is expected."""
    suffix = {"h5ad": (".h5ad", ".npz"), "text": ("", "")}[exchange]
    return folder / "exchange" / f"input{suffix[0]}", folder / "exchange" / f"output{suffix[1]}"


def write_input(data: Scaled, targets: Targets | None, path: Path, exchange: str) -> None:
    """Write what a command is told: no label, and no true value, is among it."""
    if exchange == "text":
        path.mkdir()
        path.parent.joinpath("output").mkdir()
        _write_text(data, targets, path)
    else:
        _write_h5ad(data, targets, path)


def read_output(data: Scaled, targets: Targets, path: Path, exchange: str, *, record: dict) -> Fit:
    """What a command left, as a fit; imputed values are taken from the data's scale."""
    found = _read_text(data, targets, path) if exchange == "text" else _read_npz(path)
    if not found:
        raise RuntimeError(
            f"The command ended well but left nothing in {path.name}: it is to write "
            f"{' or '.join(f'{name}.csv' if exchange == 'text' else name for name in ARRAYS)} there."
        )
    imputed = found.get("imputed")
    if imputed is not None and np.shape(imputed) != np.shape(targets.cell):
        raise ValueError(
            f"`imputed` must have shape {np.shape(targets.cell)}, one value for each target; got "
            f"{np.shape(imputed)}."
        )
    return Fit(
        latent=found.get("latent"),
        labels=found.get("labels"),
        impute=None if imputed is None else lambda cells, genes: data.to_log(imputed, cells, genes),
        record=record,
    )


def _write_h5ad(data: Scaled, targets: Targets | None, path: Path) -> None:
    with h5py.File(path, "w") as file:
        h5ad.create(file)
        matrix = h5ad.MatrixWriter(file, "X", data.X.shape[1])
        matrix.append(data.X)
        matrix.finish()
        h5ad.write_frame(file, "obs", data.cells, _batches(data))
        h5ad.write_frame(file, "var", data.genes, {})
        facts = {"scale": data.scale, "values": data.values}
        if targets is not None:
            facts |= {"target_cells": targets.cell, "target_genes": targets.gene}
        for name, value in facts.items():
            h5ad.write_value(file["uns"], name, value)


def _write_text(data: Scaled, targets: Targets | None, folder: Path) -> None:
    X = data.X
    with (folder / "matrix.mtx").open("w") as file:
        file.write("%%MatrixMarket matrix coordinate real general\n")
        file.write(f"{X.shape[0]} {X.shape[1]} {X.nnz}\n")
        for row in range(X.shape[0]):
            part = slice(X.indptr[row], X.indptr[row + 1])
            columns, values = X.indices[part].tolist(), X.data[part].tolist()
            lines = zip(columns, values, strict=True)
            file.writelines(f"{row + 1} {column + 1} {value:.9g}\n" for column, value in lines)
    batches = _batches(data)
    _write_table(folder / "cells.csv", {"cell": data.cells, **batches})
    _write_table(folder / "genes.csv", {"gene": data.genes})
    if targets is not None:
        names = {"cell": data.cells[targets.cell], "gene": data.genes[targets.gene]}
        _write_table(folder / "targets.csv", names)


def _write_table(path: Path, columns: dict[str, np.ndarray]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))


def _batches(data: Scaled) -> dict[str, np.ndarray]:
    return {} if data.batch is None else {"batch": data.batch}


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        unknown = sorted(set(file) - set(ARRAYS))
        if unknown:
            raise ValueError(
                f"{path.name} holds {', '.join(unknown)}. Allowed arrays: {', '.join(ARRAYS)}."
            )
        return {name: file[name] for name in file}


def _read_text(data: Scaled, targets: Targets, folder: Path) -> dict[str, np.ndarray]:
    readers = {
        "latent": lambda path: read_latent(path, data.cells),
        "labels": lambda path: read_labels(path, data.cells),
        "imputed": lambda path: read_values(
            path, data.cells, data.genes, targets.cell, targets.gene
        ),
    }
    paths = {name: folder / f"{name}.csv" for name in ARRAYS}
    return {name: readers[name](path) for name, path in paths.items() if path.exists()}
