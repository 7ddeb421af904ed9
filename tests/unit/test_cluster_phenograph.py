"""PhenoGraph against stored results of PhenoGraph 1.5.7, and Leiden against scanpy."""

import importlib.util
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from scscope.cluster import leiden, neighbours, phenograph
from scscope.cluster.communities import find_communities
from scscope.cluster.graph import neighbour_graph, shared_graph

FOLDER = Path(__file__).parents[1] / "data" / "phenograph"
STORED = np.load(FOLDER / "reference.npz")
SIMULATED = ("apart", "close", "unequal", "trajectory", "noise")
REAL = ("cbmc", "mudan", "pbmc", "kang", "brain")


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make_phenograph", FOLDER / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def simulated(make):
    return make.simulated()


@pytest.fixture(scope="module")
def real(make, test_data):
    return make.real(test_data)


def check_agreement(name, latent):
    """As close to PhenoGraph as PhenoGraph is to itself, with no lower modularity."""
    theirs, near = STORED[f"{name}.labels"], neighbours(latent, 30)
    found = [phenograph(latent, seed=seed, near=near) for seed in range(5)]
    itself = np.mean([adjusted_rand_score(a, b) for a, b in combinations(theirs, 2)])
    with_ours = np.mean([adjusted_rand_score(f.labels, t) for f in found for t in theirs])
    # The margins are the spread of these means over seeds and runs.
    assert with_ours > itself - 0.03
    modularity = STORED[f"{name}.modularity"]
    margin = max(5e-4, np.ptp(modularity) / 2)
    assert np.mean([f.modularity for f in found]) > modularity.mean() - margin


@pytest.mark.parametrize("name", SIMULATED)
def test_agrees_with_phenograph_on_simulated_latents(name, simulated):
    check_agreement(name, simulated[name])


@pytest.mark.parametrize("name", REAL)
def test_agrees_with_phenograph_on_real_excerpts(name, real):
    check_agreement(name, real[name])


def test_weights_are_those_of_phenograph(simulated):
    graph = shared_graph(neighbours(simulated["close"][:300], 30).index)
    ours = {edge.tuple: edge["weight"] for edge in graph.es}
    rows, columns = STORED["graph.rows"], STORED["graph.columns"]
    pairs = np.sort(np.column_stack([rows, columns]), axis=1).tolist()
    theirs = dict(zip(map(tuple, pairs), STORED["graph.weights"], strict=True))
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[pair] - theirs[pair]) for pair in ours) < 1e-6


def test_result_says_how_it_came_about(simulated):
    found = phenograph(simulated["apart"], seed=0)
    assert found.n_clusters == 8
    assert found.n_unassigned == 0
    assert list(found.seconds) == ["neighbours", "graph", "communities"]
    assert all(seconds > 0 for seconds in found.seconds.values())
    expected = found.graph.modularity(found.labels.tolist(), weights="weight")
    assert found.modularity == pytest.approx(expected)
    assert found.recall == 1
    assert found.n_runs >= 2


def test_louvain_and_leiden_are_separate_choices(simulated):
    near = neighbours(simulated["noise"], 30)
    louvain = phenograph(None, seed=0, near=near, method="louvain")
    other = phenograph(None, seed=0, near=near, method="leiden")
    assert adjusted_rand_score(louvain.labels, other.labels) < 1
    assert louvain.n_runs > other.n_runs == 1


@pytest.mark.parametrize("method", ["louvain", "leiden"])
def test_resolution_sets_how_fine_clusters_are(method, simulated):
    near = neighbours(simulated["trajectory"], 30)
    numbers = [
        phenograph(None, seed=0, near=near, method=method, resolution=r).n_clusters
        for r in (0.1, 1, 4)
    ]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "walktrap"}, "Unknown method 'walktrap'. Known: louvain, leiden"),
        ({"resolution": 0}, "`resolution` is 0: it must be more than 0"),
        ({"resolution": float("nan")}, "`resolution` is nan"),
        ({"min_size": -1}, "`min_size` is -1"),
        ({"metric": "hamming"}, "Unknown metric 'hamming'. Known: euclidean, cosine"),
        ({"search": "fast"}, "Unknown search 'fast'. Known: auto, exact, approximate"),
        ({"n_threads": 0}, "`n_threads` is 0"),
    ],
)
def test_wrong_settings_are_named(settings, message, simulated):
    with pytest.raises(ValueError, match=message):
        phenograph(simulated["apart"], seed=0, **settings)


def test_leiden_is_scanpys_on_the_same_graph(simulated):
    scanpy = pytest.importorskip("scanpy")
    from scipy import sparse

    latent = simulated["close"]
    found = leiden(latent, 15, seed=0)
    graph = neighbour_graph(neighbours(latent, 15).index)
    rows, columns = np.array(graph.get_edgelist()).T
    weights = np.ones(2 * len(rows))
    places = (np.append(rows, columns), np.append(columns, rows))
    cells = scanpy.AnnData(latent)
    cells.obsp["connectivities"] = sparse.csr_matrix((weights, places), shape=(len(latent),) * 2)
    cells.uns["neighbors"] = {
        "connectivities_key": "connectivities",
        "params": {"method": "umap", "n_neighbors": 15},
    }
    theirs = []
    for seed in range(5):
        settings = {"flavor": "igraph", "n_iterations": 4, "directed": False, "random_state": seed}
        scanpy.tl.leiden(cells, **settings)
        theirs.append(cells.obs["leiden"].astype(int).to_numpy())
    itself = [adjusted_rand_score(a, b) for a, b in combinations(theirs, 2)]
    with_ours = [adjusted_rand_score(found.labels, other) for other in theirs]
    assert min(itself) - 0.05 < np.mean(with_ours)
    modularity = np.mean([graph.modularity(other.tolist()) for other in theirs])
    assert found.modularity == pytest.approx(modularity, abs=2e-3)


def test_edges_of_the_plain_graph_all_count_the_same(simulated):
    nearest = neighbours(simulated["noise"], 5).index
    graph = neighbour_graph(nearest)
    expected = {tuple(sorted((i, int(j)))) for i, row in enumerate(nearest) for j in row}
    assert {edge.tuple for edge in graph.es} == expected
    assert set(graph.es["weight"]) == {1.0}


def test_a_graph_without_edges_has_no_communities():
    graph = shared_graph(np.array([[1], [0], [3], [2]]))
    communities, modularity, n_runs = find_communities(graph, seed=0)
    assert communities.tolist() == [0, 1, 2, 3]
    assert np.isnan(modularity)
    assert n_runs == 0
