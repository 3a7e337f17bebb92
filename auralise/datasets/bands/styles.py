"""The ten genres, each as the table of what its musicians tend to do."""

from collections.abc import Mapping

from auralise.datasets.bands.notation import Accompaniment, Ensemble, Lead, Style

BLUES = Style(
    tempo=(58, 148),
    swing=(0.58, 0.68),
    grooves="shuffle shuffle slow_twelve rock six_eight swing_hat",
    bass_lines="boogie shuffle walking quarters riff",
    rhythms="call answer sparse swing_line late riff eighths",
    harmonies=(
        ("blues", "I7 I7 I7 I7 IV7 IV7 I7 I7 V7 IV7 I7 V7"),
        ("blues mixolydian", "I7 IV7 I7 I7 IV7 IV7 I7 VI7 ii7 V7 I7,VI7 ii7,V7"),
        ("blues minor_pentatonic", "i7 i7 i7 i7 iv7 iv7 i7 i7 bVI7 V7 i7 V7"),
        ("blues pentatonic", "I7 I7 IV7 I7 V7 IV7 I7 V7"),
    ),
    ensembles=(
        Ensemble(
            weight=8,
            kits="standard room",
            bass="finger_bass pick_bass",
            players=(
                Accompaniment(
                    "overdriven_guitar electric_guitar", "shuffle_power backbeat", low=45
                ),
                Accompaniment("piano rock_organ drawbar_organ", "comping quarters pad", low=55),
            ),
            leads=(
                Lead("harmonica", low=67, span=14),
                Lead("overdriven_guitar jazz_guitar electric_guitar", low=60, span=19),
            ),
        ),
        Ensemble(
            weight=1,
            players=(
                Accompaniment(
                    "acoustic_guitar", "boom_chick picking shuffle_power", low=50, strum=0.012
                ),
            ),
            leads=(Lead("harmonica harmonica acoustic_guitar", low=64, span=15),),
        ),
        Ensemble(
            weight=1.5,
            kits="standard brush jazz",
            bass="acoustic_bass",
            players=(
                Accompaniment(
                    "piano honky_tonk_piano", "quarters charleston shuffle_power", low=50
                ),
            ),
            leads=(
                Lead("tenor_saxophone saxophone", low=55, span=19),
                Lead("piano honky_tonk_piano", low=67, span=19),
            ),
        ),
        Ensemble(
            weight=1.5,
            kits="standard room",
            bass="finger_bass",
            players=(
                Accompaniment("brass", "stabs pad", low=57, hold=0.7),
                Accompaniment("drawbar_organ electric_guitar", "comping backbeat", low=52),
            ),
            leads=(Lead("jazz_guitar electric_guitar tenor_saxophone", low=60, span=19),),
        ),
    ),
    kin="rock jazz country jazz rock",
    drum_gain_db=(-6.0, 0.0),
    rest=0.3,
    leap=0.3,
    grace=0.45,
)

CLASSICAL = Style(
    tempo=(56, 150),
    swing=(0.5, 0.5),
    grooves="march waltz waltz ballad six_eight",
    bass_lines="roots halves quarters melodic",
    rhythms="quarters dotted_half singing folk running semiquavers virtuoso dotted long",
    harmonies=(
        ("major", "I V7 I IV I ii V7 I"),
        ("major", "I vi ii V7 I IV,V7 I,V I"),
        ("major", "I,V vi,iii IV,I IV,V7"),
        ("harmonic_minor", "i V7 i iv i iv V7 i"),
        ("harmonic_minor", "i iv bVII bIII bVI iim7b5 V7 i"),
        ("major", "I ii7 V7 I vi II7 V V7"),
        ("minor", "i bVII bVI V7"),
    ),
    ensembles=(
        Ensemble(
            weight=6,
            players=(
                Accompaniment(
                    "piano piano piano harpsichord", "alberti arpeggio rolling chorale", low=48
                ),
            ),
            leads=(Lead("piano piano piano harpsichord", low=67, span=19),),
        ),
        Ensemble(
            weight=2,
            bass="cello contrabass",
            players=(
                Accompaniment("strings slow_strings viola", "pad repeated chorale rolling", low=53),
            ),
            leads=(Lead("violin violin flute oboe clarinet", low=67, span=19),),
        ),
        Ensemble(
            weight=2,
            kits="orchestra",
            bass="contrabass",
            players=(
                Accompaniment("strings", "tremolo quarters repeated pad", low=55),
                Accompaniment("french_horn brass trombone", "pad halves stabs", low=50),
                Accompaniment("timpani", "drum_roll", low=48, gain_db=-2),
            ),
            leads=(Lead("trumpet french_horn strings violin", low=62, span=19, double=7),),
        ),
        Ensemble(
            weight=1,
            players=(
                Accompaniment("nylon_guitar harp", "picking arpeggio sixteenths rolling", low=50),
            ),
            leads=(Lead("nylon_guitar flute harp violin", low=67, span=17),),
        ),
        Ensemble(
            weight=1,
            bass="bassoon cello",
            players=(
                Accompaniment("clarinet french_horn oboe", "quarters pad repeated", low=55),
                Accompaniment(
                    "choir pizzicato_strings harpsichord", "chorale pad quarters", low=53
                ),
            ),
            leads=(Lead("oboe flute clarinet voice", low=65, span=17),),
        ),
    ),
    kin="jazz pop pop country metal",
    dynamics=(48, 108),
    rubato=0.05,
    drum_gain_db=(-10.0, -3.0),
    bass_gain_db=(-4.0, 1.0),
    rest=0.1,
    leap=0.27,
    grace=0.02,
)

