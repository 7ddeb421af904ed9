"""Run with `pytest tests/unit/test_files.py`."""

import csv
import gzip

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import sparse

from scscope.datasets.files import read_file
from scscope.datasets.text import read_table

CELLS = ["c1", "c2", "c3"]
GENES = ["g1", "g2"]
X = np.array([[0, 1], [2, 0], [3, 40]])  # cells x genes

GENES_IN_ROWS = "{corner}c1,c2,c3\ng1,0,2,3\ng2,1,0,40\n"
CELLS_IN_ROWS = "cell,g1,g2\nc1,0,1\nc2,2,0\nc3,3,40\n"


def write(path, text, encoding="utf-8"):
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix.lower() == ".gz" else content)
    return path


def write_10x(path, *, symbols, kinds=None):
    """Write X in the new layout, or in the old one where no feature types are given."""
    matrix = sparse.csr_matrix(X.astype(np.int32))
    n_genes = X.shape[1]
    ids = [f"ENSG{i}" for i in range(n_genes)]
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if kinds else "mm10")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        group["shape"] = [n_genes, len(CELLS)]
        group["barcodes"] = np.array(CELLS, dtype="S")
        if kinds:
            group["features/id"] = np.array(ids, dtype="S")
            group["features/name"] = np.array(symbols, dtype="S")
            group["features/feature_type"] = np.array(kinds, dtype="S")
            group["features/genome"] = np.array(["mm10"] * n_genes, dtype="S")
        else:
            group["genes"] = np.array(ids, dtype="S")
            group["gene_names"] = np.array(symbols, dtype="S")
    return path


def is_example(data):
    names = list(data.obs_names) == CELLS and list(data.var_names) == GENES
    return names and np.array_equal(data.X.toarray(), X)


# Real excerpts


@pytest.fixture(scope="module")
def cd8(test_data):
    path = test_data / "gse100866_other/GSE100866_CD8_merged-RNA_umi.csv.gz"
    return path, read_file(path, cells_in="columns")


def test_reads_an_original_geo_table(cd8):
    path, data = cd8
    assert data.shape == (1774, 11757)
    assert sparse.isspmatrix_csr(data.X)
    prefixes = [name.rsplit("_", 1)[0] for name in data.obs_names]
    sizes = {name: prefixes.count(name) for name in set(prefixes)}
    # From the README of the excerpts.
    assert sizes == {"CD8_off": 522, "CD8_low": 288, "CD8_intermediate": 522, "CD8_high": 442}

    with gzip.open(path, "rt") as file:
        for number, row in enumerate(csv.reader(file)):
            if number == 0:
                assert list(data.obs_names) == row[1:]
            elif number % 1500 == 1:
                assert data.var_names[number - 1] == row[0]
                np.testing.assert_array_equal(
                    data.X[:, [number - 1]].toarray().ravel(), np.array(row[1:], dtype=float)
                )
    assert data.X.sum() == 1686011  # zcat ... | tail -n +2 | cut -d, -f2- | tr ',' '\n' | sum


def test_reads_10x_in_the_old_layout(test_data):
    path = test_data / "brain_1m/mini_1M_neurons_layout.h5"
    data = read_file(path)
    with h5py.File(path) as file:
        group = file["mm10"]
        parts = tuple(group[name][()] for name in ("data", "indices", "indptr"))
        expected = sparse.csc_matrix(parts, shape=group["shape"][()]).T
        cells, ids = group["barcodes"].asstr()[()], group["genes"].asstr()[()]
    assert data.shape == (10_000, 1_000)
    assert abs(data.X - expected).max() == 0
    np.testing.assert_array_equal(data.obs_names, cells)
    # 999 distinct symbols for 1,000 genes.
    np.testing.assert_array_equal(data.var_names, ids)


def test_reads_cells_in_rows(test_data):
    data = read_file(test_data / "retina/macosko_r1_subset_300x259.csv", cells_in="rows")
    other = read_file(test_data / "retina/macosko_r1_subset_300x259.h5ad")
    assert data.shape == (300, 259)
    assert list(data.obs_names) == list(other.obs_names)
    assert list(data.var_names) == list(other.var_names)
    assert abs(data.X - other.X).max() == 0


def test_reads_layers_of_h5ad(reference):
    path = reference / "splatter/demo_1.h5ad"
    data = read_file(path, true_layer="true_counts")
    assert (data.X.sum(), data.layers["true"].sum()) == (102038202, 122640058)  # its README
    assert list(data.layers) == ["true"]
    assert "Group" in data.obs
    assert read_file(path, layer="true_counts").X.sum() == 122640058


# What tables may look like


@pytest.mark.parametrize("corner", ["gene,", ",", '"",', ""])
def test_header_may_have_no_field_above_the_row_names(tmp_path, corner):
    path = write(tmp_path / "x.csv", GENES_IN_ROWS.format(corner=corner))
    assert is_example(read_file(path, cells_in="columns"))


