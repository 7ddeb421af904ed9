"""Clustering from file to file."""

import anndata
import numpy as np
import pytest
from scipy import sparse

from scscope.cluster import phenograph, scalable
from scscope.cluster.files import cluster_file, open_latent


@pytest.fixture
def latent():
    rng = np.random.default_rng(0)
    return np.repeat(rng.normal(size=(3, 4)) * 30, 40, axis=0) + rng.normal(size=(120, 4))


@pytest.fixture
def files(tmp_path, latent):
    names = [f"cell {i}" for i in range(len(latent))]
    np.save(tmp_path / "a.npy", latent)
    np.savez(tmp_path / "a.npz", latent=latent)
    np.savez(tmp_path / "two.npz", latent=latent, other=latent)
    cells = anndata.AnnData(np.ones((len(latent), 2)), obsm={"X_pca": latent})
    cells.obs_names = names
    cells.write_h5ad(tmp_path / "a.h5ad")
    rows = [
        ",".join([name, *map(repr, row)]) for name, row in zip(names, latent.tolist(), strict=True)
    ]
    (tmp_path / "a.csv").write_text("\n".join(["cell,x,y,z,w", *rows]) + "\n")
    return tmp_path


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.h5ad", "a.csv"])
@pytest.mark.parametrize("target", ["labels.npy", "labels.tsv", "labels.csv"])
def test_labels_of_every_kind_of_file_are_written(files, latent, name, target):
    found = cluster_file(files / name, files / target, k=15, seed=2)
    expected = phenograph(latent, k=15, seed=2).labels
    assert np.array_equal(found.labels, expected)
    if target == "labels.npy":
        assert np.array_equal(np.load(files / target), expected)
        return
    separator = "," if target.endswith("csv") else "\t"
    header, *rows = (files / target).read_text().splitlines()
    assert header.split(separator) == ["cell", "cluster"]
    cells, labels = zip(*(row.split(separator) for row in rows), strict=True)
    assert list(map(int, labels)) == expected.tolist()
    assert cells[5] == ("cell 5" if name in ("a.h5ad", "a.csv") else "5")


@pytest.mark.parametrize("name", ["a.npy", "a.h5ad"])
def test_scalable_clustering_reads_the_file_itself(files, latent, name):
    with open_latent(files / name) as opened:
        assert type(opened.values) is not np.ndarray
    more = {"k": 10, "seed": 1, "n_subsets": 2, "n_centroids": 30}
    found = cluster_file(files / name, files / "labels.npy", clusterer="scalable", **more)
    assert np.array_equal(found.labels, scalable(latent, **more).labels)


def test_an_array_among_several_is_chosen_by_its_name(files):
    assert (
        cluster_file(files / "two.npz", files / "o.npy", key="other", k=15, seed=0).n_clusters == 3
    )


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (
            "two.npz",
            {},
            "has not one array but several, or none. There is: latent, other. Name one",
        ),
        ("two.npz", {"key": "x"}, "has no array 'x'. There is: latent, other"),
        ("a.h5ad", {"key": "X_umap"}, "has no array 'X_umap'. There is: X_pca"),
        ("a.npy", {"key": "x"}, "holds one array: 'x' can be named for .npz and .h5ad only"),
        (
            "a.npy",
            {"clusterer": "louvain"},
            "Unknown clusterer 'louvain'. Known: phenograph, leiden",
        ),
        ("a.npy", {"k": 120}, "`k` is 120 but `latent` has 120 cells"),
        ("a.npy", {"target": "labels.txt"}, "must end in .npy or .csv or .tsv"),
        ("a.npy", {"target": "there.npy"}, "exists: choose another name"),
        ("flat.npy", {}, "must hold numbers of the shape"),
        ("text.npy", {}, "must hold numbers of the shape"),
        ("broken.npy", {}, "is not a NumPy file of numbers"),
        ("broken.h5ad", {}, "is not an .h5ad file"),
        ("broken.csv", {}, "cell 'a': could not convert"),
        ("twice.csv", {}, "names of cells more than once"),
        ("sparse.h5ad", {}, "is no dense array"),
        ("a.xlsx", {}, "cannot be read: known are .npy, .npz, .h5ad, .csv"),
    ],
)
def test_what_cannot_be_used_is_said_before_work_starts(files, latent, source, settings, message):
    np.save(files / "there.npy", latent)
    np.save(files / "flat.npy", latent[0])
    np.save(files / "text.npy", np.array([["a"], ["b"]]))
    for name in ("broken.npy", "broken.h5ad", "a.xlsx"):
        (files / name).write_text("nothing of the kind")
    (files / "broken.csv").write_text("cell,x\na,b\n")
    (files / "twice.csv").write_text("cell,x\na,1\na,2\n")
    cells = anndata.AnnData(np.ones((3, 2)), obsm={"X": sparse.csr_matrix(np.eye(3))})
    cells.write_h5ad(files / "sparse.h5ad")
    target = files / settings.pop("target", "labels.npy")
    before = target.exists()
    with pytest.raises(ValueError, match=message):
        cluster_file(files / source, target, seed=0, **settings)
    assert target.exists() == before
    assert not list(files.glob(".*.part"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file '.*nowhere.npy'"):
        cluster_file(tmp_path / "nowhere.npy", tmp_path / "o.npy", seed=0)


def test_labels_are_replaced_if_that_is_allowed(files):
    (files / "labels.npy").write_text("old")
    cluster_file(files / "a.npy", files / "labels.npy", k=15, seed=0, overwrite=True)
    assert len(np.load(files / "labels.npy")) == 120
