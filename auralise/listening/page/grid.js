"use strict";

/** The cards of the features: which are shown, in what order, and what stands on them. */

const COMPARISON = /^([^<>=]+?)(<=|>=|<|>|=)(-?[\d.]+(?:e-?\d+)?)$/i;

/** Show the features that pass, in order. */
function showGrid() {
  if (!layerData) return;
  shown = layerData.features.filter(passes).sort(inOrder());
  const hadFocus = $("grid").contains(document.activeElement);
  $("grid").replaceChildren(...shown.map(makeCard));
  $("nothing").hidden = shown.length > 0;
  showCount();
  showFeature();
  if (hadFocus) focusCard();
}

function showCount() {
  const count = (which) => layerData.features.filter((entry) => entry.state === which).length;
  const [dead, soundless] = [count("dead"), count("soundless")];
  const total = layerData.features.length;
  const parts = [shown.length < total ? `${shown.length} of ${total} features` : `${total} features`];
  parts.push(`${dead} dead`);
  if (soundless) parts.push(`${soundless} without a sound file`);
  $("count").textContent = parts.join(" · ");
}

/** Whether a feature passes the filter, hide dead and only favourites. */
function passes(entry) {
  if (state.hideDead && entry.state !== "live") return false;
  const mark = favourites.get(placeOfFeature(entry.feature));
  if (state.onlyFavourites && !mark) return false;
  const text = `${nameOf(entry.feature)} ${mark?.note ?? ""}`.toLowerCase();
  return state.filter
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((word) => compares(word, entry) ?? text.includes(word));
}

/** Whether `level>-20` and the like hold of a feature; undefined if `word` is no comparison. */
function compares(word, entry) {
  const match = COMPARISON.exec(word);
  if (!match || state.blind) return undefined;
  const [, name, sign, number] = match;
  const key = [...measures().keys()].find(
    (candidate) => measureLabel(candidate).toLowerCase() === name || candidate === name,
  );
  if (!key) return undefined;
  const value = measures().get(key)(entry);
  if (value === null || value === undefined) return false;
  const bound = Number(number);
  switch (sign) {
    case "<":
      return value < bound;
    case "<=":
      return value <= bound;
    case ">":
      return value > bound;
    case ">=":
      return value >= bound;
    default:
      return value === bound;
  }
}

/** A comparison of features for the chosen order; those without a value come last. */
function inOrder() {
  if (state.blind) {
    const order = blindOrder();
    return (a, b) => order.indexOf(a.feature) - order.indexOf(b.feature);
  }
  const measure = measures().get(state.sort);
  const sign = state.descending ? -1 : 1;
  return (a, b) => {
    const [left, right] = [measure(a) ?? null, measure(b) ?? null];
    if (left === null || right === null) return (left === null) - (right === null);
    return sign * (left - right) || a.feature - b.feature;
  };
}

function makeCard(entry) {
  const name = nameOf(entry.feature);
  const picture = entry.pictures?.[state.picture];
  const button = make(
    "button",
    { type: "button", tabindex: "-1", "aria-label": cardLabel(entry) },
    picture
      ? make("img", { src: pictureUrl(picture), alt: "", loading: "lazy", draggable: "false" })
      : make("span", { class: "blank" }, entry.state === "dead" ? "dead" : "no sound file"),
    make("span", { class: "line" }, make("b", {}, name), make("small", {}, energyText(entry))),
    state.blind ? "" : cardNumbers(entry),
  );
  button.addEventListener("click", () => playFromCard(entry.feature));
  const isMarked = Boolean(favourites.get(placeOfFeature(entry.feature)));
  const star = make(
    "button",
    {
      type: "button",
      class: "star",
      tabindex: "-1",
      "aria-pressed": String(isMarked),
      "aria-label": `Favourite ${name}`,
    },
    isMarked ? "★" : "☆",
  );
  star.addEventListener("click", () => toggleFavourite(entry.feature));
  const item = make("li", { class: `card ${entry.state}`, "data-feature": entry.feature }, button, star);
  return item;
}

function cardLabel(entry) {
  const trouble = { dead: ", dead", soundless: ", no sound file" }[entry.state] ?? "";
  const energy = state.blind || trouble ? "" : `, energy ${readable(entry.energy)}`;
  return `Feature ${nameOf(entry.feature)}${energy}${trouble}`;
}

function energyText(entry) {
  return state.blind || entry.state === "dead" ? "" : `E ${readable(entry.energy)}`;
}

/** The attributes' correlations; and what the grid is sorted by, unless it is there already. */
function cardNumbers(entry) {
  const rows = layerData.attributes.map((name) => {
    const r = entry.attributes[name]?.r;
    return [name, correlationText(r), r];
  });
  if (state.sort === "level") rows.unshift(["level", decibelText(entry.level), null]);
  if (state.sort === "similarity") {
    rows.unshift(["similarity", correlationText(entry.similarity), entry.similarity]);
  }
  return make(
    "span",
    { class: "values" },
    ...rows.map(([name, text, r]) =>
      make("span", {}, make("span", {}, name), correlationBar(r), make("span", { class: "number" }, text)),
    ),
  );
}

/** A click plays the card's feature from where the sound is; on what is heard, it pauses. */
function playFromCard(feature) {
  const isHeard = player.playing && player.side === "feature" && feature === state.feature;
  if (isHeard) {
    togglePlay();
    return;
  }
  player.listenTo("feature");
  chooseFeature(feature, { play: true });
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
