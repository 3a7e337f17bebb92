"use strict";

/**
 * Plays a feature and the original in step, one of them audible.
 *
 * Both run all the time on the clock of one AudioContext, so that switching between them is a
 * change of two gains: it neither waits nor loses its place.
 */

/** Length of every fade (s): short enough to feel immediate, long enough not to click. */
const FADE = 0.005;

/** How far ahead of the clock changes are scheduled (s), besides what the device buffers. */
const AHEAD = 0.03;

const SIDES = ["feature", "original"];

/** @typedef {"feature" | "original"} Side */

/** One sound that is running: a source behind a gain that starts closed. */
class Voice {
  constructor(context, output, buffer) {
    this.source = new AudioBufferSourceNode(context, { buffer });
    this.fader = new GainNode(context, { gain: 0 });
    this.source.connect(this.fader).connect(output);
  }

  start(when, offset, loop) {
    this.source.loop = loop;
    this.source.start(when, offset);
  }

  /** Let the gain glide to `level`, from wherever it is, beginning at `when`. */
  fade(level, when) {
    // An exponential approach, within 5 % after FADE; two opposite ones always add up to one.
    this.fader.gain.setTargetAtTime(level, when, FADE / 3);
  }

  /** Fade out from `when` on, then stop and let go of everything. */
  retire(when) {
    this.source.onended = () => this.fader.disconnect();
    this.fader.gain.cancelScheduledValues(when);
    this.fade(0, when);
    this.source.stop(when + 4 * FADE);
  }
}

class Player {
  /** @param {() => void} onChange called whenever `playing` changed by itself: at the end */
  constructor(onChange) {
    this.onChange = onChange;
    this.playing = false;
    /** @type {Side} */
    this.side = "feature";
    this.loop = true;
    this.duration = 0;
    /** @type {Record<Side, ?{buffer: AudioBuffer, gain: number}>} */
    this.sounds = { feature: null, original: null };
    /** @type {Record<Side, ?Voice>} */
    this.voices = { feature: null, original: null };
    // While playing, the sound is at `anchor.offset` when the clock shows `anchor.time`; it has
    // been moving since `anchor.start`.
    this.anchor = { time: 0, offset: 0, start: 0 };
    this.context = null;
    this.decoded = new WeakMap();
  }

  /**
   * Decode a sound of a data script; the same one is decoded once.
   *
   * @param {{flac: string}} sound
   * @param {number} sampleRate its rate (Hz), at which it is kept
   * @returns {Promise<AudioBuffer>}
   */
  decode(sound, sampleRate) {
    if (!this.decoded.has(sound)) {
      const bytes = Uint8Array.from(atob(sound.flac), (character) => character.charCodeAt(0));
      const decoder = new OfflineAudioContext(1, 1, sampleRate);
      this.decoded.set(sound, decoder.decodeAudioData(bytes.buffer));
    }
    return this.decoded.get(sound);
  }

  /**
   * Put sounds in place of those at hand; what plays goes on at the same position.
   *
   * @param {?{buffer: AudioBuffer, gain: number}} feature null: silence
   * @param {{buffer: AudioBuffer, gain: number}} original
   */
  use(feature, original) {
    const when = this._soon();
    const offset = this._offsetAt(when);
    const running = this._running;
    this.sounds = { feature, original };
    this.duration = original.buffer.duration;
    if (running) this._begin(offset % this.duration, when, this.anchor.start);
    else this.anchor.offset = Math.min(offset, this.duration);
  }

  async play() {
    if (this.playing || !this.sounds.original) return;
    this.playing = true;
    this._openContext();
    await this.context.resume();
    if (!this.playing) return; // paused while the device woke up
    this._begin(this.anchor.offset % this.duration);
  }

  pause() {
    const when = this._soon();
    this.anchor = { time: when, offset: this._offsetAt(when), start: when };
    this.playing = false;
    this._retireAll(when);
  }

