"""pytest tests/unit/test_figures.py: all scores here are synthetic."""

import itertools
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.text import Text

from scscope.figures import PANELS, load_panel
from scscope.figures.marks import spread
from scscope.figures.style import COLOURS, GREY, MAX_POINTS, RESERVE, WIDTH, rasterise, save, styles
from scscope.figures.tables import natural, on_scale, paper_values, with_names
from tests.unit.tables_of_details import KINDS, tables
from tests.unit.tables_of_panels import EXAMPLES

# entry, label, use, scale, control
ENTRIES = [
    ("scscope_log", "scScope", "scscope", "log", False),
    ("scscope_size", "scScope", "scscope", "size", False),
    ("pca_log", "PCA", "pca", "log", False),
    ("scvi", "scVI", "scvi", "counts", False),
    ("mine", "My method", "mine", "size", False),
    ("random", "random", "random", "log", True),
    ("truth", "truth", "truth", "log", True),
    ("gene_mean", "gene mean", "gene_mean", "size", True),
]
# Panels that these scores can show; the others have examples, and tests, of their own.
SHOWN = [name for name in PANELS if name not in EXAMPLES]
IMPUTATION = ("imputation_error", "zero_prediction")


def synthetic(n_seeds: int = 3, failing: dict | None = None) -> pd.DataFrame:
    """Scores on two datasets; `failing` maps an entry to (dataset, number of seeds, status)."""
    rng = np.random.default_rng(0)
    rows = []
    for entry, dataset, seed in itertools.product(ENTRIES, ("mid_1", "mid_2"), range(n_seeds)):
        method, label, use, scale, control = entry
        where, n_failed, status = (failing or {}).get(method, ("", 0, "ok"))
        status = status if dataset == where and seed < n_failed else "ok"
        if use == "truth":
            kinds = [("given", "ari", 1.0)]
        elif use == "gene_mean":
            kinds = [(np.nan, metric, 0.6) for metric in IMPUTATION]
        else:
            kinds = [(name, "ari", rng.random()) for name in ("phenograph", "kmeans")]
            kinds += [(np.nan, metric, rng.random()) for metric in IMPUTATION if use == "scscope"]
            kinds += [("phenograph", "cluster_seconds", 2.0)]
        for clusterer, metric, value in kinds:
            rows.append(
                {
                    "dataset": dataset,
                    "method": method,
                    "label": label,
                    "use": use,
                    "scale": scale,
                    "control": control,
                    "params": "{}",
                    "seed": seed,
                    "seconds": 2.0 + seed if status == "ok" else np.nan,
                    "peak_rss_mb": 300.0 + seed if status == "ok" else np.nan,
                    "clusterer": clusterer,
                    "metric": metric,
                    "value": value if status == "ok" else np.nan,
                    "status": status,
                    "n_cells": 500 if dataset == "mid_1" else 2000,
                    "sparsity": 0.3 if dataset == "mid_1" else 0.6,
                }
            )
    return pd.DataFrame(rows)


def draw(name: str, scores: pd.DataFrame) -> Figure:
    """A panel of these scores, and of the tables that it needs beside them."""
    datasets = pd.DataFrame(
        {
            "dataset": ["mid_1", "mid_2"],
            "source": "splat",
            "n_cells": [500, 2000],
            "n_genes": 400,
            "n_labels": 39,
            "n_batches": [3, 0],
        }
    )
    further, needs = {"datasets": datasets}, PANELS[name].needs
    if not further.keys() >= set(needs):
        further |= tables(KINDS.get(name.split("_")[1][0], "intestine"), scores)
    return load_panel(name)(scores, **{need: further[need] for need in needs})


@cache
def drawn(name: str) -> Figure:
    """A panel of the plain synthetic scores, drawn once: tests only look at it."""
    return draw(name, synthetic())


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


def labels(axes) -> list[str]:
    return [line.get_label() for line in axes.lines]


@pytest.mark.parametrize("name", SHOWN)
def test_panel_is_drawn_within_the_page(name):
    panel = PANELS[name]
    figure = draw(name, synthetic())
    assert panel.title
    assert panel.caption.endswith(".")
    assert figure.get_figwidth() <= WIDTH + 1e-9
    figure.draw_without_rendering()  # settles the layout
    drawn_box, page = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn_box.x0, drawn_box.y0) >= 0
    assert drawn_box.x1 <= page[0] + 1e-9
    assert drawn_box.y1 <= page[1] + 1e-9
    is_scheme = not panel.table
    assert is_scheme or any("n = 3 seeds" in text for text in texts(figure))


