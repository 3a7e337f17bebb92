ATTRIBUTES = config["attributes"]
RENDERED = ATTRIBUTES["source"] == "rendered"
PROTOCOL = {
    "compare": ATTRIBUTES["compare"],
    "features": ATTRIBUTES["features"],
    "onsets": ATTRIBUTES["onsets"] if RENDERED else None,
}
AS_IN_2016 = PROTOCOL | {"compare": "maps", "onsets": "common" if RENDERED else None}
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
        mem_mb=memory(1000),
        runtime=30,
    params:
        *code_of("render_signals"),
        levels=LEVELS,
        sample_rate=max(stft_of(network)["sample_rate"] for network in NETWORKS),
        duration=DURATION,
        onsets=ATTRIBUTES["onsets"],
        seed=ATTRIBUTES["seed"],
    message:
        "Render the model signals"
    script:
        "../../scripts/render_signals.py"


SOUNDS = rules.render_signals.output[0] if RENDERED else ATTRIBUTES["path"] or []


rule list_signals:
    input:
        SOUNDS,
    output:
        signals=R / "attributes/signals.csv",
        design=R / "attributes/design.csv",
    log:
        R / "logs/list_signals.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("list_signals"),
        pattern=lambda _: ATTRIBUTES["pattern"],  # its braces are no wildcards
        files=(version_of(SOUNDS) if not RENDERED and SOUNDS else None),
    message:
        "List the signals, and which pairs differ in one attribute alone"
    script:
        "../../scripts/list_signals.py"


rule correlate_attributes:
    input:
        signals=rules.list_signals.output.signals,
        sounds=SOUNDS,
        weights=rules.train_network.output.weights,
    output:
        R / "attributes/{network}/unranked.csv",
    log:
        R / "logs/correlate_attributes/{network}.log",
    benchmark:
        R / "benchmarks/correlate_attributes/{network}.tsv"
    threads: 2
    resources:
        mem_mb=memory(4000),
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
        features=ATTRIBUTES["features"],
        seed=ATTRIBUTES["seed"],
    message:
        "Correlate the {params.compare} of {wildcards.network} over pairs of signals"
    script:
        "../../scripts/correlate_attributes.py"


rule correlate_inputs:
    input:
        signals=rules.list_signals.output.signals,
        sounds=SOUNDS,
        # Of the variant that the untrained networks are compared with.
        weights=expand(rules.train_network.output.weights, network=TRAINED[0])[0],
    output:
        R / "attributes/input/correlation.csv",
    log:
        R / "logs/correlate_inputs.log",
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        *code_of("correlate_inputs"),
        architecture=architecture_of(TRAINED[0]),
        stft=stft_of(TRAINED[0]),
        duration=DURATION,
        deconvolution=DECONVNET,
        compare=ATTRIBUTES["compare"],
    message:
        "Correlate the signals themselves, as the network sees them, as the baseline"
    script:
        "../../scripts/correlate_inputs.py"


rule rank_features:
    input:
        network=rules.correlate_attributes.output[0],
        untrained=lambda w: expand(
            rules.correlate_attributes.output[0], network=untrained_of(w.network)
        ),
    output:
        R / "attributes/{network}/correlation.csv",
    log:
        R / "logs/rank_features/{network}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("rank_features"),
    message:
        "Rank the features of {wildcards.network} among untrained ones"
    script:
        "../../scripts/rank_features.py"


