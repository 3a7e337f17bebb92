"""What musicians play, as tables: grooves, bass lines, accompaniments; and how styles use them.

A *figure* is a string of sixteenths, 16 of them to a bar of 4/4; ``|`` separates bars, which take
turns. In a bar of 3/4 the first 12 are played. ``.`` rests and ``-`` holds the note before.

- Grooves: ``X`` accent, ``x`` stroke, ``o`` ghost stroke.
- Bass lines: ``R 3 5 6 7 8`` chord degrees, ``a`` a semitone from the next chord's root.
- Accompaniment: ``C`` chord, ``c`` soft chord, ``1``…``5`` a note of the chord counted from
  below, ``B`` and ``F`` root and fifth an octave below, ``P`` power chord, ``p`` the same muted,
  ``Q`` root and sixth.
- Lead rhythms: ``x`` a new note.

A *progression* is one word per bar: Roman numerals over the tonic's major scale (``bVI``), lower
case for minor, with a quality of `QUALITIES` (``V7``); a comma splits the bar.
"""

from dataclasses import dataclass

KITS = {
    "standard": 0,
    "room": 8,
    "power": 16,
    "electronic": 24,
    "808": 25,
    "jazz": 32,
    "brush": 40,
    "orchestra": 48,
}

# RMS of half a second of one note at velocity 90 in TimGM6mb (dB re full scale, C4 to C5, basses
# C2 to C3). Subtracted, so that a gain in the tables below means the same on any instrument.
NATIVE_LEVEL_DB = {
    "piano": -32,
    "bright_piano": -32,
    "honky_tonk_piano": -34,
    "electric_piano": -25,
    "fm_piano": -30,
    "harpsichord": -33,
    "clavinet": -30,
    "vibraphone": -20,
    "drawbar_organ": -25,
    "percussive_organ": -23,
    "rock_organ": -28,
    "accordion": -29,
    "harmonica": -24,
    "nylon_guitar": -23,
    "acoustic_guitar": -28,
    "jazz_guitar": -21,
    "electric_guitar": -30,
    "muted_guitar": -23,
    "overdriven_guitar": -27,
    "distortion_guitar": -24,
    "acoustic_bass": -20,
    "finger_bass": -18,
    "pick_bass": -23,
    "fretless_bass": -19,
    "slap_bass": -19,
    "synth_bass": -19,
    "fat_synth_bass": -18,
    "violin": -22,
    "viola": -22,
    "cello": -20,
    "contrabass": -21,
    "pizzicato_strings": -26,
    "harp": -16,
    "timpani": -21,
    "strings": -30,
    "slow_strings": -29,
    "synth_strings": -37,
    "choir": -23,
    "voice": -27,
    "synth_voice": -25,
    "trumpet": -21,
    "trombone": -25,
    "muted_trumpet": -28,
    "french_horn": -15,
    "brass": -28,
    "synth_brass": -25,
    "soprano_saxophone": -22,
    "saxophone": -22,
    "tenor_saxophone": -24,
    "oboe": -19,
    "bassoon": -25,
    "clarinet": -23,
    "flute": -18,
    "square_lead": -30,
    "saw_lead": -28,
    "voice_lead": -19,
    "warm_pad": -26,
    "polysynth": -27,
    "banjo": -22,
    "steel_drums": -24,
}
PLAYED_LEVEL_DB = -26

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic_minor": (0, 2, 3, 5, 7, 8, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "pentatonic": (0, 2, 4, 7, 9),
    "minor_pentatonic": (0, 3, 5, 7, 10),
    "blues": (0, 3, 5, 6, 7, 10),
}

ROMAN = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}

# Semitones over the root; "" and "7" and "9" turn minor under a numeral in lower case.
QUALITIES = {
    "": (0, 4, 7),
    "6": (0, 4, 7, 9),
    "7": (0, 4, 7, 10),
    "9": (0, 4, 7, 10, 14),
    "maj7": (0, 4, 7, 11),
    "sus4": (0, 5, 7),
    "7sus4": (0, 5, 7, 10),
    "o7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
}

