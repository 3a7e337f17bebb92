rule auralise_song:
    input:
        rules.deconvolve_song.output[0],
    output:
        directory(R / "auralisation/{network}/{song}"),
    log:
        R / "logs/auralise_song/{network}/{song}.log",
    benchmark:
        R / "benchmarks/auralise_song/{network}/{song}.tsv"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        *code_of("auralise_song"),
        auralisation={
            name: config["auralisation"][name] for name in ("mode", "loudness")
        },
    message:
        "Auralise '{wildcards.song}' as {wildcards.network} hears it"
    script:
        "../../scripts/auralise_song.py"


rule draw_sheets:
    input:
        rules.deconvolve_song.output[0],
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
        mem_mb=2000,
        runtime=30,
    params:
        *code_of("draw_sheets"),
        audible=config["auralisation"]["audible"],
    message:
        "Draw the sheets of '{wildcards.song}' for {wildcards.network}"
    script:
        "../../scripts/draw_sheets.py"
