rule check_results:
    input:
        clips=rules.list_clips.output[0],
        maps=expand(rules.deconvolve_song.output[0], network=NETWORKS, song=SONGS),
        sounds=expand(rules.auralise_song.output[0], network=NETWORKS, song=SONGS),
        weights=expand(rules.train_network.output.weights, network=NETWORKS),
        evaluations=expand(rules.evaluate_network.output[0], network=NETWORKS),
        correlations=expand(rules.correlate_attributes.output[0], network=NETWORKS),
        summary=rules.summarise_correlation.output[0],
    output:
        R / "checks.csv",
    log:
        R / "logs/check_results.log",
    benchmark:
        R / "benchmarks/check_results.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=N_GPUS,
    params:
        *code_of("check_results"),
        results=str(R),
        networks=NETWORKS,
        controls=CONTROLS,
        songs=list(SONGS),
        deconvolution=config["deconvolution"],
        seed=config["dataset"]["seed"],
    message:
        "Check the results"
    script:
        "../../scripts/check_results.py"


rule build_listening_page:
    input:
        maps=expand(rules.deconvolve_song.output[0], network=NETWORKS, song=SONGS),
        sounds=expand(rules.auralise_song.output[0], network=NETWORKS, song=SONGS),
        evaluations=expand(rules.evaluate_network.output[0], network=NETWORKS),
        correlations=expand(rules.correlate_attributes.output[0], network=NETWORKS),
    output:
        directory(R / "listening"),
    log:
        R / "logs/build_listening_page.log",
    benchmark:
        R / "benchmarks/build_listening_page.tsv"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        *code_of("build_listening_page"),
        results=str(R),
        networks=NETWORKS,
        songs=list(SONGS),
        audible=config["auralisation"]["audible"],
    message:
        "Build the page to listen on"
    script:
        "../../scripts/build_listening_page.py"


rule show_results:
    localrule: True
    message:
        "Nothing to compute here: the run ends by saying where to look"
