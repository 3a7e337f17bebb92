"""Measure what the layers of one classifier have kept of test excerpts."""

import pandas as pd
from _job import job, prepare_torch

from auralise.files import write_table
from auralise.inversion.intervals import class_dependence
from auralise.inversion.measures import excerpt_errors, normalised_errors, reconstruct
from auralise.inversion.parts import kept_parts
from auralise.inversion.subjects import read_inverters, read_subject
from auralise.stft import Stft

with job(snakemake):
    prepare_torch(snakemake)
    inputs, params = snakemake.input, snakemake.params
    stft = params.stft and Stft(**params.stft)
    subject = read_subject(inputs.weights, inputs.get("mean_std"), stft)
    tables: dict[str, list[pd.DataFrame]] = {
        name: [] for name in ("errors", "excerpts", "dependence", "kept")
    }
    for layer, inverter in read_inverters(inputs.inverters, subject, inputs.weights).items():
        found = reconstruct(
            subject,
            layer,
            inverter,
            inputs.excerpts,
            params.measure["excerpts"],
            params.measure["draws"],
        )
        names = {"classifier": snakemake.wildcards.classifier, "layer": layer}
        tables["errors"].append(normalised_errors(found).assign(**names))
        tables["excerpts"].append(excerpt_errors(found).assign(**names))
        tables["kept"].append(kept_parts(found).assign(**names))
        tables["dependence"].append(class_dependence(found).assign(**names))
    for name, parts in tables.items():
        table = pd.concat(parts).set_index(["classifier", "layer"]).reset_index()
        write_table(snakemake.output[name], table)
