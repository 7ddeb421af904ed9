"""Run with `pytest tests/unit/test_prepare.py`."""

import gzip
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scscope.data import read_dataset, top_genes, write_dataset
from scscope.datasets.files import read_file
from scscope.datasets.prepare import MAX_COUNT, MIN_CELLS, prepare, read_labels

N_CELLS, N_GENES = 40, 6


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(2, (N_CELLS, N_GENES)) + 1


@pytest.fixture
def data(counts):
    """Clean counts with a label and a batch for every cell."""
    obs = pd.DataFrame(index=[f"c{i}" for i in range(N_CELLS)])
    obs["type"] = pd.Categorical(["T", "B"] * (N_CELLS // 2))
    obs["donor"] = [1] * 10 + [2] * 30
    var = pd.DataFrame({"length": 1.0}, index=[f"g{i}" for i in range(N_GENES)])
    data = ad.AnnData(counts, obs=obs, var=var, layers={"other": counts})
    data.obsm["X_umap"] = np.zeros((N_CELLS, 2))
    return data


def with_value(data, value, dtype=np.float64):
    """The same data with another value in cell c3, gene g2."""
    X = data.X.astype(dtype)
    X[3, 2] = value
    data.X = X
    return data


def label_table(path, rows):
    path.write_text("cell,type,tissue\n" + "".join(f"{','.join(row)}\n" for row in rows))
    return path


# The contract


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.asfortranarray,
        sparse.csr_matrix,
        sparse.csc_matrix,
        sparse.csr_array,
        lambda X: X.astype(np.uint8),
        lambda X: X.astype(np.float64),
    ],
)
def test_result_fulfils_the_contract_whatever_the_matrix_was(data, counts, form):
    data.X = form(counts)
    result = prepare(data, label="type", batch="donor")
    assert sparse.isspmatrix_csr(result.X)
    assert result.X.dtype == np.float32
    np.testing.assert_array_equal(result.X.toarray(), counts)
    assert set(result.obs) == {"label", "batch"}
    assert list(result.obs["label"]) == list(data.obs["type"])
    assert list(result.obs["batch"]) == ["1"] * 10 + ["2"] * 30
    assert not result.layers
    assert not result.obsm
    assert result.uns == {
        "values": "counts",
        "dropped_cells": 0,
        "dropped_genes": 0,
        "dropped_unlabelled": 0,
    }


def test_what_was_given_stays_as_it_was(data):
    X = sparse.csr_matrix(data.X)
    X.data[:5] = 0  # stored zeros
    data.X = X
    before = data.copy()
    prepare(data, label="type", n_top_genes=3)
    assert (data.X != before.X).nnz == 0
    assert data.X.nnz == before.X.nnz
    assert data.obs.equals(before.obs)


def test_result_can_be_written_and_read(tmp_path, data):
    card = write_dataset(prepare(data, label="type", batch="donor"), tmp_path / "x.h5ad")
    assert (card["n_cells"], card["n_genes"], card["n_labels"]) == (N_CELLS, N_GENES, 2)
    assert list(read_dataset(tmp_path / "x.h5ad").batch[9:11]) == ["1", "2"]


def test_without_label_and_batch_there_are_none(data):
    assert list(prepare(data).obs.columns) == []


# Values


@pytest.mark.parametrize(
    ("value", "values", "message"),
    [
        (0.5, "counts", "1 values are not allowed, the first 0.5 in cell 'c3', gene 'g2': .*whole"),
        (0.5, "counts", "data that are not counts are declared `values: continuous`"),
        (-1, "counts", "the first -1.0 in cell 'c3', gene 'g2'"),
        (MAX_COUNT + 1, "counts", "the first 16777217.0 .* whole numbers from 0 to 16777216"),
        (np.nan, "counts", "the first nan in cell 'c3', gene 'g2'"),
        (np.inf, "counts", "the first inf in cell 'c3', gene 'g2'"),
        (
            -0.5,
            "continuous",
            "the first -0.5 .*`values: continuous` takes finite numbers not below",
        ),
        (np.nan, "continuous", "the first nan in cell 'c3', gene 'g2'"),
        (-np.inf, "continuous", "the first -inf in cell 'c3', gene 'g2'"),
        (1e39, "continuous", "the first 1e[+]39 in cell"),
    ],
)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_values_that_are_not_allowed_are_refused(data, value, values, message, form):
    data = with_value(data, value)
    data.X = form(data.X)
    with pytest.raises(ValueError, match=message):
        prepare(data, values=values)


