rule train_network:
    input:
        segments=rules.write_segments.output[0],
        # A network of permuted labels is trained for as many epochs.
        partner=lambda w: expand(
            R / "networks/{network}/history.csv", network=partner_of(w.network)
        ),
    output:
        weights=R / "networks/{network}/weights.safetensors",
        history=R / "networks/{network}/history.csv",
        speed=R / "networks/{network}/speed.json",
    log:
        R / "logs/train_network/{network}.log",
    benchmark:
        R / "benchmarks/train_network/{network}.tsv"
    wildcard_constraints:
        network=only(OURS),
    threads: 2
    resources:
        mem_mb=memory(6000),
        runtime=720,
        gpu=lambda w: n_gpus(schedule_of(w.network)),
    params:
        *code_of("train_network"),
        architecture=lambda w: architecture_of(w.network),
        schedule=lambda w: schedule_of(w.network),
        seed=lambda w: seed_of(w.network),
        checkpoints=lambda w: str(R / "networks" / w.network / "checkpoints"),
        stft=STFT,
    message:
        "Train {wildcards.network}"
    script:
        "../../scripts/train_network.py"


# The networks whose weights are given, and their controls, end in the same file.
rule read_network:
    input:
        files=lambda w: files_of(w.network),
    output:
        R / "networks/{network}/weights.safetensors",
    log:
        R / "logs/read_network/{network}.log",
    wildcard_constraints:
        network=only(GIVEN),
    resources:
        mem_mb=memory(3000),
        runtime=30,
    params:
        *code_of("read_network"),
        architecture=lambda w: architecture_of(w.network),
    message:
        "Read the network {wildcards.network}, whose weights are given"
    script:
        "../../scripts/read_network.py"


rule untrain_network:
    input:
        files=lambda w: files_of(w.network),
        clips=rules.list_clips.output[0],
    output:
        R / "networks/{network}/weights.safetensors",
    log:
        R / "logs/untrain_network/{network}.log",
    wildcard_constraints:
        network=only(UNTAUGHT),
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        *code_of("untrain_network"),
        architecture=lambda w: architecture_of(w.network),
        duration=DURATION,
        edges=EDGES,
        seed=lambda w: seed_of(w.network),
    message:
        "Make the untrained control {wildcards.network}"
    script:
        "../../scripts/untrain_network.py"


rule predict_songs:
    input:
        weights=rules.train_network.output.weights,
        songs=song_files,
    output:
        R / "networks/{network}/predictions.csv",
    log:
        R / "logs/predict_songs/{network}.log",
    threads: 2
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        *code_of("predict_songs"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        songs=list(SONGS),
    message:
        "Ask {wildcards.network} what the songs are"
    script:
        "../../scripts/predict_songs.py"


rule evaluate_network:
    input:
        weights=rules.train_network.output.weights,
        segments=rules.write_segments.output[0],
    output:
        R / "networks/{network}/evaluation.json",
    log:
        R / "logs/evaluate_network/{network}.log",
    benchmark:
        R / "benchmarks/evaluate_network/{network}.tsv"
    wildcard_constraints:
        network=only(OURS),
    threads: 2
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        *code_of("evaluate_network"),
        architecture=lambda w: architecture_of(w.network),
    message:
        "Evaluate {wildcards.network} on the test clips, beside linear baselines"
    script:
        "../../scripts/evaluate_network.py"


rule draw_learning_curve:
    input:
        history=rules.train_network.output.history,
        evaluation=rules.evaluate_network.output[0],
    output:
        png=report(
            R / "figures/{network}/learning_curve.png",
            caption="../report/learning_curve.rst",
            category="Networks",
            labels={"network": "{network}", "figure": "learning curve"},
        ),
        pdf=R / "figures/{network}/learning_curve.pdf",
    log:
        R / "logs/draw_learning_curve/{network}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_learning_curve"),
    message:
        "Draw the learning curve of {wildcards.network}"
    script:
        "../../scripts/draw_learning_curve.py"


rule draw_confusion:
    input:
        rules.evaluate_network.output[0],
    output:
        png=report(
            R / "figures/{network}/confusion.png",
            caption="../report/confusion.rst",
            category="Networks",
            labels={"network": "{network}", "figure": "confusion"},
        ),
        pdf=R / "figures/{network}/confusion.pdf",
    log:
        R / "logs/draw_confusion/{network}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_confusion"),
    message:
        "Draw the confusion matrix of {wildcards.network}"
    script:
        "../../scripts/draw_confusion.py"


rule summarise_evaluations:
    input:
        expand(rules.evaluate_network.output[0], network=OURS),
    output:
        variants=R / "networks/summary.csv",
        classes=R / "networks/classes.csv",
    log:
        R / "logs/summarise_evaluations.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("summarise_evaluations"),
        networks=OURS,
    message:
        "Compare the variants of the network"
    script:
        "../../scripts/summarise_evaluations.py"


rule draw_evaluations:
    input:
        evaluations=expand(rules.evaluate_network.output[0], network=OURS),
        classes=rules.summarise_evaluations.output.classes,
    output:
        png=report(
            R / "figures/evaluations.png",
            caption="../report/evaluations.rst",
            category="Networks",
            labels={"network": "all", "figure": "evaluations"},
        ),
        pdf=R / "figures/evaluations.pdf",
    log:
        R / "logs/draw_evaluations.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_evaluations"),
        networks=OURS,
    message:
        "Draw accuracy, precision and recall, and calibration of the networks"
    script:
        "../../scripts/draw_evaluations.py"


rule draw_kernels:
    input:
        expand(rules.train_network.output.weights, network=ONE_OF_EACH),
    output:
        png=report(
            R / "figures/kernels.png",
            caption="../report/kernels.rst",
            category="Networks",
            labels={"network": "one of each variant", "figure": "first kernels"},
        ),
        pdf=R / "figures/kernels.pdf",
    log:
        R / "logs/draw_kernels.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_kernels"),
        networks=ONE_OF_EACH,
        architectures={name: architecture_of(name) for name in ONE_OF_EACH},
        stfts={name: stft_of(name) for name in ONE_OF_EACH},
    message:
        "Draw the first-layer kernels of the variants"
    script:
        "../../scripts/draw_kernels.py"
