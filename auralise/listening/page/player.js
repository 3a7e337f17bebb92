"use strict";

/**
 * Plays the feature, the original and the mixture in step, one of them audible.
 *
 * All run all the time on the clock of one AudioContext, so that switching between them is a
 * change of gains: it neither waits nor loses its place.
 */

/** Length of every fade (s): short enough to feel immediate, long enough not to click. */
const FADE = 0.005;

/** How far ahead of the clock changes are scheduled (s), besides what the device buffers. */
const AHEAD = 0.03;

const SIDES = ["original", "feature", "mixture"];

/** @typedef {"feature" | "original" | "mixture"} Side */
/** @typedef {{buffer: AudioBuffer, gain: number}} Sound */

/** One sound that is running: a source behind a gain that starts closed. */
class Voice {
  constructor(context, output, buffer) {
    this.source = new AudioBufferSourceNode(context, { buffer });
    this.fader = new GainNode(context, { gain: 0 });
    this.source.connect(this.fader).connect(output);
  }

  start(when, offset, loop, region) {
    this.setLoop(loop, region);
    this.source.start(when, offset);
  }

  setLoop(loop, region) {
    this.source.loop = loop;
    this.source.loopStart = region.start;
    this.source.loopEnd = region.end;
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
    /** @type {?{start: number, end: number}} part that is repeated (s); null: all */
    this.region = null;
    this.duration = 0;
    /** @type {Record<Side, Sound[]>} */
    this.sounds = { original: [], feature: [], mixture: [] };
    /** @type {Record<Side, Voice[]>} */
    this.voices = { original: [], feature: [], mixture: [] };
    // While playing, the sound is at `anchor.offset` when the clock shows `anchor.time`; it has
    // been moving since `anchor.start`.
    this.anchor = { time: 0, offset: 0, start: 0 };
    this.context = null;
  }

  /**
   * Put sounds in place of those at hand; what plays goes on at the same position.
   *
   * @param {Partial<Record<Side, Sound[]>>} sounds what is left out stays
   */
  use(sounds) {
    const when = this._soon();
    const offset = this._offsetAt(when);
    const running = this._running;
    this.sounds = { ...this.sounds, ...sounds };
    this.duration = this.sounds.original[0].buffer.duration;
    if (this.region && this.region.end > this.duration) this.region = null;
    if (running) this._begin(offset % this.duration, when, this.anchor.start);
    else this.anchor.offset = Math.min(offset, this.duration);
  }

  /** Change the gains of a side's sounds, which go on. */
  setGains(side, gains) {
    gains.forEach((gain, i) => (this.sounds[side][i].gain = gain));
    this._applyLevels(this._soon());
  }

  async play() {
    if (this.playing || !this.sounds.original.length) return;
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

  /** @param {Side} side which of them is heard */
  listenTo(side) {
    this.side = side;
    this._applyLevels(this._soon());
  }

  /** @param {boolean} loop begin again at the end, without a gap */
  setLoop(loop) {
    const when = this._soon();
    this.anchor = { ...this.anchor, time: when, offset: this._offsetAt(when) };
    this.loop = loop;
    for (const voice of this._all) voice.setLoop(loop, this._span);
  }

  /**
   * @param {?{start: number, end: number}} region part to repeat (s); null: all. What plays outside
   *   of it goes to its start.
   */
  setRegion(region) {
    const offset = this._offsetAt(this._soon());
    this.region = region;
    if (this._running) this._begin(offset);
    else this.anchor.offset = this._within(offset);
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
    const { sampleRate } = this.sounds.original[0].buffer;
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
    return this.voices.original.length > 0;
  }

  get _all() {
    return SIDES.flatMap((side) => this.voices[side]);
  }

  /** The part that is repeated, on samples of the sound. */
  get _span() {
    if (!this.region) return { start: 0, end: this.duration };
    const { sampleRate } = this.sounds.original[0].buffer;
    const [start, end] = [this.region.start, this.region.end].map(
      (edge) => Math.round(edge * sampleRate) / sampleRate,
    );
    return { start, end };
  }

  /** A looping source never enters its loop from behind: outside of it, begin at its start. */
  _within(offset) {
    const { start, end } = this._span;
    return this.region && (offset < start || offset >= end) ? start : offset;
  }

  _offsetAt(when) {
    if (!this._running) return this.anchor.offset;
    const offset = this.anchor.offset + Math.max(when, this.anchor.start) - this.anchor.time;
    if (!this.loop) return Math.min(Math.max(offset, 0), this.duration);
    const { start, end } = this._span;
    const length = end - start;
    return start + ((((offset - start) % length) + length) % length);
  }

  /**
   * Start all sounds, in place of what runs. All anew even when some stay the same: should the
   * device be late, they are late together.
   *
   * @param {number} offset where in the sounds (s)
   * @param {number} when on the clock (s)
   * @param {number} start since when the sounds have been moving, if this only continues them
   */
  _begin(offset, when = this._soon(), start = when) {
    if (this._openContext()) when = start = this._soon();
    const rate = this.context.sampleRate;
    this._retireAll(when);
    const from = this._within(Math.round(offset * rate) / rate);
    this.anchor = { time: when, offset: from, start };
    for (const side of SIDES) {
      this.voices[side] = this.sounds[side].map(({ buffer }) => {
        const voice = new Voice(this.context, this.meter, buffer);
        voice.start(when, from, this.loop, this._span);
        return voice;
      });
    }
    const [original] = this.voices.original;
    original.source.onended = () => this._finish(original);
    this._applyLevels(when);
  }

  _applyLevels(when) {
    for (const side of SIDES) {
      this.voices[side].forEach((voice, i) => {
        voice.fade(side === this.side ? this.sounds[side][i].gain : 0, when);
      });
    }
  }

  _retireAll(when) {
    for (const voice of this._all) voice.retire(when);
    this.voices = { original: [], feature: [], mixture: [] };
  }

  /** The original, which is always there, ran out: back to the start. */
  _finish(voice) {
    if (voice !== this.voices.original[0]) return;
    this.playing = false;
    this._retireAll(this._soon());
    this.anchor = { time: 0, offset: 0, start: 0 };
    this.onChange();
  }
}
