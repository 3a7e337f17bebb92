"""Bands: an embedded data set of ten musical genres, composed by rule and played by soundfont.

The genres carry GTZAN's names. Each is a `Style`, a table of what its musicians tend to do, and one
composer plays any style. The tables overlap, and a clip may borrow from a kindred genre, so no
single cue (loudness, tempo, drums, one instrument) tells a genre: what does is the combination.
"""
