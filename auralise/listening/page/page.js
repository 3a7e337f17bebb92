"use strict";

/**
 * The page itself: what is chosen, what is shown of it, and what keys and buttons do.
 *
 * The data scripts reach in through two functions, `auralise.open(catalogue)` once and
 * `auralise.receive(layerData)` whenever a layer arrives. `auralise.player` is there for tests
 * and for the curious: its `playing`, `side`, `position` (s) and `level` (RMS of what is heard).
 */

const TICKS_HZ = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];

/** As in page.css: the cards stand beside the pictures and scroll on their own. */
const WIDE = window.matchMedia("(min-width: 1000px)");

const $ = (id) => document.getElementById(id);

let catalogue;
let favourites;
const player = new Player(showPlaying);

/** How far an arrow key goes in a picture, and with Shift (s). */
const STEP = 0.1;
const LONG_STEP = 1;

/** How much closer one step of the zoom is, and the fewest frames that fill a picture. */
const CLOSER = 2;
const FEWEST_FRAMES = 8;

/** How long the first sound may keep a listener waiting (s). */
const LONGEST_WAIT = 0.4;

/** Shortest part that can be repeated (s). */
const SHORTEST = 0.03;

/** What is chosen. `blind` holds the shuffled names while they are hidden. */
const state = {
  network: 0, // index in the catalogue
  song: 0, // index in the catalogue
  layer: 1, // counted from 1
  feature: 0, // counted from 0
  loudness: "matched",
  mode: "mask",
  picture: "sound",
  sort: "level",
  descending: true,
  query: "",
  /** @type {?[number, number]} frames that the large pictures show; null: all */
  view: null,
  /** @type {?number} another network, shown beside */
  beside: null,
  shortcuts: true,
  onlyFavourites: false,
  /** @type {?{networks: number[], order: Map<string, number[]>}} */
  blind: null,
};

/** What is on the screen: the data of the layer, and its features that pass the filter, in order. */
let layerData = null;
/** @type {?Song} */
let theSong = null;
let shown = [];

// ---------------------------------------------------------------- names and numbers

/** Where a feature of the present layer is. */
function placeOfFeature(feature) {
  return { network: state.network, song: state.song, layer: state.layer, feature };
}

/** The same as favourites know it: by the hash of the network's weights, and by names. */
function markOf({ network, song, layer, feature }) {
  const { hash, name } = catalogue.networks[network];
  return { weights: hash, network: name, song: catalogue.songs[song], layer, feature };
}

/** A network's index, by the hash of its weights or its name; -1: there is none. */
function networkOf(hashOrName) {
  const at = catalogue.networks.findIndex(({ hash }) => hash === hashOrName);
  return at < 0 ? catalogue.networks.findIndex(({ name }) => name === hashOrName) : at;
}

/** What the dissection says of a feature: `{name, score, …}`, or undefined. */
function nameOfFeature({ network, layer, feature }) {
  return catalogue.networks[network].names[`${layer}-${feature}`];
}

/** A feature's name, or nothing. */
function labelOf(place) {
  return nameOfFeature(place)?.name ?? "";
}

/** A link to a feature, by its number and name. */
function linkTo(place, { withWhere = false } = {}) {
  const label = labelOf(place);
  const where = ` (${catalogue.networks[place.network].name}, ${catalogue.songs[place.song]})`;
  const text = [numberOf(place.layer, place.feature), label].filter(Boolean).join(" ");
  return make("a", { href: "#" + addressOf(place) }, text + (withWhere ? where : ""));
}

function currentFeature() {
  return layerData?.features.find((entry) => entry.feature === state.feature) ?? null;
}

/** A feature's name, such as 2-10; in blind mode its place in the shuffled order. */
function nameOf(feature) {
  if (!state.blind) return numberOf(state.layer, feature);
  return `No. ${blindOrder().indexOf(feature) + 1}`;
}

function networkName(index) {
  if (!state.blind) return catalogue.networks[index].name;
  return `Network ${String.fromCharCode(65 + state.blind.networks.indexOf(index))}`;
}

/** What features can be sorted and filtered by: key → function of a feature. */
function measures() {
  const found = new Map([
    ["level", (entry) => entry.level],
    ["name", () => null],
    ["likeness", () => null],
    ["energy", (entry) => entry.energy],
    ["similarity", (entry) => entry.similarity],
  ]);
  for (const name of layerData?.attributes ?? []) {
    found.set(`attribute:${name}`, (entry) => entry.attributes[name]?.r);
  }
  return found;
}

const MEASURE_LABELS = {
  level: "Level",
  name: "Name",
  likeness: "Likeness",
  energy: "Energy",
  similarity: "Similarity",
};

/** Columns of features.csv that are shown, in words. */
const FEATURE_MEASURES = {
  silence_ratio: "Silence ratio",
  share_below_60db: "Share below −60 dB",
  share_negative: "Share that is negative",
  rehearing_percentile: "Re-hearing percentile",
};

function measureLabel(key) {
  return MEASURE_LABELS[key] ?? capitalised(key.replace(/^attribute:/, ""));
}

// ---------------------------------------------------------------- choosing

/**
 * Choose anything: network, song, layer, feature. What does not exist gives way to what is near.
 *
 * @param {Partial<typeof state>} choice
 * @param {{play?: boolean, history?: "replace" | "push" | "keep"}} options
 */
async function choose(choice, { play = false, history = "replace" } = {}) {
  Object.assign(state, choice);
  const asked = ++lastAsked;
  const available = showOf(state).layers;
  const wanted = available.find((item) => item.layer === state.layer) ?? available[0];
  state.layer = wanted.layer;
  showChoices();
  let data, song;
  try {
    [data, song] = await Promise.all([loadLayer(state), loadSong(state)]);
  } catch (error) {
    say(error.message);
    return;
  }
  if (asked !== lastAsked) return; // something else was chosen meanwhile
  if (song !== theSong) state.view = null;
  theSong = song;
  const isNew = data !== layerData;
  layerData = data;
  if (!currentFeature()) state.feature = loudest(data);
  showTour();
  if (isNew) {
    showModes();
    showSorts();
    showScales();
    showGrid();
    paintOriginal();
  }
  // The tour stands above the cards: it stays where it is.
  await chooseFeature(state.feature, { play, history, scroll: $("tour").hidden || !$("tour").open });
}

