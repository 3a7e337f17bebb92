"""The listening page as files: complete, close to the sounds, deterministic, safe for any name."""

import csv
import io
import json
import shutil
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
import torch

from auralise.auralisation import Auralisation, auralise, write_auralisations
from auralise.deconvnet.deconvnet import Deconvnet
from auralise.dissection.plants import name_plants, plant_kernels, write_plants
from auralise.dissection.tour import ROLES
from auralise.errors import AudioError, AuraliseError, MapsError
from auralise.explainers.writing import write_maps
from auralise.listening.builder import build_listening_page
from auralise.listening.likeness import distinctiveness, likenesses, order_by_likeness, sketch
from auralise.listening.packing import (
    BITS,
    DIGITS,
    LARGEST_CODE,
    coarseness_of,
    pack_map,
    text_of,
)
from auralise.listening.tables import (
    read_answers,
    read_correlations,
    read_evaluation,
    read_features,
    read_names,
)
from auralise.maps import Origin, open_maps
from auralise.networks.front_ends import undo
from auralise.networks.names import PLANTED
from auralise.stft import Stft

pytestmark = pytest.mark.slow

NETWORKS = ["square-0", "untrained-0"]
NASTY = 'Ü "quoted" <b>&#%41 it\'s'
SONGS = ["clicks", NASTY]
HASHES = {name: f"{n}a{n}b" * 16 for n, name in enumerate(NETWORKS)}
N_FEATURES = 6
DEAD = 3
QUIET = 5  # of layer 1: 60 dB below the others
FLOOR = -40.0
ATTRIBUTES = ["key", "</script><b>chord"]
STFT = Stft(sample_rate=11025, n_fft=256, hop_length=128)
N_SAMPLES = 16500


def make_results(folder: Path) -> Path:
    """Results of two networks and two songs, two layers each, one feature dead in layer 1."""
    rng = np.random.default_rng(0)
    time = np.arange(N_SAMPLES) / STFT.sample_rate
    clicks = np.exp(-(time % 0.25) * 40) * rng.normal(size=N_SAMPLES) / 8
    songs = {
        "clicks": clicks + 0.1 * np.sin(2 * np.pi * 440 * time),
        NASTY: 0.2 * np.sin(2 * np.pi * (200 + 800 * time) * time),
    }
    for seed, network in enumerate(NETWORKS):
        net = Deconvnet(make_network(seed))
        for song, samples in songs.items():
            path = folder / "deconvolution" / network / f"{song}.h5"
            origin = Origin(song, network, HASHES[network], {})
            write_maps(path, net, samples.astype(np.float32), STFT, origin)
            with open_maps(path) as maps:
                write_auralisations(folder / "auralisation" / network / song, maps)
        write_correlations(folder / "attributes" / network / "correlation.csv", network)
    evaluation = folder / "networks" / NETWORKS[0] / "evaluation.json"
    evaluation.parent.mkdir(parents=True)
    evaluation.write_text(json.dumps({"clip_accuracy": 0.75, "segment_accuracy": 0.625, "n": 8}))
    (evaluation.parent / "predictions.csv").write_text(
        "song,class,probability\nclicks,dub,0.25\nclicks,ska,0.75\n"
    )
    names = folder / "dissection" / NETWORKS[0] / "names.csv"
    names.parent.mkdir(parents=True)
    names.write_text(
        "layer,feature,name,p,q,score,runner_up,learned\n"
        "2,0,snare drum,0.001,0.01,0.7,hi-hat,True\n2,2,,0.5,0.9,0.1,,\n"
    )
    write_strongest(folder)
    write_signals(folder)
    return folder


def write_signals(folder: Path) -> None:
    """Three tones of two keys and two instruments, a drum, and the maps of two features on them."""
    rows = ["signal,file,key,instrument,pattern"]
    for signal in ("C piano", "C strings", "D piano", "drum"):
        rows.append(f"{signal},x," + (",," if signal == "drum" else signal.replace(" ", ",") + ","))
        frequency = 400 if signal.startswith("C") else 1600
        samples = 0.1 * np.sin(2 * np.pi * frequency * np.arange(5500) / STFT.sample_rate)
        origin = Origin(signal, NETWORKS[0], HASHES[NETWORKS[0]], {})
        path = folder / f"attributes/{NETWORKS[0]}/maps/{signal}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        net = Deconvnet(make_network(0))
        write_maps(path, net, samples.astype(np.float32), STFT, origin, {1: [1, DEAD], 2: [0]})
    rows[-1] = "drum,x,,,rock"
    (folder / "attributes/signals.csv").write_text("\n".join(rows) + "\n")