GROOVES = {
    "rock": {
        "kick": "X.......X.x.....|X.....x.X.......",
        "snare": "....X.......X...",
        "closed_hat": "x.x.x.x.x.x.x.x.",
    },
    "rock_push": {
        "kick": "X..x..x...x..x..|X..x..x.x.......",
        "snare": "....X.......X..o",
        "open_hat": "x...x...x...x...",
    },
    "rock_ride": {
        "kick": "X.x.....X.......|X.x....xX.......",
        "snare": "....X.......X...",
        "ride": "X.x.X.x.X.x.X.x.",
    },
    "ballad": {
        "kick": "X.........x.....|X......x..x.....",
        "snare": "....x.......x...",
        "closed_hat": "x.o.x.o.x.o.x.o.",
    },
    "side_stick_ballad": {
        "kick": "x.....x.x.......",
        "side_stick": "....x.......x...",
        "shaker": "o.x.o.x.o.x.o.x.",
    },
    "pop": {
        "kick": "X...x...X..xx...|X...x...X.x.x...",
        "snare": "....X.......X...",
        "closed_hat": "x.x.x.x.x.x.x.xo",
    },
    "dance": {
        "kick": "X...X...X...X...",
        "clap": "....x.......x...",
        "open_hat": "..x...x...x...x.",
    },
    "disco": {
        "kick": "X...X...X...X...",
        "snare": "....X.......X...",
        "closed_hat": "xo.oxo.oxo.oxo.o",
        "open_hat": "..x...x...x...x.",
    },
    "disco_latin": {
        "kick": "X...X...X...X...",
        "snare": "....X.......X..o",
        "closed_hat": "xoxoxoxoxoxoxoxo",
        "high_conga": "..x...xx..x...x.",
        "cowbell": "x...x...x.x.x...",
    },
    "breakbeat": {
        "kick": "X.x.......xx....|X.x......x.x....",
        "snare": "....X..o.o..X..o",
        "closed_hat": "x.x.x.x.x.x.x.x.",
    },
    "boom_bap": {
        "kick": "X.....x...x.....|X..x......xx....",
        "snare": "....X.......X...",
        "closed_hat": "x.x.x.xxx.x.x.x.",
    },
    "trap": {
        "kick": "X.....x.....x...|X..x......x.....",
        "clap": "........X.......",
        "closed_hat": "x.x.xxx.x.x.x.xx|x.xxx.x.xxxxx.x.",
    },
    "half_time": {
        "kick": "X.....x..x......|X.........xx....",
        "snare": "........X.......",
        "ride": "x...x...x...x...",
    },
    "one_drop": {
        "kick": "........X.......",
        "side_stick": "........X......o|........X...o...",
        "closed_hat": "x.x.xox.x.x.x.xo",
    },
    "rockers": {
        "kick": "X.......X.......|X.......X...x...",
        "side_stick": "....x..o....x...",
        "closed_hat": "x.x.x.x.x.x.xox.",
    },
    "steppers": {
        "kick": "X...X...X...X...",
        "snare": "........X.......|........X..o..o.",
        "closed_hat": "..x...x...x...x.",
        "tambourine": "....x.......x...",
    },
    "shuffle": {
        "kick": "X.......X.....x.|X.....x.X.......",
        "snare": "....X.......X...",
        "closed_hat": "x.ox..x.x.ox..x.|x.x.x.x.x.x.x.x.",
    },
    "slow_twelve": {
        "kick": "X.......x.x.....",
        "snare": "....X.......X...",
        "ride": "x.xxx.xxx.xxx.xx",
    },
    "train": {
        "kick": "x...x...x...x...",
        "snare": "ooxoxoxoooxoxoxx|ooxoxoxoooxoxXxo",
    },
    "two_step": {
        "kick": "X.......X.......",
        "side_stick": "....x.......x...",
        "closed_hat": "o.x.o.x.o.x.o.x.",
    },
    "swing": {
        "ride": "x...x.x.x...x.x.|x...x.x.x.x.x.x.",
        "pedal_hat": "....x.......x...",
        "kick": "o...o...o...o...",
        "snare": "......o.......o.|..o........o....",
    },
    "swing_hat": {
        "closed_hat": "x...x.x.x...x.x.",
        "kick": "o...o...o...o.o.",
        "side_stick": "............x...",
    },
    "brushes": {
        "snare": "o.o.x.o.o.o.x.o.|o.o.x.oxo.o.x.o.",
        "pedal_hat": "....x.......x...",
    },
    "bossa": {
        "kick": "x.....xxx.....xx",
        "side_stick": "x.....x.....x...|....x.....x.....",
        "closed_hat": "x.x.x.x.x.x.x.x.",
    },
    "jazz_waltz": {
        "ride": "x...x.x.x...|x...x...x.x.",
        "pedal_hat": "....x.......",
        "kick": "o...........|o.......o...",
    },
    "waltz": {
        "kick": "X...........",
        "snare": "....o...o...|....o...o.o.",
        "closed_hat": "x...x...x...",
    },
    "six_eight": {
        "kick": "X.........x.",
        "snare": "......X.....",
        "closed_hat": "x.x.x.x.x.x.",
    },
    "double_bass": {
        "kick": "xxxxxxxxxxxxxxxx|xxxxxxxxxxxxxx..",
        "snare": "....X.......X...",
        "crash": "o...o...o...o...",
    },
    "thrash": {
        "kick": "X.x.X.x.X.x.X.x.|X.xxX.x.X.xxX.x.",
        "snare": "..X...X...X...X.",
        "ride_bell": "x.x.x.x.x.x.x.x.",
    },
    "gallop": {
        "kick": "X.xxX.xxX.xxX.xx",
        "snare": "....X.......X...",
        "closed_hat": "X...X...X...X...",
    },
    "blast": {
        "kick": "X.X.X.X.X.X.X.X.",
        "snare": ".x.x.x.x.x.x.x.x",
        "ride": "x.x.x.x.x.x.x.x.",
    },
    "march": {
        "kick": "x.......x.......",
        "snare": "x..oxoxox..oxxxx|x..oxoxox.x.x...",
        "crash": "................|........o.......",
    },
}

