"use strict";

/** The model signals of the attribute experiment: pictures of a feature on each, to be heard. */

const keptSignals = new Kept(2);

/** @returns {Promise<?{columns: string[], rows: Array, signals: Array}>} of the chosen network */
async function loadSignals() {
  const { signals } = catalogue.networks[state.network];
  if (!signals) return null;
  return keptSignals.get(signals.script, async () => {
    const data = await loadScript(signals.script);
    for (const signal of data.signals) signal.song = await Song.from(signal);
    return data;
  });
}

/** The sound that a cell stands for: the signal, or what the chosen feature lets through of it. */
async function soundOfSignal({ song, maps }) {
  const entry = maps[`${state.layer}-${state.feature}`];
  if ($("signal-itself").checked) return song.samples;
  return entry ? song.sound(await song.unpack(entry), state.mode) : null;
}

async function playSignal(signal) {
  const samples = await soundOfSignal(signal);
  if (!samples) return;
  if (player.playing) togglePlay();
  const gain = Math.min(LOUDNESS / (rmsOf(samples) || 1), 1 / (peakOf(samples) || 1));
  const audio = $("signal-sound");
  URL.revokeObjectURL(audio.src);
  audio.src = URL.createObjectURL(wavOf(samples.map((value) => gain * value), signal.song.sampleRate));
  audio.play();
}

/** A table of pictures on one scale, or which features have pictures. */
async function showSignals() {
  const asked = { ...state };
  const { features } = catalogue.networks[state.network].signals;
  const isKept = features.some(([layer, feature]) => layer === state.layer && feature === state.feature);
  $("signals-table").hidden = $("signals-how").hidden = !isKept;
  $("signals-others").replaceChildren(
    isKept ? "Others that have them: " : "Pictures were kept of these features: ",
    ...features
      .filter(([layer, feature]) => layer !== state.layer || feature !== state.feature)
      .flatMap(([layer, feature]) => [linkTo({ ...placeOfFeature(feature), layer }), " "]),
  );
  if (!isKept) return;
  const { columns, rows, signals } = await loadSignals();
  const isItself = $("signal-itself").checked;
  const shown = [];
  for (const { song, maps } of signals) {
    const entry = maps[`${state.layer}-${state.feature}`];
    const map = entry ? await song.unpack(entry) : null;
    const heard = isItself ? song.magnitude : map?.map((value, at) => value * song.magnitude[at]);
    shown.push({ map, greatest: heard ? heard.reduce((most, value) => Math.max(most, Math.abs(value)), 0) : 0 });
  }
  if (["network", "layer", "feature"].some((key) => state[key] !== asked[key])) return;
  const fullScale = Math.max(...shown.map(({ greatest }) => greatest));
  const cell = (n) => {
    if (n === null) return make("td", {});
    const { map, greatest } = shown[n];
    if (!isItself && !map) return make("td", {}, make("small", {}, "never fired"));
    const level = `${Math.round(20 * Math.log10(greatest / fullScale || 1e-9))} dB`.replace("-", "−");
    const canvas = make("canvas", { "aria-hidden": "true" });
    const how = { kind: "sound", mode: state.mode, fullScale };
    paint(canvas, signals[n].song, isItself ? null : map, how);
    const button = make(
      "button",
      { type: "button", "aria-label": `Play ${signals[n].name}, peak ${level} below the table's` },
      canvas,
    );
    button.addEventListener("click", () => playSignal(signals[n]));
    return make("td", {}, button);
  };
  $("signals-table").replaceChildren(
    make("thead", {}, make("tr", {}, ...["", ...columns].map((name) => make("th", { scope: "col" }, name)))),
    make(
      "tbody", {},
      ...rows.map(([name, cells]) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map(cell))),
    ),
  );
}