def write_strongest(folder: Path) -> None:
    """Two clips of two seconds, the second of which is quiet, and what is strongest in them."""
    rows = ["clip,path,split"]
    for clip, amplitude in (("ska.1", 0.5), (NASTY, 0.05)):
        path = folder / "clips" / f"{amplitude}.wav"
        path.parent.mkdir(exist_ok=True)
        time = np.arange(2 * 22050) / 22050
        soundfile.write(path, amplitude * np.sin(2 * np.pi * 500 * time) * time / 2, 22050)
        rows.append(f'"{clip.replace(chr(34), 2 * chr(34))}",{path},train')
    (folder / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    nasty = NASTY.replace('"', '""')
    (folder / "dissection" / NETWORKS[0] / "strongest.csv").write_text(
        "layer,feature,rank,clip,start,end,activation\n"
        f'1,1,2,"{nasty}",0.25,1.25,2.0\n1,1,1,ska.1,1.0,2.0,4.0\n1,2,1,ska.1,1.0,2.0,3.0\n'
        "2,0,1,gone,0.0,1.0,1.0\n",
        encoding="utf-8",
    )
    exam = folder / "dissection/exam/study.00001.flac"
    exam.parent.mkdir()
    soundfile.write(exam, 0.2 * np.sin(2 * np.pi * 500 * np.arange(22050) / 11025), 11025)
    (folder / "dissection" / NETWORKS[0] / "excerpts.csv").write_text(
        "layer,feature,clip,start,end,sound\n"
        "1,0,study.00001,1.0,1.5,exam/study.00001.flac\n2,0,study.00001,0.5,1.0,exam/study.00001.flac\n"
    )


KERNELS = {NETWORKS[0]: {(1, n): np.full((3, 3), n / 4) for n in range(N_FEATURES)}}
TOURED = [*NETWORKS, PLANTED]


def make_tour(folder: Path) -> None:
    """A tour of results of which 2-0 of the first network alone is an onset detector."""
    dissection = folder / "dissection"
    names = dissection / NETWORKS[0] / "names.csv"
    names.write_text(names.read_text().replace("snare drum", "onsets"))
    (dissection / NETWORKS[0] / "contributions.csv").write_text(
        "layer,feature,name,below,name_below,contribution,share\n"
        "2,0,onsets,4,,3.0,0.6\n2,0,onsets,1,,-1.0,-0.2\n"
    )
    rows = [["role", "network", "layer", "feature", "level_db", "song"]]
    for role in ROLES:
        for network in NETWORKS:
            found = role.what == "better onset detector" and network == NETWORKS[0]
            own = [2, 0, -3.0] if found else ["", "", ""]
            rows += [[role.what, network, *own, song] for song in SONGS]
    with (dissection / "tour.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    (dissection / PLANTED).mkdir()
    name_plants().to_csv(dissection / PLANTED / "names.csv", index=False)
    for song in SONGS:
        path = folder / "deconvolution" / PLANTED / f"{song}.h5"
        path.parent.mkdir(exist_ok=True)
        with open_maps(folder / "deconvolution" / NETWORKS[0] / f"{song}.h5") as maps:
            write_plants(path, maps, np.array([0.5] if song == NASTY else []))
        with open_maps(path) as maps:
            write_auralisations(folder / "auralisation" / PLANTED / song, maps)


def make_network(seed: int) -> torch.nn.Sequential:
    """Two small layers; feature DEAD of the first sees nothing but negative sums."""
    torch.manual_seed(seed)
    first = torch.nn.Conv2d(1, N_FEATURES, 3, padding="same", bias=False)
    second = torch.nn.Conv2d(N_FEATURES, 4, 3, padding="same", bias=False)
    with torch.no_grad():
        first.weight[DEAD] = -first.weight[DEAD].abs()
        first.weight[QUIET] *= 0.001
        second.weight[0].abs_()
    layers = [first, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    return torch.nn.Sequential(*layers, second, torch.nn.ReLU(), torch.nn.MaxPool2d(2))


def write_correlations(path: Path, network: str) -> None:
    """Feature f of layer l correlates by f / 10 - l / 5; a dead feature by nothing."""
    path.parent.mkdir(parents=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow("network layer feature attribute correlation n_pairs live".split())
        for layer, n_features in ((1, N_FEATURES), (2, 4)):
            for feature in range(n_features):
                live = (layer, feature) != (1, DEAD)
                r = feature / 10 - layer / 5 if live else ""
                for attribute in ATTRIBUTES:
                    writer.writerow([network, layer, feature, attribute, r, 8 * live, live])


def read_script(path: Path) -> dict:
    """What a data script hands to the page."""
    text = path.read_text(encoding="ascii")
    assert text.startswith("auralise.") and text.endswith(");\n")
    return json.loads(text[text.index("(") + 1 : -3])


def inflated(text: str, dtype: type) -> np.ndarray:
    return np.frombuffer(zlib.decompress(bytes_of(text)), dtype)


def bytes_of(text: str) -> bytes:
    """The bytes that `text_of` made text of, as the page reads them."""
    digits = [DIGITS.tolist().index(ord(character)) for character in text]
    bits = "".join(
        f"{len(DIGITS) * first + second:0{BITS}b}"
        for first, second in zip(digits[::2], digits[1::2], strict=False)
    )
    bits += "".join(f"{last:0{BITS // 2}b}" for last in digits[len(digits) // 2 * 2 :])
    return bytes(int(bits[n : n + 8], 2) for n in range(0, len(bits) // 8 * 8, 8))


def samples_of(song: dict) -> np.ndarray:
    found, _ = soundfile.read(io.BytesIO(bytes_of(song["samples"])), dtype="int32")
    return found / 2**12 * song["unit"]


def unpacked(entry: dict, song: dict) -> np.ndarray:
    """A feature's map as the page gets it, shape (n_bins, n_frames)."""
    coarseness = inflated(song["coarseness"], np.uint8).astype(int)
    codes = np.zeros(len(coarseness))
    codes[np.argsort(coarseness, kind="stable")] = inflated(entry["map"], np.int8)
    values = np.sinh(entry["bend"] * codes) / entry["bend"] * entry["step"] * 2.0**coarseness
    return values.reshape(STFT.n_bins, -1)


def error_db(found: np.ndarray, expected: np.ndarray) -> float:
    return float(10 * np.log10(np.sum((found - expected) ** 2) / np.sum(expected**2) + 1e-15))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("results") / "toy")


@pytest.fixture(scope="module")
def page(results):
    build_listening_page(results, NETWORKS, SONGS, results / "listening", FLOOR)
    return results / "listening"


@pytest.fixture
def copy(results, tmp_path):
    """Results that a test may damage."""
    without_page = shutil.ignore_patterns("listening")
    return Path(shutil.copytree(results, tmp_path / "toy", ignore=without_page))


def test_the_folder_holds_the_page_a_script_per_song_and_one_per_network_song_and_layer(page):
    names = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}
    scripts = {
        f"data/network{n}-song{s}-layer{k}.js" for n in (0, 1) for s in (0, 1) for k in (1, 2)
    }
    static = {
        "index.html", "page.css", "page.js", "player.js", "favourites.js", "words.js", "grid.js",
        "sound.js", "pictures.js", "data.js", "search.js", "mixer.js", "strongest.js", "signals.js",
        "tour.js",
    }  # fmt: skip
    scripts |= {"data/song0.js", "data/song1.js"}
    scripts |= {f"data/network0-strongest{k}.js" for k in (1, 2)} | {"data/network0-signals.js"}
    assert names == static | scripts | {"data/catalogue.js"}


def test_the_catalogue_names_everything_and_its_scripts_exist(page, results):
    catalogue = read_script(page / "data/catalogue.js")
    assert catalogue["experiment"] == "toy"
    assert [network["name"] for network in catalogue["networks"]] == NETWORKS
    first, second = catalogue["networks"]
    assert first["hash"] == "0a0b" * 3 and second["hash"] == "1a1b" * 3
    assert first["clip_accuracy"] == 0.75 and first["segment_accuracy"] == 0.625
    assert first["answers"] == {"clicks": [["ska", 0.75], ["dub", 0.25]]}
    assert first["names"] == {
        "2-0": {
            "name": "snare drum", "q": 0.01, "score": 0.7, "runnerUp": "hi-hat", "learned": True,
        }
    }  # fmt: skip
    assert second["names"] == second["answers"] == {}
    assert catalogue["songs"] == SONGS
    assert len(catalogue["shows"]) == 4
    for show in catalogue["shows"]:
        for item in show["layers"]:
            assert read_script(page / item["script"])["script"] == item["script"]


@pytest.mark.parametrize("layer", [1, 2])
@pytest.mark.parametrize("mode", ["mask", "rectified"])
def test_the_sounds_of_packed_maps_are_close_to_those_of_the_maps(page, results, layer, mode):
    for s, song in enumerate(SONGS):
        samples = read_script(page / f"data/song{s}.js")
        entries = read_script(page / f"data/network0-song{s}-layer{layer}.js")["features"]
        with open_maps(results / f"deconvolution/square-0/{song}.h5") as maps:
            given = samples_of(samples)
            assert error_db(np.abs(STFT.analyse(given)), np.abs(maps.spectrum)) < -70
            for entry in entries:
                if entry["state"] != "audible":
                    continue
                both = np.stack([maps.masks(layer)[entry["feature"]], unpacked(entry, samples)])
                expected, found = auralise(maps.spectrum, both, STFT, N_SAMPLES, mode)
                assert error_db(found, expected) < -24


def test_only_what_is_above_the_floor_travels(page):
    features = read_script(page / "data/network0-song0-layer1.js")["features"]
    states = [entry["state"] for entry in features]
    assert states[DEAD] == "dead" and states[QUIET] == "below"
    assert states.count("audible") == N_FEATURES - 2
    for entry in features:
        assert ("map" in entry) == (entry["state"] == "audible")
    assert features[DEAD]["energy"] == 0 and features[DEAD]["level"] is None
    assert features[DEAD]["attributes"]["key"] == {"r": None, "pairs": 0}
    assert features[QUIET]["level"] < FLOOR
    listed = read_script(page / "data/catalogue.js")["shows"][0]["layers"][0]
    assert listed["states"] == states
    assert listed["levels"] == [entry["level"] for entry in features]


def test_the_page_opens_on_a_named_feature_or_a_loud_one_unlike_the_others(page, copy):
    named = read_script(page / "data/catalogue.js")["first"]
    assert (named["layer"], named["feature"]) == (2, 0)
    (copy / "dissection/square-0/names.csv").unlink()
    build_listening_page(copy, NETWORKS, SONGS, copy / "listening", FLOOR)
    catalogue = read_script(copy / "listening/data/catalogue.js")
    first = catalogue["first"]
    listed = catalogue["shows"][first["song"]]["layers"][first["layer"] - 1]
    assert listed["levels"][first["feature"]] >= -20


def test_a_table_of_features_has_the_last_word_on_levels(copy):
    table = copy / "auralisation/square-0/clicks/features.csv"
    table.write_text(
        "layer,feature,live,level_db,certificate,share_negative\n"
        "1,0,True,-3.5,certified,0.25\n1,1,True,-50,,\n"
    )
    build_listening_page(copy, NETWORKS[:1], SONGS[:1], copy / "listening", FLOOR)
    features = read_script(copy / "listening/data/network0-song0-layer1.js")["features"]
    assert features[0]["level"] == -3.5 and features[0]["certificate"] == "certified"
    assert features[0]["measures"]["share_negative"] == 0.25
    assert features[1]["state"] == "below"


def test_a_map_may_be_of_any_scale_and_codes_fit_a_byte():
    rng = np.random.default_rng(0)
    mask = rng.standard_t(1.5, size=(129, 60)) * 1e-9
    magnitude = rng.exponential(size=(129, 60)) ** 3
    coarseness = coarseness_of(magnitude)
    packed = pack_map(mask, magnitude, coarseness)
    assert np.abs(packed.codes.astype(int)).max() <= LARGEST_CODE
    assert error_db(packed.values(coarseness) * magnitude, mask * magnitude) < -30
    assert not pack_map(0 * mask, magnitude, coarseness).values(coarseness).any()
    assert (coarseness[magnitude == magnitude.max()] == 0).all()


def test_bytes_come_back_from_text_that_nothing_has_to_escape():
    content = np.random.default_rng(0).bytes(5000)
    assert all(bytes_of(text_of(content[:length])) == content[:length] for length in range(60))
    text = text_of(content)
    assert bytes_of(text) == content
    assert len(text) < 1.232 * len(content)
    assert json.dumps(text) == f'"{text}"' and "<" not in text


def test_likeness_is_the_correlation_of_pictures_and_orders_alike_beside_alike():
    frequencies = STFT.frequencies
    pictures = np.zeros((5, STFT.n_bins, 86))
    for n, bin_ in enumerate([20, 90, 22, 91, 21]):
        pictures[n, bin_ - 4 : bin_ + 5] = 1
    sketches = np.stack([sketch(picture, frequencies) for picture in pictures])
    alike = likenesses(sketches, sketches)
    np.testing.assert_allclose(np.diag(alike), 1, atol=1e-5)
    assert alike[0, 2] > 0.5 > 0.1 > alike[0, 1]
    order = order_by_likeness(sketches).tolist()
    low = [order.index(n) for n in (0, 2, 4)]
    assert max(low) - min(low) == 2
    assert set(np.argsort(distinctiveness(sketches))[-2:]) == {1, 3}


def test_correlations_arrive_at_their_feature(page):
    layer = read_script(page / "data/network1-song1-layer2.js")
    assert layer["attributes"] == ATTRIBUTES
    found = [entry["attributes"]["key"]["r"] for entry in layer["features"]]
    assert found == pytest.approx([-0.4, -0.3, -0.2, -0.1])


def test_true_gains_bring_the_loudest_feature_to_the_level_of_the_song(page, results):
    layer = read_script(page / "data/network0-song0-layer1.js")
    with open_maps(results / "deconvolution/square-0/clicks.h5") as maps:
        sounds = auralise(maps.spectrum, maps.deconvolved(1), STFT, N_SAMPLES)
        song = maps.stft.synthesise(maps.spectrum, N_SAMPLES)
    levels = np.sqrt(np.mean(sounds**2, axis=1))
    expected = np.sqrt(np.mean(song**2)) / levels.max()
    assert layer["gains"]["mask"] == pytest.approx(expected, rel=1e-4)
    assert layer["gains"]["rectified"] >= layer["gains"]["magnitude"]
    live = [entry for entry in layer["features"] if entry["state"] != "dead"]
    found = [entry["level"] for entry in live]
    of_live = levels[[entry["feature"] for entry in live]]
    np.testing.assert_allclose(found, 20 * np.log10(of_live / levels.max()), atol=0.01)


@pytest.mark.parametrize("mode", ["rectified", "phase"])
def test_levels_are_of_the_sounds_that_were_made(copy, mode):
    with open_maps(copy / "deconvolution/square-0/clicks.h5") as maps:
        how = Auralisation(mode, "peak")
        write_auralisations(copy / "auralisation/square-0/clicks", maps, how)
        sounds = auralise(maps.spectrum, maps.deconvolved(1), STFT, N_SAMPLES, mode)
    build_listening_page(copy, NETWORKS[:1], SONGS[:1], copy / "listening", FLOOR)
    entries = read_script(copy / "listening/data/network0-song0-layer1.js")["features"]
    live = [entry for entry in entries if entry["state"] != "dead"]
    levels = np.sqrt(np.mean(sounds[[entry["feature"] for entry in live]] ** 2, axis=1))
    np.testing.assert_allclose(
        [entry["level"] for entry in live], 20 * np.log10(levels / max(levels)), atol=0.01
    )


def test_where_sounds_take_a_compression_back_the_page_plays_song_times_map(copy):
    folder, path = copy / "auralisation/square-0/clicks", copy / "deconvolution/square-0/clicks.h5"
    with h5py.File(path, "r+") as file:
        file.attrs["compression"] = json.dumps([{"log1p": {"gain": 100.0, "base": "e"}}])
    with open_maps(path) as maps:
        write_auralisations(folder, maps, Auralisation("phase", "peak"), undo)
    build_listening_page(copy, NETWORKS[:1], SONGS[:1], copy / "listening", FLOOR)
    layer = read_script(copy / "listening/data/network0-song0-layer1.js")
    assert layer["mode"] == "mask" and "phase" not in layer["modes"]


def test_similarity_is_the_correlation_of_map_and_magnitude(page, results):
    entry = read_script(page / "data/network0-song0-layer2.js")["features"][0]
    with open_maps(results / "deconvolution/square-0/clicks.h5") as maps:
        expected = np.corrcoef(maps.deconvolved(2)[0].ravel(), np.abs(maps.spectrum).ravel())[0, 1]
    assert entry["similarity"] == pytest.approx(expected, abs=1e-5)


def test_networks_that_hear_a_song_at_different_rates_have_samples_of_their_own(copy):
    path = copy / "deconvolution/untrained-0/clicks.h5"
    other = Stft(sample_rate=8000, n_fft=200, hop_length=100)
    samples = np.sin(np.arange(12000) / 9).astype(np.float32)
    origin = Origin("clicks", "untrained-0", "f" * 64, {})
    write_maps(path, Deconvnet(make_network(1)), samples, other, origin)
    build_listening_page(copy, NETWORKS, SONGS[:1], copy / "listening", FLOOR)
    shows = read_script(copy / "listening/data/catalogue.js")["shows"]
    scripts = [read_script(copy / "listening" / show["audio"]) for show in shows]
    assert [script["sampleRate"] for script in scripts] == [11025, 8000]


def test_the_tour_names_players_plants_and_what_they_are_made_of(copy):
    make_tour(copy)
    kernels = KERNELS | {PLANTED: plant_kernels()}
    build_listening_page(copy, TOURED, SONGS, copy / "listening", FLOOR, kernels=kernels)
    catalogue = read_script(copy / "listening/data/catalogue.js")
    tour = catalogue["tour"]
    assert (tour["beside"], tour["planted"], tour["songs"]) == ([1, 2], 2, [0, 1])
    players = {role["what"]: role["players"] for role in tour["roles"]}
    assert list(players)[:2] == ["better onset detector", "kick-drum selector"]
    assert players["better onset detector"] == {"0": [2, 0], "1": None, "2": [2, 0]}
    assert players["kick-drum selector"] == {"0": None, "1": None, "2": [1, 2]}
    assert players["melody selector"] == {"0": None, "1": None}
    assert catalogue["first"] == {"song": 0, "layer": 2, "feature": 0}
    first, second, planted = catalogue["networks"]
    assert first["below"] == {"2-0": [[4, 0.6], [1, -0.2]]} and second["below"] == {}
    assert first["kernels"]["1-3"] == [[0.75] * 3] * 3 and second["kernels"] == {}
    assert planted["kernels"]["2-0"] == [[-1, 1, 0]] * 3
    assert planted["names"]["1-2"]["name"] == "kick"
    shows = {(show["network"], show["song"]): show["layers"] for show in catalogue["shows"]}
    assert shows[2, 0][0]["states"] == ["audible", "audible", "dead"]  # no kick in the score
    assert shows[2, 1][0]["states"] == ["audible"] * 3


def test_without_a_tour_there_is_none(page):
    assert read_script(page / "data/catalogue.js")["tour"] is None


def test_the_strongest_seconds_have_their_sound_once(page):
    catalogue = read_script(page / "data/catalogue.js")
    assert catalogue["networks"][1]["strongest"] == {}
    scripts = catalogue["networks"][0]["strongest"]
    first, second = (read_script(page / scripts[layer]) for layer in "12")
    assert first["features"] == {
        "1": [["ska.1", 1, 2, 4, 0], [NASTY, 0.25, 1.25, 2, 1]],
        "2": [["ska.1", 1, 2, 3, 0]],
    }
    assert second == {
        "script": scripts["2"],
        "features": {"0": [["gone", 0, 1, 1, None]]},
        "still": {"0": [["study.00001", 0.5, 1, None, 0]]},  # 1-0 has no name
        "sounds": second["sounds"],
    }
    samples, rate = soundfile.read(io.BytesIO(bytes_of(second["sounds"][0])))
    assert abs(len(samples) / rate - 0.5) < 0.01
    sounds = [soundfile.read(io.BytesIO(bytes_of(text))) for text in first["sounds"]]
    assert [(len(samples), rate) for samples, rate in sounds] == [(11025, 11025)] * 2
    peaks = [np.abs(samples[:100]).max() for samples, _ in sounds]  # they fade in
    assert peaks == pytest.approx([0.25, 0.00625], rel=0.1)


def test_the_model_signals_have_the_maps_of_the_features_that_were_kept(page, results):
    catalogue = read_script(page / "data/catalogue.js")
    first, second = (network["signals"] for network in catalogue["networks"])
    assert first["features"] == [[1, 1], [1, DEAD], [2, 0]] and second is None
    found = read_script(page / first["script"])
    assert found["columns"] == ["piano", "strings"]
    assert found["rows"] == [["C", [0, 1]], ["D", [2, None]]]
    for signal in found["signals"]:
        assert set(signal["maps"]) == {"1-1", "2-0"}
        samples = samples_of(signal)
        with open_maps(results / f"attributes/square-0/maps/{signal['name']}.h5") as maps:
            spectrum = maps.spectrum
            assert error_db(np.abs(STFT.analyse(samples)), np.abs(spectrum)) < -70
            expected = maps.masks(1)[0] * np.abs(spectrum)
        assert error_db(unpacked(signal["maps"]["1-1"], signal) * np.abs(spectrum), expected) < -24


def test_building_twice_gives_the_same_bytes(page, results, tmp_path):
    build_listening_page(results, NETWORKS, SONGS, tmp_path / "again", FLOOR)
    for path in page.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(page)).read_bytes() == path.read_bytes()


def test_building_anew_leaves_nothing_of_what_is_gone(results, tmp_path):
    build_listening_page(results, NETWORKS, SONGS, tmp_path, FLOOR)
    build_listening_page(results, NETWORKS[1:], SONGS[:1], tmp_path, FLOOR)
    names = {path.name for path in (tmp_path / "data").iterdir()}
    assert names == {
        "catalogue.js", "song0.js", "network0-song0-layer1.js", "network0-song0-layer2.js",
    }  # fmt: skip


def test_scripts_are_ascii_without_any_markup(page):
    for path in (page / "data").iterdir():
        assert "<" not in path.read_text(encoding="ascii")
        assert path.name.isascii() and " " not in path.name


def test_the_page_refers_to_nothing_outside_its_folder(page):
    for path in page.iterdir():
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            assert "http:" not in text and "https:" not in text and "//cdn" not in text


def test_missing_files_are_named(copy):
    (copy / "auralisation/untrained-0/clicks/auralisation.json").unlink()
    with pytest.raises(AudioError, match=r"auralisation\.json: does not say how the sounds"):
        build_listening_page(copy, NETWORKS[1:], SONGS[:1], copy / "listening", FLOOR)
    (copy / f"deconvolution/untrained-0/{NASTY}.h5").unlink()
    with pytest.raises(MapsError, match="not a readable HDF5 file"):
        build_listening_page(copy, NETWORKS[1:], SONGS[1:], copy / "listening", FLOOR)


def test_nothing_to_show_is_an_error(tmp_path):
    with pytest.raises(AuraliseError, match="at least one network and one song"):
        build_listening_page(tmp_path, [], ["a"], tmp_path / "listening", FLOOR)


def test_tables_and_evaluations_may_be_absent_but_not_broken(tmp_path):
    assert read_correlations(tmp_path / "correlation.csv") == {}
    assert read_names(tmp_path / "names.csv") == read_answers(tmp_path / "predictions.csv") == {}
    assert read_features(tmp_path / "features.csv") == {}
    (tmp_path / "features.csv").write_text("layer,feature,level_db\nfirst,0,0\n")
    with pytest.raises(AuraliseError, match="features.csv: not the table that was expected"):
        read_features(tmp_path / "features.csv")
    assert read_evaluation(tmp_path / "evaluation.json") == {}
    (tmp_path / "correlation.csv").write_text("layer,feature\n1,2\n")
    with pytest.raises(AuraliseError, match="expected .*attribute"):
        read_correlations(tmp_path / "correlation.csv")
    (tmp_path / "evaluation.json").write_text("[1]")
    with pytest.raises(AuraliseError, match="not a JSON object"):
        read_evaluation(tmp_path / "evaluation.json")
    (tmp_path / "evaluation.json").write_text('{"clip_accuracy": NaN, "segment_accuracy": 0.5}')
    assert read_evaluation(tmp_path / "evaluation.json") == {"segment_accuracy": 0.5}
