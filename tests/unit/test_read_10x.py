"""Run with `pytest tests/unit/test_read_10x.py`."""

import gzip
import re
import shutil

import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from scscope.datasets.files import read_file
from scscope.datasets.mtx import read_mtx
from scscope.datasets.tenx import TenxFile

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
GENES = "Gene Expression"
N_GENES, N_CELLS = 6, 9


def counts(seed=0):
    """A matrix, cells x features."""
    X = np.random.default_rng(seed).poisson(0.6, (N_CELLS, N_GENES))
    X[2] = 0
    return X


def parts_of(X, *, order="ascending"):
    """Data, indices and indptr, with the features of each cell in this order."""
    matrix = sparse.csr_matrix(X)
    data, indices = matrix.data, matrix.indices
    rng = np.random.default_rng(0)
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        here = np.arange(start, stop)
        new = {"ascending": here, "descending": here[::-1], "any": rng.permutation(here)}[order]
        data[start:stop], indices[start:stop] = data[new], indices[new]
    return data, indices, matrix.indptr


def write_10x(path, X, *, layout="old", types=("i4", "i8", "i8"), order="ascending", kinds=None):
    """Write a file of Cell Ranger."""
    n_cells, n_features = X.shape
    with h5py.File(path, "w") as file:
        group = file.create_group("mm10" if layout == "old" else "matrix")
        parts = parts_of(X, order=order)
        for name, part, dtype in zip(("data", "indices", "indptr"), parts, types, strict=True):
            group[name] = part.astype(dtype)
        group["shape"] = np.array([n_features, n_cells], "i4")
        group["barcodes"] = np.array([f"cell{i}-1" for i in range(n_cells)], "S")
        ids = np.array([f"ENS{i}" for i in range(n_features)], "S")
        symbols = np.array([f"Gene{i // 2}" for i in range(n_features)], "S")
        names = ("genes", "gene_names") if layout == "old" else ("features/id", "features/name")
        group[names[0]], group[names[1]] = ids, symbols
        if layout == "new":
            kinds = [GENES] * n_features if kinds is None else kinds
            group["features/feature_type"] = np.array(kinds, "S")
            group["features/genome"] = np.array(["mm10"] * n_features, "S")
    return path


# Real excerpts


def test_real_cells_are_those_of_h5py(test_data):
    path = test_data / "brain_1m/mini_1M_neurons_layout.h5"
    file = TenxFile(path, shape=(10_000, 1_000))
    with h5py.File(path) as raw:
        group = raw["mm10"]
        parts = tuple(group[name][()] for name in ("data", "indices", "indptr"))
        names = [group[name].asstr()[()] for name in ("barcodes", "genes", "gene_names")]
    expected = sparse.csr_matrix(parts, shape=(10_000, 1_000))
    assert file.nnz == 691_914
    for found, name in zip((file.cells, file.genes, file.symbols), names, strict=True):
        np.testing.assert_array_equal(found, name)
    for n_cells in (999, 20_000):
        assert (sparse.vstack(list(file.blocks(n_cells))) != expected).nnz == 0
    assert (file.rows(4_000, 4_007) != expected[4_000:4_007]).nnz == 0


def test_the_same_cells_in_the_new_layout(test_data, tmp_path):
    old = TenxFile(test_data / "brain_1m/mini_1M_neurons_layout.h5")
    path = tmp_path / "new.h5"
    with h5py.File(old.path) as source, h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name in ("data", "indices", "indptr", "shape", "barcodes"):
            source.copy(f"mm10/{name}", group)
        source.copy("mm10/genes", group, "features/id")
        source.copy("mm10/gene_names", group, "features/name")
        group["features/feature_type"] = np.array([GENES] * 1_000, "S")
    new = TenxFile(path)
    assert (new.read().X != old.read().X).nnz == 0
    np.testing.assert_array_equal(new.genes, old.genes)


