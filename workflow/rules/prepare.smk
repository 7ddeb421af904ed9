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
        source=setting("source"),
        settings=preparation_settings,
    message:
        "Prepare {wildcards.dataset}"
    script:
        "../scripts/prepare.py"


rule prepare_set:
    input:
        raw_files_of_dataset,
    output:
        data="<results>/data/{dataset}.h5ad",
        targets="<results>/data/{dataset}.targets.npz",
        card="<results>/data/{dataset}.json",
    log:
        "<logs>/prepare_set/{dataset}.log",
    benchmark:
        "<benchmarks>/prepare_set/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(REAL),
    priority: 1
    conda:
        "../../envs/base.yaml"
    params:
        code=set_code,
        source=setting("source"),
        settings=preparation_settings,
    message:
        "Prepare {wildcards.dataset}"
    script:
        "../scripts/prepare_set.py"


rule hold_out:
    input:
        data=whole_dataset,
    output:
        data="<results>/data/{dataset}/seed_{seed}.h5ad",
        targets="<results>/data/{dataset}/seed_{seed}.targets.npz",
        hidden="<results>/data/{dataset}/seed_{seed}.hidden.npz",
        card="<results>/data/{dataset}/seed_{seed}.json",
    log:
        "<logs>/hold_out/{dataset}/seed_{seed}.log",
    benchmark:
        "<benchmarks>/hold_out/{dataset}/seed_{seed}.tsv"
    wildcard_constraints:
        dataset=one_of(HELD_OUT),
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("hold_out"),
        source=heldout_source,
        settings=preparation_settings,
    message:
        "Hold out of {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/hold_out.py"
