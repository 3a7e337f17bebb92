"""Draw sheets of each layer: what its features let through of a song, and their maps."""

from pathlib import Path

import numpy as np
from _job import job

from auralise.figures.sheets import draw_sheet, rank_by_level
from auralise.figures.style import save_figure
from auralise.maps import open_maps

with job(snakemake), open_maps(snakemake.input[0]) as maps:
    song, network = snakemake.wildcards.song, snakemake.wildcards.network
    for layer in maps.layers:
        masks = maps.masks(layer)
        heard = np.abs(maps.spectrum) * np.abs(masks)
        ranking = rank_by_level(heard, maps.live(layer), snakemake.params.audible)
        for pictures, content, ending in (
            (heard, "what each feature lets through, |spectrum × map|", ""),
            (masks, "deconvolved map of each feature, |map|", "_maps"),
        ):
            figure = draw_sheet(
                maps.spectrum,
                pictures,
                maps.features(layer),
                ranking,
                maps.stft.frequencies,
                maps.n_samples / maps.stft.sample_rate,
                f"{song}, {network}, layer {layer}",
                content,
            )
            path = Path(snakemake.output[0]) / f"layer{layer}{ending}"
            save_figure(figure, path.with_suffix(".png"), path.with_suffix(".pdf"))