@pytest.mark.parametrize("name", ["x.csv", "x.tsv", "x.txt", "x.csv.gz", "x.tsv.gz", "X.TXT.GZ"])
def test_both_orientations_and_all_suffixes_give_the_same(tmp_path, name):
    separator = "," if "csv" in name else "\t"
    for text, cells_in in ((GENES_IN_ROWS, "columns"), (CELLS_IN_ROWS, "rows")):
        path = write(tmp_path / name, text.format(corner="gene,").replace(",", separator))
        assert is_example(read_file(path, cells_in=cells_in))


@pytest.mark.parametrize(
    "text",
    [
        CELLS_IN_ROWS.replace("\n", "\r\n"),
        CELLS_IN_ROWS.replace("\n", "\r"),
        CELLS_IN_ROWS.replace("\n", "\n\n").rstrip(),
        CELLS_IN_ROWS.replace("c1", '"c1"').replace("40", '"4e1"').replace(",0", ",0.0"),
        "\ufeff" + CELLS_IN_ROWS,
    ],
    ids=["windows", "old mac", "blank lines", "quotes", "byte order mark"],
)
def test_dialects(tmp_path, text):
    data = read_file(write(tmp_path / "x.csv", text), cells_in="rows")
    data.X.eliminate_zeros()
    assert is_example(data)


def test_quoted_names_may_hold_the_separator(tmp_path):
    path = write(tmp_path / "x.csv", 'cell,"g,1",g2\n"c ""1""",0,1\n')
    data = read_file(path, cells_in="rows")
    assert (list(data.obs_names), list(data.var_names)) == (['c "1"'], ["g,1", "g2"])


# Bad files


@pytest.mark.parametrize(
    ("text", "cells_in", "message"),
    [
        ("", "rows", r"x\.csv is empty; a header line and rows are expected"),
        ("cell,g1\n", "rows", r"x\.csv has a header line but no rows"),
        ("cell;g1\nc1;1\n", "rows", r"one field in a row; fields are separated by ','"),
        ("a,b,c,d\nc1,1,2\n", "rows", "4 fields in its header line but 3 in its first row"),
        ("a,g1\nc1,1,2,3\n", "rows", "2 fields in its header line but 4 in its first row"),
        ("cell,g1\nc1,1\nc2,1,2\n", "rows", "3 fields in line 3 but 2 in its first row"),
        ("cell,g1\nc1,1\nc2\n", "rows", "1 fields in line 3 but 2 in its first row"),
        (
            "cell,g1,g2\nc1,1,2\nc2,0,NA\n",
            "rows",
            "'NA' in line 3, row 'c2', column 'g2', where a finite",
        ),
        ("cell,g1,g2\nc1,1,\n", "rows", "has '' in line 2, row 'c1', column 'g2'"),
        ("cell,g1,g1\nc1,1,2\n", "rows", "gene names more than once: 'g1'"),
        ("gene,c1,c1\ng1,1,2\n", "columns", "cell names more than once: 'c1'"),
        ("cell,g1\nc1,1\nc1,2\n", "rows", "cell names more than once: 'c1'"),
        ("gene,c1\ng1,1\ng1,2\n", "columns", "gene names more than once: 'g1'"),
        ('cell,g1\n"c1,1\n', "rows", "cannot be read as text. Line 2: Error: unexpected end"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, cells_in, message):
    with pytest.raises(ValueError, match=message):
        read_file(write(tmp_path / "x.csv", text), cells_in=cells_in)


def test_text_that_is_not_utf8_is_refused(tmp_path):
    path = write(tmp_path / "x.csv", "cell,gé\nc1,1\n", encoding="latin-1")
    with pytest.raises(
        ValueError, match=r"x\.csv cannot be read as text. Line 1: UnicodeDecodeError"
    ):
        read_file(path, cells_in="rows")


def test_truncated_gzip_is_refused(tmp_path, test_data):
    content = (test_data / "cbmc/GSE100866_CBMC_8K_13AB_10X-ADT_umi.csv.gz").read_bytes()
    (tmp_path / "x.csv.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"x\.csv\.gz cannot be read as gzipped text. EOFError"):
        read_file(tmp_path / "x.csv.gz", cells_in="columns")


def test_damaged_gzip_is_refused(tmp_path):
    content = bytearray(gzip.compress(CELLS_IN_ROWS.encode()))
    content[-8] ^= 1  # the checksum
    (tmp_path / "x.csv.gz").write_bytes(content)
    with pytest.raises(ValueError, match="gzipped text. BadGzipFile: CRC check failed"):
        read_file(tmp_path / "x.csv.gz", cells_in="rows")


def test_plain_text_named_gz_is_refused(tmp_path):
    (tmp_path / "x.csv.gz").write_text(CELLS_IN_ROWS)
    with pytest.raises(ValueError, match="gzipped text. BadGzipFile: Not a gzipped file"):
        read_file(tmp_path / "x.csv.gz", cells_in="rows")


@pytest.mark.parametrize("kind", ["h5ad", "h5"])
@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_truncated_hdf5_is_refused(tmp_path, test_data, kind, share):
    source = {"h5ad": "brain1m_first10k_cells_1k_genes.h5ad", "h5": "mini_1M_neurons_layout.h5"}
    content = (test_data / "brain_1m" / source[kind]).read_bytes()
    path = tmp_path / f"x.{kind}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=rf"x\.{kind} cannot be read as .*OSError: .*open file"):
        read_file(path)


@pytest.mark.filterwarnings("ignore:.*without encoding metadata")
def test_hdf5_of_another_layout_is_refused(tmp_path, test_data):
    # It has /mm10, but no names.
    with pytest.raises(
        ValueError,
        match=r"large\.h5 cannot be read as 10x HDF5 .*'mm10' lacks barcodes, genes, gene_names",
    ):
        read_file(test_data / "brain_1m/fixture_scvi_brain_large.h5")

    ad.AnnData(X.astype(np.float32)).write_h5ad(tmp_path / "anndata.h5")
    with pytest.raises(
        ValueError, match=r"anndata\.h5 cannot be read as 10x HDF5 .*not one genome but 0"
    ):
        read_file(tmp_path / "anndata.h5")

    path = write_10x(tmp_path / "tenx.h5ad", symbols=GENES)
    with pytest.raises(ValueError, match=r"tenx\.h5ad cannot be read as AnnData.*TypeError"):
        read_file(path)


def test_missing_file_keeps_its_kind_of_error(tmp_path):
    for name, options in (("x.csv", {"cells_in": "rows"}), ("x.h5", {}), ("x.h5ad", {})):
        with pytest.raises(FileNotFoundError, match=rf"There is no file .*{name}"):
            read_file(tmp_path / name, **options)


# Options


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "x.loom",
            {},
            r"x\.loom. Known suffixes: \.h5ad, \.h5, \.mtx, \.mtx\.gz, \.csv, \.tsv, \.txt, \.csv\.gz",
        ),
        ("x.h5ad.gz", {}, "Unknown suffix"),
        ("x.gz", {}, "Unknown suffix"),
        ("x", {}, "Unknown suffix"),
        ("x.csv", {}, "`cells_in` is None.*'columns' says that each column is a cell"),
        ("x.csv", {"cells_in": "cols"}, "`cells_in` is 'cols'.*'rows' that each row is a cell"),
        ("x.h5ad", {"cells_in": "rows"}, "`cells_in` is 'rows', but it is for tables"),
        ("x.h5", {"layer": "a"}, "`layer` and `true_layer` are for h5ad files"),
        (
            "x.csv",
            {"cells_in": "rows", "true_layer": "a"},
            "`layer` and `true_layer` are for h5ad files",
        ),
    ],
)
def test_options_that_do_not_fit_the_format_are_refused(tmp_path, name, options, message):
    with pytest.raises(ValueError, match=message):
        read_file(tmp_path / name, **options)


