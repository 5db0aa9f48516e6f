// What is being worked on: a photo, its hole, edits of the edges, and what the server made of them.

import { canvasOf } from "./pictures.js";
import { EMPTY, bounds, clip, cut, paste, union } from "./raster.js";

export const KEEP = 0, ERASED = 1, DRAWN = 2; // values of `edits`
export const NETWORKS = "edgeconnect"; // the inpainter that has edges, texture and several fills

const TINT = [230, 0, 120, 120]; // of the hole on the photo
const PAPER = [255, 255, 255], HOLE_PAPER = [226, 236, 255]; // of the edge map
const KNOWN = [0, 0, 0], COMPLETED = [0, 50, 255], OWN = [205, 0, 100];
const HISTORY_BYTES = 128e6;
const MOST_CHOICES = 100;
const KEPT = 24; // results and edge maps that undo can go back to

export class Doc {
  constructor(photoBlob, name, photo) {
    this.photoBlob = photoBlob;
    this.name = name;
    this.photo = photo; // an ImageBitmap
    this.photoId = null;
    this.width = photo.width;
    this.height = photo.height;
    this.mask = new Uint8Array(this.width * this.height);
    this.edits = new Uint8Array(this.width * this.height);
    [this.tint, this.tintContext] = canvasOf(this.width, this.height);
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
    const all = Array.from({ length: MOST_CHOICES }, (_, choice) => [choice, this.results.get(this.resultKey(app, choice))]);
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

  // Draw with `change(): rect`, as one step that can be undone. Several steps may run into one: see `Stroke`.
  apply(layer, change) {
    const stroke = new Stroke(this, layer);
    stroke.add(change());
    stroke.end();
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
    for (const lines of this.lines.values()) this.paintLines(lines, rect);
  }

  #paintTint(rect) {
    if (!rect.w) return;
    const picture = this.tintContext.createImageData(rect.w, rect.h);
    const words = new Uint32Array(picture.data.buffer), part = cut(this.mask, this.width, rect);
    const tint = new Uint32Array(new Uint8Array(TINT).buffer)[0];
    for (let i = 0; i < part.length; i++) words[i] = part[i] ? tint : 0;
    this.tintContext.putImageData(picture, rect.x, rect.y);
  }

  // The edge map to look at: known lines black, completed ones blue, drawn ones red, the hole tinted.
  paintLines(lines, rect = lines.box) {
    const { box } = lines, own = clip({ ...rect, x: rect.x - box.x, y: rect.y - box.y }, box.w, box.h);
    if (!own.w) return;
    const picture = lines.context.createImageData(own.w, own.h), { data } = picture;
    for (let y = 0; y < own.h; y++) {
      for (let x = 0; x < own.w; x++) {
        const at = (box.y + own.y + y) * this.width + box.x + own.x + x, i = 4 * (y * own.w + x);
        const isHole = this.mask[at], edit = isHole ? this.edits[at] : KEEP;
        const share = edit === DRAWN ? 1 : edit === ERASED ? 0 : lines.values[(own.y + y) * box.w + own.x + x] / 255;
        const ink = edit === DRAWN ? OWN : isHole ? COMPLETED : KNOWN, paper = isHole ? HOLE_PAPER : PAPER;
        for (let c = 0; c < 3; c++) data[i + c] = paper[c] + (ink[c] - paper[c]) * share;
        data[i + 3] = 255;
      }
    }
    lines.context.putImageData(picture, own.x, own.y);
  }

  setLines(key, box, values) {
    const [canvas, context] = canvasOf(box.w, box.h);
    const lines = { box, values, canvas, context };
    this.paintLines(lines);
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
