"""What a listener does with the page: look, play, switch, find, mark, link."""

import csv
import json
import shutil
from urllib.parse import quote

import pytest

from tests.unit.test_listening import ATTRIBUTES, DEAD, N_FEATURES, NASTY

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
    player.use({ buffer: ramp(-1), gain: 1 }, { buffer: ramp(1), gain: 1 });
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


def address(*parts):
    return "#" + "/".join(quote(str(part), safe="") for part in parts)


def card(page, feature):
    return page.locator(f".card[data-feature='{feature}']")


def current(page):
    return int(page.locator(".card.current").get_attribute("data-feature"))


def wait_for_sound(page):
    page.wait_for_function(f"{PLAYER}.playing && {PLAYER}.level > 0.003")


def place(page):
    """Network, song, layer and feature that the address names."""
    return page.evaluate("placeOf(location.hash.slice(1))")


def test_every_feature_has_a_card_with_picture_and_numbers(visit):
    page = visit()
    assert page.locator(".card").count() == N_FEATURES
    assert page.locator(".card.dead").count() == 1
    assert page.locator("#count").inner_text() == f"{N_FEATURES} features · 1 dead"
    assert card(page, 2).locator("img").count() == 1
    assert card(page, DEAD).locator("img").count() == 0
    text = card(page, 2).inner_text()
    assert "1-02" in text and "0.00" in text  # 2 / 10 - 1 / 5
    assert page.evaluate("[...document.images].every(i => i.hidden || i.naturalWidth > 100)")
    assert "right for 75.0 % of the clips" in page.locator("#evaluation").inner_text()


def test_a_click_plays_and_another_pauses(visit):
    page = visit()
    card(page, 1).locator("button").first.click()
    wait_for_sound(page)
    before = page.evaluate(f"{PLAYER}.context.currentTime")
    page.wait_for_function(f"{PLAYER}.context.currentTime > {before} + 0.3")
    card(page, 1).locator("button").first.click()
    assert page.evaluate(f"{PLAYER}.playing") is False
    page.wait_for_function(f"{PLAYER}.level < 1e-4")
    assert page.locator("#play").get_attribute("aria-label") == "Play"


def test_switching_and_moving_keep_the_position(visit):
    page = visit()
    page.keyboard.press("Space")
    wait_for_sound(page)
    # The position runs with the clock, modulo the loop, whatever is pressed.
    lag = f"""(() => {{
      const p = {PLAYER};
      return ((p.position - p.context.currentTime) % p.duration + p.duration) % p.duration;
    }})()"""
    lags = []
    for key in ["o", "o", "ArrowRight", "ArrowRight", "2", "m", ".", "o", "m", "1"]:
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
      player.use({ buffer: other, gain: 1 }, player.sounds.original);
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


def test_a_click_into_the_picture_goes_there(visit):
    page = visit()
    pane = page.locator("#plot-original .pane")
    box = pane.bounding_box()
    pane.click(position={"x": box["width"] / 2, "y": 20})
    assert page.evaluate(f"{PLAYER}.position") == pytest.approx(0.75, abs=0.02)
    assert page.locator("#clock").inner_text() in ("0.74 s", "0.75 s", "0.76 s")
    assert "Hz ·" in page.locator("#readout").inner_text()


def test_loudness_matched_or_true(visit):
    page = visit()
    gains = f"[{PLAYER}.sounds.feature.gain, {PLAYER}.sounds.original.gain]"
    page.wait_for_function(f"{PLAYER}.sounds.feature")
    stated = page.evaluate("[currentFeature().gain, layerData.original.gain]")
    assert page.evaluate(gains) == [gain["matched"] for gain in stated]
    page.keyboard.press("m")
    page.wait_for_function(f"{PLAYER}.sounds.original.gain === 1")
    assert page.evaluate(gains) == [gain["true"] for gain in stated]


def test_a_dead_feature_is_silent_beside_an_original_that_is_not(visit):
    page = visit()
    card(page, DEAD).locator("button").first.click()
    page.wait_for_function(f"{PLAYER}.playing")
    page.wait_for_timeout(200)
    assert page.evaluate(f"{PLAYER}.level") == 0
    assert page.locator("#state").inner_text() == "dead"
    page.keyboard.press("o")
    wait_for_sound(page)


def test_the_keyboard_reaches_everything(visit):
    page = visit()
    page.keyboard.press("ArrowRight")
    assert current(page) == 1
    assert page.evaluate("document.activeElement.closest('.card').dataset.feature") == "1"
    columns = page.evaluate("nColumns()")
    page.keyboard.press("ArrowDown")
    assert current(page) == min(1 + columns, N_FEATURES - 1)
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")  # stays
    assert current(page) == N_FEATURES - 1
    page.keyboard.press("Home")
    assert current(page) == 0
    page.keyboard.press("2")
    page.wait_for_function("layerData.script.endsWith('layer2.js')")
    page.keyboard.press("/")
    page.keyboard.type("2-03 o")
    assert page.locator("#filter").input_value() == "2-03 o"  # no shortcut while one writes
    page.keyboard.press("Escape")
    assert page.locator(".card").count() == 4
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.keyboard.press(">")
    page.wait_for_function("layerData.script.includes('network1')")
    assert place(page)["network"] == "untrained-0"


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


