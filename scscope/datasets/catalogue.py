"""Where the files of the real data sets lie, and what is known of their sizes and checksums.

Nothing here has been fetched from its address yet: that an address answers is untested. What a
number rests on stands beside it in `basis`: "at hand" was computed on the bytes themselves,
"stated" is printed by the source that is named.
"""

from dataclasses import dataclass, replace

from scscope.validation import unknown_name

MB = 10**6

GEO_TERMS = "none stated; https://www.ncbi.nlm.nih.gov/geo/info/disclaimer.html"
GEO = "https://ftp.ncbi.nlm.nih.gov/geo"
GEO_BY_NAME = "https://www.ncbi.nlm.nih.gov/geo/download/?format=file&acc="
GITHUB = "https://raw.githubusercontent.com"
# Copies of original files, stored as plain blobs of a git repository.
DISC = f"{GITHUB}/iyhaoo/DISC_data_availability/54e4ea073a705816a0b709947e8c1e070553d135"
HACKATHON = f"{GITHUB}/databio/bds_hackathon/4bd4c79861ce9f74a2e1a85068b19fb1a725b0b9/data/raw"
TENX = "https://cf.10xgenomics.com/samples/cell-exp/1.3.0/1M_neurons"
TENX_S3 = "https://s3-us-west-2.amazonaws.com/10x.files/samples/cell/1M_neurons"

# Where the addresses below may redirect to, beside the hosts of the file's own addresses.
# figshare hands out signed addresses in its bucket, by what users of other projects report.
REDIRECTS = (
    "cf.10xgenomics.com/",
    "ftp.ncbi.nlm.nih.gov/",
    "ndownloader.figshare.com/",
    "s3-eu-west-1.amazonaws.com/pfigshare-u-files/",
    "www.ncbi.nlm.nih.gov/",
)


@dataclass(frozen=True)
class File:
    """One file of a real data set.

    Attributes
    ----------
    name
        Its name below `raw/{source}/`.
    urls
        Addresses of the same bytes, the most trusted first.
    licence
        Terms of use, as far as they are stated.
    size
        Exact number of bytes, or None where nobody publishes it.
    sha256, md5, git_blob_sha1
        Known checksums; the last is SHA-1 of `blob <bytes>`, NUL and the content.
    basis
        What size and checksums rest on.
    at_most
        Bytes beyond which no file of this name is taken, for files of unknown size.
    stands_in
        What of its content is known and checked when it is read, where no checksum is published.
    needed
        Whether `snakemake download` fetches it; others are fetched by their path alone.
    source
        Key of the data set; filled in by the catalogue.
    """

    name: str
    urls: tuple[str, ...]
    licence: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None
    git_blob_sha1: str | None = None
    basis: str = "nothing is published"
    at_most: int = 500 * MB
    stands_in: str = ""
    needed: bool = True
    source: str = ""

    @property
    def checksums(self) -> dict[str, str]:
        """The known ones, by kind."""
        kinds = ("sha256", "md5", "git_blob_sha1")
        return {kind: getattr(self, kind) for kind in kinds if getattr(self, kind)}


def of_geo(path: str, name: str, *more: str, **facts) -> File:
    """A supplementary file of GEO: by path, by name, then copies elsewhere."""
    accession = path.split("/")[-1]
    by_name = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in name)
    urls = (f"{GEO}/{path}/suppl/{name}", f"{GEO_BY_NAME}{accession}&file={by_name}", *more)
    return File(name, urls, GEO_TERMS, **facts)


def cbmc(kind: str, *more: str, **facts) -> File:
    """One of the three tables of the cord blood cells."""
    name = f"GSE100866_CBMC_8K_13AB_10X-{kind}.csv.gz"
    return of_geo("series/GSE100nnn/GSE100866", name, *more, f"{HACKATHON}/{name}", **facts)


def brain(name: str, *more: str, **facts) -> File:
    """A file of the 1.3 million neurons, from 10x Genomics."""
    urls = (f"{TENX}/{name}", f"{TENX_S3}/{name}", *more)
    return File(name, urls, "CC BY 4.0, stated by 10x Genomics", **facts)


