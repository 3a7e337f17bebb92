"""Weights from PyTorch: state dicts, Lightning checkpoints, plain safetensors."""

import argparse
import logging
import os
import pathlib
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from auralise import Deconvnet
from auralise.errors import WeightsError
from auralise.weights import common
from auralise.weights.reader import read_weights


def vgg(n_layers: int = 3, batch_norm: bool = True) -> nn.Sequential:
    """What many people's networks look like; more than ten modules, so that names need sorting."""
    torch.manual_seed(1)
    modules, n_inputs = [], 1
    for n_features in (4, 5, 6)[:n_layers]:
        modules.append(nn.Conv2d(n_inputs, n_features, (3, 5), padding="same"))
        if batch_norm:
            modules.append(nn.BatchNorm2d(n_features))
        modules += [nn.ReLU(), nn.MaxPool2d(2)]
        n_inputs = n_features
    network = nn.Sequential(*modules)
    network(torch.rand(4, 1, 32, 24))
    return network.eval()


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = vgg()
        self.head = nn.Sequential(nn.Linear(6 * 4 * 3, 6), nn.BatchNorm1d(6))

    def forward(self, x):
        return self.head(torch.flatten(self.features(x), 1))


def save_zip(state, path):
    torch.save(state, path)


def save_legacy(state, path):
    torch.save(state, path, _use_new_zipfile_serialization=False)


def save_lightning(state, path):
    state = {f"network.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 0.1}}, path)


WRITERS = [save_zip, save_legacy, save_lightning, safetensors.torch.save_file]


@pytest.fixture(params=WRITERS, ids=lambda writer: writer.__name__)
def saved(request, tmp_path):
    path = tmp_path / "weights.bin"
    request.param(Classifier().state_dict(), path)
    return path


def refuse(state, tmp_path, match):
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=match) as error:
        read_weights(tmp_path / "w.pt")
    assert "w.pt" in str(error.value)


class TestStateDicts:
    def test_the_convolutional_part_is_that_of_the_network(self, saved):
        read, x = read_weights(saved), torch.rand(1, 1, 32, 24)
        torch.testing.assert_close(read(x), vgg()(x), rtol=0, atol=0)
        assert Deconvnet(read).n_features == [4, 5, 6]
        assert not read.training

    def test_without_batch_norm(self, tmp_path):
        network, x = vgg(batch_norm=False), torch.rand(1, 1, 32, 24)
        torch.save(network.state_dict(), tmp_path / "w.pt")
        torch.testing.assert_close(read_weights(tmp_path / "w.pt")(x), network(x), rtol=0, atol=0)

    def test_safetensors_keep_no_order_so_numbers_tell(self, tmp_path):
        class Numbered(nn.Module):
            def __init__(self):
                super().__init__()
                for number, n_inputs in zip((1, 2, 10), (1, 4, 4), strict=True):
                    setattr(self, f"conv{number}", nn.Conv2d(n_inputs, 4, 3, bias=False))
                    setattr(self, f"bn{number}", nn.BatchNorm2d(4))
                self.classifier1 = nn.Linear(4, 4)

        module = Numbered()
        nn.init.constant_(module.bn2.weight, 2.0)
        safetensors.torch.save_file(module.state_dict(), tmp_path / "w")
        read = read_weights(tmp_path / "w")
        assert torch.equal(read.layer3.convolution.weight, module.conv10.weight)
        assert torch.equal(read.layer2.batch_norm.weight, module.bn2.weight)

    def test_safetensors_that_begin_like_a_pickle(self, tmp_path):
        path, state = tmp_path / "w.safetensors", {"1.weight": torch.randn(4, 1, 3, 3)}
        for length in range(400, 1000, 8):
            safetensors.torch.save_file(state, path, {"note": "x" * length})
            if path.read_bytes()[:2] == b"\x80\x02":
                break
        assert path.read_bytes()[:2] == b"\x80\x02"
        (convolution,) = [m for m in read_weights(path).modules() if isinstance(m, nn.Conv2d)]
        torch.testing.assert_close(convolution.weight.data, state["1.weight"])

    def test_safetensors_without_numbers_are_refused(self, tmp_path):
        state = {f"{name}.weight": torch.ones(1, 1, 3, 3) for name in ("first", "last")}
        safetensors.torch.save_file(state, tmp_path / "w")
        with pytest.raises(WeightsError, match="'first', 'last', in an order .* does not keep"):
            read_weights(tmp_path / "w")

    def test_safetensors_do_not_tell_where_a_part_without_a_number_belongs(self, tmp_path):
        state = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)).state_dict()
        state |= {f"norm.{name}": part for name, part in nn.BatchNorm2d(4).state_dict().items()}
        safetensors.torch.save_file(state, tmp_path / "w")
        with pytest.raises(WeightsError, match="'norm' .* is not part of a plain chain"):
            read_weights(tmp_path / "w")

    def test_what_is_assumed_is_said(self, saved, caplog):
        with caplog.at_level(logging.INFO, "auralise"):
            read_weights(saved)
        assert "holds no architecture, so that of 2015" in caplog.text

    @pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
    def test_a_truncated_file_is_refused(self, saved, kept):
        content = saved.read_bytes()
        saved.write_bytes(content[: int(len(content) * kept)])
        with pytest.raises(WeightsError, match="damaged or cut short|is run"):
            read_weights(saved)