COUNTRY = Style(
    tempo=(72, 152),
    swing=(0.5, 0.62),
    grooves="train train two_step two_step waltz rock shuffle side_stick_ballad",
    bass_lines="two_beat two_beat halves quarters walking",
    rhythms="folk folk pickup singing eighths running late",
    harmonies=(
        ("pentatonic major", "I I IV I I I V V I I7 IV I I V I I"),
        ("pentatonic major", "I IV I V I IV I,V I"),
        ("major mixolydian", "I I bVII IV I I V I"),
        ("pentatonic major", "I vi IV V"),
        ("major", "I II7 V7 I IV I V7 I"),
    ),
    ensembles=(
        Ensemble(
            weight=6,
            kits="standard room",
            bass="finger_bass acoustic_bass",
            players=(
                Accompaniment("acoustic_guitar", "boom_chick strum", low=50, strum=0.012),
                Accompaniment("banjo electric_guitar piano", "sixteenths picking backbeat", low=55),
            ),
            leads=(
                Lead("electric_guitar electric_guitar harmonica", low=62, span=17),
                Lead("violin", low=67, span=17, double=2),
            ),
        ),
        Ensemble(
            weight=2,
            bass="acoustic_bass",
            players=(
                Accompaniment("banjo", "sixteenths picking", low=55),
                Accompaniment("acoustic_guitar", "boom_chick", low=50, strum=0.01),
            ),
            leads=(Lead("violin banjo acoustic_guitar harmonica", low=65, span=17, double=2),),
        ),
        Ensemble(
            weight=0.7,
            players=(
                Accompaniment("acoustic_guitar nylon_guitar", "picking strum", low=50, strum=0.012),
            ),
            leads=(Lead("voice_lead harmonica acoustic_guitar", low=60, span=15),),
        ),
        Ensemble(
            weight=1.5,
            kits="standard brush",
            bass="finger_bass",
            players=(
                Accompaniment(
                    "honky_tonk_piano piano accordion", "boom_chick oom_pah eighths", low=52
                ),
                Accompaniment("slow_strings acoustic_guitar", "pad strum", low=55, strum=0.008),
            ),
            leads=(
                Lead(
                    "violin violin jazz_guitar overdriven_guitar voice_lead",
                    low=62,
                    span=16,
                    double=2,
                ),
            ),
        ),
    ),
    kin="blues rock pop rock classical",
    drum_gain_db=(-8.0, -1.0),
    bass_gain_db=(-5.0, 1.0),
    rest=0.17,
    leap=0.23,
    grace=0.28,
)

