"""The panels of the benchmark: tables in, figures out. Listing them needs no matplotlib."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Panel:
    """A figure that can be drawn from the tables of a run.

    Parameters
    ----------
    title, caption
        What is shown, in a line and in a paragraph.
    function
        "module:function"; the function takes the scores of a study, and as keyword arguments the
        tables that it needs beside, and returns a figure.
    metrics
        Metrics that it shows; all that can order methods, if none is named.
    table
        What is offered behind it: the "scores", or another table of the run, by study.
    needs
        Further tables that the function takes, as arguments of these names.
    """

    title: str
    caption: str
    function: str
    metrics: tuple[str, ...] = ()
    table: str = "scores"
    needs: tuple[str, ...] = ()


PANELS = {
    "figure_1c": Panel(
        title="Cell types found in simulated data, by sparsity (Fig. 1c)",
        caption=(
            "Agreement of clusters with the true cell types (adjusted Rand index, ARI; 1 is "
            "perfect, 0 is chance) in simulated data of increasing sparsity. a, the paper's "
            "values: boxes over 10 replicates, clustered with PhenoGraph. They were digitised from "
            "Fig. 1c of Deng et al. 2019 (reading error about ±0.005) and are not numbers printed "
            "by the authors. b and following, this run: one row per clusterer, one column per "
            "input scale (log: log1p after size normalisation; size: size normalisation without "
            "log; _unit: genes also divided by their standard deviation). Methods that take raw "
            "counts are repeated in every column and marked “(counts)”. k-means is given the true "
            "number of groups; the best resolution is chosen with the true labels, so it is an "
            "upper bound and not a result that a user could obtain. Boxes are quartiles over seeds "
            "(n in the figure), whiskers minimum and maximum, thin lines connect medians; with "
            "fewer than five seeds the values themselves are drawn. Each seed is a new simulation "
            "and a new fit; the horizontal axis gives the mean share of zero entries over seeds. "
            "Dashed grey lines are controls (mean over seeds). Dotted line: the paper's median for "
            "scScope. Crosses mark runs that failed, as failed / all; n/a: the method does not apply."
        ),
        function="scscope.figures.figure_1:ari_by_sparsity",
        metrics=("ari",),
    ),
    "supplementary_2": Panel(
        title="Imputation of missed values in simulated data, by sparsity (Supplementary Fig. 2)",
        caption=(
            "How well methods predict values that the simulated experiment missed, for each input "
            "scale (columns) and sparsity. a, imputation error: mean absolute difference of "
            "predicted and true log1p size-normalised values over entries that are expressed but "
            "observed as zero; lower is better. b, mean prediction at entries that are truly zero: "
            "the price of imputing too much; lower is better. Points are means and bars one "
            "standard deviation over seeds (n in the figure; no bar for a single seed); no "
            "clustering is involved. Methods that take raw counts are repeated in every column and "
            "marked “(counts)”. Grey lines are controls on the scale of the column: no imputation, the gene's mean, "
            "and the gene's mean within its true group, which knows the labels. Crosses mark runs "
            "that failed, as failed / all; n/a: the method does not apply. The values of the "
            "paper's Supplementary Fig. 2 are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_2:imputation_by_sparsity",
        metrics=("imputation_error", "zero_prediction"),
    ),
    "supplementary_11": Panel(
        title="Time of clustering by number of cells (Supplementary Fig. 11)",
        caption=(
            "Wall time of clustering a latent, from the search for neighbours to the labels and "
            "without loading programs, by number of cells, both on a logarithmic scale. Points are "
            "means over seeds (n in the figure), bars reach from the fastest to the slowest; the "
            "dashed line is a power of the number of cells fitted to the means. Times are of the "
            "machine, and of the threads, that the run had. Crosses mark runs that failed, as "
            "failed / all. The values of the paper's Supplementary Fig. 11 (means of 100 repeats up "
            "to 50,000 cells and of 10 beyond) are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_11:seconds_by_cells",
        metrics=("cluster_seconds",),
    ),
    "overview": Panel(
        title="Scores by method",
        caption=(
            "Every method of the study with its input scale, for each dataset: agreement of "
            "clusters with the known labels (adjusted Rand index, ARI; 1 is perfect, 0 is chance), "
            "or the number of clusters where a dataset has no labels. Small points are seeds (n in "
            "the figure), large points their mean, lines one standard deviation; the shape names "
            "the clusterer. k-means is given the true number of groups, and the best resolution is "
            "chosen with the true labels, so it is an upper bound. Dashed grey lines are controls "
            "(mean over seeds and clusterers). Crosses mark runs that failed, as failed / all. "
            "None of these values come from the paper."
        ),
        function="scscope.figures.overview:scores_by_method",
        metrics=("ari", "n_clusters"),
    ),
    "rank_stability": Panel(
        title="Stability of the order of the methods",
        caption=(
            "a, mean rank of every method (1 is best, darkest) in every condition that a benchmark "
            "is free to choose: input scale (blocks), metric and clusterer (columns). Ranks are "
            "taken within each dataset, on means over its seeds, and averaged over the datasets of "
            "the study. A method with failed runs ranks after all that have fewer (×); a dash: it "
            "was not run, or gives no such score. Methods that take raw counts stand in every "
            "block. The best resolution is chosen with the true labels and is an upper bound. b, "
            "how far the orders of two conditions agree that differ in one choice only: mean "
            "(point) and range (line) of Kendall’s tau-b over the methods that both have, and how "
            "often the same method leads. With two or three methods tau takes few values. None of "
            "these values come from the paper."
        ),
        function="scscope.figures.rank_stability:order_of_methods",
        table="rank_stability",
    ),
}

# Pages of the paper: the panels of each by letter. A page shows those that a run has drawn.
COMPOSITES = {
    f"figure_{number}": {letter: f"figure_{number}{letter}" for letter in letters}
    for number, letters in ((1, "abcd"), (2, "abc"), (3, "abcdef"))
}


def panels_of(page: str, drawn) -> dict[str, str]:
    """Panels of a page by letter, of those that are drawn."""
    return {letter: panel for letter, panel in COMPOSITES[page].items() if panel in drawn}


def needs_of(panels: Iterable[str]) -> list[str]:
    """Names of the tables that any of some panels needs beside the scores, sorted."""
    return sorted({table for panel in panels for table in PANELS[panel].needs})


def load_panel(name: str) -> Callable:
    """The function that draws a panel: from the scores, and the tables that it needs, a figure."""
    if name not in PANELS:
        raise ValueError(f"Unknown panel {name!r}. Known panels: {', '.join(PANELS)}.")
    module, function = PANELS[name].function.split(":")
    return getattr(import_module(module), function)
