"use strict";

/** The strongest seconds of a feature in the data set: a list that plays, and what is saved of it. */

const keptStrongest = new Kept(N_LAYERS_KEPT);
let callsOfStrongest = 0;  // the last call draws

/**
 * The strongest seconds of the chosen feature, or excerpts of its exam in which it is still.
 *
 * @param {"features" | "still"} kind
 * @returns {Promise<{clip: string, start: number, end: number, activation: number, sound: ?Uint8Array}[]>}
 *   `sound` is MP3
 */
async function secondsOf(kind) {
  const { network, layer, feature } = state;
  const script = catalogue.networks[network].strongest[layer];
  if (!script) return [];
  const data = await keptStrongest.get(script, () => loadScript(script));
  return (data[kind][feature] ?? []).map(([clip, start, end, activation, sound]) => ({
    clip, start, end, activation, sound: sound === null ? null : bytesOf(data.sounds[sound]),
  }));
}

function urlOf(sound) {
  return URL.createObjectURL(new Blob([sound], { type: "audio/mpeg" }));
}

function secondText({ clip, start, end }) {
  return `${clip}, ${start.toFixed(1)}–${end.toFixed(1)} s`;
}

async function showStrongest() {
  const call = ++callsOfStrongest;
  const [seconds, still] = await Promise.all([secondsOf("features"), secondsOf("still")]);
  if (call !== callsOfStrongest) return;
  for (const audio of $("strongest").querySelectorAll("audio")) URL.revokeObjectURL(audio.src);
  const items = playable(seconds);
  $("strongest-list").replaceChildren(...(items.length ? items : [make("li", {}, "It never fires there.")]));
  const named = catalogue.networks[state.network].names[`${state.layer}-${state.feature}`];
  $("still").hidden = !still.length;
  $("still-title").textContent = still.length ? `Without ${named.name} it is still: excerpts of its exam` : "";
  $("still-list").replaceChildren(...playable(still));
  const anySound = seconds.some(({ sound }) => sound);
  for (const id of ["save-strongest", "save-track"]) $(id).disabled = !anySound;
}

function playable(seconds) {
  return seconds.map((second) =>
    make(
      "li",
      {},
      make("span", {}, secondText(second)),
      second.sound
        ? make("audio", { controls: "", preload: "none", src: urlOf(second.sound), "aria-label": secondText(second) })
        : make("small", {}, "its clip is not there any more"),
    ),
  );
}

/** Those that have a sound, in a row: their samples, and where each begins and ends (s). */
async function strongestInARow() {
  const { sampleRate } = theSong;
  const seconds = (await secondsOf("features")).filter(({ sound }) => sound);
  const parts = [];
  for (const { sound } of seconds) {
    const context = new OfflineAudioContext(1, 1, sampleRate);
    parts.push((await context.decodeAudioData(sound.buffer)).getChannelData(0));
  }
  const samples = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  const marks = parts.map((part, i) => {
    samples.set(part, at);
    const mark = { start: at / sampleRate, end: (at + part.length) / sampleRate, text: secondText(seconds[i]) };
    at += part.length;
    return mark;
  });
  return { samples, marks };
}

function nameOfStrongest() {
  return `${catalogue.networks[state.network].name}_${numberOf(state.layer, state.feature)}_strongest`;
}

async function saveStrongest() {
  const { samples } = await strongestInARow();
  download(`${nameOfStrongest()}.wav`, wavOf(samples, theSong.sampleRate));
}

/** A label track, as Audacity imports it: start, end (s) and text, with tabs between. */
async function saveTrack() {
  const { marks } = await strongestInARow();
  const lines = marks.map(({ start, end, text }) =>
    [start.toFixed(6), end.toFixed(6), text.replace(/\s+/g, " ")].join("\t"),
  );
  download(`${nameOfStrongest()}.txt`, new Blob([lines.join("\n") + "\n"], { type: "text/plain" }));
}
