"""The real data sets, under the names that a config entry has as its `source`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class RealSet:
    """What is known of a real set before its files are read.

    Parameters
    ----------
    title
        What the data card says it is.
    module, function
        Where it is: a function `(raw, record, **params)` of the folder with its files and a
        `scscope.datasets.record.Record`, that returns the cells as AnnData.
    chooses_genes
        Whether it takes `n_top_genes` itself and returns a `scscope.data.Stream`, because its
        cells do not fit in memory before their genes are chosen.
    """

    title: str
    module: str
    function: str
    chooses_genes: bool = False

    def load(self) -> Callable:
        """Import and return the function."""
        return getattr(import_module(self.module), self.function)


_BRAIN, _MCA = "scscope.datasets.brain", "scscope.datasets.mca"

SETS = {
    "retina": RealSet(
        "mouse retina, Macosko et al. 2015, GSE63472", "scscope.datasets.retina", "retina"
    ),
    "cbmc": RealSet(
        "cord blood, Stoeckius et al. 2017, GSE100866", "scscope.datasets.cbmc", "cbmc"
    ),
    "intestine": RealSet(
        "mouse small intestine, Haber et al. 2017, GSE92332",
        "scscope.datasets.intestine",
        "intestine",
    ),
    "brain": RealSet(
        "brain of mouse embryos, 10x Genomics 2017, 1M_neurons", _BRAIN, "brain", chooses_genes=True
    ),
    "brain_20k": RealSet(
        "brain of mouse embryos, 10x Genomics 2017, 20,000 cells of 1M_neurons",
        _BRAIN,
        "brain_20k",
        chooses_genes=True,
    ),
    "mca_lung": RealSet("mouse lung, Han et al. 2018, GSE108097", _MCA, "mca_lung"),
    "mca_atlas": RealSet("Mouse Cell Atlas, Han et al. 2018, GSE108097", _MCA, "mca_atlas"),
    "splitseq": RealSet(
        "mouse brain and spinal cord, Rosenberg et al. 2018, GSM3017261",
        "scscope.datasets.splitseq",
        "splitseq",
    ),
}
# Sets whose cells are among those of another.
PART_OF = {"brain_20k": "brain", "mca_lung": "mca_atlas"}


def unit_of(name: str, datasets: Mapping[str, Mapping]) -> str:
    """What a real dataset is one of: datasets of the same cells are one unit, not two replicates.

    Parameters
    ----------
    name
        Of the dataset.
    datasets
        Entries of the config by name.
    """
    whole = datasets[name].get("of", name)
    source = datasets[whole]["source"]
    return whole if source == "file" else PART_OF.get(source, source)
