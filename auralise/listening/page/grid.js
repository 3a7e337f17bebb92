"use strict";

/** The cards of the features: which are shown, in what order, and what stands on them. */

/** Show the audible features that pass, in order, and fold the others away. */
function showGrid() {
  if (!layerData) return;
  const passing = layerData.features.filter(passes);
  const order = inOrder();
  shown = passing.filter((entry) => entry.state === "audible").sort(order);
  const hadFocus = $("grid").contains(document.activeElement);
  $("grid").replaceChildren(...shown.map((entry) => makeCard(placeOfFeature(entry.feature), entry)));
  $("nothing").hidden = shown.length > 0;
  showFolded(passing.filter((entry) => entry.state !== "audible"));
  showCount();
  showElsewhere();
  showBeside();
  showFeature();
  if (hadFocus) focusCard();
}

function showCount() {
  const count = (which) => layerData.features.filter((entry) => entry.state === which).length;
  const audible = count("audible");
  const parts = [shown.length < audible ? `${shown.length} of ${audible} audible` : `${audible} audible`];
  if (count("below")) parts.push(`${count("below")} below ${floorText()}`);
  if (count("dead")) parts.push(`${count("dead")} never fired`);
  $("count").textContent = parts.join(" · ");
}

function floorText() {
  return `${String(catalogue.audible).replace("-", "−")} dB`;
}

/** What is below the audibility floor or dead: a list, folded away. */
function showFolded(entries) {
  $("folded").hidden = !entries.length || Boolean(state.blind);
  $("folded-title").textContent = `Not audible with this song: ${entries.length}`;
  const what = `Sounds more than ${-catalogue.audible} dB below the layer's loudest`;
  $("folded-where").textContent = listOf(state).keepsAll
    ? `${what} stay with the results, as WAV in ${showOf(state).sounds}/layer${state.layer}.`
    : `${what} were not kept.`;
  const byLevel = (a, b) => (b.level ?? -Infinity) - (a.level ?? -Infinity) || a.feature - b.feature;
  $("folded-list").replaceChildren(
    ...[...entries].sort(byLevel).map((entry) => {
      const text = entry.state === "dead" ? "never fired" : decibelText(entry.level);
      return make("li", {}, linkTo(placeOfFeature(entry.feature)), " ", make("small", {}, text));
    }),
  );
}

/** The same layer of another network, as cards of their own. */
async function showBeside() {
  const isShown = state.beside !== null && !state.blind && state.beside !== state.network;
  $("beside").hidden = !isShown;
  document.body.classList.toggle("two", isShown);
  $("grid-title").textContent = isShown ? networkName(state.network) : "";
  if (!isShown) return;
  const place = { network: state.beside, song: state.song, layer: state.layer };
  $("beside-title").textContent = networkName(state.beside);
  $("beside-grid").replaceChildren();
  const list = listOf(place);
  if (!list) return;
  const data = await loadLayer(place);
  if (state.beside !== place.network || state.layer !== place.layer || state.song !== place.song) return;
  const audible = data.features.filter((entry) => entry.state === "audible");
  audible.sort((a, b) => b.level - a.level);
  const cards = audible.map((entry) => makeCard({ ...place, feature: entry.feature }, entry, false));
  $("beside-grid").replaceChildren(...cards);
}

/** Whether a feature passes the search and only favourites. */
function passes(entry) {
  const place = placeOfFeature(entry.feature);
  if (state.onlyFavourites && !favourites.get(markOf(place))) return false;
  if (!state.query) return true;
  if (state.blind) return nameOf(entry.feature).toLowerCase().includes(state.query.toLowerCase());
  const measure = (name) => {
    if (name === "score") return nameOfFeature(place)?.score ?? null;
    const key = [...measures().keys()].find(
      (candidate) => measureLabel(candidate).toLowerCase() === name || candidate === name,
    );
    return key ? (measures().get(key)(entry) ?? null) : undefined;
  };
  return matches(state.query, textOf(place), measure);
}

/** A comparison of features for the chosen order; those without a value come last. */
function inOrder() {
  if (state.blind) {
    const order = blindOrder();
    return (a, b) => order.indexOf(a.feature) - order.indexOf(b.feature);
  }
  const sign = state.descending ? -1 : 1;
  if (state.sort === "name") {
    const text = (entry) => labelOf(placeOfFeature(entry.feature));
    return (a, b) => {
      const [left, right] = [text(a), text(b)];
      if (!left || !right) return !left - !right || b.level - a.level;
      return -sign * left.localeCompare(right) || b.level - a.level;
    };
  }
  if (state.sort === "likeness") {
    const at = (entry) => layerData.alike.indexOf(entry.feature);
    return (a, b) => -sign * (at(a) - at(b));
  }
  const measure = measures().get(state.sort);
  return (a, b) => {
    const [left, right] = [measure(a) ?? null, measure(b) ?? null];
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (left - right) || a.feature - b.feature;
  };
}

