"""Measure what one layer has kept of test excerpts."""

from _job import job, prepare_torch

from auralise.audio import Stft
from auralise.files import whole_file
from auralise.inversion.measures import class_dependence, normalised_errors, reconstruct
from auralise.inversion.subjects import read_subject
from auralise.weights.svdnet import read_inverter

with job(snakemake):
    prepare_torch(snakemake)
    inputs, params, names = snakemake.input, snakemake.params, dict(snakemake.wildcards)
    subject = read_subject(inputs.weights, inputs.get("mean_std"), Stft(**params.stft))
    inverter = read_inverter(inputs.inverter, names["layer"]).network
    found = reconstruct(
        subject,
        names["layer"],
        inverter,
        inputs.excerpts,
        params.measure["excerpts"],
        params.measure["draws"],
    )
    for measure, output in (
        (normalised_errors, snakemake.output.errors),
        (class_dependence, snakemake.output.dependence),
    ):
        with whole_file(output) as path:
            table = measure(found)
            for place, (name, value) in enumerate(names.items()):
                table.insert(place, name, value)
            table.to_csv(path, index=False)
