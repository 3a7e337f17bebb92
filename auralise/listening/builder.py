"""The listening page: hear, see, mix and compare auralised features in a browser, offline.

A page opened over file:// may neither fetch nor use modules, so all that it shows lies in classic
scripts, which it loads when they are needed: one per song with its samples, and one per network,
song and layer with the maps of its audible features. The browser makes sounds and pictures of them.
"""

import io
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import soundfile

from auralise.attributes.designs import NAMES, crossed_signals, read_design
from auralise.auralisation import masked_spectrum, read_auralisation, sound_name
from auralise.errors import AuraliseError
from auralise.features import LEAST_DIGITS, relative_levels
from auralise.files import whole_folder
from auralise.listening import likeness
from auralise.listening.packing import (
    ERROR_OF_SIGNALS,
    coarseness_of,
    pack_map,
    packed_bytes,
    text_of,
)
from auralise.listening.tables import (
    number,
    read_answers,
    read_contributions,
    read_correlations,
    read_evaluation,
    read_features,
    read_names,
    read_strongest,
    read_tour,
)
from auralise.maps import Maps, open_maps
from auralise.networks.names import PLANTED
from auralise.pictures import bins_of_rows, row_centres
from auralise.stft import Stft

N_ROWS = 112  # of a picture: about 16 per octave up to 5.5 kHz
RANGE_DB = 60.0
N_COLOURS = 61  # steps of one decibel, and an odd number: maps have a colour for zero

# Both are ordered in lightness and told apart with any colour vision.
COLOURS_OF_SOUND = "magma"
COLOURS_OF_MAP = "berlin"

N_SIMILAR = 6
FIRST_ABOVE = -20.0  # dB; the page opens on a feature that is louder

PAGE_MODES = ("mask", "magnitude", "rectified", "negative")  # what the browser makes of a map


# Where the maps and sounds of a network and song are in a folder of results.
EXPERIMENT = ("deconvolution/{network}/{song}.h5", "auralisation/{network}/{song}")
EXPLANATION = ("{song}.h5", "{song}")  # of `auralise explain`

WHAT_IS_PLANTED = (
    "planted: features made by hand, which are what their names say; the kick's is told by the "
    "song's score when to listen"
)

# What the folder of a page holds.
FILES = ("index.html", "page.css", "*.js", "data/*.js")


@dataclass(frozen=True)
class Show:
    """A network and a song, as indices of the catalogue, and their files."""

    network: int
    song: int
    maps: Path
    sounds: Path

    @contextmanager
    def open(self) -> Iterator[Maps]:
        """The maps of the part of the song that is shown."""
        with open_maps(self.maps) as maps:
            yield maps.shown()

    @property
    def mode(self) -> str:
        """How the page makes sounds: as the WAVs are made, if it can.

        Where the WAVs take a network's compression back, it plays song × map in their place.
        """
        mode = read_auralisation(self.sounds).mode
        if mode != "phase":
            return mode
        with self.open() as maps:
            return "mask" if maps.compression else mode


@dataclass
class Cell:
    """A feature with a song: what is measured of it before anything is written.

    Attributes
    ----------
    layer, row, feature : int
        Layer from 1, row of its arrays, number from 0.
    state : {'dead', 'below', 'audible'}
    rms : float
        Of its sound, at the scale of its map.
    level : float or None
        In dB below the loudest feature of layer and song; None for silence.
    energies : dict
        Of its spectrum, by mode.
    peak : float
        Greatest magnitude of its spectrum.
    energy : float
        Of its activation.
    similarity : float or None
        Correlation of its map with the song's magnitude.
    certificate, measures
        As `auralise.listening.tables.read_features` has them.
    sketch : ndarray
        As `auralise.listening.likeness.sketch`.
    """

    layer: int
    row: int
    feature: int
    state: str
    rms: float
    level: float | None
    energies: dict[str, float]
    peak: float
    energy: float
    similarity: float | None
    certificate: str
    measures: dict[str, float | None]
    sketch: np.ndarray