let lastAsked = 0;

/** The loudest feature of a layer. */
function loudest(data) {
  const audible = data.features.filter((entry) => entry.state === "audible");
  audible.sort((a, b) => b.level - a.level);
  return (audible[0] ?? data.features[0]).feature;
}

/** Choose a feature of the layer at hand. */
async function chooseFeature(feature, { play = false, history = "replace", scroll = false } = {}) {
  state.feature = feature;
  showFeature();
  if (scroll) scrollToCard();
  remember(history);
  await cue(play);
}

/** Hand feature, original and mixture to the player; what plays goes on in its place. */
async function cue(play) {
  const [data, song, entry, asked] = [layerData, theSong, currentFeature(), ++lastCued];
  const [feature, mixture] = await Promise.all([
    loadSound(placeOfFeature(state.feature), state.mode),
    mixtureSounds(),
  ]);
  if (asked !== lastCued || data !== layerData || entry !== currentFeature()) return;
  player.use({
    feature: feature ? [{ buffer: feature.buffer, gain: feature[state.loudness] }] : [],
    original: [{ buffer: song.buffer, gain: gainsOfSong(song)[state.loudness] }],
    mixture: balance(mixture),
  });
  showLevel(entry, feature);
  if (play) await player.play();
  showPlaying();
  showRegion();
}

let lastCued = 0;

/** How loud the feature truly is, and what the page adds so that it can be heard. */
function showLevel(entry, sound) {
  if (state.blind) $("level").textContent = "";
  else if (entry.state === "dead") $("level").textContent = "It never fired with this song.";
  else {
    const added = sound ? 20 * Math.log10(sound[state.loudness] / sound.scale) : 0;
    const gain = sound && Math.abs(added) >= 0.5 ? `, played with ${signedDecibels(added)} gain` : "";
    $("level").textContent = levelText(entry.level) + gain;
  }
}

/** The part of the address after `#`: where a feature is, by the hash of its network's weights. */
function addressOf({ network, song, layer, feature }) {
  const parts = [catalogue.networks[network].hash, catalogue.songs[song], layer, feature];
  return parts.map(encodeURIComponent).join("/");
}

/** The same with the mixture, the repeated part and where the sound is. */
function wholeAddress(position = null) {
  const more = new URLSearchParams();
  if (channels.length) more.set("mix", mixtureText());
  if (player.region) {
    more.set("loop", [player.region.start, player.region.end].map((t) => t.toFixed(3)).join("-"));
  }
  if (position !== null) more.set("at", position.toFixed(2));
  const text = more.toString();
  return "#" + addressOf(state) + (text ? `?${text}` : "");
}

/** @returns {?object} network and song as indices (-1: unknown), layer, feature, mixture … */
function placeOf(address) {
  try {
    const [path, query = ""] = address.split("?");
    const [network, song, layer, feature] = path.split("/").map(decodeURIComponent);
    if (!network || !song) return null;
    const more = new URLSearchParams(query);
    return {
      network: networkOf(network),
      song: catalogue.songs.indexOf(song),
      layer: Number(layer),
      feature: Number(feature),
      mixture: more.has("mix") ? mixtureOf(more.get("mix")) : null,
      loop: more.has("loop") ? more.get("loop").split("-").map(Number) : null,
      at: more.has("at") ? Number(more.get("at")) : null,
    };
  } catch {
    return null; // a stray % sign
  }
}

/** Put the choice in the address, so that it can be linked; not in blind mode, which it would betray. */
function remember(how) {
  const hash = state.blind ? "" : wholeAddress();
  document.title = state.blind
    ? "Listening blind"
    : `${nameOf(state.feature)} · ${networkName(state.network)} · ${catalogue.songs[state.song]}`;
  $("link").hidden = Boolean(state.blind);
  if (!state.blind) $("link").href = hash;
  if (how === "keep" || hash === location.hash) return;
  const url = hash || location.pathname + location.search;
  if (how === "push") window.history.pushState(null, "", url);
  else window.history.replaceState(null, "", url);
}

/** Copy the address of what is heard, with where in it. */
async function copyLink(event) {
  event.preventDefault();
  const address = wholeAddress(player.position);
  $("link").href = address;
  try {
    await navigator.clipboard.writeText(location.href.split("#")[0] + address);
    say("The link is copied: this feature, the mixture and the position.");
  } catch {
    window.history.replaceState(null, "", address);
    say("The link stands in the address bar: this feature, the mixture and the position.");
  }
}

/** Choose what the address names; if this page does not have all of it, say so. */
async function followAddress(history) {
  const address = location.hash.slice(1);
  if (!address) {
    const isFirst = !layerData;
    await choose(isFirst ? openingPlace() : {}, { history });
    if (isFirst) await skipSilence();
    return;
  }
  const place = placeOf(address);
  const isKnown = place && place.network >= 0 && place.song >= 0;
  if (isKnown && state.blind) setBlind(null);
  const { network, song, layer, feature } = place ?? {};
  if (isKnown && place.mixture) {
    channels = place.mixture;
    showMixer();
  }
  await choose(isKnown ? { network, song, layer, feature } : openingPlace(), { history });
  if (isKnown && place.loop) setRegion({ start: place.loop[0], end: place.loop[1] });
  if (isKnown && place.at >= 0 && place.at !== null) {
    player.seek(place.at);
    showPosition();
  }
  if (!isKnown || state.layer !== layer || state.feature !== feature) {
    say("This page does not have what the link names; this is the nearest that it has.");
  }
}

/** What is heard first: something that is worth it. */
function openingPlace() {
  const { song, layer, feature } = catalogue.first ?? { song: 0, layer: 1, feature: 0 };
  return { network: 0, song, layer, feature };
}

