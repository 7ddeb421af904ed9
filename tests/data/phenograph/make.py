"""Ten latents, and what PhenoGraph 1.5.7 makes of them: the oracle of tests/unit/test_cluster_phenograph.py.

python tests/data/phenograph/make.py latents DATA OUT.npz    with this project's Python
python tests/data/phenograph/make.py labels OUT.npz reference.npz    with one that has PhenoGraph 1.5.7

DATA is the folder of real excerpts (SCSCOPE_TEST_DATA).
"""

import sys
import types
from pathlib import Path

import numpy as np

N_RUNS = 5
WITH_GRAPH, N_OF_GRAPH = "close", 300


def simulated() -> dict[str, np.ndarray]:
    """Latents with and without groups."""
    rng = np.random.default_rng(7)

    def groups(sizes, n_latent, distance):
        centre = rng.normal(size=(len(sizes), n_latent)) * distance
        return np.repeat(centre, sizes, axis=0) + rng.normal(size=(sum(sizes), n_latent))

    along = np.sort(rng.uniform(0, 3, size=800))[:, None]
    bends = np.sin(along * np.arange(1, 11)) * 4
    return {
        "apart": groups([100] * 8, 10, 4.0),
        "close": groups([80] * 12, 20, 0.8),
        "unequal": groups([500, 250, 120, 60, 40, 20, 8], 15, 2.0),
        "trajectory": bends + rng.normal(size=bends.shape),
        "noise": rng.normal(size=(600, 20)),
    }


def real(data: Path) -> dict[str, np.ndarray]:
    """Surface proteins of cord blood, and components of four excerpts of counts."""
    import pandas as pd

    proteins = data / "cbmc" / "GSE100866_CBMC_8K_13AB_10X-ADT_clr-transformed.csv.gz"
    latents = {"cbmc": pd.read_csv(proteins, index_col=0).to_numpy().T[:1200]}
    excerpts = {
        "mudan": "labelled/mudan_reference_2140.h5ad",
        "pbmc": "labelled/pbmc3k_ds0.3_labelled.h5ad",
        "kang": "labelled/kang_pbmc_stim_ctrl_2000.h5ad",
        "brain": "brain_1m/brain1m_first10k_cells_1k_genes.h5ad",
    }
    return latents | {name: components(data / path) for name, path in excerpts.items()}


def components(path: Path) -> np.ndarray:
    """Twenty principal components of 1,000 cells and the 500 most variable genes, log-normalised."""
    import anndata

    counts = anndata.read_h5ad(path).X[:1000].toarray().astype(float)
    total = counts.sum(axis=1, keepdims=True)
    log = np.log1p(counts * np.median(total) / total)
    log = log[:, np.argsort(-log.var(axis=0), kind="stable")[:500]]
    left, scale, _ = np.linalg.svd(log - log.mean(axis=0), full_matrices=False)
    return left[:, :20] * scale[:20]


def reference(latents: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PhenoGraph's labels and modularity of five runs each, and one graph of some cells."""
    # PhenoGraph imports a name that SciPy no longer has.
    import scipy.sparse

    base = types.ModuleType("scipy.sparse.base")
    base.spmatrix = scipy.sparse.spmatrix
    sys.modules["scipy.sparse.base"] = base
    import phenograph

    found = {}
    for name, latent in latents.items():
        runs = [phenograph.cluster(latent, k=30) for _ in range(N_RUNS)]
        found[f"{name}.labels"] = np.array([labels for labels, _, _ in runs], dtype=np.int8)
        found[f"{name}.modularity"] = np.array([modularity for _, _, modularity in runs])
    _, graph, _ = phenograph.cluster(latents[WITH_GRAPH][:N_OF_GRAPH], k=30)
    graph = graph.tocoo()
    kept = graph.data > 0
    found["graph.rows"] = graph.row[kept].astype(np.int16)
    found["graph.columns"] = graph.col[kept].astype(np.int16)
    found["graph.weights"] = graph.data[kept].astype(np.float32)
    return found


if __name__ == "__main__":
    what, source, target = sys.argv[1:]
    if what == "latents":
        np.savez_compressed(target, **simulated(), **real(Path(source)))
    else:
        np.savez_compressed(target, **reference(dict(np.load(source))))
