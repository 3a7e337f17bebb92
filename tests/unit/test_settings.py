"""Settings are completed with defaults; a mistake is answered with what was expected."""

import re
from dataclasses import MISSING, asdict, fields
from inspect import signature

import pytest
import yaml

from auralise import choices
from auralise.attributes.representations import COMPARED
from auralise.attributes.signals import PERCUSSIVE, Factor
from auralise.cli.main import build_parser
from auralise.datasets.gtzan.published import CLIPS_PER_GENRE, DURATION
from auralise.dissection.methods import NULLS
from auralise.errors import SettingsError
from auralise.experiment.contradictions import refuse_contradictions
from auralise.experiment.guide import settings_table, write_tables
from auralise.experiment.settings import (
    complete_settings,
    read_schema,
    refuse_unreadable,
    stft_settings,
)
from auralise.explainers.making import METHODS
from auralise.features import audible
from auralise.inversion.training import Objective
from auralise.networks.genre import OVER_TIME, SCALINGS, Architecture
from auralise.networks.initialisation import INITIALISATIONS
from auralise.networks.names import INPUT, PERMUTED, UNTRAINED, is_given
from auralise.networks.svdnet import LAYERS
from auralise.statistics import sample_needed
from auralise.stft import Stft
from auralise.training.augmentation import Augmentation
from auralise.training.schedules import OPTIMISERS, Schedule
from auralise.training.singing import Variation


@pytest.fixture
def schema(repository):
    return repository / "workflow/schemas/config.schema.yaml"


def test_nothing_given_is_the_whole_default(schema):
    settings = complete_settings({}, schema)
    assert settings["networks"]["square"]["kernel"] == [3, 3]
    assert settings["stft"] == {
        "sample_rate": 11025,
        "n_fft": 512,
        "hop_length": 256,
        "duration": 4.0,
        "edges": "surroundings",
    }
    assert settings["controls"]["untrained"] == 1


def test_a_variant_takes_the_defaults_that_it_leaves_out(schema):
    networks = complete_settings({"networks": {"wide": {"kernel": [9, 3]}, "plain": None}}, schema)[
        "networks"
    ]
    assert set(networks) == {"wide", "plain"}
    assert networks["wide"]["features"] == 64
    assert networks["plain"]["kernel"] == [3, 3]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"sed": 1}, "sed = 1: no such setting; did you mean 'seeds'"),
        ({"excerpt_start": 3}, "no such setting; write songs: {folder: src_songs, start: 0}"),
        ({"songs": {"start": 3}}, "expected a folder, or {folder: …"),
        ({"songs": {"folder": "a", "starts": {"b": -1}}}, "songs.starts.b = -1: expected a number"),
        (
            {"training": {"epohcs": 3}},
            "training.epohcs = 3: no such setting; did you mean 'epochs'",
        ),
        ({"training": {"epochs": "ten"}}, "training.epochs = 'ten': expected an integer from 1"),
        ({"dataset": {"name": "gtsan"}}, "dataset.name = 'gtsan': expected one of bands, folder"),
        ({"seeds": 3}, "seeds = 3: expected a list of different integers"),
        (
            {"stft": {"duration": 0}},
            "stft.duration = 0: expected a number above 0 and up to 3600 (s)",
        ),
        ({"networks": {"untrained": {}}}, "not 'untrained'"),
        ({"controls": {"untrained": 0}}, "a control would mean little"),
        ({"seeds": [1.0]}, "seeds.0 = 1.0: expected an integer from 0 to 4294967295"),
        (
            {"dataset": {"split": [60, 20, 20]}},
            "dataset.split.0 = 60: expected a number above 0 and below 1",
        ),
        ({"seeds": None}, "seeds = null: expected a list of different integers"),
        ({"stft": {"duration": float("inf")}}, "stft.duration = inf: expected a number above 0"),
        ({"training": {"learning_rate": float("nan")}}, "learning_rate = nan: expected a number"),
        (
            {"training": {"learning_rate": "1e-3"}},
            "this is text: write it without quotes",
        ),
        ({"training": "much"}, "training = 'much': expected settings of its own"),
        ({"networks": {"even": {"kernel": [2, 3]}}}, "even.kernel.0 = 2: expected an odd integer"),
        ({"networks": {}}, "networks = {}: expected at least one variant"),
        ({"networks": {1: {}}}, "networks = 1: expected a name of up to 100 letters"),
        ({"experiment": "a" * 101}, "expected a name of up to 100 letters"),
        ({"experiment": "a/b"}, "experiment = 'a/b': expected a name"),
    ],
)
def test_a_mistake_is_answered_with_key_value_and_expectation(schema, given, answer):
    with pytest.raises(SettingsError) as error:
        complete_settings(given, schema)
    assert answer in str(error.value)