def test_all_values_that_are_not_allowed_are_counted(data):
    data.X = data.X + 0.25
    with pytest.raises(ValueError, match=rf"{N_CELLS * N_GENES} values .* in cell 'c0', gene 'g0'"):
        prepare(data)


def test_negative_integers_are_refused(data):
    with pytest.raises(ValueError, match="the first -7 in cell 'c3', gene 'g2'"):
        prepare(with_value(data, -7, np.int32))


def test_largest_count_and_continuous_values_are_kept(data):
    assert prepare(with_value(data, MAX_COUNT)).X.max() == MAX_COUNT
    result = prepare(with_value(data, 0.25), values="continuous")
    assert result.X[3, 2] == 0.25
    assert result.uns["values"] == "continuous"


def test_text_values_are_refused(data):
    text = ad.AnnData(np.array([["a"]], dtype=object))
    with pytest.raises(ValueError, match="The matrix holds object values. `values: counts` takes"):
        prepare(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"values": "log"}, "`values` is 'log'. Allowed: counts, continuous"),
        ({"unlabelled": "keep"}, "`unlabelled` is 'keep'. Allowed: refuse, drop"),
        ({"n_top_genes": 1}, "`n_top_genes` is 1, but at least 2 are needed"),
        ({"label": "celltype"}, "no obs column 'celltype' for `label`. Columns: type, donor"),
        ({"batch": "lane"}, "no obs column 'lane' for `batch`. Columns: type, donor"),
    ],
)
def test_options_name_what_is_allowed(data, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(data, **options)


# Names


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_names_that_occur_twice_are_refused(data):
    data.obs_names = ["a", "a", "b", "b", "c", "c", "d", "d", *data.obs_names[8:]]
    with pytest.raises(ValueError, match="4 cell names .* once: 'a', 'b', 'c' and 1 more. Rename"):
        prepare(data)
    data.obs_names_make_unique()
    data.var_names = ["x"] * N_GENES
    with pytest.raises(ValueError, match="1 gene names occur more than once: 'x'"):
        prepare(data)


# Empty cells and genes


def test_cells_and_genes_without_counts_are_dropped_with_a_warning(data, caplog):
    data.X[[0, 5]] = 0
    data.X[:, 4] = 0
    data.layers["true"] = np.arange(data.X.size).reshape(data.shape)
    with caplog.at_level(logging.WARNING, logger="scscope.datasets"):
        result = prepare(data, label="type")
    assert result.shape == (N_CELLS - 2, N_GENES - 1)
    assert (result.uns["dropped_cells"], result.uns["dropped_genes"]) == (2, 1)
    assert [record.message for record in caplog.records] == [
        "Nothing is observed for 2 of 40 cells: dropped",
        "Nothing is observed for 1 of 6 genes: dropped",
    ]
    np.testing.assert_array_equal(result.X.toarray(), data[result.obs_names, result.var_names].X)
    np.testing.assert_array_equal(
        result.layers["true"].toarray(), data[result.obs_names, result.var_names].layers["true"]
    )
    assert list(result.obs["label"]) == list(data.obs["type"][result.obs_names])


def test_genes_seen_only_in_unlabelled_cells_are_dropped(data):
    data.X[1:, 4] = 0
    data.obs["type"] = [None, *data.obs["type"][1:]]
    result = prepare(data, label="type", unlabelled="drop")
    assert result.shape == (N_CELLS - 1, N_GENES - 1)


def test_values_too_small_for_float32_count_as_unseen(data):
    data.X = data.X.astype(float)
    data.X[0] = 1e-60
    assert prepare(data, values="continuous").uns["dropped_cells"] == 1


def test_too_few_cells_or_genes_are_refused(data):
    assert prepare(data[:MIN_CELLS]).n_obs == MIN_CELLS
    data.X[9:] = 0
    with pytest.raises(
        ValueError, match="9 cells x 6 genes are left, but at least 31 cells are needed"
    ):
        prepare(data)
    data.X[:, 1:] = 0
    data.X[:, 0] = 1
    with pytest.raises(ValueError, match="1 genes are left, but at least 2 are needed"):
        prepare(data)
    data.X[:] = 0
    with pytest.raises(ValueError, match="0 cells x 0 genes are left"):
        prepare(data, n_top_genes=2)


# True values


@pytest.mark.parametrize(("value", "shown"), [(-2, "-2.0"), (np.nan, "nan"), (np.inf, "inf")])
def test_bad_true_values_are_refused(data, value, shown):
    true = data.X.astype(float)
    true[3, 2] = value
    data.layers["true"] = true
    with pytest.raises(ValueError, match=f"{shown} in cell 'c3', gene 'g2': true values are"):
        prepare(data)


def test_true_values_need_not_be_whole(data):
    data.layers["true"] = data.X + 0.5
    true = prepare(data).layers["true"]
    assert sparse.isspmatrix_csr(true)
    assert true.dtype == np.float32
    np.testing.assert_array_equal(true.toarray(), data.X + 0.5)


# Labels and batches


@pytest.mark.parametrize(
    "column",
    [
        [None, "", "NA", np.nan, *"ab" * 18],
        pd.Categorical([None, "", "NA", "nan", *"ab" * 18]),
        [np.nan] * 4 + [1.0] * 36,
        pd.array([None] * 4 + [1] * 36, dtype="Int64"),
    ],
    ids=["text", "categories", "floats", "integers"],
)
def test_cells_without_label_are_refused_or_dropped(data, column):
    data.obs["type"] = column
    message = "4 of 40 cells have no label: 'c0', 'c1', 'c2' and 1 more. `unlabelled: drop` leaves"
    with pytest.raises(ValueError, match=message):
        prepare(data, label="type")
    result = prepare(data, label="type", unlabelled="drop")
    assert list(result.obs_names) == list(data.obs_names[4:])
    assert result.uns["dropped_unlabelled"] == 4
    assert result.uns["dropped_cells"] == 0
    assert result.obs["label"].notna().all()


def test_empty_cells_need_no_label(data):
    data.X[0] = 0
    data.obs["type"] = [None, *data.obs["type"][1:]]
    assert prepare(data, label="type").n_obs == N_CELLS - 1


def test_data_without_any_label_are_refused_even_with_drop(data):
    data.obs["type"] = None
    with pytest.raises(ValueError, match="40 of 40 cells have no label.*more[.]$"):
        prepare(data, label="type", unlabelled="drop")


def test_cells_without_batch_are_refused(data):
    data.obs["donor"] = [np.nan, *data.obs["donor"][1:]]
    with pytest.raises(ValueError, match="1 of 40 cells have no batch in 'donor': 'c0'. Every"):
        prepare(data, batch="donor")
    data.obs["type"] = [None, *data.obs["type"][1:]]
    assert prepare(data, label="type", batch="donor", unlabelled="drop").n_obs == N_CELLS - 1


def test_labels_from_a_table_are_matched_by_name(tmp_path, data):
    rows = [(cell, cell.upper(), "blood") for cell in reversed(data.obs_names)]
    path = label_table(tmp_path / "labels.csv", [("other", "X", "skin"), *rows])
    result = prepare(data, labels_file=path)
    assert list(result.obs["label"]) == [cell.upper() for cell in data.obs_names]
    result = prepare(data, labels_file=path, label="tissue")
    assert set(result.obs["label"]) == {"blood"}


@pytest.mark.parametrize("name", ["x.csv", "x.tsv.gz", "x.txt"])
@pytest.mark.parametrize("header", ["cell,type", "type"])
def test_label_tables_come_in_the_formats_of_matrices(tmp_path, name, header):
    text = f'{header}\na,"T, CD4"\nb,NA\n'
    if "csv" not in name:
        text = text.replace("T, CD4", "T; CD4").replace(",", "\t").replace("; ", ", ")
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if "gz" in name else content)
    assert read_labels(tmp_path / name) == {"a": "T, CD4", "b": None}