def test_sorting_and_filtering(visit):
    page = visit()

    def order():
        return page.eval_on_selector_all(".card", "cards => cards.map(c => +c.dataset.feature)")

    assert order() == list(range(N_FEATURES))
    page.select_option("#sort", f"attribute:{ATTRIBUTES[1]}")
    assert order() == [5, 4, 2, 1, 0, DEAD]  # the greatest first, what has none last
    page.locator("#descending").click()
    assert order() == [0, 1, 2, 4, 5, DEAD]
    page.select_option("#sort", "energy")
    assert order()[-1] == DEAD
    page.fill("#filter", "key>=0")
    assert sorted(order()) == [2, 4, 5]
    page.fill("#filter", "1-04")
    assert order() == [4]
    page.fill("#filter", "no such thing")
    assert order() == []
    page.locator("#clear").click()
    page.locator("#hide-dead").check()
    assert DEAD not in order() and len(order()) == N_FEATURES - 1


def test_a_link_opens_its_feature_and_back_returns(visit):
    page = visit(address("untrained-0", NASTY, 2, 3))
    assert current(page) == 3
    assert page.locator("#place").inner_text() == f"untrained-0 · {NASTY}"
    assert page.locator("#name").inner_text() == "2-03"
    page.keyboard.press("1")
    page.wait_for_function("layerData.script.endsWith('layer1.js')")
    assert place(page) == {"network": "untrained-0", "song": NASTY, "layer": 1, "feature": 3}
    page.go_back()
    page.wait_for_function("layerData.script.endsWith('layer2.js')")
    page.evaluate(f"location.hash = {json.dumps(address('square-0', 'clicks', 1, 5))}")
    page.wait_for_function("layerData.script.endsWith('network0-song0-layer1.js')")
    assert current(page) == 5
    assert page.locator("#link").get_attribute("href") == address("square-0", "clicks", 1, 5)


@pytest.mark.parametrize(
    "wrong", ["#nobody/clicks/1/0", "#%", "#square-0", "#square-0/clicks/1/99"]
)
def test_a_link_to_nothing_opens_what_there_is(visit, wrong):
    page = visit(wrong)
    assert page.locator(".card.current").count() == 1
    assert place(page)["network"] == "square-0"
    page.wait_for_selector("#message:not([hidden])")


def test_names_are_text_wherever_they_appear(visit):
    page = visit(address("square-0", NASTY, 1, 0))
    assert page.locator("#song option:checked").inner_text() == NASTY
    assert page.title().endswith(NASTY)
    assert ATTRIBUTES[1] in page.locator("#numbers").inner_text().replace("\t", "")
    assert page.locator("#place b, #numbers b b, option b").count() == 0


def test_favourites_and_notes_last_and_are_exported(visit, tmp_path):
    page = visit(address("square-0", NASTY, 1, 2))
    note = 'Bass "only", =1+1,\nand a second line <b>'
    page.keyboard.press("n")
    page.keyboard.insert_text(note)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("f")
    assert page.locator(".card .star[aria-pressed=true]").count() == 2
    page.reload()
    page.wait_for_selector(".card")
    assert page.locator("#n-favourites").inner_text() == "2"
    page.locator("#only-favourites").check()
    assert page.locator(".card").count() == 2
    page.locator("#open-favourites").click()
    exported = {}
    for kind in ("json", "csv"):
        with page.expect_download() as download:
            page.locator(f"#export-{kind}").click()
        exported[kind] = tmp_path / download.value.suggested_filename
        download.value.save_as(exported[kind])
    found = json.loads(exported["json"].read_text(encoding="utf-8"))
    assert found["experiment"] == "toy"
    assert [mark["feature"] for mark in found["favourites"]] == [1, 2]
    assert found["favourites"][1]["note"] == note
    with exported["csv"].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["song"] == NASTY and rows[1]["note"] == note and rows[1]["feature"] == "2"

    other = visit()  # a browser that knows nothing yet
    other.locator("#open-favourites").click()
    other.set_input_files("#import", exported["json"])
    other.wait_for_function("document.getElementById('n-favourites').textContent === '2'")
    other.locator("#favourites-list a").last.click()
    other.wait_for_function("layerData.script === 'data/network0-song1-layer1.js'")
    assert other.locator("#note").input_value() == note


def test_blind_mode_hides_names_and_numbers_until_it_is_left(visit):
    page = visit(address("untrained-0", "clicks", 1, 2))
    page.keyboard.press("b")
    page.wait_for_function("document.body.classList.contains('blind') && layerData")
    page.wait_for_selector(".card.current")
    shown = page.locator("body").inner_text() + page.title() + page.url
    for secret in ("untrained-0", "square-0", "1-02", "1-00", "of the clips", " E "):
        assert secret not in shown.replace(page.url, page.url.split("#")[-1])
    assert "#" not in page.url.rsplit("/", 1)[1]
    labels = page.eval_on_selector_all(".card button", "b => b.map(x => x.ariaLabel).join()")
    assert "1-0" not in labels and "energy" not in labels
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
    page = visit(at=tmp_path / "copy")
    page.keyboard.press("2")
    page.wait_for_selector("#message:not([hidden])")
    assert "network0-song0-layer2.js is missing" in page.locator("#message").inner_text()
    page.keyboard.press("1")
    page.wait_for_function("state.layer === 1")
    assert visit.problems and all("ERR_FILE_NOT_FOUND" in p for p in visit.problems)
    visit.problems.clear()
