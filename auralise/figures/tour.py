"""The tour of 2015: who plays each of its roles, and what is let through of each song."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine

from auralise.dissection.plants import plant_kernels
from auralise.dissection.tour import ROLES, Role
from auralise.figures.style import (
    FEW_TICKS,
    IN_DB,
    PAGE,
    frequency_rows,
    in_house_style,
    log_frequency_picture,
    new_figure,
)
from auralise.maps import Maps
from auralise.networks.names import PLANTED, UNTRAINED, variant_of

TEXT = 7.0  # points
TALL, SHORT = 0.52, 0.28  # inches: of a row with pictures, and of one without
LINE = 9.0  # points
N_LETTERS = 18  # of a name beside a contribution
N_ROWS = 96  # of a picture
UNKNOWN, NONE_FOUND = "unknown", "none found"


@dataclass(frozen=True)
class Stop:
    """One row of the tour.

    Attributes
    ----------
    role, who : str
        What is looked for, and in which network.
    words : str
        What was found.
    heard : sequence of ndarray, each of shape (n_bins, n_frames)
        What is let through of each song; empty where nothing was found.
    kernel : ndarray, shape (n_bins, n_frames), optional
        Of a feature of layer 1, or of a plant.
    sources : str
        What drives a deeper feature.
    """

    role: str
    who: str
    words: str
    heard: Sequence[np.ndarray] = ()
    kernel: np.ndarray | None = None
    sources: str = ""


def list_stops(
    tour: pd.DataFrame,
    maps: Mapping[str, Sequence[Maps]],
    kernels: Mapping[str, np.ndarray | None],
    contributions: Mapping[str, pd.DataFrame],
    planted: Sequence[Maps],
) -> list[Stop]:
    """Rows of the tour: for each role each network, and a plant; one row where none has it.

    `tour` is as `list_tour` returns it, `contributions` as `list_contributions` returns them.
    `maps` are those of each network, song by song, and `planted` those of the plants; `kernels` are
    those of each network's first layer, shape ``(n_features, n_bins, n_frames)``, None where they
    are not known.
    """
    players = tour.drop_duplicates(["role", "network"]).set_index(["role", "network"])
    stops = []
    for role in ROLES:
        of_role = players.loc[role.what]
        if of_role.loc[list(maps), "feature"].isna().all():
            stops.append(Stop(role.what, ", ".join(maps), NONE_FOUND))
        else:
            stops += [
                _stop_of(role, of_role.loc[name], maps[name], kernels[name], contributions[name])
                for name in maps
            ]
        if role.plant is not None and role.planted is not None:
            layer, feature = role.planted
            heard = [_heard(of_song, layer, feature) for of_song in planted]
            kernel = plant_kernels()[role.planted]
            words = f"in layer {layer}" + (", the score says when" if role.plant.hears else "")
            stops.append(Stop(role.what, PLANTED, words, heard, kernel))
    return stops


def _heard(song: Maps, layer: int, feature: int) -> np.ndarray:
    """What a feature lets through of a song, shape (n_bins, n_frames)."""
    row = int(np.flatnonzero(song.features(layer) == feature)[0])
    mask = song.masks(layer, slice(row, row + 1))[0]
    return np.abs(song.spectrum) * np.abs(mask)


def _stop_of(
    role: Role,
    player: pd.Series,
    maps: Sequence[Maps],
    kernels: np.ndarray | None,
    contributions: pd.DataFrame,
) -> Stop:
    network = str(player.name)
    if pd.isna(player["feature"]):
        return Stop(role.what, network, NONE_FOUND)
    layer, feature = int(player["layer"]), int(player["feature"])
    sources = contributions.query("layer == @layer and feature == @feature")
    words = f"{layer}-{feature}"
    if role.concepts:
        words += f", {player['name']}, score {player['score']:.2f}{_mark_of(player)}"
    heard = [_heard(of_song, layer, feature) for of_song in maps]
    lines = [
        f"{'+' if of.share > 0 else '−'}{abs(of.share):.0%} {layer - 1}-{of.below} "
        f"{shorten(of.name_below or UNKNOWN, N_LETTERS, placeholder='…')}"
        for of in sources.itertuples()
    ]
    kernel = kernels[feature] if layer == 1 and kernels is not None else None
    return Stop(role.what, network, words, heard, kernel, "\n".join(lines))


def _mark_of(player: pd.Series) -> str:
    """What is known of training's part, on a line of its own; nothing where it is not known."""
    if pd.isna(player["learned"]):
        return ""
    if player["learned"]:
        return "\nlearned"
    is_untrained = variant_of(str(player.name)) == UNTRAINED
    return "" if is_untrained else "\nalso found in untrained networks"