def test_unknown_layer_names_the_known_ones(tmp_path):
    path = tmp_path / "x.h5ad"
    ad.AnnData(layers={"raw": X, "clean": X}, shape=X.shape).write_h5ad(path)
    with pytest.raises(ValueError, match="no layer 'counts' for `layer`. Its layers: clean, raw"):
        read_file(path, layer="counts")
    with pytest.raises(ValueError, match="no layer 'counts' for `true_layer`"):
        read_file(path, layer="raw", true_layer="counts")
    with pytest.raises(ValueError, match="has no X. Name one of its layers in `layer`: clean, raw"):
        read_file(path)


# 10x, new layout


def test_10x_takes_symbols_where_they_are_unique(tmp_path):
    for kinds in (None, ["Gene Expression"] * 2):
        assert is_example(read_file(write_10x(tmp_path / "x.h5", symbols=GENES, kinds=kinds)))


def test_10x_takes_ids_where_symbols_are_not_unique(tmp_path, recwarn):
    for kinds in (None, ["Gene Expression"] * 2):
        data = read_file(write_10x(tmp_path / "x.h5", symbols=["g1", "g1"], kinds=kinds))
        assert list(data.var_names) == ["ENSG0", "ENSG1"]
    assert not [str(w.message) for w in recwarn if "not unique" in str(w.message)]


def test_10x_leaves_out_what_is_not_gene_expression(tmp_path):
    kinds = ["Gene Expression", "Antibody Capture"]
    data = read_file(write_10x(tmp_path / "x.h5", symbols=GENES, kinds=kinds))
    assert list(data.var_names) == ["g1"]


def test_label_table_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"not a table. Known suffixes: \.csv, \.tsv, \.txt, each"):
        read_table(tmp_path / "labels.xlsx")
