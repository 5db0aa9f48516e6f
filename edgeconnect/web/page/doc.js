// What is being worked on: a photo, its hole, edits of the edges, and what the server made of them.

import { canvasOf } from "./pictures.js";
import { EMPTY, bounds, clip, cut, disc, paste, rim, union } from "./raster.js";

export const KEEP = 0, ERASED = 1, DRAWN = 2; // values of `edits`
export const NETWORKS = "edgeconnect"; // the inpainter that has edges, texture and several fills

const TINT = [230, 0, 120, 120]; // of the hole on the photo
const INKS = { // of the edge map's lines: known, completed, one's own
  light: [[0, 0, 0], [0, 50, 255], [205, 0, 100]],
  dark: [[245, 245, 245], [111, 160, 255], [255, 111, 176]],
};
const KNOWN = 0, COMPLETED = 1, OWN = 2;
const HISTORY_BYTES = 128e6;
const MOST_CHOICES = 100;
const KEPT = 24; // results and edge maps that undo can go back to

export class Doc {
  constructor(photoBlob, name, photo) {
    this.photoBlob = photoBlob;
    this.name = name;
    this.photo = photo; // an ImageBitmap
    this.photoId = null;
    this.before = null; // the photo as it was opened, where this one has been worked on: {bitmap, blob, x, y}
    this.width = photo.width;
    this.height = photo.height;
    this.mask = new Uint8Array(this.width * this.height);
    this.edits = new Uint8Array(this.width * this.height);
    [this.tint, this.tintContext] = canvasOf(this.width, this.height);
    this.tinted = EMPTY; // holds all of the hole that the tint shows
    this.done = [];
    this.undone = [];
    this.state = this.maskState = this.lastState = 0;
    this.choice = 0; // which of several fills is the result; 0 is the first
    this.lines = new Map(); // by mask state and weights: {box, values, canvas, context}
    this.results = new Map(); // by what made them, see resultKey: {box, blob, bitmap, notes}
    this.holeCache = { state: -1, rect: EMPTY };
  }

  grid(layer, only) {
    return { data: this[layer], width: this.width, height: this.height, only };
  }

  // The bounds of the hole.
  hole() {
    if (this.holeCache.state !== this.maskState) {
      this.holeCache = { state: this.maskState, rect: bounds(this.mask, this.width, this.height, 1) };
    }
    return this.holeCache.rect;
  }

  // How much there is to fill: the pixels of the hole's bounds and some more.
  pixels() {
    const { w, h } = this.hole();
    return (w + 128) * (h + 128);
  }

  // Under which its edge map and its result are found; of app: {weights, alone, inpainter, texture}.
  linesKey({ weights }) {
    return `${this.maskState} ${weights}`;
  }

  resultKey({ weights, alone, inpainter, texture }, choice = this.choice) {
    if (alone) return `${this.maskState} alone, ${choice}`;
    if (inpainter !== NETWORKS) return `${this.maskState} by ${inpainter}`;
    return `${this.state} ${weights} ${texture}, ${choice}`;
  }

  // The fills of this hole that there are: [[choice, result], ...].
  fills(app) {
    const length = app.alone || app.inpainter === NETWORKS ? MOST_CHOICES : 1;
    const all = Array.from({ length }, (_, choice) => [choice, this.results.get(this.resultKey(app, choice))]);
    return all.filter(([, result]) => result);
  }

  // Take another fill, as a step that can be undone.
  choose(choice) {
    const { state, maskState } = this, nothing = new Uint8Array();
    const [beforeState, afterState] = [this.choice, choice].map((each) => ({ state, maskState, choice: each }));
    this.choice = choice;
    this.record({ layer: "choice", rect: EMPTY, before: nothing, after: nothing, beforeState, afterState });
  }

  hasEdits() {
    const rect = this.hole(), edits = cut(this.edits, this.width, rect), mask = cut(this.mask, this.width, rect);
    return edits.some((value, i) => value && mask[i]);
  }

  // Make the hole larger all around by some pixels, or smaller where that is negative.
  resizeHole(px) {
    return this.apply("mask", () => {
      const hole = this.hole();
      const rims = rim(this.mask, this.width, this.height, hole);
      for (const { x, y } of rims) disc(this.grid("mask"), x, y, px > 0 ? px : -px - 1, px > 0 ? 1 : 0);
      return clip({ x: hole.x - Math.abs(px), y: hole.y - Math.abs(px), w: hole.w + 2 * Math.abs(px), h: hole.h + 2 * Math.abs(px) }, this.width, this.height);
    });
  }

  // Draw with `change(): rect`, as one step that can be undone. Several steps may run into one: see `Stroke`.
  apply(layer, change) {
    const stroke = new Stroke(this, layer);
    stroke.add(change());
    return stroke.end();
  }

  undo() {
    this.#turn(this.done, this.undone, "before");
  }

  redo() {
    this.#turn(this.undone, this.done, "after");
  }

