"use strict";

/**
 * The page itself: what is chosen, what is shown of it, and what keys and buttons do.
 *
 * The data scripts reach in through two functions, `auralise.open(catalogue)` once and
 * `auralise.receive(layerData)` whenever a layer arrives. `auralise.player` is there for tests
 * and for the curious: its `playing`, `side`, `position` (s) and `level` (RMS of what is heard).
 */

/** Layers kept in memory; the one that was used longest ago goes first. */
const N_LAYERS_KEPT = 12;

const TICKS_HZ = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];

/** As in page.css: the cards stand beside the pictures and scroll on their own. */
const WIDE = window.matchMedia("(min-width: 1000px)");

const $ = (id) => document.getElementById(id);

let catalogue;
let favourites;
const player = new Player(showPlaying);

/** What is chosen. `blind` holds the shuffled names while they are hidden. */
const state = {
  network: 0, // index in the catalogue
  song: 0, // index in the catalogue
  layer: 1, // counted from 1
  feature: 0, // counted from 0
  loudness: "matched",
  picture: "sound",
  sort: "feature",
  descending: false,
  filter: "",
  hideDead: false,
  onlyFavourites: false,
  /** @type {?{networks: number[], order: Map<string, number[]>}} */
  blind: null,
};

/** What is on the screen: the data of the layer, and its features that pass the filter, in order. */
let layerData = null;
let shown = [];

// ---------------------------------------------------------------- data scripts

const layers = new Map(); // script → data, the most recently used last
const arrivals = new Map(); // script → what waits for it

/** Load a layer's data script, or take it from memory. */
function loadLayer(script) {
  if (layers.has(script)) {
    const data = layers.get(script);
    layers.delete(script);
    layers.set(script, data);
    return Promise.resolve(data);
  }
  if (!arrivals.has(script)) {
    const arrival = new Promise((resolve, reject) => {
      const element = document.createElement("script");
      element.src = script;
      element.onload = () => {
        element.remove();
        if (layers.has(script)) resolve(layers.get(script));
        else reject(new Error(`${script} holds no data`));
      };
      element.onerror = () => {
        element.remove();
        reject(new Error(`${script} is missing: keep index.html and its folder data together`));
      };
      document.head.append(element);
    });
    arrivals.set(script, arrival);
    const forget = () => arrivals.delete(script);
    arrival.then(forget, forget);
  }
  return arrivals.get(script);
}

/** Called by every data script. */
function receive(data) {
  layers.set(data.script, data);
  if (layers.size > N_LAYERS_KEPT) layers.delete(layers.keys().next().value);
}

// ---------------------------------------------------------------- names and numbers

/** The layers of what is chosen: `[{layer, script}]`. */
function layersOf(network, song) {
  return catalogue.shows.find((show) => show.network === network && show.song === song).layers;
}

/** Where a feature of the present layer is, by name; this is what is linked and marked. */
function placeOfFeature(feature) {
  return {
    network: catalogue.networks[state.network].name,
    song: catalogue.songs[state.song],
    layer: state.layer,
    feature,
  };
}

function currentFeature() {
  return layerData?.features.find((entry) => entry.feature === state.feature) ?? null;
}

/** A feature's name, such as 2-10; in blind mode its place in the shuffled order. */
function nameOf(feature) {
  if (!state.blind) return `${state.layer}-${String(feature).padStart(2, "0")}`;
  return `No. ${blindOrder().indexOf(feature) + 1}`;
}

function networkName(index) {
  if (!state.blind) return catalogue.networks[index].name;
  return `Network ${String.fromCharCode(65 + state.blind.networks.indexOf(index))}`;
}

/** What features can be sorted and filtered by: key → function of a feature. */
function measures() {
  const found = new Map([
    ["feature", (entry) => entry.feature],
    ["energy", (entry) => entry.energy],
    ["level", (entry) => entry.level],
    ["similarity", (entry) => entry.similarity],
  ]);
  for (const name of layerData?.attributes ?? []) {
    found.set(`attribute:${name}`, (entry) => entry.attributes[name]?.r);
  }
  return found;
}

