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
        dataset=one_of([name for name in SIMULATED if name not in BY_R + TEMPORARY + DRESSED]),
    conda:
        "../../envs/base.yaml"
    params:
        code=simulator_code,
        simulator=setting("source"),
        source=simulation_source,
        settings=simulation_settings,
    message:
        "Simulate {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/simulate.py"


# Last of all jobs that can start, so that few such files are there at a time.
use rule simulate as simulate_large with:
    output:
        data=temp("<results>/data/{dataset}/seed_{seed}.h5ad"),
        targets="<results>/data/{dataset}/seed_{seed}.targets.npz",
        card="<results>/data/{dataset}/seed_{seed}.json",
    wildcard_constraints:
        dataset=one_of([name for name in TEMPORARY if name not in BY_R]),
    priority: -1


use rule simulate as simulate_in_r with:
    wildcard_constraints:
        dataset=one_of(BY_R),
    conda:
        "../../envs/splatter.yaml"


# By a script of its own: another name in a dress makes no other simulation anew.
rule simulate_stand_in:
    output:
        data="<results>/data/{dataset}/seed_{seed}.h5ad",
        targets="<results>/data/{dataset}/seed_{seed}.targets.npz",
        card="<results>/data/{dataset}/seed_{seed}.json",
    log:
        "<logs>/simulate_stand_in/{dataset}/seed_{seed}.log",
    benchmark:
        "<benchmarks>/simulate_stand_in/{dataset}/seed_{seed}.tsv"
    wildcard_constraints:
        dataset=one_of(DRESSED),
    conda:
        "../../envs/base.yaml"
    params:
        code=stand_in_code,
        stands_for=setting("stands_for"),
        source=simulation_source,
        settings=simulation_settings,
    message:
        "Simulate {wildcards.dataset}, seed {wildcards.seed}"
    script:
        "../scripts/simulate_stand_in.py"
