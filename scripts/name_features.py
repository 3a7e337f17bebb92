"""Name the features of all networks, and count names and marks where nothing is to be found."""

from pathlib import Path

from _job import job

from auralise.dissection.contributions import list_contributions
from auralise.dissection.exam import Exam
from auralise.dissection.networks import read_scores, read_untrained
from auralise.dissection.tables import NULLS, dissect_networks
from auralise.files import read_json, write_table
from auralise.networks.genre import Architecture, layer_kernels
from auralise.networks.names import is_given
from auralise.training.baselines import is_above_mean_spectrum
from auralise.weights.expected import read_expected_network

with job(snakemake):
    params, inputs = snakemake.params, snakemake.input
    scores = dict(zip(params.networks, map(read_scores, inputs.scores), strict=True))
    untrained = dict(zip(params.trained, map(read_untrained, inputs.untrained), strict=True))
    known = dict(zip(params.evaluated, map(read_json, inputs.evaluations), strict=True))
    unproven = [name for name, of in known.items() if not is_above_mean_spectrum(of)]
    read = {Path(path).name: Exam.read(path) for path in inputs.exams}
    exams = {owner: read[params.exams[names[0]]] for owner, names in params.trained.items()}
    found, nulls = dissect_networks(
        exams, scores, untrained, params.trained, params.controls, unproven
    )
    weights = dict(zip(params.networks, inputs.weights, strict=True))
    for name, network in found.items():
        settings, kernels = params.architectures[name], []
        if not is_given(settings):
            architecture = Architecture.from_settings(settings)
            kernels = layer_kernels(read_expected_network(weights[name], architecture))
        values = [layer.activations.values for layer in scores[name]]
        folder = Path(snakemake.output.nulls).with_name(name)
        write_table(folder / "names.csv", network.names)
        write_table(folder / "exam.csv", network.exam)
        sounds = params.exams[name] + "/" + network.excerpts["clip"] + ".flac"
        write_table(folder / "excerpts.csv", network.excerpts.assign(sound=sounds))
        contributing = list_contributions(network.names, kernels, values)
        write_table(folder / "contributions.csv", contributing)
    write_table(snakemake.output.nulls, nulls[list(NULLS)])
