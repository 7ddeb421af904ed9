"""Rules of the real sets, on stand-ins with the real names: no value here is a result."""

import gzip
import io
import tarfile

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scscope.data import read_dataset, write_dataset
from scscope.datasets import brain, cbmc, intestine, mca, retina, splitseq
from scscope.datasets.prepare import finish
from scscope.datasets.record import Record, pairs_of
from scscope.datasets.sets import PART_OF, SETS, unit_of
from tests import standins


@pytest.fixture(scope="module")
def retina_raw(tmp_path_factory, test_data):
    folder = tmp_path_factory.mktemp("retina")
    standins.write_retina(folder, test_data)
    return folder


@pytest.fixture
def few_genes(monkeypatch):
    """Stand-ins have few genes; everything else of the rules stays."""
    monkeypatch.setattr(retina, "N_GENES", 12)
    monkeypatch.setattr(intestine, "N_GENES", 12)
    monkeypatch.setattr(cbmc, "N_GENES", 30)
    monkeypatch.setattr(splitseq, "N_GENES", 6)


def steps(record):
    return [(step["n_cells"], step["n_genes"]) for step in record.steps]


def test_retina_keeps_the_labelled_cells_under_their_own_label(retina_raw, few_genes, test_data):
    record = Record()
    data = retina.retina(retina_raw, record)
    assert steps(record) == [(49_300, 12), (44_808, 12)]
    labels = pd.read_csv(
        test_data / "retina" / retina.LABELS, sep="\t", header=None, index_col=0, dtype=str
    )[1]
    assert (data.obs["label"] == labels[data.obs_names]).all()
    published = pd.read_csv(test_data / "retina/cluster_to_celltype.csv").set_index("cluster")
    sizes = data.obs["label"].value_counts()
    assert {int(name): n for name, n in sizes.items()} == dict(published["n_cells"])
    assert dict(data.obs["batch"].value_counts())["p1"] == 3_226


def test_retina_types_are_the_published_ranges(retina_raw, few_genes, test_data):
    published = pd.read_csv(test_data / "retina/cluster_to_celltype.csv")
    groups = published.groupby("cell_type")["cluster"].agg(list).tolist()
    ours = pd.Series({c: retina.type_of(c) for c in published["cluster"]})
    assert sorted(groups) == sorted(ours.index[ours == name].tolist() for name in retina.TYPES)
    data = retina.retina(retina_raw, Record(), truth="types")
    assert data.obs["label"].value_counts()["rods"] == 29_400
    assert data.obs["label"].nunique() == 12
    with pytest.raises(ValueError, match="no cluster 40: they are 1 to 39"):
        retina.type_of(40)


def test_retina_of_another_shape_stops_with_both_numbers(retina_raw):
    with pytest.raises(ValueError, match="genes of GSE63472.*: 12, but it must be 24,658"):
        retina.retina(retina_raw, Record())


def test_a_label_without_its_cell_is_named(retina_raw, few_genes, tmp_path):
    (tmp_path / retina.MATRIX).symlink_to(retina_raw / retina.MATRIX)
    text = (retina_raw / retina.LABELS).read_text()
    (tmp_path / retina.LABELS).write_text(text.replace("r1_GGCCGCAGTCCG", "r9_GGCCGCAGTCCG"))
    with pytest.raises(ValueError, match="lacks 1 names: 'r9_GGCCGCAGTCCG'"):
        retina.retina(tmp_path, Record())
    (tmp_path / retina.LABELS).write_text(text.replace("\t39\n", "\t3\n"))
    with pytest.raises(ValueError, match=r"clusters of retina_clusteridentities.txt: .*'39'"):
        retina.retina(tmp_path, Record())


def test_pairs_are_refused_if_ragged_or_doubled(tmp_path):
    path = tmp_path / "labels.txt"
    for text, words in (("a\t1\nb\n", "line 2: 'b'"), ("a\t1\na\t2\n", "line 2: 'a' is there")):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            pairs_of(path, "\t")
    whole = tmp_path / "labels.txt.gz"
    whole.write_bytes(gzip.compress(b"a\t1\rb\t2\r"))
    assert pairs_of(whole, "\t") == {"a": "1", "b": "2"}
    whole.write_bytes(whole.read_bytes()[:-9])
    with pytest.raises(ValueError, match="truncated or damaged"):
        pairs_of(whole, "\t")