def test_a_real_file_with_descending_indices(test_data, tmp_path):
    path = tmp_path / "named.h5"
    shutil.copy(test_data / "brain_1m/fixture_scvi_brain_large.h5", path)
    with pytest.raises(ValueError, match="the group 'mm10' lacks barcodes, genes, gene_names"):
        TenxFile(path)
    with h5py.File(path, "a") as file:
        group = file["mm10"]
        n_genes, n_cells = group["shape"][()]
        for name, n in (("barcodes", n_cells), ("genes", n_genes), ("gene_names", n_genes)):
            group[name] = np.array([f"{name}{i}" for i in range(n)], "S")
        parts = tuple(group[name][()] for name in ("data", "indices", "indptr"))
    assert (np.diff(parts[1].astype(int))[: parts[2][1] - 1] < 0).all()
    found = TenxFile(path).read().X
    assert found.has_canonical_format
    expected = sparse.csr_matrix(parts, shape=(n_cells, n_genes)).toarray()
    np.testing.assert_array_equal(found.toarray(), expected)


# Valid files


@FEW
@given(
    seed=st.integers(0, 1000),
    layout=st.sampled_from(["old", "new"]),
    types=st.tuples(
        st.sampled_from(["i1", "u1", "i2", "<i4", ">i4", "u4", "i8", "u8", "f2", "f4", ">f8"]),
        st.sampled_from(["i1", "u2", "i4", ">i4", "u4", "i8", "u8"]),
        st.sampled_from(["u1", "i4", "u4", "i8", "u8", ">i8"]),
    ),
    order=st.sampled_from(["ascending", "descending", "any"]),
    block=st.integers(1, N_CELLS + 1),
)
def test_every_form_of_a_file_gives_its_numbers(tmp_path, seed, layout, types, order, block):
    X = counts(seed)
    path = write_10x(tmp_path / "x.h5", X, layout=layout, types=types, order=order)
    file = TenxFile(path, shape=X.shape)
    found = sparse.vstack(list(file.blocks(block)), format="csr")
    np.testing.assert_array_equal(found.toarray(), X)
    assert found.has_canonical_format
    np.testing.assert_array_equal(file.rows(3, 7).toarray(), X[3:7])
    assert file.read().shape == X.shape


def test_genes_alone_are_read_of_several_kinds_of_features(tmp_path):
    kinds = [GENES, "Antibody Capture", GENES, GENES, "Antibody Capture", GENES]
    X = counts()
    for order in ("ascending", "descending"):
        path = write_10x(tmp_path / "x.h5", X, layout="new", kinds=kinds, order=order)
        file = TenxFile(path)
        is_gene = np.array(kinds) == GENES
        np.testing.assert_array_equal(file.read().X.toarray(), X[:, is_gene])
        assert list(file.genes) == ["ENS0", "ENS2", "ENS3", "ENS5"]
        assert file.shape == (N_CELLS, 4)


def test_stored_zeros_are_left_out(tmp_path):
    path = write_10x(tmp_path / "x.h5", counts() + 1)
    with h5py.File(path, "a") as file:
        file["mm10/data"][...] = counts().ravel()
    found = TenxFile(path).read().X
    assert np.all(found.data)
    np.testing.assert_array_equal(found.toarray(), counts())


def test_entries_beyond_32_bits(tmp_path):
    # The chunks of the first cell are never written, so the file is small; it is not read either.
    far = 2**31 + 5
    path = write_10x(tmp_path / "x.h5", counts())
    with h5py.File(path, "a") as file:
        group = file["mm10"]
        for name, values in (("data", [3, 1, 4]), ("indices", [5, 0, 2])):
            del group[name]
            group.create_dataset(name, shape=(far + 3,), chunks=(2**20,), dtype="i4")
            group[name][far:] = values
        group["indptr"][...] = [0] + [far] * (N_CELLS - 1) + [far + 3]
    file = TenxFile(path)
    assert file.nnz == far + 3
    np.testing.assert_array_equal(file.rows(N_CELLS - 2, N_CELLS).toarray()[1], [1, 0, 4, 0, 0, 3])


# Bad files


def change(name, values):
    def apply(group):
        del group[name]
        group[name] = values

    return apply


def put(name, place, value):
    def apply(group):
        group[name][place] = value

    return apply


def elsewhere(group):
    del group["data"]
    group["data"] = h5py.ExternalLink("other.h5", "/data")


def soft(group):
    group.move("data", "moved")
    group["data"] = h5py.SoftLink("/mm10/moved")


