"""Draw the tour of 2015 and list who plays its roles."""

from contextlib import ExitStack
from pathlib import Path

from _job import job

from auralise.dissection.tour import list_tour
from auralise.figures.style import save_figure
from auralise.figures.tour import draw_tour, list_stops
from auralise.files import read_table, write_table
from auralise.maps import open_maps
from auralise.networks.genre import Architecture, first_kernels
from auralise.networks.names import is_given
from auralise.weights.expected import read_expected_network

with job(snakemake), ExitStack() as stack:
    params, inputs, output = snakemake.params, snakemake.input, snakemake.output
    names = dict(zip(params.networks, map(read_table, inputs.names), strict=True))
    heard = map(tuple, params.heard)
    measured = dict(zip(heard, map(read_table, inputs.measured), strict=True))
    tour = list_tour(names, measured, params.audible)
    write_table(output.table, tour)

    contributions = map(read_table, inputs.contributions)
    contributions = dict(zip(params.shown, contributions, strict=True))
    kernels, maps = {}, {name: [] for name in params.shown}
    for name, path in zip(params.shown, inputs.weights, strict=True):
        settings, kernels[name] = params.architectures[name], None
        # Which convolution layer 1 of a given network ends with is not known.
        if not is_given(settings):
            architecture = Architecture.from_settings(settings)
            kernels[name] = first_kernels(read_expected_network(path, architecture))
    for path in inputs.maps:
        of_song = stack.enter_context(open_maps(path))
        maps[of_song.origin.network].append(of_song)
    planted = [
        stack.enter_context(open_maps(Path(inputs.planted, f"{song}.h5"))) for song in params.songs
    ]
    stops = list_stops(tour, maps, kernels, contributions, planted)
    save_figure(draw_tour(stops, maps[params.shown[0]]), output.png, output.pdf)