@pytest.fixture(scope="module")
def cbmc_raw(tmp_path_factory, test_data):
    folder = tmp_path_factory.mktemp("cbmc")
    standins.write_cbmc(folder, test_data)
    return folder


def test_cbmc_keeps_the_known_human_cells_and_their_classes(cbmc_raw, few_genes, test_data):
    record = Record()
    data = cbmc.cbmc(cbmc_raw, record, truth="published")
    assert steps(record) == [(8_617, 30), (8_005, 30), (8_005, 20), (7_834, 20)]
    assert set(data.obs_names) <= set(standins.human_barcodes(test_data))
    assert data.var_names[0] == "G0"
    labels = pd.read_csv(
        test_data / "cbmc" / cbmc.LABELS, header=None, lineterminator="\r", index_col=0
    )[1]
    assert (data.obs["label"] == labels[data.obs_names]).all()
    assert set(labels) - set(data.obs["label"]) == {"Mouse", "Unknown"}
    assert data.obs["label"].nunique() == 11


def test_cbmc_of_another_number_or_other_cells_stops(tmp_path, few_genes, test_data, monkeypatch):
    standins.write_cbmc(tmp_path, test_data, n_human_cells=8_004)
    with pytest.raises(ValueError, match=r"human cells of .*: 8,004, but it must be 8,005"):
        cbmc.cbmc(tmp_path, Record())
    monkeypatch.setattr(cbmc, "N_HUMAN", 8_004)
    with pytest.raises(ValueError, match="sha256 of the human barcodes"):
        cbmc.cbmc(tmp_path, Record())


def test_the_clr_of_the_counts_is_that_of_geo(test_data):
    counts, published = (
        pd.read_csv(test_data / "cbmc" / name, index_col=0).T for name in (cbmc.ADT, cbmc.CLR)
    )
    difference = np.abs(cbmc.centred_log_ratio(counts.to_numpy()) - published.to_numpy())
    assert difference.max() < 1e-12


def test_a_clr_of_other_counts_is_refused(cbmc_raw, few_genes, tmp_path):
    for path in cbmc_raw.iterdir():
        (tmp_path / path.name).symlink_to(path)
    table = pd.read_csv(cbmc_raw / cbmc.ADT, index_col=0)
    table.iloc[3, 5] += 1
    (tmp_path / cbmc.ADT).unlink()
    table.to_csv(tmp_path / cbmc.ADT)
    with pytest.raises(ValueError, match="differs by .* from the centred log ratio"):
        cbmc.cbmc(tmp_path, Record())


def test_antibodies_are_clustered_the_same_each_time_and_recorded(test_data):
    """On 300 cells; that the real truth comes out is a workflow test."""
    counts = pd.read_csv(test_data / "cbmc" / cbmc.ADT, index_col=0).iloc[:, :300].T
    records = [Record(), Record()]
    labels = [
        cbmc._antibody_clusters(cbmc.centred_log_ratio(counts.to_numpy()), record)
        for record in records
    ]
    assert labels[0] == labels[1]
    assert records[0].facts == records[1].facts
    assert len(set(labels[0])) > 2
    assert f"{len(set(labels[0]) - {'none'})} clusters" in records[0].facts["truth"]


@pytest.mark.workflow
def test_the_real_truth_of_cbmc_is_the_one_on_record(cbmc_raw, few_genes):
    record = Record()
    data = cbmc.cbmc(cbmc_raw, record)
    assert (
        f"17 clusters, 0 cells in none; sha256 of the labels in the order of the cells {cbmc.TRUTH}"
        in (record.facts["truth"])
    )
    assert record.notes == []
    assert data.obs["label"].value_counts().max() == 1_865