def raw(group):
    size = group["data"].shape
    del group["data"]
    group.create_dataset("data", size, "i4", external=[("raw.bin", 0, h5py.h5f.UNLIMITED)])


def virtual(group):
    size = group["data"].shape
    layout = h5py.VirtualLayout(size, "i4")
    layout[:] = h5py.VirtualSource("other.h5", "data", size)
    del group["data"]
    group.create_virtual_dataset("data", layout)


BROKEN = [
    (elsewhere, "'mm10/data' is a link, but data in the file itself are expected"),
    (soft, "'mm10/data' is a link, but data in the file itself are expected"),
    (raw, "'mm10/data' lies in another file, but data in this one are expected"),
    (virtual, "'mm10/data' lies in another file, but data in this one are expected"),
    (lambda group: group.pop("genes"), "the group 'mm10' lacks genes"),
    (put("indices", 1, 6), r"cell 0 \(cell0-1\) has 6 where a feature index from 0 to 5 is exp"),
    (put("indices", 1, -1), "has -1 where a feature index from 0 to 5 is expected"),
    (put("data", -1, -3), r"cell 8 \(cell8-1\) has -3 where a finite number from 0 is expected"),
    (change("data", np.full(N_CELLS * N_GENES, np.nan)), "has nan where a finite number from 0"),
    (change("data", np.full(N_CELLS * N_GENES, np.inf)), "has inf where a finite number from 0"),
    (change("shape", [5, 9]), "'genes' has 6 texts, but by 'shape' 5 are expected"),
    (change("shape", [6, 8]), "'barcodes' has 9 texts, but by 'shape' 8 are expected"),
    (change("shape", [6, 9, 1]), "'shape' has 3 numbers, but two are expected"),
    (change("shape", [6, 0]), "'shape' is 6 x 0: there is nothing to read"),
    (change("indptr", [0, 1]), "'indptr' has 2 numbers, but 9 cells need 10"),
    (change("indptr", [0, 5, 3, *[9] * 7]), "'indptr' must start at 0 and not descend"),
    (change("indptr", [1] * 10), "'indptr' must start at 0 and not descend"),
    (change("indptr", np.linspace(0, 20, 10)), r"'indptr' is float64 \(10,\), but a vector of who"),
    (change("data", np.ones((3, 3))), r"'data' is float64 \(3, 3\), but a vector of numbers is"),
    (change("data", [1, 2]), r"'indptr' ends at \d+, but 'data' has 2 numbers"),
    (change("barcodes", np.arange(9)), "'barcodes' holds no vector of texts"),
    (change("barcodes", np.array([b"\xff"] * 9)), "UnicodeDecodeError"),
    (change("barcodes", np.array([b"a"] * 9)), "has cell names more than once: 'a'"),
    (change("genes", np.array([b"a"] * 6)), "has gene names more than once: 'a'"),
]


@pytest.mark.parametrize(("broken", "message"), BROKEN)
def test_bad_files_are_refused(tmp_path, broken, message):
    path = write_10x(tmp_path / "x.h5", counts() + 1, types=("i4", "i4", "i8"))
    with h5py.File(path, "a") as file:
        broken(file["mm10"])
    with pytest.raises(ValueError, match=rf"x\.h5 .*{message}"):
        TenxFile(path).read()


def test_a_feature_twice_in_a_cell_is_refused(tmp_path):
    path = write_10x(tmp_path / "x.h5", counts() + 1)
    with h5py.File(path, "a") as file:
        # The last of the second cell and the first of the third: no repeat.
        file["mm10/indices"][2 * N_GENES + 1] = 0
    with pytest.raises(ValueError, match=r"cell 2 \(cell2-1\) has 0 where each feature index once"):
        TenxFile(path).read()


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_a_truncated_file_is_refused(tmp_path, test_data, share):
    content = (test_data / "brain_1m/mini_1M_neurons_layout.h5").read_bytes()
    path = tmp_path / "x.h5"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"x\.h5 cannot be read as 10x HDF5 .*OSError"):
        TenxFile(path)


