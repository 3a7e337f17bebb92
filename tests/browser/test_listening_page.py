"""What a listener does with the page: look, play, switch, find, mark, link."""

import base64
import csv
import json
import shutil
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

from auralise.auralisation import Auralisation, write_auralisations
from auralise.features import read_labels
from auralise.listening.builder import build_listening_page
from auralise.maps import Origin, open_maps
from auralise.networks.names import PLANTED
from tests.unit.test_listening import (
    ATTRIBUTES,
    DEAD,
    HASHES,
    N_FEATURES,
    NASTY,
    QUIET,
    SONGS,
    error_db,
)

PLAYER = "auralise.player"

# Runs the page's own Player in an OfflineAudioContext, in which moments are exact: at `switch`
# seconds it calls `action`. The original climbs from 0 to 1, the feature falls from 0 to -1, so
# that every sample says which of the two it is and where in it.
RECORD = """
async ({seconds, at, action, loop}) => {
  const rate = 8000, length = rate;
  const ramp = (sign) => {
    const buffer = new AudioBuffer({ length, sampleRate: rate });
    buffer.copyToChannel(Float32Array.from({ length }, (_, i) => sign * i / length), 0);
    return buffer;
  };
  const context = new OfflineAudioContext(1, seconds * rate, rate);
  context.resume = async () => {};
  const Real = window.AudioContext;
  window.AudioContext = function () { return context; };
  try {
    const player = new Player(() => {});
    player.use({
      feature: [{ buffer: ramp(-1), gain: 1 }],
      original: [{ buffer: ramp(1), gain: 1 }],
      mixture: [{ buffer: ramp(-0.25), gain: 1 }, { buffer: ramp(-0.125), gain: 1 }],
    });
    player.setLoop(loop);
    await player.play();
    const resume = OfflineAudioContext.prototype.resume.bind(context);
    context.suspend(at).then(() => {
      new Function("player", "ramp", action)(player, ramp);
      resume();
    });
    return Array.from((await context.startRendering()).getChannelData(0));
  } finally {
    window.AudioContext = Real;
  }
}
"""


FIRST = ("square-0", "clicks", 1, 1)  # where most tests begin


def address(*parts, **more):
    """The address of a network (by name or hash), a song, a layer and a feature."""
    path = "/".join(quote(str(part), safe="!'()*") for part in parts)
    return f"#{path}" + ("?" if more else "") + "&".join(f"{k}={v}" for k, v in more.items())


def card(page, feature):
    return page.locator(f".card[data-feature='{feature}']")


def current(page):
    return int(page.locator(".card.current").get_attribute("data-feature"))


def wait_for_sound(page):
    page.wait_for_function(f"{PLAYER}.playing && {PLAYER}.level > 0.003")


def place(page):
    """Network, song, layer and feature that the address names."""
    return page.evaluate(
        """(() => {
          const { network, song, layer, feature } = placeOf(location.hash.slice(1));
          return [catalogue.networks[network].name, catalogue.songs[song], layer, feature];
        })()"""
    )


def save(page, button, path):
    """What a button lets the listener save."""
    with page.expect_download() as download:
        page.locator(button).click()
    download.value.save_as(path)
    return path


def wait_for(page, expression):
    page.wait_for_function(expression)


def script_is(page, network, song, layer):
    name = f"network{network}-song{song}-layer{layer}.js"
    page.wait_for_function(f"layerData?.script.endsWith('{name}')")


def test_every_audible_feature_has_a_card_with_picture_and_level(visit):
    page = visit(address(*FIRST))
    assert page.locator("#grid .card").count() == N_FEATURES - 2
    expected = f"{N_FEATURES - 2} audible · 1 below −40 dB · 1 never fired"
    assert page.locator("#count").inner_text() == expected
    page.wait_for_function(
        """[...document.querySelectorAll("#grid canvas, #plots canvas")].every((c) => {
          const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
          return new Set(data).size > 20;
        })"""
    )
    assert "dB" in card(page, 2).inner_text() and "1-02" in card(page, 2).inner_text()
    assert "right for 75.0 % of the clips" in page.locator("#evaluation").inner_text()
    assert page.locator("#answers").inner_text() == "square-0 takes clicks for ska 75 %, dub 25 %"


def test_what_is_not_audible_is_folded_away_and_can_be_looked_up(visit):
    page = visit(address(*FIRST))
    assert page.locator("#folded-title").inner_text() == "Not audible with this song: 2"
    page.locator("#folded-title").click()
    assert "auralisation/square-0/clicks/layer1" in page.locator("#folded-where").inner_text()
    page.locator("#folded-list a").first.click()
    page.wait_for_function(f"state.feature === {QUIET}")
    assert "below the audibility floor" in page.locator("#state").inner_text()
    assert page.locator("#plot-feature .blank").inner_text() == "nothing to see or hear"
    assert "dB below the layer's loudest" in page.locator("#level").inner_text()


def test_the_page_opens_on_what_is_worth_hearing(visit):
    page = visit()
    assert place(page) == ["square-0", "clicks", 2, 0]  # the one that has a name
    assert page.locator("#label").inner_text() == "snare drum"
    assert "the layer's loudest" in page.locator("#level").inner_text()
    page.keyboard.press("End")
    page.wait_for_function("document.getElementById('level').textContent.includes('gain')")
    assert "dB below the layer's loudest, played with +" in page.locator("#level").inner_text()
    assert "Hz" in page.locator("#summary").inner_text()


