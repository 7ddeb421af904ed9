"""What is hidden is recorded to the entry, and nothing that is computed has seen it."""

import numpy as np
import pytest
from scipy import sparse

from scscope.data import (
    Dataset,
    Targets,
    log_normalised,
    read_dataset,
    scaled,
    top_genes,
    write_dataset,
)
from scscope.datasets.heldout import hold_out, read_hidden, write_hidden
from scscope.datasets.prepare import prepare
from scscope.evaluate import Run, evaluate, true_log
from scscope.methods import METHODS
from scscope.metrics import score
from scscope.run.worker import perform

N_CELLS, N_GENES = 120, 60


@pytest.fixture(scope="module")
def whole():
    rng = np.random.default_rng(3)
    label = rng.choice(["a", "b"], N_CELLS)
    rate = {name: rng.gamma(0.7, 3, N_GENES) for name in "ab"}
    X = rng.poisson([rate[name] for name in label])
    X[:, 0] = 0  # a gene that nobody has
    return Dataset(
        X=sparse.csr_matrix(X.astype(np.float32)),
        cells=np.array([f"c{i}" for i in range(N_CELLS)]),
        genes=np.array([f"g{i}" for i in range(N_GENES)]),
        values="counts",
        label=label,
        batch=None,
        hash="abc",
    )


def dense(hidden):
    parts = (hidden.value, (hidden.cell, hidden.gene))
    return sparse.coo_matrix(parts, (N_CELLS, N_GENES)).toarray()


def in_whole(whole, data):
    """Observed values of the result, at their place in the whole."""
    X = np.zeros((N_CELLS, N_GENES))
    cell = [int(name[1:]) for name in data.obs_names]
    gene = [int(name[1:]) for name in data.var_names]
    X[np.ix_(cell, gene)] = data.X.toarray()
    return X


@pytest.mark.parametrize("protocol", ["mask", "thinning"])
def test_observed_and_hidden_add_up_to_the_whole(whole, protocol, tmp_path):
    data, _, hidden, _ = hold_out(whole, seed=1, protocol=protocol)
    write_hidden(hidden, tmp_path / "hidden.npz")
    hidden = read_hidden(tmp_path / "hidden.npz")
    np.testing.assert_array_equal(in_whole(whole, data) + dense(hidden), whole.X.toarray())
    assert (hidden.value > 0).all()
    assert len(set(zip(hidden.cell, hidden.gene, strict=True))) == len(hidden.cell)


def test_the_asked_share_of_entries_is_hidden_whole(whole):
    data, targets, hidden, _ = hold_out(whole, seed=1, share=0.2)
    assert len(hidden.cell) == round(0.2 * whole.X.nnz)
    truth = whole.X.toarray()
    np.testing.assert_array_equal(hidden.value, truth[hidden.cell, hidden.gene])
    # All genes are kept here, so each hidden entry is a target, and its place is a zero now.
    observed = data.X.toarray()
    assert len(targets.cell) == len(hidden.cell)
    assert not observed[targets.cell, targets.gene].any()
    cells = [int(data.obs_names[i][1:]) for i in targets.cell]
    genes = [int(data.var_names[i][1:]) for i in targets.gene]
    np.testing.assert_array_equal(targets.value, truth[cells, genes])


@pytest.mark.parametrize("protocol", ["mask", "thinning"])
def test_one_seed_one_result(whole, protocol):
    first, again, other = (hold_out(whole, seed=seed, protocol=protocol)[2] for seed in (1, 1, 2))
    for name in ("cell", "gene", "value"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(dense(first), dense(other))


def test_genes_are_chosen_from_what_is_still_seen(whole):
    """Where the whole and the observed choose differently, the observed has its way."""
    for seed in range(20):
        data, _, hidden, _ = hold_out(whole, seed=seed, share=0.5, n_top_genes=10)
        observed = sparse.csr_matrix(whole.X.toarray() - dense(hidden))
        expected = top_genes(observed[:, observed.getnnz(axis=0) > 0], 10)
        names = np.flatnonzero(observed.getnnz(axis=0) > 0)[expected]
        assert list(data.var_names) == [f"g{i}" for i in names]
        if set(names) != set(top_genes(whole.X, 10)):
            return
    pytest.fail("no seed told the two apart")


def test_targets_follow_the_genes_that_are_kept(whole):
    data, targets, _, record = hold_out(whole, seed=1, share=0.3, n_top_genes=10)
    truth = whole.X.toarray()
    cells = [int(data.obs_names[i][1:]) for i in targets.cell]
    genes = [int(data.var_names[i][1:]) for i in targets.gene]
    np.testing.assert_array_equal(targets.value, truth[cells, genes])
    assert targets.gene.max() < 10
    assert f"{len(targets.cell):,} targets" in record.facts["held out"]
    assert [step["n_genes"] for step in record.steps] == [60, 60, 59, 10]


def test_a_sample_of_the_targets_is_theirs(whole):
    _, all_of_them, _, _ = hold_out(whole, seed=1)
    _, some, _, _ = hold_out(whole, seed=1, max_targets=50)
    assert len(some.cell) == 50
    every = set(zip(all_of_them.cell, all_of_them.gene, all_of_them.value, strict=True))
    assert set(zip(some.cell, some.gene, some.value, strict=True)) <= every


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_thinned_truth_is_on_the_scale_of_what_is_observed(whole, share):
    """Its mean over all entries is that of the observed counts, whatever the share."""
    ratios = []
    for seed in range(30):
        data, targets, hidden, _ = hold_out(whole, seed=seed, protocol="thinning", share=share)
        assert len(targets.cell) == data.n_obs * data.n_vars  # zeros are targets too
        ratios.append(targets.value.sum() / data.X.sum())
        kept = np.zeros((data.n_obs, data.n_vars))
        kept[targets.cell, targets.gene] = targets.value
        lost = dense(hidden)[:, [int(name[1:]) for name in data.var_names]]
        np.testing.assert_allclose(kept, lost * (1 - share) / share, rtol=1e-6)
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.std(ratios) / np.sqrt(30))
    assert dense(hidden).sum() / whole.X.sum() == pytest.approx(share, abs=0.02)


