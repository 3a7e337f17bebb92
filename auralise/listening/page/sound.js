"use strict";

/**
 * Sounds of features, made here: the song's spectrum times a map, and back to samples.
 *
 * The transform is the one that the networks see: a periodic Hann window, frames centred on their
 * time, zero-padded at both ends; its inverse is the signal that is nearest in the least-squares
 * sense (Griffin & Lim 1984, equation 6).
 */

/** What each mode makes of a value of the map before it multiplies the spectrum. */
const MODES = {
  mask: { label: "Signed", value: (d) => d },
  magnitude: { label: "Magnitude", value: Math.abs },
  rectified: { label: "Positive", value: (d) => Math.max(d, 0) },
  negative: { label: "Negative", value: (d) => Math.max(-d, 0) },
  phase: { label: "Map alone", value: (d) => Math.max(d, 0) },
};

/** As in `auralise/listening/packing.py`: the characters that bytes are written in. */
const DIGITS = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).filter((c) => !'"\\<'.includes(c));
const VALUES = new Uint8Array(128);
DIGITS.forEach((digit, value) => (VALUES[digit.charCodeAt(0)] = value));

/** The bytes of a text: two characters hold 13 bits, a last one alone 6. */
function bytesOf(text) {
  const isOdd = text.length % 2;
  const bytes = new Uint8Array((13 * (text.length - isOdd)) / 2 + 6 * isOdd >> 3);
  let [bits, nBits, n] = [0, 0, 0];
  const put = (value, length) => {
    bits = (bits << length) | value;
    nBits += length;
    while (nBits >= 8) {
      nBits -= 8;
      bytes[n++] = bits >> nBits;
      bits &= (1 << nBits) - 1;
    }
  };
  for (let i = 0; i + 1 < text.length; i += 2) {
    put(VALUES[text.charCodeAt(i)] * DIGITS.length + VALUES[text.charCodeAt(i + 1)], 13);
  }
  if (isOdd) put(VALUES[text.charCodeAt(text.length - 1)], 6);
  return bytes;
}