/** Choose another layer, song or network; the listener comes back with the browser's Back. */
function chooseWhere(choice) {
  return choose(choice, { history: "push" });
}

/** Go to where the chosen feature begins to sound, if that is more than `LONGEST_WAIT` away. */
async function skipSilence() {
  const sound = await loadSound(placeOfFeature(state.feature), state.mode);
  if (!sound || player.playing) return;
  const samples = sound.buffer.getChannelData(0);
  const loud = peakOf(samples) / 10;
  const start = samples.findIndex((sample) => Math.abs(sample) > loud) / sound.buffer.sampleRate;
  if (start < LONGEST_WAIT) return;
  player.seek(start - LONGEST_WAIT / 2);
  showPosition();
}

/** Move by `step` places in the order on the screen, staying within it. */
function move(step, { withFocus = true } = {}) {
  if (!shown.length) return;
  const at = shown.findIndex((entry) => entry.feature === state.feature);
  const to = at < 0 ? 0 : Math.min(Math.max(at + step, 0), shown.length - 1);
  chooseFeature(shown[to].feature, { scroll: true });
  if (withFocus) focusCard();
}

function stepThrough(list, current, step) {
  return (current + step + list.length) % list.length;
}

// ---------------------------------------------------------------- sound

function togglePlay() {
  if (player.playing) player.pause();
  else player.play();
  showPlaying();
}

function listenTo(side) {
  player.listenTo(side);
  showPlaying();
}

function setLoudness(loudness) {
  state.loudness = loudness;
  document.querySelector(`[name=loudness][value=${loudness}]`).checked = true;
  storePreferences();
  if (layerData) cue(false);
}

function setMode(mode) {
  state.mode = mode;
  showGrid();
  cue(false);
}

/** Repeat a part; null, or one that is too short: all. */
function setRegion(region) {
  const end = region && Math.min(region.end, player.duration);
  const start = region && Math.max(region.start, 0);
  const isLong = region && end - start >= SHORTEST;
  player.setRegion(isLong ? { start, end } : null);
  if (isLong) setLoop(true);
  showRegion();
  showPosition();
  remember("replace");
}

/** Let the repeated part begin, or end, where the sound is. */
function setEdge(edge) {
  const { start, end } = player.region ?? { start: 0, end: player.duration };
  const at = player.position;
  setRegion(edge === "start" ? { start: at, end: at < end ? end : player.duration } : { start, end: at });
}

function showRegion() {
  const { region } = player;
  $("region").hidden = !region;
  if (region) $("region-text").textContent = `${region.start.toFixed(2)}–${region.end.toFixed(2)} s`;
  const { start, end } = viewed();
  const share = (time) => (time - start) / (end - start);
  for (const mark of document.querySelectorAll(".pane .part")) {
    mark.hidden = !region;
    if (!region) continue;
    mark.style.left = `${100 * share(region.start)}%`;
    mark.style.width = `${100 * (share(region.end) - share(region.start))}%`;
  }
}

function setLoop(loop) {
  $("loop").checked = loop;
  player.setLoop(loop);
  storePreferences();
}

/** Show whether and what it plays. */
function showPlaying() {
  const button = $("play");
  button.textContent = player.playing ? "❚❚" : "▶";
  button.setAttribute("aria-label", player.playing ? "Pause" : "Play");
  document.querySelector(`[name=side][value=${player.side}]`).checked = true;
  for (const side of ["feature", "original"]) {
    $(`plot-${side}`).classList.toggle("heard", player.side === side);
  }
  document.body.classList.toggle("playing", player.playing);
  requestAnimationFrame(showPosition);
}

let showingPosition = false;

/** Move the cursors and the meter for as long as something plays. */
function showPosition() {
  if (!layerData || showingPosition) return;
  const position = player.position;
  if (player.playing && state.view) {
    showingPosition = true; // what follows comes back here
    follow(position);
    showingPosition = false;
  }
  const { start, end } = viewed();
  for (const pane of document.querySelectorAll(".pane")) {
    pane.setAttribute("aria-valuenow", position.toFixed(1));
    pane.setAttribute("aria-valuetext", `${position.toFixed(1)} seconds`);
  }
  $("plots").style.setProperty("--cursor", (position - start) / (end - start));
  $("clock").textContent = `${position.toFixed(2)} s`;
  const decibels = player.playing ? 20 * Math.log10(player.level || 1e-9) : -60;
  $("meter").style.setProperty("--level", Math.min(Math.max(1 + decibels / 60, 0), 1));
  if (!player.playing) return;
  showingPosition = true;
  requestAnimationFrame(() => {
    showingPosition = false;
    showPosition();
  });
}

// ---------------------------------------------------------------- what is chosen, on the screen

/** The selects for network and song, the layer buttons, and the line about the network. */
function showChoices() {
  const order = state.blind?.networks ?? catalogue.networks.map((_, index) => index);
  fillSelect($("network"), order.map((index) => [index, networkName(index)]), state.network);
  fillSelect($("song"), catalogue.songs.map((song, index) => [index, song]), state.song);
  const buttons = showOf(state).layers.map(({ layer }) => {
    const input = make("input", { type: "radio", name: "layer", value: layer });
    input.checked = layer === state.layer;
    return make("label", {}, input, make("span", {}, String(layer)));
  });
  const focused = document.activeElement?.name === "layer";
  $("layers").replaceChildren($("layers").firstElementChild, ...buttons);
  if (focused) $("layers").querySelector(":checked").focus();
  $("evaluation").textContent = state.blind ? "" : evaluationText(catalogue.networks[state.network]);
  $("answers").textContent = state.blind ? "" : answersText();
  const others = catalogue.networks
    .map((_, index) => [index, networkName(index)])
    .filter(([index]) => index !== state.network);
  fillSelect($("beside-choice"), [["", "none"], ...others], state.beside ?? "");
  $("beside-choice").disabled = Boolean(state.blind) || !others.length;
}

