import sys
from contextlib import suppress
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import is_flagged

from auralise.attributes.signals import FACTORS
from auralise.experiment.contradictions import refuse_contradictions
from auralise.datasets.archives import is_archive, is_url
from auralise.errors import AuraliseError
from auralise.experiment.records import (
    Results,
    count_making,
    noted_making,
    record_path,
)
from auralise.experiment.runs import forget_run, note_run, release_stale_locks
from auralise.files import fingerprint_of
from auralise.provenance import code_by_file
from auralise.experiment.settings import complete_settings, refuse_repeated_keys
from auralise.networks.names import (
    SVDNET,
    SVDNET_UNTRAINED,
    UNTRAINED,
    name_network,
    seed_of,
    variant_of,
)
from auralise.songs import find_songs

SCRIPTS = HOME / "scripts"
SCHEMA = HOME / "workflow/schemas/config.schema.yaml"
DEFAULTS = complete_settings({}, SCHEMA)

# Snakemake 9 does not quote the interpreter that runs a script.
if " " in sys.executable and not sys.executable.startswith("'"):
    sys.executable = f"'{sys.executable}'"

try:
    for path in workflow.configfiles:
        refuse_repeated_keys(path)
    config = complete_settings(config, SCHEMA)
    R = Path("results") / config["experiment"]
    refuse_contradictions(config, R)
    if not Path(config["songs"]).exists() and (HOME / config["songs"]).is_dir():
        # Started from another folder: the songs that come with the workflow.
        config["songs"] = str(HOME / config["songs"])
        print(f"songs: taken from {config['songs']}", file=sys.stderr)
    SONGS = find_songs(config["songs"])
    if workflow.is_main_process and not workflow.dryrun:
        for line in release_stale_locks(config["experiment"], "--unlock" in sys.argv):
            print(line, file=sys.stderr)
except AuraliseError as error:
    raise WorkflowError(str(error)) from None

DURATION = config["stft"]["duration"]
STFT = {name: value for name, value in config["stft"].items() if name != "duration"}

# How maps are made, whichever of them.
DECONVNET = {
    name: config["deconvolution"][name] for name in ("biases", "device", "precision")
}
N_GPUS = int(DECONVNET["device"] != "cpu")

TRAINED = [
    name_network(variant, seed)
    for variant in config["networks"]
    for seed in config["seeds"]
]
CONTROLS = [
    name_network(UNTRAINED, seed) for seed in range(config["controls"]["untrained"])
]
NETWORKS = TRAINED + CONTROLS
# The untrained networks have the architecture of the first variant.
CONTROLLED = [next(iter(config["networks"]))]
ONE_OF_EACH = [
    name_network(variant, config["seeds"][0]) for variant in config["networks"]
]
ONE_OF_EACH += CONTROLS[:1]

WHERE_TO_LOOK = f"""
Look:     {R / 'figures'}
"""
if "deconvolution" in config["methods"]:
    WHERE_TO_LOOK += f"""\
Listen:   {R / 'listening/index.html'}    (open it in a browser)
Sounds:   {R / 'auralisation'}
Numbers:  {R / 'attributes/summary.csv'}, {R / 'networks/summary.csv'}
Checks:   {R / 'checks.csv'}
"""
if "inversion" in config["methods"]:
    WHERE_TO_LOOK += f"""\
Inverted: {R / 'inversion/README.md'}    (what was found)
          {R / 'inversion'}/*/songs/*/*.wav
"""


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
        temporary = [
            path
            for path, output in zip(outputs, declared)
            if is_flagged(output, "temp")
        ]
        return {
            "record": str(path),
            "results": str(R),
            "rule": rule_name,
            "made": made,
            "temporary": temporary,
        }

    return [*code_by_file(SCRIPTS / f"{rule_name}.py"), record]


def tell_what_is_not_whole():
    """Print a line for each file of the results that is missing or was changed."""
    for line in Results(R).faults():
        print(line, file=sys.stderr)


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


def architecture_of(network):
    """Settings of a network's architecture; a control has that of the first variant."""
    variant, first = variant_of(network), next(iter(config["networks"]))
    return config["networks"][first if variant == UNTRAINED else variant]


def schedule_of(network):
    """Settings of a network's training; a control trains for no epoch, whatever they are."""
    if network in CONTROLS:
        return DEFAULTS["training"] | {"epochs": 0}
    return config["training"]


def is_svdnet(classifier):
    return variant_of(classifier) in (SVDNET, SVDNET_UNTRAINED)


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
