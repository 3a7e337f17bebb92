rule deconvolve_song:
    input:
        weights=rules.train_network.output.weights,
        song=lambda w: SONGS[w.song],
    output:
        kept(R / "deconvolution/{network}/{song}.h5"),
    log:
        R / "logs/deconvolve_song/{network}/{song}.log",
    benchmark:
        R / "benchmarks/deconvolve_song/{network}/{song}.tsv"
    resources:
        mem_mb=memory(3000),
        runtime=MINUTES_OF_SONG,
        at_once=1,
        gpu=N_GPUS,
    params:
        *code_of("deconvolve_song"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        duration=DURATION,
        start=lambda w: ASKED_SONGS.start_of(w.song),
        edges=EDGES,
        deconvolution=config["deconvolution"],
    message:
        "Deconvolve every feature of {wildcards.network} on '{wildcards.song}'"
    script:
        "../../scripts/deconvolve_song.py"