@in_house_style
def draw_tour(stops: Sequence[Stop], songs: Sequence[Maps]) -> Figure:
    """The songs, and below them what each stop of the tour lets through.

    Parameters
    ----------
    stops : sequence of Stop
        Those of one role follow each other.
    songs : sequence of Maps
        Any network's maps of the songs, in the order in which the stops have heard them.
    """
    heights = [TALL, *(TALL if stop.heard else SHORT for stop in stops)]
    figure, grid = new_figure(
        len(heights),
        2 + len(songs),
        figsize=(PAGE, sum(heights) + 0.04 * len(heights) + 0.6),
        height_ratios=heights,
        width_ratios=(1.95, 1.2, *[4.05 / len(songs)] * len(songs)),
        layout=ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.02, hspace=0, wspace=0),
        squeeze=False,
    )
    for axis in grid.flat:
        axis.set_axis_off()
    for axis, song in zip(grid[0, 2:], songs, strict=True):
        image = _draw_picture(axis, np.abs(song.spectrum), song)
        seconds = song.n_samples / song.stft.sample_rate
        axis.set_title(f"{song.origin.song}, {seconds:.3g} s", fontsize=TEXT)
        axis.set_axis_on()
        axis.set_xticks([])
        axis.set_yticks([])
    rows = frequency_rows(songs[0].stft.frequencies, N_ROWS, FEW_TICKS)
    grid[0, 2].set_yticks(*rows, fontsize=TEXT)
    grid[0, 2].set_ylabel("Hz", fontsize=TEXT)
    _write(grid[0, 0], "the songs", weight="bold")
    last = ""
    for axes, stop in zip(grid[1:], stops, strict=True):
        is_first, last = stop.role != last, stop.role
        if is_first:
            axes[0].axhline(1.0, color="0.8", linewidth=0.6)
            _write(axes[0], stop.role, weight="bold")
        _write(axes[0], f"{stop.who}: {stop.words}", below=is_first)
        _draw_origin(axes[1], stop)
        for axis, heard, song in zip(axes[2:], stop.heard, songs, strict=False):
            if heard.any():
                _draw_picture(axis, heard, song)
            else:
                _write(axis, "does not fire on it")
    bar = figure.colorbar(image, ax=grid[:, 2:], location="bottom", shrink=0.5, aspect=50, pad=0.01)
    bar.set_label("dB below each picture's maximum", fontsize=TEXT)
    bar.ax.tick_params(labelsize=TEXT)
    return figure


def _write(axis: Axes, words: str, below: bool = False, weight: str = "normal") -> None:
    """Words at the top of a row, or on its second line."""
    axis.annotate(
        words,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, -2 - LINE * below),
        textcoords="offset points",
        va="top",
        fontsize=TEXT,
        weight=weight,
    )


def _draw_picture(axis: Axes, magnitude: np.ndarray, song: Maps) -> AxesImage:
    picture = log_frequency_picture(magnitude, song.stft.frequencies, N_ROWS)
    return axis.imshow(picture, extent=(0, picture.shape[1], 0, N_ROWS), **IN_DB)


def _draw_origin(axis: Axes, stop: Stop) -> None:
    """The kernel of a feature of layer 1, or what drives a deeper one."""
    if stop.kernel is not None:
        peak = np.abs(stop.kernel).max()
        axis.imshow(stop.kernel, cmap="RdBu_r", vmin=-peak, vmax=peak, origin="lower")
    axis.text(
        *(0, 0.5, stop.sources),
        fontsize=TEXT,
        linespacing=1.0,
        va="center",
        transform=axis.transAxes,
    )
