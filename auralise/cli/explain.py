"""``auralise explain``: one's own network on one's own songs."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from auralise.choices import DURATION, EDGES, LOUDNESS, MODES, PRECISIONS
from auralise.cli.arguments import (
    DONE,
    FAILED,
    SOME_FAILED,
    add_channel,
    duration,
    layers,
    name_songs,
    prepare_folder,
    ranges,
    spare_inputs,
    table,
)
from auralise.cli.networks import add_network_options, read_asked_network
from auralise.errors import AuraliseError, SettingsError, message_of, printable

if TYPE_CHECKING:
    import numpy as np

    from auralise.audio import Excerpt, Stft
    from auralise.explainers.songs import Explanation

DESCRIPTION = """\
Hear what each feature of a trained convolutional network listens to in your songs.

Every feature of every layer is walked back to the spectrogram (deconvolution); what it lets
through of the song becomes a sound. Songs may have any length.
"""

EPILOG = """\
example:
  auralise explain blues.wav metal.mp3 --weights network.pt --out explained --layers 1,3-5

  writes, for each of the two songs,
    explained/blues.h5                       every map: /layer1/deconvolved, /layer3/…
    explained/blues/original.wav             the song as the network sees it: mono, 11,025 Hz
    explained/blues/layer3/feature00.wav     what feature 0 of layer 3 lets through
    explained/blues/features.csv             level, gain, re-hearing … of each sound
    explained/blues/auralisation.json        the mode and loudness of the sounds

how to read it:
  Play original.wav, then the features of a layer: a feature that keeps only the drums listens to
  onsets, one that keeps only the bass to low frequencies. Layers are counted from 1 at the input,
  features from 0. A feature is 'dead' on a song if it never fired there: its sound is silent.
  Compare with an untrained network before you believe that something was learned. The maps,
  (feature, frequency, time), open in any HDF5 reader:
  xarray.open_dataset("explained/blues.h5", group="layer3").

network:
  PyTorch state dict or safetensors, ONNX, Keras .h5 or .keras, Lasagne .npz, or auralise's own.
  The class that the weights belong to is named with --module. Without it, a file without an
  architecture is refused, unless --assume says that it is a network as in 2015. The network's
  input is the magnitude of the STFT that --sample-rate, --n-fft and --hop-length describe: give
  those it was trained with. For a network that takes mel bands, decibels or the like, give the
  steps from one to the other with --front-end, a file such as
    - power: 2
    - mel: {n_bands: 96, fmax: 8000}
    - log1p: {gain: 10000, base: 10}
  'auralise layers' lists what can be explained of a network.

exit status:
  0 all songs are explained; 1 some could not be, the table says which; 2 none was, or the
  command is mistaken. Results appear when they are whole, in place of earlier ones.
