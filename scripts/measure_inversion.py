"""Measure what the layers of one classifier have kept of test excerpts."""

import pandas as pd
from _job import job, prepare_torch

from auralise.audio import Stft
from auralise.files import whole_file
from auralise.inversion.measures import class_dependence, normalised_errors, reconstruct
from auralise.inversion.subjects import read_subject
from auralise.weights.svdnet import read_inverter

with job(snakemake):
    prepare_torch(snakemake)
    inputs, params = snakemake.input, snakemake.params
    subject = read_subject(inputs.weights, inputs.get("mean_std"), Stft(**params.stft))
    errors, dependence = [], []
    for inverter in map(read_inverter, inputs.inverters):
        found = reconstruct(
            subject,
            inverter.layer,
            inverter.network,
            inputs.excerpts,
            params.measure["excerpts"],
            params.measure["draws"],
        )
        names = {"classifier": snakemake.wildcards.classifier, "layer": inverter.layer}
        errors.append(normalised_errors(found).assign(**names))
        dependence.append(class_dependence(found).assign(**names))
    for tables, output in (
        (errors, snakemake.output.errors),
        (dependence, snakemake.output.dependence),
    ):
        with whole_file(output) as path:
            pd.concat(tables).set_index(["classifier", "layer"]).to_csv(path)
