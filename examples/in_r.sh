#!/bin/sh
# Run an R script where R is installed; elsewhere say that it does not apply.
# Usage: sh examples/in_r.sh SCRIPT.R [ARGUMENT ...]
if ! command -v Rscript > /dev/null; then
    echo "R is not installed: there is no Rscript on the PATH. See https://cran.r-project.org."
    exit 77
fi
exec Rscript "$@"