@pytest.mark.parametrize("mode", ["mask", "rectified", "phase"])
def test_the_browser_makes_the_sound_of_the_wav_file(visit, results, tmp_path, mode):
    """Within -30 dB, whatever gain the file was written with."""
    copy = shutil.copytree(results, tmp_path / "toy", ignore=shutil.ignore_patterns("listening"))
    for song in SONGS:
        with open_maps(copy / f"deconvolution/square-0/{song}.h5") as maps:
            folder = copy / "auralisation/square-0" / song
            write_auralisations(folder, maps, Auralisation(mode, "peak"))
    build_listening_page(copy, ["square-0"], SONGS, copy / "listening", -40.0)
    page = visit(at=copy / "listening")
    n_compared = 0
    for s, song in enumerate(SONGS):
        for layer, n_features in ((1, N_FEATURES), (2, 4)):
            for feature in range(n_features):
                text = page.evaluate(
                    """async ([song, layer, feature, mode]) => {
                      const sound = await loadSound({ network: 0, song, layer, feature }, mode);
                      if (!sound) return null;
                      const bytes = new Uint8Array(sound.buffer.getChannelData(0).buffer);
                      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
                    }""",
                    [s, layer, feature, mode],
                )
                if text is None:
                    continue
                found = np.frombuffer(base64.b64decode(text), "<f4").astype(float)
                path = (
                    copy / "auralisation/square-0" / song / f"layer{layer}/feature{feature:02d}.wav"
                )
                expected, _ = soundfile.read(path)
                gain = found @ expected / (found @ found)
                assert error_db(gain * found, expected) <= -30, (song, layer, feature)
                n_compared += 1
    assert n_compared >= 8


