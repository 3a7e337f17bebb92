"""Our own weights files, and what holds for every format: refusals, biases, detection."""

import json
import struct
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from auralise import Deconvnet
from auralise.errors import WeightsError
from auralise.networks.genre import Architecture, build_convolutional_part, build_network
from auralise.weights import common
from auralise.weights.own import read_safetensors
from auralise.weights.reader import read_network, read_weights, write_weights
from tests.conftest import CHOI_2015

CLASSES = ["blues", "ça va", "jazz"]
ARCHITECTURE = Architecture(
    kernels=((5, 3), (3, 3)),
    features=(4, 6),
    dropout=(0.0, 0.25),
    batch_norm=True,
    local_response_norm=True,
    dense=(8,),
    scaling="log",
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE, 17, 12, len(CLASSES))
    network(torch.rand(4, 1, 17, 12))  # moves the statistics of the batch normalisation
    return network.eval()


@pytest.fixture
def own(network, tmp_path):
    path = tmp_path / "weights.safetensors"
    write_weights(path, network, ARCHITECTURE, n_bins=17, n_frames=12, classes=CLASSES, seed="0")
    return path


def with_header(path, change):
    """Rewrite a safetensors file's header."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


class TestOwnFormat:
    def test_the_whole_classifier_comes_back(self, network, own):
        read, architecture, metadata = read_network(own)
        x = torch.rand(2, 1, 17, 12)
        assert torch.equal(read(x), network(x))
        assert not read.training
        assert architecture == ARCHITECTURE
        assert metadata == {
            "format": "auralise-network/1",
            "n_bins": 17,
            "n_frames": 12,
            "classes": CLASSES,
            "seed": "0",
        }

    def test_read_weights_gives_the_convolutional_part(self, network, own):
        read = read_weights(own)
        x = torch.rand(1, 1, 17, 12)
        assert list(dict(read.named_children())) == ["scaling", "layer1", "layer2"]
        assert torch.equal(read(x), network.convolutional(x))
        assert Deconvnet(read).n_features == [4, 6]

    def test_reading_draws_no_random_numbers(self, own):
        before = torch.get_rng_state()
        read_network(own)
        assert torch.equal(torch.get_rng_state(), before)

    def test_equal_networks_give_equal_bytes(self, network, own, tmp_path):
        again = tmp_path / "again.safetensors"
        facts = dict(seed="0", classes=CLASSES, n_frames=12, n_bins=17)
        write_weights(again, network, ARCHITECTURE, **facts)
        assert again.read_bytes() == own.read_bytes()

    def test_metadata_stand_in_sorted_order(self, own):
        # safetensors' own order changes from process to process.
        content = own.read_bytes()
        (length,) = struct.unpack_from("<Q", content)
        keys = list(json.loads(content[8 : 8 + length])["__metadata__"])
        assert keys == sorted(keys) == list(read_safetensors(own)[1])

    def test_metadata_that_are_not_text_become_json(self, network, tmp_path):
        path = tmp_path / "w.safetensors"
        write_weights(
            path, network, ARCHITECTURE, n_bins=17, n_frames=12, classes=CLASSES, versions={"a": 1}
        )
        assert read_network(path)[2]["versions"] == '{"a": 1}'

    def test_a_network_that_does_not_fit_its_description_is_not_written(self, network, tmp_path):
        path = tmp_path / "w.safetensors"
        with pytest.raises(WeightsError, match=r"'classifier.4.weight' is 3×8; expected 2×8"):
            write_weights(path, network, ARCHITECTURE, n_bins=17, n_frames=12, classes=CLASSES[:2])
        assert not path.exists()

    def test_a_diverged_network_is_not_written(self, network, tmp_path):
        network.convolutional.layer1.convolution.weight.data[0] = torch.nan
        with pytest.raises(WeightsError, match=r"layer1\.convolution\.weight.*not finite"):
            write_weights(
                tmp_path / "w", network, ARCHITECTURE, n_bins=17, n_frames=12, classes=CLASSES
            )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda h: h["__metadata__"].pop("classes"), "classes missing"),
            (lambda h: h["__metadata__"].update(n_bins="many"), "n_bins many"),
            (lambda h: h["__metadata__"].update(architecture="{"), "describe no network"),
            (lambda h: h["__metadata__"].update(architecture='{"colour": 1}'), "colour"),
            (lambda h: h["__metadata__"].update(architecture='{"features": [-1]}'), "features"),
            (lambda h: h["__metadata__"].update(n_frames="3"), "too small"),
            (lambda h: h["__metadata__"].update(classes='["a"]'), "is 3; expected 1"),
            (lambda h: h["__metadata__"].update(format="other/2"), "other/2"),
            (lambda h: h.pop("classifier.4.bias"), "damaged|lacks 'classifier.4.bias'"),
        ],
    )
    def test_a_file_that_contradicts_itself_is_refused(self, own, change, message):
        with_header(own, change)
        with pytest.raises(WeightsError, match=message):
            read_network(own)

    def test_an_architecture_with_other_kernels_is_refused(self, own):
        settings = ARCHITECTURE.to_settings() | {"kernels": [[3, 3], [3, 3]]}
        with_header(own, lambda h: h["__metadata__"].update(architecture=json.dumps(settings)))
        with pytest.raises(
            WeightsError,
            match=r"'convolutional.layer1.convolution.weight' is 4×1×5×3; expected 4×1×3×3",
        ):
            read_weights(own)


class TestBiases:
    def test_without_biases_is_the_procedure_of_2015(self, own, network):
        read = read_weights(own, biases=False)
        assert not any(isinstance(module, nn.LocalResponseNorm) for module in read.modules())
        convolutions = [m for m in read.modules() if isinstance(m, nn.Conv2d)]
        assert not any(m.bias is not None and m.bias.any() for m in convolutions)
        kept = network.convolutional.layer2
        assert torch.equal(read.layer2.convolution.weight, kept.convolution.weight)
        assert torch.equal(read.layer2.batch_norm.bias, kept.batch_norm.bias)

    def test_also_in_a_module_of_ones_own(self, tmp_path):
        class Own(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = nn.Conv2d(1, 2, 3)
                self.norm = nn.LocalResponseNorm(5)

            def forward(self, x):
                return self.norm(self.first(x))

        torch.save(Own().state_dict(), tmp_path / "w.pt")
        read = read_weights(tmp_path / "w.pt", biases=False, network=Own())
        assert isinstance(read.norm, nn.Identity)
        assert not read.first.bias.any()


class TestRefusals:
    def test_a_missing_file(self, tmp_path):
        with pytest.raises(WeightsError, match="no such file.*Check the path"):
            read_weights(tmp_path / "none.h5")

    def test_a_folder(self, tmp_path):
        with pytest.raises(WeightsError, match="a folder"):
            read_weights(tmp_path)

    def test_an_empty_file(self, tmp_path):
        (tmp_path / "w.pt").touch()
        with pytest.raises(WeightsError, match="an empty file; expected safetensors, a PyTorch"):
            read_weights(tmp_path / "w.pt")

    def test_another_kind_of_file(self, tmp_path):
        (tmp_path / "w.h5").write_bytes(b"RIFF0000WAVEfmt ")
        with pytest.raises(WeightsError, match="a WAV file, a sound; expected safetensors"):
            read_weights(tmp_path / "w.h5")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "magic", [b"", b"PK\x03\x04", b"\x80\x02", b"\x89HDF\r\n\x1a\n", b"\x40" + b"\0" * 7 + b"{"]
    )
    def test_random_bytes_after_any_magic_number(self, tmp_path, magic):
        rng = np.random.default_rng(0)
        for _ in range(20):
            (tmp_path / "w").write_bytes(magic + rng.bytes(int(rng.integers(1, 3000))))
            with pytest.raises(WeightsError):
                read_weights(tmp_path / "w")

    @pytest.mark.parametrize("kept", [0.0005, 0.05, 0.5, 0.98])
    def test_a_truncated_file(self, own, kept):
        content = own.read_bytes()
        own.write_bytes(content[: max(4, int(len(content) * kept))])
        with pytest.raises(WeightsError):
            read_weights(own)

    def test_a_zip_of_something_else(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
            archive.writestr("song.txt", "la la")
        with pytest.raises(WeightsError, match=r"zip archive of other things \(song.txt\)"):
            read_weights(tmp_path / "w.npz")

    @pytest.mark.parametrize("members", [["arr_0.npy"], ["config.json"], ["w/data.pkl"]])
    def test_a_zip_bomb_is_not_unfolded(self, tmp_path, monkeypatch, members):
        monkeypatch.setattr(common, "LARGEST", 2**20)
        with zipfile.ZipFile(tmp_path / "w", "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                archive.writestr(member, bytes(2**21))
        monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("unfolded"))
        with pytest.raises(WeightsError, match="would take 0.0 GiB; expected at most"):
            read_weights(tmp_path / "w")


def test_the_suffix_does_not_matter(own, tmp_path):
    read_weights(own.rename(tmp_path / "weights.h5"))


def test_layers_of_the_network_of_2015_have_the_names_of_our_own(tmp_path):
    ours = build_convolutional_part(replace(CHOI_2015, dropout=(0.0,) * 5), 257)
    torch.save(ours.state_dict(), tmp_path / "w.pt")
    read = read_weights(tmp_path / "w.pt")
    x = torch.rand(1, 1, 64, 40)
    assert torch.equal(read(x), ours(x))
    assert list(dict(read.layer1.named_children())) == ["convolution", "relu", "pooling"]


class TestImpostors:
    """What lies where weights should is called what it is, with the way on."""

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "LFS.*git lfs pull"),
            (b"\n <!DOCTYPE html><title>Sign in</title>", "web page.*Download the file itself"),
            (b"<HTML><body>404</body></HTML>", "web page"),
        ],
    )
    def test_text(self, tmp_path, content, words):
        path = tmp_path / "model.pt"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=f"model.pt: .*{words}"):
            read_weights(path)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_torchscript(self, tmp_path):
        path = tmp_path / "model.pt"
        torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())), path)
        with pytest.raises(WeightsError, match=r"TorchScript.*torch.jit.load\(FILE\).state_dict"):
            read_weights(path)

    @pytest.mark.slow
    def test_an_exported_program(self, tmp_path):
        path = tmp_path / "model.pt2"
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        torch.export.save(torch.export.export(network, (torch.rand(1, 1, 8, 8),)), path)
        with pytest.raises(WeightsError, match=r"exported program.*torch.export.load\(FILE\)"):
            read_weights(path)
