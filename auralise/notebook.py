"""In a notebook: explain a song, hear and see its features, open a finished experiment."""

import base64
import html
import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from auralise.audio import map_audio, write_audio
from auralise.auralisation import expansion, masked_spectrum, set_loudness
from auralise.choices import AUDIBLE, DURATION
from auralise.errors import MapsError, SettingsError
from auralise.features import levels_of
from auralise.files import read_table
from auralise.maps import Maps, Origin, open_maps
from auralise.stft import Stft

if TYPE_CHECKING:
    import xarray
    from matplotlib.figure import Figure
    from torch import nn


@dataclass(frozen=True)
class Sound:
    """Samples that a notebook plays.

    Attributes
    ----------
    samples : ndarray, float32, shape (n_samples,)
    sample_rate : int
        In Hz.
    title : str
    """

    samples: np.ndarray
    sample_rate: int
    title: str

    def save(self, path: str | Path) -> None:
        """Write the samples as 16-bit PCM; the ending of `path` chooses the format."""
        write_audio(path, self.samples, self.sample_rate)

    def _repr_html_(self) -> str:
        import soundfile

        wav = io.BytesIO()
        soundfile.write(wav, self.samples, self.sample_rate, "PCM_16", format="WAV")
        data = base64.b64encode(wav.getvalue()).decode()
        title = html.escape(self.title)
        return (
            f'<figure><figcaption>{title}</figcaption><audio controls aria-label="{title}" '
            f'src="data:audio/wav;base64,{data}"></audio></figure>'
        )


