"""``auralise predict``: what a network answers for songs."""

import argparse
import csv
import sys

from auralise.cli.arguments import add_channel, add_songs, count, exit_status, name_songs
from auralise.cli.networks import add_network_options, read_asked_network
from auralise.errors import message_of

DESCRIPTION = """\
Print what a network answers for your songs, as CSV: song,class,probability.

The probability is the mean over the song, window by window. A song whose answers make no sense
is not what the network was trained on; what explains its features then says little.
"""

EPILOG = """\
example:
  auralise predict blues.wav --network musicnn/MTT_vgg --top 3

published networks:
  musicnn/MTT_vgg and musicnn/MSD_vgg, from the package musicnn, of which nothing is run:
  pip install --no-deps musicnn==0.1.0

exit status:
  0 all songs are answered; 1 some could not be, and are named; 2 none was, or the command is
  mistaken.
"""


def add_parser(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of the command line."""
    predict = commands.add_parser(
        "predict",
        help="print what a network answers for songs",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    add_songs(predict)
    predict.add_argument(
        "--top",
        type=count,
        default=10,
        metavar="N",
        help="how many classes of each song, the likeliest first (default: %(default)s)",
    )
    add_channel(predict)
    add_network_options(predict)
    predict.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the answers for all songs."""
    songs = name_songs(options.songs)

    from auralise.networks.prediction import predict_songs

    asked = read_asked_network(options)
    for assumption in asked.assumptions:
        print(f"assumed: {assumption}", file=sys.stderr)
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(("song", "class", "probability"))
    n_failed = 0
    for song, path in songs.items():
        answers, failures = predict_songs(
            asked.network,
            {song: path},
            asked.stft,
            asked.classes,
            asked.n_frames,
            options.top,
            options.channel,
        )
        table.writerows(answers.itertuples(index=False))
        for error in failures.values():
            print(f"auralise: error: {message_of(error)}", file=sys.stderr)
            n_failed += 1
    return exit_status(n_failed, len(songs))
