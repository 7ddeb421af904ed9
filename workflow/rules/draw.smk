rule draw:
    input:
        unpack(tables_of_panel),
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


# The panels of a figure of the paper together, as large as in the journal.
rule draw_page:
    input:
        unpack(tables_of_page),
    output:
        svg="<results>/figures/{page}.svg",
        pdf="<results>/figures/{page}.pdf",
        png="<results>/figures/{page}.png",
    log:
        "<logs>/draw_page/{page}.log",
    benchmark:
        "<benchmarks>/draw_page/{page}.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=page_code,
        panels=panels_of_page,
        selections=selections_of_page,
    message:
        "Draw the page {wildcards.page}"
    script:
        "../scripts/draw_page.py"
