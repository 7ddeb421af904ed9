"""Figure 2b and c: reconstruction error by expression, and tissues found by number of genes."""

import pandas as pd
from matplotlib.figure import Figure

from scscope.figures import marks
from scscope.figures.by_level import Axis, Paper, page_by_level, rows_of_clusterers, with_scales
from scscope.figures.style import styled
from scscope.figures.tables import natural, paper_values

SOURCE = "Deng et al. 2019"
OCTILE = r"(gene|entry)_octile_(\d)_error"
OCTILES_OF = {"gene": "Octiles of genes", "entry": "Octiles of entries"}


@styled
def error_by_octile(scores: pd.DataFrame) -> Figure:
    """Draw the error at hidden entries by octile of expression, of genes and of entries.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`: metrics `gene_octile_1_error` to
        `entry_octile_8_error`.
    """
    which = scores["metric"].str.extract(f"^{OCTILE}$")
    scores = scores.assign(row=which[0], level=which[1].astype(float), column=scores["dataset"])
    scores = with_scales(scores[scores["row"].notna()])
    if scores["control"].all():
        return marks.empty_figure(
            "No error by octile: no method of this study imputes, or no values were hidden."
        )
    paper = paper_values("fig2b").rename(columns={"octile": "level"})
    return page_by_level(
        scores,
        Axis("Octile of expression"),
        rows={
            of: f"Error (|Δ log1p|)\n{OCTILES_OF[of]}"
            for of in OCTILES_OF
            if of in set(scores["row"])
        },
        columns={
            name: (f"This run: {name}", "at hidden entries")
            for name in sorted(set(scores["column"]), key=natural)
        },
        paper=Paper(paper, "Reconstruction error", f"{SOURCE}, CBMC"),
    )


@styled
def ari_by_genes(scores: pd.DataFrame, datasets: pd.DataFrame) -> Figure:
    """Draw the agreement with the labels by number of genes: one row per clusterer.

    Parameters
    ----------
    scores
        Tidy scores of a study, with `label`.
    datasets
        Its datasets, with `n_genes`.
    """
    scores = with_scales(scores[scores["metric"] == "ari"])
    if scores["control"].all():
        return marks.empty_figure("No ARI in these scores: the datasets have no labels.")
    n_genes = datasets.drop_duplicates("dataset").set_index("dataset")["n_genes"]
    scores = scores.assign(level=scores["dataset"].map(n_genes), column="")
    names = scores.sort_values("level")["dataset"].tolist()
    scores, rows = rows_of_clusterers(scores, "ARI")
    paper = paper_values("fig2c").rename(columns={"n_genes": "level"})
    return page_by_level(
        scores,
        Axis("Genes", "{:,.0f}".format),
        rows=rows,
        columns={"": ("This run", f"{names[0]} to {names[-1]}")},
        paper=Paper(paper, "ARI, 51 tissues", SOURCE),
        high=1,
    )
