# Published files take the place of what is trained here; nothing is trained beside them.
FILES = config["inversion"]["published"]
IS_PUBLISHED = FILES["classifier"] is not None
SVDNETS = [name_network(SVDNET, seed) for seed in config["seeds"]]
SVDNET_CONTROLS = [
    name_network(SVDNET_UNTRAINED, seed)
    for seed in range(config["controls"]["untrained"])
]
if IS_PUBLISHED:
    SVDNETS, SVDNET_CONTROLS = [SVDNET_PUBLISHED], []


def controls_of(classifier):
    """The untrained networks of the same architecture; a control itself has none."""
    if classifier in SVDNETS:
        return SVDNET_CONTROLS
    is_controlled = classifier in SEEDED and variant_of(classifier) in CONTROLLED
    return [name for name in CONTROLS if name in OURS] if is_controlled else []


# Layers to invert, by classifier; SVDNet's, then those of the genre networks.
INVERTED = {}
if "inversion" in config["methods"]:
    INVERTED = {name: config["inversion"]["svdnet_layers"] for name in SVDNETS}
    INVERTED |= {name: config["inversion"]["svdnet_layers"] for name in SVDNET_CONTROLS}
    if IS_PUBLISHED:
        INVERTED = {SVDNET_PUBLISHED: FILES["inverters"]}
    INVERTED |= {
        name: config["inversion"]["genre_layers"]
        for name in OURS
        if name not in PERMUTED_NETWORKS
    }
    INVERTED = {name: layers for name, layers in INVERTED.items() if layers}

KINDS = {
    "svdnet": [name for name in INVERTED if is_svdnet(name)],
    "genre": [name for name in INVERTED if not is_svdnet(name)],
}
KINDS = {kind: names for kind, names in KINDS.items() if names}


wildcard_constraints:
    svdnet="|".join(SVDNETS + SVDNET_CONTROLS),
    classifier="|".join(SVDNETS + SVDNET_CONTROLS + NETWORKS),
    layer="[a-z]+[0-9]",
    kind="svdnet|genre",


def svdnet_files(svdnet):
    """Weights of a singing voice detector, and the normalisation of its bands."""
    if svdnet == SVDNET_PUBLISHED:
        return {"weights": FILES["classifier"], "mean_std": FILES["meanstd"]}
    return {
        "weights": R / "inversion" / svdnet / "weights.safetensors",
        "mean_std": rules.write_spectra.output.mean_std,
    }


def classifier_files(wildcards):
    """Weights of a classifier and excerpts of its data set."""
    if is_svdnet(wildcards.classifier):
        return svdnet_files(wildcards.classifier) | {
            "excerpts": rules.write_excerpts.output[0],
        }
    return {
        "weights": R / "networks" / wildcards.classifier / "weights.safetensors",
        "excerpts": rules.write_segments.output[0],
    }


def stft_of_classifier(wildcards):
    """What a genre network sees; SVDNet has a front end of its own."""
    return None if is_svdnet(wildcards.classifier) else STFT


def inverters_of(wildcards):
    if wildcards.classifier == SVDNET_PUBLISHED:
        return FILES["inverters"]
    return expand(
        rules.train_inverter.output.weights,
        classifier=wildcards.classifier,
        layer=INVERTED[wildcards.classifier],
    )


def songs_to_invert(wildcards):
    """The folder of test songs for SVDNet, the songs for a genre network."""
    if is_svdnet(wildcards.classifier):
        return rules.write_spectra.input[0]
    return list(SONGS.values())


rule render_voices:
    output:
        directory(R / "inversion/voices"),
    log:
        R / "logs/render_voices.log",
    benchmark:
        R / "benchmarks/render_voices.tsv"
    threads: 2
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        *code_of("render_voices"),
        songs=config["inversion"]["data"]["songs"],
        duration=config["inversion"]["data"]["duration"],
        seed=config["inversion"]["data"]["seed"],
    message:
        "Render the data set 'voices': {params.songs} songs"
    script:
        "../../scripts/render_voices.py"


