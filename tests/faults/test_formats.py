"""The README's table of what is read, written from the code; each row with samples made here."""

import io
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from auralise.datasets.archives import ARCHIVE_SUFFIXES, UNREAD_ARCHIVES, unpack_sounds
from auralise.datasets.jamendo import LISTS, find_songs_with_labels
from auralise.recognition import REMEDIES
from auralise.songs import AUDIO_SUFFIXES, SUFFIXES_OF_FORMATS, UNREAD_SUFFIXES
from auralise.weights.reader import KNOWN, REFUSED, read_weights
from benchmarks.fuzz import targets
from tests.conftest import sine

NAMED = [what.partition(",")[0] for what in REMEDIES]
README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"<!-- formats: begin -->\n(.*?)<!-- formats: end -->", re.DOTALL)


def formats_table():
    """Rows of what is read: kind, endings, what is named and not read."""

    def code(names):
        return ", ".join(f"`{name}`" for name in names)

    rows = [
        ("what", "is read", "is named, but not read"),
        ("---", "---", "---"),
        ("sound, wherever it is looked for", code(AUDIO_SUFFIXES), code(UNREAD_SUFFIXES)),
        ("archives of clips", code(ARCHIVE_SUFFIXES), code(UNREAD_ARCHIVES)),
        ("networks, by what the file holds", KNOWN, ", ".join([*REFUSED, *NAMED])),
        (
            "lists of songs",
            f"{code(f'filelists/{name}' for name in LISTS.values())}, `labels/<song>.lab`: UTF-8 "
            "with or without a byte order mark, lines ending in LF or CRLF",
            "other encodings",
        ),
    ]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_the_readme_holds_the_table():
    found = BLOCK.search(README.read_text(encoding="utf-8"))
    assert found and found[1] == formats_table(), f"README.md should hold:\n{formats_table()}"


def test_every_ending_is_of_one_format():
    endings = [suffix for suffixes in SUFFIXES_OF_FORMATS.values() for suffix in suffixes]
    assert sorted(endings) == sorted({*AUDIO_SUFFIXES}) and not {*endings} & {*UNREAD_SUFFIXES}


@pytest.mark.parametrize("suffix", ARCHIVE_SUFFIXES)
def test_each_archive_is_read(tmp_path, suffix):
    path = tmp_path / f"set{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            packed.writestr("rock/a.wav", b"x")
    else:
        short = {".tar": "", ".tgz": "gz", ".tbz2": "bz2", ".txz": "xz"}
        packing = short.get(suffix, suffix.removeprefix(".tar."))
        with tarfile.open(path, f"w:{packing}") as packed:
            member = tarfile.TarInfo("rock/a.wav")
            member.size = 1
            packed.addfile(member, io.BytesIO(b"x"))
    assert unpack_sounds(path, tmp_path / "out") == 1


@pytest.mark.slow
def test_each_kind_of_network_is_read(tmp_path):
    (of_weights,) = [target for target in targets(tmp_path) if target.name == "weights"]
    assert {*of_weights.seeds} == {".safetensors", ".pt", ".onnx", ".h5", ".npz"}
    for ending, content in of_weights.seeds.items():
        (tmp_path / f"a{ending}").write_bytes(content)
        read_weights(tmp_path / f"a{ending}")


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["01 - Song", "夜に", "a\u2028b", "x.y"])
def test_each_kind_of_list_is_read(tmp_path, write_sound, mark, end, name):
    for number, list_name in enumerate(LISTS.values()):
        song = f"{number} {name}"
        write_sound(f"audio/{song}.wav", sine())
        for folder, file, text in (
            ("labels", f"{song}.lab", f"0.0\t0.5\tsing{end}0.5 1.0 nosing{end}"),
            ("filelists", list_name, f"{song}.wav{end}{end}"),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / file).write_bytes((mark + text).encode())
    songs = find_songs_with_labels(tmp_path)
    assert songs["clip"].tolist() == [f"{number} {name}" for number in range(3)]
