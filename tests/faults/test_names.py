"""Names are text: whatever a folder is called comes back equal from every table."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from auralise.audio import write_audio
from auralise.datasets.clips import split_clips
from auralise.datasets.listing import list_clips
from auralise.datasets.segments import Segments, write_segments
from auralise.files import NAMES, read_table, write_table
from tests.conftest import sine

TRAPS = [
    "1980",
    "NA",
    "null",
    "True",
    "1e5",
    "inf",
    "000022",
    "nan",
    "None",
    "N/A",
    "<NA>",
    "-0",
    "0x1F",
    "1_000",
    "2024-01-01",
    " x ",
    "a,b",
    'a"b',
    "it's",
    "a;b",
    "a\tb",
    "a\nb",
    "a\rb",
    "a\r\nb",
    "%s",
    "{x}",
    "#",
    "=1+1",
    "\ufeffx",
    "\u2028",
    "\x0b",
    "\x85",
    "\u202eabc",
    "é",
    "e\u0301",
    "夜",
    "🎵",
    "caf\udce9",
    "Rock",
    "rock",
    "-",
    "\\",
    "x" * 200,
]  # fmt: skip


def takes_folder(name):
    """Whether the file system takes a name, and gives it back as it is."""
    if name in (".", "..") or "/" in name or "\0" in name:
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            os.mkdir(Path(folder) / name)
        except (OSError, UnicodeError):
            return False
        return os.listdir(folder) == [name]


# Anything that a name may consist of: also bytes that are not UTF-8, as os.fsdecode gives them.
folder_names = st.one_of(
    st.text(min_size=1, max_size=40), st.binary(min_size=1, max_size=40).map(os.fsdecode)
).filter(takes_folder)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.lists(folder_names, min_size=1, max_size=4))
@example(TRAPS)
@example(["\r"])
def test_any_folder_name_comes_back_equal(names):
    table = pd.DataFrame({column: names for column in NAMES}).assign(
        value=np.arange(len(names)) / 3, missing=np.nan, live=True, count=7
    )
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder) / "table.csv", table)
        found = read_table(Path(folder) / "table.csv")
    for column in NAMES:
        assert found[column].tolist() == names
    np.testing.assert_allclose(found["value"], table["value"], rtol=1e-15)
    assert found["missing"].isna().all()
    assert found["live"].dtype == bool
    assert found["count"].dtype == np.int64


@pytest.mark.parametrize("name", TRAPS)
def test_each_trap_alone_in_a_table(tmp_path, name):
    write_table(tmp_path / "a.csv", pd.DataFrame({"genre": [name]}))
    assert read_table(tmp_path / "a.csv")["genre"].tolist() == [name]


def test_what_is_empty_is_an_empty_name_and_a_missing_number(tmp_path):
    table = pd.DataFrame({"split": ["", "train"], "p": [np.nan, 0.5]})
    write_table(tmp_path / "a.csv", table)
    found = read_table(tmp_path / "a.csv")
    assert found["split"].tolist() == ["", "train"]
    assert np.isnan(found["p"][0])
    assert (tmp_path / "a.csv").read_bytes() == b"split,p\n,\ntrain,0.5\n"


def test_other_columns_are_read_as_pandas_reads_them(tmp_path):
    (tmp_path / "a.csv").write_text("clip,a,b,c\n1,1,NA,x\n02,2.5,3,null\n")
    found, expected = read_table(tmp_path / "a.csv"), pd.read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(found[["a", "b", "c"]], expected[["a", "b", "c"]])
    assert list(found) == list(expected)
    assert found["clip"].tolist() == ["1", "02"]


@pytest.mark.parametrize(
    ("one", "other"), [("1980", "1990"), ("NA", "null"), ("True", "1e5"), ("a,b", 'c"\nd')]
)
def test_classes_and_clips_keep_their_names_on_the_way_to_training(tmp_path, stft, one, other):
    for number, genre in enumerate((one, other)):
        for index in range(5):
            tone = sine(200 + 50 * index + 10 * number)
            write_audio(tmp_path / "set" / genre / f"{5 * number + index:06d}.wav", tone, 11025)
    dataset = dict(
        name="folder", clips_per_class=None, clip_duration=None, split=[0.6, 0.2, 0.2], seed=0,
        on_problem="stop",
    )  # fmt: skip
    clips = list_clips(tmp_path / "set", dataset)
    write_table(tmp_path / "clips.csv", clips)
    found = read_table(tmp_path / "clips.csv")
    assert set(found["genre"]) == {one, other}
    assert sorted(found["clip"]) == [f"{number:06d}" for number in range(10)]
    write_segments(tmp_path / "segments.h5", found, stft, 0.5)
    assert set(Segments.open(tmp_path / "segments.h5", "train").classes) == {one, other}
    assert split_clips(clips, (0.6, 0.2, 0.2), 0)["split"].tolist() == clips["split"].tolist()


def test_every_script_reads_and_writes_tables_by_the_one_pair():
    root = Path(__file__).parents[2]
    for path in [*(root / "scripts").glob("*.py"), *(root / "auralise/datasets").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert "read_csv" not in text, path
        assert "to_csv(path" not in text, path
