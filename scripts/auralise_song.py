"""Turn one song's maps into sounds."""

from pathlib import Path

from _job import job

from auralise.auralisation import Auralisation, write_auralisations
from auralise.maps import open_maps
from auralise.networks.front_ends import undo

with job(snakemake), open_maps(snakemake.input[0]) as maps:
    auralisation = Auralisation(**snakemake.params.auralisation)
    write_auralisations(Path(snakemake.output[0]), maps, auralisation, undo)