def test_the_thinning_loss_prefers_the_mean_that_molecules_are_drawn_from():
    """A mean absolute error of logarithms would prefer nothing at all."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(0.5, 1, 50_000)
    drawn = np.log1p(rng.poisson(rate))
    losses = {
        factor: score("thinning_loss", drawn, np.log1p(factor * rate))
        for factor in (0, 0.5, 0.8, 1, 1.25, 2)
    }
    assert min(losses, key=losses.get) == 1
    assert all(np.isfinite(loss) for loss in losses.values())


def test_controls_of_thinned_molecules_come_in_their_order(whole):
    data, targets, _, _ = hold_out(whole, seed=1, protocol="thinning")
    written = as_dataset(data)
    truth = true_log(written, targets)
    losses = {}
    for name in ("group_mean", "gene_mean", "no_imputation"):
        params = {} if name == "no_imputation" else {"zeros": True}
        given = scaled(written, "size", with_labels=True)
        fit = METHODS[name].load()(given, seed=0, device="cpu", **params)
        losses[name] = score("thinning_loss", truth, fit.impute(targets.cell, targets.gene))
    assert losses["group_mean"] < losses["gene_mean"] < losses["no_imputation"]


def test_a_scored_thinned_dataset_uses_the_observed_totals(whole):
    data, targets, _, _ = hold_out(whole, seed=1, protocol="thinning", share=0.25)
    written = as_dataset(data)
    totals = np.asarray(written.X.sum(axis=1)).ravel()
    expected = log_normalised(targets.value, totals[targets.cell], np.median(totals))
    np.testing.assert_allclose(true_log(written, targets), expected)


def as_dataset(data):
    return Dataset(
        X=sparse.csr_matrix(data.X),
        cells=data.obs_names.to_numpy(),
        genes=data.var_names.to_numpy(),
        values="counts",
        label=data.obs["label"].to_numpy(),
        batch=None,
        hash="",
        part=data.obs["part"].to_numpy() if "part" in data.obs else None,
    )


def test_in_a_split_nothing_is_hidden_from_the_cells_to_train_on(whole, tmp_path):
    data, targets, hidden, _ = hold_out(
        whole, seed=1, share=0.3, n_top_genes=20, validation_share=0.25
    )
    write_dataset(data, tmp_path / "x.h5ad")
    written = read_dataset(tmp_path / "x.h5ad")
    validation = {
        name for name, part in zip(written.cells, written.part, strict=True) if part != "train"
    }
    assert len(validation) == 30
    assert {f"c{i}" for i in hidden.cell} <= validation
    assert (written.part[targets.cell] == "validation").all()
    # Genes and their deviations are those of the cells to train on.
    train = np.array([name not in validation for name in whole.cells])
    seen = np.flatnonzero(data.X.getnnz(axis=0) >= 0)
    assert len(seen) == 20
    observed = sparse.csr_matrix(whole.X.toarray() - dense(hidden))
    left = np.flatnonzero(observed.getnnz(axis=0) > 0)
    chosen = left[top_genes(observed[train][:, left], 20)]
    assert list(data.var_names) == [f"g{i}" for i in chosen]
    given = scaled(written, "size_unit")
    np.testing.assert_array_equal(given.train, written.part == "train")
    plain = scaled(written, "size").X.toarray()[given.train]
    np.testing.assert_allclose(
        given.unit, np.where(plain.std(axis=0) > 0, plain.std(axis=0), 1), 1e-5
    )


def request_for(name, folder, whole, **settings):
    from scscope.data import write_targets

    data, targets, _, _ = hold_out(whole, seed=1, **settings)
    write_dataset(data, folder / "x.h5ad")
    write_targets(targets, folder / "x.npz")
    method = METHODS[name]
    return {
        **{"module": method.module, "function": method.function, "gives": list(method.gives)},
        **{"scale": "log", "oracle": method.oracle, "inductive": method.inductive, "seed": 0},
        **{"data": str(folder / "x.h5ad"), "targets": str(folder / "x.npz"), "params": {}},
        "threads": 1,
    }


def test_methods_that_are_not_inductive_do_not_apply_to_split_cells(whole, tmp_path):
    from scscope.run.worker import outcome_of

    request = request_for("group_mean", tmp_path, whole, validation_share=0.2)
    outcome = outcome_of({**request, "uses_gpu": False}, tmp_path)
    assert outcome["status"] == "not_applicable"
    assert "does not declare" in outcome["message"]


def test_an_inductive_method_is_fitted_to_the_cells_to_train_on(whole):
    data, targets, _, _ = hold_out(whole, seed=1, validation_share=0.2)
    given = scaled(as_dataset(data), "size")
    fit = METHODS["gene_mean"].load()(given, seed=0, device="cpu")
    X = given.X.toarray()[given.train]
    mean = np.array([column[column > 0].mean() if column.any() else 0 for column in X.T])
    found = fit.impute(targets.cell, targets.gene)
    np.testing.assert_allclose(found, np.log1p(mean[targets.gene]), rtol=1e-5)


def test_scscope_learns_nothing_from_the_cells_to_validate_on(whole):
    data, targets, _, _ = hold_out(whole, seed=1, validation_share=0.2)
    settings = {"max_epochs": 2, "n_latent": 3, "batch_size": 16}
    method = METHODS["scscope"].load()
    dataset = as_dataset(data)
    fits = []
    for factor in (1, 5):
        X = dataset.X.toarray()
        X[dataset.part == "validation"] *= factor
        changed = Dataset(**{**vars(dataset), "X": sparse.csr_matrix(X)})
        # Counts: the median total, which the validation cells move, is no part of this scale.
        fits.append(method(scaled(changed, "counts"), seed=0, device="cpu", **settings))
    train = dataset.part == "train"
    np.testing.assert_array_equal(fits[0].latent[train], fits[1].latent[train])
    assert not np.array_equal(fits[0].latent[~train], fits[1].latent[~train])
    assert np.isfinite(fits[0].impute(targets.cell, targets.gene)).all()


def test_no_cluster_is_made_where_none_is_asked_for(whole, monkeypatch):
    data, targets, _, _ = hold_out(whole, seed=1)
    monkeypatch.setattr("scscope.evaluate.clusterings", lambda *a, **k: pytest.fail("clustered"))
    latent = np.zeros((data.n_obs, 2))
    run = Run("ok", latent, None, np.zeros(len(targets.cell)))
    rows, clusters = evaluate(
        run,
        as_dataset(data),
        targets,
        gives=("latent", "imputation"),
        metrics=["imputation_error"],
        clusterers=["phenograph"],
        seed=0,
    )
    assert clusters == {}
    assert [row["metric"] for row in rows] == ["imputation_error"]


def test_what_cannot_be_hidden_is_refused(whole):
    with pytest.raises(ValueError, match="`share` is 1: it must lie between 0 and 1"):
        hold_out(whole, seed=0, share=1)
    with pytest.raises(ValueError, match="hides nothing"):
        hold_out(whole, seed=0, share=1e-6)
    continuous = Dataset(**{**vars(whole), "values": "continuous"})
    with pytest.raises(ValueError, match="`protocol: mask` takes them"):
        hold_out(continuous, seed=0, protocol="thinning")
    assert len(hold_out(continuous, seed=0)[1].cell) > 0
    with pytest.raises(ValueError, match="leaves 0 for validation"):
        hold_out(whole, seed=0, validation_share=0.001)


def test_the_masked_values_come_back_through_the_worker(whole, tmp_path):
    request = request_for("no_imputation", tmp_path, whole, protocol="thinning")
    perform(request, tmp_path, "cpu")
    imputed = np.load(tmp_path / "fit.npz")["imputed"]
    data = read_dataset(tmp_path / "x.h5ad")
    assert imputed.sum() == pytest.approx(scaled(data, "log").X.sum(), rel=1e-5)


def test_prepare_alone_hides_nothing(whole):
    """The names that `hold_out` looks cells and genes up by survive the preparation."""
    import pandas as pd
    from anndata import AnnData

    frame = AnnData(whole.X, pd.DataFrame(index=whole.cells), pd.DataFrame(index=whole.genes))
    assert list(prepare(frame).var_names) == [f"g{i}" for i in range(1, N_GENES)]
    assert isinstance(hold_out(whole, seed=0)[1], Targets)
