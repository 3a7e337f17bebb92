"""Turn one song's maps into sounds."""

from pathlib import Path

from _job import job

from auralise.auralisation import Auralisation, write_auralisations
from auralise.features import keep_audible
from auralise.figures.pictures import write_pictures
from auralise.files import write_table
from auralise.maps import open_maps
from auralise.networks.front_ends import undo

with job(snakemake) as outputs, open_maps(snakemake.input[0]) as maps:
    auralisation = Auralisation(**snakemake.params.auralisation)
    folder = Path(snakemake.output.original).parent
    measured = write_auralisations(folder, maps, auralisation, undo)
    if snakemake.params.pictures:
        write_pictures(folder, maps, auralisation.mode)
    if snakemake.params.floor is not None:
        keep_audible(folder, measured, snakemake.params.floor)
    write_table(snakemake.output.measured, measured)
    outputs += sorted(folder.glob("layer*/feature*.*"))