const MEASURE_LABELS = {
  feature: "Number",
  energy: "Energy",
  level: "Level",
  similarity: "Similarity",
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
  const available = layersOf(state.network, state.song);
  const wanted = available.find((item) => item.layer === state.layer) ?? available[0];
  state.layer = wanted.layer;
  showChoices();
  let data;
  try {
    data = await loadLayer(wanted.script);
  } catch (error) {
    say(error.message);
    return;
  }
  if (asked !== lastAsked) return; // something else was chosen meanwhile
  const isNew = data !== layerData;
  layerData = data;
  if (!currentFeature()) state.feature = data.features[0].feature;
  if (isNew) {
    showSorts();
    showScales();
    showGrid();
  }
  await chooseFeature(state.feature, { play, history });
}

let lastAsked = 0;

/** Choose a feature of the layer at hand. */
async function chooseFeature(feature, { play = false, history = "replace" } = {}) {
  state.feature = feature;
  showFeature();
  scrollToCard();
  remember(history);
  await cue(play);
}

/** Hand the chosen feature and the original to the player; what plays goes on in its place. */
async function cue(play) {
  const data = layerData;
  const entry = currentFeature();
  const [feature, original] = await Promise.all([
    entry.flac ? player.decode(entry, data.sampleRate) : null,
    player.decode(data.original, data.sampleRate),
  ]);
  if (data !== layerData || entry !== currentFeature()) return;
  player.use(
    feature && { buffer: feature, gain: entry.gain[state.loudness] },
    { buffer: original, gain: data.original.gain[state.loudness] },
  );
  if (play) await player.play();
  showPlaying();
}

