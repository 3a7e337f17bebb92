"""A network's module is built from the user's own code by its name."""

import pytest
from torch import nn

from auralise.errors import NetworkError
from auralise.weights.modules import build_module

CODE = """
import beside
from torch import nn

class Tagger(nn.Sequential):
    def __init__(self, n_classes=beside.N_CLASSES):
        super().__init__(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, n_classes, 3))

class Needy(nn.Module):
    def __init__(self, n_classes):
        super().__init__()

def of_nothing():
    return 3

def failing():
    raise KeyError("no such preset")
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "beside.py").write_text("N_CLASSES = 7\n")
    path = tmp_path / "my taggers.py"
    path.write_text(CODE)
    return path


def test_a_class_of_a_file_with_an_import_beside_it(file):
    network = build_module(f"{file}:Tagger")
    assert network[2].out_channels == 7
    assert not network.training


def test_a_class_of_an_installed_package():
    assert isinstance(build_module("torch.nn:Sequential"), nn.Sequential)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Tagger", "expected package.file:Class"),
        ("{file}:", "expected package.file:Class"),
        ("{file}x.py:Tagger", "no file"),
        ("{file}:Taggers", "has no class 'Taggers'; it has Tagger, Needy"),
        ("{file}:Needy", "without arguments"),
        ("{file}:of_nothing", "gave a int"),
        ("{file}:failing", "KeyError: 'no such preset'"),
        ("no.such.package:Tagger", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_built_is_told_in_a_sentence(file, name, message):
    with pytest.raises(NetworkError, match=message):
        build_module(name.format(file=file))


def test_a_file_with_a_mistake_is_named(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("class Tagger(:\n")
    with pytest.raises(NetworkError, match=r"broken.py' failed with SyntaxError"):
        build_module(f"{path}:Tagger")
