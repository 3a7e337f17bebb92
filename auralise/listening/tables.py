"""What an experiment's tables say of networks, songs and features, as far as they are there."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from auralise.audio import read_audio
from auralise.choices import N_TOUR_SONGS
from auralise.dissection.tour import ROLES
from auralise.errors import AudioError, AuraliseError
from auralise.files import read_json
from auralise.listening.packing import text_of
from auralise.networks.names import PLANTED, is_control, variant_of
from auralise.training.baselines import describe_accuracy

MEASURES_OF_A_NETWORK = (
    "clip_accuracy",
    "segment_accuracy",
    "baseline_clip_accuracy",
    "deviation_baseline_clip_accuracy",
    "flux_baseline_clip_accuracy",
)

N_ANSWERS = 3  # of a network about a song

MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # Hz
MP3_COMPRESSION = 0.2  # of libsndfile, from 0 to 1; LAME's V2

# Columns of features.csv that the page shows as numbers.
MEASURES_OF_A_FEATURE = (
    "silence_ratio",
    "share_below_60db",
    "share_negative",
    "rehearing_percentile",
)


def number(value: Any) -> float | None:
    """A number that JSON can hold, to six digits; None for text, NaN and infinity."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return float(f"{value:.6g}") if math.isfinite(value) else None


def read_evaluation(path: Path) -> dict[str, float | str]:
    """Accuracies of a network, between 0 and 1, as far as its evaluation holds them.

    ``knowledge`` says in words whether a trained network is clear of the baselines.
    """
    if not path.is_file():
        return {}
    try:
        evaluation = read_json(path)
        found = {name: evaluation.get(name) for name in MEASURES_OF_A_NETWORK}
    except (OSError, ValueError, AttributeError):
        raise AuraliseError(
            f"{path}: not a JSON object; remove it and evaluate the network again"
        ) from None
    try:
        knowledge = describe_accuracy({path.parent.name: evaluation}).replace("**", "")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        # an evaluation without baselines or intervals
        knowledge = ""
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, int | float) and abs(value) <= 1  # neither NaN nor infinite
    } | ({"knowledge": knowledge} if knowledge else {})


def read_answers(path: Path) -> dict[str, list[tuple[str, float | None]]]:
    """The likeliest classes of each song with their probabilities, the likeliest first.

    Parameters
    ----------
    path : Path
        ``predictions.csv`` with the columns song, class and probability.
    """
    answers: dict[str, list[tuple[str, float | None]]] = {}
    for row in _rows(path, "song", "class", "probability"):
        answers.setdefault(row["song"], []).append((row["class"], number(row["probability"])))
    return {
        song: sorted(found, key=lambda answer: -(answer[1] or 0))[:N_ANSWERS]
        for song, found in answers.items()
    }


def read_names(path: Path) -> dict[str, dict[str, Any]]:
    """Names of a network's features, by ``layer-feature``; features without a name are left out.

    Parameters
    ----------
    path : Path
        ``names.csv`` with the columns layer, feature and name; q, score, runner_up and learned
        are handed on where they are there.
    """
    return {
        f"{int(row['layer'])}-{int(row['feature'])}": {
            "name": row["name"],
            "q": number(row.get("q")),
            "score": number(row.get("score")),
            "runnerUp": row.get("runner_up") or "",
            "learned": is_true(row.get("learned")),
        }
        for row in _rows(path, "layer", "feature", "name")
        if row["name"]
    }


def read_contributions(path: Path) -> dict[str, list[list[Any]]]:
    """What drives the features that have a name: by ``layer-feature``, the strongest first.

    Returns
    -------
    dict
        ``{"2-10": [[feature of the layer below, share], …]}``, where a negative share inhibits.
    """
    found: dict[str, list[list[Any]]] = {}
    for row in _rows(path, "layer", "feature", "below", "share"):
        key = f"{int(row['layer'])}-{int(row['feature'])}"
        found.setdefault(key, []).append([int(row["below"]), number(row["share"])])
    return found