/** One line about how well a network does its own work. */
function evaluationText(network) {
  if (network.knowledge) return network.knowledge;
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const parts = [
    ["clip_accuracy", "of the clips"],
    ["segment_accuracy", "of the segments"],
    ["baseline_clip_accuracy", "of the clips by a linear classifier of mean spectra"],
    ["deviation_baseline_clip_accuracy", "by one of mean and deviation"],
    ["flux_baseline_clip_accuracy", "by one of mean, deviation and flux"],
  ]
    .filter(([key]) => key in network)
    .map(([key, label]) => `${percent(network[key])} ${label}`);
  return parts.length ? `${network.name}: right for ${parts.join(", ")}` : "";
}

/** What the network takes the song for. */
function answersText() {
  const { name, answers } = catalogue.networks[state.network];
  const found = answers[catalogue.songs[state.song]] ?? [];
  const parts = found.map(([label, probability]) => `${label} ${percentText(probability)}`);
  return parts.length ? `${name} takes ${catalogue.songs[state.song]} for ${parts.join(", ")}` : "";
}

/** The modes that the layer's maps allow. */
function showModes() {
  if (!layerData.modes.includes(state.mode)) state.mode = "mask";
  fillSelect($("mode"), layerData.modes.map((mode) => [mode, MODES[mode].label]), state.mode);
}

/** The measures to sort by that this layer has. */
function showSorts() {
  const options = [...measures().keys()].map((key) => [key, measureLabel(key)]);
  if (!measures().has(state.sort)) state.sort = "level";
  fillSelect($("sort"), options, state.sort);
  showDirection();
}

function showDirection() {
  $("descending").textContent = state.descending ? "↓" : "↑";
  $("descending").setAttribute("aria-pressed", state.descending);
  for (const id of ["sort", "descending"]) $(id).disabled = Boolean(state.blind);
}

/** Everything about the chosen feature, and which card it is. */
function showFeature() {
  const entry = currentFeature();
  $("name").textContent = nameOf(entry.feature);
  const place = placeOfFeature(entry.feature);
  $("label").textContent = state.blind ? "" : labelOf(place);
  const { start } = showOf(state);
  const seconds = Math.round(theSong.samples.length / theSong.sampleRate);
  const part = start ? `, ${seconds} s from ${timeText(start)} on` : "";
  $("place").textContent = `${networkName(state.network)} · ${catalogue.songs[state.song]}${part}`;
  const states = { dead: "never fired", below: `below the audibility floor of ${floorText()}` };
  $("state").textContent = states[entry.state] ?? "";
  showPictures(entry);
  showRelated(entry);
  showNumbers(entry);
  showMark();
  for (const card of $("grid").children) {
    const isCurrent = Number(card.dataset.feature) === entry.feature;
    card.classList.toggle("current", isCurrent);
    card.firstElementChild.tabIndex = isCurrent ? 0 : -1;
    if (isCurrent) card.firstElementChild.setAttribute("aria-current", "true");
    else card.firstElementChild.removeAttribute("aria-current");
  }
  const tabbable = $("grid").querySelector("[tabindex='0']") ?? $("grid").querySelector(".card button");
  if (tabbable) tabbable.tabIndex = 0;
}

async function showPictures(entry) {
  const isMap = state.picture === "map";
  $("caption").textContent = isMap ? "deconvolved map" : "masked spectrogram";
  $("picture").textContent = isMap ? "Show spectrogram" : "Show map";
  $("legend-low").textContent = isMap ? "−" : `−${catalogue.range} dB`;
  $("legend-high").textContent = isMap ? "+" : "0 dB, its maximum";
  const colours = catalogue.colours[state.picture];
  $("legend-bar").style.background = `linear-gradient(to right, ${colours.join(", ")})`;
  const pane = $("plot-feature").querySelector(".pane");
  const canvas = pane.querySelector("canvas");
  const place = placeOfFeature(entry.feature);
  const { mode } = state;
  pane.querySelector(".blank").hidden = Boolean(entry.map);
  const map = entry.map ? await loadMap(place) : null;
  if (entry !== currentFeature() || place.network !== state.network) return;
  canvas.hidden = !map;
  const what = map ? described(theSong, map, mode) : "nothing to see or hear";
  const level = state.blind || !map ? "" : `, ${levelText(entry.level)}`;
  $("summary").textContent = what;
  pane.setAttribute("aria-label", `Position in ${nameOf(entry.feature)}: ${what}${level}`);
  if (map) paint(canvas, theSong, map, { kind: state.picture, mode, frames: framesShown() });
}

function paintOriginal() {
  const pane = $("plot-original").querySelector(".pane");
  pane.querySelector("canvas").hidden = false;
  pane.querySelector(".blank").hidden = true;
  pane.setAttribute("aria-label", "Position in the original");
  paint(pane.querySelector("canvas"), theSong, null, { kind: "sound", frames: framesShown() });
}

// ---------------------------------------------------------------- zoom

function framesShown() {
  return state.view ?? [0, theSong.nFrames];
}

/** What the large pictures show: from when to when (s), and all frequencies (Hz). */
function viewed() {
  const { extent, hop, sampleRate } = theSong;
  const [start, end] = framesShown().map((frame) => extent.start + (frame * hop) / sampleRate);
  return { ...extent, start, end };
}

/** Show `length` frames from `first` on, or as near as the song allows. */
function setView(first, length) {
  const { nFrames } = theSong;
  const n = Math.min(Math.max(Math.round(length), FEWEST_FRAMES), nFrames);
  const begin = Math.min(Math.max(Math.round(first), 0), nFrames - n);
  state.view = n < nFrames ? [begin, begin + n] : null;
  showScales();
  showRegion();
  showPosition();
  paintOriginal();
  showPictures(currentFeature());
}

/** Closer by a factor, or further away: what is at `time` stays where it is. */
function zoom(factor, time = player.position) {
  if (!layerData) return;
  const [first, last] = framesShown();
  const { start, end } = viewed();
  const isShown = time >= start && time <= end;
  const share = isShown ? (time - start) / (end - start) : 0.5;
  const length = (last - first) / factor;
  setView(first + share * (last - first - length), length);
}