DISCO = Style(
    tempo=(92, 138),
    swing=(0.5, 0.53),
    grooves="disco disco disco_latin disco_latin dance breakbeat",
    bass_lines="octaves octaves funk riff syncopated",
    rhythms="pushed hook late singing riff long",
    harmonies=(
        ("minor dorian", "i7 i7 iv7 iv7 i7 i7 bVII bVII"),
        ("dorian", "i7 IV9 i7 IV9"),
        ("minor", "i7 bVII bVImaj7 V7"),
        ("major", "Imaj7 vi7 ii7 V7sus4"),
        ("harmonic_minor", "i7 iv7 bVII bIIImaj7 bVImaj7 iim7b5 V7 V7"),
        ("major", "vi7 ii7 V7 Imaj7"),
    ),
    ensembles=(
        Ensemble(
            weight=8,
            kits="standard room electronic",
            bass="finger_bass slap_bass synth_bass",
            players=(
                Accompaniment(
                    "electric_guitar muted_guitar clavinet", "funk_strum", low=57, hold=0.5
                ),
                Accompaniment("strings synth_strings", "pad stabs held_fifth", low=62),
                Accompaniment(
                    "electric_piano piano brass", "stabs offbeats comping", low=55, hold=0.6
                ),
            ),
            leads=(
                Lead("strings synth_strings brass", low=67, span=17, double=7),
                Lead("trumpet saxophone voice_lead strings", low=67, span=15),
            ),
        ),
        Ensemble(
            weight=1.5,
            kits="electronic 808 standard",
            bass="synth_bass fat_synth_bass",
            players=(
                Accompaniment(
                    "polysynth synth_brass", "house offbeats sixteenths", low=57, hold=0.6
                ),
                Accompaniment("synth_strings warm_pad", "pad", low=60),
            ),
            leads=(Lead("saw_lead square_lead synth_voice voice_lead", low=62, span=17),),
        ),
        Ensemble(
            weight=1.5,
            kits="standard room",
            bass="finger_bass",
            players=(
                Accompaniment("piano bright_piano", "house eighths offbeats", low=57, hold=0.7),
                Accompaniment("brass synth_brass", "stabs", low=60, hold=0.5),
            ),
            leads=(Lead("flute voice_lead voice saxophone", low=64, span=16, double=2),),
        ),
    ),
    kin="pop hiphop pop reggae jazz",
    drum_gain_db=(-2.0, 4.0),
    rest=0.25,
    leap=0.25,
    grace=0.0,
)

HIPHOP = Style(
    tempo=(68, 128),
    swing=(0.5, 0.62),
    swung_steps=2,
    grooves="boom_bap boom_bap trap trap breakbeat half_time",
    bass_lines="low_synth low_synth syncopated roots funk",
    rhythms="rapped rapped rapped_late hook sparse riff",
    harmonies=(
        ("minor_pentatonic minor", "i i i i"),
        ("minor_pentatonic", "i7 iv7 i7 iv7"),
        ("minor", "i bVI i bVI"),
        ("phrygian", "i bII i bII"),
        ("dorian", "ii7 V9 Imaj7 VI7"),
        ("minor", "i bVImaj7 bIII bVII"),
    ),
    ensembles=(
        Ensemble(
            weight=8,
            kits="808 808 electronic standard",
            bass="synth_bass fat_synth_bass",
            players=(
                Accompaniment("electric_piano piano vibraphone", "sampled_loop halves", low=57),
                Accompaniment("warm_pad synth_strings slow_strings", "pad", low=57, gain_db=-10),
            ),
            leads=(
                Lead("synth_voice", low=52, span=7, hold=0.7),
                Lead("square_lead saw_lead flute", low=67, span=12),
            ),
        ),
        Ensemble(
            weight=2,
            kits="standard room jazz",
            bass="acoustic_bass finger_bass",
            players=(
                Accompaniment(
                    "fm_piano electric_piano jazz_guitar", "stabs sampled_loop", low=55, hold=0.7
                ),
                Accompaniment("brass muted_trumpet", "stabs", low=57, hold=0.4, gain_db=-8),
            ),
            leads=(Lead("synth_voice synth_voice voice_lead", low=50, span=8, hold=0.7),),
        ),
        Ensemble(
            weight=1.5,
            kits="808 electronic power",
            bass="fat_synth_bass",
            players=(
                Accompaniment(
                    "strings pizzicato_strings", "sampled_loop eighths stabs", low=57, hold=0.7
                ),
                Accompaniment("choir polysynth", "pad", low=55, gain_db=-10),
            ),
            leads=(Lead("voice_lead synth_voice", low=50, span=8, hold=0.7),),
        ),
        Ensemble(
            weight=1,
            kits="808 standard",
            players=(Accompaniment("piano nylon_guitar harp", "sampled_loop picking", low=55),),
            leads=(Lead("synth_voice", low=52, span=8, hold=0.7),),
        ),
    ),
    kin="disco reggae pop jazz",
    drum_gain_db=(0.0, 6.0),
    bass_gain_db=(1.0, 7.0),
    rest=0.12,
    leap=0.12,
    grace=0.12,
)

