"""Networks that people publish, each as its paper or public definition has it, with random weights.

Front ends from the sound to the first layer are left out: each takes what its front end gives.
Every class has an attribute `n_dims`, the number of dimensions of its input.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F

from auralise.networks.musicnn import build_vgg
from auralise.weights.onnx import read_onnx

BASIC_PITCH = "basic_pitch/saved_models/icassp_2022/nmp.onnx"
HARMONICS = "model_1/tf.expand_dims_1/ExpandDims;model_1/tf.expand_dims_1/ExpandDims"


def conv_bn(n_in: int, n_out: int, kernel=3, **options) -> nn.Sequential:
    padding = options.pop("padding", "same")
    convolution = nn.Conv2d(n_in, n_out, kernel, padding=padding, **options)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out))


class Images(nn.Module):
    """A network of ``(1, n_channels, n_bins, n_frames)``."""

    n_dims = 4


class MusicnnVgg(Images):
    """The tagger MTT_vgg or MSD_vgg, behind its front end (Pons & Serra 2019)."""

    def __init__(self):
        super().__init__()
        whole = build_vgg(0.3, -0.5)
        self.layers, self.classifier = whole.convolutional[1:], whole.classifier

    def forward(self, x):
        return self.classifier(self.layers(x))


class Musicnn(Images):
    """Timbral and temporal branches, three residual layers of one dimension, two poolings."""

    def __init__(self, n_bins=96):
        super().__init__()
        self.input_bn = nn.BatchNorm2d(1)
        self.timbral = nn.ModuleList(
            conv_bn(1, 204, (int(share * n_bins), 7), padding=(0, 3)) for share in (0.4, 0.7)
        )
        self.temporal = nn.ModuleList(
            nn.Sequential(nn.Conv1d(1, 51, k, padding="same"), nn.BatchNorm1d(51))
            for k in (129, 65, 33)
        )
        sizes = (2 * 204 + 3 * 51, 64, 64)
        self.middle = nn.ModuleList(
            nn.Sequential(nn.Conv1d(n, 64, 7, padding=3), nn.BatchNorm1d(64), nn.ReLU())
            for n in sizes
        )
        self.dense, self.norm = nn.Linear(2 * (sizes[0] + 3 * 64), 200), nn.BatchNorm1d(200)
        self.out = nn.Linear(200, 50)

    def forward(self, x):
        x = self.input_bn(x)
        branches = []
        for branch in self.timbral:
            y = F.relu(branch(x))
            branches.append(F.max_pool2d(y, (y.size(2), 1)).squeeze(2))
        mean = x.mean(2)
        branches += [F.relu(branch(mean)) for branch in self.temporal]
        front = torch.cat(branches, 1)
        one = self.middle[0](front)
        two = self.middle[1](one) + one
        three = self.middle[2](two) + two
        x = torch.cat([front, one, two, three], 1)
        x = torch.cat([x.amax(2), x.mean(2)], 1)
        return self.out(F.relu(self.norm(self.dense(x))))


class Fcn(Images):
    """Choi et al. 2016, five layers."""

    def __init__(self):
        super().__init__()
        self.input_bn = nn.BatchNorm2d(1)
        sizes = (1, 64, 128, 128, 128, 64)
        pools = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))
        self.layers = nn.ModuleList(
            conv_bn(a, b) for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.pools = nn.ModuleList(map(nn.MaxPool2d, pools))
        self.dense = nn.Linear(64, 50)

    def forward(self, x):
        x = self.input_bn(x)
        for layer, pool in zip(self.layers, self.pools, strict=True):
            x = pool(F.relu(layer(x)))
        return torch.sigmoid(self.dense(x.view(x.size(0), -1)))


class Crnn(Images):
    """Choi et al. 2017: four layers, then two recurrent ones."""

    def __init__(self):
        super().__init__()
        self.input_bn = nn.BatchNorm2d(1)
        sizes, pools = (1, 64, 128, 128, 128), ((2, 2), (3, 3), (4, 4), (4, 4))
        parts = []
        for a, b, pool in zip(sizes[:-1], sizes[1:], pools, strict=True):
            parts += [*conv_bn(a, b), nn.ELU(), nn.MaxPool2d(pool), nn.Dropout(0.1)]
        self.convolutional = nn.Sequential(*parts)
        self.gru = nn.GRU(128, 32, 2, batch_first=True)
        self.dense = nn.Linear(32, 50)

    def forward(self, x):
        x = self.convolutional(self.input_bn(x))
        x = x.squeeze(2).permute(0, 2, 1)
        return torch.sigmoid(self.dense(self.gru(x)[0][:, -1]))


class ShortChunk(Images):
    """Won et al. 2020: seven layers, each halved by a max-pooling."""

    sizes = (128, 128, 256, 256, 256, 256, 512)

    def __init__(self, n_inputs=1):
        super().__init__()
        self.input_bn = nn.BatchNorm2d(n_inputs)
        pairs = zip((n_inputs, *self.sizes[:-1]), self.sizes, strict=True)
        self.layers = nn.ModuleList(self.layer(a, b) for a, b in pairs)
        self.pool, self.dense1 = nn.MaxPool2d(2), nn.Linear(self.sizes[-1], 512)
        self.norm, self.dense2 = nn.BatchNorm1d(512), nn.Linear(512, 50)

    def layer(self, n_in, n_out):
        return nn.Sequential(*conv_bn(n_in, n_out), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, x):
        x = self.input_bn(x)
        for layer in self.layers:
            x = layer(x)
        x = x.squeeze(2)
        x = F.adaptive_max_pool1d(x, 1).squeeze(2) if x.size(-1) != 1 else x.squeeze(2)
        return torch.sigmoid(self.dense2(F.relu(self.norm(self.dense1(x)))))


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut, which is a convolution where sizes differ."""

    def __init__(self, n_in, n_out, stride=2, kernel=3):
        super().__init__()
        options = {"padding": kernel // 2, "stride": stride}
        self.a, self.b = conv_bn(n_in, n_out, kernel, **options), conv_bn(n_out, n_out, kernel)
        self.short = (
            conv_bn(n_in, n_out, kernel, **options) if stride > 1 or n_in != n_out else None
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.b(self.relu(self.a(x)))
        return self.relu(y + (x if self.short is None else self.short(x)))


class ShortChunkRes(ShortChunk):
    """`ShortChunk` of residual blocks with a stride in place of the pooling."""

    def layer(self, n_in, n_out):
        return ResidualBlock(n_in, n_out)


class HarmonicCnn(ShortChunk):
    """Won et al. 2020, data-driven harmonic filters: behind these, six harmonics are channels.

    Its layers are residual blocks, each halved by a max-pooling.
    """

    sizes = (128, 128, 128, 128, 128, 256, 256)

    def __init__(self):
        super().__init__(6)

    def layer(self, n_in, n_out):
        return nn.Sequential(ResidualBlock(n_in, n_out, 1), nn.MaxPool2d(2))


class SampleCnn(nn.Module):
    """Lee et al. 2017, for 59,049 samples."""

    n_dims = 3

    def __init__(self):
        super().__init__()
        first = nn.Sequential(nn.Conv1d(1, 128, 3, stride=3), nn.BatchNorm1d(128), nn.ReLU())
        sizes = (128, 128, 128, 256, 256, 256, 256, 256, 256, 512)
        layers = [
            nn.Sequential(
                nn.Conv1d(a, b, 3, padding=1), nn.BatchNorm1d(b), nn.ReLU(), nn.MaxPool1d(3)
            )
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        ]
        last = nn.Sequential(nn.Conv1d(512, 512, 1), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout())
        self.layers = nn.Sequential(first, *layers, last)
        self.dense = nn.Linear(512, 50)

    def forward(self, x):
        return torch.sigmoid(self.dense(self.layers(x).squeeze(-1)))


class Pann(Images):
    """Kong et al. 2020: blocks of convolutions of one size, averaged by twos; frames × bands."""

    def __init__(self, sizes, kernel, n_convolutions):
        super().__init__()
        self.bn0, self.blocks = nn.BatchNorm2d(64), nn.ModuleList()
        for a, b in zip((1, *sizes[:-1]), sizes, strict=True):
            ends = zip((a, b), (b, b), strict=True)
            block = [conv_bn(i, o, kernel, bias=False) for i, o in ends]
            self.blocks.append(nn.ModuleList(block[:n_convolutions]))
        self.fc1, self.out = nn.Linear(sizes[-1], sizes[-1]), nn.Linear(sizes[-1], 527)
        self.last_pool = 1 if n_convolutions > 1 else 2

    def forward(self, x):
        x = self.bn0(x.transpose(1, 3)).transpose(1, 3)
        for number, block in enumerate(self.blocks, start=1):
            for layer in block:
                x = F.relu_(layer(x))
            size = self.last_pool if number == len(self.blocks) else 2
            x = F.dropout(F.avg_pool2d(x, size), 0.2, training=self.training)
        x = x.mean(3)
        x = x.max(2).values + x.mean(2)
        return torch.sigmoid(self.out(F.relu_(self.fc1(x))))


def cnn14() -> nn.Module:
    return Pann((64, 128, 256, 512, 1024, 2048), 3, 2)


def cnn6() -> nn.Module:
    return Pann((64, 128, 256, 512), 5, 1)


class Vggish(Images):
    """Hershey et al. 2017, as released: frames × 64 bands, 96 frames."""

    def __init__(self):
        super().__init__()
        parts, n = [], 1
        for of in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool"):
            if of == "pool":
                parts.append(nn.MaxPool2d(2))
            else:
                parts += [nn.Conv2d(n, of, 3, padding=1), nn.ReLU(inplace=True)]
                n = of
        self.features = nn.Sequential(*parts)
        self.embeddings = nn.Sequential(
            nn.Linear(512 * 4 * 6, 4096), nn.ReLU(True), nn.Linear(4096, 4096), nn.ReLU(True),
            nn.Linear(4096, 128), nn.ReLU(True),
        )  # fmt: skip

    def forward(self, x):
        x = self.features(x).permute(0, 2, 3, 1).contiguous()
        return self.embeddings(x.view(x.size(0), -1))


class OpenL3(Images):
    """The audio half of Look, Listen and Learn (Arandjelović & Zisserman 2017; Cramer 2019)."""

    def __init__(self):
        super().__init__()
        self.input_bn = nn.BatchNorm2d(1)
        self.layers, n = nn.ModuleList(), 1
        for size in (64, 128, 256, 512):
            self.layers.append(nn.ModuleList([conv_bn(n, size), conv_bn(size, size)]))
            n = size

    def forward(self, x):
        x = self.input_bn(x)
        for number, pair in enumerate(self.layers):
            for layer in pair:
                x = F.relu(layer(x))
            if number < 3:
                x = F.max_pool2d(x, 2, 2)
        x = F.max_pool2d(x, (x.size(2) // 4, x.size(3) // 3))
        return torch.flatten(x, 1)


class Crepe(nn.Module):
    """Kim et al. 2018, full capacity, for frames of 1,024 samples."""

    n_dims = 3

    def __init__(self):
        super().__init__()
        sizes, n = (1024, 128, 128, 128, 256, 512), 1
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for number, size in enumerate(sizes):
            kernel, stride = (512, 4) if number == 0 else (64, 1)
            self.convs.append(nn.Conv1d(n, size, kernel, stride=stride))
            self.norms.append(nn.BatchNorm1d(size, eps=0.001))
            n = size
        self.classifier = nn.Linear(2048, 360)

    def forward(self, x):
        for convolution, norm in zip(self.convs, self.norms, strict=True):
            pads = (254, 254) if convolution.stride == (4,) else (31, 32)
            x = F.max_pool1d(norm(F.relu(convolution(F.pad(x, pads)))), 2)
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1).reshape(len(x), -1)))


class BasicPitch(Images):
    """Bittner et al. 2022: the trained network of the package, behind its constant-Q transform."""

    def __init__(self):
        super().__init__()
        spec = importlib.util.find_spec("basic_pitch")
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError("pip install --no-deps basic-pitch==0.4.0")
        path = Path(spec.submodule_search_locations[0]).parent / BASIC_PITCH
        self.part = read_onnx(path, start=HARMONICS)

    def forward(self, x):
        return self.part(x.permute(0, 3, 2, 1))  # frames × bins × channels


class SvdNet(Images):
    """Schlüter & Grill 2015, for 80 bands × 115 frames."""

    def __init__(self):
        super().__init__()
        parts, n = [], 1
        for of in (64, 32, "pool", 128, 64, "pool"):
            if of == "pool":
                parts.append(nn.MaxPool2d(3))
            else:
                parts += [nn.Conv2d(n, of, 3), nn.LeakyReLU(0.01)]
                n = of
        self.convolutional = nn.Sequential(*parts)
        self.dense = nn.Sequential(
            nn.Dropout(), nn.Linear(64 * 7 * 11, 256), nn.LeakyReLU(0.01), nn.Dropout(),
            nn.Linear(256, 64), nn.LeakyReLU(0.01), nn.Dropout(), nn.Linear(64, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x):
        return self.dense(self.convolutional(x).flatten(1))


class BasicBlock(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2, self.downsample = nn.BatchNorm2d(n_out), None
        if stride > 1:
            options = {"stride": stride, "padding": 0, "bias": False}
            self.downsample = conv_bn(n_in, n_out, 1, **options)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet18(Images):
    """He et al. 2016, of one input channel."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.bn1, self.relu = nn.BatchNorm2d(64), nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        sizes = (64, 64, 128, 256, 512)
        for number, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True), start=1):
            blocks = BasicBlock(a, b, 1 if number == 1 else 2), BasicBlock(b, b, 1)
            setattr(self, f"layer{number}", nn.Sequential(*blocks))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(512, 10)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class DenseNet(Images):
    """Huang et al. 2017: DenseNet-BC of 40 layers, growth 12, of one input channel."""

    def __init__(self, growth=12, n_layers=6):
        super().__init__()
        n = 2 * growth
        self.stem, self.blocks = nn.Conv2d(1, n, 3, padding=1, bias=False), nn.ModuleList()
        self.transitions = nn.ModuleList()
        for block in range(3):
            layers = nn.ModuleList()
            for _ in range(n_layers):
                layers.append(
                    nn.Sequential(
                        nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, 4 * growth, 1, bias=False),
                        nn.BatchNorm2d(4 * growth), nn.ReLU(),
                        nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
                    )
                )  # fmt: skip
                n += growth
            self.blocks.append(layers)
            if block < 2:
                half = nn.Conv2d(n, n // 2, 1, bias=False)
                parts = nn.BatchNorm2d(n), nn.ReLU(), half, nn.AvgPool2d(2)
                self.transitions.append(nn.Sequential(*parts))
                n //= 2
        self.norm, self.fc = nn.BatchNorm2d(n), nn.Linear(n, 10)

    def forward(self, x):
        x = self.stem(x)
        for number, layers in enumerate(self.blocks):
            for layer in layers:
                x = torch.cat([x, layer(x)], 1)
            x = self.transitions[number](x) if number < 2 else x
        return self.fc(F.relu(self.norm(x)).mean((2, 3)))


class UNet(Images):
    """Jansson et al. 2017: a mask of the vocals, from bins and frames that 64 divides."""

    def __init__(self):
        super().__init__()
        sizes = (1, 16, 32, 64, 128, 256, 512)
        self.down = nn.ModuleList(
            nn.Sequential(*conv_bn(a, b, 5, stride=2, padding=2), nn.LeakyReLU(0.2))
            for a, b in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.up, self.norms = nn.ModuleList(), nn.ModuleList()
        for depth, size in enumerate((256, 128, 64, 32, 16, 1)):
            n = 512 if depth == 0 else 4 * size if size > 1 else 32
            self.up.append(nn.ConvTranspose2d(n, size, 5, 2, 2, output_padding=1))
            self.norms.append(nn.BatchNorm2d(size))

    def forward(self, x):
        skips, y = [], x
        for layer in self.down:
            y = layer(y)
            skips.append(y)
        for depth, (up, norm) in enumerate(zip(self.up, self.norms, strict=True)):
            y = up(y if depth == 0 else torch.cat([y, skips[-1 - depth]], 1))
            if depth < 5:
                y = F.dropout(F.relu(norm(y)), 0.5, self.training and depth < 3)
        return x * torch.sigmoid(y)


class SqueezeExcitation(nn.Module):
    def __init__(self, n):
        super().__init__()
        squeezed = max(8, (n // 4 + 4) // 8 * 8)
        self.fc1, self.fc2 = nn.Conv2d(n, squeezed, 1), nn.Conv2d(squeezed, n, 1)

    def weigh(self, x):
        return F.hardsigmoid(self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))))

    def forward(self, x):
        return x * self.weigh(x)


class InvertedResidual(nn.Module):
    def __init__(self, n_in, kernel, n_wide, n_out, excites, activation, stride):
        super().__init__()
        parts = []
        if n_wide != n_in:
            parts += [*conv_bn(n_in, n_wide, 1, bias=False), activation(inplace=True)]
        options = {"stride": stride, "padding": kernel // 2, "groups": n_wide, "bias": False}
        parts += [*conv_bn(n_wide, n_wide, kernel, **options), activation(inplace=True)]
        if excites:
            parts.append(SqueezeExcitation(n_wide))
        self.block = nn.Sequential(*parts, *conv_bn(n_wide, n_out, 1, bias=False))
        self.adds = stride == 1 and n_in == n_out

    def forward(self, x):
        return x + self.block(x) if self.adds else self.block(x)


class MobileNetV3(Images):
    """Howard et al. 2019, small, of one input channel."""

    rows = (
        (3, 16, 16, True, nn.ReLU, 2), (3, 72, 24, False, nn.ReLU, 2),
        (3, 88, 24, False, nn.ReLU, 1), (5, 96, 40, True, nn.Hardswish, 2),
        (5, 240, 40, True, nn.Hardswish, 1), (5, 240, 40, True, nn.Hardswish, 1),
        (5, 120, 48, True, nn.Hardswish, 1), (5, 144, 48, True, nn.Hardswish, 1),
        (5, 288, 96, True, nn.Hardswish, 2), (5, 576, 96, True, nn.Hardswish, 1),
        (5, 576, 96, True, nn.Hardswish, 1),
    )  # fmt: skip

    def __init__(self):
        super().__init__()
        stem = conv_bn(1, 16, 3, stride=2, padding=1, bias=False)
        blocks, n = [], 16
        for kernel, wide, n_out, *rest in self.rows:
            blocks.append(InvertedResidual(n, kernel, wide, n_out, *rest))
            n = n_out
        last = conv_bn(96, 576, 1, bias=False)
        self.features = nn.Sequential(stem, nn.Hardswish(), *blocks, last, nn.Hardswish())
        self.classifier = nn.Sequential(
            nn.Linear(576, 1024), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(1024, 10)
        )

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class ConvNextBlock(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(n, n, 7, padding=3, groups=n), nn.LayerNorm(n, 1e-6)
        self.wide, self.act, self.narrow = nn.Linear(n, 4 * n), nn.GELU(), nn.Linear(4 * n, n)
        self.scale = nn.Parameter(torch.full((n,), 0.5))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(self.act(self.wide(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNext(Images):
    """Liu et al. 2022, with the blocks of its stages cut to 1, 1, 2 and 1; one input channel."""

    def __init__(self, sizes=(96, 192, 384, 768), depths=(1, 1, 2, 1)):
        super().__init__()
        parts = [nn.Conv2d(1, sizes[0], 4, 4), NormOfChannels(sizes[0])]
        for number, (size, depth) in enumerate(zip(sizes, depths, strict=True)):
            if number:
                parts += [
                    NormOfChannels(sizes[number - 1]),
                    nn.Conv2d(sizes[number - 1], size, 2, 2),
                ]
            parts += [ConvNextBlock(size) for _ in range(depth)]
        self.stages, self.norm = nn.Sequential(*parts), nn.LayerNorm(sizes[-1], 1e-6)
        self.head = nn.Linear(sizes[-1], 10)

    def forward(self, x):
        return self.head(self.norm(self.stages(x).mean((2, 3))))


class NormOfChannels(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm = nn.LayerNorm(n, 1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Plain(Images):
    """As a first tutorial writes it."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3), nn.Conv2d(16, 32, 3)
        self.fc1, self.fc2 = nn.Linear(32 * 30 * 30, 64), nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 32 * 30 * 30)
        return self.fc2(F.relu(self.fc1(x)))


class Lightning(pl.LightningModule):
    """A `LightningModule` around a network, with its loss."""

    n_dims = 4

    def __init__(self):
        super().__init__()
        self.model, self.loss = Plain(), nn.CrossEntropyLoss(weight=torch.ones(10))

    def forward(self, x):
        return self.model(x)

    def training_step(self, batch, index):
        x, y = batch
        return self.loss(self(x), y)


@dataclass(frozen=True)
class Published:
    """A network of the table.

    Attributes
    ----------
    make : callable
    shape : tuple of int
        Of what it hears.
    load : str
        How its weights come in.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    load: str = "state dict, `--module`"


NETWORKS = {
    "musicnn MTT_vgg, MSD_vgg": Published(MusicnnVgg, (96, 187), "`--network musicnn/MTT_vgg`"),
    "Musicnn": Published(Musicnn, (96, 187)),
    "FCN": Published(Fcn, (96, 1366)),
    "CRNN": Published(Crnn, (96, 1366)),
    "ShortChunkCNN": Published(ShortChunk, (128, 128)),
    "ShortChunkCNN_Res": Published(ShortChunkRes, (128, 128)),
    "HarmonicCNN": Published(HarmonicCnn, (6, 128, 128), "state dict, Python"),
    "SampleCNN": Published(SampleCnn, (59049,), "state dict, Python"),
    "Cnn14": Published(cnn14, (64, 64), "checkpoint (`model`), `--module`"),
    "Cnn6": Published(cnn6, (64, 64), "checkpoint (`model`), `--module`"),
    "VGGish": Published(Vggish, (96, 64)),
    "OpenL3": Published(OpenL3, (128, 96)),
    "CREPE": Published(Crepe, (1024,), "state dict, Python"),
    "basic-pitch": Published(BasicPitch, (264, 172), "ONNX, `read_onnx(…, start=…)`"),
    "SVDNet": Published(SvdNet, (80, 115), "Lasagne `.npz`"),
    "ResNet-18": Published(ResNet18, (128, 128)),
    "DenseNet": Published(DenseNet, (64, 64)),
    "U-Net": Published(UNet, (128, 128)),
    "MobileNetV3": Published(MobileNetV3, (128, 128)),
    "ConvNeXt": Published(ConvNext, (128, 128)),
    "plain nn.Module": Published(Plain, (128, 128)),
    "LightningModule": Published(Lightning, (128, 128), "Lightning checkpoint, `--module`"),
}