def test_the_spectrum_is_the_one_that_the_network_sees(visit, results):
    page = visit(address(*FIRST))
    found = np.array(page.evaluate("[Array.from(theSong.re), Array.from(theSong.im)]"))
    with open_maps(results / "deconvolution/square-0/clicks.h5") as maps:
        expected = maps.spectrum
    spectrum = (found[0] + 1j * found[1]).reshape(expected.T.shape).T
    assert np.abs(spectrum - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_click_plays_and_another_pauses(visit):
    page = visit(address(*FIRST))
    card(page, 1).locator("button").first.click()
    wait_for_sound(page)
    before = page.evaluate(f"{PLAYER}.context.currentTime")
    page.wait_for_function(f"{PLAYER}.context.currentTime > {before} + 0.3")
    card(page, 1).locator("button").first.click()
    assert page.evaluate(f"{PLAYER}.playing") is False
    page.wait_for_function(f"{PLAYER}.level < 1e-4")
    assert page.locator("#play").get_attribute("aria-label") == "Play"


def test_switching_and_moving_keep_the_position(visit):
    page = visit(address(*FIRST))
    page.keyboard.press("Space")
    wait_for_sound(page)
    # The position runs with the clock, modulo the loop, whatever is pressed.
    lag = f"""(() => {{
      const p = {PLAYER};
      return ((p.position - p.context.currentTime) % p.duration + p.duration) % p.duration;
    }})()"""
    lags = []
    for key in ["o", "o", "ArrowRight", "x", "i", "ArrowRight", "2", "m", ".", "o", "m", "1"]:
        page.keyboard.press(key)
        page.wait_for_timeout(120)
        lags.append(page.evaluate(lag))
    duration = page.evaluate(f"{PLAYER}.duration")
    spread = [(lag - lags[0] + duration / 2) % duration - duration / 2 for lag in lags]
    assert max(map(abs, spread)) < 0.03, spread
    assert page.evaluate(f"{PLAYER}.playing")


def test_switching_is_exact_to_the_sample(visit):
    sound = visit().evaluate(
        RECORD,
        {"seconds": 0.8, "at": 0.4, "action": "player.listenTo('original')", "loop": True},
    )
    start = next(i for i, sample in enumerate(sound) if sample < 0) - 1
    assert sound[3000] == pytest.approx(-(3000 - start) / 8000, abs=1e-5)
    assert sound[6000] == pytest.approx((6000 - start) / 8000, abs=1e-5)
    # In between a fade: neither a jump nor a hole longer than about 10 ms.
    changing = [i for i in range(3200, 6000) if abs(abs(sound[i]) - (i - start) / 8000) > 1e-3]
    assert 20 < changing[-1] - changing[0] < 120
    steps = [abs(b - a) for a, b in zip(sound[3200:], sound[3201:6000], strict=False)]
    assert max(steps) < 0.1


def test_another_feature_goes_on_where_the_last_one_was(visit):
    action = """
      const other = ramp(-0.5);
      player.use({ feature: [{ buffer: other, gain: 1 }] });
    """
    sound = visit().evaluate(RECORD, {"seconds": 0.8, "at": 0.4, "action": action, "loop": True})
    start = next(i for i, sample in enumerate(sound) if sample < 0) - 1
    assert sound[3000] == pytest.approx(-(3000 - start) / 8000, abs=1e-5)
    assert sound[6000] == pytest.approx(-0.5 * (6000 - start) / 8000, abs=1e-5)


def test_the_loop_has_no_gap_and_without_it_the_sound_ends(visit):
    page = visit()
    sound = page.evaluate(RECORD, {"seconds": 2, "at": 0.4, "action": "", "loop": True})
    start = next(i for i, sample in enumerate(sound) if sample < 0) - 1
    expected = [-((i - start) % 8000) / 8000 for i in range(start + 200, 16000)]
    assert sound[start + 200 :] == pytest.approx(expected, abs=1e-4)
    sound = page.evaluate(RECORD, {"seconds": 2, "at": 0.4, "action": "", "loop": False})
    assert not any(sound[start + 8000 :])


def test_the_mixture_is_the_sum_of_its_sounds_in_step_with_the_original(visit):
    action = "player.setGains('mixture', [1, -2])"
    page = visit()
    parameters = {"seconds": 0.8, "at": 0.4, "action": "player.listenTo('mixture')", "loop": True}
    sound = page.evaluate(RECORD, parameters)
    start = next(i for i, sample in enumerate(sound) if sample < 0) - 1
    assert sound[6000] == pytest.approx(-0.375 * (6000 - start) / 8000, abs=1e-5)
    parameters["action"] += ";" + action
    sound = page.evaluate(RECORD, parameters)
    assert sound[6000] == pytest.approx(0, abs=1e-5)


def test_a_part_is_repeated_without_a_gap(visit):
    page = visit()
    action = "player.setRegion({ start: 0.25, end: 0.5 })"
    sound = page.evaluate(RECORD, {"seconds": 2, "at": 0.1, "action": action, "loop": True})
    later = sound[6000:]
    assert min(later) == pytest.approx(-0.5, abs=2e-4) and max(later) == pytest.approx(
        -0.25, abs=2e-4
    )
    first = next(i for i in range(1, len(later)) if later[i] > later[i - 1])
    expected = [-0.25 - (i % 2000) / 8000 for i in range(4000)]
    assert later[first : first + 4000] == pytest.approx(expected, abs=1e-4)


def test_pictures_zoom_by_buttons_keys_and_wheel_and_follow_what_plays(visit):
    page = visit(address(*FIRST))
    times = "(() => { const { start, end } = viewed(); return [start, end]; })()"
    whole = page.evaluate(times)
    painted = "document.querySelector('#plot-original canvas').width"
    n_frames = page.evaluate("theSong.nFrames")
    assert page.evaluate(painted) == n_frames and page.locator("#view").inner_text() == "all"
    page.evaluate(f"{PLAYER}.seek(0.5)")
    page.locator("#zoom-in").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("+")
    start, end = page.evaluate(times)
    assert end - start == pytest.approx((whole[1] - whole[0]) / 4, rel=0.05)
    assert start < 0.5 < end  # what is at the cursor stays
    assert page.evaluate(painted) == pytest.approx(n_frames / 4, abs=1)
    assert page.locator("#view").inner_text() == f"{start:.2f}–{end:.2f} s"
    ticks = page.eval_on_selector_all(
        "#plot-original .seconds span", "s => s.map(x => +x.textContent)"
    )
    assert len(ticks) >= 3 and all(start <= tick <= end for tick in ticks)

    pane = page.locator("#plot-original .pane")
    box = pane.bounding_box()
    pane.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    assert page.evaluate(f"{PLAYER}.position") == pytest.approx((start + end) / 2, abs=0.01)
    page.keyboard.press("PageDown")
    later = page.evaluate(times)
    assert later[0] == pytest.approx(start + (end - start) / 2, abs=0.02)
    page.locator("#earlier").click()
    assert page.evaluate(times) == pytest.approx([start, end], abs=0.02)

    page.evaluate(f"{PLAYER}.seek(1.2)")
    page.locator("#play").click()
    page.wait_for_function("viewed().start > 1")  # the picture follows
    page.locator("#play").click()
    page.keyboard.press(".")
    script_is(page, 0, 1, 1)
    assert page.evaluate("state.view") is None  # another song is shown whole
    pane.hover()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_function("state.view")
    for _ in range(3):
        page.locator("#zoom-out").click()
        if page.locator("#zoom-out").is_disabled():
            break
    assert page.evaluate("state.view") is None and page.locator("#later").is_disabled()


def test_a_click_into_the_picture_goes_there(visit):
    page = visit()
    pane = page.locator("#plot-original .pane")
    box = pane.bounding_box()
    pane.click(position={"x": box["width"] / 2, "y": 20})
    assert page.evaluate(f"{PLAYER}.position") == pytest.approx(0.75, abs=0.02)
    assert page.locator("#clock").inner_text() in ("0.74 s", "0.75 s", "0.76 s")
    assert "Hz ·" in page.locator("#readout").inner_text()
    page.keyboard.press("ArrowLeft")  # the picture has the focus
    assert page.evaluate(f"{PLAYER}.position") == pytest.approx(0.65, abs=0.02)


def test_a_drag_over_the_picture_repeats_what_it_passes_over(visit):
    page = visit(address(*FIRST))
    box = page.locator("#plot-feature .pane").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 30, steps=5)
    page.mouse.up()
    region = page.evaluate(f"{PLAYER}.region")
    assert region["start"] == pytest.approx(0.3, abs=0.03)
    assert region["end"] == pytest.approx(0.9, abs=0.03)
    assert page.locator(".pane .part:not([hidden])").count() == 2
    assert "loop=" in page.url
    page.locator("#loop-all").click()
    assert page.evaluate(f"{PLAYER}.region") is None and "loop=" not in page.url
    page.evaluate(f"{PLAYER}.seek(0.5)")
    page.keyboard.press("[")
    page.evaluate(f"{PLAYER}.seek(1.2)")
    page.keyboard.press("]")
    region = page.evaluate(f"{PLAYER}.region")
    assert (region["start"], region["end"]) == pytest.approx((0.5, 1.2))


