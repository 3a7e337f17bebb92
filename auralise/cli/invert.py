"""``auralise invert``: what the layers of SVDNet have kept of an excerpt of a song."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from auralise.choices import PHASES, SCALES
from auralise.cli.arguments import (
    DONE,
    add_channel,
    prepare_folder,
    seed,
    spare_inputs,
    table,
    time,
)
from auralise.errors import SettingsError, WeightsError

if TYPE_CHECKING:
    from auralise.inversion.excerpts import Inversions
    from auralise.weights.svdnet import Inverter

DESCRIPTION = """\
See and hear what layers of a singing voice detector have kept of an excerpt of a song.

An inverter, a network trained for it, turns a layer's features back into the spectrogram.
"""

EPILOG = """\
example:
  auralise invert song.mp3 --classifier jamendo_augment.npz --meanstd jamendo_meanstd.npz \\
      --inverter jamendo_augment_gen_fc8_a26.npz jamendo_augment_gen_conv5_a7.npz \\
      --time-index 33 --out inverted

  writes
    inverted/song/song.png, song.pdf     the input above its inversions, with predictions
    inverted/song/original.wav           the excerpt, 1.6 s
    inverted/song/input.wav              what the classifier's 80 mel bands keep of it
    inverted/song/conv5.wav, fc8.wav     what is left of it in those layers
    inverted/song/inversions.npz         the pictures as numbers

files:
  The published Lasagne .npz, or what the workflow trains (config/inversion.yaml). The layer of an
  inverter and the number and width of its blocks are read off its file.

exit status:
  0 done; 2 an error, which is explained.
"""


def add_parser(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of the command line."""
    parser = commands.add_parser(
        "invert",
        help="invert the features of a singing voice detector on a song",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("song", type=Path, metavar="SONG", help="a sound file")
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
    """Invert the features and print a summary."""
    prepare_folder(options.out)

    from auralise.figures.inversion import draw_inversions
    from auralise.figures.style import save_figure
    from auralise.files import require_replaceable, whole_folder
    from auralise.inversion.excerpts import invert_song
    from auralise.inversion.subjects import read_subject

    subject = read_subject(options.classifier, options.meanstd)
    inverters = _read_inverters(options, subject.layers)
    song = options.song.stem
    folder = options.out / song
    sounds = [f"{name}.wav" for name in ("original", "input", *subject.layers)]
    pictures = [f"{song}.{kind}" for kind in ("png", "pdf")]
    spare_inputs([options.song, options.classifier, options.meanstd, *options.inverter], [folder])
    ours = [*sounds, *pictures, "inversions.npz"]
    require_replaceable(folder, ours, "inversion", "inversions.npz")
    with whole_folder(folder) as partial:
        found = invert_song(
            options.song,
            subject,
            {layer: inverter.network for layer, inverter in inverters.items()},
            partial,
            classifier=options.classifier.stem,
            time=options.time_index,
            phase=options.phase,
            seed=options.seed,
            channel=options.channel,
        )
        figure = draw_inversions(found, options.scale)
        save_figure(figure, *(partial / picture for picture in pictures))
    print(summary(found, folder))
    return DONE


def _read_inverters(options: argparse.Namespace, layers: tuple[str, ...]) -> dict[str, "Inverter"]:
    """Inverters by layer, from the input on; refuses those of another classifier."""
    from auralise.files import sha256_of_file
    from auralise.weights.svdnet import read_inverter

    found: dict[str, Inverter] = {}
    sources: dict[str, Path] = {}
    for path in options.inverter:
        inverter = read_inverter(path)
        if inverter.layer in found:
            raise SettingsError(
                f"--inverter: {sources[inverter.layer]} and {path} are both for "
                f"'{inverter.layer}'; give one"
            )
        if inverter.classifier_sha256 is None:
            print(
                f"auralise: {path} does not say which classifier it was trained on; assuming "
                f"{options.classifier}",
                file=sys.stderr,
            )
        elif inverter.classifier_sha256 != sha256_of_file(options.classifier):
            raise WeightsError(
                f"{path}: was trained on another classifier than {options.classifier}; give the "
                "weights file that it was trained on"
            )
        found[inverter.layer], sources[inverter.layer] = inverter, path
    for layer, path in sources.items():
        if layer not in layers:
            raise WeightsError(
                f"{path}: the inverter of '{layer}', a layer that {options.classifier} does not "
                f"have; expected one of {', '.join(layers)}"
            )
    return {layer: found[layer] for layer in layers if layer in found}


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
