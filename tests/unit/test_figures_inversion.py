"""Figures of inversion: what is drawn is what was given."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from auralise.figures.inversion import draw_errors, draw_inversions
from auralise.figures.style import save_figure
from auralise.inversion.excerpts import Inversions
from auralise.mel import BANDS


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def inversions():
    rng = np.random.default_rng(0)
    return Inversions(
        song="song", classifier="svdnet-0", time=1.5, duration=1.63, prediction="sing 0.91",
        predictions={"conv1": "sing 0.90", "fc8": "sing 0.40"}, unit="deviations",
        frequencies=BANDS.edges[1:-1], picture=rng.normal(0, 2, (80, 115)),
        layers={"conv1": rng.normal(0, 1, (80, 115)), "fc8": rng.normal(1, 0.1, (80, 115))},
    )  # fmt: skip


def pictures_of(figure):
    return {axis.get_title(): axis.images[0] for axis in figure.axes if axis.images}


def test_the_input_stands_above_its_inversions_with_predictions(inversions):
    shown = pictures_of(draw_inversions(inversions))
    assert list(shown) == ["input: sing 0.91", "conv1: sing 0.90", "fc8: sing 0.40"]
    np.testing.assert_array_equal(shown["fc8: sing 0.40"].get_array(), inversions.layers["fc8"])
    top, *below = (image.axes.get_position().y0 for image in shown.values())
    assert all(top > place for place in below)


def test_a_common_scale_is_the_inputs(inversions):
    limits = {image.get_clim() for image in pictures_of(draw_inversions(inversions)).values()}
    assert limits == {(inversions.picture.min(), inversions.picture.max())}


@pytest.mark.slow
def test_the_unit_scale_brings_each_picture_from_0_to_1(inversions):
    for image in pictures_of(draw_inversions(inversions, "unit")).values():
        shown = image.get_array()
        assert (shown.min(), shown.max()) == pytest.approx((0, 1))
        assert image.get_clim() == (0, 1)


@pytest.mark.parametrize(
    "name", ["a$\\frac$", "$^$", "100% $x_1$", "\\alpha", "a\tb", "\u202eabc", "caf\\udce9"]
)
@pytest.mark.slow
def test_a_name_is_no_formula(inversions, name, tmp_path):
    figure = draw_inversions(replace(inversions, song=name, classifier=name, prediction=name))
    save_figure(figure, tmp_path / "a.png")
    texts = [text for text in figure.findobj(Text) if name in text.get_text()]
    assert texts and not any(text.get_parse_math() for text in texts)


def test_bins_of_an_stft_are_drawn_on_a_log_axis(inversions):
    frequencies = np.fft.rfftfreq(512, 1 / 11025)
    picture = np.exp(-(((frequencies - 500) / 30) ** 2))[:, None].repeat(20, 1)
    stft = replace(inversions, frequencies=frequencies, picture=picture, layers={"layer1": picture},
                   predictions={"layer1": "jazz 0.5"})  # fmt: skip
    image = next(iter(pictures_of(draw_inversions(stft)).values()))
    brightest = image.get_array()[:, 0].argmax()
    ticks = image.axes.get_yticks()
    labels = [label.get_text() for label in image.axes.get_yticklabels()]
    assert abs(brightest - ticks[labels.index("500")]) <= 1


def kept_table(rows):
    """What every inverter returns, and oracles would: a detail far below the axis."""
    shown = {"inversion": 0.3, "mean": 0.7, "level": 0.6, "level + spectrum": 0.5}
    facts = {"retrieval": 0.3, "level": 0.8, "spectrum": 0.5, "detail": -9.0, "chance": 0.01}
    ends = {f"{k}_{end}": v for k, v in facts.items() for end in ("low", "high")}
    pairs = {(row["classifier"], row["layer"]) for row in rows}
    return pd.DataFrame(
        {"classifier": classifier, "layer": layer, "shown": name, "nre": nre, **facts, **ends}
        for classifier, layer in sorted(pairs)
        for name, nre in shown.items()
    )


def test_every_classifiers_errors_are_drawn_beside_the_mean_picture():
    rows = [
        {
            "classifier": name, "layer": layer, "space": space, "nre": nre + control / 10,
            "ci_low": nre - 0.05, "ci_high": nre + 0.2, "mean_picture": 0.7, "bound": 0.1,
            "control": bool(control),
        }
        for control, name in enumerate(("svdnet-0", "svdnet_untrained-0"))
        for layer, nre in (("conv1", 0.2), ("fc8", 0.6))
        for space in ("input", "features")
    ]  # fmt: skip
    figure = draw_errors(pd.DataFrame(rows), kept_table(rows))
    axis = figure.axes[0]
    drawn = {container.get_label(): container.lines[0] for container in axis.containers}
    np.testing.assert_allclose(drawn["svdnet-0"].get_ydata().astype(float), [0.2, 0.6])
    np.testing.assert_allclose(drawn["svdnet_untrained-0"].get_ydata().astype(float), [0.3, 0.7])
    others = {line.get_label(): np.asarray(line.get_ydata(), float) for line in axis.lines}
    np.testing.assert_allclose(others["mean picture"], 0.7)
    np.testing.assert_allclose(others["bound of a last ELU"], 0.1)
    np.testing.assert_allclose(others["oracle: level"], 0.6)
    np.testing.assert_allclose(others["oracle: level + spectrum"], 0.5)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[2:] == ["own excerpt retrieved", "R² of level", "R² of spectrum", "R² of detail"]
    lowest = [figure.axes[k].containers[0].lines[0].get_ydata().min() for k in (2, 3, 4, 5)]
    np.testing.assert_allclose(lowest, [0.3, 0.8, 0.5, -0.5])
    assert [t.get_text() for t in figure.axes[3].get_xticklabels()] == ["conv1", "fc8"]


def test_classifiers_that_see_other_pictures_have_lines_of_their_own():
    rows = [
        {
            "classifier": name, "layer": "layer1", "space": space, "nre": 0.2, "ci_low": 0.1,
            "ci_high": 0.3, "mean_picture": mean, "bound": 0.1, "control": False,
        }
        for name, mean in (("linear-0", 0.5), ("log-0", 0.7))
        for space in ("input", "features")
    ]  # fmt: skip
    axis = draw_errors(pd.DataFrame(rows), kept_table(rows)).axes[0]
    means = [line for line in axis.lines if line.get_linestyle() == ":"]
    drawn = {float(line.get_ydata()[0]): line.get_color() for line in means}
    assert drawn[0.5] != drawn[0.7]
    _, labels = axis.get_legend_handles_labels()
    assert labels.count("mean picture") == 1
