"""Our Splat and R's agree in distribution: against a table of R's statistics, and side by side.

The test. For each design of the table and each of its statistics (and the difference between the
quantiles of the log variance and of the log mean, which tells of the variation alone), Welch's t
test compares the values over our seeds with those over R's; p values are corrected for the number of statistics by
Holm. A design disagrees if one of them stays below `LEVEL`: a right simulator fails with a
probability of 1 % at most, and our seeds are fixed, so the outcome never changes from run to run.
Its power is shown by breaking the model on purpose, one rule at a time.
"""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from scscope.simulate import splat, splatter
from scscope.simulate.r import RMissingError, require_r
from tests.conftest import need

MODULE = import_module("scscope.simulate.splat")
LEVEL = 0.01
QUANTILES = (5, 25, 50, 75, 95)
SEEDS = range(100, 106)

FIG1C = {
    "n_cells": 2_000,
    "n_genes": 500,
    "group_prob": [1 / 3, 1 / 3, 1 / 3],
    "dropout_type": "experiment",
}
DESIGNS = {
    "defaults_5000x1000": {"n_cells": 1_000, "n_genes": 5_000},
    "two_batches_three_groups": {
        "batch_cells": [300, 700],
        "n_genes": 2_000,
        "group_prob": [0.6, 0.3, 0.1],
        "de_prob": 0.3,
    },
}

# Share of zeros over 10 seeds of Splatter 1.29.1, FIG1C at dropout_mid 1 to 5: mean and standard
# deviation, for where the table is not at hand.
SPARSITY = [
    (0.2297, 0.0088),
    (0.3361, 0.0121),
    (0.4772, 0.0150),
    (0.6328, 0.0160),
    (0.7718, 0.0127),
]


def statistics(data):
    """All statistics of the table, of one simulation."""
    true, observed = data.layers["true"].toarray(), data.X.toarray()
    values = {
        "log10_gene_mean": np.log10(true.mean(axis=0) + 0.001),
        "log10_gene_var": np.log10(true.var(axis=0, ddof=1) + 0.001),
        "gene_zero": np.mean(observed == 0, axis=0),
        "log10_library": np.log10(true.sum(axis=1)),
        "cell_zero": np.mean(observed == 0, axis=1),
    }
    quantiles = {
        f"{name}_q{q}": level
        for name, value in values.items()
        for q, level in zip(QUANTILES, np.percentile(value, QUANTILES), strict=True)
    }
    groups = {}
    factor = data.var.filter(like="de_factor").to_numpy()
    changed = factor[factor != 1]
    if factor.shape[1] > 1:
        groups["de_share"] = changed.size / factor.size
        groups["de_up"] = np.mean(changed > 1)
        groups["de_log_sd"] = np.log(changed).std(ddof=1)
    return {
        "zero_counts": np.mean(observed == 0),
        "zero_true": np.mean(true == 0),
        "dropped": np.mean((true > 0) & (observed == 0)),
        **quantiles,
        "outlier_genes": np.mean(data.var["outlier_factor"] != 1),
        **groups,
    }


def table_of(seeds=SEEDS, **settings):
    return pd.DataFrame([statistics(splat(**settings, seed=seed)) for seed in seeds])


def with_differences(table):
    """The same, with how much the log variance exceeds the log mean."""
    return table.assign(
        **{
            f"excess_q{q}": table[f"log10_gene_var_q{q}"] - table[f"log10_gene_mean_q{q}"]
            for q in QUANTILES
        }
    )


def disagreements(ours, theirs):
    """Statistics that differ, with their p value after Holm's correction."""
    p, ours, theirs = {}, with_differences(ours), with_differences(theirs)
    for name in ours:
        a, b = ours[name], theirs[name]
        if a.nunique() == b.nunique() == 1:  # no dropout, or no zero in the quantile
            assert a.iloc[0] == b.iloc[0], name
        else:
            p[name] = stats.ttest_ind(a, b, equal_var=False).pvalue
    ranked = sorted(p, key=p.get)
    corrected = np.maximum.accumulate([p[k] * (len(p) - i) for i, k in enumerate(ranked)])
    return {k: v for k, v in zip(ranked, corrected, strict=True) if v < LEVEL}


@pytest.fixture(scope="module")
def r_table(reference):
    table = pd.read_csv(reference / "splatter" / "splatter_1.29.1_summary.csv")

    def select(tag, mid=None):
        rows = table[table["tag"] == tag]
        return rows if mid is None else rows[rows["dropout_mid"] == mid]

    return select


