"""Scalable clustering, approximate neighbours, threads and degenerate latents."""

from importlib import import_module

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from scscope.cluster import UNASSIGNED, leiden, neighbours, phenograph, scalable
from scscope.cluster.graph import n_shared
from scscope.cluster.scalable import numbers_of
from scscope.cluster.subsets import POOL, centroids_of

# The functions have the names of their modules.
module = import_module("scscope.cluster.scalable")
search = import_module("scscope.cluster.neighbours")
subsets_module = import_module("scscope.cluster.subsets")


def groups(*sizes, n_latent=10, distance=20.0, seed=0):
    rng = np.random.default_rng(seed)
    label = np.repeat(np.arange(len(sizes)), sizes)
    centre = rng.normal(size=(len(sizes), n_latent)) * distance
    order = rng.permutation(len(label))
    return (centre[label] + rng.normal(size=(len(label), n_latent)))[order], label[order]


@pytest.fixture(scope="module")
def cells():
    return groups(1500, 900, 500, 100)


def test_groups_are_found_and_the_choice_is_reported(cells):
    latent, label = cells
    found = scalable(latent, seed=0, k=15, n_subsets=4, n_centroids=100)
    assert adjusted_rand_score(label, found.labels) > 0.95
    assert (found.n_subsets, found.n_centroids) == (4, 100)
    assert found.graph.vcount() <= 400
    assert list(found.seconds) == ["centroids", "neighbours", "graph", "communities"]
    assert np.all(np.diff(np.bincount(found.labels[found.labels >= 0])) <= 0)


@pytest.mark.parametrize(
    ("n_cells", "expected"),
    [
        (100, (1, 100)),
        (2_600, (1, 400)),
        (26_000, (10, 400)),
        (1_300_000, (500, 400)),
        (10**7, (500, 400)),
    ],
)
def test_numbers_follow_the_cells_and_are_the_papers_for_its_own(n_cells, expected):
    assert numbers_of(n_cells, None, None) == expected


def test_cells_of_small_communities_are_unassigned():
    latent, label = groups(1000, 1000, 40, n_latent=5, distance=50)
    found = scalable(latent, n_subsets=2, n_centroids=150, k=9, seed=0, min_size=8)
    assert set(found.labels[label == 2]) == {UNASSIGNED}
    assert np.mean(found.labels[label != 2] == UNASSIGNED) < 0.02
    assert found.n_unassigned == np.sum(found.labels == UNASSIGNED) >= 40


def test_blocks_of_the_released_code_are_an_option(monkeypatch, cells):
    latent, _ = cells
    seen = []

    def watched(points, *given, **more):
        seen.extend(points)
        return centroids_of(points, *given, **more)

    monkeypatch.setattr(module, "centroids_of", watched)
    scalable(latent, n_subsets=3, n_centroids=40, k=10, seed=0, order="contiguous")
    assert np.array_equal(np.concatenate(seen), latent.astype(np.float32))
    assert [len(points) for points in seen] == [1000, 1000, 1000]
    seen.clear()
    scalable(latent, n_subsets=3, n_centroids=40, k=10, seed=0)
    assert not np.array_equal(np.concatenate(seen), latent.astype(np.float32))


