"""What kind of file something is, by its content, for error messages."""

import zipfile
from pathlib import Path

READABLE = ", a sound"  # ends what is said of sound files that are read
STARTS = {
    b"RIFF": f"a WAV file{READABLE}",
    b"fLaC": f"a FLAC file{READABLE}",
    b"OggS": f"an Ogg file{READABLE}",
    b"ID3": f"an MP3 file{READABLE}",
    b"FORM": f"an AIFF file{READABLE}",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, as Keras writes its weights",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"%PDF": "a PDF",
    b"GGUF": "a GGUF file, of a language model",
    b"MATLAB": "a MATLAB file",
    b"\x93NUMPY": "a single array of NumPy",
    b"MThd": "MIDI, which holds notes and no sound",
    b"\x80": "a pickle, as PyTorch wrote its weights",
}
# What lies where a file should, by its first letters: what it is, and what to do.
PAGE = ("a web page, not the file that it offers", "Download the file itself.")
PACKED = "Unpack it first."
TAR, ZIP = ("a tar archive", PACKED), ("a zip archive of other things", PACKED)
FOLDER = ("a folder", "Give the file in it that holds the weights.")
SAVED_MODEL = ("a SavedModel of TensorFlow, a folder", "Save the model as .keras or ONNX.")
LITE = ("a TensorFlow Lite file", SAVED_MODEL[1])
PARTS = (
    "the list of a network's parts",
    "Save the network as one file (save_pretrained(FOLDER, max_shard_size='1TB')) and give that.",
)
XML = (
    "text in XML, which holds no weights",
    "Give the file of the weights that belongs to it, or download the file itself.",
)
JSON = ("text in JSON, which holds no weights", "Give the file of the weights that belongs to it.")
IMPOSTORS = {
    b"version https://": (
        "a pointer of Git LFS, not the file itself",
        "Run 'git lfs pull' in its repository, or download the file itself.",
    ),
    b"<?xml": XML,
    b"<": PAGE,
    b"{": JSON,
    b"[": JSON,
    b"not found": ("an error that a server answered", PAGE[1]),
    b"404": ("an error that a server answered", PAGE[1]),
    b"access denied": ("an error that a server answered", PAGE[1]),
    b"forbidden": ("an error that a server answered", PAGE[1]),
    b"entry not found": ("an error that a server answered", PAGE[1]),
    b"/annex/objects": ("a pointer of git-annex, not the file itself", "Run 'git annex get'."),
    b"../.git/annex": ("a pointer of git-annex, not the file itself", "Run 'git annex get'."),
    b"\xfd7zxz": ("an xz archive", PACKED),
    b"bzh": ("a bzip2 archive", PACKED),
    b"\x04\x22\x6d\x18": ("an lz4 archive", PACKED),
    b"\x1f\x8b": ("a gzip archive", PACKED),
    b"7z\xbc\xaf": ("a 7z archive", PACKED),
    b"rar!": ("a RAR archive", PACKED),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", PACKED),
}
# Sound and films that libsndfile does not read, by their first bytes.
UNREAD = {
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"\x30\x26\xb2\x75": "Windows Media",
    b"DSD ": "DSD",
    b"FRM8": "DSD",
    b"MAC ": "Monkey's Audio",
    b"wvpk": "WavPack",
    b"TTA1": "True Audio",
    b"MPCK": "Musepack",
    b"MP+": "Musepack",
    b"#!AMR": "AMR",
    b".RMF": "RealAudio",
    b".ra\xfd": "RealAudio",
    b"ADIF": "AAC",
    b"\x0b\x77": "AC-3",
}
REMEDIES = dict([*IMPOSTORS.values(), TAR, ZIP, FOLDER, SAVED_MODEL, LITE, PARTS])
MEAN_AND_STD = "a mean and a std"


def describe_file(path: str | Path) -> str:
    """What a file seems to be, in a few words; empty if it is nothing that is known.

    Examples
    --------
    >>> describe_file(__file__)
    ''
    """
    if Path(path).is_dir():
        is_saved = Path(path, "saved_model.pb").exists()
        return (SAVED_MODEL if is_saved else FOLDER)[0]
    with Path(path).open("rb") as file:
        start = file.read(512)
    if start[257:262] == b"ustar":
        return TAR[0]
    if start.startswith(b"PK\x03\x04"):
        return _describe_archive(path)
    if start[8:9] == b"{":
        return "a safetensors file"
    if start[4:8] == b"TFL3":
        return LITE[0]
    if sound := name_unread(start):
        return f"{sound}, a sound that is not read"
    if b'"weight_map"' in start:
        return PARTS[0]
    letters = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = [what for known, what in STARTS.items() if start.startswith(known)]
    found += [what for known, (what, _) in IMPOSTORS.items() if letters.startswith(known)]
    return found[0] if found else ""


def name_unread(start: bytes) -> str:
    """The format of sound or film that is not read, by its first bytes; empty if it is another."""
    if start[4:8] == b"ftyp":
        return "MPEG-4"
    is_text = start[:2] == b"\xff\xfe" and start[3:4] == b"\0"  # in UTF-16
    if len(start) > 1 and start[0] == 0xFF and start[1] & 0xF0 == 0xF0 and not is_text:
        # The layer of MPEG audio; 0 is AAC, and III is read.
        return ("AAC", "", "MPEG layer II", "MPEG layer I")[start[1] >> 1 & 3]
    return next((name for known, name in UNREAD.items() if start.startswith(known)), "")


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
    return ZIP[0]