  #turn(from, to, which) {
    const step = from.pop();
    if (!step) return;
    to.push(step);
    if (step.rect.h) paste(this[step.layer], this.width, step.rect, step[which]);
    ({ state: this.state, maskState: this.maskState, choice: this.choice = 0 } = step[`${which}State`]);
    this.repaint(step.layer, step.rect);
  }

  record(step) {
    this.done.push(step);
    this.undone = [];
    this.onRecord?.();
    let bytes = 0;
    const first = this.done.findLastIndex((each) => (bytes += 2 * each.before.length) > HISTORY_BYTES);
    if (first > 0) this.done.splice(0, first);
  }

  // What undo and redo need after a reload: the newest steps up to a number of bytes.
  history(mostBytes) {
    const { state, maskState, lastState, choice } = this;
    const [done, undone] = [this.done, this.undone].map((steps) => {
      let bytes = 0;
      return steps.slice(1 + steps.findLastIndex((step) => (bytes += 2 * step.before.length) > mostBytes));
    });
    return { state, maskState, lastState, choice, done, undone };
  }

  repaint(layer, rect) {
    if (layer === "mask") this.#paintTint(rect);
    for (const lines of this.lines.values()) for (const plane of lines.planes.values()) this.#paintPlane(lines, plane, rect);
  }

  #paintTint(rect) {
    if (!rect.w) return;
    const picture = this.tintContext.createImageData(rect.w, rect.h);
    const words = new Uint32Array(picture.data.buffer), part = cut(this.mask, this.width, rect);
    const tint = new Uint32Array(new Uint8Array(TINT).buffer)[0];
    for (let i = 0; i < part.length; i++) words[i] = part[i] ? tint : 0;
    this.tintContext.putImageData(picture, rect.x, rect.y);
    this.tinted = union(this.tinted, rect);
  }

  // The edge map's lines to look at, on nothing: known, completed and drawn ones in the colours of a theme, as
  // large as they are (level 0) or shown 2, 4, ... times smaller, where the strongest line of each block counts.
  linesAt(lines, level, theme) {
    const key = `${level} ${theme}`, known = lines.planes.get(key);
    if (known) return known.canvas;
    const side = 2 ** level, [canvas, context] = canvasOf(Math.ceil(lines.box.w / side), Math.ceil(lines.box.h / side));
    const plane = { canvas, context, side, inks: INKS[theme] };
    lines.planes.set(key, plane);
    this.#paintPlane(lines, plane, lines.box);
    return canvas;
  }

  #paintPlane(lines, { context, side, inks }, rect) {
    const { box, values } = lines, own = clip({ ...rect, x: rect.x - box.x, y: rect.y - box.y }, box.w, box.h);
    if (!own.w) return;
    const left = Math.floor(own.x / side), top = Math.floor(own.y / side);
    const w = Math.ceil((own.x + own.w) / side) - left, h = Math.ceil((own.y + own.h) / side) - top;
    const picture = context.createImageData(w, h), words = new Uint32Array(picture.data.buffer);
    for (let row = 0; row < h; row++) {
      for (let column = 0; column < w; column++) {
        let most = 0, ink = KNOWN;
        const yEnd = Math.min(box.h, (top + row + 1) * side), xEnd = Math.min(box.w, (left + column + 1) * side);
        for (let y = (top + row) * side; y < yEnd; y++) {
          for (let x = (left + column) * side; x < xEnd; x++) {
            const at = (box.y + y) * this.width + box.x + x, isHole = this.mask[at], edit = isHole ? this.edits[at] : KEEP;
            const value = edit === DRAWN ? 256 : edit === ERASED ? 0 : values[y * box.w + x];
            if (value > most) [most, ink] = [value, edit === DRAWN ? OWN : isHole ? COMPLETED : KNOWN];
          }
        }
        const [r, g, b] = inks[ink];
        words[row * w + column] = (Math.min(most, 255) << 24) | (b << 16) | (g << 8) | r;
      }
    }
    context.putImageData(picture, left, top);
  }

  setLines(key, box, values) {
    const lines = { box, values, planes: new Map() };
    remember(this.lines, key, lines);
    return lines;
  }

  setResult(key, result) {
    remember(this.results, key, result);
    return result;
  }

  // The edge values in `rect` as the server shall use them: completed, with the edits over them.
  editedLines(lines, rect) {
    const values = cut(lines.values, lines.box.w, { ...rect, x: rect.x - lines.box.x, y: rect.y - lines.box.y });
    const edits = cut(this.edits, this.width, rect), mask = cut(this.mask, this.width, rect);
    return values.map((value, i) => (mask[i] && edits[i] ? (edits[i] === DRAWN ? 255 : 0) : value));
  }
}

export class Stroke {
  constructor(doc, layer) {
    this.doc = doc;
    this.layer = layer;
    this.old = doc[layer].slice();
    this.rect = EMPTY;
  }

  add(rect) {
    this.rect = union(this.rect, rect);
    this.doc.repaint(this.layer, rect);
  }

  end() {
    const { doc, layer, rect } = this;
    const before = cut(this.old, doc.width, rect), after = cut(doc[layer], doc.width, rect);
    if (before.every((value, i) => value === after[i])) return false;
    const beforeState = { state: doc.state, maskState: doc.maskState, choice: doc.choice };
    doc.choice = 0;
    doc.state = ++doc.lastState;
    if (layer === "mask") doc.maskState = doc.state;
    const afterState = { state: doc.state, maskState: doc.maskState, choice: 0 };
    doc.record({ layer, rect, before, after, beforeState, afterState });
    return true;
  }

  cancel() {
    paste(this.doc[this.layer], this.doc.width, this.rect, cut(this.old, this.doc.width, this.rect));
    this.doc.repaint(this.layer, this.rect);
  }
}

function remember(map, key, value) {
  map.delete(key);
  map.set(key, value);
  while (map.size > KEPT) map.delete(map.keys().next().value);
}
