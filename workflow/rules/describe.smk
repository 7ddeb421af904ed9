# What the clusters of a run are: types, markers, maps. Only of runs whose studies ask for it.
rule describe:
    input:
        data=dataset_file,
        status="<results>/runs/{dataset}/{method}/seed_{seed}/status.json",
        latent="<results>/runs/{dataset}/{method}/seed_{seed}/latent.npy",
        fit="<results>/runs/{dataset}/{method}/seed_{seed}/fit.npz",
        clusters="<results>/scores/{dataset}/{method}/seed_{seed}.clusters.npz",
    output:
        compositions="<results>/details/{dataset}/{method}/seed_{seed}.compositions.tsv",
        markers="<results>/details/{dataset}/{method}/seed_{seed}.markers.tsv",
        maps="<results>/details/{dataset}/{method}/seed_{seed}.maps.tsv",
        expression="<results>/details/{dataset}/{method}/seed_{seed}.expression.tsv",
    log:
        "<logs>/describe/{dataset}/{method}/seed_{seed}.log",
    benchmark:
        "<benchmarks>/describe/{dataset}/{method}/seed_{seed}.tsv"
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("describe"),
        asked=description_of,
    message:
        "Describe {wildcards.method} on {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/describe.py"


rule gather_details:
    input:
        details_of_all_runs,
    output:
        "<results>/tables/{table}.tsv",
    log:
        "<logs>/gather_details/{table}.log",
    benchmark:
        "<benchmarks>/gather_details/{table}.tsv"
    wildcard_constraints:
        table=one_of(DESCRIBED),
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("gather_details"),
    message:
        "Gather {wildcards.table}"
    script:
        "../scripts/gather_details.py"
