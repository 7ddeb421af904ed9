rule fit:
    input:
        data=dataset_file,
        targets=targets_file,
    output:
        status="<results>/runs/{dataset}/{method}/seed_{seed}/status.json",
        latent="<results>/runs/{dataset}/{method}/seed_{seed}/latent.npy",
        labels="<results>/runs/{dataset}/{method}/seed_{seed}/labels.npy",
        imputed="<results>/runs/{dataset}/{method}/seed_{seed}/imputed.npy",
        history="<results>/runs/{dataset}/{method}/seed_{seed}/history.tsv",
        subset="<results>/runs/{dataset}/{method}/seed_{seed}/subset.npz",
    log:
        "<logs>/fit/{dataset}/{method}/seed_{seed}.log",
    benchmark:
        "<benchmarks>/fit/{dataset}/{method}/seed_{seed}.tsv"
    wildcard_constraints:
        method=one_of(CPU_METHODS),
    retries: FIT_RETRIES
    conda:
        "../../envs/base.yaml"
    resources:
        attempt=number_of_attempt,
    params:
        code=method_code,
        method=method_settings,
        failures=failures_of,
        retries=FIT_RETRIES,
    message:
        "Fit {wildcards.method} to {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/fit.py"


use rule fit as fit_deep with:
    wildcard_constraints:
        method=one_of(GPU_METHODS),
    conda:
        "../../envs/torch.yaml"
    resources:
        attempt=number_of_attempt,
        gpu=gpus_of,