def read_tour(path: Path, networks: Sequence[str], songs: Sequence[str]) -> dict[str, Any] | None:
    """The tour of 2015 as far as it was looked for; None where it was not.

    Parameters
    ----------
    path : Path
        ``tour.csv``, as `auralise.dissection.tour.list_tour` has it.
    networks, songs : sequence of str
        Of the page.

    Returns
    -------
    dict
        ``roles``: of each role ``what``, the ``song`` on which it is heard first, and ``players``:
        by index of the network ``[layer, feature]``, or None where it has none. ``beside``: indices
        of the untrained networks and of the planted one. ``songs``: those that are shown.
    """
    players: dict[str, dict[int, list[int] | None]] = {}
    levels: dict[str, list[tuple[float, str]]] = {}
    for row in _rows(path, "role", "network", "song"):
        if row["network"] not in networks or row["song"] not in songs:
            continue
        found = [int(row["layer"]), int(row["feature"])] if row["feature"] else None
        players.setdefault(row["role"], {})[networks.index(row["network"])] = found
        level = number(row.get("level_db"))
        if level is not None:
            levels.setdefault(row["role"], []).append((level, row["song"]))
    if not players:
        return None
    planted = networks.index(PLANTED) if PLANTED in networks else None
    roles = []
    for role in ROLES:
        if role.what not in players:
            continue
        loudest = max(levels.get(role.what, [(0.0, songs[0])]), key=itemgetter(0))[1]
        if planted is not None and role.planted:
            players[role.what][planted] = list(role.planted)
        song = songs.index(role.song if role.song in songs else loudest)
        roles.append({"what": role.what, "song": song, "players": players[role.what]})
    untrained = [n for n, name in enumerate(networks) if is_control(variant_of(name))]
    return {
        "roles": roles,
        "beside": [*untrained, *([] if planted is None else [planted])],
        "planted": planted,
        "songs": list(range(min(len(songs), N_TOUR_SONGS))),
    }


def read_features(path: Path) -> dict[tuple[int, int], dict[str, Any]]:
    """What ``features.csv`` says of a song's features, by layer and feature.

    Returns
    -------
    dict
        ``level`` (dB or None), ``certificate`` (text, or nothing) and `MEASURES_OF_A_FEATURE`.
    """
    return {
        (int(row["layer"]), int(row["feature"])): {
            "level": number(row["level_db"]),
            "certificate": certificate_of(row.get("certificate")),
            "measures": {name: number(row.get(name)) for name in MEASURES_OF_A_FEATURE},
        }
        for row in _rows(path, "layer", "feature", "level_db")
    }


def read_correlations(path: Path) -> dict[int, dict[int, dict[str, dict[str, Any]]]]:
    """Correlations by layer, feature and attribute; empty if there is no such file.

    Returns
    -------
    dict
        ``[layer][feature][attribute]`` is ``{"r": float or None, "pairs": int}``, where None
        stands for a correlation that is undefined.
    """
    table: dict[int, dict[int, dict[str, dict[str, Any]]]] = {}
    for row in _rows(path, "layer", "feature", "attribute", "correlation", "n_pairs"):
        feature = table.setdefault(int(row["layer"]), {}).setdefault(int(row["feature"]), {})
        feature[row["attribute"]] = {
            "r": number(row["correlation"]),
            "pairs": int(number(row["n_pairs"]) or 0),
        }
    return table


class _Second(NamedTuple):
    """A part of a clip that is heard for a feature: its strongest, or one in which it is still."""

    what: str
    layer: int
    feature: int
    rank: int
    clip: str
    start: float
    end: float
    activation: float | None
    file: Path | None

    @classmethod
    def of(cls, what: str, row: Mapping[str, str], rank: int | str, file: Path | None) -> "_Second":
        """Of the row of a table and the file of its clip."""
        return cls(
            what,
            int(row["layer"]),
            int(row["feature"]),
            int(rank),
            row["clip"],
            float(row["start"]),
            float(row["end"]),
            number(row.get("activation")),
            file,
        )