/** Go on by a share of what is shown. */
function pan(share) {
  const [first, last] = framesShown();
  setView(first + share * (last - first), last - first);
}

/** Let what plays be seen. */
function follow(position) {
  const { start, end } = viewed();
  if (position >= start && position < end) return;
  const [first, last] = state.view;
  const { extent, hop, sampleRate } = theSong;
  const begin = Math.floor(((position - extent.start) * sampleRate) / hop);
  if (begin !== first && begin < theSong.nFrames) setView(begin, last - first);
}

/** What part is shown, and which buttons can still do something. */
function showView() {
  const { start, end } = viewed();
  const [first, last] = framesShown();
  $("view").textContent = state.view ? `${Math.max(start, 0).toFixed(2)}–${end.toFixed(2)} s` : "all";
  $("zoom-in").disabled = last - first <= FEWEST_FRAMES;
  for (const id of ["zoom-out", "earlier", "later"]) $(id).disabled = !state.view;
}

/** Features like this one, the nearest in other networks, and this one with other songs. */
function showRelated(entry) {
  $("related").hidden = Boolean(state.blind) || entry.state !== "audible";
  if ($("related").hidden) return;
  const likeness = (value) => make("small", {}, ` ${correlationText(value)}`);
  $("similar").replaceChildren(
    ...entry.similar.map(([layer, feature, value]) =>
      make("li", {}, linkTo({ ...placeOfFeature(feature), layer }), likeness(value)),
    ),
  );
  $("nearest").replaceChildren(
    ...entry.nearest.map(([network, layer, feature, value]) =>
      make(
        "li", {}, `${catalogue.networks[network].name}: `,
        linkTo({ network, song: state.song, layer, feature }), likeness(value),
      ),
    ),
  );
  $("nearest-title").hidden = !entry.nearest.length;
  showOrigin();
  if ($("across").open) showAcross();
  const script = catalogue.networks[state.network].strongest[state.layer];
  $("strongest").hidden = !script;
  if (script && $("strongest").open) showStrongest();
  $("signals").hidden = !catalogue.networks[state.network].signals;
  if (!$("signals").hidden && $("signals").open) showSignals();
}

/** The feature with every song, in a row. */
function showAcross() {
  const { network, layer, feature } = state;
  const songs = catalogue.songs.map((_, song) => song);
  $("across-list").replaceChildren(...cardsWithSongs({ network, layer, feature }, songs));
}

function showNumbers(entry) {
  if (state.blind) {
    $("numbers").tBodies[0].replaceChildren();
    return;
  }
  const rows = [
    ["Energy", readable(entry.energy), null, "Energy of the activation"],
    ["Peak", readable(entry.peak), null, "Greatest activation"],
    ["Level", decibelText(entry.level), null, "Below the loudest feature of the layer"],
    ["Similarity", correlationText(entry.similarity), entry.similarity, "Of map and original"],
  ];
  const found = nameOfFeature(placeOfFeature(entry.feature));
  if (found) {
    rows.push(["Name", found.name, null, found.learned ? "Hardly an untrained feature stands out as much" : ""]);
    rows.push(["Score", correlationText(found.score), null, `Runner-up: ${found.runnerUp || "none"}`]);
    rows.push(["Learned", found.learned ? "yes" : "not shown", null, `q = ${readable(found.q)}`]);
  }
  if (entry.certificate) rows.push(["Certificate", entry.certificate, null, ""]);
  for (const [key, label] of Object.entries(FEATURE_MEASURES)) {
    const value = entry.measures[key];
    if (value !== null && value !== undefined) rows.push([label, readable(value), null, ""]);
  }
  for (const [name, { r, pairs }] of Object.entries(entry.attributes)) {
    rows.push([capitalised(name), correlationText(r), r, `Mean correlation over ${pairs} pairs of signals`]);
  }
  $("numbers").tBodies[0].replaceChildren(
    ...rows.map(([name, text, correlation, explanation]) =>
      make(
        "tr",
        { title: explanation },
        make("th", { scope: "row" }, name),
        make("td", { class: "number" }, text),
        make("td", {}, correlationBar(correlation)),
      ),
    ),
  );
}

/** A bar from the middle to the left or right for a correlation; nothing for none. */
function correlationBar(correlation) {
  if (correlation === null || correlation === undefined) return "";
  const bar = make("i", { class: "bar", "aria-hidden": "true" }, make("b", {}));
  bar.style.setProperty("--r", correlation);
  bar.classList.toggle("negative", correlation < 0);
  return bar;
}

/** Star, note and notes elsewhere. */
function showMark() {
  const place = markOf(placeOfFeature(state.feature));
  const mark = favourites.get(place);
  $("star").textContent = mark ? "★" : "☆";
  $("star").setAttribute("aria-pressed", Boolean(mark));
  $("star").setAttribute("aria-label", `Favourite ${nameOf(state.feature)}`);
  if (document.activeElement !== $("note")) $("note").value = mark?.note ?? "";
  const others = state.blind ? [] : favourites.elsewhere(place);
  $("other-songs").replaceChildren(
    ...others.map((other) =>
      make(
        "li",
        {},
        "★ ",
        linkOfMark(other, other.song),
        other.note ? `: ${other.note}` : "",
      ),
    ),
  );
  $("n-favourites").textContent = favourites.list().length;
}

// ---------------------------------------------------------------- axes

/** A link to what a favourite names, if this page has it; else its text. */
function linkOfMark(mark, text) {
  const place = { ...mark, network: networkOf(mark.weights), song: catalogue.songs.indexOf(mark.song) };
  if (place.network < 0 || place.song < 0) return make("span", {}, text);
  return make("a", { href: "#" + addressOf(place) }, text);
}

