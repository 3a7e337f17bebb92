"use strict";

/**
 * Features that the listener marked or wrote a note about, kept in this browser.
 *
 * @typedef {object} Favourite
 * @property {string} weights hash of the network's weights: one that is trained anew begins afresh
 * @property {string} network its name, for the eye
 * @property {string} song
 * @property {number} layer
 * @property {number} feature
 * @property {string} note
 * @property {boolean} blind marked while names were hidden
 * @property {string} added date and time, ISO 8601
 */
class Favourites {
  constructor() {
    this.key = "auralise/favourites";
    /** @type {Map<string, Favourite>} */
    this.marks = new Map();
    /** Whether they outlast the page: a browser may forbid it. */
    this.kept = true;
    this.reload();
  }

  /** Read what is stored, which another window may have changed. */
  reload() {
    try {
      const stored = JSON.parse(localStorage.getItem(this.key) ?? "[]");
      this.marks = new Map(stored.filter(isFavourite).map((mark) => [keyOf(mark), mark]));
    } catch {
      this.kept = false;
    }
  }

  get(place) {
    return this.marks.get(keyOf(place));
  }

  /** All of them, in the order of their names. */
  list() {
    return [...this.marks.values()].sort(
      (a, b) =>
        a.network.localeCompare(b.network) ||
        a.song.localeCompare(b.song) ||
        a.layer - b.layer ||
        a.feature - b.feature,
    );
  }

  /** The same feature marked with other songs. */
  elsewhere(place) {
    return this.list().filter(
      (mark) =>
        mark.weights === place.weights &&
        mark.layer === place.layer &&
        mark.feature === place.feature &&
        mark.song !== place.song,
    );
  }

  /**
   * Mark a place, or change the note of one that is marked.
   *
   * @param {{weights: string, network: string, song: string, layer: number, feature: number}} place
   * @param {{note?: string, blind?: boolean}} details
   */
  set({ weights, network, song, layer, feature }, details = {}) {
    this.reloadIfKept();
    const fresh = { note: "", blind: false, added: new Date().toISOString() };
    const before = this.get({ weights, song, layer, feature }) ?? fresh;
    const mark = { ...before, weights, network, song, layer, feature, ...details };
    this.marks.set(keyOf(mark), mark);
    this.store();
  }

  remove(place) {
    this.reloadIfKept();
    this.marks.delete(keyOf(place));
    this.store();
  }

  /**
   * Add favourites that were exported, from this browser or another; the newcomers win.
   *
   * @param {string} text what `csv` wrote
   * @returns {number} how many were added or replaced; 0: it is no such table
   */
  merge(text) {
    const [columns = [], ...rows] = rowsOf(text.replace(/^\uFEFF/, ""));
    const found = rows
      .map((row) => markFrom(Object.fromEntries(columns.map((column, i) => [column, row[i]]))))
      .filter(isFavourite);
    this.reloadIfKept();
    for (const mark of found) this.marks.set(keyOf(mark), mark);
    this.store();
    return found.length;
  }

  /** @returns {string} a table for `merge`, the workflow, spreadsheets and pandas (RFC 4180) */
  csv() {
    const rows = this.list().map((mark) => COLUMNS.map((column) => mark[column]));
    return [COLUMNS, ...rows].map((row) => row.map(csvField).join(",") + "\r\n").join("");
  }

  reloadIfKept() {
    if (this.kept) this.reload();
  }

  store() {
    try {
      localStorage.setItem(this.key, JSON.stringify(this.list()));
    } catch {
      this.kept = false;
    }
  }
}

const COLUMNS = ["weights", "network", "song", "layer", "feature", "note", "blind", "added"];

/** A favourite from the texts of a row; columns that people may leave out have a default. */
function markFrom({ weights, network, song, layer, feature, note = "", blind = "", added = "" }) {
  const numberIn = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : null);
  return {
    weights,
    network,
    song,
    layer: numberIn(layer),
    feature: numberIn(feature),
    note,
    blind: blind.toLowerCase() === "true",
    added,
  };
}

/** Rows of fields of a table as `csv` writes it (RFC 4180); empty rows are left out. */
function rowsOf(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|\r|$)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ",") rows.push([]);
  }
  return rows.filter((row) => row.some((field) => field));
}

function keyOf({ weights, song, layer, feature }) {
  return [weights, song, layer, feature].map(encodeURIComponent).join("/");
}

function isFavourite(mark) {
  return (
    typeof mark?.weights === "string" &&
    typeof mark.network === "string" &&
    typeof mark.song === "string" &&
    Number.isInteger(mark.layer) &&
    Number.isInteger(mark.feature) &&
    typeof mark.note === "string"
  );
}

function csvField(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
