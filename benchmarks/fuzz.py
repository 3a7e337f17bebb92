"""Hostile input: files of every kind that is read, damaged at random; each works or is told.

``python -m benchmarks.fuzz [--cases 100000] [--seed 0]`` ends with status 1 where an input gave
anything but a result or a short sentence; those inputs stay in the folder that is printed.
"""

import argparse
import io
import json
import random
import shutil
import signal
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import soundfile
import torch
import yaml

from auralise.attributes.designs import find_signals, pairs_by_attribute
from auralise.attributes.designs import read_names as read_levels
from auralise.audio import read_audio
from auralise.datasets.archives import unpack_sounds
from auralise.datasets.jamendo import read_passages
from auralise.errors import LONGEST_MESSAGE, AuraliseError, message_of
from auralise.experiment.origins import origin_of
from auralise.experiment.records import Record
from auralise.experiment.settings import complete_settings, refuse_unreadable
from auralise.listening import tables
from auralise.maps import Origin, create_maps, open_maps
from auralise.networks.genre import Architecture, build_network
from auralise.songs import read_list
from auralise.stft import Stft
from auralise.weights.own import write_weights
from auralise.weights.reader import read_weights

SCHEMA = Path(__file__).parents[1] / "workflow/schemas/config.schema.yaml"
SLOWEST = 20  # s of a processor that a case may take
PATTERNS = b"{key:[A-G]b?\\d}_{instrument:grand_piano|organ}_{chord}.wav\nBb2_grand_piano_minor.wav"
DESIGN = b"file,key,chord\na.wav,A3,major\nb.wav,C4,major\n"
TABLE = (
    b"network,layer,feature,rank,clip,start,end,activation,attribute,correlation,n_pairs,song,class,"
    b"probability,name,q,level_db,path,sound\nsquare-0,1,0,1,a,0,1.5,2e-3,key,0.5,12,s,rock,0.9,bass,0.01,"
    b"-12.5,a.wav,a.wav\n"
)
EVALUATION = b'{"clip_accuracy": 0.5, "n_clips": 9, "baselines": {"mean": {"accuracy": 0.25}}}'
EXTREMES = tuple(map(bytes.fromhex, "00000000 ffffffff 7fffffff ffffff7f 00000080".split()))
TOKENS = (
    *(b"{}", b"[[[[", b"&a [*a, *a]", b"nan", b"-1", b"1e400", b"9" * 400, b"\x00", b"\xff\xfe"),
    *("\u202e".encode(), b"..", b"/", b"'", b'"', b"%s", b"\r\n", b",,,", b": : :", b"!!python"),
)


@dataclass(frozen=True)
class Target:
    """A kind of file: whole ones by ending, and what reads them."""

    name: str
    seeds: Mapping[str, bytes]
    read: Callable[[Path], object]


def targets(folder: Path) -> list[Target]:
    """All kinds of file, with small whole ones made in `folder`."""
    (folder / "a.wav").touch()
    return [
        Target("sound", _sounds(), lambda path: read_audio(path, 11025)),
        Target("weights", _weights(folder), read_weights),
        Target("settings", _settings(), _read_settings),
        Target("labels", {".lab": b"0 1.5 sing\n1.5 3 nosing\n"}, read_passages),
        Target("pattern", {".txt": PATTERNS}, _read_pattern),
        Target("design", {".csv": DESIGN}, _read_design),
        Target("page", {".csv": TABLE, ".json": EVALUATION}, _read_for_the_page),
        Target("list", {".txt": b"a.wav\r\nsub/b.flac\n"}, read_list),
        Target("archive", _archives(), _unpack),
        Target("maps", _maps(folder), _read_maps),
        Target("record", {".json": _record(folder)}, Record.read),
        Target("provenance", _sounds() | _maps(folder) | _weights(folder), origin_of),
    ]


