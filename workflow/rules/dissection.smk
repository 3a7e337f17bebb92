DISSECTION = config["dissection"]
# Which exam the networks of each architecture take, and by which transform it is heard.
EXAMS = {
    owner: "exam" if stft_settings(config, owner) == STFT else f"exam-{owner}"
    for owner in config["networks"]
}
EXAM_STFTS = {exam: stft_settings(config, owner) for owner, exam in EXAMS.items()}
# Methods that are held against deconvolution, and the networks on which they are.
COMPARED = [
    name for name in config["methods"] if name not in ("deconvolution", "inversion")
]
COMPARED_ON = [name for name in ONE_OF_EACH if name in OURS and COMPARED]
PROBED = [name for name in OURS if VARIANTS and DISSECTION["probes"]]
ABLATED = [name for name in ONE_OF_EACH if name in OURS and DISSECTION["ablation"]]
# One page of print shows a trained network, an untrained one and three songs.
TOURED = TRAINED[:1] + [n for n in untrained_of(TRAINED[0]) if n in HEARD]
TOUR_SONGS = list(SONGS)[:N_TOUR_SONGS]


def exam_of(network):
    """Clips and masks on which a network is examined."""
    return R / "dissection" / EXAMS[owner_of(network)]


rule render_exam:
    output:
        directory(R / "dissection/{exam}"),
    log:
        R / "logs/render_exam/{exam}.log",
    benchmark:
        R / "benchmarks/render_exam/{exam}.tsv"
    wildcard_constraints:
        exam=only(EXAM_STFTS),
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        *code_of("render_exam"),
        clips=DISSECTION["clips"],
        duration=DURATION,
        stft=lambda w: EXAM_STFTS[w.exam],
        seed=config["dataset"]["seed"],
    message:
        "Render the clips on which features are named, stem by stem"
    script:
        "../../scripts/render_exam.py"


rule score_network:
    input:
        exam=lambda w: exam_of(w.network),
        weights=rules.train_network.output.weights,
    output:
        temp(R / "dissection/{network}/scores.h5"),
    log:
        R / "logs/score_network/{network}.log",
    benchmark:
        R / "benchmarks/score_network/{network}.tsv"
    threads: 2
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=N_GPUS,
    params:
        *code_of("score_network"),
        architecture=lambda w: architecture_of(w.network),
        deconvolution=DECONVNET,
        heard=DISSECTION["heard"],
    message:
        "Score every feature of {wildcards.network} against every concept"
    script:
        "../../scripts/score_network.py"


rule score_nulls:
    input:
        exam=lambda w: exam_of(w.variant),
        segments=lambda w: (
            [] if w.variant in GIVEN else rules.write_segments.output[0]
        ),
        clips=lambda w: rules.list_clips.output[0] if w.variant in GIVEN else [],
        files=lambda w: files_of(w.variant) if w.variant in GIVEN else [],
    output:
        R / "dissection/untrained/{variant}.h5",
    log:
        R / "logs/score_nulls/{variant}.log",
    benchmark:
        R / "benchmarks/score_nulls/{variant}.tsv"
    wildcard_constraints:
        variant=only(config["networks"]),
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=120,
    params:
        *code_of("score_nulls"),
        architecture=lambda w: architecture_of(w.variant),
        untrained=DISSECTION["untrained"],
        duration=DURATION,
        edges=EDGES,
        deconvolution=DECONVNET,
    message:
        "Score the features of {params.untrained} untrained networks ({wildcards.variant})"
    script:
        "../../scripts/score_nulls.py"


rule name_features:
    input:
        exams=expand(rules.render_exam.output[0], exam=EXAM_STFTS),
        scores=expand(rules.score_network.output[0], network=HEARD),
        weights=expand(rules.train_network.output.weights, network=HEARD),
        untrained=expand(rules.score_nulls.output[0], variant=config["networks"]),
        evaluations=expand(rules.evaluate_network.output[0], network=SEEDED),
    output:
        names=expand(R / "dissection/{network}/names.csv", network=HEARD),
        exams=expand(R / "dissection/{network}/exam.csv", network=HEARD),
        excerpts=expand(R / "dissection/{network}/excerpts.csv", network=HEARD),
        contributions=expand(
            R / "dissection/{network}/contributions.csv", network=HEARD
        ),
        nulls=R / "dissection/nulls.csv",
    log:
        R / "logs/name_features.log",
    benchmark:
        R / "benchmarks/name_features.tsv"
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        *code_of("name_features"),
        networks=HEARD,
        architectures={name: architecture_of(name) for name in HEARD},
        trained={
            owner: [name for name in TRAINED if owner_of(name) == owner]
            for owner in config["networks"]
        },
        evaluated=SEEDED,
        exams={name: exam_of(name).name for name in HEARD},
        controls={
            owner: {n: seed_of(n) for n in untrained_of(owner) if n in HEARD}
            for owner in CONTROLLED
        },
    message:
        "Name the features, and count names where nothing is to be found"
    script:
        "../../scripts/name_features.py"


