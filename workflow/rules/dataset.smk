rule render_bands:
    output:
        directory(R / "clips"),
    log:
        R / "logs/render_bands.log",
    benchmark:
        R / "benchmarks/render_bands.tsv"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        *code_of("render_bands"),
        clips_per_class=config["dataset"]["clips_per_class"],
        clip_duration=config["dataset"]["clip_duration"],
        seed=config["dataset"]["seed"],
    message:
        "Render the data set 'bands': {params.clips_per_class} clips of each genre"
    script:
        "../../scripts/render_bands.py"


rule download_dataset:
    output:
        R / "download/dataset.tar",
    log:
        R / "logs/download_dataset.log",
    resources:
        mem_mb=memory(1000),
        runtime=720,
    params:
        *code_of("download_dataset"),
        url=config["dataset"]["path"],
        checksum=config["dataset"]["checksum"],
    message:
        "Download {params.url}"
    script:
        "../../scripts/download_dataset.py"


rule unpack_dataset:
    input:
        rules.download_dataset.output[0]
        if is_url(config["dataset"]["path"])
        else config["dataset"]["path"] or [],
    output:
        directory(R / "unpacked"),
    log:
        R / "logs/unpack_dataset.log",
    benchmark:
        R / "benchmarks/unpack_dataset.tsv"
    resources:
        mem_mb=memory(1000),
        runtime=60,
    params:
        *code_of("unpack_dataset"),
        name=config["dataset"]["name"],
        checksum=config["dataset"]["checksum"],
    message:
        "Unpack the sound files of {input}"
    script:
        "../../scripts/unpack_dataset.py"


rule list_clips:
    input:
        folder_of_clips(),
    output:
        R / "clips.csv",
    log:
        R / "logs/list_clips.log",
    benchmark:
        R / "benchmarks/list_clips.tsv"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        *code_of("list_clips"),
        dataset=config["dataset"],
        files=version_of_clips(),
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
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        *code_of("write_segments"),
        stft=STFT,
        duration=DURATION,
        edges=EDGES,
    message:
        "Transform the clips into segments"
    script:
        "../../scripts/write_segments.py"
