"""What can be drawn: each panel with its title, its caption and what it is drawn from."""

from dataclasses import dataclass


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
        What is offered behind it: the "scores", or another table of the run, by study; "" for a
        scheme, which shows no values.
    needs
        Further tables that the function takes, as arguments of these names.
    costs
        Whether it shows what runs took: then the table behind it says so too.
    """

    title: str
    caption: str
    function: str
    metrics: tuple[str, ...] = ()
    table: str = "scores"
    needs: tuple[str, ...] = ()
    costs: bool = False


PANELS = {
    "figure_1a": Panel(
        title="The scScope network, unrolled (Fig. 1a)",
        caption=(
            "The network with as many passes as in the paper’s comparisons. From left to right: the "
            "input, corrected for batches where the data have several; encoder, decoder and imputer, "
            "each layer with its name in the program and its columns. What the imputer gives enters "
            "the next pass only where nothing was observed (mask). The codes of all passes side by "
            "side are what is clustered. Drawn from the layers that a pass through the real network "
            "calls, at the preset “paper” and for the first dataset of the study: a layer more in the "
            "model is a box more here. A scheme: it shows no scores."
        ),
        function="scscope.figures.network:unrolled",
        table="",
        needs=("datasets",),
    ),
    "figure_1b": Panel(
        title="Run time and memory by number of cells (Fig. 1b)",
        caption=(
            "Wall time by number of cells, both on a logarithmic scale. a, the paper's values for "
            "1,000 genes of the mouse brain, digitised from Fig. 1b of Deng et al. 2019 (reading "
            "error about 0.01 h; of the inset, up to 100,000 cells, not estimated); they are not "
            "numbers printed by the authors. b, this run, on the same axes: the whole fit, with "
            "loading programs and data. c, peak resident memory of the fit and all that it started, "
            "without that of a GPU; the paper gives none. Hardware differs (the paper: one Titan X, "
            "four where it says so; this run: see its table of runs), so compare slopes and the order "
            "of methods, not seconds. Points are means over seeds (n in the figure), bars reach from "
            "the least to the most. Crosses below mark the sizes at which runs failed, as failed / "
            "all where not all did, n/a: the method does not apply; in a, sizes for which the figure "
            "shows no value: the paper says that MAGIC, ZINB-WaVE and SIMLR do not go beyond 100,000 "
            "cells."
        ),
        function="scscope.figures.figure_1b:cost_by_cells",
        costs=True,
    ),
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
    "figure_1d": Panel(
        title="Rare cell types found among a million simulated cells, by their share (Fig. 1d)",
        caption=(
            "Agreement of clusters with the true types among the cells of rare types alone "
            "(adjusted Rand index, ARI; NaN, and not drawn, below two types of 50 cells), by the "
            "share of the cells that each rare type has. a, the paper's values: boxes over 10 "
            "replicates, digitised from Fig. 1d of Deng et al. 2019 (reading error about ±0.005); "
            "they are not numbers printed by the authors, and how they computed the ARI of rare types "
            "is not stated. b and following, this run: one row per clusterer, one column per "
            "dimension P of the latent space that cells are simulated in, which the paper does not "
            "state: all are shown. Boxes are quartiles over seeds (n in the figure), whiskers minimum "
            "and maximum, thin lines connect medians; with fewer than five seeds the values themselves "
            "are drawn. Each seed is a new simulation and a new fit. Names say where a method was "
            "given rounded values, for which it is not made, or fitted to some of the cells. Dashed "
            "grey lines are controls. Crosses mark runs that failed, as failed / all; n/a: the method "
            "does not apply."
        ),
        function="scscope.figures.figure_1:rare_types_by_share",
        metrics=("rare_ari",),
        needs=("datasets",),
    ),
    "figure_2a": Panel(
        title="Mixing of batches with and without correction (Fig. 2a)",
        caption=(
            "a and b, the paper's values for cells of the lung, digitised from Fig. 2a of Deng et al. "
            "2019; they are not numbers printed by the authors. a, entropy of batch mixing, boxes over "
            "100 replicates, whiskers minimum and maximum. Its formula, number of neighbours and sign "
            "do not follow from the text, so it is not to be compared with c and has an axis of its "
            "own. b, seconds without (open) and with correction (filled; reading error a few seconds). "
            "c, this run, a definition of our own: the mean over 100 random cells of −Σ p log p, p the "
            "shares of the B batches among the k = 100 nearest neighbours in the latent space, log to "
            "base B, averaged over 100 draws; 0: neighbours are of one batch, 1: of all alike; more is "
            "better mixed. Noise mixes perfectly (control: random latent), so d shows beside it what "
            "is left of the types: ARI of the clusters with the labels of the dataset; the shape names "
            "the clusterer. e, wall time of the whole fit on the hardware of this run, logarithmic; "
            "only in a study that is timed does nothing run beside it. scScope corrects where its name says "
            "batches; scVI is told the batches unless its entry of the config says otherwise; other methods "
            "do not know them. Small points are seeds (n in the figure), large points their mean, lines one "
            "standard deviation. × marks runs that failed, as failed / all."
        ),
        function="scscope.figures.figure_2a:mixing_of_batches",
        metrics=("batch_entropy", "ari"),
        costs=True,
    ),
    "figure_2b": Panel(
        title="Error at hidden values by octile of expression (Fig. 2b)",
        caption=(
            "How well methods predict observed values that were hidden from them, by expression. a, "
            "the paper's values for CBMC, digitised from Fig. 2b of Deng et al. 2019 (reading error "
            "not estimated); they are not numbers printed by the authors. Whether its octiles are of "
            "genes or of entries, and how much it hides, is not stated. Following rows, this run, one "
            "column per dataset: mean absolute difference of predicted and hidden log1p "
            "size-normalised values, lower is better, within octiles of the genes by their mean "
            "expression, and within octiles of the hidden entries by their own value. Octile 1 is the "
            "lowest. Boxes are quartiles over seeds (n in the figure), whiskers minimum and maximum; "
            "with fewer than five seeds the values themselves are drawn; thin lines connect medians. "
            "No clustering is involved. Dashed grey lines are controls (mean over seeds): no "
            "imputation, the gene's mean, and the gene's mean within its true group, which knows the "
            "labels. Crosses mark runs that failed, as failed / all; n/a: the method does not apply."
        ),
        function="scscope.figures.figure_2:error_by_octile",
        metrics=tuple(
            f"{of}_octile_{number}_error" for of in ("gene", "entry") for number in range(1, 9)
        ),
    ),
    "figure_2c": Panel(
        title="Tissues found in an atlas, by number of genes (Fig. 2c)",
        caption=(
            "Agreement of clusters with the labels (adjusted Rand index, ARI; 1 is perfect, 0 is "
            "chance), by number of genes that methods are given. a, the paper's values: the Mouse Cell "
            "Atlas, its 51 tissues as labels, digitised from Fig. 2c of Deng et al. 2019 (reading "
            "error about ±0.005); they are not numbers printed by the authors. b and following, this "
            "run, one row per clusterer. A tissue is no cell type: the ARI compares methods, and 1 is "
            "not to be reached. Boxes are quartiles over seeds (n in the figure), whiskers minimum and "
            "maximum; with fewer than five seeds the values themselves are drawn; thin lines connect "
            "medians. Dashed grey lines are controls. Crosses mark runs that failed, as failed / all, "
            "in a the methods that the paper shows as failed; n/a: the method does not apply."
        ),
        function="scscope.figures.figure_2:ari_by_genes",
        metrics=("ari",),
        needs=("datasets",),
    ),
    "figure_3a": Panel(
        title="Clusters of the brain on a map (Fig. 3a)",
        caption=(
            "A sample of the cells of one run on a two-dimensional embedding of its latent "
            "(number of cells in the figure), coloured and numbered by cluster; a number stands "
            "at the median of its cluster, colours are used twice where there are many. Cells of "
            "no cluster are grey. Distances between clusters on such a map mean little. The run "
            "is the first of the study in the order of the benchmark (dataset, method, clusterer, "
            "seed), not the best. The paper’s map, a t-SNE of 30,000 cells with clusters 0 to 34, "
            "is not available as numbers, so it is not shown; cluster numbers here are not the "
            "paper’s."
        ),
        function="scscope.figures.figure_3:clusters_on_map",
        metrics=("n_clusters",),
        needs=("maps",),
    ),
    "figure_3b": Panel(
        title="Major types of brain cells on the same map (Fig. 3b)",
        caption=(
            "The cells and the run of the panel before, coloured by the type that its markers "
            "give to the whole cluster of a cell; clusters that none of the types fits are grey. "
            "The markers have a public source, which the documentation of the datasets names; the "
            "paper’s own (its Supplementary Table 7) are not known. The paper’s map is not "
            "available as numbers, so it is not shown."
        ),
        function="scscope.figures.figure_3:types_on_map",
        metrics=("n_clusters",),
        needs=("maps",),
    ),
    "figure_3c": Panel(
        title="Marker genes by type (Fig. 3c)",
        caption=(
            "How the clusters of each type (rows; number of clusters in brackets) express the "
            "marker genes of all types (columns), in the run of the panels before. Colour: mean "
            "over the clusters of log2((mean of the cluster + 1e-9) / (mean of all other cells + "
            "1e-9)), the means taken of size-normalised log(1 + x) and put back to counts; beyond "
            "±4 it does not change. Area: share of these clusters in which the gene is a marker, "
            "that is log2 fold change > 0.5 and rank-sum P < 0.05. The types were given by these "
            "same genes, and clusters come from the same data: P is descriptive. None of these "
            "values come from the paper."
        ),
        function="scscope.figures.figure_3:markers_by_type",
        metrics=("n_clusters",),
        needs=("markers", "maps"),
    ),
    "figure_3d": Panel(
        title="Genes that each cluster has most of (Fig. 3d)",
        caption=(
            "For each cluster of one run (number, type by markers, cells) its ten genes of "
            "largest log2 fold change against all other cells, of those with log2 fold change > "
            "0.5 and two-sided rank-sum P < 0.05, the paper’s criteria; fewer where fewer pass. P "
            "is not corrected for the number of genes, as in the paper, and it is descriptive: "
            "clusters were made to differ in the values that are tested, so P falls below any "
            "level even where there is nothing to find. Only the ten genes are kept in the table. "
            "The paper’s lists (Supplementary Tables 8 and 9) are not known, so they are not "
            "shown."
        ),
        function="scscope.figures.figure_3:top_genes",
        metrics=("n_clusters",),
        needs=("markers", "maps"),
    ),
    "figure_3e": Panel(
        title="Sizes of clusters by type, beside the paper’s (Fig. 3e)",
        caption=(
            "a, share of the cells in each cluster of one run, on a logarithmic scale, by the "
            "type that markers give to it; cells of no cluster, and clusters of a single cell, "
            "are left out. b, the same of the paper: 24 of its 36 clusters, those that it names a "
            "type for, with the numbers of cells that Fig. 3 of Deng et al. 2019 prints, as "
            "shares of the 1,308,421 cells that it states (the public file has 1,306,127). Sums "
            "by type are of the clusters shown. Numbers of clusters have nothing to do with each "
            "other in a and b."
        ),
        function="scscope.figures.figure_3:cluster_sizes",
        metrics=("n_clusters",),
        needs=("markers", "maps"),
    ),
    "supplementary_1": Panel(
        title="Training on several GPUs (Supplementary Fig. 1)",
        caption=(
            "What training on several GPUs gains, and whether it costs accuracy. The paper's "
            "Supplementary Fig. 1 describes the training and shows no values; a and b are those of its "
            "scScope on one and four GPUs by number of cells, digitised from Fig. 1b of Deng et al. "
            "2019 (0.83 and 0.40 h for a million cells; reading error about 0.01 h), and not numbers "
            "printed by the authors. c and following, this run, one column per dataset. Speed-up: mean "
            "time on the fewest GPUs over mean time on each number of them; dashed: n times as fast on "
            "n. Time: of the whole fit, with loading programs and data, logarithmic; points are means "
            "over seeds (n in the figure), bars reach from the fastest to the slowest. ARI: agreement "
            "of clusters with known labels, where there are any. Each GPU trains on minibatches of its "
            "own, so the minibatch of a step grows with their number. Hardware differs from the "
            "paper's; where a run had no GPU (column device of the table of runs), its number of GPUs is "
            "that of the processes that it trained in. Crosses mark runs that failed, as failed / all; "
            "n/a: the method does not apply, for want of GPUs for instance."
        ),
        function="scscope.figures.supplementary_1:speed_by_devices",
        costs=True,
    ),
    "supplementary_2": Panel(
        title="Imputation of missed values in simulated data, by sparsity (Supplementary Fig. 2)",
        caption=(
            "How well methods predict values that the simulated experiment missed, for each input "
            "scale (columns) and sparsity. a, imputation error: mean absolute difference of predicted "
            "and true log1p size-normalised values over entries that are expressed but observed as "
            "zero; lower is better. b, mean prediction at entries that are truly zero: the price of "
            "imputing too much; lower is better. Points are means and bars one standard deviation "
            "over seeds (n in the figure; no bar for a single seed); no clustering is involved. "
            "Methods that take raw counts are repeated in every column and marked “(counts)”. Grey "
            "lines are controls on the scale of the column: no imputation, the gene's mean, and the "
            "gene's mean within its true group, which knows the labels. Crosses mark runs that "
            "failed, as failed / all; n/a: the method does not apply. The values of the paper's "
            "Supplementary Fig. 2 are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_2:imputation_by_sparsity",
        metrics=("imputation_error", "zero_prediction"),
    ),
    "supplementary_3": Panel(
        title="Passes through the network (Supplementary Fig. 3)",
        caption=(
            "What more passes T through the network change, one column for each dataset. a, agreement "
            "of clusters with the true cell types (adjusted Rand index, ARI; 1 is perfect, 0 is "
            "chance); k-means is given the true number of groups. b, imputation error: mean absolute "
            "difference of predicted and true log1p size-normalised values over entries that are "
            "expressed but observed as zero, where these are known; lower is better. c, wall time of "
            "the whole fit on the machine that ran it. T = 1 is a plain autoencoder. Entries of the "
            "config stand here if they differ from the reference (grey) in T alone. Small points are "
            "seeds (n in the figure), large points their mean, bars one standard deviation, lines "
            "connect means. Crosses mark runs that failed, as failed / all. The values of the paper's "
            "Supplementary Fig. 3 are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_3:scores_by_passes",
        metrics=("ari", "imputation_error"),
        costs=True,
    ),
    "supplementary_4": Panel(
        title="Cell types found among a million simulated cells, by dropout (Supplementary Fig. 4)",
        caption=(
            "Agreement of clusters with the true cell types (adjusted Rand index, ARI; 1 is perfect, 0 "
            "is chance) by the share of the positive values that the simulation drops. One row per "
            "clusterer, one column per dimension P of the latent space that cells are simulated in, "
            "which the paper does not state: all are shown. Boxes are quartiles over seeds (n in the "
            "figure), whiskers minimum and maximum, thin lines connect medians; with fewer than five "
            "seeds the values themselves are drawn. Each seed is a new simulation and a new fit. Names "
            "say where a method was given rounded values, for which it is not made, or fitted to some "
            "of the cells. Dashed grey lines are controls. Crosses mark runs that failed, as failed / "
            "all; n/a: the method does not apply. The values and the levels of the paper's "
            "Supplementary Fig. 4 are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_4:ari_by_dropout",
        metrics=("ari",),
        needs=("datasets",),
    ),
    "supplementary_5a": Panel(
        title="Agreement with the known cell types of the retina, and number of clusters (Supplementary Fig. 5a)",
        caption=(
            "For each method with its input scale: agreement of clusters with the known labels "
            "over all cells (adjusted Rand index, ARI; 1 is perfect, 0 is chance), the same over "
            "the cells that are no rods, which are two thirds of all, and the number of clusters, "
            "with the known number as a dashed line. Small points are seeds (n in the figure), "
            "large points their mean, lines one standard deviation; the shape names the "
            "clusterer. k-means is given the true number of groups. The labels were found by "
            "clustering the same counts, so they are a reference and not a truth. × after a name: "
            "runs that failed / all. The paper says in words that scScope comes closest to the 39 "
            "clusters; its values are not available, so they are not shown."
        ),
        function="scscope.figures.supplementary_5:agreement_and_clusters",
        metrics=("ari", "ari_rest", "n_clusters"),
        needs=("datasets",),
    ),
    "supplementary_5b": Panel(
        title="Significance of the markers of retinal cell types (Supplementary Fig. 5b)",
        caption=(
            "For each method with its input scale (rows) and each type (columns): −log10 P of the "
            "two-sided rank-sum test of the type’s marker genes, in the cells of the clusters of "
            "that type against all other cells, the median over these genes and the mean over "
            "seeds (n in the figure); a gene that the type has less of counts 0. Darker is more "
            "significant; at most 300. A gene counts for the type in which its mean log2 fold "
            "change over all methods and seeds is highest. A dash: no cluster is of the type. "
            "Right: mean over types, in which those that were not found count 0. Descriptive in "
            "two ways: the types were given by these genes, and clusters come from the same "
            "values, so small P are no proof of a type; methods can be compared, since all have "
            "the same cells and genes. The paper says in words that scScope has the strongest "
            "markers; its values are not available, so they are not shown."
        ),
        function="scscope.figures.supplementary_5:marker_significance",
        metrics=("n_clusters",),
        needs=("markers",),
    ),
    "supplementary_5c": Panel(
        title="Shares of retinal cell types without rods, beside microscopy (Supplementary Fig. 5c)",
        caption=(
            "Left: share of each type among the cells of the types named, rods left out, on a "
            "logarithmic scale. Points are means over seeds (n in the figure), lines reach from "
            "the lowest to the highest, all of one clusterer, which the figure names; colours are "
            "those of the right side, the shape is the input scale. Black: microscopy, by Jeon et "
            "al. 1998, in percent of all cells and scaled to the same types; grey: the published "
            "labels of the same cells. Types are given to clusters by markers. Right: correlation "
            "of shares with microscopy over these types, Pearson’s (circle) and Spearman’s "
            "(square), by seed, with mean ± s.d. Six types are few: correlations of such a number "
            "vary a lot by chance. Drop-seq does not catch all types alike, so the best "
            "clustering need not agree most. The paper’s values are not available, so they are "
            "not shown."
        ),
        function="scscope.figures.supplementary_5:shares_without_rods",
        metrics=("n_clusters",),
        needs=("compositions",),
    ),
    "supplementary_5d": Panel(
        title="Shares of all retinal cell types, beside microscopy (Supplementary Fig. 5d)",
        caption=(
            "As the panel before, with rods. By microscopy four fifths of all cells are rods, so "
            "Pearson’s correlation is all but 1 whatever the other types do; Spearman’s takes "
            "ranks and is not led by them. Microscopy by Jeon et al. 1998. The paper’s values are "
            "not available, so they are not shown."
        ),
        function="scscope.figures.supplementary_5:shares_of_all_types",
        metrics=("n_clusters",),
        needs=("compositions",),
    ),
    "supplementary_6": Panel(
        title="Scalable clustering, step by step (Supplementary Fig. 6)",
        caption=(
            "Cells are dealt out to subsets; k-means finds the centroids of each; PhenoGraph clusters "
            "the centroids of all subsets together; a cell gets the label of its nearest centroid. "
            "Drawn for a small example (each colour a subset, then a community). Below, what the "
            "program uses for the cells of this study and for the paper’s 1.3 million where nothing "
            "else is asked for: read from the program, not from the paper. A scheme: it shows no scores."
        ),
        function="scscope.figures.supplementary_6:steps_of_scalable",
        table="",
        needs=("datasets",),
    ),
    "supplementary_7a": Panel(
        title="Composition of the intestine under infection (Supplementary Fig. 7a)",
        caption=(
            "a, cells of each condition on the map of one run, by the type that markers give to "
            "their cluster, over all others in light grey (a sample of cells; numbers in the "
            "figure). b, share of each type in every mouse (cells below the bar) and, wider, the "
            "mean of the mice of a condition. The mouse is the unit: with two mice per infection "
            "no test of shares can reach significance, so none is drawn and differences are "
            "descriptive. The run is the first of the study in the order of the benchmark, not "
            "the best. The paper’s t-SNE and shares are not available as numbers, so they are not "
            "shown."
        ),
        function="scscope.figures.supplementary_7:composition_by_condition",
        metrics=("n_clusters",),
        needs=("maps", "compositions"),
    ),
    "supplementary_7b": Panel(
        title="Markers of distal and proximal enterocytes (Supplementary Fig. 7b)",
        caption=(
            "Mean of each marker gene, in UMIs per cell of size-normalised counts, in the four "
            "subtypes of enterocytes and in all other cells (number of cells below), all "
            "conditions together, in one run. Genes that distal enterocytes have more of stand "
            "first. Colour: the mean as a share of the gene’s highest. Subtypes were given by "
            "markers, so that they differ in them is no finding. The paper’s values are not "
            "available, so they are not shown; it has 385 immature and 457 mature distal, 1,039 "
            "and 845 proximal enterocytes, and 7,116 other cells."
        ),
        function="scscope.figures.supplementary_7:enterocyte_markers",
        metrics=("n_clusters",),
        needs=("expression",),
    ),
    "supplementary_7c": Panel(
        title="Saa1 in enterocytes by condition (Supplementary Fig. 7c)",
        caption=(
            "Saa1 in distal and in proximal enterocytes of one run by condition: log(1 + "
            "size-normalised UMIs), boxes are quartiles, whiskers the 5 and 95 % quantiles, the "
            "point is log(1 + mean); number of cells below. P of the two-sided t test and of the "
            "rank-sum test against control, both of cells. Cells of one mouse are no replicates, "
            "and there are two mice per infection: P is descriptive. The paper draws log TPM of "
            "1,129 enterocytes and says that Saa1 rises in distal but not in proximal enterocytes "
            "after Salmonella and ten days after H. polygyrus; its values are not available, so "
            "they are not shown."
        ),
        function="scscope.figures.supplementary_7:saa1_by_condition",
        metrics=("n_clusters",),
        needs=("expression",),
    ),
    "supplementary_8": Panel(
        title="Tests of enterocyte markers (Supplementary Fig. 8)",
        caption=(
            "−log10 P of each marker gene between immature and mature enterocytes, and between "
            "each of them and all cells that are no enterocytes, by the two-sided t test and by "
            "the rank-sum test, for distal and for proximal enterocytes of one run; the darker, "
            "the smaller P; not corrected for the number of tests. A triangle: the gene’s mean is "
            "lower in the group that is named first. Groups were made from the same genes, and "
            "cells of one mouse are no replicates: all P are descriptive. The paper’s values are "
            "not available, so they are not shown; its groups have 385 and 457 distal, 1,039 and "
            "845 proximal enterocytes and 7,116 other cells."
        ),
        function="scscope.figures.supplementary_8:marker_tests",
        metrics=("n_clusters",),
        needs=("expression",),
    ),
    "supplementary_9": Panel(
        title="Major types of brain cells, beside SPLiT-seq and the paper (Supplementary Fig. 9)",
        caption=(
            "Shares of glutamatergic, GABAergic and non-neuronal cells, in percent: of each "
            "method, by the type that markers give to clusters, over all seeds (n in the figure); "
            "of SPLiT-seq, all nuclei of Rosenberg et al. 2018 by their published clusters, whose "
            "types are read off their names; of the paper, the sums of the clusters that its Fig. "
            "3 prints (817,309, 212,529 and 93,876 cells). Left: of all cells; those of no major "
            "type are grey, and for the paper they are what is missing to its 1,308,421 cells. "
            "Right: of the cells of the three types alone. SPLiT-seq is of brain and spinal cord "
            "at days 2 and 11 after birth, the 10x data of the embryo at day 18: shares need not "
            "agree. The SPLiT-seq shares that the paper drew are not available, nor which part of "
            "the data they are of."
        ),
        function="scscope.figures.supplementary_9:major_types",
        metrics=("n_clusters",),
        needs=("compositions", "datasets"),
    ),
    "supplementary_10": Panel(
        title="The scScope network, unrolled to three passes (Supplementary Fig. 10)",
        caption=(
            "The network with three passes. From left to right: the input, corrected for batches where "
            "the data have several; encoder, decoder and imputer, each layer with its name in the "
            "program and its columns. What the imputer gives enters the next pass only where nothing "
            "was observed (mask). The codes of all passes side by side are what is clustered. Drawn "
            "from the layers that a pass through the real network calls, at the preset “paper” and for "
            "the first dataset of the study: a layer more in the model is a box more here. A scheme: "
            "it shows no scores."
        ),
        function="scscope.figures.network:unrolled_to_three",
        table="",
        needs=("datasets",),
    ),
    "supplementary_11": Panel(
        title="Time of clustering by number of cells (Supplementary Fig. 11)",
        caption=(
            "Wall time of clustering a latent, from the search for neighbours to the labels and "
            "without loading programs, by number of cells, both on a logarithmic scale. Points are "
            "means over seeds (n in the figure), bars reach from the fastest to the slowest; the "
            "dashed line is a power of the number of cells fitted to the means of three numbers or "
            "more. Times are of the machine, and of the threads, that the run had. Crosses mark runs that failed, as "
            "failed / all. The values of the paper's Supplementary Fig. 11 (means of 100 repeats up "
            "to 50,000 cells and of 10 beyond) are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_11:seconds_by_cells",
        metrics=("cluster_seconds",),
    ),
    "supplementary_12": Panel(
        title="Scales of the input by methods (Supplementary Fig. 12)",
        caption=(
            "Agreement of clusters with the known labels (adjusted Rand index, ARI; 1 is perfect and "
            "darkest, 0 is chance) of every method (rows) on every scale of its input (columns): one "
            "matrix for each dataset and clusterer, means over seeds (n in the figure). log: log1p "
            "after size normalisation; log_counts: log1p without it; size: size normalisation without "
            "log; _unit: genes also divided by their standard deviation; counts: as observed; rounded, "
            "size_rounded and log_rounded: values of counts, size and log rounded to whole numbers. "
            "k-means is given the true number of groups. Models of counts are made for counts: on "
            "rounded values they are off-label (†), and on other scales they are not run. ×: some or all runs failed, and the mean is of the others; –: not run; n/a: the "
            "method does not apply. The values of the paper's Supplementary Fig. 12 are not available "
            "as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_12:ari_by_scale",
        metrics=("ari",),
    ),
    "supplementary_13": Panel(
        title="Size of the latent (Supplementary Fig. 13)",
        caption=(
            "What the number of latent units changes, one row for each set of labels: agreement of "
            "clusters with them (adjusted Rand index, ARI, and adjusted mutual information, AMI; 1 is "
            "perfect, 0 is chance) and number of clusters. k-means is given the true number of groups, "
            "so its number of clusters is no result. Entries of the config stand here if they differ "
            "from the reference (grey) in the latent size alone. Small points are seeds (n in the "
            "figure), large points their mean, bars one standard deviation, lines connect means. "
            "Crosses mark runs that failed, as failed / all. The values of the paper's Supplementary "
            "Fig. 13 are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_13:scores_by_latent_size",
        metrics=("ari", "ami", "n_clusters"),
    ),
    "supplementary_14": Panel(
        title="Learning from corrupted input (Supplementary Fig. 14)",
        caption=(
            "scScope and its plain autoencoder (AE), both trained on the input as it is, beside "
            "denoising autoencoders, by sparsity of simulated data. Noise: 0.3 times the variance that "
            "a gene has over its non-zero values is added to these; dropped: a tenth of the non-zero "
            "entries is set to zero; both are drawn anew in every step of training. The paper takes "
            "the shapes of these networks from other papers: here they are the AE's own, and a deeper "
            "one. Agreement of clusters with the true cell types (adjusted Rand index, ARI; 1 is "
            "perfect, 0 is chance) for each clusterer; k-means is given the true number of groups, and "
            "the best resolution is chosen with the true labels and an upper bound. Imputation error: "
            "mean absolute difference of predicted and true log1p size-normalised values over entries "
            "that are expressed but observed as zero; lower is better. Points are means and bars one "
            "standard deviation over seeds (n in the figure), each a new simulation and a new fit. "
            "Grey lines are controls. Crosses mark runs that failed, as failed / all. The values of "
            "the paper's Supplementary Fig. 14 are not available as numbers, so they are not shown."
        ),
        function="scscope.figures.supplementary_14:denoising",
        metrics=("ari", "imputation_error"),
    ),
    "supplementary_15": Panel(
        title="How training is set (Supplementary Fig. 15)",
        caption=(
            "Agreement of clusters with the known labels (adjusted Rand index, ARI; 1 is perfect, 0 is "
            "chance) by learning rate, cells in a minibatch, epochs at most, and epochs between two "
            "checks of convergence (columns), one row for each dataset; which ones the paper used is "
            "not stated. Entries of the config stand here if they differ from the reference (grey) in "
            "one of these alone: the others stay as they are. k-means is given the true number of "
            "groups. Small points are seeds (n in the figure), large points their mean, bars one "
            "standard deviation, lines connect means. Crosses mark runs that failed, as failed / all. "
            "The values of the paper's Supplementary Fig. 15 are not available as numbers, so they are "
            "not shown."
        ),
        function="scscope.figures.supplementary_15:ari_by_training",
        metrics=("ari",),
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
    "cost": Panel(
        title="Time and memory by method",
        caption=(
            "What a fit costs: a, wall time with loading programs and data; b, peak resident memory of "
            "the process and all that it started, without that of a GPU. Both axes are logarithmic. "
            "Points are medians over seeds (n in the figure), lines reach from minimum to maximum; "
            "colours are datasets, those with more cells darker. Runs that failed have no cost and are "
            "named at the right (×), as failed / all runs of the method. Times are of the machine, and "
            "of the device, that each run had: only in a study that is timed are they of one machine "
            "with nothing beside. None of these values come from the paper."
        ),
        function="scscope.figures.cost:cost_by_method",
        costs=True,
    ),
    "accuracy_by_cost": Panel(
        title="Accuracy by time",
        caption=(
            "Agreement of clusters with the known labels (adjusted Rand index, ARI; 1 is perfect, 0 is "
            "chance; the first clusterer of the study) against wall time of the fit, logarithmic, one "
            "panel for each dataset. Points are means over seeds (n in the figure); colours are "
            "methods, shapes the scale of the input. The steps are the Pareto front: no other entry is "
            "both at least as fast and at least as good. Entries with failed runs are hollow, means "
            "of the others, and never on the front; they are listed below each panel (×) with those "
            "that have no value. Times are of the machine, and of the device, that each run had. None "
            "of these values come from the paper."
        ),
        function="scscope.figures.accuracy_by_cost:ari_by_seconds",
        metrics=("ari",),
        costs=True,
    ),
    "critical_difference": Panel(
        title="Which methods can be told apart over real datasets",
        caption=(
            "Mean ranks of the methods by ARI over the real datasets of the run (1 is best; seeds are "
            "averaged before, failed runs rank last, datasets of the same cells count once), one "
            "diagram for each scale of the input; methods that take raw counts stand in each. Black "
            "bars join methods whose mean ranks differ by less than the critical difference of "
            "Nemenyi’s test at 5 % (Demšar 2006, JMLR 7:1): these data do not tell them apart. Below "
            "ten datasets no diagram is drawn, because nearly everything would be joined, which looks "
            "like a finding and is none. None of these values come from the paper."
        ),
        function="scscope.figures.critical_difference:mean_rank_diagram",
        metrics=("ari",),
        needs=("mean_ranks",),
    ),
    "status": Panel(
        title="How the runs ended",
        caption=(
            "Number of runs (seeds) of every method and control on every dataset of the study by how "
            "they ended; a number alone is of those that ended well. A run that failed has no score "
            "and ranks last wherever methods are put in order; one to which the method does not apply "
            "has no rank. Why each failed stands in the table of runs."
        ),
        function="scscope.figures.status:runs_by_method",
    ),
}