def mutate(content: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """A file damaged in one to four ways."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        # Headers are where files are fragile.
        end = len(data) if rng.random() < 0.5 else min(len(data), 200)
        place = rng.randrange(end + 1) if data else 0
        match rng.randrange(7):
            case 0 if place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                del data[place:]
            case 2:
                del data[place : place + rng.randint(1, 64)]
            case 3:
                data[place : place + 4] = rng.choice(EXTREMES)
            case 4:
                data[place:place] = rng.choice(TOKENS) * rng.choice((1, 1, 1, 50))
            case 5:
                data[place:place] = data[place : place + rng.randint(1, 300)] * rng.choice((1, 9))
            case _:
                other = rng.choice(others)
                data[place:] = other[rng.randrange(len(other) + 1) :]
    return bytes(data[: 2**20])


def try_one(target: Target, path: Path) -> str:
    """What becomes of a file: 'works', 'told', or what is wrong with the answer."""
    started = time.process_time()

    def late(*_):
        raise TimeoutError(f"more than {SLOWEST} s")

    former = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SLOWEST)
    try:
        target.read(path)
        answer = "works"
    except AuraliseError as error:
        told = message_of(error)
        answer = "told" if told.strip() and len(told) <= LONGEST_MESSAGE else f"told badly: {told}"
        if len(str(error)) > 100 * LONGEST_MESSAGE:
            answer = f"a message of {len(str(error))} characters was made"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        answer = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, former)
    if time.process_time() - started > SLOWEST:
        answer = f"took {time.process_time() - started:.0f} s"
    return answer[:300]


def fuzz(
    folder: Path, seed: int, n_cases: int | None = None, seconds: float | None = None
) -> tuple[Counter, list[tuple[str, Path]]]:
    """Try damaged files of every kind in turn, so many or so long, and of each kind one.

    Returns
    -------
    counts : Counter
        By kind and answer.
    wrong : list of (str, Path)
        Answers that are neither a result nor a short sentence, and the file of each.
    """
    torch.set_num_threads(1)
    kinds = targets(folder)
    rng = random.Random(seed)
    counts: Counter = Counter()
    wrong: list[tuple[str, Path]] = []
    started, number = time.monotonic(), 0
    while (n_cases is None or number < n_cases) and (
        seconds is None or number < len(kinds) or time.monotonic() - started < seconds
    ):
        target = kinds[number % len(kinds)]
        ending = rng.choice(sorted(target.seeds))
        path = folder / f"case-{number}{ending}"
        path.write_bytes(mutate(target.seeds[ending], list(target.seeds.values()), rng))
        answer = try_one(target, path)
        kind = answer if answer in ("works", "told") else "wrong"
        counts[target.name, kind] += 1
        if kind == "wrong":
            wrong.append((f"{target.name}: {answer}", path))
        else:
            path.unlink()
        number += 1
    return counts, wrong


def _sounds() -> dict[str, bytes]:
    samples = 0.5 * np.sin(np.arange(2205) / 5)
    formats = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".mp3": "MP3", ".au": "AU"}
    seeds = {}
    for ending, format in (formats | {".aiff": "AIFF"}).items():
        file = io.BytesIO()
        soundfile.write(file, np.column_stack([samples, samples]), 22050, format=format)
        seeds[ending] = file.getvalue()
    return seeds


def _weights(folder: Path) -> dict[str, bytes]:
    architecture = Architecture(
        kernels=((3, 3),) * 2, features=(2, 3), dropout=(0.0,) * 2, dense=(4,)
    )
    network = build_network(architecture, 33, 20, 2)
    path = folder / "seed.safetensors"
    write_weights(path, network, architecture, n_bins=33, n_frames=20, classes=["a", "b"])
    seeds = {".safetensors": path.read_bytes()}
    file = io.BytesIO()
    torch.save({name: value for name, value in network.state_dict().items()}, file)
    seeds[".pt"] = file.getvalue()
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    np.savez(file, *(rng.standard_normal(shape).astype("f4") for shape in ((2, 1, 3, 3), (2,))))
    return seeds | {".npz": file.getvalue(), ".h5": _keras(rng), ".onnx": _onnx(rng)}


def _keras(rng: np.random.Generator) -> bytes:
    """A model as Keras 2 wrote it."""
    of_layer = {"name": "conv", "filters": 2, "kernel_size": [3, 3], "padding": "same"}
    of_layer |= {"activation": "relu", "data_format": "channels_last", "use_bias": True}
    of_layer |= {"strides": [1, 1], "dilation_rate": [1, 1], "batch_input_shape": [None, 20, 24, 1]}
    layers = [{"class_name": "Conv2D", "config": of_layer}]
    config = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    file = io.BytesIO()
    with h5py.File(file, "w") as model:
        weights = model.create_group("model_weights")
        for group in model, weights:
            group.attrs["keras_version"], group.attrs["backend"] = "2.2.4", "tensorflow"
        model.attrs["model_config"] = json.dumps(config)
        weights.attrs["layer_names"] = [b"conv"]
        of_conv = weights.create_group("conv")
        of_conv.attrs["weight_names"] = [b"conv/kernel:0", b"conv/bias:0"]
        of_conv["conv/kernel:0"] = rng.standard_normal((3, 3, 1, 2)).astype("f4")
        of_conv["conv/bias:0"] = rng.standard_normal(2).astype("f4")
    return file.getvalue()


def _onnx(rng: np.random.Generator) -> bytes:
    kernels = onnx.numpy_helper.from_array(rng.standard_normal((2, 1, 3, 3)).astype("f4"), "w")
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["c"], ["y"]),
    ]
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, n, 20, 24])
        for name, n in (("x", 1), ("y", 2))
    ]
    graph = onnx.helper.make_graph(nodes, "net", values[:1], values[1:], [kernels])
    opsets = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opsets).SerializeToString()


def _settings() -> dict[str, bytes]:
    folder = SCHEMA.parents[2] / "config"
    return {".yaml": b"\n".join(path.read_bytes() for path in sorted(folder.glob("c*.yaml")))}


def _read_settings(path: Path) -> None:
    refuse_unreadable(path)
    complete_settings(yaml.load(path.read_bytes(), yaml.CSafeLoader), SCHEMA)


def _read_pattern(path: Path) -> None:
    pattern, _, names = path.read_text("utf-8", "replace").partition("\n")
    read_levels(names.split("\n"), [pattern])


def _read_design(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, Path(folder) / "signals.csv")
        for name in "ab":
            (Path(folder) / f"{name}.wav").touch()
        pairs_by_attribute(find_signals(folder, []))


def _read_for_the_page(path: Path) -> None:
    if path.suffix == ".json":
        tables.read_evaluation(path)
        return
    for read in (tables.read_answers, tables.read_names, tables.read_features):
        read(path)
    tables.read_correlations(path)
    tables.read_strongest(path, path, path, tables.read_names(path), 8000)


def _archives() -> dict[str, bytes]:
    sounds = {f"{genre}/{n}.wav": _sounds()[".wav"][:2000] for genre in "ab" for n in range(2)}
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, content in sounds.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    with zipfile.ZipFile(packed, "w") as file:
        for name, content in sounds.items():
            file.writestr(name, content)
    return {".tar": tar.getvalue(), ".zip": packed.getvalue()}


def _unpack(path: Path) -> None:
    folder = path.with_suffix(".unpacked")
    try:
        unpack_sounds(path, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _maps(folder: Path) -> dict[str, bytes]:
    path, stft = folder / "seed.h5", Stft(8000, 64, 32)
    origin = Origin("song", "network", "0" * 64, {"layers": [1]})
    with create_maps(path, stft, 320, {1: [0, 1]}, origin, np.ones(stft.n_bins)) as writer:
        writer.write_maps(1, np.ones((2, stft.n_bins, 11), np.float32))
        writer.write_activations(1, *np.ones((2, 2)), *np.ones((2, 2), bool), np.zeros(2))
    return {".h5": path.read_bytes()}


def _read_maps(path: Path) -> None:
    with open_maps(path) as maps:
        _ = (maps.spectrum, maps.origin, maps.mask_scale)
        for layer in maps.layers:
            _ = (maps.deconvolved(layer), maps.live(layer), maps.activation_energy(layer))


def _record(folder: Path) -> bytes:
    Record("rule", {"network": "n"}, inputs={"a": "0"}).write(folder / "seed.json")
    return (folder / "seed.json").read_bytes()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    counts, wrong = fuzz(folder, options.seed, options.cases)
    for (kind, answer), n in sorted(counts.items()):
        print(f"{kind:12} {answer:6} {n:7}")
    for answer, path in wrong[:50]:
        print(f"{path}: {answer}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