def test_a_network_with_given_weights_takes_no_architecture(schema):
    settings = complete_settings({"networks": {"tagger": {"weights": "t.pt"}, "own": {}}}, schema)
    assert settings["networks"]["tagger"] == {"weights": "t.pt"}
    assert settings["networks"]["own"]["layers"] == 5
    with pytest.raises(SettingsError, match="tagger.kernel = .*no such setting; known here: weig"):
        complete_settings({"networks": {"tagger": {"weights": "t", "kernel": [3, 3]}}}, schema)


def test_published_networks_are_those_that_are_known(schema):
    given = read_schema(schema)["properties"]["networks"]["additionalProperties"]["then"]
    assert given["properties"]["published"]["enum"] == list(choices.PUBLISHED)


def test_a_network_hears_its_own_transform(schema):
    networks = {
        "own": {}, "tagger": {"weights": "t.pt", "stft": {"n_fft": 1024}},
        "mtt": {"published": "musicnn/MTT_vgg"},
    }  # fmt: skip
    settings = complete_settings({"networks": networks}, schema)
    common = {"sample_rate": 11025, "n_fft": 512, "hop_length": 256}
    assert stft_settings(settings, "own") == common
    assert stft_settings(settings, "tagger") == common | {"n_fft": 1024}
    assert stft_settings(settings, "mtt") == choices.PUBLISHED_STFT


@pytest.mark.parametrize(
    ("network", "answer"),
    [
        ({"module": "a:B"}, "networks.x: expected either weights, a file, or published"),
        ({"weights": "no.pt"}, "networks.x.weights = 'no.pt': is not there"),
        ({"weights": __file__, "module": "no.py:A"}, "networks.x.module = 'no.py': is not there"),
        (
            {"published": "musicnn/MTT_vgg", "front_end": [{"power": 2}]},
            "networks.x.front_end: musicnn/MTT_vgg has its own; leave it out",
        ),
        (
            {"weights": __file__, "stft": {"n_fft": 256}},
            "networks.x: stft.hop_length = 256: expected at most half of stft.n_fft",
        ),
    ],
)
def test_a_given_network_that_contradicts_itself(schema, tmp_path, network, answer):
    settings = complete_settings({"networks": {"x": network}}, schema)
    with pytest.raises(SettingsError) as error:
        refuse_contradictions(settings, tmp_path / "results")
    assert answer in str(error.value)


def test_an_absent_package_is_answered_with_the_line_that_installs_it(
    schema, tmp_path, monkeypatch
):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    settings = complete_settings({"networks": {"x": {"published": "musicnn/MTT_vgg"}}}, schema)
    with pytest.raises(SettingsError, match=r"pip install --no-deps musicnn==0\.1\.0"):
        refuse_contradictions(settings, tmp_path / "results")


def test_a_section_with_nothing_behind_its_name_is_one_of_defaults(schema):
    assert complete_settings({"training": None}, schema) == complete_settings({}, schema)