# What the drums play over the last half of a phrase's last bar.
FILLS = (
    {"snare": "....x.x.", "kick": "X......."},
    {"snare": "xxxx....", "high_tom": "....xx..", "low_tom": "......xx"},
    {"high_tom": "x.x.....", "mid_tom": "....x...", "low_tom": "......X."},
    {"snare": "oooxoxxX"},
    {"snare": "..x..x.x", "kick": "X..x..x."},
    {"side_stick": "....x.xx", "open_hat": "......x."},
)

BASS_LINES = {
    "roots": "R---------------",
    "halves": "R-------5-------|R-------3-------",
    "quarters": "R---R---5---R---",
    "two_beat": "R---....5---....|R---....5---a---",
    "walking": "R---3---5---a---|R---5---6---a---|8---7---5---a---",
    "boogie": "R-R-3-3-5-5-6-5-|8-7-6-5-3-5-R-a-",
    "shuffle": "R-R.5-5.6-6.5-5.",
    "eighths": "R.R.R.R.R.R.R.R.|R.R.R.R.R.R.5.a.",
    "dotted": "R--R--R---5---a-",
    "octaves": "R.8.R.8.R.8.R.8.|R.8.R.8.5.8.a.8.",
    "funk": "R..R..8.R..7.8.5|R..R..8.....5.a.",
    "syncopated": "R--R....5.R-..a.",
    "low_synth": "R-------..R-....|R-----R---......",
    "one_drop": "....R-R-5---3---|..R-3.5-........",
    "skipping": "R-..R.5-..3.R...|R-..R.5-........",
    "bossa": "R--.5-5---5-R-R-",
    "gallop": "R.RRR.RRR.RRR.RR",
    "pumping": "RRRRRRRRRRRRRRRR",
    "riff": "R.R.7.R.8.R.5.7.|R.R.3.R.5.R.a.a.",
    "melodic": "R---3-5-8---5-3-|R---5---3---a---",
}

FIGURES = {
    "pad": "C---------------",
    "halves": "C-------c-------",
    "quarters": "C---c---c---c---",
    "eighths": "C.c.c.c.C.c.c.c.",
    "backbeat": "....C.......C...",
    "skank": "..C...C...C...C.|..C...C...C..CC.",
    "double_skank": "..CC..CC..CC..CC",
    "afterbeat": "....C.......C...|....C.......Cc..",
    "bubble": "1.c.1.cc1.c.1.cc",
    "charleston": "C-....c-........|..c-....C---....",
    "comping": "......C-....c-..|C--.......c-..C.|..C-........C-..",
    "strum": "C---c-c-..c-c-c-|C---c-c-..c-c---",
    "boom_chick": "B---C---F---C---|B---C-c-F---C-c-",
    "oom_pah": "B---c---c---c---",
    "stride": "B---C---F---C---|B---C---F---c---",
    "alberti": "1-3-2-3-1-3-2-3-",
    "arpeggio": "B-1-2-3-4-3-2-1-",
    "rolling": "1-2-3-4-1-2-3-4-",
    "sixteenths": "1234321412343214",
    "picking": "B-2-1-3-F-2-1-3-|B-3-1-2-F-3-4-2-",
    "chorale": "C---C---C---C---|C---C---C-------",
    "repeated": "C-c-c-c-c-c-c-c-",
    "tremolo": "cccccccccccccccc",
    "funk_strum": "..cc.cc...cc.cc.|c..c.cc...c..cc.",
    "stabs": "C.....C.........|C..C......C.....",
    "offbeats": "..C...C...C...C.",
    "house": "C..C..C...C..C..",
    "sampled_loop": "1..3..2...4.3...|1..3..5...4.....",
    "held_fifth": "F---------------",
    "power": "P-------P-----P-|P-----P-P---P---",
    "power_eighths": "P.P.P.P.P.P.P.P.",
    "shuffle_power": "P-P.Q-Q.P-P.Q-Q.",
    "chug": "P--ppp.pP--ppp.p|P--ppp.pP-P-P-P-",
    "gallop": "P.ppp.ppp.ppp.pp",
    "tremolo_power": "PPPPPPPPPPPPPPPP",
    "drum_roll": "B...........BBBB|B.......F.......",
}

