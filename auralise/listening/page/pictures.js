"use strict";

/** Pictures of spectrograms and maps: time to the right, logarithmic frequency upwards. */

const MAX_COLUMNS = 512; // frames of a longer song share a column

/**
 * The greatest magnitude behind each pixel, or the value of greatest magnitude.
 *
 * @param {Song} song
 * @param {(at: number) => number} valueAt of a cell of the spectrum
 * @param {[number, number]} frames the first, and the one after the last
 * @returns {{values: Float32Array, width: number, height: number, greatest: number}}
 */
function arranged(song, valueAt, [begin, stop] = [0, song.nFrames]) {
  const { rows, nBins } = song;
  const nFrames = stop - begin;
  const width = Math.min(nFrames, MAX_COLUMNS);
  const values = new Float32Array(rows.length * width);
  let greatest = 0;
  for (let column = 0; column < width; column++) {
    const first = begin + Math.floor((column * nFrames) / width);
    const last = begin + Math.floor(((column + 1) * nFrames) / width);
    rows.forEach(([low, high], row) => {
      let found = 0;
      for (let frame = first; frame < last; frame++) {
        for (let bin = low; bin < high; bin++) {
          const value = valueAt(frame * nBins + bin);
          if (Math.abs(value) > Math.abs(found)) found = value;
        }
      }
      values[row * width + column] = found;
      greatest = Math.max(greatest, Math.abs(found));
    });
  }
  return { values, width, height: rows.length, greatest };
}

/**
 * Paint what is heard, in dB below `fullScale`, or a map, by the signed root of its value.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Song} song
 * @param {?Float32Array} map null: the song itself
 * @param {{kind: "sound" | "map", mode: string, fullScale?: number, frames?: [number, number]}} how
 *   its own maximum is that of all frames, whichever are painted
 */
function paint(canvas, song, map, { kind, mode = "mask", fullScale = 0, frames = [0, song.nFrames] }) {
  const { value } = MODES[mode];
  const { magnitude } = song;
  let valueAt = (at) => magnitude[at];
  if (map && kind === "map") valueAt = (at) => map[at];
  else if (map && mode === "phase") valueAt = (at) => value(map[at]);
  else if (map) valueAt = (at) => Math.abs(magnitude[at] * value(map[at]));
  const picture = arranged(song, valueAt, frames);
  const isAll = frames[1] - frames[0] === song.nFrames;
  const colours = coloursOf(kind);
  const top = (kind === "sound" && fullScale) || (isAll ? picture : arranged(song, valueAt)).greatest || 1;
  const last = colours.length - 1;
  const image = new ImageData(picture.width, picture.height);
  picture.values.forEach((found, i) => {
    const share =
      kind === "map"
        ? (1 + Math.sign(found) * Math.sqrt(Math.abs(found) / top)) / 2
        : 1 + (20 * Math.log10(Math.max(found / top, 1e-9))) / catalogue.range;
    const colour = colours[Math.round(Math.min(Math.max(share, 0), 1) * last)];
    image.data.set(colour, 4 * i);
  });
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

const palettes = new Map();

function coloursOf(kind) {
  if (!palettes.has(kind)) {
    const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    palettes.set(kind, catalogue.colours[kind].map((hex) => [...channels(hex), 255]));
  }
  return palettes.get(kind);
}

/**
 * What a picture shows, in words: where most of the sound is, and how it runs.
 *
 * @returns {string} such as "mostly 2.1–5.2 kHz, in short bursts, strongest at 1.3 s"
 */
function described(song, map, mode) {
  const { value } = MODES[mode];
  const { nBins, nFrames, nFft, sampleRate, hop } = song;
  const byBin = new Float64Array(nBins);
  const byFrame = new Float64Array(nFrames);
  for (let at = 0; at < map.length; at++) {
    const heard = (mode === "phase" ? 1 : song.magnitude[at]) * value(map[at]);
    byBin[at % nBins] += heard * heard;
    byFrame[Math.floor(at / nBins)] += heard * heard;
  }
  const total = byFrame.reduce((sum, energy) => sum + energy, 0);
  if (!total) return "nothing to see or hear";
  const [low, high] = [0.1, 0.9].map((share) => (quantile(byBin, share * total) * sampleRate) / nFft);
  const strongest = byFrame.indexOf(Math.max(...byFrame));
  const loud = byFrame.filter((energy) => energy > (2 * total) / nFrames);
  const share = loud.reduce((sum, energy) => sum + energy, 0) / total;
  const run = share > 0.7 ? "in short bursts" : share > 0.35 ? "uneven" : "steady";
  return `mostly ${bandText(low, high)}, ${run}, strongest at ${((strongest * hop) / sampleRate).toFixed(1)} s`;
}

/** The first index at which the sum of values reaches `wanted`. */
function quantile(values, wanted) {
  let sum = 0;
  return Math.max(0, values.findIndex((value) => (sum += value) >= wanted));
}
