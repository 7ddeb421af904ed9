rule prepare:
    input:
        unpack(files_of_dataset),
    output:
        data="<results>/data/{dataset}.h5ad",
        targets="<results>/data/{dataset}.targets.npz",
        card="<results>/data/{dataset}.json",
    log:
        "<logs>/prepare/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(PREPARED),
    # A file that cannot be used is found before time is spent on others.
    priority: 1
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("prepare"),
        settings=lookup("datasets/{dataset}", within=config),
    message:
        "Prepare {wildcards.dataset}"
    script:
        "../scripts/prepare.py"