def test_listing_the_panels_needs_no_matplotlib():
    code = "import sys, scscope.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_unknown_panel_names_the_known_ones():
    with pytest.raises(ValueError, match="Unknown panel 'figure_9'. Known panels: figure_1a, "):
        load_panel("figure_9")


def test_caption_says_where_the_papers_values_come_from():
    caption = PANELS["figure_1c"].caption
    for words in ("digitised from Fig. 1c of Deng et al. 2019", "±0.005", "not numbers printed"):
        assert words in caption


def test_the_papers_values_are_drawn_first():
    table = paper_values("fig1c")
    assert table["use"].notna().all()
    figure = drawn("figure_1c")
    paper = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert "Paper (digitised)" in {text.get_text() for text in figure.axes[0].texts}
    np.testing.assert_allclose(paper["scScope"], [0.940, 0.922, 0.887, 0.863, 0.460])


def test_methods_on_counts_stand_in_every_column():
    figure = drawn("figure_1c")
    ours = [axes for axes in figure.axes[1:] if axes.lines]
    assert len(ours) == 4  # two clusterers, two scales
    assert all("scVI (counts)" in labels(axes) for axes in ours)
    assert ["PCA" in labels(axes) for axes in ours] == [True, False, True, False]


def test_a_control_stands_on_other_scales_only_if_the_scale_does_not_touch_it():
    scores = with_names(synthetic())
    # A mean is the same whether the gene was divided by its deviation or not.
    for scale, controls in (("log", []), ("size", ["gene_mean"]), ("size_unit", ["gene_mean"])):
        shown = on_scale(scores, scale)
        expected = [*controls, "random", "truth"]
        assert sorted(shown.loc[shown["control"], "method"].unique()) == expected


@pytest.mark.parametrize(
    ("name", "controls"),
    [
        ("figure_1c", {"truth", "random"}),
        ("supplementary_2", {"gene mean"}),
        ("overview", {"truth", "random"}),
    ],
)
def test_controls_are_dashed_grey_and_named(name, controls):
    figure = drawn(name)
    for axes in (axes for axes in figure.axes if {"PCA", "scScope"} & set(labels(axes))):
        if "Paper (digitised)" not in {text.get_text() for text in axes.texts}:
            dashed = [line for line in axes.lines if line.get_color() == GREY and line.is_dashed()]
            assert len(dashed) == len(controls)
    assert controls <= texts(figure)


@pytest.mark.parametrize("name", ["figure_1c", "supplementary_2"])
def test_failed_runs_are_visible(name):
    failing = {
        "scscope_log": ("mid_2", 2, "diverged"),
        "scscope_size": ("mid_1", 3, "out_of_memory"),
    }
    shown = texts(load_panel(name)(synthetic(failing=failing)))
    assert {"failed", "2/3", "all", "runs failed / all"} <= shown


def test_failed_runs_are_visible_in_the_overview():
    failing = {"scvi": ("mid_2", 2, "timeout"), "mine": ("mid_1", 3, "out_of_memory")}
    shown = texts(load_panel("overview")(synthetic(failing=failing)))
    assert {"× 2/3 timeout", "× 3/3 out of memory"} <= shown


def test_method_that_does_not_apply_is_marked():
    shown = texts(
        load_panel("figure_1c")(synthetic(failing={"scvi": ("mid_2", 3, "not_applicable")}))
    )
    assert "n/a" in shown


def test_method_that_applies_to_nothing_is_named_and_takes_no_place():
    scores = synthetic()
    lost = scores["method"] == "scvi"
    scores.loc[lost, ["value", "status"]] = [np.nan, "not_applicable"]
    shown = texts(load_panel("figure_1c")(scores))
    assert {"scVI (counts): not applicable", "scVI (paper only)"} <= shown
    assert not {"n/a", "failed", "runs failed / all"} & shown
    scores.loc[~scores["control"], ["value", "status"]] = [np.nan, "not_applicable"]
    assert "n/a" in texts(load_panel("figure_1c")(scores))  # for want of anything else