/** Put the choice in the address, so that it can be linked; not in blind mode, which it would betray. */
function remember(how) {
  const hash = state.blind ? "" : "#" + addressOf(placeOfFeature(state.feature));
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

/** Choose what the address names; if this page does not have all of it, say so. */
async function followAddress(history) {
  const address = location.hash.slice(1);
  if (!address) return choose({}, { history });
  const place = placeOf(address);
  const network = catalogue.networks.findIndex(({ name }) => name === place?.network);
  const song = catalogue.songs.indexOf(place?.song);
  const isKnown = network >= 0 && song >= 0;
  if (isKnown && state.blind) setBlind(null);
  const { layer, feature } = place ?? {};
  await choose(isKnown ? { network, song, layer, feature } : {}, { history });
  if (!isKnown || state.layer !== layer || state.feature !== feature) {
    say("This page does not have what the link names; this is the nearest that it has.");
  }
}

/** Choose another layer, song or network; the listener comes back with the browser's Back. */
function chooseWhere(choice) {
  return choose(choice, { history: "push" });
}

/** Move by `step` places in the order on the screen, staying within it. */
function move(step) {
  if (!shown.length) return;
  const at = shown.findIndex((entry) => entry.feature === state.feature);
  const to = at < 0 ? 0 : Math.min(Math.max(at + step, 0), shown.length - 1);
  chooseFeature(shown[to].feature);
  focusCard();
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
  const { start, end } = layerData.extent;
  const position = player.position;
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
  const buttons = layersOf(state.network, state.song).map(({ layer }) => {
    const input = make("input", { type: "radio", name: "layer", value: layer });
    input.checked = layer === state.layer;
    return make("label", {}, input, make("span", {}, String(layer)));
  });
  const focused = document.activeElement?.name === "layer";
  $("layers").replaceChildren($("layers").firstElementChild, ...buttons);
  if (focused) $("layers").querySelector(":checked").focus();
  $("evaluation").textContent = state.blind ? "" : evaluationText(catalogue.networks[state.network]);
}

/** One line about how well a network does its own work. */
function evaluationText(network) {
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

/** The measures to sort by that this layer has. */
function showSorts() {
  const options = [...measures().keys()].map((key) => [key, measureLabel(key)]);
  if (!measures().has(state.sort)) state.sort = "feature";
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
  $("place").textContent = `${networkName(state.network)} · ${catalogue.songs[state.song]}`;
  $("state").textContent = { dead: "dead", soundless: "no sound file" }[entry.state] ?? "";
  showPictures(entry);
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

function showPictures(entry) {
  const isMap = state.picture === "map";
  setPicture($("plot-feature"), entry.pictures?.[state.picture], `Picture of ${nameOf(entry.feature)}`);
  setPicture($("plot-original"), layerData.original.pictures.sound, "Spectrogram of the original");
  $("caption").textContent = isMap ? "deconvolved map" : "masked spectrogram";
  $("picture").textContent = isMap ? "Show spectrogram" : "Show map";
  $("legend-low").textContent = isMap ? "−" : `−${catalogue.range} dB`;
  $("legend-high").textContent = isMap ? "+" : "0 dB";
  const colours = catalogue.colours[state.picture];
  $("legend-bar").style.background = `linear-gradient(to right, ${colours.join(", ")})`;
}

function setPicture(plot, picture, description) {
  const image = plot.querySelector("img");
  image.hidden = !picture;
  image.alt = description;
  if (picture) image.src = pictureUrl(picture);
}

function pictureUrl(picture) {
  return `data:image/png;base64,${picture}`;
}

function showNumbers(entry) {
  if (state.blind) {
    $("numbers").tBodies[0].replaceChildren();
    return;
  }
  const rows = [
    ["Energy", readable(entry.energy), null, "Energy of the activation"],
    ["Peak", readable(entry.peak), null, "Greatest activation"],
    ["Level", decibelText(entry.level), null, "Under the loudest feature of the layer"],
    ["Similarity", correlationText(entry.similarity), entry.similarity, "Of map and original"],
  ];
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
  const place = placeOfFeature(state.feature);
  const mark = favourites.get(place);
  $("star").textContent = mark ? "★" : "☆";
  $("star").setAttribute("aria-pressed", Boolean(mark));
  $("star").setAttribute("aria-label", `Favourite ${nameOf(state.feature)}`);
  if (document.activeElement !== $("note")) $("note").value = mark?.note ?? "";
  const others = state.blind ? [] : favourites.elsewhere(place);
  $("elsewhere").replaceChildren(
    ...others.map((other) =>
      make(
        "li",
        {},
        "★ ",
        make("a", { href: "#" + addressOf(other) }, other.song),
        other.note ? `: ${other.note}` : "",
      ),
    ),
  );
  $("n-favourites").textContent = favourites.list().length;
}

// ---------------------------------------------------------------- axes

/** Put an image, axes, cursor and cross hair into both plots. */
function buildPlots() {
  for (const side of ["feature", "original"]) {
    const plot = $(`plot-${side}`);
    const pane = make(
      "div",
      { class: "pane" },
      make("p", { class: "blank" }, "nothing to see or hear"),
      make("img", { alt: "", draggable: "false", hidden: "" }),
      make("i", { class: "hair across" }),
      make("i", { class: "hair down" }),
      make("i", { class: "cursor" }),
    );
    pane.addEventListener("pointermove", (event) => showReadout(event, pane));
    pane.addEventListener("pointerleave", hideReadout);
    pane.addEventListener("click", (event) => {
      player.seek(pointAt(event, pane).time);
      showPosition();
    });
    plot.append(make("div", { class: "scale hertz" }), pane, make("div", { class: "scale seconds" }));
  }
}

/** Write the ticks of both axes for the layer at hand. */
function showScales() {
  const { start, end, low, high } = layerData.extent;
  const hertz = TICKS_HZ.filter((tick) => tick > low && tick < high).map((tick) => [
    tick < 1000 ? `${tick}` : `${tick / 1000}k`,
    1 - Math.log(tick / low) / Math.log(high / low),
  ]);
  const step = [0.5, 1, 2, 5, 10, 20, 60].find((size) => (end - start) / size <= 9) ?? 120;
  const seconds = [];
  for (let tick = 0; tick < end - step / 4; tick += step) {
    seconds.push([`${tick}`, (tick - start) / (end - start)]);
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
  const { start, end, low, high } = layerData.extent;
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
  const place = placeOfFeature(feature);
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
  const place = placeOfFeature(state.feature);
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
    const isMarked = Boolean(favourites.get(placeOfFeature(Number(card.dataset.feature))));
    card.lastElementChild.textContent = isMarked ? "★" : "☆";
    card.lastElementChild.setAttribute("aria-pressed", isMarked);
  }
}

/** The list of all favourites, in its dialog. */
function showFavourites() {
  const marks = favourites.list();
  $("favourites-status").textContent = favouritesStatus(marks);
  $("favourites-list").replaceChildren(...(state.blind ? [] : marks.map(makeFavourite)));
  for (const id of ["export-json", "export-csv"]) $(id).disabled = Boolean(state.blind) || !marks.length;
}

function favouritesStatus(marks) {
  if (!favourites.kept) return "This browser keeps nothing for this page: export before you leave.";
  if (state.blind) return `${marks.length}, hidden in blind mode.`;
  if (!marks.length) return "None yet: press f, or write a note.";
  return `${marks.length}, kept in this browser. Export them to be safe, or to work with them.`;
}

function makeFavourite(mark) {
  const name = `${mark.layer}-${String(mark.feature).padStart(2, "0")}`;
  const link = make("a", { href: "#" + addressOf(mark) }, name);
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

/** Offer a text as a file to save. */
function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function importFavourites(file) {
  try {
    const count = favourites.merge(await file.text());
    showMarks();
    $("favourites-status").textContent = `${count} read from ${file.name}.`;
  } catch {
    $("favourites-status").textContent = `${file.name} is not an export of favourites (JSON).`;
  }
}

// ---------------------------------------------------------------- blind mode

async function toggleBlind() {
  if (state.blind) {
    setBlind(null);
    await choose({});
  } else {
    const networks = shuffled(catalogue.networks.map((_, index) => index));
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
  const { loudness, picture, hideDead } = state;
  try {
    localStorage.setItem(PREFERENCES, JSON.stringify({ loudness, picture, hideDead, loop: player.loop }));
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
  state.hideDead = $("hide-dead").checked = stored.hideDead === true;
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
  o: () => listenTo(player.side === "feature" ? "original" : "feature"),
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
  f: () => toggleFavourite(),
  n: () => $("note").focus(),
  b: toggleBlind,
  "/": () => $("filter").focus(),
  "?": () => $("help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isField = event.target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
  if (event.key === "Escape" && isField) leaveField(event.target);
  if (isField || belongsTo(event.target, event.key)) return;
  const action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()] ?? layerKey(event.key);
  if (!action) return;
  event.preventDefault();
  action();
}

/** Whether an element wants a key for itself: a button is pressed, radios are stepped through. */
function belongsTo(element, key) {
  const isCard = Boolean(element.closest(".card"));
  if (key === " ") return element.matches("button, a, input") && !isCard;
  if (key === "Enter") return element.matches("button, a");
  return key.startsWith("Arrow") && element.matches("[type=radio]");
}

function layerKey(key) {
  const layer = Number(key);
  const exists = layersOf(state.network, state.song).some((item) => item.layer === layer);
  return exists ? () => chooseWhere({ layer }) : null;
}

/** Escape: back to the cards; from the filter with everything shown. */
function leaveField(field) {
  if (field === $("filter")) {
    field.value = "";
    setFilter("");
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

function setFilter(text) {
  state.filter = text;
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
  on("previous", "click", () => move(-1));
  on("next", "click", () => move(1));
  on("sides", "change", (event) => listenTo(event.target.value));
  on("loudness", "change", (event) => setLoudness(event.target.value));
  on("loop", "change", (event) => setLoop(event.target.checked));
  on("picture", "click", togglePicture);
  on("star", "click", () => toggleFavourite());
  on("note", "input", writeNote);
  on("filter", "input", (event) => setFilter(event.target.value));
  on("sort", "change", (event) => setSort(event.target.value));
  on("descending", "click", () => setOrder(!state.descending));
  on("hide-dead", "change", (event) => {
    state.hideDead = event.target.checked;
    storePreferences();
    showGrid();
  });
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
  on("export-json", "click", () =>
    download("favourites.json", "application/json", favourites.json(catalogue.experiment)),
  );
  on("export-csv", "click", () => download("favourites.csv", "text/csv", favourites.csv()));
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
  if (!byPointer || !isControl || event.target.closest("dialog, .notes, .grow")) return;
  if (event.type === "click" && event.target.matches("select")) return; // it has just opened
  setTimeout(() => document.querySelector("dialog[open]") ?? focusCard());
}

let byPointer = false;

/** Numbers begin with the smallest, measures with the greatest. */
function setSort(sort) {
  state.sort = sort;
  setOrder(sort !== "feature");
}

function setOrder(descending) {
  state.descending = descending;
  showDirection();
  showGrid();
  document.querySelector(".browse").scrollTop = 0;
}

function clearSieve() {
  state.hideDead = $("hide-dead").checked = false;
  state.onlyFavourites = $("only-favourites").checked = false;
  $("filter").value = "";
  setFilter("");
}

/** Called by data/catalogue.js, the last script of the page. */
function open(found) {
  catalogue = found;
  favourites = new Favourites(catalogue.experiment);
  $("experiment").textContent = catalogue.experiment;
  $("details").open = WIDE.matches;
  buildPlots();
  connect();
  restorePreferences();
  followAddress("replace");
}

window.auralise = { open, receive, player };