JAZZ = Style(
    tempo=(62, 190),
    swing=(0.56, 0.67),
    grooves="swing swing swing_hat brushes bossa jazz_waltz",
    bass_lines="walking walking walking halves bossa",
    rhythms="bebop bebop swing_line running late call pickup",
    harmonies=(
        ("major", "ii7 V7 Imaj7 VI7"),
        ("major", "Imaj7,VI7 ii7,V7 iii7,VI7 ii7,V7 I7 IV7,#ivo7 I6,VI7 ii7,V7"),
        ("dorian", "i7 i7 i7 i7 bii7 bii7 i7 i7"),
        ("harmonic_minor", "iim7b5 V7 i7 i7 iv7 bVII9 bIIImaj7 bVImaj7"),
        ("blues mixolydian", "I7 IV9 I7 I7 IV9 #ivo7 I7 VI7 ii7 V9 I7,VI7 ii7,V7"),
        ("major", "Imaj7 II9 ii7 V9 Imaj7 bIImaj7"),
    ),
    ensembles=(
        Ensemble(
            weight=8,
            kits="jazz brush",
            bass="acoustic_bass",
            players=(
                Accompaniment("piano piano jazz_guitar", "charleston comping", low=53, hold=0.7),
            ),
            leads=(
                Lead("tenor_saxophone saxophone soprano_saxophone", low=58, span=21),
                Lead("trumpet muted_trumpet trombone", low=58, span=19),
                Lead("vibraphone jazz_guitar flute piano", low=62, span=21),
            ),
        ),
        Ensemble(
            weight=1.5,
            players=(Accompaniment("piano", "stride comping charleston", low=50),),
            leads=(Lead("piano piano clarinet", low=65, span=21),),
        ),
        Ensemble(
            weight=1.5,
            kits="standard room jazz",
            bass="acoustic_bass",
            players=(
                Accompaniment("brass", "comping stabs", low=57, hold=0.5),
                Accompaniment("piano jazz_guitar", "quarters charleston", low=52, hold=0.5),
            ),
            leads=(
                Lead("brass saxophone", low=60, span=17, double=2),
                Lead("trumpet clarinet trombone", low=62, span=17),
            ),
        ),
        Ensemble(
            weight=1.5,
            kits="brush jazz",
            bass="acoustic_bass fretless_bass",
            players=(
                Accompaniment(
                    "jazz_guitar nylon_guitar", "comping quarters", low=52, hold=0.8, strum=0.008
                ),
                Accompaniment("drawbar_organ slow_strings fm_piano", "pad charleston", low=55),
            ),
            leads=(Lead("flute voice_lead vibraphone saxophone", low=62, span=17),),
        ),
    ),
    kin="blues classical pop hiphop blues",
    dynamics=(55, 105),
    drum_gain_db=(-8.0, -1.0),
    rest=0.17,
    leap=0.3,
    grace=0.15,
)

METAL = Style(
    tempo=(76, 190),
    swing=(0.5, 0.5),
    grooves="double_bass thrash gallop blast half_time rock_push",
    bass_lines="eighths gallop pumping roots eighths",
    rhythms="virtuoso semiquavers long held running riff",
    harmonies=(
        ("minor harmonic_minor", "i i bVI bVII"),
        ("phrygian", "i i bII i"),
        ("harmonic_minor", "i bVI iv V"),
        ("minor", "i bIII bVII bVI"),
        ("phrygian", "i,bII i,bIII i,bII bVII,bII"),
        ("minor", "i bVI bIII bVII"),
    ),
    ensembles=(
        Ensemble(
            weight=8,
            kits="power room standard",
            bass="pick_bass finger_bass",
            players=(
                Accompaniment(
                    "distortion_guitar", "chug gallop tremolo_power power", low=38, gain_db=-4
                ),
                Accompaniment(
                    "distortion_guitar overdriven_guitar", "power chug", low=40, gain_db=-6
                ),
            ),
            leads=(
                Lead("distortion_guitar overdriven_guitar", low=60, span=24, double=2),
                Lead("synth_voice distortion_guitar", low=52, span=9, hold=0.8),
            ),
        ),
        Ensemble(
            weight=1.5,
            kits="power room",
            bass="pick_bass",
            players=(
                Accompaniment("distortion_guitar", "power gallop", low=38, gain_db=-4),
                Accompaniment("choir strings synth_strings", "pad held_fifth", low=57, gain_db=-4),
            ),
            leads=(Lead("voice_lead violin distortion_guitar saw_lead", low=64, span=17),),
        ),
        Ensemble(
            weight=1,
            bass="fretless_bass",
            players=(
                Accompaniment("electric_guitar acoustic_guitar", "arpeggio picking", low=50),
                Accompaniment("slow_strings choir", "pad", low=55, gain_db=-9),
            ),
            leads=(Lead("distortion_guitar nylon_guitar cello", low=60, span=17),),
        ),
        Ensemble(
            weight=1,
            kits="power standard",
            bass="pick_bass",
            players=(
                Accompaniment("overdriven_guitar", "power power_eighths chug", low=40, gain_db=-4),
                Accompaniment("rock_organ piano", "eighths pad arpeggio", low=55),
            ),
            leads=(Lead("overdriven_guitar voice_lead rock_organ", low=60, span=19),),
        ),
    ),
    kin="rock rock rock classical hiphop",
    dynamics=(80, 118),
    drum_gain_db=(-4.0, 3.0),
    bass_gain_db=(-4.0, 2.0),
    rest=0.3,
    leap=0.25,
    grace=0.15,
)

