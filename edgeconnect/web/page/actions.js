// What the page asks the server for, and what it does with the answers. One request at a time: a new one
// ends the one before.

import * as api from "./api.js";
import { DRAWN, Doc, ERASED, KEEP, NETWORKS } from "./doc.js";
import { decode, decodeGray, download, encodeGray, readLines } from "./pictures.js";
import { bounds, cut, line, paste, union, EMPTY } from "./raster.js";

const MORE = 3; // fills at a time
const SMOOTH = 2; // which of them has no texture; the texture where the first has none

export class Actions {
  // `app`: {doc, weights, inpainter, alone, texture, waiting, say(text, kind), show(), filled(), changed(hasChanged,
  // layer), goOn(doc, why)}
  constructor(app) {
    this.app = app;
    this.running = null;
    this.label = ""; // of what runs
    this.preview = null; // of a fill that takes long: {key, label, stage, seconds, began, box, blob, bitmap}
  }

  // Run `work(options)` with a status line; tells whether it came to its end. `patient` lets what is running
  // end first instead of cancelling it.
  async run(label, work, patient = false) {
    while (patient && this.running) await this.finished;
    this.cancel();
    const controller = new AbortController(), start = performance.now();
    let finish, isDone = false;
    this.finished = new Promise((resolve) => { finish = resolve; });
    this.running = controller;
    this.label = label;
    this.app.waiting.begin(label, this.app.doc?.pixels() ?? 0);
    this.app.say(`${label} …`, "busy");
    this.app.show();
    const options = { signal: controller.signal, onBusy: () => this.app.say(`${label}: the server is busy, waiting …`, "busy") };
    try {
      const said = await work(options);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      if (this.running === controller) this.app.say(said ?? `${label}: done in ${seconds} s.`, "done");
      controller.signal.throwIfAborted();
      if (this.running === controller) this.app.waiting.end(true);
      isDone = true;
      return true;
    } catch (error) {
      if (error.name !== "AbortError") this.app.say(`${label}: ${error.message}`, "error");
      return false;
    } finally {
      if (this.running === controller) {
        this.running = null;
        this.app.waiting.end(false);
      }
      finish();
      this.app.show();
      if (isDone && !this.running) this.app.idle();
    }
  }

  cancel() {
    if (!this.running) return;
    this.running.abort();
    this.running = this.preview = null;
    this.app.waiting.end(false);
    this.app.say("Cancelled.", "done");
    this.app.show();
  }

  // Further fills of a hole that is not there any more.
  cancelMore() {
    if (this.label !== MORE_LABEL || !this.running) return;
    this.cancel();
    this.app.say("", "done");
  }

  open(blob, name) {
    return this.run("Opening the photo", async (options) => {
      const old = this.app.doc, [doc, notes] = await this.#read(blob, name, options);
      await this.app.goOn(doc, "Open");
      const back = old ? `Undo brings ${old.name} back.` : "";
      const said = [`${name}: ${doc.width} × ${doc.height} pixels.`, ...sentences(notes), back, "Paint over what should go."];
      return said.filter(Boolean).join(" ");
    });
  }

