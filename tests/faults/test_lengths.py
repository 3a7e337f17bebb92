"""What can be decoded is what there is, whatever a header says of its length."""

import io
import logging
import struct

import numpy as np
import pytest
import soundfile

from auralise.audio import read_audio, read_excerpt, read_frames
from auralise.containers import read_contents
from auralise.errors import AudioError
from tests.conftest import sine

RATE = 22050
SECONDS = 3.0


def encode(samples, rate=RATE, **options):
    content = io.BytesIO()
    soundfile.write(content, samples, rate, **options)
    return content.getvalue()


def tone(seconds=SECONDS, rate=RATE, frequency=440.0):
    return sine(frequency, seconds, rate)


def wav(**options):
    return encode(tone(), format="WAV", subtype="PCM_16", **options)


def with_size(content, size, whole=None):
    """A WAV whose chunk of sound declares another size."""
    place = content.index(b"data") + 4
    whole = min(size + 36, 0xFFFFFFFF) if whole is None else whole
    return (
        content[:4]
        + struct.pack("<I", whole)
        + content[8:place]
        + struct.pack("<I", size)
        + content[place + 4 :]
    )


def mp3(mode="CONSTANT", rate=44100, channels=1):
    rng = np.random.default_rng(0)
    noise = 0.3 * rng.standard_normal((rate, channels)).clip(-1, 1)
    soft = 0.05 * np.repeat(tone(2.0, rate)[:, None], channels, axis=1)
    return encode(
        np.concatenate([noise, soft]),
        rate,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode=mode,
        compression_level=0.5,
    )


def without_header(content):
    """An MP3 without its first frame, which only holds the Info or Xing tag."""
    second = content.index(content[:2], 4)
    return content[second:]