INVERTERS = {"inverters": [__file__]}
FILED = {"meanstd": __file__} | INVERTERS  # files that are there
INVERTING = {"methods": ["inversion"]}


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (
            {"networks": {"deep": {"layers": 8, "dropout": 0}}},
            "networks.deep.layers = 8: segments of 257 bins × 173 frames are too small; expected",
        ),
        ({"stft": {"hop_length": 300}}, "stft.hop_length = 300: expected at most half of stft.n"),
        ({"dataset": {"split": [0.9, 0.5, 0.6]}}, "dataset.split = [0.9, 0.5, 0.6]: these make 2"),
        ({"dataset": {"path": "mine"}}, "dataset.path = 'mine': would not be used; expected datas"),
        ({"attributes": {"path": "mine"}}, "attributes.path = 'mine': would not be used; expected"),
        (
            INVERTING | {"inversion": {"data": {"path": "mine"}}},
            "inversion.data.path = 'mine': would not be used; expected inversion.data.name",
        ),
        ({"dataset": {"name": "gtzan"}}, "dataset.path = null: expected a folder, a tar archive"),
        ({"auralisation": {"labels": "away"}}, "auralisation.labels = 'away': is not there"),
        ({"dataset": {"name": "folder", "path": "away"}}, "dataset.path = 'away': is not there"),
        ({"attributes": {"source": "directory"}}, "attributes.path = null: expected the folder"),
        ({"dataset": {"name": "folder", "path": ""}}, "dataset.path = '': expected a folder, a"),
        (
            INVERTING
            | {"inversion": {"svdnet_layers": ["fc8"], "data": {"name": "folder", "path": "away"}}},
            "inversion.data.path = 'away': is not there, seen from",
        ),
        (
            {"networks": {"flat": {"layers": 2, "features": [3, 4, 5], "dropout": 0}}},
            "networks.flat.features = [3, 4, 5]: 3 values for 2 layers; expected one number, or",
        ),
        (
            {
                "stft": {"duration": 1.0},
                "networks": {"flat": {"over_time": "max"}},
                "training": {"augmentation": {"crop": 0.5}},
            },
            "networks.flat.layers = 5: segments of 257 bins × 22 frames are too small; expected "
            "fewer, or a longer stft.duration, or a smaller training.augmentation.crop",
        ),
        ({"networks": {"flat": {"layers": 2}}}, "networks.flat.dropout = [0.0, 0.25, 0.25, 0.25"),
        ({"deconvolution": {"layers": [2, 6]}}, "[2, 6]: square has no layer 6; expected layers"),
        (
            {
                "networks": {"flat": {"layers": 2, "features": [9, 8], "dropout": 0}},
                "deconvolution": {"features": [8]},
            },
            "deconvolution.features = [8]: none is in layer 2 of flat; expected some from 0 to 7",
        ),
        (
            {"deconvolution": {"features": [0, 64]}},
            "deconvolution.features = [0, 64]: square has no feature 64; expected some from 0 to",
        ),
        ({"dataset": {"name": "gtzan", "path": "~/gtzan"}}, "'~' has to be written out"),
        (
            INVERTING | {"inversion": {"genre_layers": ["layer2", "dense3"]}},
            "inversion.genre_layers: square has no 'dense3'; expected some of layer1, ",
        ),
        (
            INVERTING | {"inversion": {"genre_layers": [], "svdnet_layers": []}},
            "inversion.svdnet_layers, inversion.genre_layers = []: expected a layer in one of them",
        ),
        (
            INVERTING | {"inversion": {"published": {"classifier": "x{y}.npz"} | FILED}},
            "inversion.published.classifier = 'x{y}.npz': ",
        ),
        (
            INVERTING | {"inversion": {"published": {"meanstd": __file__} | INVERTERS}},
            "inversion.published.classifier = null: expected a file, since",
        ),
        (
            INVERTING | {"inversion": {"published": {"classifier": __file__, "meanstd": __file__}}},
            "inversion.published.inverters = []: expected a file, since",
        ),
        (
            INVERTING | {"inversion": {"published": {"classifier": "gone.npz"} | FILED}},
            "inversion.published.classifier = 'gone.npz': is not there",
        ),
        (INVERTING | {"networks": {"svdnet": {}}}, "networks.svdnet: the name of an inverted"),
    ],
)
def test_a_contradiction_is_answered(schema, tmp_path, given, answer):
    with pytest.raises(SettingsError) as error:
        refuse_contradictions(complete_settings(given, schema), tmp_path)
    (line,) = str(error.value).splitlines()[1:]
    assert answer in line


