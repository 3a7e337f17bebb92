"""Songs with labelled voices, as small as can be."""

import pytest

from auralise.datasets.jamendo import find_songs_with_labels, write_spectra
from auralise.datasets.voices import write_songs


@pytest.fixture(scope="session")
def voices(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voices")
    write_songs(folder, n_songs=5, duration=4.0, seed=0)
    return folder


@pytest.fixture(scope="session")
def spectra(voices, tmp_path_factory):
    path = tmp_path_factory.mktemp("spectra") / "spectra.h5"
    write_spectra(path, find_songs_with_labels(voices))
    return path