def build_listening_page(
    results: str | Path,
    networks: list[str],
    songs: list[str],
    folder: str | Path,
    audible: float,
    layout: Sequence[str] = EXPERIMENT,
    kernels: Mapping[str, Mapping[tuple[int, int], np.ndarray]] | None = None,
) -> None:
    """Write the page to listen to one experiment: open ``folder/index.html`` in a browser.

    Of a long song its loudest part is shown (`auralise.maps.Maps.shown`).

    Parameters
    ----------
    results : str or Path
        The experiment's folder, which holds the maps and sounds of `layout`. Beside them,
        ``features.csv`` among the sounds, ``networks/<network>/evaluation.json`` and
        ``predictions.csv``, ``attributes/<network>/correlation.csv`` and
        ``dissection/<network>/names.csv``, ``contributions.csv`` and ``strongest.csv`` and
        ``dissection/tour.csv`` are shown where they exist, as is ``attributes/<network>/maps``, a
        file of maps for each model signal of ``attributes/signals.csv``; the sound of the strongest
        seconds is in the clips of ``clips.csv``.
    networks, songs : list of str
        Names, in the order in which the page offers them; every network has every song.
    folder : str or Path
        Where the page goes. It may be moved or sent as a whole, and needs no network.
    audible : float
        The audibility floor (dB): features further below the loudest of layer and song are
        counted, their sounds stay with the results.
    layout : sequence of str
        Where maps and sounds are: `EXPERIMENT` or `EXPLANATION`.
    kernels : mapping, optional
        By network, and by layer and feature: kernels of shape (n_bins, n_frames).

    Raises
    ------
    AuraliseError
        Nothing to show, or a file that is missing, unreadable or does not fit the others.
    """
    results = Path(results)
    if not networks or not songs:
        raise AuraliseError(
            f"{results}: a listening page needs at least one network and one song; "
            f"got networks {networks} and songs {songs}"
        )
    with whole_folder(folder) as partial:
        _write_page(results, networks, songs, partial, audible, layout, kernels or {})


def _write_page(
    results: Path,
    networks: list[str],
    songs: list[str],
    folder: Path,
    audible: float,
    layout: Sequence[str],
    kernels: Mapping[str, Mapping[tuple[int, int], np.ndarray]],
) -> None:
    """As `build_listening_page`, into an empty folder."""
    shows = {
        (n, s): Show(n, s, *(results / of.format(network=network, song=song) for of in layout))
        for n, network in enumerate(networks)
        for s, song in enumerate(songs)
    }
    described = [
        _describe_network(results, name, shows[n, 0], kernels.get(name, {}))
        for n, name in enumerate(networks)
    ]
    tour = read_tour(results / "dissection" / "tour.csv", networks, songs)
    correlations = [
        read_correlations(results / "attributes" / name / "correlation.csv") for name in networks
    ]
    for n, name in enumerate(networks):
        table = results / "dissection" / name / "strongest.csv"
        with shows[n, 0].open() as maps:
            rate = maps.stft.sample_rate
        strongest = read_strongest(
            table,
            results / "clips.csv",
            table.with_name("excerpts.csv"),
            described[n]["names"],
            rate,
        )
        described[n]["strongest"] = {
            layer: _write_script(folder, f"data/network{n}-strongest{layer}.js", found)
            for layer, found in strongest.items()
        }
        signals = results / "attributes" / "signals.csv", results / "attributes" / name / "maps"
        described[n]["signals"] = _write_signals(folder, n, *signals)
    entries, candidates = [], []
    samples: dict[str, str] = {}  # by the script's name
    for s in range(len(songs)):
        cells = {n: _measure(shows[n, s], audible) for n in range(len(networks))}
        for n in range(len(networks)):
            show = shows[n, s]
            entry = {"network": n, "song": s} | _write_audio_script(folder, show, samples)
            entry |= {"sounds": show.sounds.relative_to(results).as_posix(), "layers": []}
            for layer, content in _layers(show, cells, correlations[n]):
                script = f"data/network{n}-song{s}-layer{layer}.js"
                _write_script(folder, script, {"network": n, "song": s, "layer": layer} | content)
                found = [cell for cell in cells[n] if cell.layer == layer]
                entry["layers"].append(
                    {
                        "layer": layer,
                        "script": script,
                        "features": [cell.feature for cell in found],
                        "levels": [number(cell.level) for cell in found],
                        "energies": [number(cell.energy) for cell in found],
                        "similarities": [cell.similarity for cell in found],
                        "states": [cell.state for cell in found],
                        "keepsAll": all(
                            (show.sounds / sound_name(layer, cell.feature)).is_file()
                            for cell in found
                        ),
                    }
                )
            entries.append(entry)
        candidates += _candidates(cells[0], s, described[0]["names"])
    catalogue = {
        "experiment": results.resolve().name,
        "networks": described,
        "songs": songs,
        "shows": entries,
        "audible": audible,
        "first": _first_of_tour(tour) or max(candidates, key=lambda c: c["rank"], default=None),
        "tour": tour,
        "colours": {"sound": _hex(COLOURS_OF_SOUND), "map": _hex(COLOURS_OF_MAP)},
        "range": RANGE_DB,
    }
    _call_in_page(folder / "data" / "catalogue.js", "open", catalogue)
    _copy_page(folder)


