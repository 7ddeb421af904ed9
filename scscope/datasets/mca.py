"""Mouse Cell Atlas (Han et al., Cell 2018): Microwell-seq, the lung in three batches, and the whole."""

import csv
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from scscope.datasets.files import read_file
from scscope.datasets.record import Record

if TYPE_CHECKING:
    from anndata import AnnData

LABELS = "MCA_CellAssignments.csv"
LUNGS = (
    "GSM2906429_Lung1_dge.txt.gz",
    "GSM2906430_Lung2_dge.txt.gz",
    "GSM2906431_Lung3_dge.txt.gz",
)
ATLAS = "GSE108097_RAW.tar"
COLUMNS = ("Cell.name", "Tissue", "Annotation")
LUNG_CELLS = (2_512, 1_414, 3_014)  # of the three batches: paper, online Methods
LUNG_GENES = 23_450
ATLAS_CELLS, ATLAS_TISSUES = 405_796, 51  # paper, online Methods; how they were chosen is not said


def mca_lung(raw: Path, record: Record) -> "AnnData":
    """Counts of the annotated cells of the lung.

    Parameters
    ----------
    raw
        Folder with the files `LUNGS` and `LABELS`.
    record
        Takes in what was done.

    Returns
    -------
    AnnData
        6,940 cells x genes of any of the three files, with 0 where a file lacks a gene;
        `obs["label"]`: the annotation; `obs["batch"]`: the file, "Lung1" to "Lung3".

    Raises
    ------
    ValueError
        Another number of annotated cells in the batches.
    """
    known = annotations(raw / LABELS)
    data = _joined(record, known, ((_sample(name), raw / name) for name in LUNGS))
    sizes = Counter(data.obs["batch"])
    record.require(
        "annotated cells of the three lungs",
        tuple(sizes[_sample(name)] for name in LUNGS),
        LUNG_CELLS,
    )
    record.expect(
        "genes of the three lungs together",
        data.n_vars,
        LUNG_GENES,
        "Whether genes that one file lacks were kept is not known.",
    )
    data.obs["label"] = [known[cell][1] for cell in data.obs_names]
    record.labels = (
        f"annotation of {LABELS}, from the same counts; the paper uses the batches alone"
    )
    return data


def mca_atlas(raw: Path, record: Record) -> "AnnData":
    """Counts of the annotated cells of all tissues.

    Parameters
    ----------
    raw
        Folder with `ATLAS` and `LABELS`.
    record
        Takes in what was done.

    Returns
    -------
    AnnData
        Cells x genes; `obs["label"]`: the tissue; `obs["batch"]`: the sample.
    """
    known = annotations(raw / LABELS)
    with tempfile.TemporaryDirectory() as folder:
        data = _joined(record, known, _members(raw / ATLAS, Path(folder)))
    data.obs["label"] = [known[cell][0] for cell in data.obs_names]
    why = "The rule by which the paper chose its cells is not published; annotated cells are kept."
    record.expect("annotated cells of the atlas", data.n_obs, ATLAS_CELLS, why)
    record.expect("tissues of the atlas", data.obs["label"].nunique(), ATLAS_TISSUES, why)
    record.labels = f"tissue in {LABELS}: a proxy for types, as in the paper"
    return data


def annotations(path: Path) -> dict[str, tuple[str, str]]:
    """Tissue and annotation of each annotated cell.

    Raises
    ------
    ValueError
        A column is missing, or a cell is there twice.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
            raise ValueError(f"{path} has no column {', '.join(missing)}.")
        known: dict[str, tuple[str, str]] = {}
        for row in rows:
            cell, *what = (row[name] for name in COLUMNS)
            if cell in known:
                raise ValueError(f"{path}, line {rows.line_num}: {cell!r} is there twice.")
            known[cell] = tuple(what)
    return known


def _joined(
    record: Record, known: dict[str, tuple[str, str]], tables: Iterable[tuple[str, Path]]
) -> "AnnData":
    """The annotated cells of all tables, each named by its sample."""
    import anndata

    n_cells, parts = 0, []
    for sample, path in tables:
        data = read_file(path, cells_in="columns")
        n_cells += data.n_obs
        data = data[data.obs_names.isin(known)].copy()
        data.obs["batch"] = sample
        parts.append(data)
    if not parts:
        raise ValueError(f"{ATLAS} holds no file that ends in dge.txt.gz.")
    result = anndata.concat(parts, join="outer", fill_value=0)
    record.shape("as published", n_cells, result.n_vars)
    return record.step(f"cells in {LABELS}", result)


def _members(archive: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Sample and path of each table in an archive, one on the disk at a time."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                if member.isfile() and name.endswith("dge.txt.gz"):
                    path = folder / name
                    path.write_bytes(tar.extractfile(member).read())
                    yield _sample(name), path
                    path.unlink()
    except tarfile.TarError as error:
        raise ValueError(f"{archive} cannot be read as a tar archive: {error}") from error


def _sample(name: str) -> str:
    """Name of the sample in that of its file: Lung1 of GSM2906429_Lung1_dge.txt.gz."""
    return name.removesuffix(".txt.gz").removesuffix("_dge").split("_", 1)[-1]
