"""The VGG music tagger of musicnn (Pons & Serra 2019), trained weights of which are published.

Facts are those of the package ``musicnn`` 0.1.0. It puts time first; here bins come first, so
that kernels are transposed once, where they are read.
"""

from collections import OrderedDict

from torch import nn

from auralise.choices import PUBLISHED_STFT
from auralise.networks.front_ends import build_front_end
from auralise.stft import Stft

STFT = Stft(**PUBLISHED_STFT)
N_FRAMES = 187  # of a decision: 3 s
N_BANDS, N_FEATURES, EPSILON = 96, 128, 1e-3
POOLINGS = (((1, 4), (2, 2)), *[((2, 2), (2, 2))] * 3, ((4, 4), (4, 4)))  # kernel, stride


def build_vgg(gain: float, offset: float, n_classes: int = 50) -> nn.Sequential:
    """The tagger, untrained behind its front end.

    Parameters
    ----------
    gain, offset : float
        Of the batch normalisation of the log-mel spectrogram: ``gain * x + offset``.
    n_classes : int

    Returns
    -------
    torch.nn.Sequential
        ``convolutional``, which begins with the front end and takes the magnitudes of `STFT`,
        ``(batch, 1, 257, n_frames)``, of any length; and ``classifier``, from 187 frames of it to
        probabilities ``(batch, n_classes)``.
    """
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["front_end"] = build_front_end(
        [
            {"power": 2},
            {"mel": {"n_bands": N_BANDS, "fmin": 0, "fmax": 8000}},
            {"log1p": {"gain": 10000, "base": 10}},
            {"affine": {"gain": gain, "offset": offset}},
        ],
        STFT,
        "musicnn",
    )
    n_inputs = 1
    for number, (kernel, stride) in enumerate(POOLINGS, start=1):
        parts[f"layer{number}"] = nn.Sequential(
            OrderedDict(
                convolution=nn.Conv2d(n_inputs, N_FEATURES, 3, padding="same"),
                relu=nn.ReLU(),
                batch_norm=nn.BatchNorm2d(N_FEATURES, eps=EPSILON),
                pooling=nn.MaxPool2d(kernel, stride),
                dropout=nn.Dropout(0.25),
            )
        )
        n_inputs = N_FEATURES
    classifier = OrderedDict(
        flatten=nn.Flatten(),
        dropout=nn.Dropout(0.5),
        dense=nn.Linear(2 * N_FEATURES, n_classes),
        sigmoid=nn.Sigmoid(),
    )
    return nn.Sequential(
        OrderedDict(convolutional=nn.Sequential(parts), classifier=nn.Sequential(classifier))
    )
