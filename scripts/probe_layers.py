"""Probe every layer of one network: what is linearly readable."""

from functools import partial

from _job import job, prepare_torch

from auralise.datasets.segments import Segments
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.dissection.probes import TABLE, Probed, concepts_of_bands, probe_layers
from auralise.files import read_table, write_table
from auralise.networks.genre import Architecture
from auralise.weights.expected import read_expected_network

with job(snakemake):
    prepare_torch(snakemake)
    inputs, params = snakemake.input, snakemake.params
    architecture = Architecture.from_settings(params.architecture)
    network = read_expected_network(inputs.weights, architecture)
    clips = read_table(inputs.clips)
    concepts = params.bands and partial(concepts_of_bands, **params.bands)
    train, test = (
        Probed.of(
            Segments.open(inputs.segments, split),
            clips.loc[clips["split"] == split, "clip"].to_list(),
            params.clips,
            concepts,
        )
        for split in ("train", "test")
    )
    table = probe_layers(Deconvnet(network).feature_maps, train, test)
    table.insert(0, "network", snakemake.wildcards.network)
    write_table(snakemake.output[0], table[list(TABLE)])