def test_what_an_address_or_another_choice_makes_possible_is_no_contradiction(schema, tmp_path):
    for given in (
        {"dataset": {"name": "gtzan", "path": "http://localhost/genres.tar.gz"}},
        {"inversion": {"genre_layers": ["dense3"]}, "networks": {"svdnet": {}}},
        INVERTING
        | {
            "inversion": {"genre_layers": [], "svdnet_layers": ["fc8"]},
            "dataset": {"name": "gtzan"},
            "attributes": {"source": "directory"},
            "deconvolution": {"layers": [9]},
        },
    ):
        refuse_contradictions(complete_settings(given, schema), tmp_path)


def test_a_source_may_be_gone_once_it_was_used(schema, tmp_path):
    settings = complete_settings({"dataset": {"name": "gtzan", "path": "away"}}, schema)
    with pytest.raises(SettingsError, match=r"dataset\.path = 'away': is not there"):
        refuse_contradictions(settings, tmp_path)
    (tmp_path / "clips.csv").touch()
    refuse_contradictions(settings, tmp_path)


def test_results_need_a_folder_that_can_be_written_to(schema, tmp_path):
    settings = complete_settings({"experiment": "blocked"}, schema)
    (tmp_path / "blocked").write_text("a file in the way")
    with pytest.raises(SettingsError, match=r"experiment = 'blocked': cannot write to .*blocked;"):
        refuse_contradictions(settings, tmp_path / "blocked")
    refuse_contradictions(settings, tmp_path / "new" / "free")
    assert not (tmp_path / "new").exists()


def test_a_key_that_stands_twice_in_one_place_is_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("training:\n  epochs: 3\nseeds: [0]\ntraining:\n  patience: 2\n")
    with pytest.raises(SettingsError, match=r"training: in line 1 and again in line 4 of .*twice"):
        refuse_unreadable(path)
    path.write_text("networks:\n  a: &a {layers: 3, layers: 4}\n  b: *a\n")
    with pytest.raises(SettingsError) as error:
        refuse_unreadable(path)
    (line,) = str(error.value).splitlines()[1:]
    assert line == f"  layers: in line 2 and again in line 2 of {path}; keep one"


@pytest.mark.parametrize(
    "text",
    [
        "a: {b: 1}\nc: {b: 1}\n",
        "a: [{b: 1}, {b: 2}]\n",
        "a: &a {d: 1}\nb: &b {e: 2}\nc:\n  <<: *a\n  <<: *b\n",
        "1: a\n'1': b\n",
        "a: &a {b: *a}\n",
        '{\n\t"a": 1,\n\t"b": 1\n}',
    ],
)
def test_keys_that_stand_once_in_each_place(tmp_path, text):
    path = tmp_path / "once.yaml"
    path.write_text(text)
    refuse_unreadable(path)


def test_all_mistakes_are_told_at_once(schema):
    with pytest.raises(SettingsError) as error:
        complete_settings({"sed": 1, "training": {"epochs": -1}}, schema)
    assert len(str(error.value).splitlines()) == 3


def test_what_is_given_is_not_changed(schema):
    given = {"training": {"epochs": 3}}
    complete_settings(given, schema)
    assert given == {"training": {"epochs": 3}}


@pytest.mark.parametrize(
    "name",
    [
        "config.yaml",
        "paper.yaml",
        "gtzan.yaml",
        "shapes.yaml",
        "inversion.yaml",
        "musicnn.yaml",
    ],
)
def test_the_configurations_that_come_along_are_valid(repository, schema, name):
    path = repository / "config" / name
    refuse_unreadable(path)
    settings = complete_settings(yaml.safe_load(path.read_text()), schema)
    for variant in settings["networks"].values():
        assert is_given(variant) or Architecture.from_settings(variant)
    assert settings["training"]["optimiser"] in OPTIMISERS
    Augmentation(**settings["training"].pop("augmentation"))
    Schedule(**settings["training"])
    svdnet, inverters = settings["inversion"]["svdnet"], settings["inversion"]["training"]
    Variation(**{name: svdnet.pop(name) for name in ("stretch", "shift", "filter_db")})
    Schedule(optimiser="nesterov", **svdnet)
    Objective(**{name: inverters.pop(name) for name in ("l2", "features", "spectral")})
    Schedule(optimiser="adam", **inverters)


