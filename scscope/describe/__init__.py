"""What the clusters of a run are: tables of cell types, of marker genes, of maps and of expression."""

QUANTILES = {"q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95}
# Without the run, which all of them name first.
COLUMNS = {
    "compositions": ["clusterer", "sample", "condition", "type", "n_cells"],
    "markers": [
        *("clusterer", "grouping", "group", "gene", "log2_fold_change", "p", "p_adjusted"),
        *("is_marker", "descriptive", "n_cells"),
    ],
    "maps": ["clusterer", "x", "y", "cluster", "type", "label", "condition"],
    "expression": [
        *("clusterer", "gene", "group", "condition", "n_cells", "mean", *QUANTILES),
        *("against", "p_t", "p_rank_sum", "descriptive"),
    ],
}
# Those that say nothing of data whose types no panel tells.
OF_TYPES = ("compositions", "expression")