def score_of(song):
    """The list of notes beside a song, which tells its kicks; few songs have one."""
    return Path(song).with_suffix(".notes.csv")


rule plant_features:
    input:
        maps=every_song(rules.deconvolve_song.output[0], network=TOURED[:1]),
        songs=song_files,
        scores=[path for path in map(score_of, SONGS.values()) if path.is_file()],
    output:
        names=R / "dissection/planted/names.csv",
        maps=kept(directory(R / "deconvolution/planted")),
        sounds=directory(R / "auralisation/planted"),
    log:
        R / "logs/plant_features.log",
    resources:
        mem_mb=memory(2000),
        runtime=10 + len(SONGS) // 4,
    params:
        *code_of("plant_features"),
        songs=list(SONGS),
        starts=[ASKED_SONGS.start_of(song) for song in SONGS],
        auralisation={
            name: config["auralisation"][name] for name in ("mode", "loudness")
        },
    message:
        "Plant features whose names are known, to be heard beside those that are found"
    script:
        "../../scripts/plant_features.py"


rule check_names:
    input:
        weights=expand(rules.train_network.output.weights, network=HEARD),
        names=rules.name_features.output.names,
        songs=song_files,
    output:
        expand(R / "dissection/{network}/own_songs.csv", network=HEARD),
    log:
        R / "logs/check_names.log",
    benchmark:
        R / "benchmarks/check_names.tsv"
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        *code_of("check_names"),
        networks=HEARD,
        architectures={name: architecture_of(name) for name in HEARD},
        stfts={name: stft_of(name) for name in HEARD},
        songs=list(SONGS),
        starts=[ASKED_SONGS.start_of(song) for song in SONGS],
        duration=DURATION,
        deconvolution=DECONVNET,
    message:
        "Hold the names of features against descriptors of the songs"
    script:
        "../../scripts/check_names.py"


rule draw_tour:
    input:
        planted=rules.plant_features.output.maps,
        names=expand(R / "dissection/{network}/names.csv", network=HEARD),
        measured=every_song(rules.auralise_song.output.measured, network=HEARD),
        contributions=expand(
            R / "dissection/{network}/contributions.csv", network=TOURED
        ),
        weights=expand(rules.train_network.output.weights, network=TOURED),
        maps=expand(rules.deconvolve_song.output[0], network=TOURED, song=TOUR_SONGS),
    output:
        table=R / "dissection/tour.csv",
        png=report(
            R / "figures/tour.png",
            caption="../report/tour.rst",
            category="Features",
            labels={"network": " and ".join(TOURED), "figure": "the tour of 2015"},
        ),
        pdf=R / "figures/tour.pdf",
    log:
        R / "logs/draw_tour.log",
    resources:
        mem_mb=memory(2000),
        runtime=10,
    params:
        *code_of("draw_tour"),
        songs=TOUR_SONGS,
        heard=list(product(HEARD, SONGS)),
        networks=HEARD,
        shown=TOURED,
        audible=config["auralisation"]["audible"],
        architectures={name: architecture_of(name) for name in TOURED},
    message:
        "Draw the tour of 2015: onsets, attacks, bass, melody, kick and two unknown features"
    script:
        "../../scripts/draw_tour.py"


