"""What kind of file something is, by its content, for error messages."""

import zipfile
from pathlib import Path

STARTS = {
    b"RIFF": "a WAV file, a sound",
    b"fLaC": "a FLAC file, a sound",
    b"OggS": "an Ogg file, a sound",
    b"ID3": "an MP3 file, a sound",
    b"FORM": "an AIFF file, a sound",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as Keras writes its weights",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF",
    b"GGUF": "a GGUF file, of a language model",
    b"\x80": "a pickle, as PyTorch wrote its weights",
}
# What lies where a file should, by its first letters: what it is, and what to do.
PAGE = ("a web page, not the file that it offers", "Download the file itself.")
PACKED = "Unpack it first."
ANSWER = ("an answer in JSON, not the file that was asked for", PAGE[1])
IMPOSTORS = {
    b"version https://": (
        "a pointer of Git LFS, not the file itself",
        "Run 'git lfs pull' in its repository, or download the file itself.",
    ),
    b"<!doctype": PAGE,
    b"<html": PAGE,
    b"<?xml": PAGE,
    b"<error": PAGE,
    b'{"': ANSWER,
    b"{\n": ANSWER,
    b"not found": ("an error that a server answered", PAGE[1]),
    b"404": ("an error that a server answered", PAGE[1]),
    b"\x1f\x8b": ("a gzip archive", PACKED),
    b"7z\xbc\xaf": ("a 7z archive", PACKED),
    b"rar!": ("a RAR archive", PACKED),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", PACKED),
}
MEAN_AND_STD = "a mean and a std"


def describe_file(path: str | Path) -> str:
    """What a file seems to be, in a few words; empty if it is nothing that is known.

    Examples
    --------
    >>> describe_file(__file__)
    ''
    """
    with Path(path).open("rb") as file:
        start = file.read(64)
    if start.startswith(b"PK\x03\x04"):
        return _describe_archive(path)
    if start[8:9] == b"{":
        return "a safetensors file"
    letters = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = [what for known, what in STARTS.items() if start.startswith(known)]
    found += [what for known, (what, _) in IMPOSTORS.items() if letters.startswith(known)]
    return found[0] if found else ""


def _describe_archive(path: str | Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return ""
    if {"mean.npy", "std.npy"} <= names:
        return MEAN_AND_STD
    if {"config.json", "model.weights.h5"} & names:
        return "a Keras model"
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "a PyTorch file"
    if names and all(name.endswith(".npy") for name in names):
        return f"an archive of {len(names)} arrays, as of a network"
    return "a zip archive"