def test_intestine_counts_each_condition_and_mouse(tmp_path, few_genes, test_data):
    standins.write_intestine(tmp_path)
    record = Record()
    data = intestine.intestine(tmp_path, record)
    assert steps(record) == [(9_842, 12)]
    assert record.notes == []
    mice = pd.read_csv(test_data / "intestine/haber_counts.csv", index_col=0)
    assert list(mice.columns) == list(intestine.TYPES)
    found = data.obs.groupby(["batch", "label"]).size().unstack(fill_value=0)
    assert sorted(map(tuple, found[mice.columns].to_numpy())) == sorted(map(tuple, mice.to_numpy()))
    assert found.index.str.endswith("Control").sum() == 4


def test_intestine_with_a_cell_less_stops_with_both_numbers(tmp_path, few_genes):
    standins.write_intestine(tmp_path, without=1)
    with pytest.raises(ValueError, match=r"condition Salmonella .*: 1,769, but it must be 1,770"):
        intestine.intestine(tmp_path, Record())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("B1_AAAC_Control", "is not named mouse_barcode_condition_type"),
        ("B1_AAAC_Control_Stem_2", "is not named mouse_barcode_condition_type"),
        ("B1_AAAC_Salm_Stem", "unknown condition 'Salm'. Known: Control, Salmonella"),
        ("B1_AAAC_Control_Paneth", "unknown type 'Paneth'"),
    ],
)
def test_names_of_another_form_are_refused(name, words):
    with pytest.raises(ValueError, match=words):
        intestine.parts_of(name)


def test_names_of_the_atlas_are_not_those_of_the_infection_study(test_data):
    first = (test_data / "intestine/atlas_tsne.txt").read_text().splitlines()[1].split("\t")[0]
    with pytest.raises(ValueError, match="is not named"):
        intestine.parts_of(first)


@pytest.fixture
def small_brain(monkeypatch):
    monkeypatch.setattr(brain, "N_SUBSET", 200)
    monkeypatch.setattr(brain, "N_CELLS", 200)
    monkeypatch.setattr(brain, "N_GENES", 55)


def test_brain_selects_genes_by_log_tpm(tmp_path, small_brain):
    X = standins.write_brain(tmp_path).toarray()
    record = Record()
    stream = brain.brain_20k(tmp_path, record, n_top_genes=9)
    write_dataset(stream, tmp_path / "brain.h5ad")
    data = read_dataset(tmp_path / "brain.h5ad")
    log = np.log1p(X * 1e6 / X.sum(axis=1, keepdims=True))
    seen = X.sum(axis=0) > 0
    ratio = np.divide(log.var(axis=0), log.mean(axis=0), out=np.zeros(len(seen)), where=seen)
    best = np.sort(np.argsort(-ratio, kind="stable")[:9])
    np.testing.assert_array_equal(data.X.toarray(), X[:, best])
    assert steps(record)[-1] == (200, 9)
    assert set(data.batch) == {str(i) for i in range(1, 134)}


def test_brain_keeps_the_counts_of_its_markers_and_the_totals(tmp_path, small_brain):
    import anndata

    X = standins.write_brain(tmp_path, name=brain.FULL).toarray()
    record = Record()
    stream = brain.brain(tmp_path, record, n_top_genes=5, n_cells=60)
    write_dataset(stream, tmp_path / "brain.h5ad")
    data = anndata.read_h5ad(tmp_path / "brain.h5ad")
    kept = brain.subsample(200, 60)
    assert data.shape == (60, 5)
    np.testing.assert_array_equal(data.obs["total"], X[kept].sum(axis=1))
    np.testing.assert_array_equal(data.obs["counts_C1qb"], X[kept, -1])
    np.testing.assert_array_equal(data.obs["counts_Slc17a6"], X[kept, -13])
    assert "GABAergic: Gad1, Gad2" in record.facts["marker genes"]
    assert "200, where 1,308,421 is stated" in record.notes[0]


def test_brain_reads_the_real_excerpt(tmp_path, monkeypatch, test_data):
    monkeypatch.setattr(brain, "N_SUBSET", 10_000)
    monkeypatch.setattr(brain, "N_GENES", 1_000)
    (tmp_path / brain.SUBSET).symlink_to(test_data / "brain_1m/mini_1M_neurons_layout.h5")
    record = Record()
    card = write_dataset(
        brain.brain_20k(tmp_path, record, n_top_genes=100, n_cells=500), tmp_path / "b.h5ad"
    )
    assert (card["n_cells"], card["n_genes"]) == (500, 100)
    assert record.steps[0]["sparsity"] == pytest.approx(0.931, abs=0.001)
    assert record.steps[1]["n_genes"] == 1_000 - 285
    assert any("Marker genes that the file has not once" in note for note in record.notes)