def test_a_file_is_read_in_pieces_with_the_same_result(monkeypatch, cells, tmp_path):
    latent = cells[0].astype(np.float32)
    expected = scalable(latent, n_subsets=20, n_centroids=25, k=10, seed=3).labels
    np.save(tmp_path / "latent.npy", latent)
    monkeypatch.setattr(module, "AT_A_TIME", latent.nbytes // 2)
    monkeypatch.setattr(module, "CHUNK", 7 * 4 * 10)
    on_disk = np.load(tmp_path / "latent.npy", mmap_mode="r")
    for order in (None, "file"):
        values = on_disk
        if order == "file":
            file = h5py.File(tmp_path / "latent.h5", "w")
            values = file.create_dataset("latent", data=latent)
        found = scalable(values, n_subsets=20, n_centroids=25, k=10, seed=3)
        assert np.array_equal(found.labels, expected)


def test_a_file_with_nan_names_where(tmp_path, monkeypatch):
    latent = np.ones((100, 3), dtype=np.float32)
    latent[57, 1] = np.nan
    np.save(tmp_path / "latent.npy", latent)
    monkeypatch.setattr(module, "CHUNK", 20 * 3 * 4)
    with pytest.raises(ValueError, match="Cells 40 to 59: `latent` has 1 NaN"):
        scalable(np.load(tmp_path / "latent.npy", mmap_mode="r"), seed=0)


@pytest.mark.parametrize("device", ["cpu", "meta-cpu"])
def test_centroids_are_means_and_cells_are_with_the_nearest(device, monkeypatch):
    rng = np.random.default_rng(0)
    subsets = [rng.normal(size=(n, 4)).astype(np.float32) for n in [60, 60, 61] * 4]
    if device == "meta-cpu":  # PyTorch's way, without a GPU
        centres, members = _with_torch(subsets, monkeypatch)
    else:
        centres, members = centroids_of(subsets, 10, list(range(12)))
    assert len(centres) == 120
    points, member = np.concatenate(subsets), np.concatenate(members)
    for number in range(120):
        assert np.allclose(centres[number], points[member == number].mean(axis=0), atol=1e-5)
    first = member < 10 * POOL
    assert np.array_equal(first, np.arange(len(points)) < sum(map(len, subsets[:POOL])))
    distance = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
    pool = np.where(first, 0, 1)[:, None] == np.repeat([0, 1], [80, 40])[None]
    best = np.where(pool, distance, np.inf).min(axis=1)
    reached = distance[np.arange(len(points)), member]
    # Centroids moved once after cells were given to the nearest.
    assert np.mean(reached) < 1.1 * np.mean(best)


def _with_torch(subsets, monkeypatch):
    together = subsets_module._together
    monkeypatch.setattr(
        subsets_module,
        "_together",
        lambda points, n, seeds, device: together(points, n, seeds, "cpu"),
    )
    return centroids_of(subsets, 10, list(range(12)), device="other")


def test_both_ways_to_centroids_are_as_good_as_scikit_learns():
    latent, _ = groups(300, 200, 100)
    points = latent.astype(np.float32)
    full = KMeans(30, init="random", n_init=1, max_iter=300, random_state=1).fit(points).inertia_
    for centres, member in (
        subsets_module._alone(points, 30, 1),
        subsets_module._together([points], 30, [1], "cpu")[0],
    ):
        assert ((points - centres[member]) ** 2).sum() < 1.1 * full


@pytest.mark.parametrize("n_threads", [1, 2])
def test_same_seed_same_labels_on_any_number_of_threads(n_threads):
    latent, _ = groups(700, 400, 200, distance=1.0)
    near = neighbours(latent, 20, search="approximate", seed=4, n_threads=n_threads)
    expected = neighbours(latent, 20, search="approximate", seed=4, n_threads=3)
    assert np.array_equal(near.index, expected.index)
    for run, more in (
        (phenograph, {"search": "approximate"}),
        (phenograph, {"search": "exact"}),
        (scalable, {"n_subsets": 9, "n_centroids": 40}),
    ):
        one, two = (run(latent, seed=4, k=20, n_threads=n, **more) for n in (n_threads, 3))
        assert np.array_equal(one.labels, two.labels)
        assert one.modularity == two.modularity


@pytest.mark.parametrize("n_latent", [3, 30])
def test_approximate_neighbours_state_their_true_recall(n_latent):
    latent, _ = groups(*[300] * 12, n_latent=n_latent, distance=1.5)
    latent += np.random.default_rng(1).normal(size=latent.shape)
    exact = neighbours(latent, 15, search="exact")
    near = neighbours(latent, 15, search="approximate")
    shared = [len(set(a) & set(b)) for a, b in zip(exact.index, near.index, strict=True)]
    recall = np.mean(shared) / 15
    assert exact.recall == 1
    assert 0.98 < recall <= 1
    assert near.recall == pytest.approx(recall, abs=0.01)
    assert all(len(set(row)) == 15 and cell not in row for cell, row in enumerate(near.index))


def test_the_search_is_approximate_only_where_that_pays(monkeypatch):
    monkeypatch.setattr(search, "EXACT_UP_TO", 1000)
    made = []
    exact = search._exact
    monkeypatch.setattr(search, "_exact", lambda *given: made.append(1) or exact(*given))
    apart, _ = groups(*[500] * 6, n_latent=3)
    assert neighbours(apart, 10).recall > 0.98
    assert made == []
    noise = np.random.default_rng(0).normal(size=(1500, 60))
    assert neighbours(noise, 10).recall == 1
    assert made == [1]


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "correlation", "manhattan"])
def test_metrics_are_those_of_scipy(metric):
    from scipy.spatial.distance import cdist

    latent = np.random.default_rng(0).normal(size=(150, 6)) + 1
    distance = cdist(latent, latent, {"manhattan": "cityblock"}.get(metric, metric))
    np.fill_diagonal(distance, np.inf)
    expected = np.argsort(distance, axis=1)[:, :8]
    assert np.array_equal(neighbours(latent, 8, metric=metric).index, expected)


@pytest.mark.parametrize(("metric", "value"), [("cosine", 0.0), ("correlation", 3.0)])
def test_a_metric_that_is_not_defined_for_a_cell_says_so(metric, value):
    latent = np.random.default_rng(0).normal(size=(20, 3))
    latent[4] = value
    with pytest.raises(ValueError, match=f"The {metric} distance is not defined for 1 of 20 cells"):
        neighbours(latent, 3, metric=metric)


