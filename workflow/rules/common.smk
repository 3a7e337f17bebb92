import gc
import sys
from contextlib import suppress
from dataclasses import replace
from itertools import product
from pathlib import Path

from snakemake.io import is_flagged

from auralise.attributes.signals import FACTORS
from auralise.choices import N_TOUR_SONGS
from auralise.stft import Stft
from auralise.experiment.contradictions import refuse_contradictions
from auralise.experiment.costs import cost_of_songs
from auralise.datasets.archives import is_archive, is_url
from auralise.environment import settle_environment, start_in_utf8
from auralise.errors import AuraliseError, message_of
from auralise.experiment.records import (
    Results,
    count_making,
    noted_making,
    record_path,
)
from auralise.experiment.runs import (
    RECORDS,
    forget_run,
    note_run,
    release_stale_locks,
)
from auralise.experiment.stages import name_stages
from auralise.files import fingerprint_of
from auralise.provenance import code_by_file
from auralise.experiment.settings import (
    complete_settings,
    refuse_unreadable,
    stft_settings,
)
from auralise.experiment.usable import usable_songs
from auralise.networks.names import (
    PLANTED,
    PERMUTED,
    SVDNET,
    SVDNET_PUBLISHED,
    SVDNET_UNTRAINED,
    UNTRAINED,
    controlled_by,
    controls_variant,
    is_given,
    name_network,
    seed_of,
    variant_of,
)
from auralise.songs import AskedSongs

start_in_utf8()

# A plan is made of millions of objects that all stay: with many songs, most of the time would go into
# looking for garbage among them.
gc.disable()

SCRIPTS = HOME / "scripts"
SCHEMA = HOME / "workflow/schemas/config.schema.yaml"
DEFAULTS = complete_settings({}, SCHEMA)

# Snakemake 9 does not quote the interpreter that runs a script.
if " " in sys.executable and not sys.executable.startswith("'"):
    sys.executable = f"'{sys.executable}'"

settle_environment()  # jobs are started in it

if workflow.remote_exec:
    # In a job on a cluster, which has its processors, memory and GPU. The executor would start Snakemake
    # once more for each rule in it, which takes longer than many rules do.
    workflow.is_local = lambda rule: True

try:
    for path in workflow.configfiles:
        refuse_unreadable(path)
    config = complete_settings(config, SCHEMA)
    R = Path("results") / config["experiment"]
    refuse_contradictions(config, R)
    ASKED_SONGS = AskedSongs.from_settings(config["songs"])
    if not Path(ASKED_SONGS.folder).exists() and (HOME / ASKED_SONGS.folder).is_dir():
        # Started from another folder: the songs that come with the workflow.
        ASKED_SONGS = replace(ASKED_SONGS, folder=str(HOME / ASKED_SONGS.folder))
        print(f"songs: taken from {ASKED_SONGS.folder}", file=sys.stderr)
    runs = workflow.is_main_process and not workflow.dryrun
    if runs:
        for line in release_stale_locks(config["experiment"], "--unlock" in sys.argv):
            print(line, file=sys.stderr)
    excerpt = config["stft"]["sample_rate"], config["stft"]["duration"]
    SONGS, LEFT_OUT = usable_songs(
        ASKED_SONGS, config["experiment"], *excerpt, read=runs
    )
    # Missing when a run begins: where songs are left out, no run has nothing to do, and each tells of them.
    TOLD = RECORDS / "songs" / f"{config['experiment']}.told"
    if runs:
        TOLD.unlink(missing_ok=True)
    if workflow.is_main_process:
        for line in LEFT_OUT:
            print(f"song left out: {line}", file=sys.stderr)
except AuraliseError as error:
    # Not an exception, for which Snakemake's status is 1.
    print(f"auralise: error: {message_of(error)}", file=sys.stderr)
    sys.exit(2)

DURATION, EDGES = config["stft"]["duration"], config["stft"]["edges"]
STFT = {
    name: value
    for name, value in config["stft"].items()
    if name not in ("duration", "edges")
}

# How maps are made, whichever of them.
DECONVNET = {
    name: config["deconvolution"][name] for name in ("biases", "device", "precision")
}
REHEARING = config["auralisation"]["rehearing"]
# Maps stay or go when nothing needs them any more; sounds stay down to a floor (dB), or all do.
kept = (lambda path: path) if config["keep"] == "all" else temp
FLOOR = config["auralisation"]["audible"] if config["keep"] == "audible" else None
SHIFTS = config["auralisation"]["shifted_maps"]
N_GPUS = int(DECONVNET["device"] != "cpu")

