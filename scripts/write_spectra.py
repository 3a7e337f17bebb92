"""Transform the songs with labelled voices into spectra, and measure their bands."""

from _job import job

from auralise.datasets.jamendo import find_songs_with_labels, measure_bands, write_spectra
from auralise.weights.svdnet import write_mean_std

with job(snakemake):
    write_spectra(snakemake.output.spectra, find_songs_with_labels(snakemake.input[0]))
    write_mean_std(snakemake.output.mean_std, *measure_bands(snakemake.output.spectra))