@pytest.fixture(scope="module")
def fig1c():
    """Our statistics of the main design by dropout_mid."""
    return {mid: table_of(**FIG1C, dropout_mid=mid) for mid in range(1, 6)}


@pytest.mark.parametrize("mid", range(1, 6))
def test_every_statistic_of_the_main_design_agrees(fig1c, r_table, mid):
    theirs = r_table("fig1c", mid)
    assert set(fig1c[mid]) == set(theirs) - {"tag", "seed", "dropout_mid", "n_cells", "n_genes"}
    assert disagreements(fig1c[mid], theirs) == {}


@pytest.mark.parametrize("tag", DESIGNS)
def test_every_statistic_of_the_other_designs_agrees(r_table, tag):
    assert disagreements(table_of(SEEDS[:4], **DESIGNS[tag]), r_table(tag)) == {}


@pytest.mark.parametrize("mid", range(1, 6))
def test_sparsity_agrees_without_the_table(fig1c, mid):
    mean, sd = SPARSITY[mid - 1]
    zeros = fig1c[mid]["zero_counts"]
    test = stats.ttest_ind_from_stats(
        zeros.mean(), zeros.std(), len(zeros), mean, sd, 10, equal_var=False
    )
    assert test.pvalue > LEVEL / 5


# Power: each of these is one rule of the model, broken.


def without_common_variation(population):
    return replace(population, bcv_common=0.0)


def more_common_variation(population):
    return replace(population, bcv_common=2 * population.bcv_common)


def dropout_by_decadic_logarithm(population):
    mid, slope = population.dropout
    return replace(population, dropout=(mid, slope / np.log(10)))


def dropout_one_later(population):
    mid, slope = population.dropout
    return replace(population, dropout=(mid + 1, slope))


def outliers_multiply_their_own_mean(base_mean, outlier_factor):
    return base_mean * outlier_factor


def no_outliers(base_mean, outlier_factor):
    return base_mean


def factors_are_never_below_one(rng, n, prob, down_prob, loc, scale):
    return LOGNORMAL_FACTORS(rng, n, prob, 0, loc, scale)


def no_differential_expression(settings):
    return np.ones((len(settings.group_prob), settings.n_genes))


def equal_libraries(settings):
    group, library = DRAW_GROUPS_AND_LIBRARIES(settings)
    return group, np.full_like(library, np.exp(settings.lib_loc))


def libraries_by_decadic_logarithm(settings):
    group, library = DRAW_GROUPS_AND_LIBRARIES(settings)
    return group, np.exp(settings.lib_loc) * (library / np.exp(settings.lib_loc)) ** np.log(10)


DRAW_CELLS, LOGNORMAL_FACTORS = MODULE.draw_cells, MODULE.lognormal_factors
DRAW_GROUPS_AND_LIBRARIES = MODULE.draw_groups_and_libraries


def of_population(broken):
    """`draw_cells` that draws from a population broken by a function."""
    return lambda population, block, n: DRAW_CELLS(broken(population), block, n)


# The rule, the function of the model that is replaced, and by what.
BROKEN = [
    pytest.param("draw_cells", of_population(without_common_variation), id="bcv: no common part"),
    pytest.param(
        "draw_cells", of_population(more_common_variation), id="bcv: twice the common part"
    ),
    pytest.param(
        "with_outliers", outliers_multiply_their_own_mean, id="outliers: of their own mean"
    ),
    pytest.param("with_outliers", no_outliers, id="outliers: none"),
    pytest.param("draw_groups_and_libraries", equal_libraries, id="library size: equal"),
    pytest.param(
        "draw_groups_and_libraries", libraries_by_decadic_logarithm, id="library size: log10"
    ),
    pytest.param("draw_cells", of_population(dropout_by_decadic_logarithm), id="dropout: log10"),
    pytest.param("draw_cells", of_population(dropout_one_later), id="dropout: mid + 1"),
    pytest.param("lognormal_factors", factors_are_never_below_one, id="de: never down"),
    pytest.param("draw_de_factors", no_differential_expression, id="de: none"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # statistics of no factors
@pytest.mark.parametrize(("name", "broken"), BROKEN)
def test_a_broken_rule_is_found(monkeypatch, r_table, name, broken):
    monkeypatch.setattr(MODULE, name, broken)
    assert disagreements(table_of(**FIG1C, dropout_mid=3), r_table("fig1c", 3)) != {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"lib_scale": 0.25},
        {"de_prob": 0.15},
        {"dropout_mid": 3.5},
    ],
)
def test_a_wrong_parameter_is_found(r_table, wrong):
    settings = {**FIG1C, "dropout_mid": 3, **wrong}
    assert disagreements(table_of(**settings), r_table("fig1c", 3)) != {}


