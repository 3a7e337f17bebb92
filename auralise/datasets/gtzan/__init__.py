"""GTZAN: 1,000 clips of 30 s in ten genres (Tzanetakis and Cook 2002), as people have it.

`copies` finds the clips below a path and says what is wrong with them; `published` holds what has
been published of its faults, and how to split it. `benchmarks.gtzan` imitates it.
"""