@dataclass(frozen=True)
class Explained:
    """One song, explained by one network. A feature is named as ``"3-12"``: layer 3, feature 12.

    Attributes
    ----------
    path : Path
        The HDF5 file of maps.
    """

    path: Path
    # A folder that lasts as long as this object, where nobody asked for the file.
    _folder: Any = field(default=None, repr=False, compare=False)

    @property
    def origin(self) -> Origin:
        """What the maps were made from: song, network, weights, settings."""
        with open_maps(self.path) as maps:
            return maps.origin

    @property
    def layers(self) -> list[int]:
        """The layers that were explained, counted from 1."""
        with open_maps(self.path) as maps:
            return maps.layers

    def maps(self, layer: int) -> "xarray.DataArray":
        """Deconvolved maps of a layer, with dimensions feature, frequency (Hz) and time (s).

        Raises
        ------
        MapsError
            The layer was not explained.
        SettingsError
            xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            raise SettingsError(
                "maps with axes need xarray, which is not installed; run: pip install xarray"
            ) from None
        with open_maps(self.path) as maps:
            return xarray.DataArray(
                maps.deconvolved(layer),
                dims=("feature", "frequency", "time"),
                coords={
                    "feature": maps.features(layer),
                    "frequency": ("frequency", maps.stft.frequencies, {"units": "Hz"}),
                    "time": ("time", maps.stft.times(maps.n_frames), {"units": "s"}),
                },
                name="deconvolved",
                attrs={"song": maps.origin.song, "network": maps.origin.network, "layer": layer},
            )

    def features(self) -> pd.DataFrame:
        """All features, the loudest of each layer first.

        Returns
        -------
        DataFrame
            ``feature`` (such as ``3-12``), ``layer``, ``live`` (it fired on the song) and
            ``level_db``: the level of what it lets through, relative to the layer's loudest
            feature (dB; -inf for silence).
        """
        tables = []
        with open_maps(self.path) as maps:
            for layer in maps.layers:
                table = pd.DataFrame(
                    {
                        "feature": [f"{layer}-{number}" for number in maps.features(layer)],
                        "layer": layer,
                        "live": maps.live(layer),
                        "level_db": levels_of(maps, layer),
                    }
                )
                tables.append(table.sort_values("level_db", ascending=False, kind="stable"))
        return pd.concat(tables, ignore_index=True)

    def original(self) -> Sound:
        """The song, as the maps have it: analysed and put together again."""
        with open_maps(self.path) as maps:
            samples = maps.stft.synthesise(maps.spectrum, maps.n_samples)
            return Sound(samples, maps.stft.sample_rate, maps.origin.song)

    def hear(self, feature: str, mode: str = "mask") -> Sound:
        """What a feature lets through of the song, with its peak at -1 dB.

        Parameters
        ----------
        feature : str
            Such as ``"3-12"``.
        mode : str
            As `auralise.auralisation.masked_spectrum`.

        Raises
        ------
        SettingsError
            The feature was not explained, or the network's front end does not allow ``phase``.
        """
        from auralise.networks.front_ends import undo

        with open_maps(self.path) as maps:
            layer, row = _find(maps, feature)
            mask = maps.masks(layer, slice(row, row + 1))
            spectrum = maps.spectrum
            masked = masked_spectrum(spectrum, mask, mode, expansion(maps, mode, undo))
            sounds = maps.stft.synthesise(masked, maps.n_samples)
            original = maps.stft.synthesise(spectrum, maps.n_samples)
            return Sound(
                set_loudness(sounds, original)[0],
                maps.stft.sample_rate,
                f"{feature} on {maps.origin.song}, {_level_text(maps, layer, row)}",
            )

    def plot(self, feature: str) -> "Figure":
        """The song and what a feature lets through of it; errors as `hear`."""
        from auralise.figures.features import draw_feature

        with open_maps(self.path) as maps:
            layer, row = _find(maps, feature)
            return draw_feature(
                maps.spectrum,
                maps.masks(layer, slice(row, row + 1))[0],
                maps.stft.frequencies,
                maps.n_samples / maps.stft.sample_rate,
                f"{feature}, {_level_text(maps, layer, row)}",
            )

    def sheet(self, layer: int, floor: float = AUDIBLE) -> "Figure":
        """What the features of a layer let through of the song, the loudest first.

        Of a long song its loudest part is drawn.

        Parameters
        ----------
        layer : int
            Counted from 1.
        floor : float
            In dB below the loudest feature; what lies below is counted, not drawn.
        """
        from auralise.figures.sheets import draw_layer

        with open_maps(self.path) as maps:
            return draw_layer(maps.shown(), layer, floor)

    def _repr_html_(self) -> str:
        table = self.features()
        counts = table.groupby("layer")["live"].agg(["size", "sum"])
        rows = "".join(
            f"<tr><td>{layer}</td><td>{row['size']}</td><td>{row['sum']}</td>"
            f"<td>{table.loc[table['layer'] == layer, 'feature'].iloc[0]}</td></tr>"
            for layer, row in counts.iterrows()
        )
        origin = self.origin
        return (
            f"<p>{html.escape(origin.song)}, explained by {html.escape(origin.network)}</p>"
            "<table><tr><th>layer</th><th>features</th><th>live</th><th>loudest</th></tr>"
            f"{rows}</table>"
        )


@dataclass(frozen=True)
class Experiment:
    """A finished experiment: its maps and its tables.

    Attributes
    ----------
    folder : Path
        ``results/<experiment>``.
    """

    folder: Path

    @property
    def networks(self) -> list[str]:
        """Networks that have explained a song."""
        return sorted({network for network, _ in self._explained()})

    @property
    def songs(self) -> list[str]:
        """Songs that were explained."""
        return sorted({song for _, song in self._explained()})

    def explained(self, network: str, song: str) -> Explained:
        """One song, explained by one network.

        Raises
        ------
        SettingsError
            The experiment has no such network or song, or its maps were not kept.
        """
        path = self.folder / "deconvolution" / network / f"{song}.h5"
        if not path.is_file():
            if (network, song) in self._explained():
                raise SettingsError(
                    f"{path}: not there; run with 'keep: all', and maps are made again and stay"
                )
            raise SettingsError(
                f"no maps of '{song}' by '{network}' in {self.folder}; networks: "
                f"{', '.join(self.networks)}; songs: {', '.join(self.songs)}"
            )
        return Explained(path)

    @property
    def tables(self) -> list[str]:
        """Names of all tables, for `table`."""
        paths = self.folder.rglob("*.csv")
        return sorted(path.relative_to(self.folder).as_posix() for path in paths)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the results.

        Parameters
        ----------
        name : str
            One of `tables`, such as ``"attributes/summary.csv"``.

        Raises
        ------
        SettingsError
            There is no such table.
        """
        if name not in self.tables:
            raise SettingsError(f"no table '{name}' in {self.folder}; see `tables`")
        return read_table(self.folder / name)

    def _explained(self) -> set[tuple[str, str]]:
        """Network and song of all maps, and of all sounds, which stay where maps do not."""
        maps = (self.folder / "deconvolution").glob("*/*.h5")
        sounds = (self.folder / "auralisation").glob("*/*/original.wav")
        return {(path.parent.name, path.stem) for path in maps} | {
            (path.parent.parent.name, path.parent.name) for path in sounds
        }

    def _repr_html_(self) -> str:
        lists = {"networks": self.networks, "songs": self.songs, "tables": self.tables}
        items = "".join(
            f"<li>{name}: {html.escape(', '.join(values))}</li>" for name, values in lists.items()
        )
        return f"<p>{html.escape(str(self.folder))}</p><ul>{items}</ul>"