/**
 * A card: a button with a picture that plays, and a star.
 *
 * @param {object} place
 * @param {object} entry of its layer's script
 * @param {boolean} isMain of the grid through which arrow keys move: one stop for Tab
 */
function makeCard(place, entry, isMain = true) {
  const number = isMain ? nameOf(place.feature) : numberOf(place.layer, place.feature);
  const label = state.blind ? "" : labelOf(place);
  const canvas = make("canvas", { width: 172, height: 112, "aria-hidden": "true" });
  const button = make(
    "button",
    { type: "button", tabindex: isMain ? "-1" : "0" },
    canvas,
    make(
      "span",
      { class: "line" },
      make("b", {}, number),
      state.blind ? "" : make("small", {}, decibelText(entry.level)),
    ),
    label ? make("span", { class: "label" }, label) : "",
    state.blind || !isMain ? "" : cardNumbers(entry),
  );
  button.addEventListener("click", () => playPlace(place));
  paintSoon(canvas, place);
  const card = make("li", { class: "card", "data-feature": place.feature }, button);
  if (isMain) card.append(makeStar(place, number));
  return card;
}

function makeStar(place, number) {
  const isMarked = Boolean(favourites.get(markOf(place)));
  const star = make(
    "button",
    {
      type: "button",
      class: "star",
      tabindex: "-1",
      "aria-pressed": String(isMarked),
      "aria-label": `Favourite ${number}`,
    },
    isMarked ? "★" : "☆",
  );
  star.addEventListener("click", () => toggleFavourite(place.feature));
  return star;
}

/** Paint a card's picture on its layer's scale, so that levels can be compared. */
async function paintSoon(canvas, place) {
  const { picture, mode } = state;
  try {
    const [data, song, map] = await Promise.all([loadLayer(place), loadSong(place), loadMap(place)]);
    await new Promise((resolve) => setTimeout(resolve)); // the page answers between two pictures
    if (!canvas.isConnected || !map) return;
    paint(canvas, song, map, { kind: picture, mode, fullScale: data.fullScale });
  } catch {
    canvas.classList.add("lost");
  }
}

/**
 * Cards of one feature with several songs, below the songs' names.
 *
 * @param {{network: number, layer: number, feature: number}} which
 * @param {number[]} songs
 * @returns {HTMLLIElement[]} filled as the songs' layers arrive
 */
function cardsWithSongs(which, songs) {
  return songs.map((song) => {
    const place = { ...which, song };
    const item = make("li", { class: "card" }, make("p", {}, catalogue.songs[song]));
    const found = stateOf(place);
    if (found === "audible") {
      loadEntry(place)
        .then((entry) => item.append(makeCard(place, entry, false).firstElementChild))
        .catch((error) => say(error.message));
    } else {
      const text = { dead: "never fired", below: `below ${floorText()}` }[found] ?? "not there";
      item.append(make("p", { class: "blank" }, text));
    }
    return item;
  });
}

/** What the grid is sorted by, unless it is there already, and the attributes' correlations. */
function cardNumbers(entry) {
  const isAttribute = state.sort.startsWith("attribute:");
  const rows = [];
  if (["energy"].includes(state.sort)) rows.push(["energy", readable(entry.energy), null]);
  if (state.sort === "similarity") {
    rows.push(["similarity", correlationText(entry.similarity), entry.similarity]);
  }
  if (isAttribute) {
    const name = state.sort.slice("attribute:".length);
    const r = entry.attributes[name]?.r;
    rows.push([name, correlationText(r), r]);
  }
  if (!rows.length) return "";
  return make(
    "span",
    { class: "values" },
    ...rows.map(([name, text, r]) =>
      make("span", {}, make("span", {}, name), correlationBar(r), make("span", { class: "number" }, text)),
    ),
  );
}

/** A click plays a card's feature from where the sound is; on what is heard, it pauses. */
function playPlace(place) {
  const isChosen = ["network", "song", "layer", "feature"].every((key) => state[key] === place[key]);
  if (isChosen && player.playing && player.side === "feature") {
    togglePlay();
    return;
  }
  player.listenTo("feature");
  const isHere = place.network === state.network && place.song === state.song && place.layer === state.layer;
  if (isHere) chooseFeature(place.feature, { play: true });
  else choose(place, { play: true, history: "push" });
}

/** Bring the chosen card into view where the cards scroll on their own. */
function scrollToCard() {
  if (!WIDE.matches) return;
  $("grid").querySelector(".current")?.scrollIntoView({ block: "nearest" });
}

function focusCard() {
  $("grid").querySelector(".current button")?.focus({ preventScroll: true });
}

/** How many cards stand side by side. */
function nColumns() {
  const cards = [...$("grid").children];
  const top = cards[0]?.offsetTop;
  const next = cards.findIndex((card) => card.offsetTop !== top);
  return next < 0 ? cards.length : next;
}