def test_loudness_matched_or_true(visit):
    page = visit(address(*FIRST))
    played = """(() => {
      const { feature, original } = auralise.player.sounds;
      const level = ({ buffer, gain }) => gain * rmsOf(buffer.getChannelData(0));
      return [level(feature[0]), level(original[0])];
    })()"""
    page.wait_for_function(f"{PLAYER}.sounds.feature.length")
    feature, original = page.evaluate(played)
    assert feature == pytest.approx(original, rel=1e-3)  # one loudness
    loudest = current(page)
    page.keyboard.press("m")
    page.wait_for_function(f"{PLAYER}.sounds.original[0].gain === 1")
    level = page.evaluate("currentFeature().level")
    feature, original = page.evaluate(played)
    assert 20 * np.log10(feature / original) == pytest.approx(level, abs=0.1), loudest


def test_every_mode_makes_a_sound_of_its_own(visit):
    page = visit(address(*FIRST))
    sums = {}
    for mode in ("mask", "magnitude", "rectified", "negative"):
        page.select_option("#mode", mode)
        page.wait_for_function(f"state.mode === '{mode}' && {PLAYER}.sounds.feature.length")
        page.wait_for_timeout(150)
        sums[mode] = np.array(
            page.evaluate(f"Array.from({PLAYER}.sounds.feature[0].buffer.getChannelData(0))")
        )
    difference = sums["rectified"] - sums["negative"]
    np.testing.assert_allclose(difference, sums["mask"], atol=1e-4 * np.abs(sums["mask"]).max())
    total = sums["rectified"] + sums["negative"]
    np.testing.assert_allclose(total, sums["magnitude"], atol=1e-4 * np.abs(total).max())
    assert "phase" not in page.eval_on_selector_all("#mode option", "o => o.map(x => x.value)")


def test_a_mixture_is_mixed_saved_and_linked(visit, tmp_path):
    page = visit(address(*FIRST))
    page.keyboard.press("Home")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.locator("#add").click()
    page.wait_for_function(f"{PLAYER}.sounds.mixture.length === 2")
    assert page.locator("#channels li").count() == 2
    page.locator("#channels input").first.fill("-6")
    page.locator("#channels button", has_text="Mute").last.click()
    quiet, muted = page.evaluate(f"{PLAYER}.sounds.mixture.map((s) => s.gain)")
    assert quiet > 0 and muted == 0
    with page.expect_download() as download:
        page.locator("#save-mixture").click()
    download.value.save_as(tmp_path / "mixture.wav")
    saved, rate = soundfile.read(tmp_path / "mixture.wav")
    heard = page.evaluate(f"Array.from(summed({PLAYER}.sounds.mixture))")
    assert rate == 11025
    np.testing.assert_allclose(saved, heard, atol=1e-4)

    page.evaluate(f"{PLAYER}.seek(0.4)")
    link = page.evaluate(f"wholeAddress({PLAYER}.position)")
    other = visit(link)
    other.wait_for_function(f"{PLAYER}.sounds.mixture.length === 2")
    assert other.evaluate("channels") == page.evaluate("channels")
    assert other.evaluate(f"{PLAYER}.position") == pytest.approx(0.4)
    other.keyboard.press("i")
    other.locator("#play").click()
    wait_for_sound(other)
    for _ in range(2):
        other.locator("#channels button[aria-label^=Remove]").first.click()
    assert other.locator("#save-mixture").is_disabled()


def test_a_mixture_has_at_most_eight_features_and_follows_the_song(visit):
    channels = "~".join(f"square-0.{layer}.{f}" for layer in (1, 2) for f in (0, 1, 2, 4, 3))
    page = visit(address(*FIRST, mix=channels))
    assert page.evaluate("channels.length") == 8  # the page has 2-4 not, and stops at eight
    page.keyboard.press(".")
    script_is(page, 0, 1, 1)
    assert page.evaluate("channels.length") == 8
    page.locator("#grid .card button").first.click()
    page.keyboard.press("x")
    page.wait_for_selector("#message:not([hidden])")


def test_a_dead_feature_is_silent_beside_an_original_that_is_not(visit):
    page = visit(address("square-0", "clicks", 1, DEAD))
    page.locator("#play").click()
    page.wait_for_function(f"{PLAYER}.playing")
    page.wait_for_timeout(200)
    assert page.evaluate(f"{PLAYER}.level") == 0
    assert page.locator("#state").inner_text() == "never fired"
    page.keyboard.press("o")
    wait_for_sound(page)


def order(page):
    return page.eval_on_selector_all("#grid .card", "cards => cards.map(c => +c.dataset.feature)")