# Side by side with R

SIDE = {
    "batch_cells": [150, 250],
    "n_genes": 400,
    "group_prob": [0.5, 0.3, 0.2],
    "de_prob": [0.1, 0.3, 0.3],
    "de_down_prob": [0.5, 0.1, 0.9],
    "batch_fac_loc": [0.1, 0.3],
    "bcv_common": 0.3,
    "lib_loc": 9,
    "dropout_type": "group",
    "dropout_mid": [0, 1, 2],
    "dropout_shape": [-1, -2, -1],
}


def samples(data):
    """What is compared, each a sample of one number for each gene, cell or factor."""
    true, observed = data.layers["true"].toarray(), data.X.toarray()
    log_mean = np.log10(true.mean(axis=0) + 0.001)
    factor = data.var.filter(regex="^(de|batch)_factor").to_numpy()
    missed = np.sum((true > 0) & (observed == 0), axis=0) / np.maximum(1, (true > 0).sum(axis=0))
    of_group = {
        f"mean_ratio_{label}": np.log10(true[rows].mean(axis=0) + 0.01) - log_mean
        for label, rows in data.obs.groupby("label", observed=True).indices.items()
    }
    return {
        "gene_mean": log_mean,
        "gene_variance": np.log10(true.var(axis=0) + 0.001),
        "zero_rate": np.mean(observed == 0, axis=0),
        "dispersion": np.log10(true.var(axis=0) + 0.001) - log_mean,
        # The curve of dropout over the mean, by its residual from a curve that both share.
        "dropout_curve": missed - expit(1 - 2 * log_mean),
        "library_size": np.log10(true.sum(axis=1)),
        "expected_library_size": np.log10(data.obs["expected_library_size"].to_numpy()),
        "de_and_batch_factors": np.log(factor[factor != 1]),
        **of_group,
    }


def samples_of(simulate, seeds=range(7)):
    """Samples by name, for each seed."""
    parts = [samples(simulate(**SIDE, seed=seed)) for seed in seeds]
    return {name: [part[name] for part in parts] for name in parts[0]}


def seed_test(ours, theirs, n_permutations=4_999):
    """Test by permutation that two lists of samples, one for each seed, are of one distribution.

    The statistic is the distance of Kolmogorov and Smirnov between the pooled samples. Seeds are
    permuted and not values, because the genes of a simulation depend on one another.
    """
    parts = [*ours, *theirs]
    seed = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    values = np.concatenate(parts)
    order = np.argsort(values)
    last_of_tie = np.append(np.diff(values[order]) > 0, True)
    rng = np.random.default_rng(0)
    sides = np.repeat([1.0, -1.0], [len(ours), len(theirs)])
    distances = [
        np.abs(np.cumsum(side[seed[order]])[last_of_tie]).max()
        for side in (sides, *(rng.permutation(sides) for _ in range(n_permutations)))
    ]
    return np.mean(np.array(distances) >= distances[0] - 1e-9)


@pytest.fixture(scope="module")
def r_samples():
    try:
        require_r("splatter")
    except RMissingError as error:
        need("splatter", False, str(error))
    return samples_of(splatter)


def differing(ours, theirs):
    """Samples that differ, with their p value after Bonferroni's correction."""
    p = {name: seed_test(ours[name], theirs[name]) * len(theirs) for name in theirs}
    return {name: value for name, value in p.items() if value < LEVEL}


def test_genes_cells_and_groups_agree_side_by_side(r_samples):
    assert differing(samples_of(splat), r_samples) == {}


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("draw_cells", of_population(without_common_variation)),
        ("with_outliers", no_outliers),
        ("draw_groups_and_libraries", equal_libraries),
        ("draw_cells", of_population(dropout_by_decadic_logarithm)),
        ("lognormal_factors", factors_are_never_below_one),
    ],
    ids=["bcv", "outliers", "library size", "dropout", "de"],
)
def test_a_broken_rule_is_found_side_by_side(monkeypatch, r_samples, name, broken):
    monkeypatch.setattr(MODULE, name, broken)
    assert differing(samples_of(splat), r_samples) != {}
