"""Draw sheets of each layer: what its features let through of a song, and their maps."""

from pathlib import Path

from _job import job

from auralise.features import read_labels
from auralise.figures.sheets import write_sheets
from auralise.maps import open_maps

with job(snakemake), open_maps(snakemake.input.maps) as maps:
    labels = read_labels(snakemake.input.labels, maps.origin) if snakemake.input.labels else {}
    write_sheets(Path(snakemake.output[0]), maps.shown(), snakemake.params.audible, labels)
