"""auralise: hear what a convolutional network for music has learned.

snakemake --cores 8                                   the embedded default
snakemake --cores 8 --configfile config/paper.yaml    another experiment
"""

from pathlib import Path

HOME = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))

# Each configuration stands alone: what it leaves out takes the schema's default.
if not workflow.configfiles:

    configfile: HOME / "config/config.yaml"


include: "workflow/rules/common.smk"  # settings, names of networks and songs
include: "workflow/rules/dataset.smk"  # clips → splits → segments
include: "workflow/rules/training.smk"  # segments → networks
include: "workflow/rules/deconvolution.smk"  # network × song → maps
include: "workflow/rules/auralisation.smk"  # maps → sounds and sheets
include: "workflow/rules/attributes.smk"  # network × model signals → correlations
include: "workflow/rules/dissection.smk"  # network × clips of known concepts → names
include: "workflow/rules/inversion.smk"  # classifiers → inverters → what layers have kept
include: "workflow/rules/results.smk"  # checks and the page to listen on


DECONVOLUTION = [
    rules.describe_results.output,
    R / "checks.csv",
    rules.build_listening_page.output,
    rules.draw_attributes.output,
    rules.write_findings.output,
    rules.draw_attributes_as_in_2016.output if ATTRIBUTES["as_in_2016"] else [],
    expand(rules.draw_features.output, network=TRAINED),
    expand(rules.predict_songs.output, network=NETWORKS),
    rules.draw_kernels.output,
    expand(rules.draw_sheets.output, network=HEARD, song=SONGS),
    rules.compare_layers.output,
    rules.name_features.output,
    rules.draw_tour.output,
]
if VARIANTS:
    DECONVOLUTION += [
        rules.draw_ablation.output if ABLATED else [],
        rules.compare_probes.output if PROBED else [],
        expand(
            rules.draw_confusion.output.png, network=[n for n in OURS if n in HEARD]
        ),
        rules.draw_evaluations.output,
        rules.summarise_evaluations.output,
        expand(rules.draw_learning_curve.output.png, network=SEEDED),
    ]
INVERSION = [
    rules.summarise_inversion.output,
    expand(rules.draw_errors.output, kind=KINDS),
    expand(rules.draw_inversions.output, classifier=INVERTED),
]
METHODS = {"deconvolution": DECONVOLUTION, "inversion": INVERSION}
METHODS |= dict.fromkeys(
    COMPARED, expand(rules.draw_methods.output, network=COMPARED_ON)
)


rule tell_songs_left_out:
    output:
        touch(TOLD),
    localrule: True
    message:
        f"Songs left out: {len(LEFT_OUT)}; the run ends by saying why"


rule all:
    default_target: True
    input:
        [METHODS[method] for method in config["methods"]],
        rules.tell_songs_left_out.output if LEFT_OUT else [],
    message:
        f"All results are in {R}"


rule show_results:
    localrule: True
    message:
        "Nothing to compute here: the run ends by saying where to look"


# What a run prints (`auralise run`): each file of rules is a stage.
files = {one.name: Path(one.snakefile) for one in workflow.rules}
name_stages({name: of.stem for name, of in files.items() if of.suffix == ".smk"})


onstart:
    gc.freeze()
    gc.enable()
    note_run(config["experiment"])
    say_what_it_takes()
    say_what_changed()


onsuccess:
    forget_run(config["experiment"])
    tell_what_is_not_whole()
    print("", *where_to_look(is_there), sep="\n")
    if LEFT_OUT:
        n_songs = len(SONGS) + len(LEFT_OUT)
        print(f"{len(LEFT_OUT)} of {n_songs} songs failed:", *LEFT_OUT, sep="\n  ")
        sys.exit(1)


onerror:
    forget_run(config["experiment"])
    print("Complete log:", *log)
    sys.exit(status_of_a_failure())
