rule auralise_song:
    input:
        rules.deconvolve_song.output[0],
    output:
        original=R / "auralisation/{network}/{song}/original.wav",
        how=R / "auralisation/{network}/{song}/auralisation.json",
        measured=R / "auralisation/{network}/{song}/measured.csv",
    log:
        R / "logs/auralise_song/{network}/{song}.log",
    benchmark:
        R / "benchmarks/auralise_song/{network}/{song}.tsv"
    resources:
        mem_mb=memory(2000),
        runtime=MINUTES_OF_SONG,
        at_once=1,
    params:
        *code_of("auralise_song"),
        auralisation={
            name: config["auralisation"][name] for name in ("mode", "loudness")
        },
        pictures=config["auralisation"]["pictures"],
        floor=FLOOR,
    message:
        "Auralise '{wildcards.song}' as {wildcards.network} hears it"
    script:
        "../../scripts/auralise_song.py"


rule rehear_song:
    input:
        weights=rules.train_network.output.weights,
        maps=rules.deconvolve_song.output[0],
        sounds=rules.auralise_song.output.measured,
    output:
        R / "dissection/{network}/rehearing/{song}.h5",
    log:
        R / "logs/rehear_song/{network}/{song}.log",
    benchmark:
        R / "benchmarks/rehear_song/{network}/{song}.tsv"
    resources:
        mem_mb=memory(2000),
        runtime=MINUTES_OF_SONG,
        at_once=1,
        gpu=N_GPUS,
    params:
        *code_of("rehear_song"),
        architecture=lambda w: architecture_of(w.network),
        deconvolution=DECONVNET,
        edges=EDGES,
        floor=FLOOR,
    message:
        "Give the sounds of '{wildcards.song}' back to {wildcards.network}"
    script:
        "../../scripts/rehear_song.py"


rule rehear_shifts:
    input:
        weights=rules.train_network.output.weights,
        maps=rules.deconvolve_song.output[0],
    output:
        R / "dissection/{network}/shifts/{song}.csv",
    log:
        R / "logs/rehear_shifts/{network}/{song}.log",
    benchmark:
        R / "benchmarks/rehear_shifts/{network}/{song}.tsv"
    resources:
        mem_mb=memory(2000),
        runtime=MINUTES_OF_SONG * (1 + SHIFTS // 100),
        at_once=1,
        gpu=N_GPUS,
    params:
        *code_of("rehear_shifts"),
        architecture=lambda w: architecture_of(w.network),
        deconvolution=DECONVNET,
        edges=EDGES,
        mode=config["auralisation"]["mode"],
        n_shifts=SHIFTS,
    message:
        "Give the sounds of shifted maps of '{wildcards.song}' back to {wildcards.network}"
    script:
        "../../scripts/rehear_shifts.py"


REHEARD = every_song(rules.rehear_song.output[0])


rule certify_features:
    input:
        rehearings=REHEARD,
        shifts=every_song(rules.rehear_shifts.output[0]) if SHIFTS else [],
    output:
        R / "dissection/{network}/certificates.csv",
    log:
        R / "logs/certify_features/{network}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("certify_features"),
        songs=list(SONGS),
    message:
        "Certify the features of {wildcards.network} that their own sounds excite"
    script:
        "../../scripts/certify_features.py"


# What joins the songs of a network stands apart from what makes the sounds of one, so that a new song
# leaves the sounds of the others as they are.
rule describe_features:
    input:
        measured=every_song(rules.auralise_song.output.measured),
        rehearing=REHEARD if REHEARING else [],
        certificates=rules.certify_features.output[0] if REHEARING else [],
    # Beside it, features.csv of each song: a rule of thousands of outputs is compared with every file.
    output:
        R / "auralisation/{network}/songs.csv",
    log:
        R / "logs/describe_features/{network}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("describe_features"),
        songs=list(SONGS),
    message:
        "Say what each sound by {wildcards.network} bears"
    script:
        "../../scripts/describe_features.py"


rule draw_sheets:
    input:
        maps=rules.deconvolve_song.output[0],
        labels=config["auralisation"]["labels"] or [],
    output:
        report(
            directory(R / "figures/{network}/sheets/{song}"),
            patterns=["layer{layer}.png"],
            caption="../report/sheets.rst",
            category="Sheets",
            labels={"network": "{network}", "song": "{song}", "layer": "{layer}"},
        ),
    log:
        R / "logs/draw_sheets/{network}/{song}.log",
    resources:
        mem_mb=memory(2000),
        runtime=MINUTES_OF_SONG,
        at_once=1,
    params:
        *code_of("draw_sheets"),
        audible=config["auralisation"]["audible"],
    message:
        "Draw the sheets of '{wildcards.song}' for {wildcards.network}"
    script:
        "../../scripts/draw_sheets.py"


rule find_strongest_seconds:
    input:
        weights=rules.train_network.output.weights,
        clips=rules.list_clips.output[0],
    output:
        R / "dissection/{network}/strongest.csv",
    log:
        R / "logs/find_strongest_seconds/{network}.log",
    benchmark:
        R / "benchmarks/find_strongest_seconds/{network}.tsv"
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=N_GPUS,
    params:
        *code_of("find_strongest_seconds"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        edges=EDGES,
        deconvolution=DECONVNET,
    message:
        "Find the strongest seconds of every feature of {wildcards.network} in the data set"
    script:
        "../../scripts/find_strongest_seconds.py"