  // A Doc of a file that the server knows, and what it said about it.
  async #read(blob, name, { signal }) {
    const kept = await api.sendPhoto(blob, signal);
    let photo = await decode(blob).catch(() => null), bytes = blob;
    if (!photo || photo.width !== kept.width || photo.height !== kept.height) {
      bytes = await api.file(`/api/photos/${kept.id}`); // a format that this browser does not show
      photo = await decode(bytes);
    }
    signal.throwIfAborted();
    const doc = new Doc(blob, name, photo);
    doc.photoId = kept.id;
    doc.shownBlob = bytes;
    return [doc, kept.notes];
  }

  async openSample(name) {
    await this.open(await api.file(`/api/samples/${encodeURIComponent(name)}`), `${name}.png`);
  }

  lines() {
    return this.app.doc?.lines.get(this.app.doc.linesKey(this.app));
  }

  result() {
    return this.app.doc?.results.get(this.app.doc.resultKey(this.app));
  }

  // What there is to see of the hole: a result, or what it looks like on the way to one.
  shown() {
    const { preview, app } = this;
    return preview?.bitmap && preview.key === app.doc?.resultKey(app) ? preview : this.result();
  }

  async #maskFields() {
    const { doc } = this.app, hole = doc.hole();
    const values = cut(doc.mask, doc.width, hole).map((value) => value * 255);
    const mask = await encodeGray(values, hole.w, hole.h);
    return { mask, mask_polarity: "white", x: hole.x, y: hole.y };
  }

  async #holeFields() {
    return { ...(await this.#maskFields()), weights: this.app.weights };
  }

  #needsHole() {
    if (!this.app.doc) throw new Error("open a photo first.");
    if (!this.app.doc.hole().w) throw new Error("paint over what should go first.");
  }

  // The completed edges around the hole, from the server or from before.
  async #complete(options) {
    this.#needsHole();
    const { doc } = this.app, key = doc.linesKey(this.app), known = doc.lines.get(key);
    if (known) return known;
    const answer = await api.ofPhoto("/api/edges", doc, { ...(await this.#holeFields()), part: "surroundings" }, options);
    return doc.setLines(key, answer.box, await decodeGray(answer.blob));
  }

  complete() {
    return this.run("Completing edges", async (options) => {
      await this.#complete(options);
      return "Completing edges: done. Draw lines in the hole, or rub some out.";
    });
  }

  async #fillFields(options) {
    const { doc } = this.app, fields = await this.#holeFields();
    if (!doc.hasEdits()) return fields;
    const hole = doc.hole(), values = doc.editedLines(await this.#complete(options), hole);
    return { ...fields, edges: await encodeGray(values, hole.w, hole.h), edges_polarity: "white" };
  }

  fill() {
    if (this.app.alone) return this.#fillAlone();
    return this.run("Filling", async (options) => {
      const { notes, seconds } = await this.#fillNow(options);
      return [`Filling: done in ${seconds.toFixed(1)} s.`, ...sentences(notes), "Accept makes it part of the photo."].join(" ");
    });
  }

  // Further fills of the same hole, one after another, to choose from.
  more() {
    return this.run(MORE_LABEL, async (options) => {
      this.#needsHole();
      const { app } = this, { doc } = app, key = doc.resultKey(app, 0);
      const last = doc.fills(app).at(-1)?.[0] ?? 0;
      this.expected = { doc, key, upTo: last + MORE };
      app.show();
      try {
        for (let number = 1; number <= MORE; number++) {
          app.say(`Filled. More to choose from: ${number} of ${MORE} …`, "busy");
          await this.#fillNow(options, last + number);
          if (app.doc !== doc || doc.resultKey(app, 0) !== key) return "More fills: ended, as something else is to be filled now.";
          app.show();
          app.saved();
        }
      } finally {
        this.expected = null;
      }
      return "Choose a fill, then accept it.";
    });
  }

  // Up to which number fills of this hole are on their way.
  upTo() {
    const { expected, app } = this;
    return expected && expected.doc === app.doc && app.doc.resultKey(app, 0) === expected.key ? expected.upTo : -1;
  }

  // Make another one of the fills the result.
  choose(choice) {
    const { app } = this, { doc } = app;
    if (!doc.results.has(doc.resultKey(app, choice)) || choice === doc.choice) return;
    doc.choose(choice);
    if (!this.running) app.say(`Fill ${choice + 1} is the result now.`, "done");
    app.saved();
    app.show();
  }

  // What to ask for: the first fill follows the edges, the second takes the photo's texture alone, without any
  // structure given, the third is smooth. Then come other seeds of the first two.
  async #fieldsOf(choice, options) {
    const { inpainter, alone, texture } = this.app;
    if (alone) return { ...(await this.#maskFields()), guide: "photo", seed: choice };
    if (inpainter !== NETWORKS) return { ...(await this.#maskFields()), inpainter };
    if (choice === SMOOTH) return { ...(await this.#fillFields(options)), texture: texture ? 0 : 1 };
    const other = choice > SMOOTH ? choice - 1 : choice, seed = Math.floor(other / 2);
    if (other % 2) return { ...(await this.#maskFields()), guide: "photo", seed };
    return { ...(await this.#fillFields(options)), texture: choice ? texture || 1 : texture, seed };
  }

  async #fillNow(options, choice = this.app.doc?.choice) {
    this.#needsHole();
    const began = performance.now();
    const { doc } = this.app, key = doc.resultKey(this.app, choice), fields = await this.#fieldsOf(choice, options);
    const { blob, box, notes } = await api.ofPhoto("/api/inpaint", doc, { ...fields, part: "hole" }, options);
    const news = notes.filter((note) => !note.startsWith("photo:")); // that was said when it was opened
    return doc.setResult(key, { box, blob, bitmap: await decode(blob), notes: news, seconds: (performance.now() - began) / 1000 });
  }

  // From the photo's own patches, shown meanwhile.
  #fillAlone() {
    const label = "Filling from this photo";
    return this.run(label, async (options) => {
      this.#needsHole();
      const { doc } = this.app, preview = (this.preview = { key: doc.resultKey(this.app), label });
      try {
        const fields = { ...(await this.#maskFields()), seed: doc.choice, part: "hole" };
        const last = await api.watched("/api/single", doc, fields, (event) => this.#watch(preview, event), options);
        doc.setResult(preview.key, { box: last.box, blob: last.blob, bitmap: await decode(last.blob) });
        return [`${label}: done.`, ...sentences(last.notes)].join(" ");
      } finally {
        if (this.preview === preview) this.preview = null;
      }
    });
  }

  async #watch(preview, event) {
    const bitmap = event.blob && (await decode(event.blob));
    if (this.preview !== preview) return;
    if (bitmap) preview.bitmap?.close();
    if (!preview.stage) this.app.say(`${preview.label}: matching patches …`, "busy");
    Object.assign(preview, event, bitmap && { bitmap }, { began: performance.now() - 1000 * event.seconds });
    this.app.show();
  }

  // Enough: the preview becomes the result.
  takePreview() {
    const { preview, app } = this;
    if (!preview?.bitmap) return;
    app.doc.setResult(preview.key, { box: preview.box, blob: preview.blob, bitmap: preview.bitmap });
    this.cancel();
    app.say(`${preview.label}: taken as it was after ${preview.seconds.toFixed(1)} s.`, "done");
    app.filled();
  }

  // Another photo's lines in the hole, instead of the completed ones or with them.
  structure(file, withCompleted) {
    return this.run("Taking the other photo's structure", async (options) => {
      this.#needsHole();
      const { doc } = this.app, fields = { ...(await this.#holeFields()), edges_from: file, part: "hole" };
      if (withCompleted) await this.#complete(options);
      const { blob, box } = await api.ofPhoto("/api/edges", doc, fields, options);
      this.#setEdits(box, await decodeGray(blob), withCompleted);
      return "The other photo's lines are in the hole now.";
    });
  }

  // Lines from a file: an edge map of the photo's size as it is, of anything else its edges.
  async openLines(file, withCompleted) {
    const { doc } = this.app, lines = doc && (await readLines(file, doc.width, doc.height).catch(() => null));
    if (!lines) return this.structure(file, withCompleted);
    return this.run("Reading the edge map", async () => {
      this.#needsHole();
      const hole = doc.hole();
      this.#setEdits(hole, cut(lines, doc.width, hole), withCompleted);
      return "The edge map's lines are in the hole now.";
    });
  }

  #setEdits(box, values, withCompleted) {
    const { doc } = this.app, edits = values.map((value) => (value > 127 ? DRAWN : withCompleted ? KEEP : ERASED));
    const hasChanged = doc.apply("edits", () => {
      paste(doc.edits, doc.width, box, edits);
      return box;
    });
    this.app.changed(hasChanged, "edits");
  }

  // The object under a scribble, added to the hole or taken from it.
  select(points, radius, subtracts) {
    return this.run("Selecting", async (options) => {
      const { doc } = this.app, grid = { data: new Uint8Array(doc.width * doc.height), width: doc.width, height: doc.height };
      let rect = EMPTY;
      points.forEach((point, i) => { rect = union(rect, line(grid, points[Math.max(0, i - 1)], point, radius, 1)); });
      const box = bounds(grid.data, doc.width, doc.height, 1);
      if (!box.w) throw new Error("click inside the photo.");
      const values = cut(grid.data, doc.width, box).map((value) => 255 * value);
      const fields = { mask: await encodeGray(values, box.w, box.h), mask_polarity: "white", x: box.x, y: box.y };
      const answer = await api.ofPhoto("/api/select", doc, fields, options), found = await decodeGray(answer.blob);
      if (this.app.doc !== doc) return "";
      const hasChanged = doc.apply("mask", () => {
        const part = cut(doc.mask, doc.width, answer.box);
        paste(doc.mask, doc.width, answer.box, part.map((value, i) => (found[i] > 127 ? Number(!subtracts) : value)));
        return answer.box;
      });
      this.app.changed(hasChanged, "mask");
      const [note] = answer.notes.filter((each) => !each.startsWith("photo:"));
      if (note) return sentences([note])[0];
      return subtracts ? "Taken out of the hole." : "Selected. Click on more, or fill.";
    });
  }

  openMask(file) {
    return this.run("Reading the mask", async (options) => {
      const { doc } = this.app;
      if (!doc) throw new Error("open a photo first.");
      const { blob, notes } = await api.ofPhoto("/api/mask", doc, { mask: file }, options);
      const values = await decodeGray(blob);
      const hasChanged = doc.apply("mask", () => {
        values.forEach((value, i) => { doc.mask[i] = value > 127 ? 1 : 0; });
        return { x: 0, y: 0, w: doc.width, h: doc.height };
      });
      this.app.changed(hasChanged, "mask");
      return ["The mask is in place.", ...sentences(notes)].join(" ");
    });
  }

  saveResult() {
    return this.run("Writing the result", async (options) => download(await this.#wholeResult(options), this.#named("result")), true);
  }

  copy() {
    return this.run("Copying", async (options) => {
      if (!navigator.clipboard?.write) throw new Error("this browser copies pictures only from https or this machine; download it instead.");
      const blob = await this.#wholeResult(options);
      const picture = blob.type === "image/png" ? blob : await toPng(this.app.doc.photo);
      await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
      return this.result() ? "The result is on the clipboard." : "The photo is on the clipboard.";
    }, true);
  }

  // The fill becomes part of the photo.
  accept() {
    return this.run("Accepting", async (options) => {
      if (!this.result()) throw new Error("fill the hole first.");
      const { doc } = this.app, [next] = await this.#read(await this.#wholeResult(options), doc.name, options);
      next.before = doc.before ?? { bitmap: doc.photo, blob: doc.shownBlob, x: 0, y: 0 };
      await this.app.goOn(next, "Accept");
      return "Accepted: it is part of the photo now. Go on, or download it.";
    }, true);
  }

  // A larger photo whose new border is the hole (together with the one that there is).
  extend(sides) {
    return this.run("Extending", async (options) => {
      const { doc } = this.app, { left, top } = sides;
      const { blob } = await api.ofPhoto("/api/extend", doc, sides, options);
      const [next] = await this.#read(blob, doc.name, options);
      const inner = { x: left, y: top, w: doc.width, h: doc.height };
      next.mask.fill(1);
      paste(next.mask, next.width, inner, doc.mask);
      next.state = next.maskState = next.lastState = 1;
      next.repaint("mask", { x: 0, y: 0, w: next.width, h: next.height });
      next.before = doc.before ? { ...doc.before, x: doc.before.x + left, y: doc.before.y + top } : { bitmap: doc.photo, blob: doc.shownBlob, x: left, y: top };
      await this.app.goOn(next, "Extend");
      return `${next.width} × ${next.height} pixels now.`;
    });
  }

  // The photo with its fill; as it is where it has no hole.
  async #wholeResult(options) {
    const { doc } = this.app;
    if (doc && !doc.hole().w) return doc.photoBlob;
    this.#needsHole();
    if (!this.result()) throw new Error("fill the hole first.");
    const { blob } = this.result();
    return (await api.ofPhoto("/api/composite", doc, { ...(await this.#maskFields()), fill: blob }, options)).blob;
  }

  saveMask() {
    return this.run("Writing the mask", async () => {
      this.#needsHole();
      const { doc } = this.app;
      download(await encodeGray(doc.mask.map((value) => value * 255), doc.width, doc.height), this.#named("mask"));
    }, true);
  }

  saveEdges() {
    return this.run("Writing the edge map", async (options) => {
      this.#needsHole();
      const { doc } = this.app, hole = doc.hole(), edited = doc.editedLines(await this.#complete(options), hole);
      const { blob } = await api.ofPhoto("/api/edges", doc, await this.#holeFields(), options);
      const values = await decodeGray(blob), mask = cut(doc.mask, doc.width, hole);
      const part = cut(values, doc.width, hole).map((value, i) => (mask[i] ? edited[i] : value));
      paste(values, doc.width, hole, part);
      download(await encodeGray(values, doc.width, doc.height), this.#named("edges"));
    }, true);
  }

  // A name that does not grow when a result is opened and saved again.
  #named(what) {
    const stem = this.app.doc.name.replace(/\.[^.]*$/, "").replace(/(_(result|mask|edges)( ?\(\d+\))?)+$/, "");
    return `${stem}_${what}.png`;
  }
}

const MORE_LABEL = "More fills";

const sentences = (notes) => notes.map((note) => `${note[0].toUpperCase()}${note.slice(1)}.`);

async function toPng(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
