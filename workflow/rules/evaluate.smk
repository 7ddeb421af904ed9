rule evaluate:
    input:
        data=dataset_file,
        targets=targets_file,
        status="<results>/runs/{dataset}/{method}/seed_{seed}/status.json",
        latent="<results>/runs/{dataset}/{method}/seed_{seed}/latent.npy",
        fit="<results>/runs/{dataset}/{method}/seed_{seed}/fit.npz",
    output:
        scores="<results>/scores/{dataset}/{method}/seed_{seed}.tsv",
        clusters="<results>/scores/{dataset}/{method}/seed_{seed}.clusters.npz",
    log:
        "<logs>/evaluate/{dataset}/{method}/seed_{seed}.log",
    benchmark:
        "<benchmarks>/evaluate/{dataset}/{method}/seed_{seed}.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("evaluate"),
        asked=asked_of_scores,
        timed=is_timed,
    message:
        "Evaluate {wildcards.method} on {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/evaluate.py"
