rule simulate:
    output:
        data="<results>/data/{dataset}/seed_{seed}.h5ad",
        targets="<results>/data/{dataset}/seed_{seed}.targets.npz",
        card="<results>/data/{dataset}/seed_{seed}.json",
    log:
        "<logs>/simulate/{dataset}/seed_{seed}.log",
    benchmark:
        "<benchmarks>/simulate/{dataset}/seed_{seed}.tsv"
    wildcard_constraints:
        dataset=one_of(SIMULATED),
    conda:
        "../../envs/base.yaml"
    params:
        code=simulator_code,
        source=lookup("datasets/{dataset}/source", within=config),
        simulator=simulator_of,
        settings=lookup("datasets/{dataset}/params", within=config),
    message:
        "Simulate {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/simulate.py"
