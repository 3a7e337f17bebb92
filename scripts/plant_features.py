"""Plant features whose names are known, and turn what they let through of the songs into sounds."""

from pathlib import Path

from _job import job

from auralise.auralisation import Auralisation, write_auralisations
from auralise.dissection.plants import name_plants, read_kicks, write_plants
from auralise.files import write_table
from auralise.maps import open_maps
from auralise.networks.front_ends import undo

with job(snakemake):
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    write_table(output.names, name_plants())
    maps, sounds = Path(output.maps), Path(output.sounds)
    given = zip(params.songs, params.starts, map(Path, inputs.songs), inputs.maps, strict=True)
    for song, start, path, heard in given:
        kicks = read_kicks(path.with_suffix(".notes.csv"), start)
        with open_maps(heard) as of_network:
            write_plants(maps / f"{song}.h5", of_network, kicks)
        with open_maps(maps / f"{song}.h5") as planted:
            write_auralisations(sounds / song, planted, Auralisation(**params.auralisation), undo)
