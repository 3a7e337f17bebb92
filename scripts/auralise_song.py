"""Turn one song's maps into sounds."""

from pathlib import Path

from _job import job

from auralise.auralisation import write_auralisations
from auralise.maps import open_maps

with job(snakemake), open_maps(snakemake.input[0]) as maps:
    write_auralisations(Path(snakemake.output[0]), maps, **snakemake.params.auralisation)
