# What scscope.simulate.splatter asks of R: simulate, and hand over plain matrices and columns.
function(settings, method) {
  params <- splatter::setParams(splatter::newSplatParams(), update = settings)
  sim <- splatter::splatSimulate(params, method = method, sparsify = FALSE, verbose = FALSE)
  list(
    observed = SummarizedExperiment::assay(sim, "counts"),
    true = SummarizedExperiment::assay(sim, "TrueCounts"),
    cells = as.list(SummarizedExperiment::colData(sim)),
    genes = as.list(SummarizedExperiment::rowData(sim)),
    version = as.character(utils::packageVersion("splatter"))
  )
}