"""


def add_parser(commands: "argparse._SubParsersAction") -> None:
    """Add the command to those of the command line."""
    explain = commands.add_parser(
        "explain",
        help="explain a network of your own on songs of your own",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = explain.add_argument
    add("songs", nargs="+", type=Path, metavar="SONG", help="a sound file, or a folder of them")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_network_options(explain)
    what = explain.add_argument_group("what to explain")
    add = what.add_argument
    add(
        "--layers",
        type=layers,
        metavar="1,3-5",
        help="counted from 1, or paths of modules such as features.block2 (default: all)",
    )
    add(
        "--features",
        type=ranges,
        metavar="0-63",
        help="counted from 0 (default: all; in a network of more than 1,024, the 64 strongest of "
        "each layer on the song)",
    )
    how = explain.add_argument_group("how")
    add = how.add_argument
    add(
        "--window",
        type=duration,
        default=DURATION,
        metavar="SECONDS",
        help="longer songs are explained in overlapping windows of this length, cross-faded; "
        "memory grows with it (default: %(default)s)",
    )
    add_channel(how)
    add(
        "--mode",
        choices=MODES,
        default=MODES[0],
        help="song × map; song × its magnitude; song × its positive part; or the positive part "
        "with the song's phase (default: %(default)s)",
    )
    add(
        "--loudness",
        choices=LOUDNESS,
        default=LOUDNESS[0],
        help="every sound as loud as can be, or a layer's sounds in proportion to each other "
        "(default: %(default)s)",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="bfloat16 is faster where the processor has it, within 0.5 %% (default: %(default)s)",
    )
    add("--device", default="cpu", help="where torch computes: cpu, cuda (default: %(default)s)")
    add(
        "--pictures",
        action="store_true",
        help="beside each sound its map and what is heard of the song, feature00_map.png and "
        "feature00_heard.png",
    )
    add(
        "--no-rehearing",
        dest="rehearing",
        action="store_false",
        help="do not give the sounds back to the network; features.csv then has no percentiles",
    )
    add(
        "--as-in-2015",
        action="store_true",
        help=f"the published procedure: the first {DURATION:g} s, reflected at their ends; no "
        "biases; song × map at a peak of 0 dB; both pictures; a file without an architecture is "
        "that of 2015 (--assume)",
    )
    explain.set_defaults(run=run)


@dataclass(frozen=True)
class Failure:
    """A song that could not be explained, and why."""

    song: str
    reason: str


def follow_2015(options: argparse.Namespace) -> None:
    """Set the options of the published procedure (Choi 2015, code)."""
    from auralise.auralisation import AS_IN_2015

    options.assume, options.biases, options.pictures = True, False, True
    options.mode, options.loudness = AS_IN_2015.mode, AS_IN_2015.loudness
    options.window = DURATION


def song_of(samples: "np.ndarray", stft: "Stft", as_in_2015: bool) -> "Excerpt":
    """The whole song; or its first 4 s, padded with silence, with what 2015 took to be around."""
    from auralise.audio import Excerpt, take

    if not as_in_2015:
        return Excerpt(samples, edges=EDGES[0])
    return Excerpt(take(samples, 0, stft.n_samples(DURATION)), edges="reflect")


def run(options: argparse.Namespace) -> int:
    """Explain the songs, and print what was done."""
    if options.as_in_2015:
        follow_2015(options)
    songs = name_songs(options.songs)
    prepare_folder(options.out)

    from auralise.audio import map_audio
    from auralise.auralisation import Auralisation
    from auralise.explainers.making import explainer_of
    from auralise.explainers.rehearing import say_certificates
    from auralise.explainers.songs import (
        certify_songs,
        explain_song,
        require_results,
        windows_of,
    )
    from auralise.explainers.strongest import MANY, STRONGEST, estimate_cost, limit_features
    from auralise.explainers.writing import choose_features
    from auralise.files import sha256_of_file
    from auralise.maps import Origin, open_maps

    asked = read_asked_network(options)
    results = [options.out / name for song in songs for name in (song, f"{song}.h5")]
    spare_inputs([asked.weights, *songs.values()], results)
    for song in songs:
        require_results(options.out, song)

    stft, by_path = asked.stft, isinstance((options.layers or [1])[0], str)
    explainer = explainer_of(
        asked.convolutional,
        options.device,
        options.precision,
        layers=options.layers if by_path else None,
        shape=(stft.n_bins, stft.n_frames(stft.n_samples(options.window))),
    )
    for assumption in (*asked.assumptions, *explainer.assumptions):
        print(f"assumed: {assumption}", file=sys.stderr)
    numbers = None if by_path else options.layers
    check_choice(explainer.n_features, numbers, options.features)
    features = choose_features(explainer, numbers, options.features)
    n_features = sum(map(len, features.values()))
    weights_sha256 = sha256_of_file(asked.weights)
    config = {
        "layers": options.layers,
        "features": options.features,
        "precision": options.precision,
        "biases": options.biases,
        "edges": "reflect" if options.as_in_2015 else EDGES[0],
    } | ({"channel": options.channel} if options.channel else {})
    done: list[Explanation] = []
    failures: list[Failure] = []
    for number, (song, path) in enumerate(songs.items(), start=1):
        print(f"song {number} of {len(songs)}: {printable(path)}", file=sys.stderr)
        try:
            with map_audio(path, stft.sample_rate, options.channel) as samples:
                own = features
                if options.features is None and n_features > MANY:
                    windows = windows_of(explainer, len(samples), stft, options.window)
                    about = (explainer, samples, stft)
                    own = limit_features(*about, features, windows)
                    print(
                        f"of {n_features:,} features, the {STRONGEST} strongest of each layer "
                        f"(others: --features): {estimate_cost(*about, own, windows)}",
                        file=sys.stderr,
                    )
                facts = weights_sha256, config, asked.assumptions, sha256_of_file(path)
                explanation = explain_song(
                    song_of(samples, stft, options.as_in_2015),
                    explainer,
                    stft,
                    options.out,
                    Origin(song, asked.name, *facts),
                    own,
                    options.window,
                    Auralisation(options.mode, options.loudness),
                    options.rehearing,
                )
            if options.pictures:
                from auralise.figures.pictures import write_pictures

                with open_maps(explanation.maps) as maps:
                    write_pictures(explanation.sounds, maps, options.mode)
            done.append(explanation)
        except (AuraliseError, OSError) as error:
            reason = message_of(error)
            where = "" if printable(path) in reason else f"{printable(path)}: "
            print(f"auralise: error: {where}{reason}", file=sys.stderr)
            failures.append(Failure(printable(song), reason))
    certificates = certify_songs(done) if options.rehearing and len(done) > 1 else None
    print(summary(done, failures))
    if certificates is not None:
        print(say_certificates(certificates))
    if not failures:
        return DONE
    return SOME_FAILED if done else FAILED


def check_choice(
    n_features: Sequence[int],
    layers: Sequence[int] | None = None,
    features: Sequence[int] | None = None,
) -> None:
    """Refuse layers and features that the network does not have.

    A feature may be missing in some of the layers, but not in all, and every layer must have
    one of those asked for.

    Parameters
    ----------
    n_features : sequence of int
        Of each layer of the network.
    layers, features : sequence of int, optional
        Asked for; all by default.

    Raises
    ------
    SettingsError
    """
    n_layers = len(n_features)
    for layer in layers or []:
        if not 1 <= layer <= n_layers:
            raise SettingsError(
                f"--layers: no layer {layer}; the network has layers 1 to {n_layers}"
            )
    has = {layer: n_features[layer - 1] for layer in layers or range(1, n_layers + 1)}
    sizes = ", ".join(f"layer {layer} has features 0 to {n - 1}" for layer, n in has.items())
    for feature in features or []:
        if feature >= max(has.values()):
            raise SettingsError(f"--features: no feature {feature}; {sizes}")
    for layer, n in has.items():
        if features is not None and min(features) >= n:
            raise SettingsError(
                f"--features: none of them is in layer {layer}, which has features 0 to {n - 1}; "
                "choose others, or leave the layer out with --layers"
            )


def summary(done: Sequence["Explanation"], failures: Sequence[Failure] = ()) -> str:
    """The table at the end: one row per layer of a song, one line per song that failed."""
    lines = []
    if done:
        rows: list[tuple[str, ...]] = [
            ("song", "length", "took", "layer", "features", "live", "dead", "sounds in")
        ]
        for explanation in done:
            first: tuple[str, ...] = (
                explanation.sounds.name,
                f"{explanation.duration:.1f} s",
                f"{explanation.elapsed:.1f} s",
            )
            for found in explanation.layers:
                numbers = (found.layer, found.n_features, found.n_live, found.n_dead)
                where = explanation.sounds / f"layer{found.layer}"
                rows.append((*first, *map(str, numbers), str(where)))
                first = ("", "", "")
        lines += [
            *table(rows, numbers=range(1, 7)),
            "",
            f"maps: {', '.join(str(explanation.maps) for explanation in done)}",
        ]
    lines += [f"not explained: {failure.song} ({failure.reason})" for failure in failures]
    return "\n".join(lines)