def _write_signals(folder: Path, network: int, table: Path, maps_of: Path) -> dict[str, Any] | None:
    """Write the model signals and the maps of the features that have some; script and features."""
    if not maps_of.is_dir():
        return None
    signals = crossed_signals(read_design(table))
    *over_rows, over_columns = [name for name in signals if name not in NAMES]
    columns = list(dict.fromkeys(signals[over_columns]))
    rows: dict[str, list[int | None]] = {}
    shown: list[dict[str, Any]] = []
    features: set[tuple[int, int]] = set()
    for n, signal in signals.iterrows():
        row = rows.setdefault(" ".join(signal[over_rows]), [None] * len(columns))
        row[columns.index(signal[over_columns])] = n
        with open_maps(maps_of / f"{signal['signal']}.h5") as maps:
            spectrum, stft = maps.spectrum, maps.stft
            magnitude = np.abs(spectrum)
            coarseness = coarseness_of(magnitude)
            packed = {
                f"{layer}-{feature}": pack_map(
                    maps.masks(layer)[k], magnitude, coarseness, ERROR_OF_SIGNALS
                )
                for layer in maps.layers
                for k, feature in enumerate(maps.features(layer))
                if maps.live(layer)[k]
            }
            features.update((layer, int(f)) for layer in maps.layers for f in maps.features(layer))
            samples = _samples(spectrum, stft, maps.n_samples)
        shown.append(
            _song_content(samples, stft, coarseness)
            | {
                "name": " ".join(signal[[*over_rows, over_columns]]),
                "maps": {
                    name: {
                        "map": one.text(coarseness),
                        "step": number(one.step),
                        "bend": number(one.bend),
                    }
                    for name, one in packed.items()
                },
            }
        )
    content = {"columns": columns, "rows": list(rows.items()), "signals": shown}
    script = _write_script(folder, f"data/network{network}-signals.js", content)
    return {"script": script, "features": sorted(features)}


