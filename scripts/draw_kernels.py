"""Draw the first-layer kernels of one network of each variant."""

from contextlib import suppress

from _job import job

from auralise.errors import NetworkError
from auralise.figures.networks import draw_kernels
from auralise.figures.style import save_figure
from auralise.networks.genre import first_kernels
from auralise.stft import Stft
from auralise.weights.expected import read_expected_whole

with job(snakemake):
    params, kernels = snakemake.params, {}
    for name, path in zip(params.networks, snakemake.input, strict=True):
        stft = Stft(**params.stfts[name])
        network = read_expected_whole(path, params.architectures[name], stft).network
        with suppress(NetworkError):  # it has no convolution of two dimensions
            kernels[name] = first_kernels(network)
    save_figure(draw_kernels(kernels), *snakemake.output)
