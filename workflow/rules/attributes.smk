ATTRIBUTES = config["attributes"]
LEVELS = {factor.setting: ATTRIBUTES[factor.setting] for factor in FACTORS}


def figure_files(stem, caption, labels):
    """A figure for the report, and beside it the same as PDF, its caption and its table."""
    png = report(f"{stem}.png", caption=caption, category="Attributes", labels=labels)
    return [png, *multiext(str(stem), ".pdf", ".csv", ".txt")]


rule render_signals:
    output:
        directory(R / "attributes/signals"),
    log:
        R / "logs/render_signals.log",
    benchmark:
        R / "benchmarks/render_signals.tsv"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        *code_of("render_signals"),
        levels=LEVELS,
        sample_rate=max(stft_of(network)["sample_rate"] for network in NETWORKS),
        duration=DURATION,
    message:
        "Render the model signals"
    script:
        "../../scripts/render_signals.py"


SOUNDS = (
    rules.render_signals.output[0]
    if ATTRIBUTES["source"] == "rendered"
    else ATTRIBUTES["path"] or []
)


rule list_signals:
    input:
        SOUNDS,
    output:
        signals=R / "attributes/signals.csv",
        design=R / "attributes/design.csv",
    log:
        R / "logs/list_signals.log",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        *code_of("list_signals"),
        pattern=lambda _: ATTRIBUTES["pattern"],  # its braces are no wildcards
        files=(
            version_of(SOUNDS)
            if ATTRIBUTES["source"] == "directory" and SOUNDS
            else None
        ),
    message:
        "List the signals, and which pairs differ in one attribute alone"
    script:
        "../../scripts/list_signals.py"


rule deconvolve_signals:
    input:
        signals=rules.list_signals.output.signals,
        sounds=SOUNDS,
        weights=rules.train_network.output.weights,
    output:
        directory(R / "attributes/{network}/maps"),
    log:
        R / "logs/deconvolve_signals/{network}.log",
    benchmark:
        R / "benchmarks/deconvolve_signals/{network}.tsv"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=120,
        gpu=N_GPUS,
    params:
        *code_of("deconvolve_signals"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        duration=DURATION,
        deconvolution=DECONVNET,
    message:
        "Deconvolve every feature of {wildcards.network} on every signal"
    script:
        "../../scripts/deconvolve_signals.py"


rule correlate_attributes:
    input:
        signals=rules.list_signals.output.signals,
        sounds=SOUNDS,
        weights=rules.train_network.output.weights,
        maps=rules.deconvolve_signals.output[0] if ATTRIBUTES["keep_maps"] else [],
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
        gpu=N_GPUS,
    params:
        *code_of("correlate_attributes"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        duration=DURATION,
        deconvolution=DECONVNET,
        compare=ATTRIBUTES["compare"],
        mode=(
            config["auralisation"]["mode"]
            if ATTRIBUTES["compare"] == "auralised"
            else "mask"
        ),
    message:
        "Correlate the {params.compare} of {wildcards.network} over pairs of signals"
    script:
        "../../scripts/correlate_attributes.py"


rule correlate_inputs:
    input:
        signals=rules.list_signals.output.signals,
        sounds=SOUNDS,
    output:
        R / "attributes/input/correlation.csv",
    log:
        R / "logs/correlate_inputs.log",
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        *code_of("correlate_inputs"),
        stft=stft_of(NETWORKS[0]),
        duration=DURATION,
        compare=ATTRIBUTES["compare"],
    message:
        "Correlate the signals themselves, as the baseline"
    script:
        "../../scripts/correlate_inputs.py"


CORRELATIONS = [
    *expand(rules.correlate_attributes.output[0], network=NETWORKS),
    rules.correlate_inputs.output[0],
]


rule summarise_correlation:
    input:
        CORRELATIONS,
    output:
        networks=R / "attributes/summary.csv",
        variants=R / "attributes/variants.csv",
    log:
        R / "logs/summarise_correlation.log",
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        *code_of("summarise_correlation"),
    message:
        "Summarise the correlations of each layer"
    script:
        "../../scripts/summarise_correlation.py"


rule compare_networks:
    input:
        CORRELATIONS,
    output:
        comparison=R / "attributes/comparison.csv",
        thresholds=R / "attributes/thresholds.csv",
        features=R / "attributes/features.csv",
        names=R / "attributes/names.csv",
    log:
        R / "logs/compare_networks.log",
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        *code_of("compare_networks"),
        controls=CONTROLLED,
        songs=list(SONGS),
        layers=config["deconvolution"]["layers"],
        features=config["deconvolution"]["features"],
    message:
        "Compare trained with untrained networks"
    script:
        "../../scripts/compare_networks.py"


rule draw_attributes:
    input:
        correlations=CORRELATIONS,
        design=rules.list_signals.output.design,
        summary=rules.summarise_correlation.output.networks,
        variants=rules.summarise_correlation.output.variants,
        comparison=rules.compare_networks.output.comparison,
    output:
        by_layer=figure_files(
            R / "figures/attributes",
            "../report/attributes.rst",
            {"figure": "correlation by layer"},
        ),
        distribution=figure_files(
            R / "figures/attributes_distribution",
            "../report/attributes_distribution.rst",
            {"figure": "distribution over features"},
        ),
        comparison=figure_files(
            R / "figures/attributes_comparison",
            "../report/attributes_comparison.rst",
            {"figure": "trained against untrained"},
        ),
    log:
        R / "logs/draw_attributes.log",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        *code_of("draw_attributes"),
        compare=ATTRIBUTES["compare"],
    message:
        "Draw the attribute experiment"
    script:
        "../../scripts/draw_attributes.py"


rule draw_features:
    input:
        design=rules.list_signals.output.design,
        features=rules.compare_networks.output.features,
        thresholds=rules.compare_networks.output.thresholds,
    output:
        figure_files(
            R / "figures/{network}/attributes",
            "../report/attributes_features.rst",
            {"network": "{network}", "figure": "features by attribute"},
        ),
    log:
        R / "logs/draw_features/{network}.log",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        *code_of("draw_features"),
        control=lambda w: CONTROLLED.get(owner_of(w.network), UNTRAINED),
        compare=ATTRIBUTES["compare"],
    message:
        "Draw what each feature of {wildcards.network} keeps"
    script:
        "../../scripts/draw_features.py"


rule write_findings:
    input:
        design=rules.list_signals.output.design,
        variants=rules.summarise_correlation.output.variants,
        comparison=rules.compare_networks.output.comparison,
        features=rules.compare_networks.output.features,
        names=rules.compare_networks.output.names,
    output:
        findings=R / "attributes/README.md",
        features=R / "attributes/features.html",
    log:
        R / "logs/write_findings.log",
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        *code_of("write_findings"),
        experiment=config["experiment"],
        compare=ATTRIBUTES["compare"],
        songs=list(SONGS),
    message:
        "Say in words what the attribute experiment found"
    script:
        "../../scripts/write_findings.py"
