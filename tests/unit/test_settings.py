"""Settings are completed with defaults; a mistake is answered with what was expected."""

import re

import pytest
import yaml

from auralise.augmentation import Augmentation
from auralise.errors import SettingsError
from auralise.inversion.training import Objective
from auralise.networks import Architecture
from auralise.schedules import OPTIMISERS, Schedule
from auralise.settings import complete_settings
from auralise.singing import Variation


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
        ({"seeds": [1.0]}, "seeds.0 = 1.0: expected a value of type integer"),
        ({"stft": {"duration": float("inf")}}, "stft.duration = inf: expected seconds"),
        ({"training": {"learning_rate": float("nan")}}, "learning_rate = nan: expected a number"),
        ({"training": "much"}, "training = 'much': expected a value of type object"),
        ({"experiment": "a/b"}, "experiment = 'a/b': expected a name"),
    ],
)
def test_a_mistake_is_answered_with_key_value_and_expectation(schema, given, answer):
    with pytest.raises(SettingsError) as error:
        complete_settings(given, schema)
    assert answer in str(error.value)


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
    settings = complete_settings(yaml.safe_load((repository / "config" / name).read_text()), schema)
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
