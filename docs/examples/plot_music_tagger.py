"""
Hear a published music tagger
=============================

musicnn's MTT_vgg (Pons & Serra 2019) knows 50 tags of MagnaTagATune. Its front end, a mel
filterbank and a logarithm, is part of the network, so its features can be heard like any
other's. The package that holds its weights is read, not run:
``pip install --no-deps musicnn==0.1.0``.
"""

import auralise

explained = auralise.explain(
    "../../src_songs/bach_prelude_c.flac",
    "musicnn/MTT_vgg",
    features={1: range(16), 2: range(16), 3: range(16)},
)
explained

# %%
# The loudest features of layer 3, and how far below the loudest the others are:

explained.features().query("layer == 3").head(6)

# %%

loudest = explained.features().query("layer == 3")["feature"].iloc[0]
explained.hear(loudest)

# %%

explained.plot(loudest)

# %%
# All sixteen on one sheet:

explained.sheet(3)
