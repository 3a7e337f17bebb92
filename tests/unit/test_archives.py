"""Archives from anywhere: sounds come out, nothing else gets anywhere."""

import gzip
import io
import tarfile
import zipfile

import pytest

from auralise.datasets.archives import (
    ArchiveError,
    is_archive,
    is_url,
    unpack_sounds,
    verify_checksum,
)
from auralise.files import sha256_of_file


@pytest.fixture
def pack(tmp_path):
    """Write an archive of members given as (name, bytes) or TarInfo."""

    def write(*members, name="set.tar.gz", mode="w:gz"):
        path = tmp_path / name
        with tarfile.open(path, mode) as tar:
            for member in members:
                if isinstance(member, tarfile.TarInfo):
                    tar.addfile(member)
                else:
                    info = tarfile.TarInfo(member[0])
                    info.size = len(member[1])
                    info.mode = 0o4777
                    tar.addfile(info, io.BytesIO(member[1]))
        return path

    return write


def special(name, kind, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("name", "mode"), [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz"), ("a", "w:bz2")]
)
def test_sounds_come_out_and_other_files_do_not(pack, tmp_path, name, mode):
    archive = pack(
        ("genres/blues/blues.00000.au", b"sound"),
        ("genres/blues/._blues.00000.au", b"AppleDouble"),
        ("genres/.hidden/x.wav", b"hidden"),
        ("genres/README", b"text"),
        ("genres/rock/run.sh", b"#!/bin/sh"),
        name=name,
        mode=mode,
    )
    assert unpack_sounds(archive, tmp_path / "out") == 1
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in files] == [
        "genres/blues/blues.00000.au"
    ]
    assert files[0].read_bytes() == b"sound"
    assert not files[0].stat().st_mode & 0o7111  # rights are the user's own


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (("/etc/evil.wav", b"x"), "outside"),
        (("genres/../../evil.wav", b"x"), "outside"),
        (("..\\evil.wav", b"x"), "outside"),
        (special("genres/link.wav", tarfile.SYMTYPE, "/etc/passwd"), "is a link to /etc/passwd"),
        (special("genres/hard.wav", tarfile.LNKTYPE, "../x"), "is a link"),
        (special("genres/device.wav", tarfile.CHRTYPE), "neither a file nor a folder"),
        (special("genres/pipe.wav", tarfile.FIFOTYPE), "neither a file nor a folder"),
    ],
)
def test_a_dangerous_member_refuses_the_archive(pack, tmp_path, member, words):
    archive = pack(("genres/a.wav", b"x"), member)
    with pytest.raises(ArchiveError, match=words):
        unpack_sounds(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("evil*"))


@pytest.mark.parametrize("bounds", [{"max_members": 2}, {"max_file_bytes": 9}, {"max_bytes": 25}])
def test_sizes_are_bounded(pack, tmp_path, bounds):
    archive = pack(*((f"a/{number}.wav", bytes(10)) for number in range(3)))
    assert unpack_sounds(archive, tmp_path / "free") == 3
    with pytest.raises(ArchiveError, match="too large|holds more than 2 members"):
        unpack_sounds(archive, tmp_path / "bounded", **bounds)
    assert not (tmp_path / "bounded").exists()


def test_two_members_of_one_name_are_refused(pack, tmp_path):
    with pytest.raises(ArchiveError, match="twice"):
        unpack_sounds(pack(("a/x.wav", b"1"), ("a/./x.wav", b"2")), tmp_path / "out")