  /** @param {number} offset where to go on (s) */
  seek(offset) {
    const target = Math.min(Math.max(offset, 0), this.duration);
    if (this._running) this._begin(target % this.duration);
    else this.anchor.offset = target;
  }

  /** @param {Side} side which of the two is heard */
  listenTo(side) {
    this.side = side;
    this._applyLevels(this._soon());
  }

  /** @param {boolean} loop begin again at the end, without a gap */
  setLoop(loop) {
    const when = this._soon();
    this.anchor = { ...this.anchor, time: when, offset: this._offsetAt(when) };
    this.loop = loop;
    for (const voice of Object.values(this.voices)) {
      if (voice) voice.source.loop = loop;
    }
  }

  /** What is being heard now (s), the way to the loudspeaker taken into account. */
  get position() {
    if (!this._running) return this.anchor.offset;
    return this._offsetAt(this.context.currentTime - (this.context.outputLatency || 0));
  }

  /** Root mean square of the last 50 ms that were sent to the loudspeaker; full scale is 1. */
  get level() {
    if (!this.context) return 0;
    const samples = new Float32Array(this.meter.fftSize);
    this.meter.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  }

  /**
   * Have a context that runs at the rate of the sounds, so that nothing resamples them one by one.
   *
   * @returns {boolean} whether it is a new one, with a clock of its own
   */
  _openContext() {
    const sampleRate = this.sounds.original.buffer.sampleRate;
    if (this.context?.sampleRate === sampleRate) return false;
    if (this.context) {
      this._retireAll(0);
      this.context.close();
    }
    this.context = new AudioContext({ sampleRate });
    this.meter = new AnalyserNode(this.context, { fftSize: 512 });
    this.meter.connect(this.context.destination);
    return true;
  }

  /** A moment shortly ahead, on a sample of the clock, so that voices align to the sample. */
  _soon() {
    if (!this.context) return 0;
    const rate = this.context.sampleRate;
    const ahead = AHEAD + (this.context.baseLatency || 0);
    return Math.ceil((this.context.currentTime + ahead) * rate) / rate;
  }

  get _running() {
    return this.voices.original !== null;
  }

  _offsetAt(when) {
    if (!this._running) return this.anchor.offset;
    const offset = this.anchor.offset + Math.max(when, this.anchor.start) - this.anchor.time;
    if (!this.loop) return Math.min(Math.max(offset, 0), this.duration);
    return ((offset % this.duration) + this.duration) % this.duration;
  }

  /**
   * Start both sounds, in place of what runs. Both anew even when one of them stays the same:
   * should the device be late, they are late together.
   *
   * @param {number} offset where in the sounds (s)
   * @param {number} when on the clock (s)
   * @param {number} start since when the sounds have been moving, if this only continues them
   */
  _begin(offset, when = this._soon(), start = when) {
    if (this._openContext()) when = start = this._soon();
    const rate = this.context.sampleRate;
    this._retireAll(when);
    this.anchor = { time: when, offset: Math.round(offset * rate) / rate, start };
    for (const side of SIDES) {
      if (!this.sounds[side]) continue;
      this.voices[side] = new Voice(this.context, this.meter, this.sounds[side].buffer);
      this.voices[side].start(when, this.anchor.offset, this.loop);
    }
    const original = this.voices.original;
    original.source.onended = () => this._finish(original);
    this._applyLevels(when);
  }

  _applyLevels(when) {
    for (const side of SIDES) {
      this.voices[side]?.fade(side === this.side ? this.sounds[side].gain : 0, when);
    }
  }

  _retireAll(when) {
    for (const side of SIDES) {
      this.voices[side]?.retire(when);
      this.voices[side] = null;
    }
  }

  /** The original, which is always there, ran out: back to the start. */
  _finish(voice) {
    if (voice !== this.voices.original) return;
    this.playing = false;
    this._retireAll(this._soon());
    this.anchor = { time: 0, offset: 0, start: 0 };
    this.onChange();
  }
}
