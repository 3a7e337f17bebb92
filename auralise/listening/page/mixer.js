"use strict";

/** The mixture: up to eight features of any layer and network, which sound together. */

const N_CHANNELS = 8;
const QUIETEST = -40; // dB, at the lower end of a fader
const LOUDEST = 12;

/**
 * @typedef {object} Channel
 * @property {number} network index in the catalogue
 * @property {number} layer
 * @property {number} feature
 * @property {number} level dB, added to what the loudness gives
 * @property {boolean} mute
 * @property {boolean} solo
 */

/** @type {Channel[]} */
let channels = [];

function isMixed(place) {
  return channels.some(
    (channel) =>
      channel.network === place.network &&
      channel.layer === place.layer &&
      channel.feature === place.feature,
  );
}

function addChannel() {
  const { network, layer, feature } = state;
  if (isMixed(state)) return say("It is in the mixture already.");
  if (channels.length === N_CHANNELS) return say(`A mixture has at most ${N_CHANNELS} features.`);
  channels.push({ network, layer, feature, level: 0, mute: false, solo: false });
  showMixer();
  return mixtureChanged();
}

function removeChannel(index) {
  channels.splice(index, 1);
  showMixer();
  ($("channels").children[Math.min(index, channels.length - 1)]?.querySelector("a") ?? $("add")).focus();
  return mixtureChanged();
}

/** What the mixture consists of changed: its sounds are put together anew. */
async function mixtureChanged() {
  remember("replace");
  await cue(false);
}

/** The mixture's sounds with the song at hand; what has none here, or of another rate, is left out. */
async function mixtureSounds() {
  const present = channels.filter((channel) => listOf({ ...channel, song: state.song }));
  const sounds = await Promise.all(
    present.map((channel) => loadSound({ ...channel, song: state.song }, state.mode)),
  );
  const found = present
    .map((channel, i) => ({ channel, sound: sounds[i] }))
    .filter(({ sound }) => sound?.buffer.sampleRate === theSong.sampleRate);
  return found.map(({ channel, sound }) => ({ channel, sound, buffer: sound.buffer, gain: 0 }));
}

/** Set the gain of each sound, lowered together where their sum would clip. */
function balance(sounds) {
  const soloed = channels.some(({ solo }) => solo);
  for (const each of sounds) {
    const { level, mute, solo } = each.channel;
    const isHeard = !mute && (!soloed || solo);
    each.gain = isHeard ? each.sound[state.loudness] * 10 ** (level / 20) : 0;
  }
  const peak = peakOf(summed(sounds));
  for (const sound of sounds) sound.gain /= Math.max(1, peak);
  return sounds;
}

/** The sum of sounds at their gains. */
function summed(sounds) {
  const sum = new Float32Array(sounds[0]?.buffer.length ?? 0);
  for (const { buffer, gain } of sounds) {
    buffer.getChannelData(0).forEach((sample, i) => (sum[i] += gain * sample));
  }
  return sum;
}

/** A level, mute or solo changed: the sounds go on, their gains glide. */
function rebalance() {
  const sounds = balance(player.sounds.mixture);
  player.setGains("mixture", sounds.map(({ gain }) => gain));
  remember("replace");
}

function saveMixture() {
  const sounds = player.sounds.mixture;
  if (!sounds.length) return say("There is nothing in the mixture that this song has a sound of.");
  const { sampleRate } = sounds[0].buffer;
  const names = channels.map(({ layer, feature }) => numberOf(layer, feature)).join("+");
  const blob = wavOf(summed(sounds), sampleRate);
  return download(`${catalogue.songs[state.song]}_${names}.wav`, blob);
}

function saveFeature() {
  const [sound] = player.sounds.feature;
  if (!sound) return say("There is nothing to save.");
  const samples = sound.buffer.getChannelData(0).map((sample) => sample * sound.gain);
  const name = `${catalogue.songs[state.song]}_${numberOf(state.layer, state.feature)}.wav`;
  return download(name, wavOf(samples, sound.buffer.sampleRate));
}

/** The mixer's rows. */
function showMixer() {
  $("mixed").textContent = `${channels.length} of ${N_CHANNELS}`;
  $("mixer-empty").hidden = channels.length > 0;
  for (const id of ["save-mixture", "clear-mixture"]) $(id).disabled = !channels.length;
  $("channels").replaceChildren(...channels.map(makeChannel));
}

function makeChannel(channel, index) {
  const number = numberOf(channel.layer, channel.feature);
  const place = { ...channel, song: state.song };
  const name = make("a", { href: "#" + addressOf(place) }, number);
  const fader = make("input", {
    type: "range", min: QUIETEST, max: LOUDEST, step: 1, value: channel.level,
    "aria-label": `Level of ${number} (dB)`,
  });
  const shown = make("output", { class: "number" }, signedDecibels(channel.level));
  fader.addEventListener("input", () => {
    channel.level = Number(fader.value);
    shown.textContent = signedDecibels(channel.level);
    rebalance();
  });
  const toggle = (key, label) => {
    const button = make(
      "button",
      { type: "button", class: "small", "aria-pressed": channel[key] },
      label,
      make("span", { class: "hidden" }, ` ${number}`),
    );
    button.addEventListener("click", () => {
      channel[key] = !channel[key];
      button.setAttribute("aria-pressed", channel[key]);
      rebalance();
    });
    return button;
  };
  const remove = make(
    "button",
    { type: "button", class: "small", "aria-label": `Remove ${number} from the mixture` },
    "✕",
  );
  remove.addEventListener("click", () => removeChannel(index));
  const label = [catalogue.networks[channel.network].name, labelOf(channel)].filter(Boolean).join(" · ");
  return make(
    "li", {}, name, make("span", { class: "where" }, label), fader, shown,
    toggle("mute", "Mute"), toggle("solo", "Solo"), remove,
  );
}

/** A mixture as a link has it: hash.layer.feature.level, with m or s where muted or alone. */
function mixtureText() {
  return channels
    .map(({ network, layer, feature, level, mute, solo }) =>
      [catalogue.networks[network].hash, layer, feature, level, (mute ? "m" : "") + (solo ? "s" : "")]
        .filter((part) => part !== "")
        .join("."),
    )
    .join("~");
}

/** @returns {Channel[]} what this page has of a link's mixture */
function mixtureOf(text) {
  return text
    .split("~")
    .map((part) => {
      const [hash, layer, feature, level = "0", flags = ""] = part.split(".");
      return {
        network: networkOf(hash),
        layer: Number(layer),
        feature: Number(feature),
        level: Math.min(Math.max(Math.round(Number(level)) || 0, QUIETEST), LOUDEST),
        mute: flags.includes("m"),
        solo: flags.includes("s"),
      };
    })
    .filter(
      ({ network, layer, feature }) =>
        network >= 0 && listOf({ network, song: 0, layer })?.features.includes(feature),
    )
    .slice(0, N_CHANNELS);
}
