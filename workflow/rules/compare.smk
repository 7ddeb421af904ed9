from scscope.datasets.sets import unit_of


rule compare:
    input:
        scores="<results>/tables/scores.tsv",
    output:
        comparisons="<results>/tables/comparisons.tsv",
        rank_stability="<results>/tables/rank_stability.tsv",
        rank_agreement="<results>/tables/rank_agreement.tsv",
        mean_ranks="<results>/tables/mean_ranks.tsv",
        panels="<results>/tables/panels.tsv",
    log:
        "<logs>/compare.log",
    benchmark:
        "<benchmarks>/compare.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("compare"),
        simulated=[name for name in DATASETS if origin_of(name) in SIMULATORS],
        unit_of={
            name: unit_of(name, DATASETS) for name in DATASETS if origin_of(name) not in SIMULATORS
        },
        studies=selections(),
        panels=selections_of_panels(STUDY_OF),
    message:
        "Compare the methods"
    script:
        "../scripts/compare.py"


# By criteria that were fixed before the runs.
rule judge:
    input:
        scores="<results>/tables/scores.tsv",
        runs="<results>/tables/runs.tsv",
        datasets="<results>/tables/datasets.tsv",
        claims=CLAIMS,
        released=RELEASED,
    output:
        "<results>/tables/claims.tsv",
    log:
        "<logs>/judge.log",
    benchmark:
        "<benchmarks>/judge.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("judge"),
        methods=config["methods"],
    message:
        "Judge the claims"
    script:
        "../scripts/judge.py"