def test_the_keyboard_reaches_everything(visit):
    page = visit(address(*FIRST))
    shown = order(page)
    page.keyboard.press("Home")
    assert current(page) == shown[0]
    page.keyboard.press("ArrowRight")
    assert current(page) == shown[1]
    focused = "document.activeElement.closest('.card').dataset.feature"
    assert page.evaluate(focused) == str(shown[1])
    columns = page.evaluate("nColumns()")
    page.keyboard.press("ArrowDown")
    assert current(page) == shown[min(1 + columns, len(shown) - 1)]
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")  # stays
    assert current(page) == shown[-1]
    page.keyboard.press("2")
    script_is(page, 0, 0, 2)
    page.keyboard.press("/")
    page.keyboard.type("2-03 o")
    assert page.locator("#query").input_value() == "2-03 o"  # no shortcut while one writes
    page.keyboard.press("Escape")
    assert page.locator("#query").input_value() == ""
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.keyboard.press(">")
    page.wait_for_function("layerData.script.includes('network1')")
    assert place(page)[0] == "untrained-0"


def test_a_walk_by_tab_alone(visit):
    """Every control is reached, has a name and shows where the focus is; Next keeps the focus."""
    page = visit(address(*FIRST))
    assert page.evaluate("document.activeElement === document.body")
    page.locator("#network").focus()
    seen = ["network"]
    for _ in range(90):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """(() => {
              const e = document.activeElement;
              if (e === document.body) return null;
              const isRadio = e.matches(".segments input");
              const style = getComputedStyle(isRadio ? e.nextElementSibling : e);
              const name = e.ariaLabel || (e.labels?.[0] ?? e).textContent.trim() || e.title;
              return [e.id || e.name || e.className || e.tagName, name, style.outlineStyle];
            })()"""
        )
        if found is None:
            break
        assert found[1] and found[2] != "none", found
        seen.append(found[0])
        if found[0] == "next":
            before = current(page)
            page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.id") == "next"
            assert current(page) != before or before == order(page)[-1]
    wanted = {
        "network", "song", "layer", "blind", "open-favourites", "open-help", "link", "star", "pane",
        "picture", "previous", "play", "next", "side", "loop", "loop-start", "loop-end", "loudness",
        "mode", "add", "note", "query", "sort", "descending", "beside-choice", "only-favourites",
    }  # fmt: skip
    assert wanted <= set(seen), wanted - set(seen)
    assert seen.count("pane") == 2


