"""``auralise invert``: what the layers of SVDNet have kept of excerpts of songs."""

import argparse
import glob
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from auralise.choices import PHASES, SCALES
from auralise.cli.arguments import (
    add_channel,
    add_songs,
    exit_status,
    name_songs,
    prepare_folder,
    seed,
    spare_inputs,
    table,
    time,
)
from auralise.errors import AuraliseError, message_of, printable

if TYPE_CHECKING:
    from torch import nn

    from auralise.inversion.excerpts import Inversions
    from auralise.inversion.subjects import Subject

DESCRIPTION = """\
See and hear what layers of a singing voice detector have kept of an excerpt of each song.

An inverter, a network trained for it, turns a layer's features back into the spectrogram.
"""

EPILOG = """\
example:
  auralise invert song.mp3 jamendo/filelists/test --classifier jamendo_augment.npz \\
      --meanstd jamendo_meanstd.npz \\
      --inverter jamendo_augment_gen_fc8_a26.npz jamendo_augment_gen_conv5_a7.npz \\
      --time-index 33 --out inverted

  writes
    inverted/song/song.png, song.pdf     the input above its inversions, with predictions
    inverted/song/original.wav           the excerpt, 1.6 s
    inverted/song/input.wav              what the classifier's 80 mel bands keep of it
    inverted/song/conv5.wav, fc8.wav     what is left of it in those layers
    inverted/song/inversions.npz         the pictures as numbers
  and the same for each song of the list, which lie in jamendo/audio

files:
  The published Lasagne .npz, or what the workflow trains (config/inversion.yaml). The layer of an
  inverter and the number and width of its blocks are read off its file.

time:
  Frames begin at their time, as published: the first one of an excerpt holds what sounds from
  --time-index on. Pictures and sounds go from the middle of the first to that of the last.

exit status:
  0 all songs are inverted; 1 some could not be, and are named; 2 none was, or the command is
  mistaken.
"""


def add_parser(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of the command line."""
    parser = commands.add_parser(
        "invert",
        help="invert the features of a singing voice detector on songs",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_songs(parser)
    add = parser.add_argument
    add("--classifier", type=Path, required=True, metavar="FILE", help="weights of SVDNet")
    add(
        "--inverter",
        type=Path,
        required=True,
        nargs="+",
        metavar="FILE",
        help="weights of the inverter of one layer, or of several",
    )
    add("--meanstd", type=Path, required=True, metavar="FILE", help="mean and std of the bands")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add(
        "--time-index",
        type=time,
        metavar="SECONDS",
        help="where the excerpt begins (default: drawn between 10 and 20 s)",
    )
    add_channel(parser)
    add("--seed", type=seed, default=0, metavar="N", help="of that draw (default: %(default)s)")
    add(
        "--scale",
        choices=SCALES,
        default=SCALES[0],
        help="one scale for all pictures, or each from its lowest to its highest value "
        "(default: %(default)s)",
    )
    add(
        "--phase",
        choices=PHASES,
        default=PHASES[0],
        help="of the sounds: the song's own, or one found by Griffin & Lim (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Invert the features on each song, and print a summary."""
    songs = name_songs(options.songs)
    prepare_folder(options.out)

    from auralise.inversion.subjects import read_inverters, read_subject

    subject = read_subject(options.classifier, options.meanstd)
    networks = read_inverters(options.inverter, subject, options.classifier)
    weights = [options.classifier, options.meanstd, *options.inverter]
    spare_inputs([*songs.values(), *weights], [options.out / song for song in songs])
    failures: dict[str, str] = {}
    for number, (song, path) in enumerate(songs.items()):
        try:
            found = _invert(options, subject, networks, path, options.seed + 1000 * number)
        except (AuraliseError, OSError) as error:
            failures[printable(song)] = reason = message_of(error)
            print(f"auralise: error: {reason}", file=sys.stderr)
        else:
            print(summary(found, options.out / song))
    if len(songs) > 1:
        for song, reason in failures.items():
            print(f"not inverted: {song} ({reason})")
    return exit_status(len(failures), len(songs))


def _invert(
    options: argparse.Namespace,
    subject: "Subject",
    networks: Mapping[str, "nn.Module"],
    path: Path,
    seed: int,
) -> "Inversions":
    """Invert one song into its folder, whole or not at all."""
    from auralise.figures.inversion import draw_inversions
    from auralise.figures.style import save_figure
    from auralise.files import require_replaceable, whole_folder
    from auralise.inversion.excerpts import invert_song

    folder = options.out / path.stem
    sounds = [f"{name}.wav" for name in ("original", "input", *subject.layers)]
    pictures = [f"{path.stem}.{kind}" for kind in ("png", "pdf")]
    ours = [*sounds, *map(glob.escape, pictures), "inversions.npz"]
    require_replaceable(folder, ours, "inversion", "inversions.npz")
    with whole_folder(folder) as partial:
        found = invert_song(
            path,
            subject,
            networks,
            partial,
            classifier=options.classifier.stem,
            time=options.time_index,
            phase=options.phase,
            seed=seed,
            channel=options.channel,
        )
        figure = draw_inversions(found, options.scale)
        save_figure(figure, *(partial / picture for picture in pictures))
    return found


def summary(found: "Inversions", folder: Path) -> str:
    """The table printed at the end: one row for the input and one for each layer."""
    rows = [("", "prediction", "distance", "sound")]
    rows.append(("input", found.prediction, "", str(folder / "input.wav")))
    for layer, inversion in found.layers.items():
        distance = float(((inversion - found.picture) ** 2).mean() ** 0.5)
        rows.append(
            (layer, found.predictions[layer], f"{distance:.3f}", str(folder / f"{layer}.wav"))
        )
    return "\n".join(
        [
            f"{found.song}, {found.duration:.2f} s from {found.time:.2f} s on",
            *table(rows),
            "distance: root mean square of what differs, in deviations of a band",
        ]
    )