def test_names_that_do_not_match_are_shown_from_both_sides(tmp_path, data):
    path = label_table(tmp_path / "labels.csv", [(f"{c}-1", "a", "b") for c in data.obs_names])
    message = (
        "40 of 40 cells have no label: 'c0', .* The table of labels names 0 of them, and 40 "
        "others: 'c0-1', 'c1-1', 'c2-1' and 37 more. Names must be the same to the letter, and "
        "the first line of the table is its header"
    )
    for unlabelled in ("refuse", "drop"):
        with pytest.raises(ValueError, match=message):
            prepare(data, labels_file=path, unlabelled=unlabelled)


def test_cells_that_the_table_lacks_can_be_dropped(tmp_path, data):
    path = label_table(tmp_path / "labels.csv", [(c, "a", "b") for c in data.obs_names[5:]])
    with pytest.raises(ValueError, match="5 of 40 .* names 35 of them, and 0 others: none"):
        prepare(data, labels_file=path)
    result = prepare(data, labels_file=path, unlabelled="drop")
    assert list(result.obs_names) == list(data.obs_names[5:])


@pytest.mark.parametrize(
    ("rows", "label", "message"),
    [
        ([("c1", "a", "b"), ("c1", "a", "b")], None, "labels.csv has cells more than once: 'c1'"),
        ([("c1", "a", "b")], "cluster", "no column 'cluster'. Its columns: type, tissue"),
        ([], None, "has a header line but no rows"),
    ],
)
def test_bad_label_tables_are_refused(tmp_path, rows, label, message):
    with pytest.raises(ValueError, match=message):
        read_labels(label_table(tmp_path / "labels.csv", rows), label)