rule write_spectra:
    input:
        rules.render_voices.output[0]
        if config["inversion"]["data"]["name"] == "voices"
        else config["inversion"]["data"]["path"] or [],
    output:
        spectra=R / "inversion/spectra.h5",
        mean_std=R / "inversion/meanstd.npz",
    log:
        R / "logs/write_spectra.log",
    benchmark:
        R / "benchmarks/write_spectra.tsv"
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        *code_of("write_spectra"),
    message:
        "Transform the songs with labelled voices into spectra"
    script:
        "../../scripts/write_spectra.py"


rule write_excerpts:
    input:
        spectra=rules.write_spectra.output.spectra,
        mean_std=FILES["meanstd"] or rules.write_spectra.output.mean_std,
    output:
        R / "inversion/excerpts.h5",
    log:
        R / "logs/write_excerpts.log",
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        *code_of("write_excerpts"),
        hop=config["inversion"]["data"]["excerpt_hop"],
    message:
        "Cut the spectra into the excerpts that SVDNet sees"
    script:
        "../../scripts/write_excerpts.py"


rule train_svdnet:
    input:
        spectra=rules.write_spectra.output.spectra,
        mean_std=rules.write_spectra.output.mean_std,
        excerpts=rules.write_excerpts.output[0],
    output:
        weights=R / "inversion/{svdnet}/weights.safetensors",
        history=R / "inversion/{svdnet}/history.csv",
    log:
        R / "logs/train_svdnet/{svdnet}.log",
    benchmark:
        R / "benchmarks/train_svdnet/{svdnet}.tsv"
    resources:
        mem_mb=memory(6000),
        runtime=1440,
        gpu=lambda w: n_gpus(svdnet_settings(w.svdnet)),
    params:
        *code_of("train_svdnet"),
        settings=lambda w: svdnet_settings(w.svdnet),
        seed=lambda w: seed_of(w.svdnet),
        checkpoints=lambda w: str(R / "inversion" / w.svdnet / "checkpoints"),
    message:
        "Train {wildcards.svdnet}"
    script:
        "../../scripts/train_svdnet.py"


rule evaluate_svdnet:
    input:
        unpack(lambda w: svdnet_files(w.svdnet)),
        spectra=rules.write_spectra.output.spectra,
    output:
        R / "inversion/{svdnet}/evaluation.json",
    log:
        R / "logs/evaluate_svdnet/{svdnet}.log",
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        *code_of("evaluate_svdnet"),
    message:
        "Evaluate {wildcards.svdnet}, frame by frame"
    script:
        "../../scripts/evaluate_svdnet.py"


rule train_inverter:
    input:
        unpack(classifier_files),
    output:
        weights=R / "inversion/{classifier}/{layer}/inverter.safetensors",
        history=R / "inversion/{classifier}/{layer}/history.csv",
    log:
        R / "logs/train_inverter/{classifier}/{layer}.log",
    benchmark:
        R / "benchmarks/train_inverter/{classifier}/{layer}.tsv"
    resources:
        mem_mb=memory(6000),
        runtime=1440,
        gpu=n_gpus(config["inversion"]["training"]),
    params:
        *code_of("train_inverter"),
        settings=config["inversion"]["training"],
        inverters=lambda w: (
            config["inversion"]["inverters"] if is_svdnet(w.classifier) else "derived"
        ),
        stft=stft_of_classifier,
        seed=lambda w: seed_of(w.classifier),
        checkpoints=lambda w: str(
            R / "inversion" / w.classifier / w.layer / "checkpoints"
        ),
    message:
        "Train the inverter of {wildcards.layer} of {wildcards.classifier}"
    script:
        "../../scripts/train_inverter.py"


