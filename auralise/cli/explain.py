"""``auralise explain``: one's own network on one's own songs."""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from auralise.choices import AUDIBLE, DURATION, EDGES, LOUDNESS, MODES, PRECISIONS
from auralise.cli.arguments import (
    add_channel,
    add_songs,
    duration,
    exit_status,
    layers,
    name_songs,
    prepare_folder,
    ranges,
    spare_inputs,
    table,
)
from auralise.cli.networks import add_network_options, read_asked_network
from auralise.errors import AuraliseError, SettingsError, counted, message_of, printable

if TYPE_CHECKING:
    import numpy as np

    from auralise.excerpts import Excerpt
    from auralise.explainers.songs import Explanation
    from auralise.maps import Maps
    from auralise.stft import Stft

PAGE = "listening"  # the folder of the page, beside the songs' results
WORTH_HEARING = 3  # features of a layer that the table names

DESCRIPTION = """\
Hear what each feature of a trained convolutional network listens to in your songs.

Every feature of every layer is walked back to the spectrogram (deconvolution); what it lets
through of the song becomes a sound. Songs may have any length.
"""

EPILOG = """\
example:
  auralise explain blues.wav metal.mp3 --weights network.pt --out explained --layers 1,3-5

  writes
    explained/listening/index.html           the page to listen on, of both songs
  and, for each of the two songs,
    explained/blues.h5                       every map: /layer1/deconvolved, /layer3/…
    explained/blues/original.wav             the song as the network sees it: mono, 11,025 Hz
    explained/blues/layer3/feature00.wav     what feature 0 of layer 3 lets through, if audible
    explained/blues/sheets/layer3.png        the audible features of layer 3, the loudest first
    explained/blues/features.csv             level, gain, re-hearing … of each feature
    explained/blues/auralisation.json        the mode and loudness of the sounds

how to read it:
  Open the page in a browser. The table at the end says what is worth hearing: features that are
  no more than 40 dB below the loudest of their layer. Without the page, play original.wav, then
  the features of a layer: a feature that keeps only the drums listens to
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
    )
    add_songs(explain)
    explain.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder for the results"
    )
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
        "--all",
        action="store_true",
        help=f"write the sounds of features that are more than {-AUDIBLE:g} dB below the loudest "
        "of their layer, and of dead ones, too",
    )
    add(
        "--no-page",
        dest="page",
        action="store_false",
        help="do not build the page to listen on",
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
        "biases; song × map at a peak of 0 dB; both pictures of every feature (--all); a file "
        "without an architecture is that of 2015 (--assume)",
    )
    explain.set_defaults(run=run)


def follow_2015(options: argparse.Namespace) -> None:
    """Set the options of the published procedure (Choi 2015, code)."""
    from auralise.auralisation import AS_IN_2015

    options.assume, options.biases, options.pictures, options.all = True, False, True, True
    options.mode, options.loudness = AS_IN_2015.mode, AS_IN_2015.loudness
    options.window = DURATION


def song_of(samples: "np.ndarray", stft: "Stft", as_in_2015: bool) -> "Excerpt":
    """The whole song or, `as_in_2015`, its first 4 s, silence-padded and mirrored at the ends."""
    from auralise.excerpts import Excerpt
    from auralise.stft import take

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
    from auralise.explainers.making import explainer_of_layers
    from auralise.explainers.rehearing import say_certificates
    from auralise.explainers.songs import (
        certify_songs,
        explain_song,
        require_results,
        windows_of,
    )
    from auralise.explainers.workload import MANY, STRONGEST, Pace, limit_features
    from auralise.explainers.writing import choose_features
    from auralise.files import sha256_of_file
    from auralise.maps import Origin

    page = options.out / PAGE if options.page else None
    asked = read_asked_network(options)
    results = [options.out / name for song in songs for name in (song, f"{song}.h5")]
    refuse_shared_results(songs)
    spare_inputs([asked.weights, *songs.values()], results + ([page] if page else []))
    for song in songs:
        require_results(options.out, song)
    if page:
        require_page(page, songs)

    stft = asked.stft
    explainer, numbers = explainer_of_layers(
        asked.convolutional,
        options.device,
        options.precision,
        layers=options.layers,
        shape=(stft.n_bins, stft.n_frames(stft.n_samples(options.window))),
    )
    for assumption in (*asked.assumptions, *explainer.assumptions):
        print(f"assumed: {assumption}", file=sys.stderr)
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
    failures: dict[str, str] = {}
    pace: Pace | None = None
    for number, (song, path) in enumerate(songs.items(), start=1):
        print(f"song {number} of {len(songs)}: {printable(path)}", file=sys.stderr)
        try:
            with map_audio(path, stft.sample_rate, options.channel) as samples:
                own = features
                about = song_of(samples, stft, options.as_in_2015)
                windows = windows_of(explainer, about.n_samples, stft, options.window)
                if options.features is None and n_features > MANY:
                    own = limit_features(explainer, about.samples, stft, features, windows)
                    print(
                        f"of {n_features:,} features, the {STRONGEST} strongest of each layer "
                        "(others: --features)",
                        file=sys.stderr,
                    )
                pace = pace or Pace.measure(explainer, about.samples, stft, own, windows)
                n_own = sum(map(len, own.values()))
                cost = pace.cost(about.n_samples, stft, n_own, windows, options.rehearing)
                print(f"{counted(n_own, 'feature')}: {cost}", file=sys.stderr)
                facts = weights_sha256, config, asked.assumptions, sha256_of_file(path)
                explanation = explain_song(
                    about,
                    explainer,
                    stft,
                    options.out,
                    Origin(song, asked.name, *facts),
                    own,
                    options.window,
                    Auralisation(options.mode, options.loudness),
                    options.rehearing,
                    lambda sounds, maps: show(sounds, maps, options),
                )
            done.append(explanation)
        except (AuraliseError, OSError) as error:
            reason = message_of(error)
            where = "" if printable(path) in reason else f"{printable(path)}: "
            print(f"auralise: error: {where}{reason}", file=sys.stderr)
            failures[song] = reason
    certificates = certify_songs(done) if options.rehearing and len(done) > 1 else None
    print(summary(done, failures))
    if certificates is not None:
        print(say_certificates(certificates))
    if page and done:
        from auralise.listening.builder import EXPLANATION, build_listening_page

        explained = [explanation.sounds.name for explanation in done]
        build_listening_page(options.out, [asked.name], explained, page, AUDIBLE, EXPLANATION)
        print(f"listen: {page / 'index.html'} (open it in a browser)")
    return exit_status(len(failures), len(songs))


def refuse_shared_results(songs: Iterable[str]) -> None:
    """Refuse a song whose folder would have the name of another song's maps."""
    from auralise.songs import shared_name

    places = {shared_name(song): song for song in songs}
    for song in places.values():
        if other := places.get(shared_name(f"{song}.h5")):
            raise SettingsError(
                f"the maps of '{song}' and the sounds of '{other}' would both be written to "
                f"'{other}'; rename one, or write them into two folders"
            )