@pytest.mark.parametrize("name", ["paper.yaml", "gtzan.yaml"])
def test_those_of_the_papers_have_networks_enough_for_verdicts(repository, schema, name):
    settings = complete_settings(yaml.safe_load((repository / "config" / name).read_text()), schema)
    n, n_controls = len(settings["seeds"]), settings["controls"]["untrained"]
    assert (n, n_controls, settings["controls"]["permuted"]) == (5, 10, 3)
    assert n >= sample_needed(n_controls, n_tests=20)
    # A network that begins as one of the controls is not independent of it.
    assert min(settings["seeds"]) >= n_controls
    for variant in settings["networks"].values():
        assert not variant["local_response_norm"]


@pytest.mark.parametrize(
    ("setting", "choices"),
    [
        ("auralisation.mode", choices.MODES),
        ("auralisation.loudness", choices.LOUDNESS),
        ("stft.edges", choices.EDGES),
        ("deconvolution.precision", choices.PRECISIONS),
        ("inversion.excerpts.scale", choices.SCALES),
        ("inversion.excerpts.phase", choices.PHASES),
        ("inversion.svdnet_layers", LAYERS),
        ("attributes.compare", COMPARED),
        ("networks.scaling", SCALINGS),
        ("networks.over_time", tuple(OVER_TIME)),
        ("networks.initialisation", tuple(INITIALISATIONS)),
        # What SVDNet was published with is not a choice.
        ("training.optimiser", tuple(set(OPTIMISERS) - {"nesterov"})),
    ],
)
def test_a_list_of_choices_is_the_librarys(schema, setting, choices):
    *section, name = setting.split(".")
    rule = dict(sections(read_schema(schema)))[".".join(section)]["properties"][name]
    assert set(rule.get("enum") or rule["items"]["enum"]) == set(choices)


def test_methods_are_the_librarys(schema):
    """Deconvolution is one of them; energy and random bins stand beside unasked."""
    named = read_schema(schema)["properties"]["methods"]["items"]["enum"]
    others = {"deconvolution", "inversion"}
    assert {*named} - others == {*METHODS} - {"deconvnet", *NULLS}


def test_methods_that_cannot_be_compared_are_refused(schema, tmp_path, monkeypatch):
    asked = {"methods": ["gradient_times_input", "integrated_gradients"]}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="Captum.*pip install 'auralise"):
        refuse_contradictions(complete_settings(asked, schema), tmp_path)
    monkeypatch.undo()
    (tmp_path / "own.pt").touch()
    asked |= {"networks": {"own": {"weights": str(tmp_path / "own.pt")}}}
    with pytest.raises(SettingsError, match="on networks that are trained here") as refused:
        refuse_contradictions(complete_settings(asked, schema), tmp_path)
    assert str(refused.value).count("trained here") == 1


def test_the_command_line_takes_the_same_unasked(schema):
    settings = complete_settings({}, schema)
    explain = build_parser().parse_args(["explain", "song.wav", "--out", "explained"])
    for name in ("mode", "loudness"):
        assert settings["auralisation"][name] == getattr(explain, name)
    assert settings["auralisation"]["audible"] == signature(audible).parameters["threshold"].default
    stft = {**asdict(Stft()), "duration": explain.window, "edges": choices.EDGES[0]}
    assert settings["stft"] == stft
    for name in ("precision", "device", "biases"):
        assert settings["deconvolution"][name] == getattr(explain, name)
    files = ["--classifier", "c", "--inverter", "i", "--meanstd", "m", "--out", "o"]
    invert = build_parser().parse_args(["invert", "song.wav", *files])
    for name in ("scale", "phase"):
        assert settings["inversion"]["excerpts"][name] == getattr(invert, name)