FIRST = next(iter(config["networks"]))
# Networks whose weights are given, by name, and those trained here, by variant.
GIVEN = [name for name, network in config["networks"].items() if is_given(network)]
VARIANTS = [name for name in config["networks"] if name not in GIVEN]
SEEDED = [
    name_network(variant, seed) for variant in VARIANTS for seed in config["seeds"]
]
# What is explained, in the order of the settings; all of it was trained, here or elsewhere.
TRAINED = [
    network
    for name in config["networks"]
    for network in (
        [name] if name in GIVEN else [n for n in SEEDED if variant_of(n) == name]
    )
]
# The first network has untrained controls of its architecture, and each one with given weights.
CONTROLLED = {
    name: controls_variant(name, FIRST) for name in dict.fromkeys([FIRST, *GIVEN])
}
CONTROLS = [
    name_network(control, seed)
    for control in CONTROLLED.values()
    for seed in range(config["controls"]["untrained"])
]
# Trained like the first variant, on labels that say nothing.
PERMUTED_NETWORKS = [
    name_network(PERMUTED, number)
    for number in range(config["controls"]["permuted"])
    if VARIANTS
]
NETWORKS = TRAINED + CONTROLS + PERMUTED_NETWORKS
# What is heard, drawn and shown; of the other controls there are numbers alone.
HEARD = TRAINED + [name for name in CONTROLS if seed_of(name) == 0]
# Whose classes are those of the data set: they are trained and evaluated here, or not trained.
OURS = SEEDED + PERMUTED_NETWORKS
OURS += [
    name for name in CONTROLS if variant_of(name) == UNTRAINED and FIRST in VARIANTS
]
UNTAUGHT = [name for name in CONTROLS if name not in OURS]
ONE_OF_EACH = [name_network(variant, config["seeds"][0]) for variant in VARIANTS]
ONE_OF_EACH += [*GIVEN, CONTROLS[0]]

# Where to look: what for, files, and a remark.
PLACES = [("Look", R / "figures", "")]
if "deconvolution" in config["methods"]:
    PLACES += [
        ("Listen", R / "listening/index.html", "(open it in a browser)"),
        ("Sounds", R / "auralisation", ""),
        ("Numbers", R / "attributes/summary.csv", ""),
        ("Numbers", R / ("networks/summary.csv" if OURS else "networks"), ""),
        ("Checks", R / "checks.csv", ""),
    ]
if "inversion" in config["methods"]:
    PLACES += [
        ("Inverted", R / "inversion/README.md", "(what was found)"),
        ("Inverted", R / "inversion/*/songs/*/*.wav", ""),
    ]


wildcard_constraints:
    network="|".join(NETWORKS),
    song=r"[^/]+",


def code_of(rule_name):
    """The library's files behind a rule, with versions, and where its jobs are recorded.

    A change of one re-runs the rule, as does a file of the record that is missing.
    """

    def record(wildcards):
        path = record_path(R, rule_name, wildcards)
        # Not by asking for `output`: what is derived from it does not re-run a rule.
        declared = list(getattr(rules, rule_name).output)
        outputs = expand(declared, **dict(wildcards.items()))
        if workflow.is_main_process:
            made = count_making(R, path, outputs, note=not workflow.dryrun)
        else:
            made = noted_making(path)
        # Flags are kept by the rule itself alone.
        flagged = getattr(rules, rule_name).rule.output
        temporary = [
            path for path, output in zip(outputs, flagged) if is_flagged(output, "temp")
        ]
        return {
            "record": str(path),
            "results": str(R),
            "rule": rule_name,
            "made": made,
            "temporary": temporary,
        }

    # Readers of foreign weights run where weights are given, and nowhere else.
    unused = () if GIVEN else ("weights/whole.py",)
    return [*code_by_file(SCRIPTS / f"{rule_name}.py", unused), record]


def where_to_look(is_there=lambda path: True):
    """A line for each of the places, or for each that is there."""
    return [
        f"{what + ':':<10}{path}    {remark}".rstrip()
        for what, path, remark in PLACES
        if is_there(path)
    ]


def is_there(path):
    """Whether a file, or one of a pattern, exists."""
    return any(Path().glob(str(path)))


def tell_what_is_not_whole():
    """Print a line for each file of the results that is missing or was changed."""
    for line in Results(R).faults():
        print(line, file=sys.stderr)


def status_of_a_failure():
    """Status of a run in which jobs failed: 1 if there are sounds of a song, 2 if of none."""
    if "deconvolution" not in config["methods"]:
        return 2
    done = [
        song
        for song in SONGS
        if all((R / "auralisation" / n / song / "original.wav").exists() for n in HEARD)
    ]
    n_songs = len(SONGS) + len(LEFT_OUT)
    print(f"{n_songs - len(done)} of {n_songs} songs are not done", file=sys.stderr)
    return 1 if done else 2


def n_explained(network):
    """How many features of a network are explained, by its settings."""
    settings = architecture_of(network)
    n_layers, features = settings["layers"], settings["features"]
    sizes = features if isinstance(features, list) else [features] * n_layers
    layers, wanted = (config["deconvolution"][name] for name in ("layers", "features"))
    return sum(
        len([f for f in range(size) if wanted is None or f in wanted])
        for layer, size in enumerate(sizes, 1)
        if layers is None or layer in layers
    )