def test_legend_of_many_methods_stays_beside_the_papers_values():
    plain = synthetic()
    pca = plain[plain["method"] == "pca_log"]
    more = [pca.assign(method=f"pca_{i}", label=f"PCA ({i} components)") for i in range(40)]
    figure = load_panel("figure_1c")(pd.concat([plain, *more]))
    figure.draw_without_rendering()
    paper, first, legend = figure.axes[0], figure.axes[1], figure.axes[-1].get_legend()
    box = legend.get_window_extent()
    assert len(legend.get_texts()) > 40
    assert box.x0 > paper.get_window_extent().x1
    assert box.x1 <= figure.bbox.x1
    assert box.y1 <= figure.bbox.y1
    assert box.y0 > first.get_tightbbox().y1


def test_method_without_any_score_is_named():
    scores = synthetic(failing={"scvi": ("mid_2", 3, "error")})
    scores = scores[(scores["method"] != "scvi") | (scores["dataset"] == "mid_2")]
    assert "scVI (counts): error" in texts(load_panel("figure_1c")(scores))


def test_few_seeds_are_points_and_more_are_boxes():
    def boxes(n_seeds):
        figure = load_panel("figure_1c")(synthetic(n_seeds))
        return sum(len(axes.findobj(PathPatch)) for axes in figure.axes[1:])

    assert boxes(2) == 0
    assert boxes(5) > 0


def test_scores_of_other_kinds_do_not_break_a_panel():
    ari = synthetic()
    unlabelled = ari[ari["metric"] == "ari"].assign(metric="n_clusters", value=7.0)
    assert "Number of clusters" in {
        axes.get_xlabel() for axes in load_panel("overview")(unlabelled).axes
    }
    assert any("No ARI" in text for text in texts(load_panel("figure_1c")(unlabelled)))
    assert any("no method" in text for text in texts(load_panel("supplementary_2")(unlabelled)))
    assert any("No clustering" in text for text in texts(load_panel("overview")(unlabelled[:0])))


@pytest.mark.parametrize("name", [name for name in SHOWN if PANELS[name].table])
def test_names_of_users_are_text(name, tmp_path):
    label = r"$\nothing{$ <b>"
    save(draw(name, synthetic(1).replace({"label": {"scScope": label}})), [tmp_path / "a.svg"])
    assert r"$\nothing{$ &lt;b&gt;" in (tmp_path / "a.svg").read_text()


def test_datasets_of_unknown_sparsity_are_named():
    figure = load_panel("figure_1c")(synthetic().drop(columns="sparsity"))
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == ["mid_1", "mid_2"]


@pytest.mark.parametrize("name", SHOWN)
def test_same_scores_give_the_same_svg(name, tmp_path):
    paths = [tmp_path / "first.svg", tmp_path / "second.svg"]
    for figure, path in zip((drawn(name), draw(name, synthetic())), paths, strict=True):
        save(figure, [path])
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert b"<text" in first  # text stays text
    assert b"<dc:date>" not in first


def test_figure_is_saved_in_three_formats(tmp_path):
    figure = Figure((1, 1))
    figure.text(0.5, 0.5, "ARI")
    paths = [tmp_path / f"panel.{kind}" for kind in ("svg", "pdf", "png")]
    save(figure, paths)
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert b"/Type3" not in paths[1].read_bytes()
    with pytest.raises(ValueError, match="use one of svg, pdf, png"):
        save(figure, [tmp_path / "panel.gif"])


@pytest.mark.parametrize("extra", [0, 1])
def test_many_points_become_pixels(extra):
    axes = Figure().add_subplot()
    x = np.arange(MAX_POINTS + extra)
    line, cloud = axes.plot(x, x)[0], axes.scatter(x, x)
    rasterise(axes.figure)
    assert isinstance(line, Line2D)
    assert isinstance(cloud, PathCollection)
    assert bool(line.get_rasterized()) == bool(cloud.get_rasterized()) == bool(extra)


