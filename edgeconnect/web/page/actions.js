// What the page asks the server for, and what it does with the answers. One request at a time: a new one
// ends the one before.

import * as api from "./api.js";
import { DRAWN, Doc, ERASED, KEEP, NETWORKS } from "./doc.js";
import { decode, decodeGray, download, encodeGray } from "./pictures.js";
import { cut, paste } from "./raster.js";

const MORE = 3; // fills at a time

export class Actions {
  // `app`: {doc, weights, inpainter, alone, texture, say(text, kind), show(), filled(), changed(), setDoc(doc)}
  constructor(app) {
    this.app = app;
    this.running = null;
    this.preview = null; // of a fill that takes long: {key, label, stage, seconds, began, box, blob, bitmap}
  }

  // Run `work(options)` with a status line; tells whether it came to its end. `patient` lets what is running
  // end first instead of cancelling it.
  async run(label, work, patient = false) {
    while (patient && this.running) await this.finished;
    this.cancel();
    const controller = new AbortController(), start = performance.now();
    let finish;
    this.finished = new Promise((resolve) => { finish = resolve; });
    this.running = controller;
    this.app.say(`${label} …`, "busy");
    const options = { signal: controller.signal, onBusy: () => this.app.say(`${label}: the server is busy, waiting …`, "busy") };
    try {
      const said = await work(options);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      if (this.running === controller) this.app.say(said ?? `${label}: done in ${seconds} s.`, "done");
      controller.signal.throwIfAborted();
      return true;
    } catch (error) {
      if (error.name !== "AbortError") this.app.say(`${label}: ${error.message}`, "error");
      return false;
    } finally {
      if (this.running === controller) this.running = null;
      finish();
      this.app.show();
    }
  }

  cancel() {
    if (!this.running) return;
    this.running.abort();
    this.running = this.preview = null;
    this.app.say("Cancelled.", "done");
  }

  open(blob, name) {
    return this.run("Opening the photo", async ({ signal }) => {
      const kept = await api.sendPhoto(blob, signal);
      let photo = await decode(blob).catch(() => null), bytes = blob;
      if (!photo || photo.width !== kept.width || photo.height !== kept.height) {
        bytes = await api.file(`/api/photos/${kept.id}`); // a format that this browser does not show
        photo = await decode(bytes);
      }
      const doc = new Doc(blob, name, photo);
      doc.photoId = kept.id;
      doc.shownBlob = bytes;
      await this.app.setDoc(doc);
      return [`${name}: ${kept.width} × ${kept.height} pixels.`, ...kept.notes].join(" ");
    });
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
    if (!this.app.doc.hole().w) throw new Error("paint a hole first: what shall be filled.");
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
    return this.run("Completing edges", (options) => this.#complete(options).then(() => undefined));
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
      const { notes } = await this.#fillNow(options);
      return notes.length ? ["Filling: done.", ...notes].join(" ") : undefined;
    });
  }

  // Further fills of the same hole, one after another, to choose from.
  more() {
    const label = "More fills";
    return this.run(label, async (options) => {
      this.#needsHole();
      const { app } = this, { doc } = app, key = doc.resultKey(app, 0);
      const last = doc.fills(app).at(-1)?.[0] ?? 0;
      for (let number = 1; number <= MORE; number++) {
        app.say(`${label}: ${number} of ${MORE} …`, "busy");
        await this.#fillNow(options, last + number);
        if (app.doc !== doc || doc.resultKey(app, 0) !== key) return `${label}: ended, as something else is to be filled now.`;
        app.show();
      }
      return `${label}: choose one below the picture.`;
    });
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

  // What to ask for: the first fill follows the edges; of others every second one is the photo's texture alone,
  // without any structure given. Each pair has another seed, and the smooth fill has no second one.
  async #fieldsOf(choice, options) {
    const { inpainter, alone, texture } = this.app;
    if (alone) return { ...(await this.#maskFields()), guide: "photo", seed: choice };
    if (inpainter !== NETWORKS) return { ...(await this.#maskFields()), inpainter };
    if (choice % 2) return { ...(await this.#maskFields()), guide: "photo", seed: (choice - 1) / 2 };
    return { ...(await this.#fillFields(options)), texture: choice ? texture || 1 : texture, seed: choice / 2 };
  }

  async #fillNow(options, choice = this.app.doc?.choice) {
    this.#needsHole();
    const { doc } = this.app, key = doc.resultKey(this.app, choice), fields = await this.#fieldsOf(choice, options);
    const { blob, box, notes } = await api.ofPhoto("/api/inpaint", doc, { ...fields, part: "hole" }, options);
    const news = notes.filter((note) => !note.startsWith("photo:")); // that was said when it was opened
    return doc.setResult(key, { box, blob, bitmap: await decode(blob), notes: news });
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
        return [`${label}: done.`, ...last.notes].join(" ");
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
      const other = await decodeGray(blob);
      const edits = other.map((value) => (value > 127 ? DRAWN : withCompleted ? KEEP : ERASED));
      doc.apply("edits", () => {
        paste(doc.edits, doc.width, box, edits);
        return box;
      });
      this.app.changed(true, { layer: "edits" });
      return "The other photo's lines are in the hole now.";
    });
  }

  openMask(file) {
    return this.run("Reading the mask", async (options) => {
      const { doc } = this.app;
      if (!doc) throw new Error("open a photo first.");
      const { blob, notes } = await api.ofPhoto("/api/mask", doc, { mask: file }, options);
      const values = await decodeGray(blob);
      doc.apply("mask", () => {
        values.forEach((value, i) => { doc.mask[i] = value > 127 ? 1 : 0; });
        return { x: 0, y: 0, w: doc.width, h: doc.height };
      });
      this.app.changed(true, { layer: "mask" });
      return ["The mask is in place.", ...notes].join(" ");
    });
  }

  saveResult() {
    return this.run("Writing the result", async (options) => download(await this.#wholeResult(options), this.#named("result")), true);
  }

  // Go on with the result as the photo.
  async keepResult() {
    let blob;
    const label = "Keeping the result";
    if (await this.run(label, async (options) => { blob = await this.#wholeResult(options); }, true)) {
      await this.open(blob, this.#named("result"));
    }
  }

  async #wholeResult(options) {
    this.#needsHole();
    if (this.app.alone && !this.result()) throw new Error("fill the hole first.");
    const { blob } = this.result() ?? (await this.#fillNow(options));
    return (await api.ofPhoto("/api/composite", this.app.doc, { ...(await this.#maskFields()), fill: blob }, options)).blob;
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

  #named(what) {
    return `${this.app.doc.name.replace(/\.[^.]*$/, "")}_${what}.png`;
  }
}
