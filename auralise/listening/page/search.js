"use strict";

/** One search over names, notes and numbers: of the layer at hand, and of everything else. */

const COMPARISON = /^([^<>=]+?)(<=|>=|<|>|=)(-?[\d.]+(?:e-?\d+)?)$/i;
const N_SHOWN_ELSEWHERE = 60;

/** Lower case, without the spaces that people put around signs. */
function words(query) {
  return query
    .toLowerCase()
    .replaceAll("−", "-")
    .replace(/\s*(<=|>=|<|>|=)\s*/g, "$1")
    .replace(/(\d)\s*-\s*(\d)/g, "$1-$2")
    .split(/\s+/)
    .filter(Boolean);
}

function squeezed(text) {
  return text.toLowerCase().replace(/[\s_-]+/g, "");
}

/**
 * Whether a feature is what is searched for.
 *
 * @param {string} query
 * @param {string} text all that is said of the feature
 * @param {(name: string) => ?number | undefined} measure a number by its name; undefined: no such
 */
function matches(query, text, measure) {
  const plain = text.toLowerCase();
  const isAsOneWord = squeezed(query) && squeezed(text).includes(squeezed(query));
  return isAsOneWord || words(query).every((word) => compares(word, measure) ?? plain.includes(word));
}

/** Whether `level>-20` and the like hold; undefined if `word` is no comparison. */
function compares(word, measure) {
  const match = COMPARISON.exec(word);
  if (!match) return undefined;
  const [, name, sign, number] = match;
  const value = measure(name);
  if (value === undefined) return undefined;
  if (value === null) return false;
  const bound = Number(number);
  const holds = {
    "<": value < bound, "<=": value <= bound, ">": value > bound, ">=": value >= bound, "=": value === bound,
  };
  return holds[sign];
}

/** All that is said of a feature: numbers, name, note, network, song. */
function textOf(place) {
  const { network, song, layer, feature } = place;
  const { name, runnerUp } = nameOfFeature(place) ?? {};
  const note = favourites.get(markOf(place))?.note;
  const numbers = `${numberOf(layer, feature)} ${layer}-${feature}`;
  const where = `${catalogue.networks[network].name} ${catalogue.songs[song]}`;
  return [numbers, name, runnerUp, note, where].filter(Boolean).join(" ");
}

/** Features of other layers, networks and songs that are searched for, the loudest first. */
function foundElsewhere(query) {
  const found = [];
  for (const { network, song, layers } of catalogue.shows) {
    for (const list of layers) {
      if (network === state.network && song === state.song && list.layer === state.layer) continue;
      list.features.forEach((feature, i) => {
        const place = { network, song, layer: list.layer, feature };
        const measure = (name) =>
          ({
            level: list.levels[i],
            energy: list.energies[i],
            similarity: list.similarities[i],
            score: nameOfFeature(place)?.score ?? null,
          })[name];
        if (list.states[i] === "audible" && matches(query, textOf(place), measure)) {
          found.push({ place, level: list.levels[i] });
        }
      });
    }
  }
  const isHere = ({ place }) => place.network === state.network && place.song === state.song;
  return found.sort((a, b) => isHere(b) - isHere(a) || b.level - a.level);
}

/** The list under the grid: what the search finds elsewhere. */
function showElsewhere() {
  const found = state.query && !state.blind ? foundElsewhere(state.query) : [];
  $("elsewhere").hidden = !found.length;
  const more = found.length > N_SHOWN_ELSEWHERE ? `, the first ${N_SHOWN_ELSEWHERE} here` : "";
  $("elsewhere-title").textContent = `Found elsewhere: ${found.length}${more}`;
  $("elsewhere-list").replaceChildren(
    ...found.slice(0, N_SHOWN_ELSEWHERE).map(({ place, level }) =>
      make("li", {}, linkTo(place, { withWhere: true }), " ", make("small", {}, decibelText(level))),
    ),
  );
}
