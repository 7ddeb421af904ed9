"""How to cite the paper of the method and this software, as `CITATION.cff` says."""

DOI = "10.1038/s41592-019-0353-7"
PAPER = (
    "Deng Y, Bao F, Dai Q, Wu LF, Altschuler SJ. Scalable analysis of cell-type composition from "
    "single-cell transcriptomics using deep recurrent learning. Nature Methods 16, 311–314 (2019)."
)
SOFTWARE = "The scScope benchmark developers. scScope in PyTorch, and the benchmark of its paper as a workflow"