def explain(
    song: str | Path,
    network: "nn.Module | str",
    stft: Stft | None = None,
    *,
    layers: Sequence[int | str] | None = None,
    features: Mapping[int, Sequence[int]] | None = None,
    window: float = DURATION,
    channel: str | None = None,
    out: str | Path | None = None,
) -> Explained:
    """Explain every feature of a network on a song of any length.

    Parameters
    ----------
    song : str or Path
        A sound file.
    network : torch.nn.Module or str
        From the STFT magnitude on, as `auralise.Deconvnet` takes it, or the name of a published
        network, such as ``"musicnn/MTT_vgg"``.
    stft : Stft, optional
        What the network hears; a published network has its own, and `Stft()` is the default.
    layers, features
        As `auralise.Deconvnet` and `auralise.explainers.writing.write_maps` take them.
    window : float
        Long songs are explained in windows of this length (s).
    channel : {'left', 'right', 'mid', 'side'}, optional
        Of a stereo song; its mix by default.
    out : str or Path, optional
        The HDF5 file of maps to write; by default one that is deleted with the result.

    Returns
    -------
    Explained

    Raises
    ------
    AuraliseError
        The song cannot be read, or the network cannot be explained.

    Examples
    --------
    >>> import numpy as np, soundfile, tempfile, torch, auralise
    >>> sound = np.random.default_rng(0).normal(0, 0.1, 11025)
    >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
    ...     soundfile.write(file.name, sound, 11025)
    ...     network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
    ...     explained = auralise.explain(file.name, network)
    >>> explained.layers
    [1]
    >>> explained.maps(1).shape
    (2, 257, 44)
    >>> explained.hear("1-0").samples.shape
    (11025,)
    """
    from auralise.explainers.making import explainer_of
    from auralise.explainers.songs import windows_of
    from auralise.explainers.writing import write_maps
    from auralise.weights.common import weights_digest

    name = type(network).__name__
    if isinstance(network, str):
        from auralise.weights.published import read_published

        if stft is not None:
            raise SettingsError(f"stft: {network} has its own; leave it out")
        published = read_published(network)
        name, stft = published.name, published.stft
        network = published.network.get_submodule("convolutional")
    stft = stft or Stft()
    folder = None
    if out is None:
        folder = tempfile.TemporaryDirectory(prefix="auralise-")
        out = Path(folder.name) / f"{Path(song).stem}.h5"
    with map_audio(song, stft.sample_rate, channel) as samples:
        n_frames, length = stft.n_frames(len(samples)), stft.n_frames(stft.n_samples(window))
        shape = stft.n_bins, min(length, n_frames)
        explainer = explainer_of(network, layers=layers, shape=shape)
        config = {"layers": None if layers is None else list(layers), "window": window}
        origin = Origin(Path(song).stem, name, weights_digest(network), config)
        windows = windows_of(explainer, len(samples), stft, window)
        write_maps(out, explainer, samples, stft, origin, features, windows)
    return Explained(Path(out), folder)


def open(folder: str | Path) -> Experiment:
    """Open the results of a finished experiment.

    Parameters
    ----------
    folder : str or Path
        ``results/<experiment>``.

    Raises
    ------
    SettingsError
        There are no results.

    Examples
    --------
    >>> finished = auralise.open("results/bands")  # doctest: +SKIP
    >>> finished.explained("square-0", "bach_prelude_c").hear("3-12")  # doctest: +SKIP
    """
    if not any((Path(folder) / name).is_dir() for name in ("deconvolution", "auralisation")):
        raise SettingsError(f"{folder}: not the results of an experiment; expected deconvolution/")
    return Experiment(Path(folder))


def _find(maps: Maps, feature: str) -> tuple[int, int]:
    """Layer (counted from 1) and row in the file of a feature such as ``3-12``."""
    found = re.fullmatch(r"(\d+)-(\d+)", feature)
    if found is None:
        raise SettingsError(
            f"'{feature}' is not a feature; expected <layer>-<feature>, such as 3-12"
        )
    layer, number = int(found[1]), int(found[2])
    try:
        rows = np.flatnonzero(maps.features(layer) == number)
    except MapsError as error:
        raise SettingsError(str(error)) from None
    if len(rows) == 0:
        raise SettingsError(f"{maps.file.filename}: layer {layer} holds no feature {number}")
    return layer, int(rows[0])


def _level_text(maps: Maps, layer: int, row: int) -> str:
    level = levels_of(maps, layer)[row]
    if not np.isfinite(level):
        return "silent"
    return "the layer's loudest" if level == 0 else f"{-level:.0f} dB below the layer's loudest"
