# No parameters: where a file comes from does not decide what it is, so a changed address reruns
# nothing. `update` keeps what a user put there by hand, and what took hours.
rule download_file:
    output:
        update("<results>/raw/{source}/{file}"),
    log:
        "<logs>/download/{source}/{file}.log",
    benchmark:
        "<benchmarks>/download/{source}/{file}.tsv"
    wildcard_constraints:
        source=one_of(CATALOGUE),
        file=one_of(sorted(map(re.escape, RAW_FILES))),
    # A transfer tries again by itself, and knows when that is of no use.
    retries: 0
    # The nodes of a cluster often see no network.
    localrule: True
    conda:
        "../../envs/base.yaml"
    message:
        "Download {wildcards.file} of {wildcards.source}"
    script:
        "../scripts/download_file.py"


# Everything that the studies need and nothing else; verified at each call, also what was put there
# by hand.
rule download:
    input:
        raw_files_of_studies(),
    log:
        "<logs>/download.log",
    localrule: True
    conda:
        "../../envs/base.yaml"
    message:
        "Verify the downloaded files"
    script:
        "../scripts/download.py"
