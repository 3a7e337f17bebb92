"""
Hear kernels whose purpose is known
===================================

A network with two kernels that we write ourselves shows what deconvolution does. One kernel
reacts to onsets (the level rises from one frame to the next), the other to sustained sound.
"""

import torch
from torch import nn

import auralise

kernels = torch.tensor(
    [
        [[-1.0, 0.0, 1.0]] * 3,  # louder than before: an onset
        [[1.0, 1.0, 1.0]] * 3,  # loud for a while
    ]
)
convolution = nn.Conv2d(1, 2, 3, padding=1, bias=False)
convolution.weight.data = kernels[:, None]
network = nn.Sequential(convolution, nn.ReLU(), nn.MaxPool2d(2))

explained = auralise.explain("../../src_songs/uptempo_band.flac", network)
explained

# %%
# The song:

explained.original()

# %%
# What the onset kernel lets through: the beginnings of notes and strokes.

explained.hear("1-0")

# %%

explained.plot("1-0")

# %%
# What the other one lets through:

explained.hear("1-1")

# %%
# The maps have axes in Hz and seconds:

explained.maps(1).sel(feature=0, frequency=slice(0, 1000)).shape
