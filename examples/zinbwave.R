# ZINB-WaVE (Risso et al., Nature Communications 2018) as a method of the benchmark; see docs/baselines.md.
# Usage: Rscript examples/zinbwave.R INPUT OUTPUT SEED THREADS N_LATENT

if (!requireNamespace("zinbwave", quietly = TRUE)) {
  cat("ZINB-WaVE is not installed:",
      "in R, `install.packages(\"BiocManager\"); BiocManager::install(\"zinbwave\")` brings it.\n")
  quit(status = 77)
}

words <- commandArgs(trailingOnly = TRUE)
input <- words[1]
output <- words[2]
set.seed(as.integer(words[3]))
threads <- as.integer(words[4])
n_latent <- as.integer(words[5])

cells <- read.csv(file.path(input, "cells.csv"), colClasses = "character")$cell
genes <- read.csv(file.path(input, "genes.csv"), colClasses = "character")$gene
entries <- read.table(file.path(input, "matrix.mtx"), skip = 2)
counts <- matrix(0, length(genes), length(cells), dimnames = list(genes, cells))
counts[cbind(entries$V2, entries$V1)] <- entries$V3
# It refuses genes that no cell has; among the cells that are fitted there may be some.
counts <- counts[rowSums(counts) > 0, ]
if (any(counts != round(counts))) {
  cat("ZINB-WaVE models counts, and these are none; `scale: rounded` rounds them, off-label.\n")
  quit(status = 77)
}

parallel <- BiocParallel::SerialParam()
if (threads > 1) parallel <- BiocParallel::MulticoreParam(threads)
data <- SummarizedExperiment::SummarizedExperiment(list(counts = counts))
fitted <- zinbwave::zinbwave(data, K = n_latent, BPPARAM = parallel)
latent <- SingleCellExperiment::reducedDim(fitted, "zinbwave")
rownames(latent) <- cells
write.csv(latent, file.path(output, "latent.csv"))
