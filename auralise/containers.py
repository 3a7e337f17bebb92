"""Sound files' containers: where the sound lies, and how much of it a header promises.

Headers are wrong in many ways: a program that writes into a pipe cannot know the length, MP3 files
may have none, tags are in front and behind, and Ogg files are chained. libsndfile trusts headers;
this module reads the structure, and hands libsndfile a view of the file that it reads rightly.
"""

import io
import mmap
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from auralise.recognition import describe_file

# A piece of a view: bytes of its own, (start, stop) in the file, or a number of zeros.
Piece = bytes | tuple[int, int] | int

LONGEST_COMMENT = 10**7  # bytes
MOST_JOINED = 100  # files in one
UNKNOWN_RATE = 80_000  # bytes/s: what is taken where a header does not say
STREAMINFO = b"fLaC\0\0\0\x22"  # how FLAC begins where other facts follow its first ones
FARTHEST = 2**20  # bytes in which a header is looked for, behind what is none
# How headers begin: as much as no other file has by chance.
HEADERS = re.compile(
    rb"(?P<chunks>(?:RIFF|RIFX|RF64|BW64)....WAVE|FORM....AIF[FC])"
    rb"|(?P<w64>riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0)"
    rb"|(?P<caf>caff\0\x01\0\0)"
    rb"|(?P<voc>Creative Voice File\x1a)"
    rb"|(?P<ogg>OggS\0[\0-\7])"
    rb"|(?P<flac>fLaC[\0\x80]\0\0\x22)"
    # Beginning of the sound, its size, kind, rate and channels.
    rb"|(?P<au>\.snd\0\0......\0\0\0[\1-\x1b]\0...\0\0..|dns\...\0\0....[\1-\x1b]\0\0\0...\0..\0\0)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Link:
    """A part of a file that is decoded by itself: a stream of one rate, with its own header.

    Attributes
    ----------
    pieces : tuple of Piece, optional
        None for the whole file.
    n_samples : int, optional
        Samples of each channel, where libsndfile cannot count them.
    n_declared : int, optional
        Samples that the header declares, where the declaration is hidden from libsndfile.
    """

    pieces: tuple[Piece, ...] | None = None
    n_samples: int | None = None
    n_declared: int | None = None


@dataclass(frozen=True)
class Contents:
    """The parts of a file that hold sound, and what is missing of it.

    Attributes
    ----------
    links : tuple of Link
        The parts, in the order of decoding.
    share : float
        Share of the declared sound that the file holds; 1 where nothing is declared.
    remarks : tuple of str
        What a user should know.
    hole : str
        The sign that sound is missing in the middle; empty if none is.
    next_file : int, optional
        The byte at which another file begins, behind this one.
    """

    links: tuple[Link, ...] = (Link(),)
    share: float = 1.0
    remarks: tuple[str, ...] = ()
    hole: str = ""
    next_file: int | None = None

    @property
    def declares_samples(self) -> bool:
        """Whether every link declares its samples, hidden from libsndfile."""
        return all(link.n_declared for link in self.links)


def read_contents(path: Path) -> Contents:
    """Find the sound in a file from its structure alone, without decoding.

    Parameters
    ----------
    path : Path
        Not empty.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        tagged = _skip_tags(data, 0)
        header = HEADERS.match(data, tagged)
        if header is None and data[tagged : tagged + 1] != b"\xff" and not describe_file(path):
            header = HEADERS.search(data, tagged, tagged + FARTHEST)
        if header is None:
            is_mp3 = tagged > 0 or data[0] == 0xFF or path.suffix.lower() == ".mp3"
            return _read_mp3(data, tagged) if is_mp3 else Contents()
        links: list[Link] = []
        found = Contents(next_file=header.start())
        while found.next_file is not None and len(links) < MOST_JOINED:
            start = found.next_file
            found = READERS[str(header.lastgroup)](data, start)
            is_whole = start == 0 or found.links != (Link(),)
            links += found.links if is_whole else (Link(((start, len(data)),)),)
        remarks = found.remarks
        if junk := header.start() - tagged:
            remarks = (f"{junk} bytes in front of its header are passed over", *remarks)
        left = f"more than {MOST_JOINED} files lie one behind the other" if found.next_file else ""
        return replace(found, links=tuple(links), remarks=remarks, hole=found.hole or left)


def append_comment(path: Path, text: str) -> None:
    """Put a comment (``LIST INFO ICMT``) behind the sound of a WAV file.

    Players and readers pass over it, or show it; libsndfile would cut it short.

    Parameters
    ----------
    path : Path
        Of a whole WAV file, of less than 4 GiB.
    text : str
    """
    content = text.encode() + b"\0"
    content += b"\0" * (len(content) % 2)
    body = b"INFO" + struct.pack("<4sI", b"ICMT", len(content)) + content
    with path.open("r+b") as file:
        file.seek(0, io.SEEK_END)
        file.write(b"\0" * (file.tell() % 2) + struct.pack("<4sI", b"LIST", len(body)) + body)
        size = file.tell() - 8
        file.seek(4)
        file.write(struct.pack("<I", size))


def read_comment(path: Path) -> str | None:
    """The comment that `append_comment` has put into a file; None where there is none."""
    with path.open("rb") as file:
        if file.read(12)[:4] != b"RIFF":
            return None
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            if name == b"LIST" and file.read(8) == b"INFOICMT":
                (length,) = struct.unpack("<I", file.read(4).ljust(4, b"\0"))
                content = file.read(min(length, LONGEST_COMMENT))
                return content.rstrip(b"\0").decode("utf-8", "replace")
            file.seek(size + size % 2 - (8 if name == b"LIST" else 0), io.SEEK_CUR)
    return None


class View(io.RawIOBase):
    """Pieces of a file, presented to libsndfile as one file.

    Parameters
    ----------
    path : Path
    pieces : sequence of Piece
    """

    def __init__(self, path: Path, pieces: Sequence[Piece]):
        super().__init__()
        self._file = path.open("rb")
        self._pieces = []
        self._length = 0
        for piece in pieces:
            length = _length(piece)
            self._pieces.append((self._length, length, piece))
            self._length += length
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}
        self._position = max(0, origin[whence] + offset)
        return self._position

    def readinto(self, buffer) -> int:
        wanted, done = memoryview(buffer).cast("B"), 0
        for start, length, piece in self._pieces:
            skipped = self._position - start
            count = min(length - skipped, len(wanted) - done)
            if skipped < 0 or count <= 0:
                continue
            if isinstance(piece, bytes):
                found = piece[skipped : skipped + count]
            elif isinstance(piece, int):
                found = bytes(count)
            else:
                self._file.seek(piece[0] + skipped)
                found = self._file.read(count)
            wanted[done : done + len(found)] = found
            done += len(found)
            self._position += len(found)
        return done

    def close(self) -> None:
        self._file.close()
        super().close()


def _length(piece: Piece) -> int:
    if isinstance(piece, int):
        return piece
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]


def _is_unknown(size: int) -> bool:
    """Whether a size is one that programs write when they do not know it yet.

    They write the largest number of 31 or 32 bits, less some header or rounded to some block.
    """
    return abs(size - 0x7FFFFFFF) <= 2**16 or 0xFFFFFFFF - size <= 2**16


def _read_au(data: mmap.mmap, start: int) -> Contents:
    order = ">" if data[start : start + 1] == b"." else "<"
    offset, declared, _, rate = struct.unpack_from(order + "4I", data, start + 4)
    place = start + offset
    front = _Front((data[start : start + 8],), order + "I", ((start + 12, place),))
    return _judge_size(data, start, place, declared, front, rate, padded=1)


@dataclass(frozen=True)
class _Front:
    """What stands in front of sound: pieces around the number that declares its bytes.

    Attributes
    ----------
    before, after : tuple of Piece
    number : str
        The number's format, as of `struct`.
    extra : int
        Bytes that it counts besides the sound.
    """

    before: tuple[Piece, ...]
    number: str
    after: tuple[Piece, ...] = ()
    extra: int = 0

    def declaring(self, size: int) -> tuple[Piece, ...]:
        """The pieces, with so many bytes declared."""
        largest = 2 ** (8 * struct.calcsize(self.number)) - 1
        number = struct.pack(self.number, min(size + self.extra, largest))
        return (*self.before, number, *self.after)


def _judge_size(
    data: mmap.mmap,
    start: int,
    place: int,
    declared: int,
    front: _Front,
    rate: int = UNKNOWN_RATE,
    padded: int = 2,
    is_open: bool = False,
) -> Contents:
    """Take for sound what its header declares, or all that lies behind where that is wrong.

    Parameters
    ----------
    data : mmap
    start : int
        Where the file begins: behind tags, or behind another one.
    place : int
        Where the sound begins.
    declared : int
        Its bytes.
    front : _Front
    rate : int
        Bytes a second.
    padded : int
        What begins behind the sound does so at a multiple of this.
    is_open : bool
        Of sound of 0 bytes: all that lies behind it is sound, whatever it looks like.
    """
    there = len(data) - place
    stop = place + declared + -declared % padded
    # Neither chunks nor padding lie behind the sound: it goes on.
    is_told = any(_is_name(data, end) for end in (place + declared, stop))
    if declared == 0 and there > 0 and (is_open or not is_told):
        is_wrong = True
    else:
        is_wrong = declared > 0 and not is_told and _goes_on(data, stop, rate)
    if is_wrong:
        link = Link((*front.declaring(there), (place, len(data))))
        return Contents((link,), remarks=(_declares(declared, there),))
    if data[stop : stop + 4] == data[start : start + 4]:  # files put one behind the other
        return Contents((Link((*front.declaring(declared), (place, stop))),), next_file=stop)
    return Contents(share=_share(there, declared))


def _goes_on(data: mmap.mmap, stop: int, rate: int) -> bool:
    """Whether sound of a rate (bytes/s) lies behind its declared end, and no padding."""
    return len(data) - stop >= max(1, rate // 10) and any(data[stop : stop + 64])


def _read_w64(data: mmap.mmap, start: int) -> Contents:
    """Read the chunks of Wave64: names of 16 bytes, and sizes that count name and size, too."""
    place = start + 40
    while place + 24 <= len(data):
        name, declared = struct.unpack_from("<4s12xQ", data, place)
        if name == b"data":
            if not 24 < declared < 2**62:
                return Contents()
            front = _Front((data[start : place + 16],), "<Q", extra=24)
            return _judge_size(data, start, place + 24, declared - 24, front, padded=8)
        if declared < 24:
            break
        place += declared + -declared % 8
    return Contents()


def _read_chunks(data: mmap.mmap, start: int) -> Contents:
    """Read the chunks of RIFF, its variants (WAV) and AIFF."""
    kind = data[start : start + 4]
    order = ">" if kind in (b"RIFX", b"FORM") else "<"
    (whole,) = struct.unpack_from(order + "I", data, start + 4)
    large, of_large, rate, place = None, 0, 0, start + 12
    head: list[Piece] = []  # what stands in front of `begun`, where it has to be mended
    begun = start
    if kind == b"BW64":  # RF64 under its later name (ITU-R BS.2088)
        head, begun = [b"RF64"], start + 4
    while place + 8 <= len(data):
        name, declared = struct.unpack_from(order + "4sI", data, place)
        place += 8
        if name == b"ds64" and place + 16 <= len(data):
            large, of_large = struct.unpack_from("<Q", data, place + 8)[0], place + 8
        if name == b"fmt " and place + 12 <= len(data):
            (rate,) = struct.unpack_from(order + "I", data, place + 8)  # bytes a second
        if name in (b"data", b"SSND"):
            there = len(data) - place
            is_large = large is not None and declared == 0xFFFFFFFF
            if large is not None and is_large:
                declared = large
            elif _is_unknown(declared):
                declared = there
            stop = place + declared
            behind = _chunks(data, stop + declared % 2, order) if declared else {}
            if not (rate or is_large):  # what says how the sound is coded may lie behind it
                for at, end in behind.get(b"fmt ", ())[:1]:
                    head, begun = [data[start : start + 12], (at - 8, end)], place - 8
            front = _Front((*head, data[begun : place - 4]), order + "I")
            if is_large:
                front = _Front((*head, data[begun:of_large]), "<Q", ((of_large + 8, place),))
                if not 0 < declared < 2**62:
                    link = Link((*front.declaring(there), (place, len(data))))
                    return Contents((link,), remarks=(_declares(declared, there),))
            if further := behind.get(b"data"):
                pieces = (place, stop), *further
                link = Link((*front.declaring(sum(map(_length, pieces))), *pieces))
                return Contents((link,), remarks=(f"its sound lies in {len(pieces)} chunks",))
            is_open = start + whole + 8 <= place
            found = _judge_size(
                data, start, place, declared, front, rate or UNKNOWN_RATE, is_open=is_open
            )
            if head and found.links == (Link(),):
                return replace(found, links=(Link((*head, (begun, len(data)))),))
            return found
        if place + declared > len(data) and (at := data.find(b"data", place)) >= 0:
            # A chunk that runs over the sound, as some recorders write.
            head += [data[begun : place - 4], struct.pack(order + "I", at - place)]
            begun, place = place, at
            continue
        place += declared
        if declared % 2:
            # Some programs leave out the byte that pads a chunk to an even length.
            if _is_name(data, place) and not _is_name(data, place + 1):
                head += [data[begun:place], b"\0"]
                begun = place
            else:
                place += 1
    return Contents()


def _chunks(data: mmap.mmap, place: int, order: str) -> dict[bytes, list[tuple[int, int]]]:
    """Where the chunks lie that follow from a place on, by name."""
    found: dict[bytes, list[tuple[int, int]]] = {}
    while place + 8 <= len(data) and _is_name(data, place):
        name, declared = struct.unpack_from(order + "4sI", data, place)
        stop = min(len(data), place + 8 + declared)
        found.setdefault(name, []).append((place + 8, stop))
        place = stop + declared % 2
    return found


def _is_name(data: mmap.mmap, place: int) -> bool:
    """Whether what lies at a place may be the name of a chunk or a tag."""
    name = data[place : place + 4]
    return name[:3] in (b"ID3", b"TAG") or (
        len(name) == 4 and name.isascii() and name.decode().isprintable()
    )


def _read_caf(data: mmap.mmap, start: int) -> Contents:
    """Read the chunks of CAF, whose sound may declare -1 bytes: up to the end of the file."""
    place = start + 8
    while place + 12 <= len(data):
        name, declared = struct.unpack_from(">4sq", data, place)
        place += 12
        if name == b"data":
            front = _Front((data[start : place - 8],), ">q")
            there = len(data) - place
            size = there if declared < 0 else declared
            found = _judge_size(data, start, place, size, front, padded=1)
            if declared < 0 or found.share < 1:
                return replace(found, links=(Link((*front.declaring(there), (place, len(data)))),))
            return found
        if declared < 0:
            break
        place += declared
    return Contents()


def _read_voc(data: mmap.mmap, start: int) -> Contents:
    """Read the blocks of VOC, of which libsndfile refuses one that is cut, or does not tell."""
    place = start + int.from_bytes(data[start + 20 : start + 22], "little")
    while place + 4 <= len(data) and data[place]:
        declared = int.from_bytes(data[place + 1 : place + 4], "little")
        there = len(data) - place - 4
        if declared > there:
            size = there.to_bytes(3, "little")
            link = Link((data[start : place + 1], size, (place + 4, len(data)), b"\0"))
            return Contents((link,), share=_share(there, declared))
        place += 4 + declared
    return Contents()


def _read_flac(data: mmap.mmap, start: int) -> Contents:
    """Let libsndfile decode to the end: it would stop where the header says that it is."""
    starts = [start]
    while (place := data.find(STREAMINFO, starts[-1] + 8)) >= 0:  # put one behind the other
        starts.append(place)
    links = []
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        place = start + 8 + 10
        (field,) = struct.unpack(">Q", data[place : place + 8].ljust(8, b"\0"))
        n_declared = field & (2**36 - 1)
        if stop < place + 8 or data[start + 4] & 0x7F != 0:
            return Contents()
        unknown = struct.pack(">Q", field - n_declared)
        pieces = ((start, place), unknown, (place + 8, stop))
        links.append(Link(pieces, n_declared=n_declared or None))
    return Contents(tuple(links))


def _share(there: int, declared: int) -> float:
    return 1.0 if declared == 0 or _is_unknown(declared) else min(1.0, max(0, there) / declared)


def _declares(declared: int, there: int) -> str:
    return f"its header declares {declared} bytes of sound, but {there} lie behind it and are read"


@dataclass(frozen=True)
class _Page:
    """A page of an Ogg stream: its place (bytes), what it is of, and how its body begins."""

    is_whole: bool
    start: int
    stop: int
    kind: int
    granule: int
    serial: int
    number: int
    body: bytes

    @property
    def begins(self) -> bool:
        return bool(self.kind & 2)

    @property
    def ends(self) -> bool:
        return bool(self.kind & 4)


OGG_SOUNDS = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")


def _read_ogg(data: mmap.mmap, start: int) -> Contents:
    """Find the links of a chain: each begins with a page of its own kind, behind other pages.

    Of the streams that lie beside each other in a link (pictures, text, an index), the first one
    of sound is kept.
    """
    chain: list[list[_Page]] = []
    begins, hole = False, ""
    for page in _ogg_pages(data, start):
        if not page.is_whole:
            hole = hole or f"the page of the Ogg stream at byte {page.start} is damaged"
            continue
        if not chain or (page.begins and not begins):
            chain.append([])
        chain[-1].append(page)
        begins = page.begins
    links, ended = [], True
    for pages in chain:
        sounds = [page.serial for page in pages if page.begins and page.body.startswith(OGG_SOUNDS)]
        own = [page for page in pages if not sounds or page.serial == sounds[0]]
        ended = ended and (not sounds or own[-1].ends)
        # libsndfile takes the length from the last page, which says nothing where no packet ends.
        while sounds and len(own) > 1 and own[-1].granule == -1:
            own.pop()
        for one, other in pairwise(own if sounds else []):
            if other.number != one.number + 1 and not hole:
                hole = f"pages of the Ogg stream are missing at byte {other.start}"
        pieces: list[tuple[int, int]] = []
        for page in own:
            start = pieces.pop()[0] if pieces and pieces[-1][1] == page.start else page.start
            pieces.append((start, page.stop))
        links.append(Link(tuple(pieces)))
    remarks = () if ended else ("cut short: its Ogg stream has no end",)
    return Contents(tuple(links) or (Link(),), remarks=remarks, hole=hole)


def _ogg_pages(data: mmap.mmap, place: int) -> Iterator[_Page]:
    """Each page that is there to its end."""
    while (place := data.find(b"OggS", place)) >= 0 and place + 27 <= len(data):
        _, kind, granule, serial, number, told, n_segments = struct.unpack_from(
            "<BBqIIIB", data, place + 4
        )
        body = place + 27 + n_segments
        stop = body + sum(data[place + 27 : body])
        found = data[place : place + 22] + bytes(4) + data[place + 26 : stop]
        if stop > len(data):
            return
        is_whole = _ogg_checksum(found) == told
        start = data[body : body + 8]
        yield _Page(is_whole, place, stop, kind, granule, serial, number, start)
        place = stop if is_whole else place + 4


MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_checksum(page: bytes) -> int:
    """The CRC-32 of Ogg (RFC 3533): that of zip, with the bits in the opposite order."""
    found = zlib.crc32(page.translate(MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{found:032b}"[::-1], 2)


def _skip_tags(data: mmap.mmap, place: int) -> int:
    """Where the ID3 and APE tags that begin at a place end."""
    while True:
        if data[place : place + 3] == b"ID3" and place + 10 <= len(data):
            a, b, c, d = data[place + 6 : place + 10]
            footer = 10 * bool(data[place + 5] & 0x10)
            size = (a << 21 | b << 14 | c << 7 | d) + footer
            # A tag that claims more than there is says nothing of where it ends.
            place += 10 + (size if place + 10 + size < len(data) else 0)
        elif data[place : place + 8] == b"APETAGEX" and place + 32 <= len(data):
            size, _, flags = struct.unpack_from("<III", data, place + 12)
            # The size holds the items and the footer; a footer alone has its items in front.
            place += 32 + (size if flags & 0x20000000 else 0)
        elif data[place : place + 3] == b"TAG":
            place += 128
        else:
            return min(place, len(data))


BIT_RATES = {  # of layer III, kbit/s, by version of MPEG
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
SAMPLE_RATES = (44100, 48000, 32000)
HEADER_TOLERANCE = 0.1  # s that an MP3 header may be wrong by
LONGEST_FRAME = 1441  # bytes: 320 kbit/s at 32 kHz


@dataclass(frozen=True)
class _Frame:
    """An MPEG audio frame of layer III: its length (bytes), samples, rate (Hz) and tag's place."""

    length: int
    n_samples: int
    sample_rate: int
    is_mono: bool
    tag: int

    def is_alike(self, other: "_Frame | None") -> bool:
        """Whether another frame is there, and of the same stream."""
        return other is not None and (other.sample_rate, other.is_mono, other.n_samples) == (
            self.sample_rate,
            self.is_mono,
            self.n_samples,
        )


@dataclass
class _Run:
    """Frames of one kind that follow each other, but for what is no frame, or a header."""

    model: _Frame
    pieces: list[tuple[int, int]] = field(default_factory=list)
    n_frames: int = 0

    @property
    def n_samples(self) -> int:
        return self.n_frames * self.model.n_samples

    def add(self, start: int, stop: int) -> None:
        self.n_frames += 1
        if self.pieces and self.pieces[-1][1] == start:
            start = self.pieces.pop()[0]
        self.pieces.append((start, stop))


def _read_frame(data: mmap.mmap, place: int) -> _Frame | None:
    if place + 4 > len(data):
        return None
    first, second, third, fourth = data[place : place + 4]
    version, rate, bits = second >> 3 & 3, third >> 2 & 3, third >> 4
    if first != 0xFF or second & 0xE6 != 0xE2 or version == 1 or rate == 3 or bits in (0, 15):
        return None
    of_first = version == 3
    sample_rate = SAMPLE_RATES[rate] >> (0 if of_first else 1 if version == 2 else 2)
    bit_rate = 1000 * BIT_RATES[1 if of_first else 2][bits]
    length = (144 if of_first else 72) * bit_rate // sample_rate + (third >> 1 & 1)
    is_mono = fourth >> 6 == 3
    side = (17 if is_mono else 32) if of_first else (9 if is_mono else 17)
    return _Frame(length, 1152 if of_first else 576, sample_rate, is_mono, place + 4 + side)


def _read_mp3(data: mmap.mmap, place: int) -> Contents:
    """Count the frames; where the header declares another number, hand on the frames alone."""
    runs: list[_Run] = []  # the rate or the channels change from one to the next
    seconds, n_frames, declared, hole = 0.0, 0, 0, ""
    while True:
        place = _skip_tags(data, place)
        frame = _read_frame(data, place)
        model = runs[-1].model if runs else None
        goes_on = model is None or model.is_alike(frame)
        if frame is None or not (goes_on or _begins(data, frame, place)):
            found = _find_frame(data, place, model)
            if found is None:
                break
            if n_frames:
                hole = hole or f"{found - place} bytes at {seconds:.1f} s are no MP3 frames"
            place = found
            continue
        if place + frame.length > len(data):
            break
        if model is None or not goes_on:
            runs.append(_Run(frame))
        header = _frames_declared(data, place, frame)
        if header is None:
            runs[-1].add(place, place + frame.length)
            n_frames += 1
            seconds += frame.n_samples / frame.sample_rate
        else:
            declared += header
        place += frame.length
    if n_frames < 2:
        return Contents()
    share = min(1.0, n_frames / declared) if declared else 1.0
    tolerated = HEADER_TOLERANCE * n_frames / seconds
    is_one = len(runs) == 1 and len(runs[0].pieces) == 1
    if declared and is_one and declared >= n_frames - tolerated:
        return Contents(share=share, hole=hole)
    # libsndfile guesses the number of frames from the length of the file and of the first frame,
    # and stops there. Zeros behind the sound let it guess too many.
    links = [
        Link((*run.pieces, run.n_frames * LONGEST_FRAME), run.n_samples)
        for run in runs
        if run.n_frames
    ]
    return Contents(tuple(links), share, (), hole)


def _begins(data: mmap.mmap, frame: _Frame, place: int, n_following: int = 2) -> bool:
    """Whether frames like that at a place follow it, as they do where a stream begins."""
    for _ in range(n_following):
        place += frame.length
        following = _read_frame(data, place)
        if following is None or not frame.is_alike(following):
            return False
        frame = following
    return True


def _find_frame(data: mmap.mmap, place: int, model: _Frame | None) -> int | None:
    """Where the next frame is that others follow: one if it is like the model, else two."""
    while (place := data.find(b"\xff", place + 1)) >= 0:
        frame = _read_frame(data, place)
        if frame is None:
            continue
        if _begins(data, frame, place, 1 if model is None or model.is_alike(frame) else 2):
            return place
    return None


def _frames_declared(data: mmap.mmap, place: int, frame: _Frame) -> int | None:
    """Frames that a Xing, Info or VBRI header declares; 0 if it does not say; None without one."""
    if data[frame.tag : frame.tag + 4] in (b"Xing", b"Info"):
        flags, number = struct.unpack(">II", data[frame.tag + 4 : frame.tag + 12].ljust(8, b"\0"))
        return number if flags & 1 else 0
    if data[place + 36 : place + 40] == b"VBRI":
        return struct.unpack(">I", data[place + 50 : place + 54].ljust(4, b"\0"))[0]
    return None


READERS = {
    "chunks": _read_chunks,
    "w64": _read_w64,
    "caf": _read_caf,
    "voc": _read_voc,
    "ogg": _read_ogg,
    "flac": _read_flac,
    "au": _read_au,
}
