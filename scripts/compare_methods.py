"""Hold methods of explanation against each other on the test clips of one network."""

from functools import partial

from _job import job, prepare_torch

from auralise.datasets.segments import Segments
from auralise.dissection.methods import (
    NULLS,
    Material,
    chain_feature_maps,
    choose_explainable,
    compare_methods,
)
from auralise.explainers.making import explainer_of
from auralise.files import write_table
from auralise.networks.genre import Architecture
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    params, how = snakemake.params, snakemake.params.deconvolution
    architecture = Architecture.from_settings(params.architecture)
    network = read_expected_network(snakemake.input.weights, architecture, how["biases"])
    layer_maps = chain_feature_maps(network)
    segments = Segments.open(snakemake.input.segments, "test")
    magnitudes = segments.read(segments.one_of_each(params.comparison["clips"]))
    features = choose_explainable(list(map(layer_maps, magnitudes)), params.comparison["features"])
    makers = {
        name: partial(explainer_of, device=how["device"], precision=how["precision"], method=name)
        for name in ("deconvnet", *params.methods, *NULLS)
    }
    table = compare_methods(Material(network, layer_maps, magnitudes, features), makers)
    table.insert(0, "network", snakemake.wildcards.network)
    write_table(snakemake.output[0], table)
