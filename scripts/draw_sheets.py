"""Draw one sheet per layer: what every feature lets through of a song."""

from pathlib import Path

from _job import job

from auralise.figures.sheets import draw_sheet
from auralise.figures.style import save_figure
from auralise.maps import open_maps

with job(snakemake), open_maps(snakemake.input[0]) as maps:
    for layer in maps.layers:
        figure = draw_sheet(
            maps.spectrum,
            maps.deconvolved(layer),
            maps.features(layer),
            maps.live(layer),
            maps.stft.frequencies,
            maps.n_samples / maps.stft.sample_rate,
            f"{snakemake.wildcards.song}, {snakemake.wildcards.network}, layer {layer}",
        )
        save_figure(figure, Path(snakemake.output[0]) / f"layer{layer}.png")