/** Put an image, axes, cursor and cross hair into both plots. */
function buildPlots() {
  for (const side of ["feature", "original"]) {
    const plot = $(`plot-${side}`);
    const pane = make(
      "div",
      {
        class: "pane", tabindex: "0", role: "slider", "aria-label": "Position",
        "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0,
      },
      make("p", { class: "blank", hidden: "" }, "nothing to see or hear"),
      make("canvas", { hidden: "", "aria-hidden": "true" }),
      make("i", { class: "part", hidden: "" }),
      make("i", { class: "hair across" }),
      make("i", { class: "hair down" }),
      make("i", { class: "cursor" }),
    );
    pane.addEventListener("pointermove", (event) => showReadout(event, pane));
    pane.addEventListener("pointerleave", hideReadout);
    letDrag(pane);
    pane.addEventListener("wheel", zoomByWheel, { passive: false });
    pane.addEventListener("keydown", seekByKey);
    plot.append(make("div", { class: "scale hertz" }), pane, make("div", { class: "scale seconds" }));
  }
}

/** A click goes there; a drag repeats what it passes over. */
function letDrag(pane) {
  let from = null;
  const extent = (event) => {
    const times = [from, pointAt(event, pane).time].sort((a, b) => a - b);
    return { start: Math.max(0, times[0]), end: times[1] };
  };
  pane.addEventListener("pointerdown", (event) => {
    if (event.button || !layerData) return;
    from = pointAt(event, pane).time;
    pane.setPointerCapture(event.pointerId);
  });
  pane.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const region = extent(event);
    from = null;
    if (region.end - region.start >= SHORTEST) {
      setRegion(region);
    } else {
      const { time } = pointAt(event, pane);
      if (player.region && (time < player.region.start || time >= player.region.end)) setRegion(null);
      player.seek(time);
    }
    showPosition();
  });
  pane.addEventListener("pointercancel", () => (from = null));
}

/** The wheel, with Ctrl as browsers zoom, or two fingers: what is under the pointer stays there. */
function zoomByWheel(event) {
  if (!event.ctrlKey || !layerData) return;
  event.preventDefault();
  zoom(2 ** (-event.deltaY / 200), pointAt(event, event.currentTarget).time);
}

/** Arrow keys in a picture move the position; Home and End go to the ends, PageUp and PageDown turn. */
function seekByKey(event) {
  const turn = { PageUp: -0.5, PageDown: 0.5 }[event.key];
  if (turn && state.view) {
    event.preventDefault();
    pan(turn);
    return;
  }
  const step = event.shiftKey ? LONG_STEP : STEP;
  const targets = {
    ArrowLeft: player.position - step,
    ArrowRight: player.position + step,
    Home: 0,
    End: player.duration - STEP,
  };
  if (!(event.key in targets)) return;
  event.preventDefault();
  event.stopPropagation();
  player.seek(targets[event.key]);
  showPosition();
}

/** Write the ticks of both axes for the layer at hand. */
function showScales() {
  showView();
  const { start, end, low, high } = viewed();
  for (const pane of document.querySelectorAll(".pane")) {
    pane.setAttribute("aria-valuemax", (theSong.samples.length / theSong.sampleRate).toFixed(1));
  }
  const hertz = TICKS_HZ.filter((tick) => tick > low && tick < high).map((tick) => [
    tick < 1000 ? `${tick}` : `${tick / 1000}k`,
    1 - Math.log(tick / low) / Math.log(high / low),
  ]);
  const steps = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60];
  const step = steps.find((size) => (end - start) / size <= 9) ?? 120;
  const seconds = [];
  for (let n = Math.max(Math.ceil(start / step), 0); n * step < end - step / 4; n++) {
    seconds.push([`${Number((n * step).toFixed(2))}`, (n * step - start) / (end - start)]);
  }
  for (const plot of document.querySelectorAll(".plot")) {
    setTicks(plot.querySelector(".hertz"), hertz, "top", "Hz");
    setTicks(plot.querySelector(".seconds"), seconds, "left", "s");
  }
}

function setTicks(scale, ticks, edge, unit) {
  const marks = ticks.map(([text, share]) => {
    const mark = make("span", {}, text);
    mark.style[edge] = `${100 * share}%`;
    return mark;
  });
  scale.replaceChildren(make("b", {}, unit), ...marks);
}

function pointAt(event, pane) {
  const box = pane.getBoundingClientRect();
  const x = (event.clientX - box.left) / box.width;
  const y = (event.clientY - box.top) / box.height;
  const { start, end, low, high } = viewed();
  return { x, y, time: start + x * (end - start), hertz: low * (high / low) ** (1 - y) };
}

/** Time, frequency and note under the pointer, with a cross hair in both pictures. */
function showReadout(event, pane) {
  if (!layerData) return;
  const { x, y, time, hertz } = pointAt(event, pane);
  $("plots").classList.add("pointed");
  $("plots").style.setProperty("--x", x);
  $("plots").style.setProperty("--y", y);
  const seconds = `${Math.max(0, time).toFixed(2)} s`;
  $("readout").textContent = `${seconds} · ${hertzText(hertz)} · ${noteText(hertz)}`;
}

function hideReadout() {
  $("plots").classList.remove("pointed");
  $("readout").textContent = "";
}

// ---------------------------------------------------------------- favourites

function toggleFavourite(feature = state.feature) {
  const place = markOf(placeOfFeature(feature));
  if (!favourites.get(place)) favourites.set(place, { blind: Boolean(state.blind) });
  else if (mayForget(place)) favourites.remove(place);
  showMarks();
}

/** A star is given back at once, a note only on purpose. */
function mayForget(place) {
  const { note } = favourites.get(place);
  return !note || window.confirm(`Remove the favourite and its note?\n\n${note}`);
}

function writeNote() {
  const place = markOf(placeOfFeature(state.feature));
  const note = $("note").value;
  if (note || favourites.get(place)) {
    const blind = favourites.get(place)?.blind ?? Boolean(state.blind);
    favourites.set(place, { note, blind });
  }
  showStars();
}

/** Bring every star up to date, and the grid where it shows only favourites. */
function showMarks() {
  if (state.onlyFavourites) showGrid();
  showStars();
  if ($("favourites").open) showFavourites();
}