def test_names_that_results_use_are_no_variants(schema):
    for name in (UNTRAINED, PERMUTED, INPUT, "exam"):
        with pytest.raises(SettingsError, match=f"networks = '{name}': expected a name"):
            complete_settings({"networks": {name: {}}}, schema)


@pytest.mark.parametrize("kind", [Architecture, Augmentation, Objective, Schedule, Variation])
def test_what_the_library_does_unasked_is_to_leave_something_out(kind):
    """The settings' defaults stand in the schema alone."""
    unasked = {field.default for field in fields(kind)} - {MISSING}
    assert unasked <= {None, False, 1, (), "32-true", "flatten", "linear", "glorot"}


def sections(rules, above=()):
    """Every section of the schema, by its path, the whole first."""
    yield ".".join(above), rules
    for name, rule in rules["properties"].items():
        if rule.get("type") == "object":
            if "properties" in rule:
                yield from sections(rule, (*above, name))
            else:
                variants = rule["additionalProperties"]
                yield name, variants["else"]
                yield f"{name}.given", variants["then"]


def test_every_setting_has_a_default_and_a_meaning(schema):
    for section, rules in sections(read_schema(schema)):
        for name, rule in rules["properties"].items():
            assert "default" in rule or section == "networks.given", (section, name)
            assert "description" in rule or rule["type"] == "object", (section, name)


def test_the_tables_of_the_guide_are_those_of_the_schema(repository, schema):
    """If not: `python -m auralise.experiment.guide` writes them."""
    guide, rules = (repository / "config/README.md").read_text(), read_schema(schema)
    assert write_tables(guide, rules) == guide
    assert re.findall(r"<!-- settings: ?(\S*) -->", guide) == [
        section
        for section, of in sections(rules)
        if any("description" in r for r in of["properties"].values())
    ]


def test_a_row_says_default_limits_and_meaning(schema):
    table = settings_table(read_schema(schema), "stft").splitlines()
    assert table[0] == "| setting | default | takes | meaning |"
    assert table[-1] == (
        "| `duration` | `4.0` | a number above 0 and up to 3600 (s) | of a segment, and of the "
        "excerpt of a song |"
    )


def test_a_factor_of_the_attribute_experiment_is_a_setting(schema, monkeypatch):
    level = {"type": "number", "minimum": 0, "maximum": 1}
    swing = Factor("swing", "swing", level, (0.5,), "of the beat", (PERCUSSIVE,))
    monkeypatch.setattr("auralise.experiment.settings.FACTORS", (swing,))
    assert complete_settings({}, schema)["attributes"]["swing"] == [0.5]
    with pytest.raises(SettingsError, match=r"swing\.0 = 2: expected a number from 0 to 1"):
        complete_settings({"attributes": {"swing": [2]}}, schema)
    assert "| `swing` | `[0.5]` |" in settings_table(read_schema(schema), "attributes")


@pytest.mark.parametrize("name", ["experiment", "songs"])
def test_a_name_of_digits_is_text(schema, name):
    """As YAML and Snakemake's --config read it."""
    assert complete_settings({name: 2024}, schema)[name] == "2024"
    with pytest.raises(SettingsError, match="not text: write it in quotes"):
        complete_settings({name: 1.5}, schema)


def nested(depth):
    return [nested(depth - 1)] if depth else []


def holding_itself():
    settings = {}
    settings["networks"] = settings
    return settings