rule deconvolve_signals:
    input:
        signals=rules.list_signals.output.signals,
        sounds=SOUNDS,
        weights=rules.train_network.output.weights,
        correlation=rules.rank_features.output[0],
        names=R / "dissection/{network}/names.csv",
        measured=every_song(rules.auralise_song.output.measured),
    output:
        directory(R / "attributes/{network}/maps"),
    log:
        R / "logs/deconvolve_signals/{network}.log",
    benchmark:
        R / "benchmarks/deconvolve_signals/{network}.tsv"
    resources:
        mem_mb=memory(3000),
        runtime=60,
        gpu=N_GPUS,
    params:
        *code_of("deconvolve_signals"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        duration=DURATION,
        deconvolution=DECONVNET,
        floor=config["auralisation"]["audible"],
    message:
        "Deconvolve a few audible features of {wildcards.network} on the model signals"
    script:
        "../../scripts/deconvolve_signals.py"


CORRELATIONS = [
    *expand(rules.rank_features.output[0], network=NETWORKS),
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
        mem_mb=memory(1000),
        runtime=30,
    params:
        *code_of("summarise_correlation"),
    message:
        "Summarise the correlations of each layer"
    script:
        "../../scripts/summarise_correlation.py"


rule compare_networks:
    input:
        rules.summarise_correlation.output.networks,
    output:
        R / "attributes/comparison.csv",
    log:
        R / "logs/compare_networks.log",
    resources:
        mem_mb=memory(1000),
        runtime=30,
    params:
        *code_of("compare_networks"),
        controls=CONTROLLED,
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
        comparison=rules.compare_networks.output[0],
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
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_attributes"),
        protocol=PROTOCOL,
    message:
        "Draw the attribute experiment"
    script:
        "../../scripts/draw_attributes.py"


rule draw_features:
    input:
        design=rules.list_signals.output.design,
        correlation=rules.rank_features.output[0],
    output:
        figure_files(
            R / "figures/{network}/attributes",
            "../report/attributes_features.rst",
            {"network": "{network}", "figure": "features by attribute"},
        ),
    log:
        R / "logs/draw_features/{network}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_features"),
        protocol=PROTOCOL,
    message:
        "Draw what each feature of {wildcards.network} keeps"
    script:
        "../../scripts/draw_features.py"


rule write_findings:
    input:
        evaluations=expand(rules.evaluate_network.output[0], network=SEEDED),
        design=rules.list_signals.output.design,
        variants=rules.summarise_correlation.output.variants,
        comparison=rules.compare_networks.output[0],
    output:
        R / "attributes/README.md",
    log:
        R / "logs/write_findings.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("write_findings"),
        experiment=config["experiment"],
        networks=SEEDED,
        protocol=PROTOCOL,
    message:
        "Say in words what the attribute experiment found"
    script:
        "../../scripts/write_findings.py"


use rule render_signals as render_signals_as_in_2016 with:
    output:
        directory(R / "attributes/as_in_2016/signals"),
    log:
        R / "logs/render_signals_as_in_2016.log",
    benchmark:
        R / "benchmarks/render_signals_as_in_2016.tsv"
    params:
        *code_of("render_signals"),
        levels=LEVELS,
        sample_rate=max(stft_of(network)["sample_rate"] for network in NETWORKS),
        duration=DURATION,
        onsets="common",
        seed=ATTRIBUTES["seed"],
    message:
        "Render the model signals with the onsets of 2016"


SOUNDS_AS_IN_2016 = rules.render_signals_as_in_2016.output[0] if RENDERED else SOUNDS


use rule correlate_attributes as correlate_attributes_as_in_2016 with:
    input:
        signals=rules.list_signals.output.signals,
        sounds=SOUNDS_AS_IN_2016,
        weights=rules.train_network.output.weights,
        maps=[],
    output:
        R / "attributes/as_in_2016/{network}.csv",
    log:
        R / "logs/correlate_attributes_as_in_2016/{network}.log",
    benchmark:
        R / "benchmarks/correlate_attributes_as_in_2016/{network}.tsv"
    params:
        *code_of("correlate_attributes"),
        architecture=lambda w: architecture_of(w.network),
        stft=lambda w: stft_of(w.network),
        duration=DURATION,
        deconvolution=DECONVNET,
        compare=AS_IN_2016["compare"],
        mode="mask",
        features=ATTRIBUTES["features"],
        seed=ATTRIBUTES["seed"],
    message:
        "Correlate the maps of {wildcards.network} over pairs of signals, as in 2016"


rule draw_attributes_as_in_2016:
    input:
        correlations=expand(
            rules.correlate_attributes_as_in_2016.output[0], network=ONE_OF_EACH
        ),
        design=rules.list_signals.output.design,
    output:
        figure_files(
            R / "figures/attributes_as_in_2016",
            "../report/attributes_as_in_2016.rst",
            {"figure": "as in 2016"},
        ),
    log:
        R / "logs/draw_attributes_as_in_2016.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_attributes_as_in_2016"),
        protocol=AS_IN_2016,
    message:
        "Draw the attribute experiment as in 2016"
    script:
        "../../scripts/draw_attributes_as_in_2016.py"