def require_page(page: Path, songs: Iterable[str]) -> None:
    """Refuse to put the page in place of anything else.

    Raises
    ------
    SettingsError
        The folder holds something else, or is the place of a song's sounds.
    """
    from auralise.files import require_replaceable
    from auralise.listening.builder import FILES
    from auralise.songs import shared_name

    for song in songs:
        if shared_name(song) == shared_name(page.name):
            raise SettingsError(
                f"--out: the sounds of '{song}' and the page would both be written to {page}; "
                "rename the song, or leave the page out with --no-page"
            )
    require_replaceable(page, FILES, "page", "index.html")


def show(sounds: Path, maps: "Maps", options: argparse.Namespace) -> None:
    """Draw a song's pictures; remove sounds that cannot be heard, unless all are asked for."""
    from auralise.features import NAME, keep_audible, read_features
    from auralise.figures.pictures import write_pictures
    from auralise.figures.sheets import write_sheets

    if options.pictures:
        write_pictures(sounds, maps, options.mode)
    if not options.all:
        keep_audible(sounds, read_features(sounds / NAME))
    write_sheets(sounds / "sheets", maps.shown(), AUDIBLE, contents=["heard"], endings=[".png"])


def check_choice(
    n_features: Sequence[int],
    layers: Sequence[int] | None = None,
    features: Sequence[int] | None = None,
) -> None:
    """Refuse layers and features that the network does not have.

    A feature may be missing in some of the layers, but not in all, and every layer must have
    one of those asked for.
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


def summary(done: Sequence["Explanation"], failures: Mapping[str, str]) -> str:
    """The tables at the end: layers of songs, what is worth hearing, and songs that failed."""
    lines = []
    if done:
        lines += [
            *table(rows_of_layers(done), numbers=range(1, 8)),
            "",
            f"maps: {', '.join(str(explanation.maps) for explanation in done)}",
            "",
            f"Worth hearing, the {WORTH_HEARING} loudest features of each layer (features.csv has "
            "all):",
            *table(rows_worth_hearing(done), numbers=(2, 3)),
            "",
        ]
    lines += [f"not explained: {printable(song)} ({why})" for song, why in failures.items()]
    return "\n".join(lines)


def rows_of_layers(done: Sequence["Explanation"]) -> list[tuple[str, ...]]:
    """A row for each layer of a song: how many of its features live, and how many are audible."""
    from auralise.features import NAME, audible, read_features

    heads = ("song", "length", "took", "layer", "features", "live", "dead", "audible", "sounds in")
    rows: list[tuple[str, ...]] = [heads]
    for of in done:
        features = read_features(of.sounds / NAME)
        features["audible"] = audible(features, AUDIBLE)
        first = of.sounds.name, f"{of.duration:.1f} s", f"{of.elapsed:.1f} s"
        for layer, found in features.groupby("layer"):
            n_live = found["live"].sum()
            numbers = (layer, len(found), n_live, len(found) - n_live, found["audible"].sum())
            rows.append((*first, *map(str, numbers), str(of.sounds / f"layer{layer}")))
            first = "", "", ""
    return rows


def rows_worth_hearing(done: Sequence["Explanation"]) -> list[tuple[str, ...]]:
    """A row for each of the loudest features of each layer of a song, with level and gain."""
    from auralise.auralisation import sound_name
    from auralise.features import NAME, audible, read_features

    rows: list[tuple[str, ...]] = [("song", "feature", "level", "gain", "sound")]
    for of in done:
        features = read_features(of.sounds / NAME)
        loud = features[audible(features, AUDIBLE)]
        loud = loud.sort_values(["layer", "level_db"], ascending=[True, False], kind="stable")
        for row in loud.groupby("layer").head(WORTH_HEARING).itertuples():
            rows.append(
                (
                    of.sounds.name,
                    f"{row.layer}-{row.feature:02d}",
                    f"{round(row.level_db)} dB",
                    f"{round(row.gain_db):+d} dB",
                    str(of.sounds / sound_name(row.layer, row.feature)),
                )
            )
    return rows