def bomb(width=9, depth=9):
    values = ["x"]
    for _ in range(depth):
        values = [values] * width
    return values


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (
            {"training": {"epochs": 10**400}},
            "training.epochs = an integer of 1329 bits: expected a",
        ),
        ({"training": {"learning_rate": 1e300}}, "at most 9e+15"),
        (
            {"stft": {"n_fft": 10**12}},
            "stft.n_fft = 1000000000000: expected an integer from 16 to 1",
        ),
        ({"controls": {"untrained": 10**8}}, "controls.untrained = 100000000: expected an integer"),
        (
            {"networks": {"n": {"layers": 100000}}},
            "networks.n.layers = 100000: expected an integer",
        ),
        ({"networks": {"n": {"features": 10**9}}}, "expected an integer from 1 to 65536 or a list"),
        (
            holding_itself(),
            "networks: expected settings at most 20 deep, none of which holds itself",
        ),
        ({"seeds": nested(200)}, "seeds: expected settings at most 20 deep"),
        ({"seeds": nested(10)}, "seeds.0 = [[[[...]]]]: expected an integer"),
        ({"seeds": bomb()}, "seeds: expected at most 2000 values in all settings"),
        ({"a": bomb()}, "a: expected at most 2000 values"),
        ({"dataset": {"path": "p" * 10**5}}, "dataset.path = 'pppp"),
        ({"x" * 5000: "y" * 4000}, "no such setting"),
        ({f"key{number}": "y" * 90 for number in range(200)}, "more"),
        ({10**5000: 10**5000}, "an integer of 16610 bits"),
        ([1, 2], "settings = [1, 2]: expected settings of its own"),
        (None, "settings = null: expected settings of its own"),
    ],
)
def test_what_no_configuration_holds_is_refused_in_a_short_message(schema, given, answer):
    with pytest.raises(SettingsError) as error:
        complete_settings(given, schema)
    assert answer in str(error.value)
    assert len(str(error.value)) <= 500


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (b"experiment: \xff\xfe", "byte 12 is not UTF-8; save it as text in UTF-8"),
        ("experiment: a".encode("utf-16"), "byte 0 is not UTF-8"),
        ("experiment: a".encode("utf-16-le"), "character 1 is none of text"),
        ("songs: música".encode("latin-1"), "byte 8 is not UTF-8"),
        (b"seeds: [0\nsongs: a\n", "no YAML: .* in line 2; mend it there"),
        (b"seeds: [0]\n\tsongs: a\n", "no YAML: .* in line 2"),
        (b"experiment: 2024-13-01\n", "month must be in 1..12.*; write it in quotes"),
        (b"- a\n", "holds no settings; expected 'name: value'"),
        (b"", "holds no settings"),
        pytest.param(b"seeds: " + b"[" * 5000 + b"]" * 5000, "too many brackets", id="deep"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_file_that_is_no_configuration_is_refused_in_a_short_message(tmp_path, content, answer):
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=answer) as error:
        refuse_unreadable(path)
    assert str(path) in str(error.value) and len(str(error.value)) <= 500


@pytest.mark.parametrize(
    "content",
    [b"\xef\xbb\xbfexperiment: a\r\nseeds: [0]\r\n", b'{\n\t"experiment": "a"\n}'],
    ids=["BOM and CRLF", "JSON with tabs"],
)
def test_files_as_other_programs_write_them_are_read(tmp_path, content):
    (tmp_path / "other.yaml").write_bytes(content)
    refuse_unreadable(tmp_path / "other.yaml")


@pytest.mark.parametrize(
    ("name", "clips", "duration", "split"),
    [
        ("bands", 40, 8.0, [0.6, 0.2, 0.2]),
        ("gtzan", CLIPS_PER_GENRE, DURATION, None),
        ("folder", None, None, [0.6, 0.2, 0.2]),
    ],
)
def test_a_default_may_depend_on_the_data_set(schema, name, clips, duration, split):
    dataset = complete_settings({"dataset": {"name": name}}, schema)["dataset"]
    assert (dataset["clips_per_class"], dataset["clip_duration"]) == (clips, duration)
    assert dataset["split"] == split
    mine = {"name": name, "clips_per_class": 7, "split": [0.5, 0.25, 0.25]}
    dataset = complete_settings({"dataset": mine}, schema)["dataset"]
    assert dataset["clips_per_class"] == 7 and dataset["split"] == [0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"songs": "songs {mine}"}, "songs = "),
        ({"dataset": {"name": "folder", "path": "set {v1}"}}, "dataset.path = "),
    ],
)
def test_braces_in_a_path_are_refused_since_the_workflow_takes_them_for_wildcards(
    schema, tmp_path, monkeypatch, given, key
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set {v1}").mkdir()
    with pytest.raises(SettingsError, match=f"{key}.*braces"):
        refuse_contradictions(complete_settings(given, schema), tmp_path / "results")
