rule render_signals:
    output:
        table=R / "attributes/signals.csv",
        sounds=directory(R / "attributes/signals"),
    log:
        R / "logs/render_signals.log",
    benchmark:
        R / "benchmarks/render_signals.tsv"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_of("render_signals"),
        attributes=config["attributes"],
        stft=config["stft"],
    message:
        "Render the model signals, key × instrument × chord"
    script:
        "../../scripts/render_signals.py"


rule correlate_attributes:
    input:
        signals=rules.render_signals.output.table,
        sounds=rules.render_signals.output.sounds,
        weights=rules.train_network.output.weights,
    output:
        R / "attributes/{network}/correlation.csv",
    log:
        R / "logs/correlate_attributes/{network}.log",
    benchmark:
        R / "benchmarks/correlate_attributes/{network}.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code_of("correlate_attributes"),
        architecture=lambda w: variant_of(w.network),
        stft=config["stft"],
        biases=config["deconvolution"]["biases"],
    message:
        "Correlate the maps of {wildcards.network} over pairs of model signals"
    script:
        "../../scripts/correlate_attributes.py"


rule correlate_inputs:
    input:
        signals=rules.render_signals.output.table,
        sounds=rules.render_signals.output.sounds,
    output:
        R / "attributes/input/correlation.csv",
    log:
        R / "logs/correlate_inputs.log",
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_of("correlate_inputs"),
        stft=config["stft"],
    message:
        "Correlate the model signals themselves, as the baseline"
    script:
        "../../scripts/correlate_inputs.py"


rule summarise_correlation:
    input:
        expand(rules.correlate_attributes.output[0], network=NETWORKS),
        rules.correlate_inputs.output[0],
    output:
        R / "attributes/summary.csv",
    log:
        R / "logs/summarise_correlation.log",
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=code_of("summarise_correlation"),
    message:
        "Summarise the correlations of each layer"
    script:
        "../../scripts/summarise_correlation.py"


rule draw_attributes:
    input:
        rules.summarise_correlation.output[0],
    output:
        png=report(
            R / "figures/attributes.png",
            caption="../report/attributes.rst",
            category="Attributes",
            labels={"figure": "correlation by layer"},
        ),
        pdf=R / "figures/attributes.pdf",
    log:
        R / "logs/draw_attributes.log",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("draw_attributes"),
    message:
        "Draw the attribute experiment"
    script:
        "../../scripts/draw_attributes.py"