POP = Style(
    tempo=(66, 140),
    swing=(0.5, 0.55),
    grooves="pop pop dance ballad side_stick_ballad breakbeat six_eight",
    bass_lines="eighths roots dotted syncopated melodic octaves",
    rhythms="singing pushed late hook pickup folk long",
    harmonies=(
        ("major pentatonic", "I V vi IV"),
        ("major pentatonic", "vi IV I V"),
        ("major", "I vi IV V"),
        ("major", "Imaj7 iii7 IVmaj7 V7sus4"),
        ("major", "I V,vi IV I,V"),
        ("minor", "i bVI bIII bVII"),
        ("major", "IVmaj7 V iii7 vi7 ii7 V7 I I7"),
    ),
    ensembles=(
        Ensemble(
            weight=6,
            kits="standard electronic room",
            bass="finger_bass synth_bass",
            players=(
                Accompaniment(
                    "electric_piano piano polysynth", "eighths rolling pad stabs", low=55
                ),
                Accompaniment("electric_guitar muted_guitar", "strum arpeggio funk_strum", low=52),
                Accompaniment("warm_pad slow_strings", "pad", low=58, gain_db=-10),
            ),
            leads=(
                Lead("voice_lead voice_lead voice synth_voice", low=60, span=15),
                Lead("saxophone square_lead saw_lead", low=62, span=15),
            ),
        ),
        Ensemble(
            weight=1.5,
            players=(
                Accompaniment(
                    "piano acoustic_guitar electric_piano", "arpeggio quarters strum", low=50
                ),
            ),
            leads=(Lead("voice_lead voice", low=60, span=14),),
        ),
        Ensemble(
            weight=1.5,
            kits="standard room",
            bass="finger_bass fretless_bass",
            players=(
                Accompaniment("acoustic_guitar", "strum picking", low=52, strum=0.012),
                Accompaniment("strings piano", "pad quarters", low=58),
            ),
            leads=(Lead("voice_lead voice harmonica violin", low=60, span=15, double=2),),
        ),
        Ensemble(
            weight=1.5,
            kits="electronic 808",
            bass="synth_bass fat_synth_bass",
            players=(
                Accompaniment(
                    "polysynth saw_lead synth_strings",
                    "house offbeats sixteenths",
                    low=57,
                    hold=0.6,
                ),
                Accompaniment("warm_pad choir", "pad", low=57, gain_db=-10),
            ),
            leads=(Lead("synth_voice voice_lead square_lead", low=62, span=15, double=7),),
        ),
    ),
    kin="rock disco jazz hiphop country reggae",
    rest=0.15,
    leap=0.22,
    grace=0.03,
)

