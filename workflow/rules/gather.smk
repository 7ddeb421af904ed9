rule gather:
    input:
        scores=of_all_runs("<results>/scores/{dataset}/{method}/seed_{seed}.tsv"),
        statuses=of_all_runs("<results>/runs/{dataset}/{method}/seed_{seed}/status.json"),
        cards=cards_of_all_data(),
    output:
        scores="<results>/tables/scores.tsv",
        runs="<results>/tables/runs.tsv",
        datasets="<results>/tables/datasets.tsv",
    log:
        "<logs>/gather.log",
    benchmark:
        "<benchmarks>/gather.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("gather"),
        datasets=DATASETS,
        methods=config["methods"],
    message:
        "Gather scores, runs and datasets"
    script:
        "../scripts/gather.py"