def test_smaller_subsamples_lie_within_larger_ones():
    sizes = (50, 100, 500)
    chosen = [brain.subsample(1_000, n) for n in sizes]
    assert [mask.sum() for mask in chosen] == list(sizes)
    assert (chosen[0] <= chosen[1]).all()
    assert (chosen[1] <= chosen[2]).all()
    with pytest.raises(ValueError, match="`n_cells` is 1,001, but there are 1,000 cells"):
        brain.subsample(1_000, 1_001)


def test_brain_of_another_size_stops(tmp_path):
    standins.write_brain(tmp_path)
    with pytest.raises(ValueError, match="cells of 1M_neurons_neuron20k.h5: 200, .* 20,000"):
        brain.brain_20k(tmp_path, Record())


def test_lung_joins_three_files_and_keeps_annotated_cells(tmp_path):
    standins.write_lung(tmp_path)
    record = Record()
    data = mca.mca_lung(tmp_path, record)
    assert steps(record) == [(7_090, 14), (6_940, 14)]
    assert dict(data.obs["batch"].value_counts()) == {
        "Lung1": 2_512,
        "Lung2": 1_414,
        "Lung3": 3_014,
    }
    # What a file lacks is zero in its cells, and there in the others.
    first = data[data.obs["batch"] == "Lung1", "Gene14"].X
    third = data[data.obs["batch"] == "Lung3", "Gene14"].X
    assert first.nnz == 0 < third.nnz
    assert "14, where 23,450 is stated" in record.notes[0]
    assert data.obs["label"].nunique() == 5


def test_lung_without_an_annotation_stops_with_both_numbers(tmp_path):
    standins.write_lung(tmp_path)
    lines = (tmp_path / mca.LABELS).read_text().splitlines(keepends=True)
    (tmp_path / mca.LABELS).write_text("".join(lines[:-1]))
    with pytest.raises(
        ValueError, match=r"\(2512, 1414, 3013\), but it must be \(2512, 1414, 3014\)"
    ):
        mca.mca_lung(tmp_path, Record())
    (tmp_path / mca.LABELS).write_text("a,b\n")
    with pytest.raises(ValueError, match=r"has no column Cell\.name, Tissue, Annotation"):
        mca.mca_lung(tmp_path, Record())


