rule draw:
    input:
        scores="<results>/tables/scores.tsv",
    output:
        svg="<results>/figures/{panel}.svg",
        pdf="<results>/figures/{panel}.pdf",
        png="<results>/figures/{panel}.png",
    log:
        "<logs>/draw/{panel}.log",
    benchmark:
        "<benchmarks>/draw/{panel}.tsv"
    # From small tables, in seconds: less than it takes to submit.
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=panel_code,
        study=study_of_panel,
    message:
        "Draw {wildcards.panel}"
    script:
        "../scripts/draw.py"