def _first_of_tour(tour: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The first stop of the tour, if the first network has what is looked for."""
    if not tour or not tour["roles"][0]["players"].get(0):
        return None
    role = tour["roles"][0]
    layer, feature = role["players"][0]
    return {"song": role["song"], "layer": layer, "feature": feature}


def _describe_network(
    results: Path, name: str, show: Show, kernels: Mapping[tuple[int, int], np.ndarray]
) -> dict[str, Any]:
    with show.open() as maps:
        sha256 = maps.origin.weights_sha256
    return (
        {"name": name, "hash": sha256[:LEAST_DIGITS]}
        | ({"knowledge": WHAT_IS_PLANTED} if name == PLANTED else {})
        | read_evaluation(results / "networks" / name / "evaluation.json")
        | {
            "answers": read_answers(results / "networks" / name / "predictions.csv"),
            "names": read_names(results / "dissection" / name / "names.csv"),
            "below": read_contributions(results / "dissection" / name / "contributions.csv"),
            "kernels": {
                f"{layer}-{feature}": [[number(weight) for weight in row] for row in kernel]
                for (layer, feature), kernel in kernels.items()
            },
        }
    )


def _measure(show: Show, audible: float) -> list[Cell]:
    """Every feature of a network with a song, layer by layer, feature by feature."""
    mode = show.mode
    table = read_features(show.sounds / "features.csv")
    with show.open() as maps:
        spectrum = maps.spectrum
        cells = [
            _measure_cell(maps, layer, row, spectrum, mode)
            for layer in maps.layers
            for row in range(len(maps.features(layer)))
        ]
    for layer in {cell.layer for cell in cells}:
        of_layer = [cell for cell in cells if cell.layer == layer]
        levels = relative_levels(np.array([cell.rms for cell in of_layer]))
        for cell, own in zip(of_layer, map(number, levels), strict=True):
            said = table.get((layer, cell.feature), {})
            cell.certificate, cell.measures = said.get("certificate", ""), said.get("measures", {})
            stated = said.get("level")
            cell.level = None if own is None else own if stated is None else stated
            if cell.state != "dead" and (cell.level is None or cell.level < audible):
                cell.state = "below"
    return cells


def _measure_cell(maps: Maps, layer: int, row: int, spectrum: np.ndarray, mode: str) -> Cell:
    mask = maps.masks(layer, slice(row, row + 1))
    heard = masked_spectrum(spectrum, mask, mode)
    sound = maps.stft.synthesise(heard, maps.n_samples)[0]
    magnitude = np.abs(spectrum)
    product = magnitude * mask[0]
    parts = {
        "mask": product,
        "magnitude": product,
        "rectified": np.maximum(product, 0),
        "negative": np.minimum(product, 0),
    }
    if mode == "phase":
        parts["phase"] = np.maximum(mask[0], 0)
    return Cell(
        layer=layer,
        row=row,
        feature=int(maps.features(layer)[row]),
        state="audible" if maps.live(layer)[row] else "dead",
        rms=float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))),
        level=None,
        energies={name: float(np.square(p, dtype=np.float64).sum()) for name, p in parts.items()},
        peak=float(np.abs(heard).max()),
        energy=float(maps.activation_energy(layer)[row]),
        similarity=number(_pearson(mask[0], magnitude)),
        certificate="",
        measures={},
        sketch=likeness.sketch(np.abs(heard[0]), maps.stft.frequencies),
    )


def _write_audio_script(folder: Path, show: Show, known: dict[str, str]) -> dict[str, Any]:
    """Write a song's samples once for all networks that see it in the same way."""
    with show.open() as maps:
        spectrum, stft, start = maps.spectrum, maps.stft, maps.start
        samples = _samples(spectrum, stft, maps.n_samples)
        content = _song_content(samples, stft, _coarseness(show, spectrum))
    text = json.dumps(content)
    names = (f"data/song{show.song}{f'-{k}' if k else ''}.js" for k in itertools.count())
    name = next(name for name in names if known.setdefault(name, text) == text)
    return {"audio": _write_script(folder, name, content), "start": number(start)}


def _song_content(samples: np.ndarray, stft: Stft, coarseness: np.ndarray) -> dict[str, Any]:
    """A song, or a model signal, as the page's `Song` takes it: FLAC, 20 bits of its peak."""
    unit = max(float(np.abs(samples).max(initial=0.0)), 1e-9) / (2**19 - 1)
    file = io.BytesIO()
    # The upper bits; what is left empty takes no room.
    rounded = np.rint(samples / unit).astype(np.int32) * 2**12
    soundfile.write(file, rounded, stft.sample_rate, "PCM_24", format="FLAC")
    return {
        "samples": text_of(file.getvalue()),
        "unit": unit,
        "coarseness": packed_bytes(coarseness),
        "sampleRate": stft.sample_rate,
        "nFft": stft.n_fft,
        "hop": stft.hop_length,
        "rms": number(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))),
    } | _axes(stft, coarseness.shape[1])