class TestAModuleOfOnesOwn:
    def test_is_filled_and_returned(self, saved):
        torch.manual_seed(7)
        module = Classifier()
        nn.init.zeros_(module.head[0].weight)
        read = read_weights(saved, network=module)
        assert read is module
        assert not read.training
        assert read.head[0].weight.any()
        assert Deconvnet(read).n_layers == 3

    def test_names_that_are_missing_or_unexpected_are_listed(self, saved):
        module = Classifier()
        module.extra = nn.Linear(2, 2)
        del module.head[1]
        before = module.head[0].weight.clone()
        with pytest.raises(
            WeightsError, match=r"lacks 'extra.weight', 'extra.bias' and also holds 'head\.1\."
        ):
            read_weights(saved, network=module)
        assert torch.equal(module.head[0].weight, before)

    def test_shapes_are_compared(self, saved):
        module = Classifier()
        module.head[0] = nn.Linear(9, 6)
        with pytest.raises(WeightsError, match=r"'head.0.weight' is 6×72; expected 6×9"):
            read_weights(saved, network=module)


def small():
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2)))


class TestCheckpointsAsPeopleHaveThem:
    @pytest.mark.parametrize(
        "prefix",
        ["", "module.", "model.", "_orig_mod.module.", "module._orig_mod.model.net.", "x."],
    )
    def test_any_prefix_in_any_order(self, tmp_path, prefix):
        given, filled = small(), small()
        torch.save({prefix + k: v for k, v in given.state_dict().items()}, tmp_path / "w.pt")
        read_weights(tmp_path / "w.pt", network=filled)
        assert torch.equal(filled.conv.weight, given.conv.weight)

    @pytest.mark.slow
    def test_wrappers_inside_the_file_or_around_the_module(self, tmp_path):
        given = small()
        given.conv = torch.compile(nn.DataParallel(given.conv))
        torch.save(given.state_dict(), tmp_path / "w.pt")
        filled = small()
        read_weights(tmp_path / "w.pt", network=nn.DataParallel(filled))
        assert torch.equal(filled.conv.weight, given.conv.module.weight)

    def test_a_module_that_holds_the_network_of_the_file(self, tmp_path):
        given, filled = small(), nn.Sequential(OrderedDict(net=small()))
        torch.save(given.state_dict(), tmp_path / "w.pt")
        read_weights(tmp_path / "w.pt", network=filled)
        assert torch.equal(filled.net.conv.weight, given.conv.weight)

    def test_a_lightning_checkpoint_with_a_loss_a_filterbank_and_settings(self, tmp_path, caplog):
        given, filled = small(), small()
        state = {f"model.{k}": v for k, v in given.state_dict().items()} | {
            "loss.weight": torch.ones(3, 3),
            "spec.mel_scale.fb": torch.ones(257, 96),
            "model.stft.conv.weight": torch.ones(4, 1, 8),
        }
        settings = argparse.Namespace(rate=1e-3, folder=pathlib.PurePosixPath("a"))
        torch.save({"state_dict": state, "hyper_parameters": settings}, tmp_path / "w.ckpt")
        with caplog.at_level(logging.INFO, "auralise"):
            read_weights(tmp_path / "w.ckpt", network=filled)
        assert torch.equal(filled.conv.weight, given.conv.weight)
        for name in ("loss.weight", "spec.mel_scale.fb", "stft.conv.weight"):
            assert name in caplog.text

    def test_a_checkpoint_of_a_loop_of_ones_own(self, tmp_path):
        given, filled = small(), small()
        beside = {"epoch": 3, "best": np.float64(0.8), "optimizer": {"state": {}, "groups": []}}
        torch.save({"net": given.state_dict(), **beside}, tmp_path / "w.pt")
        read_weights(tmp_path / "w.pt", network=filled)
        assert torch.equal(filled.conv.weight, given.conv.weight)
        both = {"net": given.state_dict(), "ema": given.state_dict()}
        refuse(both | beside, tmp_path, "several things in it hold some: 'net', 'ema'")

    def test_layers_that_the_module_lacks_are_no_extras(self, tmp_path):
        state = small().state_dict() | {"late.weight": torch.ones(2, 2), "late.bias": torch.ones(2)}
        torch.save(state, tmp_path / "w.pt")
        with pytest.raises(WeightsError, match="also holds 'late.weight', 'late.bias'"):
            read_weights(tmp_path / "w.pt", network=small())

    def test_of_two_networks_in_one_file_the_usual_one_is_taken_or_none(self, tmp_path):
        state = small().state_dict()
        both = {
            f"{p}.{k}": v + (p == "teacher") for p in ("teacher", "model") for k, v in state.items()
        }
        torch.save(both, tmp_path / "w.pt")
        filled = small()
        read_weights(tmp_path / "w.pt", network=filled)
        assert torch.equal(filled.conv.weight, state["conv.weight"])
        torch.save({k.replace("model", "student"): v for k, v in both.items()}, tmp_path / "w.pt")
        with pytest.raises(WeightsError, match="under 'teacher.', 'student.'"):
            read_weights(tmp_path / "w.pt", network=small())