rule measure_inversion:
    input:
        unpack(classifier_files),
        inverters=inverters_of,
    output:
        errors=R / "inversion/{classifier}/errors.csv",
        excerpts=R / "inversion/{classifier}/excerpts.csv",
        dependence=R / "inversion/{classifier}/dependence.csv",
        kept=R / "inversion/{classifier}/kept.csv",
    log:
        R / "logs/measure_inversion/{classifier}.log",
    benchmark:
        R / "benchmarks/measure_inversion/{classifier}.tsv"
    resources:
        mem_mb=memory(4000),
        runtime=240,
    params:
        *code_of("measure_inversion"),
        measure=config["inversion"]["measure"],
        stft=stft_of_classifier,
    message:
        "Measure what the layers of {wildcards.classifier} have kept"
    script:
        "../../scripts/measure_inversion.py"


rule summarise_inversion:
    input:
        errors=expand(rules.measure_inversion.output.errors, classifier=INVERTED),
        excerpts=expand(rules.measure_inversion.output.excerpts, classifier=INVERTED),
        dependence=expand(
            rules.measure_inversion.output.dependence, classifier=INVERTED
        ),
        kept=expand(rules.measure_inversion.output.kept, classifier=INVERTED),
        evaluations=expand(
            rules.evaluate_svdnet.output[0],
            svdnet=[name for name in INVERTED if name in SVDNETS],
        ),
    output:
        errors=R / "inversion/errors.csv",
        comparison=R / "inversion/comparison.csv",
        dependence=R / "inversion/dependence.csv",
        kept=R / "inversion/kept.csv",
        findings=R / "inversion/README.md",
    log:
        R / "logs/summarise_inversion.log",
    resources:
        mem_mb=memory(1000),
        runtime=30,
    params:
        *code_of("summarise_inversion"),
        controls={name: controls_of(name) for name in INVERTED if controls_of(name)},
    message:
        "Summarise what the layers have kept"
    script:
        "../../scripts/summarise_inversion.py"


rule invert_features:
    input:
        unpack(classifier_files),
        inverters=inverters_of,
        songs=songs_to_invert,
    output:
        directory(R / "inversion/{classifier}/songs"),
    log:
        R / "logs/invert_features/{classifier}.log",
    benchmark:
        R / "benchmarks/invert_features/{classifier}.tsv"
    resources:
        mem_mb=memory(3000),
        runtime=60,
    params:
        *code_of("invert_features"),
        excerpts=config["inversion"]["excerpts"],
        stft=stft_of_classifier,
        is_svdnet=lambda w: is_svdnet(w.classifier),
        seed=lambda w: 0 if w.classifier == SVDNET_PUBLISHED else seed_of(w.classifier),
    message:
        "Invert the features of {wildcards.classifier} on excerpts of songs"
    script:
        "../../scripts/invert_features.py"


rule draw_inversions:
    input:
        rules.invert_features.output[0],
    output:
        report(
            directory(R / "figures/inversion/{classifier}"),
            patterns=["{song}.png"],
            caption="../report/inversions.rst",
            category="Inversion",
            labels={"classifier": "{classifier}", "song": "{song}"},
        ),
    log:
        R / "logs/draw_inversions/{classifier}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_inversions"),
        scale=config["inversion"]["excerpts"]["scale"],
    message:
        "Draw inputs above their inversions for {wildcards.classifier}"
    script:
        "../../scripts/draw_inversions.py"


rule draw_errors:
    input:
        rules.summarise_inversion.output.errors,
        rules.summarise_inversion.output.kept,
    output:
        png=report(
            R / "figures/inversion/{kind}_errors.png",
            caption="../report/errors.rst",
            category="Inversion",
            labels={"classifier": "{kind}", "figure": "error by layer"},
        ),
        pdf=R / "figures/inversion/{kind}_errors.pdf",
    log:
        R / "logs/draw_errors/{kind}.log",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        *code_of("draw_errors"),
        classifiers=lambda w: KINDS[w.kind],
    message:
        "Draw the reconstruction errors of {wildcards.kind} by layer"
    script:
        "../../scripts/draw_errors.py"