def _samples(spectrum: np.ndarray, stft: Stft, n_samples: int) -> np.ndarray:
    """The signal of a song's spectrum, to its very end, shape ``(n_samples,)``.

    `Stft.synthesise` lets the end fade, as a masked spectrum needs; here the page shall find the
    same spectrum again, of which the last window alone holds the end.
    """
    n_fft, hop = stft.n_fft, stft.hop_length
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    frames = np.fft.irfft(spectrum.T, n_fft) * window
    total = np.zeros((len(frames) - 1) * hop + n_fft + n_samples)
    weight = np.zeros_like(total)
    for number_of_frame, frame in enumerate(frames):
        here = slice(number_of_frame * hop, number_of_frame * hop + n_fft)
        total[here] += frame
        weight[here] += np.square(window)
    half = n_fft // 2
    return (total / np.maximum(weight, 1e-9))[half : half + n_samples]


def _coarseness(show: Show, spectrum: np.ndarray) -> np.ndarray:
    """As `coarseness_of`; 0 where maps stand for magnitudes themselves."""
    if show.mode == "phase":
        return np.zeros(spectrum.shape, np.uint8)
    return coarseness_of(np.abs(spectrum))


def _axes(stft: Stft, n_frames: int) -> dict[str, Any]:
    """Rows of the pictures, the highest first, and where their edges are (Hz, s)."""
    frequencies, times = stft.frequencies, stft.times(n_frames)
    centres = row_centres(frequencies, N_ROWS)
    half = np.sqrt(centres[1] / centres[0])
    half_hop = stft.hop_length / stft.sample_rate / 2
    return {
        "rows": bins_of_rows(frequencies, N_ROWS)[::-1].tolist(),
        "extent": {
            "start": number(-half_hop),
            "end": number(times[-1] + half_hop),
            "low": number(centres[0] / half),
            "high": number(centres[-1] * half),
        },
    }