def test_atlas_is_read_from_its_archive_and_warns_of_unknown_counts(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    with tarfile.open(tmp_path / mca.ATLAS, "w") as tar:
        for sample in ("GSM1_Brain1", "GSM2_Testis1"):
            tissue = sample[5:-1]
            cells = [f"{tissue}_1.{code}" for code in standins.barcodes(40, 18, rng)]
            rows += [(cell, tissue, "Type") for cell in cells[:30]]
            path = tmp_path / f"{sample}_dge.txt.gz"
            genes = [f"Gene{i}" for i in range(5)]
            standins.write_genes(path, " ".join(cells), genes, standins.counts(5, 40, rng), " ")
            tar.add(path, arcname=f"./{path.name}")
            path.unlink()
        other = tarfile.TarInfo("readme.txt")
        tar.addfile(other, io.BytesIO())
    standins.write_annotations(tmp_path, rows)
    record = Record()
    data = mca.mca_atlas(tmp_path, record)
    assert dict(data.obs["label"].value_counts()) == {"Brain": 30, "Testis": 30}
    assert [note.split(":")[1] for note in record.notes] == [
        " 60, where 405,796 is stated. The rule by which the paper chose its cells is not published; "
        "annotated cells are kept.",
        " 2, where 51 is stated. The rule by which the paper chose its cells is not published; "
        "annotated cells are kept.",
    ]
    assert not list(tmp_path.glob("*dge*"))


def test_splitseq_gives_the_published_shares(tmp_path, few_genes, test_data):
    standins.write_splitseq(tmp_path, test_data)
    record = Record()
    data = splitseq.splitseq(tmp_path, record)
    types = data.obs["label"].value_counts()
    assert types["non-neuronal"] == 27_096
    assert types["unresolved"] == 61_044
    assert types.sum() - types["non-neuronal"] == 128_953
    assert "non-neuronal 17.4 %" in record.facts["shares of all cells"]
    assert set(types.index) == set(splitseq.TYPES)
    for name, kind in (
        ("22 Purkinje Early", "GABAergic"),
        ("28 CB Granule", "glutamatergic"),
        ("32 Nigral Dopaminergic", "other neurons"),
        ("73 OEC", "non-neuronal"),
    ):
        assert splitseq.type_of(name) == kind
    with pytest.raises(ValueError, match="'74 New' .* 1 to 73"):
        splitseq.type_of("74 New")


def test_a_damaged_matlab_file_is_said_to_be_one(tmp_path):
    (tmp_path / splitseq.FILE).write_bytes(gzip.compress(b"MATLAB 5.0 not at all" * 20))
    with pytest.raises(ValueError, match="cannot be read as a gzipped MATLAB 5 file"):
        splitseq.splitseq(tmp_path, Record())


def test_a_finished_set_says_what_was_done(tmp_path, monkeypatch):
    monkeypatch.setattr(intestine, "N_GENES", 12)
    standins.write_intestine(tmp_path)
    record = Record()
    data, dropped = finish(intestine.intestine(tmp_path, record), record, 5)
    card = {**write_dataset(data, tmp_path / "x.h5ad"), **dropped, **record.card()}
    assert [(s["n_cells"], s["n_genes"]) for s in card["steps"]][0] == (9_842, 12)
    assert card["steps"][-1]["n_genes"] == card["n_genes"] == 5
    assert card["steps"][-1]["sparsity"] == pytest.approx(card["sparsity"])
    assert card["n_labels"] == 8
    assert card["n_batches"] == 10
    assert "8 types published by Haber" in card["labels"]


def test_every_set_can_be_loaded_and_has_files():
    from scscope.datasets.catalogue import CATALOGUE

    assert set(SETS) == set(CATALOGUE)
    for real_set in SETS.values():
        assert callable(real_set.load())


def test_files_are_named_as_in_the_catalogue():
    from scscope.datasets.catalogue import files_of

    read = {
        "retina": {retina.MATRIX, retina.LABELS},
        "cbmc": {cbmc.RNA, cbmc.ADT, cbmc.CLR, cbmc.LABELS},
        "intestine": {intestine.MATRIX},
        "brain": {brain.FULL},
        "brain_20k": {brain.SUBSET},
        "mca_lung": {*mca.LUNGS, mca.LABELS},
        "mca_atlas": {mca.ATLAS, mca.LABELS},
        "splitseq": {splitseq.FILE},
    }
    for source, names in read.items():
        assert {file.name for file in files_of(source)} == names


def test_a_sparse_matrix_of_no_entries_has_no_sparsity():
    from anndata import AnnData

    record = Record()
    record.step("nothing", AnnData(sparse.csr_matrix((0, 3))))
    assert record.steps[0]["sparsity"] is None


def test_datasets_of_the_same_cells_are_one_unit():
    datasets = {
        "mca_1k": {"source": "mca_atlas", "n_top_genes": 1000},
        "mca_5k": {"source": "mca_atlas", "n_top_genes": 5000},
        "lung": {"source": "mca_lung"},
        "brain_small": {"source": "brain_20k"},
        "cbmc_all": {"source": "cbmc"},
        "cbmc_heldout": {"source": "heldout", "of": "cbmc_all"},
        "mine": {"source": "file", "path": "a.h5ad"},
        "yours": {"source": "file", "path": "b.h5ad"},
        "mine_heldout": {"source": "heldout", "of": "mine"},
    }
    assert {name: unit_of(name, datasets) for name in datasets} == {
        "mca_1k": "mca_atlas",
        "mca_5k": "mca_atlas",
        "lung": "mca_atlas",
        "brain_small": "brain",
        "cbmc_all": "cbmc",
        "cbmc_heldout": "cbmc",
        "mine": "mine",
        "yours": "yours",
        "mine_heldout": "mine",
    }
    assert {*PART_OF, *PART_OF.values()} <= set(SETS)
