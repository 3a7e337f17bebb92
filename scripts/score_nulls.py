"""Score the features of untrained networks, which are made from their seeds and not kept."""

from _job import job, prepare_torch

from auralise.datasets.segments import Segments
from auralise.dissection.exam import Exam
from auralise.dissection.networks import score_untrained, write_untrained
from auralise.explainers.making import explain_whole, explainer_of
from auralise.explainers.protocol import Explainer
from auralise.files import read_table
from auralise.networks.genre import Architecture
from auralise.networks.names import is_given
from auralise.stft import Stft
from auralise.training.controls import N_SEGMENTS, read_training_segments, untrain_network
from auralise.training.genre import initial_network
from auralise.weights.common import ignore_biases
from auralise.weights.whole import Description, read_whole

with job(snakemake):
    prepare_torch(snakemake)
    params, inputs, how = snakemake.params, snakemake.input, snakemake.params.deconvolution
    if is_given(params.architecture):
        described = Description.from_settings(params.architecture)
        stft = Stft(**params.architecture["stft"])
        clips = read_table(inputs.clips)
        magnitudes = read_training_segments(clips, stft, params.duration, params.edges)

        def untrained(seed: int) -> Explainer:
            whole = read_whole(described, stft, how["biases"])
            untrain_network(whole.convolutional, magnitudes, seed)
            return explain_whole(whole, how, params.architecture.get("explained_layers"))

    else:
        architecture = Architecture.from_settings(params.architecture)
        segments = Segments.open(inputs.segments, "train")

        def untrained(seed: int) -> Explainer:
            network = initial_network(architecture, segments, seed, n_calibrated=N_SEGMENTS)
            if not how["biases"]:
                ignore_biases(network.get_submodule("convolutional"))
            return explainer_of(network, how["device"], how["precision"])

    scores = score_untrained(untrained, Exam.read(inputs.exam), params.untrained)
    write_untrained(snakemake.output[0], scores)