def _layers(
    show: Show, cells: Mapping[int, list[Cell]], correlations: Mapping
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every layer of one song's maps: its number and what the page shows of it."""
    mode = show.mode
    own = cells[show.network]
    with show.open() as maps:
        spectrum = maps.spectrum
        magnitude, coarseness = np.abs(spectrum), _coarseness(show, spectrum)
        weight = np.ones_like(magnitude) if mode == "phase" else magnitude
        level = float(np.sqrt(np.mean(np.square(_original(maps), dtype=np.float64))))
        for layer in maps.layers:
            peak, found = maps.activation_peak(layer), correlations.get(layer, {})
            of_layer = [cell for cell in own if cell.layer == layer]
            features = []
            for cell in of_layer:
                entry: dict[str, Any] = {
                    "feature": cell.feature,
                    "state": cell.state,
                    "level": number(cell.level),
                    "energy": number(cell.energy),
                    "peak": number(peak[cell.row]),
                    "certificate": cell.certificate,
                    "measures": cell.measures,
                    "attributes": found.get(cell.feature, {}),
                }
                if cell.state == "audible":
                    mask = maps.masks(layer, slice(cell.row, cell.row + 1))[0]
                    packed = pack_map(mask, weight, coarseness)
                    entry |= {
                        "similarity": cell.similarity,
                        "map": packed.text(coarseness),
                        "step": number(packed.step),
                        "bend": number(packed.bend),
                        "similar": _similar(cell, own),
                        "nearest": _nearest(cell, cells, show.network),
                    }
                features.append(entry)
            heard = [cell for cell in of_layer if cell.state == "audible"]
            leaves = likeness.order_by_likeness(_sketches(heard)).tolist() if heard else []
            attributes = dict.fromkeys(name for values in found.values() for name in values)
            yield (
                layer,
                {
                    "mode": mode,
                    "modes": [*PAGE_MODES, *(["phase"] if mode == "phase" else [])],
                    "gains": _gains(of_layer, mode, level),
                    "fullScale": number(max((cell.peak for cell in of_layer), default=0.0)),
                    "alike": [heard[leaf].feature for leaf in leaves],
                    "attributes": list(attributes),
                    "features": features,
                },
            )


def _original(maps: Maps) -> np.ndarray:
    return maps.stft.synthesise(maps.spectrum, maps.n_samples)


def _gains(cells: list[Cell], mode: str, level: float) -> dict[str, float | None]:
    """Gains that bring the loudest feature of a layer to the song's level, by mode.

    A map has no unit, so true loudness is relative: the features of a layer keep the differences
    that their maps give them.
    """
    loudest = max(cells, key=lambda cell: cell.rms)
    if loudest.rms == 0:
        return dict.fromkeys(loudest.energies, 1.0)
    reference = level / loudest.rms
    own = loudest.energies[mode]
    return {
        name: number(reference * np.sqrt(own / max(cell.energies[name] for cell in cells)))
        if any(cell.energies[name] for cell in cells)
        else 1.0
        for name in loudest.energies
    }


def _sketches(cells: list[Cell]) -> np.ndarray:
    return np.stack([cell.sketch for cell in cells])


def _similar(cell: Cell, cells: list[Cell]) -> list[list[float | None]]:
    """The audible features of any layer that are most like one: layer, feature, likeness."""
    others = [other for other in cells if other is not cell and other.state == "audible"]
    if not others:
        return []
    alike = likeness.likenesses(cell.sketch[None], _sketches(others))[0]
    order = np.argsort(-alike, kind="stable")[:N_SIMILAR]
    return [[others[i].layer, others[i].feature, number(round(alike[i], 3))] for i in order]


def _nearest(cell: Cell, cells: Mapping[int, list[Cell]], own: int) -> list[list[float | None]]:
    """In each other network the most similar feature: network, layer, feature, likeness."""
    return [
        [network, *found[0]]
        for network, others in cells.items()
        if network != own and (found := _similar(cell, others))
    ]


def _candidates(cells: list[Cell], song: int, names: Mapping) -> list[dict[str, Any]]:
    """Features on which the page may open; of the greatest rank it does.

    Those that have a name come first, by its score, then those with a certificate, then the most
    distinctive of those that are no further than `FIRST_ABOVE` below the loudest.
    """
    found = []
    for layer in sorted({cell.layer for cell in cells}):
        heard = [cell for cell in cells if cell.layer == layer and cell.state == "audible"]
        if not heard:
            continue
        distinct = likeness.distinctiveness(_sketches(heard))
        for cell, value in zip(heard, distinct, strict=True):
            name = names.get(f"{layer}-{cell.feature}")
            is_loud = cell.level is not None and cell.level >= FIRST_ABOVE
            if not (name or cell.certificate or is_loud):
                continue
            kind = 2 if name else 1 if cell.certificate else 0
            worth = name["score"] if name else number(value)
            place = {"song": song, "layer": layer, "feature": cell.feature}
            found.append(place | {"rank": [kind, int(is_loud), worth or 0]})
    return found


def _pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two arrays of one shape; NaN where one of them is constant."""
    a, b = a - a.mean(dtype=np.float64), b - b.mean(dtype=np.float64)
    norm = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float((a * b).sum() / norm) if norm > 0 else np.nan


def _hex(name: str) -> list[str]:
    """A palette's colours as CSS writes them."""
    colours = matplotlib.colormaps[name](np.linspace(0, 1, N_COLOURS), bytes=True)[:, :3]
    return ["#" + bytes(colour).hex() for colour in colours]


def _write_script(folder: Path, script: str, content: dict[str, Any]) -> str:
    """Write a script that gives the page `content` when it is loaded; the script's name."""
    _call_in_page(folder / script, "receive", {"script": script} | content)
    return script


def _call_in_page(path: Path, function: str, argument: Mapping[str, Any]) -> None:
    """Write a classic script that hands `argument` to a function of the page."""
    content = json.dumps(argument, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    content = content.replace("<", "\\u003c")  # safe even when pasted into a page
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"auralise.{function}({content});\n", encoding="ascii", newline="\n")


def _copy_page(folder: Path) -> None:
    """Copy the page itself."""
    for source in resources.files(__package__).joinpath("page").iterdir():
        if source.is_file():
            (folder / source.name).write_bytes(source.read_bytes())
