rule check_results:
    input:
        clips=rules.list_clips.output[0],
        maps=every_song(rules.deconvolve_song.output[0], network=HEARD),
        sounds=every_song(rules.auralise_song.output[0], network=HEARD),
        features=expand(rules.describe_features.output, network=HEARD),
        weights=expand(rules.train_network.output.weights, network=NETWORKS),
        evaluations=expand(rules.evaluate_network.output[0], network=OURS),
        correlations=expand(rules.rank_features.output[0], network=NETWORKS),
        summary=rules.summarise_correlation.output[0],
    output:
        R / "checks.csv",
    log:
        R / "logs/check_results.log",
    benchmark:
        R / "benchmarks/check_results.tsv"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=60,
        gpu=N_GPUS,
    params:
        *code_of("check_results"),
        results=str(R),
        architectures={network: architecture_of(network) for network in NETWORKS},
        heard=HEARD,
        controls=CONTROLS,
        songs=list(SONGS),
        deconvolution=config["deconvolution"],
        seed=config["dataset"]["seed"],
        n_correlated=config["attributes"]["features"],
        floor=FLOOR,
    message:
        "Check the results"
    script:
        "../../scripts/check_results.py"


rule build_listening_page:
    input:
        maps=every_song(rules.deconvolve_song.output[0], network=HEARD),
        sounds=every_song(rules.auralise_song.output[0], network=HEARD),
        features=expand(rules.describe_features.output, network=HEARD),
        evaluations=expand(
            rules.evaluate_network.output[0], network=[n for n in OURS if n in HEARD]
        ),
        predictions=expand(rules.predict_songs.output[0], network=HEARD),
        names=[rules.name_features.output.names, rules.name_features.output.excerpts],
        exams=rules.name_features.input.exams,
        correlations=expand(rules.rank_features.output[0], network=HEARD),
        strongest=expand(rules.find_strongest_seconds.output[0], network=TRAINED),
        signals=rules.list_signals.output.signals,
        heard=expand(rules.deconvolve_signals.output[0], network=TRAINED),
        clips=rules.list_clips.output[0],
        weights=expand(rules.train_network.output.weights, network=HEARD),
        tour=[
            rules.draw_tour.output.table,
            rules.name_features.output.contributions,
            rules.plant_features.output,
        ],
    output:
        directory(R / "listening"),
    log:
        R / "logs/build_listening_page.log",
    benchmark:
        R / "benchmarks/build_listening_page.tsv"
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        *code_of("build_listening_page"),
        results=str(R),
        networks=[*HEARD, PLANTED],
        architectures={name: architecture_of(name) for name in HEARD},
        songs=list(SONGS),
        audible=config["auralisation"]["audible"],
    message:
        "Build the page to listen on"
    script:
        "../../scripts/build_listening_page.py"


rule describe_results:
    input:
        evaluations=expand(rules.evaluate_network.output[0], network=OURS),
        answers=expand(rules.predict_songs.output[0], network=TRAINED),
        checked=rules.check_names.output,
    output:
        R / "README.md",
    log:
        R / "logs/describe_results.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("describe_results"),
        experiment=config["experiment"],
        networks=OURS,
        trained=TRAINED,
        places="\n".join(where_to_look()),
    message:
        "Say what the networks know, which names hold on the songs, and where to look"
    script:
        "../../scripts/describe_results.py"