# Gene selection


@pytest.mark.parametrize("values", ["counts", "continuous"])
def test_genes_are_selected_after_empty_ones_are_dropped(data, values):
    data.X[:, 0] = 0
    data.X[0] = 0
    data.layers["true"] = data.X * 2
    result = prepare(data, values=values, n_top_genes=3)
    seen = sparse.csr_matrix(data.X[1:, 1:], dtype=np.float32)
    assert list(result.var_names) == [f"g{i + 1}" for i in top_genes(seen, 3)]
    np.testing.assert_array_equal(result.layers["true"].toarray(), 2 * result.X.toarray())


def test_cells_that_gene_selection_empties_are_dropped(data, caplog):
    # g0 and g1 vary most; c0 has neither.
    data.X[:] = 1
    data.X[1::2, 0] = 50
    data.X[2::2, 1] = 50
    data.X[0, :2] = 0
    result = prepare(data, n_top_genes=2)
    assert list(result.var_names) == ["g0", "g1"]
    assert list(result.obs_names) == list(data.obs_names[1:])
    assert result.uns["dropped_cells"] == 1
    assert "Nothing is observed in the selected genes for 1 of 40 cells" in caplog.text


def test_more_genes_than_there_are_keeps_all(data):
    assert prepare(data, n_top_genes=100).n_vars == N_GENES


# Real excerpts


def test_brain_excerpt(test_data):
    source = read_file(test_data / "brain_1m/mini_1M_neurons_layout.h5")
    result = prepare(source)
    assert result.shape == (9_999, 715)
    assert (result.uns["dropped_cells"], result.uns["dropped_genes"]) == (1, 285)  # its README
    assert result.X.sum(dtype=np.float64) == source.X.sum(dtype=np.float64)


def test_labelled_excerpt(test_data):
    path = test_data / "labelled/mudan_reference_2140.h5ad"
    result = prepare(read_file(path), label="label", n_top_genes=1000)
    assert result.shape == (2140, 1000)
    sizes = result.obs["label"].value_counts()
    assert (len(sizes), sizes.min(), sizes.max()) == (9, 43, 769)  # its README


def test_splatter_data(reference):
    source = read_file(reference / "splatter/demo_1.h5ad", true_layer="true_counts")
    result = prepare(source, label="Group", batch="Batch")
    assert list(result.obs["label"].value_counts().sort_index()) == [408, 428, 400, 389, 375]
    assert result.X.sum(dtype=np.float64) == 102038202  # its README, as the groups and the next sum

    # Dropout has hidden some genes wholly: their true values go with them.
    hidden = source.X.toarray().max(axis=0) == 0
    assert result.shape == (2000, 500 - hidden.sum())
    lost = source.layers["true"].toarray()[:, hidden].sum()
    assert result.layers["true"].sum(dtype=np.float64) == 122640058 - lost


def test_transcript_counts_that_are_not_whole_need_continuous(test_data):
    source = read_file(test_data / "intestine/grun2016_intestine.h5ad")
    with pytest.raises(ValueError, match="`values: continuous`"):
        prepare(source)
    result = prepare(source, values="continuous")
    dense = source.X.toarray()
    assert result.shape == (dense.any(axis=1).sum(), dense.any(axis=0).sum())
    assert result.X.max() == np.float32(dense.max())