def id3(size):
    body = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8).tobytes()
    digits = bytes(size >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + digits + body


def ape(n_bytes):
    """An APEv2 tag in front: header, items, footer."""
    ends = (
        b"APETAGEX" + struct.pack("<IIII", 2000, n_bytes + 32, 0, flags) + bytes(8)
        for flags in (0xA0000000, 0x80000000)
    )
    return bytes(n_bytes).join(ends)


@pytest.fixture
def put(tmp_path):
    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def seconds(path, asked=0.0):
    return sum(len(frames) / rate for frames, rate in read_frames(path, asked))


class TestStreams:
    @pytest.mark.parametrize(
        "size",
        [0x7FFFF000, 0x7FFFFF00, 0x7FFFFFFF, 0x7FFFFFFF - 36, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF],
    )
    def test_sizes_that_mean_unknown_are_no_fault(self, put, caplog, size):
        path = put("pipe.wav", with_size(wav(), size))
        assert seconds(path, np.inf) == pytest.approx(SECONDS)
        assert not caplog.records

    @pytest.mark.parametrize("size", [0x7FFFF000, 0xFFFFFFFF])
    def test_neither_are_they_in_au(self, put, caplog, size):
        content = encode(tone(), format="AU", subtype="PCM_16")
        path = put("pipe.au", content[:8] + struct.pack(">I", size) + content[12:])
        assert seconds(path, np.inf) == pytest.approx(SECONDS)
        assert not caplog.records

    def test_size_0_is_told_and_all_that_lies_behind_it_is_read(self, put, caplog):
        au = encode(tone(), format="AU", subtype="PCM_16")
        for path in (
            put("crashed.wav", with_size(wav(), 0, 36)),
            put("crashed.au", au[:8] + bytes(4) + au[12:]),
        ):
            caplog.clear()
            np.testing.assert_allclose(read_audio(path, RATE), tone(), atol=1e-4)
            assert "declares 0 bytes of sound" in caplog.text

    def test_a_file_without_sound_does_not_take_other_chunks_for_it(self, put):
        empty = encode(np.zeros(0, np.float32), format="WAV", subtype="PCM_16")
        content = empty + b"LIST" + struct.pack("<I", 400) + bytes(range(200)) * 2
        content = content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
        with pytest.raises(AudioError, match="no samples"):
            read_audio(put("empty.wav", content), RATE)

    def test_flac_whose_encoder_did_not_know_the_length(self, put, caplog):
        content = bytearray(encode(tone(), format="FLAC", subtype="PCM_16"))
        number = int.from_bytes(content[18:26], "big") >> 36 << 36
        content[18:26] = number.to_bytes(8, "big")
        np.testing.assert_allclose(read_audio(put("pipe.flac", content), RATE), tone(), atol=1e-4)
        assert not caplog.records

    def test_big_endian_wav(self, put):
        content = encode(tone(), format="WAV", subtype="PCM_16", endian="BIG")
        assert content[:4] == b"RIFX"
        assert seconds(put("a.wav", content), np.inf) == pytest.approx(SECONDS)


class TestShorterThanDeclared:
    @pytest.mark.parametrize("n_bytes", [1, 2, 200])
    def test_less_than_a_tenth_of_a_second_is_nothing(self, put, caplog, n_bytes):
        assert seconds(put("a.wav", wav()[:-n_bytes]), np.inf) == pytest.approx(SECONDS, abs=0.01)
        assert not caplog.records

    @pytest.mark.parametrize("format", ["WAV", "AU", "AIFF", "FLAC", "RF64"])
    def test_more_is_a_warning_with_both_numbers(self, put, caplog, format):
        content = encode(tone(), format=format, subtype="PCM_16")
        path = put(f"a.{format.lower()}", content[: len(content) // 2])
        found = len(read_audio(path, RATE)) / RATE
        assert 0.8 < found < 2
        assert f"truncated, {found:.2f} s of the 3.00 s" in caplog.text

    def test_an_excerpt_of_what_is_there_is_taken_and_a_longer_one_is_refused(self, put, caplog):
        path = put("a.wav", wav()[: len(wav()) // 2])
        np.testing.assert_allclose(
            read_excerpt(path, RATE, 0.5, 0.9), tone()[RATE // 2 :][: round(0.9 * RATE)], atol=1e-4
        )
        with pytest.raises(AudioError, match=r"truncated, 1\.50 s of the 3\.00 s"):
            read_excerpt(path, RATE, 0.0, 2.0)

    @pytest.mark.parametrize("damage", [b"", bytes(3000)])
    def test_flac_whose_middle_is_damaged_is_told(self, put, caplog, damage):
        content = encode(tone(), format="FLAC", subtype="PCM_16")
        half = len(content) // 2
        behind = half + (len(damage) or 9000)
        path = put("a.flac", content[:half] + damage + content[behind:])
        assert seconds(path) < 3
        assert "sound is missing in the middle" in caplog.text
        with pytest.raises(AudioError, match="missing in the middle"):
            seconds(path, 1.0)

    def test_what_was_decoded_before_an_error_counts(self, put):
        content = encode(tone(), format="FLAC", subtype="PCM_16")
        found = read_audio(put("a.flac", content[: len(content) // 2]), RATE)
        np.testing.assert_allclose(found, tone()[: len(found)], atol=1e-4)


class TestMp3:
    @pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
    def test_without_a_header_all_frames_are_read(self, put, caplog, mode, channels, rate):
        raw = without_header(mp3(mode, rate, channels))
        found = seconds(put("a.mp3", raw), np.inf)
        # The encoder's delay and what fills the last frame come on top.
        assert 3.0 <= found < 3.25
        assert not caplog.records

    @pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
    def test_tags_in_front_and_behind_change_nothing(self, put, caplog, mode):
        raw = without_header(mp3(mode))
        expected = read_audio(put("raw.mp3", raw), 44100)
        for name, content in {
            "picture": id3(300_000) + raw,
            "two tags": id3(2000) + id3(100) + raw,
            "padding": id3(20) + bytes(5000) + raw,
            "ape in front": ape(1000) + raw,
            "ape behind": raw + b"APETAGEX" + bytes(60_000),
            "id3v1": raw + b"TAG" + bytes(125),
        }.items():
            found = read_audio(put(f"{name}.mp3", content), 44100)
            np.testing.assert_array_equal(found, expected, err_msg=name)
        assert not caplog.records

    def test_with_a_header_only_the_sound_without_the_delay_is_read(self, put):
        assert seconds(put("a.mp3", mp3())) == pytest.approx(3.0, abs=1e-3)
        assert seconds(put("b.mp3", id3(5000) + mp3("VARIABLE"))) == pytest.approx(3.0, abs=1e-3)

    def test_files_put_one_behind_the_other_are_read_to_the_end(self, put):
        assert seconds(put("a.mp3", mp3() + mp3())) == pytest.approx(6.1, abs=0.1)

    def test_cut_ones_are_told(self, put, caplog):
        path = put("a.mp3", mp3()[: len(mp3()) // 2])
        assert seconds(path) == pytest.approx(1.5, abs=0.1)
        assert "of the 3.0" in caplog.text
        with pytest.raises(AudioError, match="truncated"):
            seconds(path, 3.0)

    def test_sound_that_is_missing_in_the_middle_is_told(self, put, caplog):
        raw = without_header(mp3())
        path = put("a.mp3", raw[:20_000] + bytes(3000) + raw[30_000:])
        assert seconds(path) > 1.5
        assert "missing in the middle" in caplog.text
        with pytest.raises(AudioError, match="missing in the middle"):
            seconds(path, 1.0)


class TestOgg:
    @pytest.mark.parametrize(("subtype", "rate"), [("VORBIS", 22050), ("OPUS", 48000)])
    def test_all_links_of_a_chain_are_read(self, put, subtype, rate):
        links = [
            encode(tone(2.0, rate, pitch), rate, format="OGG", subtype=subtype)
            for pitch in (220, 700, 330)
        ]
        samples = read_audio(put("radio.ogg", b"".join(links)), rate)
        assert len(samples) == 6 * rate
        peaks = [np.abs(np.fft.rfft(part[:rate])).argmax() for part in samples.reshape(3, -1)]
        assert peaks == [220, 700, 330]

    def test_links_may_differ_in_rate_and_channels(self, put):
        first = encode(tone(2.0, 44100), 44100, format="OGG", subtype="VORBIS")
        second = encode(np.c_[tone(2.0), tone(2.0)], RATE, format="OGG", subtype="VORBIS")
        samples = read_audio(put("radio.ogg", first + second), 11025)
        assert len(samples) == pytest.approx(4 * 11025, abs=2)
        for part in (samples[:11025], samples[-11025:]):
            assert np.abs(np.fft.rfft(part)).argmax() == 440

    @pytest.mark.parametrize(("subtype", "rate"), [("VORBIS", 22050), ("OPUS", 48000)])
    def test_a_stream_without_an_end_is_told(self, put, caplog, subtype, rate):
        noise = 0.1 * np.random.default_rng(0).standard_normal(6 * rate)
        content = encode(noise, rate, format="OGG", subtype=subtype)
        assert 2.5 < seconds(put("cut.ogg", content[: len(content) * 2 // 3])) < 5.5
        assert "cut short" in caplog.text

    def test_a_missing_page_is_told(self, put, caplog):
        content = encode(tone(30.0), format="OGG", subtype="VORBIS")
        pages = content.split(b"OggS")
        assert len(pages) > 7
        seconds(put("hole.ogg", b"OggS".join(pages[:4] + pages[5:])))
        assert "missing in the middle" in caplog.text

    def test_some_more_samples_than_the_encoder_kept_are_nothing(self, put, caplog):
        content = encode(tone(), format="OGG", subtype="VORBIS")
        place = content.rindex(b"OggS")
        page = bytearray(content[place:])
        page[6:14] = struct.pack("<q", struct.unpack("<q", page[6:14])[0] + 104)
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", ogg_checksum(page))
        assert seconds(put("a.ogg", content[:place] + page), np.inf) >= SECONDS
        assert not caplog.records

    def test_streams_beside_the_sound_are_passed_over(self, put, caplog):
        sound = ogg_pages(encode(tone(), format="OGG", subtype="VORBIS"))
        skeleton = [ogg_page(7, number, kind, 0, b"fishead\0" + bytes(56)) for number, kind in
                    enumerate((2, 0, 4))]  # fmt: skip
        film = [ogg_page(8, number, kind, number, b"\x80theora" + bytes(500)) for number, kind in
                enumerate((2, 0, 0, 4))]  # fmt: skip
        for name, pages in {
            "skeleton in front": [skeleton[0], sound[0], sound[1], *skeleton[1:], *sound[2:]],
            "skeleton behind": [sound[0], skeleton[0], sound[1], *skeleton[1:], *sound[2:]],
            "film": [film[0], sound[0], film[1], sound[1], film[2], *sound[2:], film[3]],
            "film that is cut": [film[0], sound[0], film[1], *sound[1:]],
        }.items():
            assert seconds(put("a.ogg", b"".join(pages)), np.inf) == pytest.approx(3), name
            assert seconds(put("a.ogg", b"".join(pages * 2)), np.inf) == pytest.approx(6), name
            assert not caplog.records, name
        assert seconds(put("a.ogg", b"".join([*sound, film[0], film[1], film[3]]))) == 3
        assert "a part cannot be decoded" in caplog.text

    def test_a_page_on_which_no_packet_ends_says_nothing_of_the_length(self, put, caplog):
        pages = ogg_pages(encode(tone(30.0), format="OGG", subtype="VORBIS"))
        serial, number = struct.unpack_from("<II", pages[3], 14)
        open_page = ogg_page(serial, number, 0, -1, bytes(255))
        assert 3 < seconds(put("cut.ogg", b"".join([*pages[:3], open_page]))) < 30
        assert "cut short" in caplog.text

    def test_a_damaged_page_is_told(self, put, caplog):
        content = bytearray(encode(tone(30.0), format="OGG", subtype="VORBIS"))
        content[len(content) // 2] ^= 1
        path = put("a.ogg", content)
        seconds(path)
        assert "is damaged: sound is missing in the middle" in caplog.text
        with pytest.raises(AudioError, match="missing in the middle"):
            seconds(path, 1.0)


def ogg_pages(content):
    return [b"OggS" + page for page in content.split(b"OggS")[1:]]


def ogg_page(serial, number, kind, granule, body):
    """A page of Ogg that holds the whole of a packet, or its beginning where that is 255 long."""
    n_segments = -(-len(body) // 255)
    lengths = [255] * (n_segments - 1) + [len(body) - 255 * (n_segments - 1)]
    head = struct.pack("<4sBBqIIIB", b"OggS", 0, kind, granule, serial, number, 0, n_segments)
    page = head + bytes(lengths) + body
    return page[:22] + struct.pack("<I", ogg_checksum(page)) + page[26:]


def ogg_checksum(page):
    found = 0
    for byte in page:
        found ^= byte << 24
        for _ in range(8):
            found = (found << 1 ^ (0x04C11DB7 if found >> 31 else 0)) & 0xFFFFFFFF
    return found


@pytest.mark.slow
def test_of_hundreds_of_files_in_one_the_rest_is_told_to_be_missing(put):
    one = encode(tone(0.01), format="WAV", subtype="PCM_16")
    assert len(read_contents(put("a.wav", 50 * one)).links) == 50
    assert "files lie one behind the other" in read_contents(put("b.wav", 3000 * one)).hole


@pytest.mark.parametrize(
    "magic", [b"RIFF", b"RF64", b"FORM", b".snd", b"OggS", b"ID3", b"\xff\xfb"]
)
def test_any_bytes_behind_a_beginning_are_refused_in_a_sentence(put, magic):
    rng = np.random.default_rng(0)
    for length in (1, 5, 20, 50, 3000):
        path = put("a.mp3", magic + rng.integers(0, 256, length, dtype=np.uint8).tobytes())
        with pytest.raises(AudioError, match="cannot be read|holds no samples|truncated"):
            read_audio(path, RATE)


def test_nothing_is_logged_of_files_that_are_right(put, caplog):
    caplog.set_level(logging.INFO)
    for format, subtype in (
        ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"), ("AU", "ULAW"), ("AIFF", "PCM_16"), ("CAF", "PCM_16"),
        ("W64", "PCM_16"), ("RF64", "PCM_16"),
    ):  # fmt: skip
        path = put(f"a.{format.lower()}", encode(tone(), format=format, subtype=subtype))
        assert seconds(path, np.inf) == pytest.approx(SECONDS, abs=0.01)
    assert not caplog.records


def with_field(content, mark, offset, value):
    """A file with other bytes at a distance behind a mark."""
    place = content.index(mark) + offset
    return content[:place] + value + content[place + len(value) :]


def riff(*chunks):
    body = b"".join(name + struct.pack("<I", len(of)) + of for name, of in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def flac_that_declares(n_samples):
    content = encode(tone(), format="FLAC", subtype="PCM_16")
    number = int.from_bytes(content[18:26], "big") >> 36 << 36 | n_samples
    return content[:18] + number.to_bytes(8, "big") + content[26:]


def of(format, subtype="PCM_16"):
    return encode(tone(), format=format, subtype=subtype)


def vbri(n_frames):
    """A frame that holds a header as Fraunhofer's encoder writes it."""
    frame = RAW[: RAW.index(RAW[:2], 4)]
    header = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(RAW), n_frames)
    return frame[:36] + header + bytes(len(frame) - 36 - len(header))


def wav_of_24_in_32():
    samples = (tone() * 2**23).astype("<i4") * 256
    kind = struct.pack("<HHIIHHHHI", 0xFFFE, 1, RATE, 4 * RATE, 4, 32, 22, 24, 0xFFFFFFFF)
    kind += b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    chunks = ((b"fmt ", kind), (b"data", samples.tobytes()))
    return riff(*chunks)


RAW = without_header(mp3())
FORMAT, SOUND = (b"fmt ", wav()[20:36]), (b"data", wav()[44:])
VOC = {subtype: encode(tone(), format="VOC", subtype=subtype) for subtype in ("PCM_16", "PCM_U8")}
GOES_ON = "declares {} bytes of sound, but 132300 lie behind it and are read"
NOISE = np.random.default_rng(2).bytes(1000)


def in_front(n_bytes):
    return f"{n_bytes} bytes in front of its header are passed over"


# What the file is: ending, content, seconds that are read, and what is told of it.
MEMBERS = {
    "CAF of a recorder, up to its end": (
        ".caf", with_field(of("CAF"), b"data", 4, b"\xff" * 8), 3, ""),
    "CAF of a recorder that crashed": (
        ".caf", with_field(of("CAF"), b"data", 4, bytes(8)), 3, "declares 0 bytes of sound"),
    "CAF cut in the middle": (
        ".caf", of("CAF")[:-66150], 1.5, "truncated, 1.50 s of the 3.00 s"),
    "RF64 of a recorder that crashed": (
        ".wav", with_field(of("RF64"), b"ds64", 8, bytes(24)), 3, GOES_ON.format(0)),
    "RF64 of a program that did not know": (
        ".wav", with_field(of("RF64"), b"ds64", 8, b"\xff" * 24), 3, GOES_ON.format(2**64 - 1)),
    "WAV with more sound than it declares": (
        ".wav", with_size(wav(), 1000), 3, GOES_ON.format(1000)),
    "WAV behind a WAV": (".wav", wav() + wav(), 6, ""),
    "WAV with an odd chunk, not padded": (
        ".wav", wav()[:36] + b"LIST\5\0\0\0INFOx" + wav()[36:], 3, ""),
    "WAV with an odd chunk, padded": (
        ".wav", wav()[:36] + b"LIST\5\0\0\0INFOx\0" + wav()[36:], 3, ""),
    "WAV with odd sound, not padded, and a chunk behind": (
        ".wav", with_size(wav(), 132299)[:-1] + b"LIST\x10\x27\0\0" + b"\1" * 10_000, 3, ""),
    "WAV with a chunk that runs over the sound": (
        ".wav", wav()[:36] + b"LIST\x0c\0\x06\0INFO" + bytes(20) + wav()[36:], 3, ""),
    "WAV padded with zeros": (".wav", wav() + bytes(50_000), 3, ""),
    "WAV with text behind it": (".wav", wav() + b"<xmp>" * 5000, 3, ""),
    "WAV with an ID3 tag in front and behind": (".wav", id3(300) + wav() + id3(9000), 3, ""),
    "AIFF of a pipe": (".aiff", with_field(of("AIFF"), b"SSND", 4, b"\xff" * 4), 3, ""),
    "AIFF that declares no frames": (".aiff", with_field(of("AIFF"), b"COMM", 10, bytes(4)), 3, ""),
    "W64 that declares nothing": (".w64", with_field(of("W64"), b"data", 16, bytes(8)), 3, ""),
    "FLAC with more sound than it declares": (
        ".flac", flac_that_declares(1000), 3, "declares 0.05 s, but 3.00 s are there"),
    "FLAC with less": (
        ".flac", flac_that_declares(10**9), 3, "truncated, 3.00 s of the 45351.47 s"),
    "FLAC of a pipe, with a tag": (".flac", id3(300) + flac_that_declares(0), 3, ""),
    "Ogg with a tag in front": (".ogg", id3(300) + of("OGG", "VORBIS"), 3, ""),
    "Ogg with junk between its links": (
        ".ogg", of("OGG", "VORBIS") + b"junk" * 100 + of("OGG", "VORBIS"), 6, ""),
    "Ogg with a tag behind": (".ogg", of("OGG", "VORBIS") + b"TAG" + bytes(125), 3, ""),
    "MP3 with junk in front": (".mp3", b"junk" * 300 + RAW, 3, ""),
    "CAF with a tag in front": (".caf", id3(300) + of("CAF"), 3, ""),
    "WAV from a Macintosh": (".wav", b"\0\x06a.wav" + bytes(121) + wav(), 3, in_front(128)),
    "FLAC with the answer of its server": (
        ".flac", b"HTTP/1.1 200 OK\r\n\r\n" + of("FLAC"), 3, in_front(19)),
    "Ogg with a byte order mark": (
        ".ogg", b"\xef\xbb\xbf" + of("OGG", "VORBIS"), 3, in_front(3)),
    "AIFF behind an empty block": (".aiff", bytes(512) + of("AIFF"), 3, in_front(512)),
    "CAF behind noise": (".caf", NOISE + of("CAF"), 3, in_front(1000)),
    "Wave64 behind noise": (".w64", NOISE + of("W64"), 3, in_front(1000)),
    "VOC behind noise, cut": (".voc", NOISE + VOC["PCM_16"][:-66150], 1.5, "truncated, 1.50 s"),
    "AU behind noise, twice": (".au", NOISE + of("AU") * 2, 6, in_front(1000)),
    "little-endian AU behind a line end": (
        ".au", b"\r\n" + encode(tone(), format="AU", subtype="PCM_16", endian="LITTLE"), 3,
        in_front(2)),
    "WAV behind noise, of a pipe": (".wav", NOISE + with_size(wav(), 0), 3, "declares 0 bytes"),
    "WAV whose sound stands before its kind": (".wav", riff(SOUND, FORMAT), 3, ""),
    "WAV with sound before and behind its kind": (
        ".wav", NOISE + riff((b"LIST", b"INFO"), SOUND, FORMAT, SOUND), 6, "in 2 chunks"),
    "MP3 with a tag that has a footer": (
        ".mp3", b"ID3\4\0\x10\0\0\0\x0a" + bytes(10) + b"3DI\4\0\x10\0\0\0\x0a" + RAW, 3, ""),
    "MP3 with lyrics behind": (
        ".mp3", RAW + b"LYRICSBEGIN" + b"x" * 500 + b"000511LYRICS200", 3, ""),
    "MP3 that begins within a frame": (".mp3", RAW[100:], 3, ""),
    "MP3 called WAV": (".wav", RAW, 3, ""),
    "MP3 in mono, then in stereo": (".mp3", RAW + without_header(mp3(channels=2)), 6, ""),
    "MP3 of two rates": (".mp3", RAW + without_header(mp3(rate=22050)), 6.09, ""),
    "MP3 whose VBRI header says less": (".mp3", vbri(10) + RAW, 3, ""),
    "FLAC behind a FLAC": (".flac", of("FLAC") + of("FLAC"), 6, ""),
    "Wave64 cut in the middle": (".w64", of("W64")[:-66150], 1.5, "truncated, 1.50 s of the 3.0"),
    "Wave64 of a program that did not know": (
        ".w64", with_field(of("W64"), b"data", 16, b"\xff" * 8), 3, ""),
    "RF64 under its later name": (".wav", b"BW64" + of("RF64")[4:], 3, ""),
    "RF64 under its later name, cut": (
        ".wav", b"BW64" + of("RF64")[4:-66150], 1.5, "truncated, 1.50 s of the 3.00 s"),
    "AU with more sound than it declares": (
        ".au", with_field(of("AU"), b".snd", 8, struct.pack(">I", 1000)), 3, GOES_ON.format(1000)),
    "AU of a small machine, of a recorder that crashed": (
        ".au", with_field(encode(tone(), format="AU", subtype="PCM_16", endian="LITTLE"),
                          b"dns.", 8, bytes(4)), 3, "declares 0 bytes of sound"),
    "Ogg with a link that is not read": (
        ".ogg", of("OGG", "VORBIS") + of("OGG", "VORBIS").replace(b"vorbis", b"theora"), 3,
        "is damaged: sound is missing"),
    "WAV with two chunks of sound": (
        ".wav", riff(FORMAT, SOUND, SOUND), 6, "its sound lies in 2 chunks"),
    "WAV of a recorder that was paused twice": (
        ".wav", riff(FORMAT, SOUND, (b"LIST", b"INFO"), SOUND, SOUND), 9, "in 3 chunks"),
    "WAV of a recorder that wrote but the whole size": (
        ".wav", with_size(wav(), 0, len(wav()) - 8), 3, "declares 0 bytes of sound"),
    "three WAVs": (".wav", wav() * 3, 9, ""),
    "AIFF behind an AIFF": (".aiff", of("AIFF") * 2, 6, ""),
    "CAF behind a CAF": (".caf", of("CAF") * 2, 6, ""),
    "AU behind an AU": (".au", of("AU") * 2, 6, ""),
    "AIFF with more sound than it declares": (
        ".aiff", with_field(of("AIFF"), b"SSND", 4, struct.pack(">I", 66158)), 3,
        "declares 66158 bytes of sound"),
    "CAF with more sound than it declares": (
        ".caf", with_field(of("CAF"), b"data", 4, struct.pack(">q", 1004)), 3, "declares 1004"),
    "W64 with more sound than it declares": (
        ".w64", with_field(of("W64"), b"data", 16, struct.pack("<Q", 1024)), 3, "declares 1000"),
    "RF64 with more sound than it declares": (
        ".wav", with_field(of("RF64"), b"ds64", 16, struct.pack("<Q", 1000)), 3, "declares 1000"),
    "VOC of 16 bits": (".voc", VOC["PCM_16"], 3, ""),
    "VOC of 16 bits, cut": (
        ".voc", VOC["PCM_16"][:-66150], 1.5, "truncated, 1.50 s of the 3.00 s"),
    "VOC of 8 bits, cut": (".voc", VOC["PCM_U8"][:-33075], 1.5, "truncated, 1.4"),
    "MP3 with a tag that claims more than there is": (
        ".mp3", b"ID3\3\0\0\x7f\x7f\x7f\x7f" + RAW, 3, ""),
    "WAV of 24 bits in 32, for odd loudspeakers": (".wav", wav_of_24_in_32(), 3, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", MEMBERS)
def test_further_members(put, caplog, name):
    ending, content, expected, told = MEMBERS[name]
    assert seconds(put(f"a{ending}", content)) == pytest.approx(expected, abs=0.08)
    assert told in caplog.text and bool(caplog.text) == bool(told)