def read_strongest(
    path: Path, clips: Path, excerpts: Path, names: Mapping[str, Any], sample_rate: int
) -> dict[int, dict[str, Any]]:
    """The strongest seconds of a network's features, with their sound, by layer.

    Parameters
    ----------
    path : Path
        ``strongest.csv``, as `auralise.explainers.strongest_seconds.find_strongest_seconds` has it.
    clips : Path
        ``clips.csv``, which says where the clips are.
    excerpts : Path
        ``excerpts.csv`` of the exam: where features are still.
    names : mapping
        As `read_names` returns them: of features without a name no excerpts are shown.
    sample_rate : int
        Of the sounds (Hz).

    Returns
    -------
    dict
        Of each layer ``features``: ``{feature: [[clip, start, end, activation, sound], …]}``, the
        strongest first, where ``sound`` counts ``sounds``: MP3 as text. Features that have a
        second in common share its sound. What the clip no longer holds has no sound (None).
        ``still`` has the excerpts of features with a name in the same way.
    """
    rate = min((r for r in MP3_RATES if r >= sample_rate), default=MP3_RATES[-1])
    files = {row["clip"]: Path(row["path"]) for row in _rows(clips, "clip", "path")}
    columns = "layer", "feature", "rank", "clip", "start", "end", "activation"
    seconds = [
        _Second.of("features", row, row["rank"], files.get(row["clip"]))
        for row in _rows(path, *columns)
    ]
    of_exam = _rows(excerpts, "layer", "feature", "clip", "start", "end", "sound")
    seconds += [
        _Second.of("still", row, rank, excerpts.parents[1] / row["sound"])
        for rank, row in enumerate(of_exam if seconds else ())
        if f"{int(row['layer'])}-{int(row['feature'])}" in names
    ]
    found: dict[int, dict[str, Any]] = {}
    numbers: dict[tuple, int | None] = {}
    file, samples = None, None
    for second in sorted(seconds, key=lambda second: (second.clip, str(second.file))):
        of_layer = found.setdefault(second.layer, {"features": {}, "still": {}, "sounds": []})
        if second.file != file:
            file = second.file
            samples = _samples_of(file, rate)
        key = second.layer, second.file, second.start
        if key not in numbers:
            first, stop = (round(edge * rate) for edge in (second.start, second.end))
            part = np.zeros(0) if samples is None else samples[first:stop]
            numbers[key] = len(of_layer["sounds"]) if len(part) else None
            if len(part):
                of_layer["sounds"].append(_mp3(part, rate))
    for second in sorted(seconds, key=lambda second: (second.feature, second.rank)):
        heard = numbers[second.layer, second.file, second.start]
        entry = [second.clip, second.start, second.end, second.activation, heard]
        found[second.layer][second.what].setdefault(second.feature, []).append(entry)
    return dict(sorted(found.items()))


def _samples_of(path: Path | None, sample_rate: int) -> np.ndarray | None:
    try:
        return None if path is None else read_audio(path, sample_rate)
    except (AudioError, OSError):
        return None


def _mp3(samples: np.ndarray, sample_rate: int) -> str:
    """A sound as MP3, which every browser plays, as the page has bytes."""
    file = io.BytesIO()
    how = {"bitrate_mode": "VARIABLE", "compression_level": MP3_COMPRESSION}
    soundfile.write(file, np.clip(samples, -1, 1), sample_rate, format="MP3", **how)
    return text_of(file.getvalue())


def is_true(text: str | None) -> bool:
    """What pandas and people write for true."""
    return (text or "").strip().lower() in ("true", "1", "yes")


def certificate_of(text: str | None) -> str:
    """A certificate as text; nothing where a table says that there is none."""
    text = (text or "").strip()
    return "" if text.lower() in ("", "false", "0", "no", "none", "nan") else text


def _rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    """Rows of a table that has `columns`; none if there is no such file."""
    if not path.is_file():
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or [])]
            if missing:
                raise ValueError(f"no column {', '.join(missing)}")
            for row in reader:
                for name in columns:
                    if row[name] is None:
                        raise ValueError(f"line {reader.line_num} is too short")
                    if name in ("layer", "feature", "rank"):
                        int(row[name])
                    elif name in ("start", "end") and number(row[name]) is None:
                        raise ValueError(f"{name} = {row[name]} in line {reader.line_num}")
                yield row
    except (OSError, TypeError, ValueError, csv.Error) as error:
        raise AuraliseError(
            f"{path}: not the table that was expected ({error}); expected the columns "
            f"{', '.join(columns)}; compute it again"
        ) from None