def test_an_archive_cut_short_leaves_nothing(pack, tmp_path):
    archive = pack(*((f"a/{number}.wav", bytes(range(256)) * 99) for number in range(9)))
    content = archive.read_bytes()
    for length in (0, 5, len(content) // 2, len(content) - 9):
        archive.write_bytes(content[:length])
        with pytest.raises(ArchiveError, match="damaged|holds no sound"):
            unpack_sounds(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_what_is_no_archive_or_holds_no_sound_is_refused(pack, tmp_path):
    (tmp_path / "text.tar.gz").write_text("Dear diary")
    with pytest.raises(ArchiveError, match="not a tar archive"):
        unpack_sounds(tmp_path / "text.tar.gz", tmp_path / "out")
    with pytest.raises(ArchiveError, match="no sound file"):
        unpack_sounds(pack(("a/notes.txt", b"x")), tmp_path / "out")
    with pytest.raises(ArchiveError, match="no such file"):
        unpack_sounds(tmp_path / "nowhere.tar", tmp_path / "out")


@pytest.fixture
def zipped(tmp_path):
    """Write a zip of members given as (name or ZipInfo, bytes)."""

    def write(*members, name="archive.zip"):
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, content in members:
                packed.writestr(member, content)
        return tmp_path / name

    return write


def zip_member(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


class TestZip:
    @pytest.mark.parametrize("name", ["archive.zip", "dataset.tar"])  # a download has one name
    def test_sounds_come_out_as_of_a_tar(self, zipped, tmp_path, name):
        archive = zipped(
            ("Data/genres_original/blues/blues.00000.wav", b"sound"),
            ("Data/images_original/blues/blues00000.png", b"x"),
            ("__MACOSX/Data/genres_original/blues/._blues.00000.wav", b"AppleDouble"),
            ("__MACOSX/blues.wav", b"x"),
            (zip_member("Data/run.wav", 0o104777), b"sound, too"),
            name=name,
        )
        assert unpack_sounds(archive, tmp_path / "out") == 2
        assert (
            tmp_path / "out/Data/genres_original/blues/blues.00000.wav"
        ).read_bytes() == b"sound"
        assert not (tmp_path / "out/Data/run.wav").stat().st_mode & 0o7111

    @pytest.mark.parametrize(
        ("member", "words"),
        [
            ("/etc/evil.wav", "outside"),
            ("a/../../evil.wav", "outside"),
            ("..\\evil.wav", "outside"),
            (zip_member("link.wav", 0o120777), "is a link"),
            (zip_member("device.wav", 0o020666), "neither a file nor a folder"),
            (zip_member("pipe.wav", 0o010666), "neither a file nor a folder"),
        ],
    )
    def test_a_dangerous_member_refuses_it(self, zipped, tmp_path, member, words):
        archive = zipped(("a.wav", b"x"), (member, b"/etc/passwd"))
        with pytest.raises(ArchiveError, match=words):
            unpack_sounds(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        assert not list(tmp_path.rglob("evil*"))

    def test_sizes_are_bounded_and_a_declared_size_is_not_believed(self, zipped, tmp_path):
        archive = zipped(("a.wav", bytes(10**6)))
        with pytest.raises(ArchiveError, match="too large"):
            unpack_sounds(archive, tmp_path / "out", max_file_bytes=1000)
        content = archive.read_bytes().replace((10**6).to_bytes(4, "little"), b"\4\0\0\0")
        archive.write_bytes(content)
        with pytest.raises(ArchiveError, match="damaged|larger than"):
            unpack_sounds(archive, tmp_path / "out")

    def test_a_member_whose_name_begins_with_a_zero_byte_is_refused(self, zipped, tmp_path):
        archive = zipped(("a.wav", b"x"))
        archive.write_bytes(archive.read_bytes().replace(b"a.wav", b"\0.wav"))
        with pytest.raises(ArchiveError, match="outside the folder"):
            unpack_sounds(archive, tmp_path / "out")

    def test_cut_locked_and_doubled_ones_are_refused(self, zipped, tmp_path):
        archive = zipped(("a.wav", bytes(range(256)) * 9), ("b.wav", b"x"))
        content = archive.read_bytes()
        for length in (4, 100, len(content) - 30):
            archive.write_bytes(content[:length])
            with pytest.raises(ArchiveError, match="damaged"):
                unpack_sounds(archive, tmp_path / "out")
        locked = bytearray(content)
        for start in (b"PK\3\4", b"PK\1\2"):
            locked[locked.index(start) + (6 if start[2] == 3 else 8)] |= 1
        archive.write_bytes(locked)
        with pytest.raises(ArchiveError, match="cannot be unpacked.*password"):
            unpack_sounds(archive, tmp_path / "out")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive = zipped(("a.wav", b"1"), ("a.wav", b"2"))
        with pytest.raises(ArchiveError, match="twice"):
            unpack_sounds(archive, tmp_path / "out")
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "magic", "words"),
    [
        ("a.tar.zst", b"\x28\xb5\x2f\xfd", "Zstandard.*tar --zstd -xf"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        ("a.rar", b"Rar!\x1a\7", "RAR"),
        ("named.tar.gz", b"\x28\xb5\x2f\xfd", "Zstandard"),
    ],
)
def test_packings_that_are_not_read_are_named(tmp_path, name, magic, words):
    (tmp_path / name).write_bytes(magic + bytes(100))
    assert is_archive(str(tmp_path / name))
    with pytest.raises(ArchiveError, match=words):
        unpack_sounds(tmp_path / name, tmp_path / "out")


def test_what_is_no_archive_is_told_in_a_line(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(b"RIFF"))
    with pytest.raises(ArchiveError, match="not a tar archive or zip .*; fetch it again") as error:
        unpack_sounds(tmp_path / "a.tar.gz", tmp_path / "out")
    assert "\n" not in str(error.value)


def test_names_that_a_file_system_does_not_take_are_refused(pack, tmp_path):
    for members, words in (
        (((("x" * 300) + ".wav", b"1"),), "too long"),
        ((("d/" * 1500 + "a.wav", b"1"),), "more than 64 folders deep"),
        ((("a/x.wav", b"1"), ("a/x.wav/y.wav", b"2")), "name of its folder"),
    ):
        with pytest.raises(ArchiveError, match=words) as error:
            unpack_sounds(pack(*members), tmp_path / "out")
        assert len(str(error.value)) < 500
        assert not (tmp_path / "out").exists()


def test_sound_that_is_not_read_is_told(pack, tmp_path, caplog):
    unpack_sounds(pack(("a/x.wav", b"1"), ("a/y.m4a", b"2"), ("b/._z.m4a", b"3")), tmp_path / "out")
    assert "1 file ending in .m4a passed over" in caplog.text
    with pytest.raises(ArchiveError, match="holds no sound file.*; 1 of .m4a"):
        unpack_sounds(pack(("a/y.m4a", b"2")), tmp_path / "none")


def test_a_checksum_of_the_settings_must_hold_and_a_published_one_warns(tmp_path, caplog):
    path = tmp_path / "a.tar"
    path.write_bytes(b"content")
    right = sha256_of_file(path)
    verify_checksum(path, f"sha256:{right.upper()}", {"sha256": "0"})
    verify_checksum(path, None, {"md5": "0", "sha256": right})
    assert not caplog.text
    verify_checksum(path, None, {"md5": "0", "sha256": "0"})
    assert "not the file once published" in caplog.text
    with pytest.raises(ArchiveError, match=f"sha256 is {right}, expected 00"):
        verify_checksum(path, "sha256:00")


def test_paths_are_told_apart(tmp_path):
    assert is_url("https://example.org/genres.tar.gz")
    assert not is_url("/data/genres")
    assert not is_url(None)
    for path in ("https://example.org/x", "/data/Genres.TAR.GZ", "genres.tgz", "archive.ZIP"):
        assert is_archive(path)
    assert not is_archive("/data/genres")
    assert not is_archive(None)
    (tmp_path / "genres.zip").mkdir()
    assert not is_archive(str(tmp_path / "genres.zip"))