def test_shortcuts_of_one_character_can_be_switched_off(visit):
    page = visit(address(*FIRST))
    page.keyboard.press("?")
    page.locator("#shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.locator("#play").focus()
    page.keyboard.press("o")
    page.keyboard.press("2")
    assert page.evaluate(f"[{PLAYER}.side, state.layer]") == ["feature", 1]
    page.reload()
    page.wait_for_selector(".card")
    page.keyboard.press("o")
    assert page.evaluate(f"{PLAYER}.side") == "feature"


def test_keys_work_on_after_the_mouse_and_buttons_keep_theirs(visit):
    page = visit()
    page.locator("#loop").click()
    page.wait_for_function("document.activeElement.closest('.card')")
    page.keyboard.press("Space")
    wait_for_sound(page)
    assert page.locator("#loop").is_checked() is False
    page.locator("#loop").focus()
    page.keyboard.press("Space")
    assert page.locator("#loop").is_checked()
    assert page.evaluate(f"{PLAYER}.playing && {PLAYER}.loop")


def test_features_are_ordered_by_level_and_otherwise_on_demand(visit):
    page = visit(address(*FIRST))
    levels = page.evaluate(
        "Object.fromEntries(layerData.features.map((e) => [e.feature, e.level]))"
    )
    audible = [feature for feature in range(N_FEATURES) if feature not in (DEAD, QUIET)]
    by_level = sorted(audible, key=lambda feature: -levels[str(feature)])
    assert order(page) == by_level
    page.locator("#descending").click()
    assert order(page) == by_level[::-1]
    page.select_option("#sort", f"attribute:{ATTRIBUTES[1]}")
    assert order(page) == sorted(audible, reverse=True)  # the greatest correlation first
    page.select_option("#sort", "likeness")
    assert order(page) == page.evaluate("layerData.alike")
    assert "feature" not in page.eval_on_selector_all("#sort option", "o => o.map(x => x.value)")
    page.keyboard.press("2")
    script_is(page, 0, 0, 2)
    page.select_option("#sort", "name")
    assert order(page)[0] == 0  # the only one that has a name


def test_one_search_finds_numbers_names_notes_and_levels_everywhere(visit):
    page = visit(address(*FIRST))

    def found_elsewhere():
        return page.eval_on_selector_all(
            "#elsewhere-list a", "links => links.map(a => a.textContent)"
        )

    page.fill("#query", "1 - 04")
    assert order(page) == [4]
    assert "1-04 (untrained-0, clicks)" in found_elsewhere()
    page.fill("#query", " snaredrum")
    assert order(page) == []
    assert found_elsewhere()[0] == "2-00 snare drum (square-0, clicks)"
    page.fill("#query", "Snare  drum")
    page.locator("#elsewhere-list a").first.click()
    script_is(page, 0, 0, 2)
    assert current(page) == 0
    page.fill("#query", "level > -20")
    levels = page.evaluate("shown.map((entry) => entry.level)")
    assert levels and min(levels) > -20
    page.fill("#query", "")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.insert_text("like rain on a roof")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    script_is(page, 0, 0, 1)
    page.fill("#query", "rain roof")
    assert found_elsewhere() == ["2-00 snare drum (square-0, clicks)"]
    page.fill("#query", "no such thing")
    assert order(page) == [] and found_elsewhere() == []
    page.locator("#clear").click()
    assert len(order(page)) == N_FEATURES - 2


def test_related_features_and_the_same_one_with_every_song(visit):
    page = visit(address(*FIRST))
    assert page.locator("#similar a").count() >= 3
    assert "untrained-0: " in page.locator("#nearest li").first.inner_text()
    page.locator("#across > summary").click()
    page.wait_for_function("document.querySelectorAll('#across-list button').length === 2")
    page.locator("#across-list button").last.click()
    script_is(page, 0, 1, 1)
    assert place(page) == ["square-0", NASTY, 1, 1]
    wait_for_sound(page)


def test_the_strongest_seconds_are_heard_and_saved_with_a_label_track(visit, tmp_path):
    page = visit(address("square-0", "clicks", 1, 1))
    page.locator("#strongest summary").click()
    items = page.locator("#strongest-list li")
    items.nth(1).wait_for()
    assert items.nth(0).inner_text() == "ska.1, 1.0–2.0 s"
    assert items.nth(1).inner_text() == f"{NASTY}, 0.3–1.3 s"
    page.evaluate("document.querySelector('#strongest-list audio').play()")
    wait_for(page, "document.querySelector('#strongest-list audio').currentTime > 0.05")
    sound, rate = soundfile.read(save(page, "#save-strongest", tmp_path / "strongest.wav"))
    assert len(sound) == 2 * rate == 2 * 11025
    assert np.abs(sound[:rate]).max() > 0.4 and 0 < np.abs(sound[rate:]).max() < 0.05
    track = save(page, "#save-track", tmp_path / "strongest.txt").read_text(encoding="utf-8")
    assert [line.split("\t") for line in track.splitlines()] == [
        ["0.000000", "1.000000", "ska.1, 1.0–2.0 s"],
        ["1.000000", "2.000000", f"{NASTY}, 0.3–1.3 s"],
    ]
    page.evaluate(f"location.hash = {json.dumps(address('square-0', 'clicks', 1, 0))}")
    wait_for(page, "document.querySelector('#strongest-list li').textContent.includes('never')")
    assert page.locator("#save-track").is_disabled()
    page.evaluate(f"location.hash = {json.dumps(address('square-0', 'clicks', 2, 0))}")
    wait_for(page, "document.querySelector('#strongest-list li').textContent.includes('any more')")
    assert (
        page.locator("#still-title").inner_text()
        == "Without snare drum it is still: excerpts of its exam"
    )
    assert page.locator("#still-list li").inner_text() == "study.00001, 0.5–1.0 s"
    page.locator("#network").select_option("1")
    wait_for(page, "document.getElementById('strongest').hidden")


def test_a_feature_is_seen_and_heard_on_the_model_signals(visit):
    page = visit(address("square-0", "clicks", 1, 1))
    page.locator("#signals summary").click()
    cells = page.locator("#signals-table button")
    cells.nth(2).wait_for()
    assert cells.count() == 3
    assert page.locator("#signals-table tbody th").all_inner_texts() == ["C", "D"]
    assert "Play D piano" in cells.nth(2).get_attribute("aria-label")
    colours = "(canvas) => new Set(canvas.getContext('2d').getImageData(0, 0, 40, 100).data).size"
    assert page.locator("#signals-table canvas").first.evaluate(colours) > 20
    cells.nth(0).click()
    wait_for(page, "document.getElementById('signal-sound').currentTime > 0.05")
    heard = page.locator("#signal-sound").get_attribute("src")
    page.locator("#signal-itself").check()
    cells.nth(0).click()
    wait_for(page, f"document.getElementById('signal-sound').src !== {json.dumps(heard)}")
    page.evaluate(f"location.hash = {json.dumps(address('square-0', 'clicks', 1, 2))}")
    wait_for(page, "document.getElementById('signals-table').hidden")
    page.locator("#signals-others a", has_text="2-00").click()
    wait_for(page, "!document.getElementById('signals-table').hidden")
    page.locator("#network").select_option("1")
    wait_for(page, "document.getElementById('signals').hidden")


def test_the_tour_plays_what_was_found_and_else_what_was_planted(visit, toured):
    page = visit(at=toured)
    assert place(page) == ["square-0", "clicks", 2, 0]
    stops = page.locator("#stops button")
    assert stops.count() == 8
    stops.nth(0).click()
    wait_for_sound(page)
    assert place(page) == ["square-0", "clicks", 2, 0]
    words = page.locator("#stop-words")
    assert words.inner_text() == "None found in untrained-0."
    players = page.locator(".player")
    assert players.count() == 2 and players.first.locator(".card button").count() == 2
    assert "score 0.70, learned" in players.first.inner_text()
    assert "+60 % 1-04" in players.first.locator(".below").inner_text()
    assert "−1.00 1.00 0.00" in players.last.locator(".kernel").get_attribute("aria-label")

    stops.nth(1).focus()
    page.keyboard.press("Enter")  # the planted kick, on the song that has kicks
    page.wait_for_function(f"catalogue.networks[state.network].name === '{PLANTED}'")
    wait_for_sound(page)
    assert place(page) == [PLANTED, NASTY, 1, 2]
    assert "What you hear is planted" in words.inner_text()
    assert page.evaluate("document.activeElement.textContent") == "Kick-drum selector"
    assert "never fired" in players.last.locator(".card").first.inner_text()
    players.last.locator(".card button").click()  # a click on what plays pauses
    page.wait_for_function(f"!{PLAYER}.playing")
    stops.nth(5).click()
    assert words.inner_text() == "None found in square-0, untrained-0."
    assert players.count() == 0
    page.keyboard.press("b")
    page.wait_for_selector("#tour", state="hidden")


def test_a_named_feature_shows_what_it_is_made_of_beside_its_namesakes(visit, toured):
    page = visit(address("square-0", "clicks", 2, 0), at=toured)
    items = page.locator("#origin-list > li")
    assert items.count() == 2  # itself, and the planted one of that name
    assert "−20 % 1-01" in items.first.inner_text()
    assert f"{PLANTED} 1-00 onsets" in items.last.inner_text()
    assert items.last.locator(".kernel").is_visible()
    other = visit(address("square-0", "clicks", 2, 1), at=toured)
    assert other.locator("#origin").is_hidden()


def test_two_networks_side_by_side(visit):
    page = visit(address(*FIRST))
    page.select_option("#beside-choice", label="untrained-0")
    page.wait_for_selector("#beside-grid .card")
    assert page.locator("#beside-title").inner_text() == "untrained-0"
    page.locator("#beside-grid .card button").first.click()
    script_is(page, 1, 0, 1)
    wait_for_sound(page)


def test_a_link_opens_its_feature_and_back_returns(visit):
    weights = HASHES["untrained-0"][:12]
    page = visit(address(weights, NASTY, 2, 3))
    assert current(page) == 3
    assert page.locator("#place").inner_text() == f"untrained-0 · {NASTY}"
    assert page.locator("#name").inner_text() == "2-03"
    assert page.evaluate("location.hash") == address(weights, NASTY, 2, 3)
    page.keyboard.press("1")
    script_is(page, 1, 1, 1)
    assert place(page) == ["untrained-0", NASTY, 1, 3]
    page.go_back()
    script_is(page, 1, 1, 2)
    page.evaluate(f"location.hash = {json.dumps(address('square-0', 'clicks', 1, 4))}")
    script_is(page, 0, 0, 1)
    page.wait_for_function("state.feature === 4")
    link = page.locator("#link").get_attribute("href")
    assert link == address(HASHES["square-0"][:12], "clicks", 1, 4)


@pytest.mark.parametrize(
    "wrong", ["#nobody/clicks/1/0", "#%", "#square-0", "#square-0/clicks/1/99"]
)
def test_a_link_to_nothing_opens_what_there_is(visit, wrong):
    page = visit(wrong)
    assert place(page)[0] == "square-0"
    page.wait_for_selector("#message:not([hidden])")


def test_names_are_text_wherever_they_appear(visit):
    page = visit(address("square-0", NASTY, 1, 0))
    assert page.locator("#song option:checked").inner_text() == NASTY
    assert page.title().endswith(NASTY)
    assert ATTRIBUTES[1] in page.locator("#numbers").inner_text().replace("\t", "")
    assert page.locator("#place b, #numbers b b, option b").count() == 0


def test_favourites_and_notes_last_and_are_exported(visit, tmp_path):
    page = visit(address("square-0", NASTY, 1, 2))
    others = [feature for feature in order(page) if feature != 2]
    note = 'Bass "only", =1+1,\nand a second line <b>'
    page.keyboard.press("n")
    page.keyboard.insert_text(note)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    if current(page) == 2:
        page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    both = sorted([2, current(page)])
    assert current(page) in others
    assert page.locator(".card .star[aria-pressed=true]").count() == 2
    page.reload()
    page.wait_for_selector(".card")
    assert page.locator("#n-favourites").inner_text() == "2"
    page.locator("#only-favourites").check()
    assert page.locator(".card").count() == 2
    page.locator("#open-favourites").click()
    exported = save(page, "#export", tmp_path / "labels.csv")
    with exported.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["feature"]) for row in rows] == both
    assert rows[both.index(2)]["note"] == note and rows[both.index(2)]["song"] == NASTY
    assert {row["weights"] for row in rows} == {HASHES["square-0"][:12]}

    origin = Origin(NASTY, "square-0", HASHES["square-0"], {})
    assert read_labels(exported, origin) == {(1, 2): note} | {(1, n): "★" for n in both if n != 2}

    (tmp_path / "no-labels.csv").write_text("a,b\n1,2\n")
    other = visit()  # a browser that knows nothing yet
    other.locator("#open-favourites").click()
    other.set_input_files("#import", tmp_path / "no-labels.csv")
    other.wait_for_function(
        "document.getElementById('favourites-status').textContent.includes('holds no favourites')"
    )
    other.set_input_files("#import", exported)
    other.wait_for_function("document.getElementById('n-favourites').textContent === '2'")
    other.locator("#favourites-list a").nth(both.index(2)).click()
    script_is(other, 0, 1, 1)
    other.wait_for_function("state.feature === 2")
    other.locator("#open-favourites").click()
    again = save(other, "#export", tmp_path / "again.csv")
    assert again.read_bytes() == exported.read_bytes()
    other.keyboard.press("Escape")
    assert other.locator("#note").input_value() == note


