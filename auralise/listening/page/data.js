"use strict";

/**
 * The data scripts, and what is made of them: layers, songs, maps and sounds.
 *
 * A place is `{network, song, layer, feature}`: two indices of the catalogue, a layer counted from
 * 1 and a feature counted from 0.
 */

/** Kept in memory; what was used longest ago goes first. */
const N_LAYERS_KEPT = 16;
const N_SONGS_KEPT = 8;
const N_SOUNDS_KEPT = 80;

/** RMS that "matched" aims at, -20 dB below full scale: room for sharp attacks. */
const LOUDNESS = 0.1;

/** A map of at most `size` values that are made when they are asked for. */
class Kept {
  constructor(size) {
    this.size = size;
    this.values = new Map();
  }

  /** The value of a key; `make()` gives it where it is not there. */
  get(key, make) {
    const value = this.values.has(key) ? this.values.get(key) : make();
    this.values.delete(key);
    this.values.set(key, value);
    if (this.values.size > this.size) this.values.delete(this.values.keys().next().value);
    if (value instanceof Promise) value.catch(() => this.values.delete(key));
    return value;
  }
}

const received = new Map(); // script → data that has just arrived
const keptLayers = new Kept(N_LAYERS_KEPT);
const keptSongs = new Kept(N_SONGS_KEPT);
const keptSounds = new Kept(N_SOUNDS_KEPT);
const maps = new WeakMap(); // a feature's entry → its map

/** Called by every data script. */
function receive(data) {
  received.set(data.script, data);
}

/** Run a data script and take what it hands over. */
function loadScript(script) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = script;
    element.onload = () => {
      element.remove();
      const data = received.get(script);
      received.delete(script);
      if (data) resolve(data);
      else reject(new Error(`${script} holds no data`));
    };
    element.onerror = () => {
      element.remove();
      reject(new Error(`${script} is missing: keep index.html and its folder data together`));
    };
    document.head.append(element);
  });
}

/** The catalogue's entry of a network and a song. */
function showOf({ network, song }) {
  return catalogue.shows.find((show) => show.network === network && show.song === song);
}

/** The catalogue's entry of a layer: its script, and columns of numbers of its features. */
function listOf(place) {
  return showOf(place).layers.find((list) => list.layer === place.layer);
}

/** @returns {?("audible" | "below" | "dead")} a feature's state; null where there is no such feature */
function stateOf(place) {
  const list = listOf(place);
  return list?.states[list.features.indexOf(place.feature)] ?? null;
}

/** @returns {Promise<object>} what a layer's script holds */
function loadLayer(place) {
  const list = listOf(place);
  if (!list) return Promise.reject(new Error(`there is no layer ${place.layer}`));
  return keptLayers.get(list.script, () => loadScript(list.script));
}

/** @returns {Promise<Song>} */
function loadSong(place) {
  const { audio } = showOf(place);
  return keptSongs.get(audio, async () => {
    const song = await Song.from(await loadScript(audio));
    song.buffer = bufferOf(song.samples, song.sampleRate);
    song.peak = peakOf(song.samples);
    return song;
  });
}

function bufferOf(samples, sampleRate) {
  const buffer = new AudioBuffer({ length: samples.length, sampleRate });
  buffer.copyToChannel(samples, 0);
  return buffer;
}

/** A feature's entry in its layer's script; null where the layer does not have it. */
async function loadEntry(place) {
  const data = await loadLayer(place);
  return data.features.find((entry) => entry.feature === place.feature) ?? null;
}

/** @returns {Promise<?Float32Array>} a feature's map; null where it does not travel */
async function loadMap(place) {
  const [entry, song] = await Promise.all([loadEntry(place), loadSong(place)]);
  if (!entry?.map) return null;
  if (!maps.has(entry)) maps.set(entry, song.unpack(entry));
  return maps.get(entry);
}

/**
 * A feature's sound, with the gains of both loudnesses.
 *
 * @returns {Promise<?{buffer: AudioBuffer, matched: number, true: number}>} null: there is none
 */
function loadSound(place, mode) {
  const key = [place.network, place.song, place.layer, place.feature, mode].join("/");
  return keptSounds.get(key, async () => {
    const [data, song, map] = await Promise.all([loadLayer(place), loadSong(place), loadMap(place)]);
    if (!map) return null;
    const samples = song.sound(map, mode);
    const [rms, peak] = [rmsOf(samples), peakOf(samples)];
    const unclipped = peak ? 1 / peak : 1;
    return {
      buffer: bufferOf(samples, song.sampleRate),
      matched: rms ? Math.min(Math.min(LOUDNESS, song.rms) / rms, unclipped) : 1,
      true: Math.min(data.gains[mode] ?? 1, unclipped),
      scale: data.gains[mode] ?? 1,
    };
  });
}

/** Gains of the original in both loudnesses. */
function gainsOfSong(song) {
  const matched = song.rms ? Math.min(Math.min(LOUDNESS, song.rms) / song.rms, 1 / song.peak) : 1;
  return { matched, true: Math.min(1, 1 / (song.peak || 1)) };
}