function showStars() {
  showMark();
  for (const card of $("grid").children) {
    const isMarked = Boolean(favourites.get(markOf(placeOfFeature(Number(card.dataset.feature)))));
    card.lastElementChild.textContent = isMarked ? "★" : "☆";
    card.lastElementChild.setAttribute("aria-pressed", isMarked);
  }
}

/** The list of all favourites, in its dialog. */
function showFavourites() {
  const marks = favourites.list();
  $("favourites-status").textContent = favouritesStatus(marks);
  $("favourites-list").replaceChildren(...(state.blind ? [] : marks.map(makeFavourite)));
  $("export").disabled = Boolean(state.blind) || !marks.length;
}

function favouritesStatus(marks) {
  if (!favourites.kept) return "This browser keeps nothing for this page: export before you leave.";
  if (state.blind) return `${marks.length}, hidden in blind mode.`;
  if (!marks.length) return "None yet: press f, or write a note.";
  return `${marks.length}, kept in this browser. Export them to be safe, or to print them on the sheets.`;
}

function makeFavourite(mark) {
  const name = numberOf(mark.layer, mark.feature);
  const link = linkOfMark(mark, name);
  link.addEventListener("click", () => $("favourites").close());
  const remove = make("button", { type: "button", "aria-label": `Remove ${name}` }, "✕");
  remove.addEventListener("click", () => {
    if (!mayForget(mark)) return;
    favourites.remove(mark);
    showMarks();
  });
  return make(
    "li",
    {},
    link,
    make("span", { class: "where" }, `${mark.network} · ${mark.song}${mark.blind ? " · blind" : ""}`),
    remove,
    mark.note ? make("p", {}, mark.note) : "",
  );
}

/** Offer a file to save. */
function download(name, blob) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function importFavourites(file) {
  const count = favourites.merge(await file.text());
  showMarks();
  $("favourites-status").textContent = count
    ? `${count} read from ${file.name}.`
    : `${file.name} holds no favourites; expected a labels.csv that was exported here.`;
}

// ---------------------------------------------------------------- blind mode

async function toggleBlind() {
  if (state.blind) {
    setBlind(null);
    await choose({});
  } else {
    const networks = shuffled(catalogue.networks.map((_, index) => index)).filter(
      (index) => index !== catalogue.tour?.planted, // it would give itself away
    );
    setBlind({ networks, order: new Map() });
    await choose({ network: networks[Math.floor(Math.random() * networks.length)] });
    if (state.blind && shown.length) await chooseFeature(shown[0].feature);
  }
}

function setBlind(blind) {
  state.blind = blind;
  $("blind").setAttribute("aria-pressed", Boolean(blind));
  document.body.classList.toggle("blind", Boolean(blind));
  layerData = null; // everything on the screen has to be named anew
}

/** The shuffled features of this layer; the same for as long as blind mode lasts. */
function blindOrder() {
  const { script } = layerData;
  if (!state.blind.order.has(script)) {
    state.blind.order.set(script, shuffled(layerData.features.map((entry) => entry.feature)));
  }
  return state.blind.order.get(script);
}

function shuffled(list) {
  const result = [...list];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}

// ---------------------------------------------------------------- preferences, messages, elements

const PREFERENCES = "auralise/preferences";

function storePreferences() {
  const { loudness, picture, shortcuts } = state;
  try {
    localStorage.setItem(PREFERENCES, JSON.stringify({ loudness, picture, shortcuts, loop: player.loop }));
  } catch {
    // a browser that keeps nothing: the page works, and begins afresh next time
  }
}

function restorePreferences() {
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(PREFERENCES) ?? "{}");
  } catch {
    // as above
  }
  if (stored.loudness === "true") setLoudness("true");
  if (stored.picture === "map") state.picture = "map";
  state.shortcuts = $("shortcuts").checked = stored.shortcuts !== false;
  setLoop(stored.loop !== false);
}

let silence = 0;

/** Tell the listener something, for a while. */
function say(text) {
  $("message").textContent = text;
  $("message").hidden = false;
  clearTimeout(silence);
  silence = setTimeout(() => ($("message").hidden = true), 8000);
}

/** An element with attributes and children; texts become text, never markup. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function fillSelect(select, options, chosen) {
  select.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  select.value = chosen;
}

// ---------------------------------------------------------------- keys

/** What keys do, wherever the focus is but in a field. */
const KEYS = {
  " ": togglePlay,
  Enter: () => playFromCard(state.feature),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => move(nColumns()),
  ArrowUp: () => move(-nColumns()),
  Home: () => move(-Infinity),
  End: () => move(Infinity),
  o: () => listenTo(player.side === "original" ? "feature" : "original"),
  x: addChannel,
  i: () => listenTo("mixture"),
  "[": () => setEdge("start"),
  "]": () => setEdge("end"),
  "\\": () => setRegion(null),
  m: () => setLoudness(state.loudness === "matched" ? "true" : "matched"),
  l: () => setLoop(!player.loop),
  0: () => {
    player.seek(0);
    showPosition();
  },
  ",": () => chooseWhere({ song: stepThrough(catalogue.songs, state.song, -1) }),
  ".": () => chooseWhere({ song: stepThrough(catalogue.songs, state.song, 1) }),
  "<": () => chooseNetworkBy(-1),
  ">": () => chooseNetworkBy(1),
  p: togglePicture,
  "+": () => zoom(CLOSER),
  "=": () => zoom(CLOSER),
  "-": () => zoom(1 / CLOSER),
  f: () => toggleFavourite(),
  n: () => $("note").focus(),
  b: toggleBlind,
  "/": () => $("query").focus(),
  "?": () => $("help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isField = event.target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
  if (event.key === "Escape" && isField) leaveField(event.target);
  if (isField || belongsTo(event.target, event.key)) return;
  if (!state.shortcuts && event.key.length === 1) return;
  const action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()] ?? layerKey(event.key);
  if (!action) return;
  event.preventDefault();
  action();
}