def test_a_network_that_was_trained_anew_inherits_no_notes(visit, folder, tmp_path):
    page = visit(address(*FIRST))
    page.keyboard.press("f")
    assert page.locator("#star").get_attribute("aria-pressed") == "true"
    copy = shutil.copytree(folder, tmp_path / "listening")
    catalogue = copy / "data/catalogue.js"
    text = catalogue.read_text().replace(HASHES["square-0"][:12], "c" * 12)
    catalogue.write_text(text)
    page.goto((copy / "index.html").as_uri() + address(*FIRST))
    page.wait_for_selector(".card.current")
    assert page.locator("#star").get_attribute("aria-pressed") == "false"
    assert page.locator("#n-favourites").inner_text() == "1"  # it is kept, for its own network


def test_blind_mode_hides_names_and_numbers_until_it_is_left(visit):
    page = visit(address("untrained-0", "clicks", 1, 2))
    page.keyboard.press("b")
    page.wait_for_function("document.body.classList.contains('blind') && layerData")
    page.wait_for_selector(".card.current")
    shown = page.locator("body").inner_text() + page.title() + page.url
    for secret in ("untrained-0", "square-0", "1-02", "1-00", "of the clips", "below the layer"):
        assert secret not in shown.replace(page.url, page.url.split("#")[-1])
    assert "#" not in page.url.rsplit("/", 1)[1]
    labels = page.eval_on_selector_all(
        "[aria-label]", "b => b.map(x => x.checkVisibility() ? x.ariaLabel : '').join()"
    )
    assert "1-0" not in labels and "dB below" not in labels
    page.keyboard.press("f")
    marked = current(page)
    page.keyboard.press("b")
    page.wait_for_selector("body:not(.blind) .card.current")
    page.wait_for_function("location.hash")
    assert current(page) == marked
    mark = page.evaluate("favourites.list()")[0]
    assert mark["blind"] is True and mark["feature"] == marked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 768, 1440])