def test_brute_force_of_a_gpu_finds_the_same(monkeypatch):
    latent = np.random.default_rng(0).normal(size=(300, 7)) + 50
    monkeypatch.setattr(search, "ON_GPU", 300 * 64)
    found = search._on_gpu(latent, 9, "cpu")
    assert np.array_equal(np.sort(found), np.sort(neighbours(latent, 9).index))


@given(st.integers(2, 40), st.data())
@settings(max_examples=30, deadline=None)
def test_shared_neighbours_are_those_of_sets(n_cells, data):
    k = data.draw(st.integers(1, n_cells - 1))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    nearest = np.array(
        [rng.permutation(np.delete(np.arange(n_cells), i))[:k] for i in range(n_cells)]
    )
    sets = [set(row.tolist()) for row in nearest]
    expected = [[len(sets[i] & sets[j]) for j in nearest[i]] for i in range(n_cells)]
    assert n_shared(nearest.astype(np.int32)).tolist() == expected


few_values = st.floats(-3, 3).map(lambda value: round(value))


@given(
    arrays(np.float64, st.tuples(st.integers(12, 40), st.integers(1, 4)), elements=few_values),
    st.sampled_from([phenograph, leiden, scalable]),
)
@settings(max_examples=40, deadline=None)
def test_ties_duplicates_and_constant_columns_get_labels_or_a_clear_error(latent, run):
    n_points = len(np.unique(latent, axis=0))
    if run is scalable and n_points <= 5:
        with pytest.raises(ValueError, match="different centroids"):
            run(latent, k=5, seed=0, n_centroids=8)
        return
    found = run(latent, k=5, seed=0, **({"n_centroids": 12} if run is scalable else {}))
    labels = found.labels
    assert labels.shape == (len(latent),)
    assert set(labels) <= set(range(-1, len(latent)))
    assert labels.max() == found.n_clusters - 1
    # Scalable clustering treats cells on the same point alike.
    if run is scalable:
        for point in np.unique(latent, axis=0):
            assert len(set(labels[(latent == point).all(axis=1)])) == 1


@pytest.mark.parametrize("run", [phenograph, leiden])
def test_one_point_many_times(run):
    assert run(np.ones((100, 5)), k=10, seed=0).labels.shape == (100,)


def test_one_point_many_times_has_too_few_centroids():
    with pytest.raises(ValueError, match="1 different centroids, but each needs `k` = 10"):
        scalable(np.ones((100, 5)), k=10, seed=0)


@pytest.mark.parametrize("run", [phenograph, leiden, scalable])
def test_a_graph_in_pieces_keeps_its_pieces_apart(run):
    latent, label = groups(200, 200, 200, distance=1e4)
    found = run(latent, k=10, seed=0).labels
    for cluster in np.unique(found[found >= 0]):
        assert len(set(label[found == cluster])) == 1
    assert np.mean(found == UNASSIGNED) < 0.1


@pytest.mark.parametrize("run", [phenograph, leiden, scalable])
def test_constant_columns_change_nothing(run):
    latent, label = groups(150, 100, 80)
    wider = np.column_stack([np.full(len(latent), 7.0), latent, np.zeros(len(latent))])
    more = {"n_centroids": 60} if run is scalable else {}
    plain, padded = (run(x, k=10, seed=0, **more).labels for x in (latent, wider))
    assert adjusted_rand_score(plain, padded) > 0.99


@pytest.mark.parametrize("run", [phenograph, leiden, scalable])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(run, wrong):
    latent = np.ones((100, 4))
    latent[3, 2] = wrong
    with pytest.raises(ValueError, match="`latent` has 1 NaN or infinite values out of 400"):
        run(latent, seed=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_subsets": 0}, "`n_subsets` is 0 but `latent` has 200 cells"),
        ({"n_subsets": 201}, "`n_subsets` is 201"),
        ({"n_subsets": 10, "n_centroids": 21}, "each of the 10 subsets of 200 cells has only 20"),
        ({"n_subsets": 10, "n_centroids": 0}, "`n_centroids` is 0"),
        ({"k": 30, "n_subsets": 1, "n_centroids": 30}, "30 different centroids, but each needs"),
        ({"order": "sorted"}, "Unknown order 'sorted'. Known: shuffled, contiguous"),
    ],
)
def test_impossible_numbers_are_named(given, message):
    latent = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(ValueError, match=message):
        scalable(latent, seed=0, **given)


@pytest.mark.parametrize("values", [np.array([["a", "b"]]), np.array([[1 + 2j, 1]])])
def test_what_are_no_numbers_is_refused(values):
    with pytest.raises(ValueError, match="`latent` must hold real numbers, got values of type"):
        phenograph(values, seed=0)
