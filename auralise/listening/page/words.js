"use strict";

/** Numbers as words on the page. */

function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

/** A number of any size for the eye: three digits, a dash where there is none. */
function readable(value) {
  if (value === null || value === undefined) return "–";
  const isTiny = value !== 0 && Math.abs(value) < 1e-3;
  return (isTiny ? value.toExponential(1) : COMPACT.format(value)).replaceAll("-", "−");
}

function correlationText(value) {
  return value === null || value === undefined ? "–" : value.toFixed(2).replace("-", "−");
}

function decibelText(value) {
  if (value === null || value === undefined) return "–";
  const text = value.toFixed(1);
  return `${text === "-0.0" ? "0.0" : text.replace("-", "−")} dB`;
}

function hertzText(hertz) {
  return hertz < 1000 ? `${Math.round(hertz)} Hz` : `${(hertz / 1000).toFixed(2)} kHz`;
}

/** The nearest note of equal temperament, A4 = 440 Hz. */
function noteText(hertz) {
  const names = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
  const midi = Math.round(69 + 12 * Math.log2(hertz / 440));
  return names[((midi % 12) + 12) % 12] + (Math.floor(midi / 12) - 1);
}

/** A feature's number, such as 2-10. */
function numberOf(layer, feature) {
  return `${layer}-${String(feature).padStart(2, "0")}`;
}

function signedDecibels(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(Math.round(value))} dB`;
}

/** How loud a feature is among those of its layer. */
function levelText(level) {
  if (level === null || level === undefined) return "silent";
  return level > -0.5 ? "the layer's loudest" : `${Math.round(-level)} dB below the layer's loudest`;
}

function bandText(low, high) {
  if (high < 1000) return `${Math.round(low)}–${Math.round(high)} Hz`;
  const kilo = (hertz) => (hertz / 1000).toFixed(1);
  return low < 1000 ? `${Math.round(low)} Hz to ${kilo(high)} kHz` : `${kilo(low)}–${kilo(high)} kHz`;
}

/** Minutes and seconds, such as 1:02. */
function timeText(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function percentText(share) {
  return share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`;
}