def test_a_damaged_chunk_is_refused(tmp_path):
    path = write_10x(tmp_path / "x.h5", counts())
    with h5py.File(path, "a") as file:
        values = file["mm10/data"][()]
        del file["mm10/data"]
        options = {"chunks": (4,), "compression": "gzip"}
        file["mm10"].create_dataset("data", data=values, **options).id.write_direct_chunk(
            (4,), b"no deflated data"
        )
    with pytest.raises(ValueError, match=r"x\.h5 cannot be read as 10x HDF5 .*OSError"):
        TenxFile(path).read()


@FEW
@given(data=st.data())
def test_a_changed_file_is_read_right_or_refused(tmp_path, data):
    X = counts() + 1
    path = write_10x(tmp_path / "x.h5", X, types=("i4", "i4", "i8"))
    arrays = {}
    with h5py.File(path, "a") as file:
        group = file["mm10"]
        for name in data.draw(st.lists(st.sampled_from(["data", "indices", "indptr"]), max_size=3)):
            values = group[name][()]
            place = data.draw(st.integers(0, len(values) - 1))
            values[place] = data.draw(st.integers(-3, 60))
            if data.draw(st.booleans()):
                values = np.delete(values, place)
            del group[name]
            group[name] = values
        arrays = {name: group[name][()].tolist() for name in ("data", "indices", "indptr")}
    try:
        found = TenxFile(path).read().X.toarray()
    except ValueError as error:
        message = str(error)
    else:
        message = None
    expected = by_hand(**arrays)
    if message is None:
        assert expected is not None
        np.testing.assert_array_equal(found, expected)
    else:
        assert expected is None, message
        assert str(path) in message


def by_hand(data, indices, indptr):
    """The matrix, cell by cell, or None where a rule is broken."""
    if len(indptr) != N_CELLS + 1 or indptr[0] or sorted(indptr) != indptr:
        return None
    if not len(data) == len(indices) == indptr[-1] or min(data, default=0) < 0:
        return None
    X = np.zeros((N_CELLS, N_GENES))
    for cell, (start, stop) in enumerate(zip(indptr[:-1], indptr[1:], strict=True)):
        here = indices[start:stop]
        if len(set(here)) < len(here) or not set(here) <= set(range(N_GENES)):
            return None
        X[cell, here] = data[start:stop]
    return X


# Folders


def write_mtx(folder, X, *, version=3, kinds=None, prefix=""):
    """Write a folder of Cell Ranger 2 or 3."""
    folder.mkdir(exist_ok=True)
    suffix = ".gz" if version == 3 else ""
    n_cells, n_features = X.shape
    matrix = folder / f"{prefix}matrix.mtx"
    scipy.io.mmwrite(matrix, sparse.coo_matrix(X.T), field="integer")
    if suffix:
        (folder / f"{prefix}matrix.mtx.gz").write_bytes(gzip.compress(matrix.read_bytes()))
        matrix.unlink()
    kinds = [GENES] * n_features if kinds is None else kinds
    features = [f"ENS{i}\tGene{i // 2}" for i in range(n_features)]
    if version == 3:
        features = [f"{line}\t{kind}" for line, kind in zip(features, kinds, strict=True)]
    for name, lines in (
        ("barcodes", [f"cell{i}-1" for i in range(n_cells)]),
        ("features" if version == 3 else "genes", features),
    ):
        content = "".join(f"{line}\n" for line in lines).encode()
        path = folder / f"{prefix}{name}.tsv{suffix}"
        path.write_bytes(gzip.compress(content) if suffix else content)
    return folder


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("prefix", ["", "GSM1_"])
def test_folders_of_both_versions(tmp_path, version, prefix):
    X = counts()
    folder = write_mtx(tmp_path / "x", X, version=version, prefix=prefix)
    file = folder / f"{prefix}matrix.mtx{'.gz' if version == 3 else ''}"
    found = read_mtx(file if prefix else folder, shape=X.shape)
    assert found.X.has_canonical_format
    np.testing.assert_array_equal(found.X.toarray(), X)
    assert list(found.cells[:2]) == ["cell0-1", "cell1-1"]
    assert (found.genes[3], found.symbols[3]) == ("ENS3", "Gene1")
    data = read_file(file)
    np.testing.assert_array_equal(data.X.toarray(), X)
    assert data.var_names[3] == "ENS3"  # symbols occur twice