def say_what_it_takes():
    """Print one line: what explaining the songs takes of processors and disk."""
    if "deconvolution" not in config["methods"]:
        return
    # How many features a network with given weights has, its file alone says.
    known = [network for network in HEARD if owner_of(network) not in GIVEN]
    if not known:
        print(
            f"songs: {len(SONGS)}; what they take with {', '.join(GIVEN)} is not known before"
        )
        return
    networks = [(n_explained(name), Stft(**stft_of(name))) for name in known]
    cost = cost_of_songs(len(SONGS), DURATION, networks, config["keep"])
    others = f", without {', '.join(GIVEN)}" if GIVEN else ""
    print(f"songs: {len(SONGS)} take about {cost}{others}, less what is there")


def say_what_changed():
    """Print a line for each job that runs again because code or a setting changed."""
    # Not of Snakemake's documented interface: a version without it runs without these lines.
    with suppress(AttributeError):
        for job in workflow.dag.needrun_jobs():
            change = workflow.dag.reason(job).params_changed
            if change:
                print(f"{job.rule.name} runs again: {names_of(change)} changed")


def names_of(change):
    """The files of the library that changed since a job last ran, and settings."""
    values = {str(value).strip("'") for value in change.only_old | change.only_new}
    names = {
        (
            v.rpartition(" ")[0]
            if v.startswith("code of ")
            else "a file that it made" if v.startswith("{'record'") else "a setting"
        )
        for v in values
    }
    return ", ".join(sorted(names))


def folder_of_clips():
    """Where the clips are: rendered, unpacked from an archive, or the user's own folder."""
    if config["dataset"]["name"] == "bands":
        return rules.render_bands.output[0]
    path = config["dataset"]["path"]
    return rules.unpack_dataset.output[0] if is_archive(path) else path or []


def version_of_clips():
    """Of the user's own folder of clips; what a rule or an archive gives needs none."""
    path = config["dataset"]["path"]
    is_folder = path and config["dataset"]["name"] != "bands" and Path(path).is_dir()
    return version_of(path) if is_folder else None


def memory(mb):
    """Memory of a job (MB): twice as much when it is tried again, and so on."""
    return lambda wildcards, attempt: mb * 2 ** (attempt - 1)


# Of a job about one song: what it takes grows with the excerpt.
MINUTES_OF_SONG = 5 + int(DURATION // 4)


def n_gpus(training):
    """GPUs that a training asks for, by its settings."""
    if training["accelerator"] != "gpu":
        return 0
    return 1 if training["devices"] == "auto" else training["devices"]


def owner_of(network):
    """Name under ``networks`` of a network, or of the one that a control has the architecture of."""
    if network in PERMUTED_NETWORKS:
        return VARIANTS[0]
    if network in CONTROLS:
        return controlled_by(network) or FIRST
    return variant_of(network)


def untrained_of(network):
    """The untrained controls of a network's architecture."""
    control = CONTROLLED.get(owner_of(network))
    return [name for name in CONTROLS if variant_of(name) == control]


def architecture_of(network):
    """Settings of a network: its architecture, or where its weights are given."""
    owner = owner_of(network)
    settings = config["networks"][owner]
    return settings | {"stft": stft_of(network)} if owner in GIVEN else settings


def partner_of(network):
    """The network of the first variant that one of permuted labels is a control of, in a list."""
    if network not in PERMUTED_NETWORKS:
        return []
    seeds = config["seeds"]
    number = PERMUTED_NETWORKS.index(network)
    return [name_network(VARIANTS[0], seeds[number % len(seeds)])]


def stft_of(network):
    """The transform that a network hears."""
    return stft_settings(config, owner_of(network))


def every_song(path, **wildcards):
    """Files of all songs by a path, for a rule's input.

    A function: Snakemake would hash a list once for each of its files.
    """
    files = expand(path, song=SONGS, allow_missing=True, **wildcards)
    return lambda wildcards: files


def song_files(wildcards):
    """The songs themselves, for a rule's input."""
    return list(SONGS.values())


def only(networks):
    """A constraint of a wildcard that lets these networks pass, and may be empty."""
    return "|".join(networks) or "(?!)"


def files_of(network):
    """What a network with given weights is read from."""
    settings = config["networks"][owner_of(network)]
    place = settings.get("module", "").rpartition(":")[0]
    return [
        *([settings["weights"]] if "weights" in settings else []),
        *([place] if place.endswith(".py") else []),
    ]


def schedule_of(network):
    """Settings of a network's training; a control trains for no epoch, whatever they are."""
    if network in CONTROLS:
        return DEFAULTS["training"] | {"epochs": 0}
    return config["training"]


def is_svdnet(classifier):
    return variant_of(classifier) in (SVDNET, SVDNET_UNTRAINED, SVDNET_PUBLISHED)


def svdnet_settings(svdnet):
    """Settings of SVDNet's training; a control trains for no epoch, whatever they are."""
    if variant_of(svdnet) == SVDNET_UNTRAINED:
        return DEFAULTS["inversion"]["svdnet"] | {"epochs": 0}
    return config["inversion"]["svdnet"]


def version_of(folder):
    """Changes with every file in a folder of the user's; Snakemake looks at the folder alone."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    states = [(str(path), path.stat()) for path in files]
    return fingerprint_of(
        [[path, state.st_size, state.st_mtime_ns] for path, state in states]
    )