REGGAE = Style(
    tempo=(62, 150),
    swing=(0.5, 0.6),
    grooves="one_drop one_drop rockers rockers steppers",
    bass_lines="one_drop skipping skipping melodic syncopated",
    rhythms="late late call answer singing sparse hook",
    harmonies=(
        ("major pentatonic", "I V vi IV"),
        ("major mixolydian", "I IV I IV"),
        ("minor minor_pentatonic", "i iv i iv"),
        ("minor", "i bVII i bVII"),
        ("major pentatonic", "I ii I ii"),
        ("minor", "i i iv V7"),
    ),
    ensembles=(
        Ensemble(
            weight=8,
            kits="standard room",
            bass="finger_bass fretless_bass",
            players=(
                Accompaniment(
                    "electric_guitar muted_guitar", "skank double_skank afterbeat", low=57, hold=0.4
                ),
                Accompaniment(
                    "drawbar_organ percussive_organ piano", "bubble skank", low=55, hold=0.6
                ),
            ),
            leads=(
                Lead("voice", low=58, span=14),
                Lead("brass trombone trumpet", low=60, span=14, double=2),
                Lead("trombone harmonica", low=60, span=14),
            ),
        ),
        Ensemble(
            weight=1.5,
            kits="standard electronic",
            bass="synth_bass finger_bass",
            players=(
                Accompaniment("clavinet electric_piano", "skank stabs", low=57, hold=0.5),
                Accompaniment("electric_guitar", "double_skank skank", low=60, hold=0.3),
                Accompaniment("warm_pad synth_strings", "pad", low=57, gain_db=-11),
            ),
            leads=(Lead("synth_voice voice_lead square_lead", low=57, span=13),),
        ),
        Ensemble(
            weight=1,
            players=(
                Accompaniment(
                    "acoustic_guitar nylon_guitar",
                    "skank strum afterbeat",
                    low=52,
                    hold=0.6,
                    strum=0.01,
                ),
            ),
            leads=(Lead("voice_lead harmonica", low=60, span=14),),
        ),
        Ensemble(
            weight=1,
            kits="standard room",
            bass="finger_bass",
            players=(
                Accompaniment("piano brass", "offbeats stabs skank", low=57, hold=0.5),
                Accompaniment("steel_drums muted_guitar", "rolling skank", low=60),
            ),
            leads=(Lead("trombone saxophone flute steel_drums", low=62, span=15, double=2),),
        ),
    ),
    kin="pop hiphop disco rock",
    drum_gain_db=(-4.0, 2.0),
    bass_gain_db=(2.0, 8.0),
    rest=0.25,
    leap=0.22,
    grace=0.05,
)

ROCK = Style(
    tempo=(70, 162),
    swing=(0.5, 0.56),
    grooves="rock rock rock_push rock_ride ballad half_time six_eight",
    bass_lines="eighths eighths quarters dotted riff roots",
    rhythms="riff pushed late call singing semiquavers held",
    harmonies=(
        ("minor_pentatonic mixolydian", "I bVII IV I"),
        ("pentatonic", "I V IV I"),
        ("minor_pentatonic", "i bVII bVI bVII"),
        ("pentatonic major", "I IV V IV"),
        ("major", "vi IV I V"),
        ("minor_pentatonic", "I bIII IV I"),
        ("blues", "I I I I IV IV I I V IV I V"),
    ),
    ensembles=(
        Ensemble(
            weight=8,
            kits="room standard power",
            bass="pick_bass finger_bass",
            players=(
                Accompaniment("overdriven_guitar distortion_guitar", "power_eighths power", low=40),
                Accompaniment("electric_guitar overdriven_guitar", "strum arpeggio stabs", low=52),
            ),
            leads=(
                Lead("voice_lead overdriven_guitar", low=57, span=15),
                Lead("overdriven_guitar distortion_guitar", low=60, span=21),
            ),
        ),
        Ensemble(
            weight=1.5,
            kits="room standard",
            bass="finger_bass pick_bass",
            players=(
                Accompaniment("rock_organ drawbar_organ piano", "pad quarters eighths", low=55),
                Accompaniment("overdriven_guitar electric_guitar", "power strum", low=45),
            ),
            leads=(Lead("voice_lead overdriven_guitar rock_organ", low=58, span=17),),
        ),
        Ensemble(
            weight=1.2,
            kits="standard",
            bass="finger_bass",
            players=(
                Accompaniment("piano", "quarters arpeggio eighths", low=52),
                Accompaniment("slow_strings electric_guitar", "pad arpeggio", low=57),
            ),
            leads=(Lead("voice_lead electric_guitar", low=58, span=15),),
        ),
        Ensemble(
            weight=1,
            players=(
                Accompaniment(
                    "acoustic_guitar electric_guitar", "strum picking", low=50, strum=0.012
                ),
            ),
            leads=(Lead("voice_lead voice electric_guitar", low=58, span=15),),
        ),
    ),
    kin="blues metal pop country metal",
    dynamics=(75, 115),
    rest=0.22,
    leap=0.25,
    grace=0.22,
)

STYLES: Mapping[str, Style] = {
    "blues": BLUES,
    "classical": CLASSICAL,
    "country": COUNTRY,
    "disco": DISCO,
    "hiphop": HIPHOP,
    "jazz": JAZZ,
    "metal": METAL,
    "pop": POP,
    "reggae": REGGAE,
    "rock": ROCK,
}
GENRES: tuple[str, ...] = tuple(STYLES)
