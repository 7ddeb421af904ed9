import random
import subprocess
import sys
from types import SimpleNamespace

import h5py
import igraph
import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import scscope.cluster
from scscope.cluster import (
    CLUSTERERS,
    best_resolution,
    cluster,
    jaccard_graph,
    kmeans,
    leiden,
    neighbours,
    phenograph,
    scalable,
)
from scscope.cluster.communities import N_ITERATIONS, find_communities
from scscope.cluster.graph import by_size, igraph_seed
from scscope.cluster.resolution import RESOLUTIONS


def blobs(*sizes, n_latent=10, distance=30.0):
    """Groups of cells far from each other, with their labels."""
    rng = np.random.default_rng(0)
    label = np.repeat([f"type {i}" for i in range(len(sizes))], sizes)
    centre = np.repeat(np.eye(len(sizes), n_latent) * distance, sizes, axis=0)
    return centre + rng.normal(size=centre.shape), label


@pytest.fixture(scope="module")
def noise():
    """Cells without groups: Louvain and Leiden find other communities with each seed."""
    return np.random.default_rng(1).normal(size=(200, 20))


def nearest_by_sorting(latent, k):
    distance = np.linalg.norm(latent[:, None] - latent[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return np.argsort(distance, axis=1)[:, :k]


def jaccard_by_sets(latent, k):
    """The weights of PhenoGraph, cell by cell."""
    n_cells = len(latent)
    near = [set(row.tolist()) for row in nearest_by_sorting(latent, k)]
    directed = np.zeros((n_cells, n_cells))
    for i in range(n_cells):
        for j in near[i]:
            shared = len(near[i] & near[j])
            directed[i, j] = shared / (2 * k - shared)
    return (directed + directed.T) / 2


def adjacency(graph):
    weights = np.zeros((graph.vcount(), graph.vcount()))
    for edge in graph.es:
        weights[edge.tuple] = weights[edge.tuple[::-1]] = edge["weight"]
    return weights


@pytest.mark.parametrize("n_latent", [2, 40])
def test_neighbours_are_those_of_a_full_sort(n_latent):
    latent = np.random.default_rng(2).normal(size=(120, n_latent)).astype(np.float32)
    assert np.array_equal(neighbours(latent, 7).index, nearest_by_sorting(latent.astype(float), 7))


@pytest.mark.parametrize("n_latent", [2, 40])
@pytest.mark.parametrize("copies", [2, 20])
def test_a_cell_is_not_its_own_neighbour_even_among_duplicates(n_latent, copies):
    points = np.random.default_rng(3).normal(size=(6, n_latent)) * 10
    latent = np.repeat(points, copies, axis=0)
    found = neighbours(latent, 5).index
    assert all(cell not in row for cell, row in enumerate(found))
    assert all(len(set(row)) == 5 for row in found)
    n_same = min(copies - 1, 5)
    assert np.array_equal(latent[found[:, :n_same]], latent[:, None].repeat(n_same, axis=1))


@pytest.mark.parametrize(("n_cells", "n_latent", "k"), [(60, 2, 5), (90, 30, 12), (31, 3, 30)])
def test_jaccard_weights_are_those_of_the_definition(n_cells, n_latent, k):
    latent = np.random.default_rng(n_cells).normal(size=(n_cells, n_latent))
    graph = jaccard_graph(latent, k)
    assert not graph.is_directed()
    assert not graph.has_multiple()
    assert min(graph.es["weight"]) > 0
    assert np.allclose(adjacency(graph), jaccard_by_sets(latent, k), rtol=0, atol=1e-12)


def test_blocks_do_not_change_the_graph(monkeypatch, noise):
    whole = jaccard_graph(noise, 10)
    monkeypatch.setattr("scscope.cluster.graph.MARKS", 37 * len(noise))
    parts = jaccard_graph(noise, 10)
    assert parts.get_edgelist() == whole.get_edgelist()
    assert parts.es["weight"] == whole.es["weight"]


def test_cells_that_share_no_neighbour_stay_in_the_graph():
    pairs = np.array([[0.0], [1.0], [100.0], [101.0]])
    graph = jaccard_graph(pairs, k=1)
    assert (graph.vcount(), graph.ecount()) == (4, 0)
    assert phenograph(pairs, k=1, seed=0).labels.tolist() == [-1, -1, -1, -1]
    assert best_resolution(pairs, list("aabb"), k=1, seed=0)[0].tolist() == [0, 1, 2, 3]


def test_graph_and_modularity_are_those_of_phenograph_157(reference):
    # PhenoGraph 1.5.7 on these 50 components: 46,434 edges; modularity .7990 to .7992 in five runs.
    with h5py.File(reference / "splatter" / "demo_1.h5ad") as file:
        parts = [file["X"][name][()] for name in ("data", "indices", "indptr")]
    counts = sparse.csr_matrix(tuple(parts)).toarray().astype(float)
    total = counts.sum(axis=1, keepdims=True)
    size = counts * np.median(total) / total
    left, scale, _ = np.linalg.svd(size - size.mean(axis=0), full_matrices=False)

    graph = jaccard_graph(left[:, :50] * scale[:50])
    assert graph.ecount() == pytest.approx(46_434, abs=50)
    found = phenograph(left[:, :50] * scale[:50], seed=0)
    assert found.graph.ecount() == graph.ecount()
    assert found.modularity == pytest.approx(0.799, abs=0.002)


@pytest.mark.parametrize("seed", [0, 1, 4_294_967_295])
def test_phenograph_finds_groups_and_sorts_them_by_size(seed):
    latent, label = blobs(30, 80, 50)
    order = np.random.default_rng(5).permutation(len(label))
    found = phenograph(latent[order], k=20, seed=seed).labels
    expected = {"type 0": 2, "type 1": 0, "type 2": 1}
    assert found.tolist() == [expected[name] for name in label[order]]


def test_communities_of_min_size_and_smaller_are_unassigned():
    latent, label = blobs(10, 11, 40)
    found = phenograph(latent, k=9, seed=0).labels
    assert set(found[label == "type 0"]) == {-1}
    assert set(found[label == "type 1"]) == {np.unique(found)[-1]}
    assert -1 not in phenograph(latent, k=9, seed=0, min_size=9).labels


def test_by_size_gives_ties_to_the_first_cell():
    assert by_size(np.array([7, 3, 3, 9, 9, 1, 1, 1])).tolist() == [3, 1, 1, 2, 2, 0, 0, 0]
    assert by_size(np.array([7, 3, 3, 9, 9, 1, 1, 1]), 2).tolist() == [-1] * 5 + [0] * 3


@pytest.mark.parametrize(
    ("modularity", "n_runs", "best"),
    [
        (lambda run: 0.5, 2, 0),
        (lambda run: 0.5 + 1e-5 * run, 2, 1),  # the best counts, by however little
        (lambda run: 0.5 + 1e-3 * (run % 2), 9, 1),
        (lambda run: [0.4, 0.5][run % 2], 22, 1),  # a second optimum is not the end
    ],
)
def test_louvain_is_repeated_while_more_is_to_be_expected(modularity, n_runs, best):
    class Graph:
        runs = 0

        def ecount(self):
            return 1

        def community_multilevel(self, weights, resolution):
            self.runs += 1
            return SimpleNamespace(membership=self.runs - 1)

        def modularity(self, membership, weights, resolution):
            return modularity(membership)

    graph = Graph()
    found, reached, counted = find_communities(graph, seed=0)
    assert graph.runs == counted == n_runs
    assert found == best
    assert reached == modularity(best)


def test_same_seed_same_labels_whatever_was_drawn_before(noise):
    label = np.arange(len(noise)) % 4
    first = cluster(noise, CLUSTERERS, label=label, seed=3)
    random.seed(99)
    igraph.Graph.Erdos_Renyi(n=50, p=0.2)
    igraph.set_random_number_generator(random.Random(12))
    np.random.default_rng().normal(size=7)
    second = cluster(noise, CLUSTERERS, label=label, seed=3)
    for name in CLUSTERERS:
        assert np.array_equal(first[name], second[name])
        assert first[name].dtype == np.int64

    other = cluster(noise, CLUSTERERS, label=label, seed=4)
    assert adjusted_rand_score(first["phenograph"], other["phenograph"]) < 1


def test_clustering_leaves_the_global_generators_alone(noise):
    random.seed(5)
    expected = [random.random(), igraph.Graph.Erdos_Renyi(n=50, p=0.2).get_edgelist()]
    random.seed(5)
    drawn = [random.random()]
    phenograph(noise, seed=0)
    best_resolution(noise, np.arange(len(noise)) % 4, seed=0)
    with pytest.raises(ZeroDivisionError), igraph_seed(1):
        raise ZeroDivisionError
    assert [*drawn, igraph.Graph.Erdos_Renyi(n=50, p=0.2).get_edgelist()] == expected


def test_best_resolution_is_the_best_of_its_grid():
    # Ten close groups are one community at low resolutions; pairs of groups lie together.
    rng = np.random.default_rng(6)
    label = np.repeat(np.arange(10), 60)
    pair = np.eye(5, 20)[label // 2] * 20
    latent = pair + np.eye(10, 20, k=7)[label] * 3 + rng.normal(size=(600, 20))
    graph = jaccard_graph(latent, 30)

    found, resolution = best_resolution(latent, label, seed=0)
    agreement = {}
    for value in RESOLUTIONS:
        with igraph_seed(0):
            partition = graph.community_leiden(
                objective_function="modularity",
                weights="weight",
                resolution=value,
                n_iterations=N_ITERATIONS,
            )
        agreement[value] = adjusted_rand_score(label, partition.membership)
    assert resolution == max(agreement, key=agreement.get)
    assert adjusted_rand_score(label, found) == max(agreement.values())
    assert len(set(agreement.values())) > 1
    assert np.all(np.diff(np.bincount(found)) <= 0)


def test_kmeans_recovers_groups():
    latent, label = blobs(40, 25, 60, 33)
    found = kmeans(latent.astype(np.float32), 4, seed=0)
    assert adjusted_rand_score(label, found) == 1
    assert np.array_equal(found, kmeans(latent.astype(np.float32), 4, seed=0))


def test_cluster_agrees_with_direct_calls(noise):
    label = np.array(list("abcd") * 50)
    names = ["kmeans", "scalable", "best_resolution", "leiden", "phenograph"]
    found = cluster(noise, names, label=label, seed=2, k=15)
    assert list(found) == names
    for name, run in (("phenograph", phenograph), ("leiden", leiden)):
        assert np.array_equal(found[name], run(noise, 15, seed=2).labels)
    assert np.array_equal(found["scalable"], scalable(noise, k=15, seed=2).labels)
    assert np.array_equal(found["kmeans"], kmeans(noise, 4, seed=2))
    expected, _ = best_resolution(noise, label, seed=2, k=15)
    assert np.array_equal(found["best_resolution"], expected)


@pytest.mark.parametrize(
    ("names", "n_searches"), [(list(CLUSTERERS), 1), (["leiden"], 1), (["kmeans"], 0), ([], 0)]
)
def test_neighbours_are_searched_once_and_only_if_needed(monkeypatch, noise, names, n_searches):
    made = []

    def counted(*given, **settings):
        made.append(given)
        return neighbours(*given, **settings)

    monkeypatch.setattr(scscope.cluster, "neighbours", counted)
    label = np.arange(200) % 3
    assert list(cluster(noise, names, label=label, seed=0, k=15)) == names
    assert len(made) == n_searches


def test_clusterers_without_need_of_labels_work_without(noise):
    names = [name for name, known in CLUSTERERS.items() if not known.needs_labels]
    assert names == ["phenograph", "leiden", "scalable"]
    assert list(cluster(noise, names, seed=0)) == names


@pytest.mark.parametrize("name", ["kmeans", "best_resolution"])
def test_missing_labels_are_named(noise, name):
    with pytest.raises(ValueError, match=f"Clusterer '{name}' needs the true labels"):
        cluster(noise, ["phenograph", name], seed=0)


def test_unknown_clusterer_names_the_known_ones(noise):
    known = "Known clusterers: phenograph, kmeans, best_resolution, leiden, scalable"
    with pytest.raises(ValueError, match=f"Unknown clusterer 'louvain'. {known}"):
        cluster(noise, ["louvain"], seed=0)


def test_labels_of_other_cells_are_refused(noise):
    with pytest.raises(ValueError, match="`latent` has 200 cells but `label` has 3"):
        cluster(noise, ["kmeans"], label=["a", "b", "a"], seed=0)


@pytest.mark.parametrize("k", [0, 200, 500])
def test_impossible_k_names_k_and_cells(noise, k):
    with pytest.raises(ValueError, match=f"`k` is {k} but `latent` has 200 cells"):
        phenograph(noise, k, seed=0)


@pytest.mark.parametrize("n_clusters", [0, 201])
def test_impossible_number_of_clusters_names_both(noise, n_clusters):
    with pytest.raises(ValueError, match=f"`n_clusters` is {n_clusters} but `latent` has 200"):
        kmeans(noise, n_clusters, seed=0)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_latent_that_is_not_finite_is_refused(noise, wrong):
    latent = noise.copy()
    latent[[3, 100], 1] = wrong
    for name in CLUSTERERS:
        with pytest.raises(ValueError, match="`latent` has 2 NaN or infinite values out of 4000"):
            cluster(latent, [name], label=np.arange(200) % 3, seed=0)


@pytest.mark.parametrize("shape", [(50,), (0, 10), (50, 0), (5, 5, 5)])
def test_latent_of_another_shape_is_refused(shape):
    for run in (
        lambda latent: neighbours(latent, 3),
        lambda latent: jaccard_graph(latent, 3),
        lambda latent: kmeans(latent, 2, seed=0),
    ):
        with pytest.raises(ValueError, match=r"must have the shape \(n_cells, n_latent\)"):
            run(np.zeros(shape))


def test_importing_the_registries_is_cheap():
    code = (
        "import sys, scscope.cluster, scscope.metrics;"
        "print([name for name in ('igraph', 'sklearn', 'torch', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_igraph_is_imported_without_matplotlib_which_stays_importable():
    code = (
        "import sys; from scscope.cluster.graph import load_igraph; load_igraph().Graph.Ring(3);"
        "assert 'matplotlib' not in sys.modules; import matplotlib.figure"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