rule measure_layers:
    input:
        weights=rules.train_network.output.weights,
        songs=song_files,
    output:
        R / "dissection/{network}/layers.csv",
    log:
        R / "logs/measure_layers/{network}.log",
    benchmark:
        R / "benchmarks/measure_layers/{network}.tsv"
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=N_GPUS,
    params:
        *code_of("measure_layers"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        starts=[ASKED_SONGS.start_of(song) for song in SONGS],
        duration=DURATION,
        edges=EDGES,
        deconvolution=DECONVNET,
    message:
        "Measure what each layer of {wildcards.network} lets through"
    script:
        "../../scripts/measure_layers.py"


rule compare_layers:
    input:
        expand(rules.measure_layers.output[0], network=NETWORKS),
    output:
        layers=R / "dissection/layers.csv",
        comparison=R / "dissection/layers_comparison.csv",
    log:
        R / "logs/compare_layers.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("compare_layers"),
        controls=CONTROLLED,
    message:
        "Compare what trained and untrained layers let through"
    script:
        "../../scripts/compare_layers.py"


rule ablate_features:
    input:
        weights=rules.train_network.output.weights,
        segments=rules.write_segments.output[0],
        names=R / "dissection/{network}/names.csv",
    output:
        R / "dissection/{network}/ablation.csv",
    log:
        R / "logs/ablate_features/{network}.log",
    benchmark:
        R / "benchmarks/ablate_features/{network}.tsv"
    wildcard_constraints:
        network=only(OURS),
    resources:
        mem_mb=memory(3000),
        runtime=240,
    params:
        *code_of("ablate_features"),
        architecture=lambda w: architecture_of(w.network),
        clips=DISSECTION["ablation"],
    message:
        "Switch features of {wildcards.network} off"
    script:
        "../../scripts/ablate_features.py"


rule draw_ablation:
    input:
        expand(rules.ablate_features.output[0], network=ABLATED),
    output:
        concepts=R / "dissection/concepts_to_classes.csv",
        png=report(
            R / "figures/ablation.png",
            caption="../report/ablation.rst",
            category="Dissection",
            labels={"network": "one of each variant", "figure": "ablation"},
        ),
        pdf=R / "figures/ablation.pdf",
    log:
        R / "logs/draw_ablation.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_ablation"),
        networks=ABLATED,
    message:
        "Draw what switching features off does"
    script:
        "../../scripts/draw_ablation.py"


rule probe_layers:
    input:
        weights=rules.train_network.output.weights,
        segments=rules.write_segments.output[0],
        clips=rules.list_clips.output[0],
    output:
        R / "dissection/{network}/probes.csv",
    log:
        R / "logs/probe_layers/{network}.log",
    benchmark:
        R / "benchmarks/probe_layers/{network}.tsv"
    wildcard_constraints:
        network=only(OURS),
    resources:
        mem_mb=memory(3000),
        runtime=120,
    params:
        *code_of("probe_layers"),
        architecture=lambda w: architecture_of(w.network),
        clips=DISSECTION["probes"],
        # Whose notes are known.
        bands=(
            {
                "seed": config["dataset"]["seed"],
                "duration": config["dataset"]["clip_duration"],
                "seconds": DURATION,
            }
            if config["dataset"]["name"] == "bands"
            else None
        ),
    message:
        "Probe every layer of {wildcards.network}"
    script:
        "../../scripts/probe_layers.py"


rule compare_probes:
    input:
        expand(rules.probe_layers.output[0], network=PROBED),
    output:
        table=R / "dissection/probes.csv",
        png=report(
            R / "figures/probes.png",
            caption="../report/probes.rst",
            category="Dissection",
            labels={"network": "all", "figure": "probes"},
        ),
        pdf=R / "figures/probes.pdf",
    log:
        R / "logs/compare_probes.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("compare_probes"),
        variants={
            variant: [name for name in SEEDED if variant_of(name) == variant]
            for variant in VARIANTS
        },
        # They have the architecture of the first variant.
        untrained={
            FIRST: [name for name in OURS if name in CONTROLS],
        },
        permuted={variant: PERMUTED_NETWORKS for variant in VARIANTS[:1]},
    message:
        "Compare what is readable from trained and untrained layers"
    script:
        "../../scripts/compare_probes.py"


rule compare_methods:
    input:
        weights=rules.train_network.output.weights,
        segments=rules.write_segments.output[0],
    output:
        R / "methods/{network}.csv",
    log:
        R / "logs/compare_methods/{network}.log",
    benchmark:
        R / "benchmarks/compare_methods/{network}.tsv"
    wildcard_constraints:
        network=only(OURS),
    resources:
        mem_mb=memory(4000),
        runtime=240,
    params:
        *code_of("compare_methods"),
        architecture=lambda w: architecture_of(w.network),
        deconvolution=DECONVNET,
        methods=COMPARED,
        comparison=DISSECTION["comparison"],
    message:
        "Hold methods of explanation against each other on {wildcards.network}"
    script:
        "../../scripts/compare_methods.py"


rule draw_methods:
    input:
        rules.compare_methods.output[0],
    output:
        png=report(
            R / "figures/{network}/methods.png",
            caption="../report/methods.rst",
            category="Dissection",
            labels={"network": "{network}", "figure": "methods side by side"},
        ),
        pdf=R / "figures/{network}/methods.pdf",
    log:
        R / "logs/draw_methods/{network}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_methods"),
    message:
        "Draw methods of explanation side by side, on {wildcards.network}"
    script:
        "../../scripts/draw_methods.py"
