rule render_bands:
    output:
        directory(R / "clips"),
    log:
        R / "logs/render_bands.log",
    benchmark:
        R / "benchmarks/render_bands.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_of("render_bands"),
        clips_per_class=config["dataset"]["clips_per_class"],
        clip_duration=config["dataset"]["clip_duration"],
        seed=config["dataset"]["seed"],
    message:
        "Render the data set 'bands': {params.clips_per_class} clips of each genre"
    script:
        "../../scripts/render_bands.py"


rule list_clips:
    input:
        rules.render_bands.output[0]
        if config["dataset"]["name"] == "bands"
        else config["dataset"]["path"] or [],
    output:
        R / "clips.csv",
    log:
        R / "logs/list_clips.log",
    benchmark:
        R / "benchmarks/list_clips.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_of("list_clips"),
        dataset=config["dataset"],
        sample_rate=config["stft"]["sample_rate"],
    message:
        "Examine the clips and split them into training, validation and test"
    script:
        "../../scripts/list_clips.py"


rule write_segments:
    input:
        clips=rules.list_clips.output[0],
    output:
        R / "segments.h5",
    log:
        R / "logs/write_segments.log",
    benchmark:
        R / "benchmarks/write_segments.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_of("write_segments"),
        stft=config["stft"],
    message:
        "Transform the clips into segments"
    script:
        "../../scripts/write_segments.py"