/** Whether an element wants a key for itself: a button is pressed, radios are stepped through. */
function belongsTo(element, key) {
  const isCard = Boolean(element.closest(".card"));
  if (key === " ") return element.matches("button, a, input, summary") && !isCard;
  if (key === "Enter") return element.matches("button, a, summary");
  return key.startsWith("Arrow") && element.matches("[type=radio], summary");
}

function layerKey(key) {
  const layer = Number(key);
  const exists = showOf(state).layers.some((item) => item.layer === layer);
  return exists ? () => chooseWhere({ layer }) : null;
}

/** Escape: back to the cards; from the search with everything shown. */
function leaveField(field) {
  if (field === $("query")) {
    field.value = "";
    setQuery("");
  }
  field.blur();
  focusCard();
}

function chooseNetworkBy(step) {
  const order = state.blind?.networks ?? catalogue.networks.map((_, index) => index);
  const at = stepThrough(order, order.indexOf(state.network), step);
  chooseWhere({ network: order[at] });
}

function togglePicture() {
  state.picture = state.picture === "map" ? "sound" : "map";
  storePreferences();
  showGrid();
}

function setQuery(text) {
  state.query = text.trim();
  showGrid();
}

// ---------------------------------------------------------------- beginning

/** Let every control do what it says. */
function connect() {
  const on = (id, type, action) => $(id).addEventListener(type, action);
  on("network", "change", (event) => chooseWhere({ network: Number(event.target.value) }));
  on("song", "change", (event) => chooseWhere({ song: Number(event.target.value) }));
  on("layers", "change", (event) => chooseWhere({ layer: Number(event.target.value) }));
  on("play", "click", togglePlay);
  on("previous", "click", () => move(-1, { withFocus: false }));
  on("next", "click", () => move(1, { withFocus: false }));
  on("link", "click", copyLink);
  on("mode", "change", (event) => setMode(event.target.value));
  on("loop-start", "click", () => setEdge("start"));
  on("loop-end", "click", () => setEdge("end"));
  on("loop-all", "click", () => setRegion(null));
  on("add", "click", addChannel);
  on("save-mixture", "click", saveMixture);
  on("save-feature", "click", saveFeature);
  on("clear-mixture", "click", () => {
    channels = [];
    showMixer();
    $("add").focus();
    mixtureChanged();
  });
  on("across", "toggle", () => $("across").open && showAcross());
  on("signals", "toggle", () => $("signals").open && showSignals());
  on("signal-itself", "change", showSignals);
  on("strongest", "toggle", () => $("strongest").open && showStrongest());
  on("save-strongest", "click", saveStrongest);
  on("save-track", "click", saveTrack);
  on("beside-choice", "change", (event) => {
    state.beside = event.target.value === "" ? null : Number(event.target.value);
    showBeside();
  });
  on("shortcuts", "change", (event) => {
    state.shortcuts = event.target.checked;
    storePreferences();
  });
  on("sides", "change", (event) => listenTo(event.target.value));
  on("loudness", "change", (event) => setLoudness(event.target.value));
  on("loop", "change", (event) => setLoop(event.target.checked));
  on("picture", "click", togglePicture);
  on("zoom-in", "click", () => zoom(CLOSER));
  on("zoom-out", "click", () => zoom(1 / CLOSER));
  on("earlier", "click", () => pan(-0.5));
  on("later", "click", () => pan(0.5));
  on("star", "click", () => toggleFavourite());
  on("note", "input", writeNote);
  on("query", "input", (event) => setQuery(event.target.value));
  on("sort", "change", (event) => setSort(event.target.value));
  on("descending", "click", () => setOrder(!state.descending));
  on("only-favourites", "change", (event) => {
    state.onlyFavourites = event.target.checked;
    showGrid();
  });
  on("clear", "click", clearSieve);
  on("blind", "click", toggleBlind);
  on("open-help", "click", () => $("help").showModal());
  on("open-favourites", "click", () => {
    favourites.reloadIfKept();
    showFavourites();
    $("favourites").showModal();
  });
  on("export", "click", () => download("labels.csv", new Blob([favourites.csv()], { type: "text/csv" })));
  on("import", "change", async (event) => {
    if (event.target.files.length) await importFavourites(event.target.files[0]);
    event.target.value = "";
  });
  document.addEventListener("keydown", onKey);
  document.addEventListener("keydown", () => (byPointer = false), true);
  document.addEventListener("pointerdown", () => (byPointer = true), true);
  document.addEventListener("click", giveBackFocus);
  document.addEventListener("change", giveBackFocus);
  WIDE.addEventListener("change", () => ($("details").open = WIDE.matches));
  window.addEventListener("hashchange", () => followAddress("keep"));
}

/**
 * After the mouse has pressed a control, keys work on the cards again; who goes by keys stays.
 *
 * @param {Event} event
 */
function giveBackFocus(event) {
  const isControl = event.target.matches("select, button, label, label *, [type=radio], [type=checkbox]");
  if (!byPointer || !isControl || event.target.closest("dialog, .notes, .grow, .mixer")) return;
  if (event.type === "click" && event.target.matches("select")) return; // it has just opened
  setTimeout(() => document.querySelector("dialog[open]") ?? focusCard());
}

let byPointer = false;

/** Measures begin with the greatest. */
function setSort(sort) {
  state.sort = sort;
  setOrder(true);
}

function setOrder(descending) {
  state.descending = descending;
  showDirection();
  showGrid();
  document.querySelector(".browse").scrollTop = 0;
}

function clearSieve() {
  state.onlyFavourites = $("only-favourites").checked = false;
  $("query").value = "";
  setQuery("");
}

/** Called by data/catalogue.js, the last script of the page. */
function open(found) {
  catalogue = found;
  favourites = new Favourites();
  $("experiment").textContent = catalogue.experiment;
  $("details").open = WIDE.matches;
  buildPlots();
  connect();
  showMixer();
  showStops();
  restorePreferences();
  followAddress("replace");
}

window.auralise = { open, receive, player };
