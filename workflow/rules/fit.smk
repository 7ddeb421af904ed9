rule fit:
    input:
        unpack(files_of_method),
        data=dataset_file,
        targets=targets_file,
    output:
        status="<results>/runs/{dataset}/{method}/seed_{seed}/status.json",
        latent="<results>/runs/{dataset}/{method}/seed_{seed}/latent.npy",
        fit="<results>/runs/{dataset}/{method}/seed_{seed}/fit.npz",
        history="<results>/runs/{dataset}/{method}/seed_{seed}/history.tsv",
    log:
        "<logs>/fit/{dataset}/{method}/seed_{seed}.log",
    benchmark:
        "<benchmarks>/fit/{dataset}/{method}/seed_{seed}.tsv"
    wildcard_constraints:
        method=one_of(CPU_METHODS),
    # One more, which only says that the others were ended from outside. A job that retried within
    # itself would do so with the memory and the time of its first attempt.
    retries: FIT_RETRIES + 1 if workflow.is_main_process else 0
    conda:
        environment_of_method
    resources:
        attempt=number_of_attempt,
    params:
        code=method_code,
        method=method_settings,
        failures=failures_of,
        retries=FIT_RETRIES,
        timed=is_timed,
    message:
        "Fit {wildcards.method} to {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/fit.py"


use rule fit as fit_deep with:
    wildcard_constraints:
        method=one_of(GPU_METHODS),
    resources:
        attempt=number_of_attempt,
        gpu=gpus_of,
        gpu_model=gpu_model_of,


# Where the programs of a command's conda environment are found. The fit itself runs where all others
# do: that environment need not know Python.
rule record_environment:
    output:
        "<results>/environments/{method}.txt",
    log:
        "<logs>/record_environment/{method}.log",
    benchmark:
        "<benchmarks>/record_environment/{method}.tsv"
    wildcard_constraints:
        method=one_of(IN_ENVIRONMENT),
    localrule: True
    conda:
        environment_of
    message:
        "Record the environment of {wildcards.method}"
    shell:
        'echo "$PATH" > {output} 2> {log}'
