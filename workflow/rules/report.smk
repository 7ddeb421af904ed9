# Supplementary Tables 1 to 3, from the config; only versions come from the runs.
rule write_tables:
    input:
        runs="<results>/tables/runs.tsv",
    output:
        **{table: f"<results>/tables/{table}.tsv" for table in TITLES},
    log:
        "<logs>/write_tables.log",
    benchmark:
        "<benchmarks>/write_tables.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("write_tables"),
        settings={kind: config[kind] for kind in ("methods", "datasets")},
    message:
        "Write Supplementary Tables 1 to 3"
    script:
        "../scripts/write_tables.py"


rule write_report:
    input:
        figures=collect("<results>/figures/{panel}.svg", panel=STUDY_OF),
        images=collect("<results>/figures/{panel}.png", panel=STUDY_OF),
        scores="<results>/tables/scores.tsv",
        runs="<results>/tables/runs.tsv",
        datasets="<results>/tables/datasets.tsv",
        rank_stability="<results>/tables/rank_stability.tsv",
        rank_agreement="<results>/tables/rank_agreement.tsv",
        further=collect("<results>/tables/{table}.tsv", table=needs_of(STUDY_OF)),
        claims=collect("<results>/tables/{table}.tsv", table=TABLES[-1:] if CLAIMS else []),
        supplementary_tables=rules.write_tables.output,
        cards=cards_of_all_data(),
    output:
        report="<results>/report.html",
        summary="<results>/summary.txt",
    log:
        "<logs>/write_report.log",
    benchmark:
        "<benchmarks>/write_report.tsv"
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("write_report"),
        config=config,
        panels=list(STUDY_OF),
        selections=selections(),
        study_of=STUDY_OF,
    message:
        "Write the report"
    script:
        "../scripts/write_report.py"


# Turns recorded failures into the exit code, after everything that can be shown is shown.
rule conclude:
    input:
        report="<results>/report.html",
        runs="<results>/tables/runs.tsv",
    output:
        "<results>/conclusion.txt",
    log:
        "<logs>/conclude.log",
    benchmark:
        "<benchmarks>/conclude.tsv"
    # What it says is the same however often it is asked.
    retries: 0
    localrule: True
    conda:
        "../../envs/base.yaml"
    params:
        code=code_of("conclude"),
        allow_failures=config.get("allow_failures", False),
        timed=runs_of_timing_studies(),
    message:
        "Conclude: did every run end well?"
    script:
        "../scripts/conclude.py"