def test_folders_are_read_as_scanpy_reads_them(tmp_path):
    import scanpy as sc

    kinds = [GENES, "Antibody Capture", GENES, GENES, GENES, GENES]
    folder = write_mtx(tmp_path / "x", counts(), kinds=kinds)
    expected = sc.read_10x_mtx(folder, var_names="gene_ids")  # leaves out antibodies, too
    found = read_mtx(folder)
    np.testing.assert_array_equal(found.X.toarray(), expected.X.toarray())
    np.testing.assert_array_equal(found.genes, expected.var_names)
    np.testing.assert_array_equal(found.symbols, expected.var["gene_symbols"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("6 9 ", "7 9 ", "has 7 features and 9 cells, but genes.tsv has 6 lines and the barco"),
        ("6 9 54", "6 9", "has '6 9' in line 3, where the numbers of features, cells and entries"),
        ("integer", "complex", "begins with '.* complex general', but '.* integer general' or"),
        ("general", "symmetric", "begins with '.* integer symmetric', but"),
        ("\n1 1 1\n", "\n1 1 -1\n", "has '-1' in line 4, where a finite number from 0 is expected"),
        ("\n1 1 1\n", "\n1 1 x\n", "has 'x' in line 4, where a finite number from 0 is expected"),
        ("\n1 1 1\n", "\n1 1\n", "has 2 fields in line 4, but feature, cell and value are expe"),
        ("\n1 1 1\n", "\n\n1  1\n", "has 2 fields in line 5, but feature, cell and value"),
        ("\n1 1 1\n", "\n0 1 1\n", "has feature 0 and cell 1 in line 4, where whole numbers from"),
        ("\n1 1 1\n", "\n1.5 1 1\n", "has feature 1.5 and cell 1 in line 4"),
        ("\n1 1 1\n", "\n7 1 1\n", "has feature 7 and cell 1 in line 4, .* from 1 to 6 and to 9"),
        ("\n1 1 1\n", "\n", "has 53 entries, but its head says 54. It is not whole"),
        ("\n1 1 1\n", "\n1 2 1\n", "mtx has 1 entries more than once"),
        ("\n1 1 1\n", "\n1 1 1\n1 2 1\n", "has 55 entries, but its head says 54"),
    ],
)
def test_bad_folders_are_refused(tmp_path, old, new, message):
    X = np.ones((N_CELLS, N_GENES), int)
    folder = write_mtx(tmp_path / "x", X, version=2)
    path = folder / "matrix.mtx"
    content = path.read_text()
    assert content.count(old) >= 1
    path.write_text(content.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read_mtx(folder)


def test_missing_parts_of_a_folder_are_named(tmp_path):
    folder = write_mtx(tmp_path / "x", counts())
    (folder / "features.tsv.gz").unlink()
    names = "features.tsv or features.tsv.gz or genes.tsv or genes.tsv.gz"
    with pytest.raises(FileNotFoundError, match=re.escape(f"There is no file {names} in")):
        read_mtx(folder)
    with pytest.raises(FileNotFoundError, match=r"There is no file matrix.mtx or matrix.mtx.gz"):
        read_mtx(tmp_path)


@FEW
@given(data=st.data())
def test_a_changed_folder_is_read_right_or_refused(tmp_path, data):
    X = counts()
    folder = write_mtx(tmp_path / "x", X, version=2)
    path = folder / "matrix.mtx"
    content = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        added = data.draw(st.sampled_from([b"", b"0", b"7", b"-", b" ", b"\n", b"x", b".5", b"\0"]))
        content = content[:place] + added + content[place + data.draw(st.integers(0, 2)) :]
    path.write_bytes(content)
    try:
        found = read_mtx(folder)
    except ValueError as error:
        message = str(error)
    else:
        message = None
    if message is not None:
        assert str(path) in message
        return
    lines = [line.split() for line in content.decode().splitlines() if line[:1] != "%"]
    lines = [line for line in lines if line]
    expected = np.zeros((N_CELLS, N_GENES))
    assert [int(n) for n in lines[0]] == [N_GENES, N_CELLS, len(lines) - 1], content
    for feature, cell, value in lines[1:]:
        expected[int(cell) - 1, int(feature) - 1] += float(value)
    np.testing.assert_array_equal(found.X.toarray(), expected)