def mca_lung(accession: str, number: int) -> File:
    """Counts of one of the three lungs of the Mouse Cell Atlas."""
    return of_geo(
        f"samples/GSM2906nnn/{accession}",
        f"{accession}_Lung{number}_dge.txt.gz",
        stands_in="6,940 annotated cells in the three lungs together",
    )


MCA_LABELS = File(
    "MCA_CellAssignments.csv",
    (
        # figshare.com/ndownloader answers programs with an empty page (202); these do not, as
        # users of other projects report.
        "https://ndownloader.figshare.com/files/11083451?private_link=865e694ad06d5857db4b",
        "https://api.figshare.com/v2/file/download/11083451",
    ),
    "not known",
    stands_in="columns Cell.name, ClusterID, Tissue, Batch, Cell.Barcode, Annotation",
)

_FILES: dict[str, tuple[File, ...]] = {
    # Macosko 2015, mouse retina, Drop-seq.
    "retina": (
        of_geo(
            "series/GSE63nnn/GSE63472",
            "GSE63472_P14Retina_merged_digital_expression.txt.gz",
            f"{DISC}/RETINA/original_data/GSE63472_P14Retina_merged_digital_expression.txt.gz",
            git_blob_sha1="4ae9fdd6425708061fa3a5e94ba4b10f47f2e933",
            basis="git blob of the copy in DISC; that GEO has the same bytes is inferred. "
            "50.7 MB by GEO's listing",
            at_most=100 * MB,
            stands_in="24,658 genes x 49,300 cells",
        ),
        File(
            "retina_clusteridentities.txt",
            (
                # Published at http://mccarrolllab.org, of which only https is asked.
                "https://mccarrolllab.org/wp-content/uploads/2015/05/retina_clusteridentities.txt",
                "https://scrnaseq-public-datasets.s3.amazonaws.com/manual-data/macosko/"
                "retina_clusteridentities.txt",
                f"{DISC}/RETINA/original_data/retina_clusteridentities.txt",
                f"{GITHUB}/olgabot/macosko2015/26e9a37313d0198a64af5e890c2a57da1c7e34ca/"
                "data/00_original/retina_clusteridentities.txt",
            ),
            "none stated; MIT in the copy of olgabot/macosko2015",
            size=849_183,
            sha256="b7224ab7d61632fd34ca700c83aab22b509e5149222bb0918f87e47c1310d9fe",
            md5="6b4c832130fcc8f73d1c020180ae102b",
            git_blob_sha1="15196b910b60115f33e2e1b3c867ca203e1f5a18",
            basis="at hand; identical in three independent repositories",
        ),
    ),
    # Stoeckius 2017, cord blood, CITE-seq.
    "cbmc": (
        cbmc(
            "RNA_umi",
            f"{DISC}/CBMC/original_data/GSE100866_CBMC_8K_13AB_10X-RNA_umi.csv.gz",
            md5="b8d8332e5b56f689427d8c0580b0fc38",
            git_blob_sha1="cb236dbeaaecdc5ab66a6df0de18f1f4644ef4f7",
            basis="md5 stated by moinfar/scFNN, seven of whose nine for this series were "
            "reproduced; git blob the same in two independent repositories",
            at_most=100 * MB,
            stands_in="36,280 genes of two species x 8,617 cells",
        ),
        cbmc(
            "ADT_umi",
            size=194_394,
            md5="d90fed7d120317281e63826931a0e070",
            git_blob_sha1="45be022917cf552ebb2dbd0df7dd1230b3fd8cca",
            sha256="ae986df44e403244963582973bfb2d70a8dde14797338f56fc606eab5cae2740",
            basis="at hand; md5 also stated by moinfar/scFNN",
        ),
        cbmc(
            "ADT_clr-transformed",
            size=967_804,
            md5="5e53cab00dd0b073028098d52e51e565",
            git_blob_sha1="25ffb8093b94e360249afd4d060756954996de05",
            sha256="0dfb4a396f4e8456f7dbf7442b9985fcb981aeae06dea28d88eae19ec51c66ae",
            basis="at hand; md5 also stated by moinfar/scFNN",
        ),
        File(
            "cbmc_clusters.csv.gz",
            (
                f"{GITHUB}/YosefLab/scVI-data/9a647afc8893604fa11024ddcd5fc5bb22b8e50e/"
                "cbmc_clusters.csv.gz",
            ),
            "not known",
            size=53_836,
            sha256="bfc1680c30841f8f47d655aeea9534b619df5d7b43a856c7cce3246c4a6cb715",
            md5="a51c5db1253b688fe767a8b57ca62ecc",
            git_blob_sha1="c3400b0f7aaa0b1d0246f5c813dc51c07523c977",
            basis="at hand",
        ),
    ),
    # Haber 2017, mouse small intestine; of GSE92332 only this table has the paper's cells.
    "intestine": (
        of_geo(
            "series/GSE92nnn/GSE92332",
            "GSE92332_SalmHelm_UMIcounts.txt.gz",
            stands_in="15,215 genes x 9,842 cells: control 3,240, Salmonella 1,770, "
            "Hpoly.Day3 2,121, Hpoly.Day10 2,711",
        ),
    ),
    # 10x Genomics 2017, brain of mouse embryos.
    "brain": (
        brain(
            "1M_neurons_filtered_gene_bc_matrices_h5.h5",
            # That GEO's copy has the same bytes is a hope; its size and sha256 are asked.
            f"{GEO}/series/GSE93nnn/GSE93421/suppl/GSE93421_brain_aggregate_matrix.hdf5",
            size=4_216_018_749,
            sha256="255a36ee92de25cb3568faa2c27d31fe6d0db30f285c5c977be8d6245de14044",
            md5="f97b8c67e57a534816b9b2bccf31476b",
            basis="stated: sha256 and size by CerebroNexus and rustscenic, md5 by TENxBrainData",
        ),
        brain(
            "1M_neurons_analysis.tar.gz",
            sha256="12636d6f6d3802d34ff491977479c1d43adcf65c575c57f9a3fd3ed57348ee09",
            basis="stated by a single source",
            at_most=5_000 * MB,
            needed=False,  # its clusters are a comparison, no truth
        ),
    ),
    "brain_20k": (
        brain(
            "1M_neurons_neuron20k.h5",
            size=61_694_953,
            sha256="ecaf7203c8f3d9b043bd8c0ad3a6b3b19b39422edd9ffce5649d1936a4e4fae7",
            md5="7696db0199a30a36f857e86a1ad1da8d",
            basis="stated: sha256 and size by rustscenic, md5 by TENxBrainData",
        ),
    ),
    # Han 2018, Mouse Cell Atlas.
    "mca_lung": (
        mca_lung("GSM2906429", 1),
        mca_lung("GSM2906430", 2),
        mca_lung("GSM2906431", 3),
        MCA_LABELS,
    ),
    "mca_atlas": (
        File(
            # One table for each sample; names and number of its members are not known.
            "GSE108097_RAW.tar",
            (f"{GEO}/series/GSE108nnn/GSE108097/suppl/GSE108097_RAW.tar",),
            GEO_TERMS,
            basis="nothing is published; the name as other projects use it",
            at_most=10_000 * MB,
            stands_in="405,796 cells of 51 tissues after a selection that is not published",
        ),
        MCA_LABELS,
    ),
    # Rosenberg 2018, mouse brain and spinal cord. DISC has it in three parts (…mat.gz.001 to .003),
    # which can be joined by hand.
    "splitseq": (
        of_geo(
            "samples/GSM3017nnn/GSM3017261",
            "GSM3017261_150000_CNS_nuclei.mat.gz",
            basis="217.1 MB by GEO's listing, nothing else is published",
            at_most=400 * MB,
            stands_in="156,049 cells x 26,894 genes, 73 clusters",
        ),
    ),
}

CATALOGUE = {
    source: tuple(replace(file, source=source) for file in files)
    for source, files in _FILES.items()
}


def files_of(source: str) -> list[File]:
    """Files that a real data set is read from.

    Parameters
    ----------
    source
        Its key in `CATALOGUE`, which is the `source` of its entries in a config.

    Raises
    ------
    ValueError
        If there is no such set.
    """
    if source not in CATALOGUE:
        raise ValueError(unknown_name("real data set", source, CATALOGUE))
    return [file for file in CATALOGUE[source] if file.needed]
