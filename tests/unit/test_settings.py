"""Settings are completed with defaults; a mistake is answered with what was expected."""

import re

import pytest
import yaml

from auralise.errors import SettingsError
from auralise.experiment.contradictions import refuse_contradictions
from auralise.experiment.settings import complete_settings, refuse_repeated_keys
from auralise.inversion.training import Objective
from auralise.networks.genre import Architecture
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
        (
            {"training": {"epohcs": 3}},
            "training.epohcs = 3: no such setting; did you mean 'epochs'",
        ),
        ({"training": {"epochs": "ten"}}, "training.epochs = 'ten': expected an integer from 1"),
        ({"dataset": {"name": "gtsan"}}, "dataset.name = 'gtsan': expected one of bands, folder"),
        ({"seeds": 3}, "seeds = 3: expected a list of different integers"),
        ({"stft": {"duration": 0}}, "stft.duration = 0: expected seconds"),
        ({"networks": {"untrained": {}}}, "not 'untrained'"),
        ({"controls": {"untrained": 0}}, "a control would mean little"),
        ({"seeds": [1.0]}, "seeds.0 = 1.0: expected a list of different integers from 0"),
        ({"dataset": {"split": [60, 20, 20]}}, "dataset.split.0 = 60: expected three fractions"),
        ({"seeds": None}, "seeds = null: expected a list of different integers"),
        ({"stft": {"duration": float("inf")}}, "stft.duration = inf: expected seconds"),
        ({"training": {"learning_rate": float("nan")}}, "learning_rate = nan: expected a number"),
        (
            {"training": {"learning_rate": "1e-3"}},
            "this is text: write it without quotes",
        ),
        ({"training": "much"}, "training = 'much': expected settings of its own"),
        ({"networks": {"even": {"kernel": [2, 3]}}}, "even.kernel.0 = 2: expected an odd integer"),
        ({"networks": {}}, "networks = {}: expected at least one variant"),
        ({"networks": {1: {}}}, "networks = 1: expected a name of letters, digits and '_'"),
        ({"experiment": "a" * 101}, "expected a name for the results folder, of up to 100"),
        ({"experiment": "a/b"}, "experiment = 'a/b': expected a name"),
    ],
)
def test_a_mistake_is_answered_with_key_value_and_expectation(schema, given, answer):
    with pytest.raises(SettingsError) as error:
        complete_settings(given, schema)
    assert answer in str(error.value)


def test_a_section_with_nothing_behind_its_name_is_one_of_defaults(schema):
    assert complete_settings({"training": None}, schema) == complete_settings({}, schema)


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
        refuse_repeated_keys(path)
    path.write_text("networks:\n  a: &a {layers: 3, layers: 4}\n  b: *a\n")
    with pytest.raises(SettingsError) as error:
        refuse_repeated_keys(path)
    (line,) = str(error.value).splitlines()[1:]
    assert line == f"  layers: in line 2 and again in line 2 of {path}; keep one"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: {b: 1}\nc: {b: 1}\n",
        "a: [{b: 1}, {b: 2}]\n",
        "a: &a {d: 1}\nb: &b {e: 2}\nc:\n  <<: *a\n  <<: *b\n",
        "1: a\n'1': b\n",
        "a: &a {b: *a}\n",
        "? [a, b]\n: 1\n",
        '{\n\t"a": 1,\n\t"b": 1\n}',
    ],
)
def test_keys_that_stand_once_in_each_place(tmp_path, text):
    path = tmp_path / "once.yaml"
    path.write_text(text)
    refuse_repeated_keys(path)


def test_all_mistakes_are_told_at_once(schema):
    with pytest.raises(SettingsError) as error:
        complete_settings({"sed": 1, "training": {"epochs": -1}}, schema)
    assert len(str(error.value).splitlines()) == 3


def test_what_is_given_is_not_changed(schema):
    given = {"training": {"epochs": 3}}
    complete_settings(given, schema)
    assert given == {"training": {"epochs": 3}}


@pytest.mark.parametrize("name", ["config.yaml", "paper.yaml", "gtzan.yaml", "inversion.yaml"])
def test_the_configurations_that_come_along_are_valid(repository, schema, name):
    path = repository / "config" / name
    refuse_repeated_keys(path)
    settings = complete_settings(yaml.safe_load(path.read_text()), schema)
    for variant in settings["networks"].values():
        Architecture.from_settings(variant)
    assert settings["training"]["optimiser"] in OPTIMISERS
    Augmentation(**settings["training"].pop("augmentation"))
    Schedule(**settings["training"])
    svdnet, inverters = settings["inversion"]["svdnet"], settings["inversion"]["training"]
    Variation(**{name: svdnet.pop(name) for name in ("stretch", "shift", "filter_db")})
    Schedule(**svdnet)
    Objective(**{name: inverters.pop(name) for name in ("l2", "features", "spectral")})
    Schedule(**inverters)


def test_every_setting_is_explained_in_its_section(repository, schema):
    guide = (repository / "config/README.md").read_text()
    parts = re.split(r"^\*\*`(\w+)`\*\*(?:, `(\w+)`)?", guide, flags=re.MULTILINE)
    sections = {
        tuple(filter(None, heading)): text
        for *heading, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
    }
    sections[()] = parts[0] + "".join(f"`{name}`" for name, *_ in sections)

    def paths(rules, above=()):
        for name, rule in rules.get("properties", {}).items():
            yield (*above, name)
            yield from paths(rule, (*above, name))
            yield from paths(rule.get("additionalProperties", {}) or {}, (*above, name))

    for *above, name in paths(yaml.safe_load(schema.read_text())):
        if (*above, name) not in sections:
            while tuple(above) not in sections:
                above.pop()
            assert f"`{name}`" in sections[tuple(above)], (*above, name)
