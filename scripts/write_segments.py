"""Transform the clips into the segments that the network sees."""

import torch
from _job import job

from auralise.datasets.segments import write_segments
from auralise.files import read_table
from auralise.stft import Stft

with job(snakemake):
    clips = read_table(snakemake.input.clips)
    torch.set_num_threads(1)  # the threads transform a clip each
    params = snakemake.params
    stft, path = Stft(**params.stft), snakemake.output[0]
    write_segments(path, clips, stft, params.duration, snakemake.threads, params.edges)