/** Bytes that zlib compressed, as a data script holds them. */
async function inflated(text) {
  const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Discrete Fourier transforms of one length, whatever its factors. */
class Fourier {
  constructor(n) {
    this.n = n;
    this.cos = Float64Array.from({ length: n }, (_, k) => Math.cos((2 * Math.PI * k) / n));
    this.sin = Float64Array.from({ length: n }, (_, k) => -Math.sin((2 * Math.PI * k) / n));
    this.re = new Float64Array(n);
    this.im = new Float64Array(n);
    this.parts = [new Float64Array(n), new Float64Array(n)];
  }

  /** Transform `n` values; the result stands in `this.re` and `this.im`. */
  forward(re, im) {
    this._step(re, im, 0, 1, this.n, 0);
  }

  /** The inverse: the same with real and imaginary parts exchanged. */
  inverse(re, im) {
    this._step(im, re, 0, 1, this.n, 0);
    [this.re, this.im] = [this.im, this.re];
    for (let i = 0; i < this.n; i++) {
      this.re[i] /= this.n;
      this.im[i] /= this.n;
    }
  }

  /** Cooley and Tukey: `p` transforms of every p-th value, put together. */
  _step(re, im, from, stride, n, to) {
    if (n === 1) {
      this.re[to] = re[from];
      this.im[to] = im[from];
      return;
    }
    let p = 2;
    while (n % p) p++;
    const m = n / p;
    for (let k = 0; k < p; k++) this._step(re, im, from + k * stride, stride * p, m, to + k * m);
    const turn = this.n / n;
    if (p === 2) {
      for (let j = 0; j < m; j++) {
        const [a, b] = [to + j, to + j + m];
        const [c, s] = [this.cos[j * turn], this.sin[j * turn]];
        const x = this.re[b] * c - this.im[b] * s;
        const y = this.re[b] * s + this.im[b] * c;
        this.re[b] = this.re[a] - x;
        this.im[b] = this.im[a] - y;
        this.re[a] += x;
        this.im[a] += y;
      }
      return;
    }
    const [re0, im0] = this.parts;
    for (let i = 0; i < n; i++) {
      re0[i] = im0[i] = 0;
      for (let k = 0; k < p; k++) {
        const at = to + k * m + (i % m);
        const angle = ((i * k) % n) * turn;
        re0[i] += this.re[at] * this.cos[angle] - this.im[at] * this.sin[angle];
        im0[i] += this.re[at] * this.sin[angle] + this.im[at] * this.cos[angle];
      }
    }
    this.re.set(re0.subarray(0, n), to);
    this.im.set(im0.subarray(0, n), to);
  }
}

/** A song: its samples and its spectrum, frame after frame. */
class Song {
  /** @param {object} data what a script holds of a song: its samples are FLAC */
  static async from(data) {
    const context = new OfflineAudioContext(1, 1, data.sampleRate);
    const buffer = await context.decodeAudioData(bytesOf(data.samples).buffer);
    return new Song(data, buffer.getChannelData(0).map((sample) => sample * 2 ** 19 * data.unit));
  }

  constructor(data, samples) {
    Object.assign(this, { sampleRate: data.sampleRate, nFft: data.nFft, hop: data.hop });
    Object.assign(this, { rows: data.rows, extent: data.extent, rms: data.rms });
    this.samples = samples;
    this.nBins = Math.floor(this.nFft / 2) + 1;
    this.nFrames = 1 + Math.floor(this.samples.length / this.hop);
    this.window = Float64Array.from(
      { length: this.nFft },
      (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / this.nFft),
    );
    this.fourier = new Fourier(this.nFft);
    this._analyse();
    this.grid = inflated(data.coarseness).then((coarseness) => this._gridOf(coarseness));
  }

  /** The spectrum: two frames at a time, as the real and the imaginary part of one. */
  _analyse() {
    const { nFft, hop, nBins, nFrames, samples, window, fourier } = this;
    const half = Math.floor(nFft / 2);
    this.re = new Float32Array(nBins * nFrames);
    this.im = new Float32Array(nBins * nFrames);
    const parts = [new Float64Array(nFft), new Float64Array(nFft)];
    for (let frame = 0; frame < nFrames; frame += 2) {
      parts.forEach((part, which) => {
        const start = (frame + which) * hop - half;
        for (let i = 0; i < nFft; i++) part[i] = (samples[start + i] ?? 0) * window[i];
      });
      fourier.forward(...parts);
      for (let k = 0; k < nBins; k++) {
        const [a, b] = [k, (nFft - k) % nFft];
        const at = frame * nBins + k;
        this.re[at] = (fourier.re[a] + fourier.re[b]) / 2;
        this.im[at] = (fourier.im[a] - fourier.im[b]) / 2;
        if (frame + 1 === nFrames) continue;
        this.re[at + nBins] = (fourier.im[a] + fourier.im[b]) / 2;
        this.im[at + nBins] = (fourier.re[b] - fourier.re[a]) / 2;
      }
    }
    this.magnitude = this.re.map((value, i) => Math.hypot(value, this.im[i]));
  }

  /** Where each code of a map belongs, and what its step is multiplied with. */
  _gridOf(coarseness) {
    const { nBins, nFrames } = this;
    const places = new Int32Array(nBins * nFrames);
    const factors = new Float32Array(nBins * nFrames);
    let n = 0;
    for (let level = 0; n < places.length; level++) {
      coarseness.forEach((found, cell) => {
        if (found !== level) return;
        places[n] = (cell % nFrames) * nBins + Math.floor(cell / nFrames);
        factors[n++] = 2 ** level;
      });
    }
    return { places, factors };
  }

  /** A feature's map, signed, frame after frame, as `auralise/listening/packing.py` rounds it. */
  async unpack({ map, step, bend }) {
    const [bytes, { places, factors }] = await Promise.all([inflated(map), this.grid]);
    const codes = new Int8Array(bytes.buffer);
    const values = Float64Array.from(
      { length: 256 },
      (_, code) => (Math.sinh(bend * (code - 128)) / bend) * step,
    );
    const unpacked = new Float32Array(codes.length);
    codes.forEach((code, n) => (unpacked[places[n]] = values[code + 128] * factors[n]));
    return unpacked;
  }

  /**
   * The sound of a map, at the map's own scale.
   *
   * @param {Float32Array} map
   * @param {keyof typeof MODES} mode
   * @returns {Float32Array}
   */
  sound(map, mode) {
    const { nFft, hop, nBins, nFrames, window, fourier } = this;
    const { value } = MODES[mode];
    const half = Math.floor(nFft / 2);
    const length = this.samples.length;
    const sum = new Float64Array(length);
    const weight = new Float64Array(length);
    const [re, im] = [new Float64Array(nFft), new Float64Array(nFft)];
    for (let frame = 0; frame < nFrames; frame += 2) {
      re.fill(0);
      im.fill(0);
      for (let which = 0; which < 2 && frame + which < nFrames; which++) {
        for (let k = 0; k < nBins; k++) {
          const at = (frame + which) * nBins + k;
          const gain = mode === "phase" ? value(map[at]) / (this.magnitude[at] || 1) : value(map[at]);
          const isSilent = mode === "phase" && this.magnitude[at] === 0;
          const x = isSilent ? value(map[at]) : gain * this.re[at];
          const isReal = k === 0 || 2 * k === nFft;
          const y = isReal ? 0 : gain * this.im[at];
          const mirror = (nFft - k) % nFft;
          // x + iy and its mirror x - iy, times 1 for the first frame and times i for the second.
          re[k] += which ? -y : x;
          im[k] += which ? x : y;
          if (isReal) continue;
          re[mirror] += which ? y : x;
          im[mirror] += which ? x : -y;
        }
      }
      fourier.inverse(re, im);
      this._add(sum, weight, frame, fourier.re);
      if (frame + 1 < nFrames) this._add(sum, weight, frame + 1, fourier.im);
    }
    // Past the last centre one window alone reaches: a silent frame keeps its end from a click.
    if (length - (nFrames - 1) * hop > Math.floor(nFft / 4)) this._add(sum, weight, nFrames, null);
    return Float32Array.from(sum, (value, i) => value / weight[i]);
  }

  _add(sum, weight, frame, values) {
    const start = frame * this.hop - Math.floor(this.nFft / 2);
    const first = Math.max(0, -start);
    const last = Math.min(this.nFft, sum.length - start);
    for (let i = first; i < last; i++) {
      if (values) sum[start + i] += values[i] * this.window[i];
      weight[start + i] += this.window[i] ** 2;
    }
  }
}

function rmsOf(samples) {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return Math.sqrt(energy / samples.length);
}

function peakOf(samples) {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

/** One channel of 16-bit samples as a WAV file; what is beyond full scale is clipped. */
function wavOf(samples, sampleRate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, 2 * sampleRate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => {
    view.setInt16(44 + 2 * i, Math.round(Math.min(Math.max(sample, -1), 1) * 32767), true);
  });
  return new Blob([view], { type: "audio/wav" });
}
