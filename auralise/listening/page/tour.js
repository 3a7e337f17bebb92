"use strict";

/** The tour of 2015, and what features that have a name are made of. */

let stopAt = 0;

/** The network whose features the tour shows: the last one chosen that stands beside no other. */
let toured = 0;

/** One button a stop. */
function showStops() {
  const { tour } = catalogue;
  if (!tour) return;
  $("stops").replaceChildren(
    ...tour.roles.map(({ what }, index) => {
      const button = make("button", { type: "button" }, capitalised(what));
      button.addEventListener("click", () => goToStop(index));
      return make("li", {}, button);
    }),
  );
  $("tour").addEventListener("toggle", () => showTour());
}

/** Show a stop and play it: what was found in the network, or the planted one. */
function goToStop(index) {
  stopAt = index;
  showTour();
  const { roles, songs } = catalogue.tour;
  const [first] = playersOf(index).filter(({ place }) => place);
  if (!first) return;
  const { song } = roles[index];
  const heard = [song, ...songs].find((at) => stateOf({ ...first.place, song: at }) === "audible");
  playPlace({ ...first.place, song: heard ?? song });
}

/**
 * Who plays a role: the network at hand, and those beside it.
 *
 * @returns {{network: number, place: ?{network: number, layer: number, feature: number}}[]}
 */
function playersOf(index) {
  const { roles, beside, planted } = catalogue.tour;
  const { players } = roles[index];
  return [...new Set([toured, ...beside])]
    .filter((network) => network !== planted || players[network])
    .map((network) => {
      const [layer, feature] = players[network] ?? [];
      return { network, place: players[network] ? { network, layer, feature } : null };
    });
}

let tourShown = "";

/** The stop at hand, player by player, with the tour's songs. */
function showTour() {
  const { tour } = catalogue;
  $("tour").hidden = !tour || Boolean(state.blind);
  if ($("tour").hidden || !$("tour").open) return;
  const { what, players } = tour.roles[stopAt];
  if (String(state.network) in players && !tour.beside.includes(state.network)) toured = state.network;
  if (tourShown === `${stopAt}/${toured}`) return;
  tourShown = `${stopAt}/${toured}`;
  [...$("stops").children].forEach(({ firstElementChild: button }, index) => {
    if (index === stopAt) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  });
  $("stop-title").textContent = `${stopAt + 1}. ${capitalised(what)}`;
  const found = playersOf(stopAt);
  $("stop-words").textContent = wordsOfStop(found);
  $("players").replaceChildren(...found.filter(({ place }) => place).map(({ place }) => makePlayer(place)));
}

/** Where none was found, and that what is heard then was planted. */
function wordsOfStop(found) {
  const none = found.filter(({ place }) => !place).map(({ network }) => catalogue.networks[network].name);
  if (!none.length) return "";
  const isPlanted = found.some(({ network, place }) => place && network === catalogue.tour.planted);
  const isAll = found.every(({ network, place }) => !place || network === catalogue.tour.planted);
  const planted = isPlanted && isAll ? " What you hear is planted: made by hand to be one." : "";
  return `None found in ${none.join(", ")}.${planted}`;
}

/** A player of a role: its name, what it is made of, and how it sounds with each song. */
function makePlayer(place) {
  const { tour, networks } = catalogue;
  const link = linkTo({ ...place, song: tour.roles[stopAt].song });
  const head = make("p", {}, make("b", {}, networks[place.network].name), " ", link, " ", wordsOfName(place));
  const origin = originOf(place);
  const cards = make("ul", { class: "row-of-cards" }, ...cardsWithSongs(place, tour.songs));
  return make("li", { class: "player" }, head, cards, origin ?? "");
}

/** How sure a name is, in a few words. */
function wordsOfName(place) {
  const name = nameOfFeature(place);
  if (!name || name.score === null) return "";
  const isUntrained = catalogue.tour?.beside.includes(place.network);
  const mark = name.learned ? ", learned" : isUntrained ? "" : ", not shown to be learned";
  return make("small", {}, `score ${name.score.toFixed(2)}${mark}`);
}

/** A feature's kernel, or the features below that drive it; null where neither is known. */
function originOf(place) {
  const { kernels, below } = catalogue.networks[place.network];
  const key = `${place.layer}-${place.feature}`;
  if (kernels[key]) return kernelOf(kernels[key]);
  if (!below[key]) return null;
  const layer = place.layer - 1;
  const items = below[key].map(([feature, share]) => {
    const text = `${share < 0 ? "−" : "+"}${Math.round(100 * Math.abs(share))} % `;
    return make("li", {}, text, linkTo({ song: state.song, ...place, layer, feature }));
  });
  return make("ol", { class: "below", "aria-label": "Features below that contribute most" }, ...items);
}

/** A kernel as a picture, the lowest bin at the bottom. */
function kernelOf(rows) {
  const [height, width] = [rows.length, rows[0].length];
  const greatest = Math.max(...rows.flat().map(Math.abs)) || 1;
  const numbers = [...rows].reverse().map((row) => row.map((weight) => correlationText(weight)).join(" "));
  const said = height * width <= 25 ? `, from the highest bin down: ${numbers.join("; ")}` : "";
  const label = `Kernel, ${height} bins × ${width} frames${said}`;
  const canvas = make("canvas", { class: "kernel", width, height, role: "img", "aria-label": label });
  canvas.style.aspectRatio = `${width} / ${height}`;
  const colours = coloursOf("map");
  const image = new ImageData(width, height);
  rows.forEach((row, bin) =>
    row.forEach((weight, frame) => {
      const colour = colours[Math.round(((1 + weight / greatest) / 2) * (colours.length - 1))];
      image.data.set(colour, 4 * ((height - 1 - bin) * width + frame));
    }),
  );
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** What the chosen feature is made of, and the best of its name in other networks. */
function showOrigin() {
  const name = labelOf(state);
  const places = [state];
  catalogue.networks.forEach(({ names }, network) => {
    const found = Object.keys(names).filter((key) => name && names[key].name === name);
    if (network === state.network || !found.length) return;
    const [layer, feature] = found.sort((a, b) => names[b].score - names[a].score)[0].split("-").map(Number);
    places.push({ network, song: state.song, layer, feature });
  });
  const known = places.map((place) => [place, originOf(place)]).filter(([, origin]) => origin);
  $("origin").hidden = !known.length || known[0][0] !== state;
  $("origin-list").replaceChildren(
    ...known.map(([place, origin]) => {
      const where = place === state ? "" : `${catalogue.networks[place.network].name} `;
      return make("li", {}, make("p", {}, where, linkTo(place), " ", wordsOfName(place)), origin);
    }),
  );
}
