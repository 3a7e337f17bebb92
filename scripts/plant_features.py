"""Plant features whose names are known, and turn what they let through of the songs into sounds."""

from pathlib import Path

from _job import job

from auralise.auralisation import Auralisation, write_auralisations
from auralise.dissection.plants import name_plants, read_kicks, write_plants
from auralise.files import write_table
from auralise.maps import open_maps
from auralise.networks.front_ends import undo

with job(snakemake) as outputs:
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    write_table(output.names, name_plants())
    for n, (start, song) in enumerate(zip(params.starts, map(Path, inputs.songs), strict=True)):
        kicks = read_kicks(song.with_suffix(".notes.csv"), start)
        with open_maps(inputs.maps[n]) as heard:
            write_plants(output.maps[n], heard, kicks)
        folder = Path(output.how[n]).parent
        with open_maps(output.maps[n]) as planted:
            write_auralisations(folder, planted, Auralisation(**params.auralisation), undo)
        outputs += [folder / "original.wav", *sorted(folder.glob("layer*/feature*.*"))]