class TestWhatNoChainCanBe:
    def test_code_is_not_run(self, tmp_path):
        class Malicious:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "proof"),)

        for name, writer in {"zip.pt": save_zip, "old.pt": save_legacy}.items():
            writer({"w": Malicious()}, tmp_path / name)
        (tmp_path / "bare.pt").write_bytes(pickle.dumps(Malicious(), protocol=2))
        for name in ("zip.pt", "old.pt", "bare.pt"):
            with pytest.raises(WeightsError, match="nothing in a weights file is run|damaged"):
                read_weights(tmp_path / name)
        assert not (tmp_path / "proof").exists()

    def test_what_a_pickle_asks_for_is_named(self, tmp_path):
        torch.save(vgg(), tmp_path / "w.pt")
        with pytest.raises(WeightsError, match=r"asks for torch\.nn\S+.*model.state_dict\(\)"):
            read_weights(tmp_path / "w.pt")

    def test_no_tensors(self, tmp_path):
        refuse({"epoch": 3}, tmp_path, "a dict without tensors by name")
        refuse([torch.ones(1)], tmp_path, "a list without tensors by name")

    def test_no_convolution(self, tmp_path):
        refuse(nn.BatchNorm1d(2).state_dict(), tmp_path, "not part of a plain chain")

    def test_convolutions_that_do_not_follow_each_other(self, tmp_path):
        state = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)).state_dict()
        refuse(state, tmp_path, r"'1.weight' is 4×1×3×3 .*expected 4 inputs")

    def test_a_bias_of_another_length(self, tmp_path):
        state = nn.Conv2d(1, 4, 3).state_dict() | {"bias": torch.zeros(3)}
        refuse(state, tmp_path, r"the bias of 'weight' is 3; expected 4")

    def test_an_even_kernel(self, tmp_path):
        refuse(nn.Conv2d(1, 4, 4).state_dict(), tmp_path, r"4×1×4×4, an even kernel.*network=")

    @pytest.mark.parametrize(
        "module",
        [
            nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 4, 3)),
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.PReLU(4), nn.BatchNorm2d(4)),
            nn.Sequential(nn.Conv2d(1, 4, 3), nn.Linear(4, 4), nn.Conv2d(4, 4, 3)),
            nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 3)),
        ],
        ids=["norm first", "trained activation", "dense between", "weight norm"],
    )
    def test_parts_that_are_not_understood_are_named(self, tmp_path, module):
        refuse(module.state_dict(), tmp_path, r"is not part of a plain chain.*network=module")

    def test_a_batch_norm_of_another_size(self, tmp_path):
        state = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(3)).state_dict()
        refuse(
            state,
            tmp_path,
            r"'1.running_mean' is 3; expected 4, one value per feature of '0.weight'",
        )

    def test_values_that_are_not_finite(self, tmp_path):
        state = {"weight": torch.full((4, 1, 3, 3), torch.inf)}
        refuse(state, tmp_path, "'weight' holds values that are not finite")

    @pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn, torch.complex64])
    def test_numbers_of_another_kind(self, tmp_path, dtype):
        state = {"weight": torch.ones(4, 1, 3, 3).to(dtype)}
        refuse(state, tmp_path, r"'weight' is of type \w+; expected real floating-point")

    def test_half_precision_is_widened(self, tmp_path):
        state = {"weight": torch.ones(4, 1, 3, 3, dtype=torch.bfloat16)}
        torch.save(state, tmp_path / "w.pt")
        assert read_weights(tmp_path / "w.pt").layer1.convolution.weight.dtype == torch.float32

    def test_tensors_without_plain_values(self, tmp_path):
        refuse({"w": torch.eye(3).to_sparse()}, tmp_path, "sparse, quantised or without values")

    def test_a_small_file_that_claims_a_huge_tensor(self, tmp_path, monkeypatch):
        monkeypatch.setattr(common, "LARGEST", 2**20)
        state = {"weight": torch.zeros(1).expand(2**20, 1, 3, 3)}
        refuse(state, tmp_path, "'weight' would take 0.0 GiB")

    def test_an_unfit_own_network(self, tmp_path):
        (tmp_path / "w.npz").write_bytes(b"\x89HDF\r\n\x1a\n")
        with pytest.raises(WeightsError, match="a state dict or safetensors when a network"):
            read_weights(tmp_path / "w.npz", network=vgg())