def test_entries_of_one_method_differ_and_do_not_depend_on_order():
    names = [
        "scScope",
        "scScope, T = 2",
        "scScope, T = 10",
        "mine",
        "theirs",
        "PCA",
        "PCA (counts)",
    ]
    uses = ["scscope"] * 3 + ["mine", "theirs", "pca", "pca"]
    entries = pd.DataFrame({"name": names, "use": uses})
    chosen = styles(entries)
    assert list(chosen) == [
        "scScope",
        "scScope, T = 2",
        "scScope, T = 10",
        "PCA",
        "PCA (counts)",
        "mine",
        "theirs",
    ]
    assert len(set(chosen.values())) == len(names)
    assert chosen["scScope"].colour.upper() == COLOURS["scscope"]
    assert chosen["mine"].colour.upper() == RESERVE[0]
    assert styles(entries[::-1]) == chosen


def test_more_own_methods_than_reserve_colours_still_differ():
    names = [f"own {i}" for i in range(20)]
    assert len(set(styles(pd.DataFrame({"name": names, "use": names})).values())) == 20


def test_entries_that_share_a_label_keep_their_own_name():
    scores = synthetic().replace({"label": {"My method": "scScope"}})
    names = with_names(scores).drop_duplicates("method").set_index("method")["name"]
    assert names["mine"] == "scScope [mine]"
    assert names["scvi"] == "scVI (counts)"


def test_palette_is_distinct_with_and_without_colour_vision_deficiency():
    # Machado et al. 2009, doi 10.1109/TVCG.2009.113: severity 1.0, on linear RGB.
    deuteranopia = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    protanopia = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    linear = np.array([to_rgb(colour) for colour in (*COLOURS.values(), *RESERVE)]) ** 2.2
    for seen_as in (np.eye(3), np.array(deuteranopia), np.array(protanopia)):
        lab = lab_of(np.clip(linear @ seen_as.T, 0, 1))
        distance = np.linalg.norm(lab[:, None] - lab, axis=2)
        assert distance[np.triu_indices(len(lab), 1)].min() > 15


def lab_of(linear: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB, array of shape (n, 3)."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt((linear @ np.array(to_xyz).T / [0.9505, 1, 1.089]).T)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def test_numbers_in_names_are_sorted_as_numbers_and_no_two_names_tie():
    names = ["T = 10", "T = 2", "set_01", "set_1", "a"]
    assert sorted(names, key=natural) == ["T = 2", "T = 10", "a", "set_01", "set_1"]
    assert natural("set_1") != natural("set_01")


def test_labels_are_moved_apart():
    heights = spread([0.10, 0.11, 0.50], 0.07)
    assert np.diff(heights).min() >= 0.07 - 1e-5
    assert heights[2] == 0.50


def timed(seconds: dict[int, list[float]], status: str = "ok") -> pd.DataFrame:
    """Scores of one method whose clustering took some seconds, by number of cells and seed."""
    about = {"method": "pca", "label": "PCA", "use": "pca", "scale": "log", "control": False}
    about |= {"clusterer": "phenograph", "metric": "cluster_seconds", "status": status}
    return pd.DataFrame(
        [
            {"dataset": f"d{n}", "n_cells": n, "seed": seed, "value": value, **about}
            for n, values in seconds.items()
            for seed, value in enumerate(values)
        ]
    )


def test_growth_of_time_is_fitted_and_its_spread_drawn():
    figure = load_panel("supplementary_11")(
        timed({100: [1, 3], 1_000: [20, 20], 10_000: [200, 200]})
    )
    assert "PhenoGraph of PCA: time ~ cells^1.00" in texts(figure)
    axes = figure.axes[0]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    points = axes.containers[0][0]
    assert list(points.get_xdata()) == [100, 1_000, 10_000]
    assert list(points.get_ydata()) == [2, 20, 200]
    two = load_panel("supplementary_11")(timed({100: [1, 3], 1_000: [20, 20]}))
    assert not any("time ~" in text for text in texts(two))
    bars = axes.containers[0][2][0].get_segments()
    assert bars[0][:, 1].tolist() == [1, 3]


def test_sizes_at_which_clustering_failed_are_marked():
    table = pd.concat([timed({100: [1, 1]}), timed({1_000: [np.nan, np.nan]}, "out_of_memory")])
    assert "2/2" in texts(load_panel("supplementary_11")(table))


def test_without_times_the_panel_says_what_to_ask_for():
    table = timed({100: [1]}).assign(metric="ari")
    assert any(
        "name it among its metrics" in text for text in texts(load_panel("supplementary_11")(table))
    )