RHYTHMS = {
    "long": "x-------x-------",
    "held": "x-------------..",
    "dotted_half": "x-----x-x-------",
    "quarters": "x---x---x---x---",
    "pickup": "....x-x-x---x---",
    "singing": "x---x-x-x-----x-",
    "folk": "x-x-x---x-x-x---",
    "pushed": "x--x--x---x-x---",
    "late": "..x-x-x---x-x---",
    "eighths": "x-x-x-x-x-x-x---",
    "running": "x-x-x-x-x-x-x-x-",
    "swing_line": "x---x-x-..x-x-x-",
    "bebop": "..x-x-x-x-xxx-x-",
    "call": "x-x-x-----......",
    "answer": "......x-x-x-x---",
    "sparse": "....x-----......",
    "dotted": "x--xx--xx--xx---",
    "semiquavers": "x-xxx-xxx-xxx---",
    "virtuoso": "xxxxxxxxxxxxxxxx",
    "rapped": "x.xx.x.xx.x.xx..",
    "rapped_late": "..xx.xx.x.xx.x..",
    "hook": "x..x..x.x.......",
    "riff": "x.x.x..x..x.x...",
}


@dataclass(frozen=True)
class Accompaniment:
    """A player of chords.

    Attributes
    ----------
    instruments, figures : str
        Names to choose among, of `PROGRAMS` and `FIGURES`; a name given twice is twice as likely.
    low : int
        Lowest pitch of the chords (MIDI number).
    hold : float
        Part of its written length for which a chord sounds.
    strum : float
        Time from one string of a chord to the next (s).
    gain_db : float
    """

    instruments: str
    figures: str
    low: int = 53
    hold: float = 0.9
    strum: float = 0.0
    gain_db: float = -7.0


@dataclass(frozen=True)
class Lead:
    """A player of melodies.

    Attributes
    ----------
    instruments : str
        Names of `PROGRAMS` to choose among.
    low, span : int
        Lowest pitch (MIDI number) and range (semitones).
    double : int
        A second voice that many scale steps below; 0 for none.
    hold : float
        Part of its written length for which a note sounds.
    gain_db : float
    """

    instruments: str
    low: int = 62
    span: int = 17
    double: int = 0
    hold: float = 0.92
    gain_db: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """The players of a clip.

    Attributes
    ----------
    weight : float
        Odds of this ensemble among those of the style.
    players : tuple of Accompaniment
        All of them play.
    leads : tuple of Lead
        One of them plays.
    kits, bass : str
        Names in `KITS` and `PROGRAMS`, separated by spaces: one of each plays; empty for none.
    """

    weight: float
    players: tuple[Accompaniment, ...]
    leads: tuple[Lead, ...]
    kits: str = ""
    bass: str = ""


@dataclass(frozen=True, kw_only=True)
class Style:
    """What the musicians of a genre tend to do.

    Attributes
    ----------
    tempo : tuple of float
        Lowest and highest number of beats a minute.
    swing : tuple of float
        Where the middle of a swung pair falls: 0.5 is straight, 0.667 triplets.
    swung_steps : int
        Sixteenths in a swung pair: 4 swings the eighths, 2 the sixteenths.
    grooves, bass_lines, rhythms : str
        Names to choose among, of the tables above. The groove sets the metre, drums or none.
    harmonies : tuple of (str, str)
        Scales to choose among and progression.
    ensembles : tuple of Ensemble
    dynamics : tuple of int
        Lowest and highest velocity of a clip.
    rubato : float
        Largest share by which the beat slows down and speeds up.
    rest, leap, grace : float
        In a melody, the probability that a bar stays silent, that an interval is wider than a
        step, and that a note has a grace note a semitone below, as of a bend or a slide.
    kin : str
        Genres to borrow from.
    drum_gain_db, bass_gain_db : tuple of float
        Lowest and highest level of drums and bass in the mix.
    """

    tempo: tuple[float, float]
    swing: tuple[float, float]
    grooves: str
    bass_lines: str
    rhythms: str
    harmonies: tuple[tuple[str, str], ...]
    ensembles: tuple[Ensemble, ...]
    kin: str
    rest: float
    leap: float
    grace: float
    swung_steps: int = 4
    dynamics: tuple[int, int] = (70, 108)
    rubato: float = 0.0
    drum_gain_db: tuple[float, float] = (-4.0, 2.0)
    bass_gain_db: tuple[float, float] = (-3.0, 3.0)