def test_nothing_is_cut_off_at_any_width(visit, width, scheme):
    page = visit(
        address("square-0", NASTY, 1, 0),
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#play").is_visible()
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, paper.removeprefix("rgb(").removesuffix(")").split(",")))
    assert (brightness > 382) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_axe_finds_no_violation(visit, toured, scheme, width):
    """WCAG 2.2 A and AA and best practices, as far as axe-core can tell."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install -e '.[dev]'"
    )
    page = visit(
        address(*FIRST, mix="square-0.1.0~square-0.2.0"),
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        at=toured,
    )
    page.wait_for_function(f"{PLAYER}.sounds.mixture.length === 2")
    page.select_option("#beside-choice", label="untrained-0")
    page.locator("#folded-title").click()
    page.locator("#across > summary").click()
    page.wait_for_function("document.querySelectorAll('#across-list button').length === 2")
    page.wait_for_timeout(300)
    for dialog in (None, "open-help", "open-favourites"):
        if dialog:
            page.locator(f"#{dialog}").click()
        found = axe.Axe().run(page, options={"preload": False}).response["violations"]
        told = [(v["id"], [node["target"] for node in v["nodes"]][:4]) for v in found]
        assert not told, json.dumps(told, indent=1)
        page.keyboard.press("Escape")


def test_forced_colours_show_what_is_chosen(visit):
    page = visit(address(*FIRST), forced_colors="active")
    page.keyboard.press("o")
    looks = """(() => {
      const look = (e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).outlineStyle];
      const radios = [...document.querySelectorAll("#sides input")];
      const chosen = radios.find((radio) => radio.checked);
      const other = radios.find((radio) => !radio.checked);
      return [look(chosen.nextElementSibling), look(other.nextElementSibling)];
    })()"""
    chosen, other = page.evaluate(looks)
    assert chosen[0] != other[0]
    outline = "getComputedStyle(document.querySelector('.card.current > button')).outlineStyle"
    assert page.evaluate(outline) == "solid"


def test_every_picture_is_told_in_words(visit):
    page = visit(address(*FIRST))
    page.wait_for_function("document.getElementById('summary').textContent.includes('Hz')")
    label = page.locator("#plot-feature .pane").get_attribute("aria-label")
    assert "1-01" in label and "Hz" in label and "layer's loudest" in label
    quiet = visit(address("square-0", "clicks", 1, QUIET))
    quiet.wait_for_function("document.getElementById('summary').textContent")
    label = quiet.locator("#plot-feature .pane").get_attribute("aria-label")
    assert "nothing to see or hear" in label


def test_every_control_has_a_name(visit):
    page = visit()
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, select, input, textarea, a")]
          .filter((e) => !(e.ariaLabel || (e.labels?.[0] ?? e).textContent.trim()))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    assert page.locator(".grid [tabindex='0']").count() == 1  # one stop for Tab, arrows within


def test_a_lost_data_script_is_reported(visit, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy/data/network0-song0-layer2.js").unlink()
    page = visit(address(*FIRST), at=tmp_path / "copy")
    page.keyboard.press("2")
    page.wait_for_selector("#message:not([hidden])")
    assert "network0-song0-layer2.js is missing" in page.locator("#message").inner_text()
    page.keyboard.press("1")
    page.wait_for_function("state.layer === 1")
    assert visit.problems and all("ERR_FILE_NOT_FOUND" in p for p in visit.problems)
    visit.problems.clear()
