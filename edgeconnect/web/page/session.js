// The page's state, kept in the browser: written a moment after each change, read at the start.

import { Doc } from "./doc.js";
import { decode } from "./pictures.js";
import { cut, paste } from "./raster.js";
import * as store from "./store.js";

const WAIT_MS = 400;
const HISTORY_BYTES = 16e6; // written with each change
let timer = null;

export function saveSoon(app) {
  clearTimeout(timer);
  timer = setTimeout(() => save(app), WAIT_MS);
}

async function save(app) {
  const { doc } = app;
  if (!doc) return;
  const hole = doc.hole(), result = doc.results.get(doc.resultKey(app)), lines = doc.lines.get(doc.linesKey(app));
  try {
    await store.save({
      photoBlob: doc.photoBlob, shownBlob: doc.shownBlob, name: doc.name, hole,
      mask: cut(doc.mask, doc.width, hole), edits: cut(doc.edits, doc.width, hole),
      result: result && { box: result.box, blob: result.blob }, lines: lines && { box: lines.box, values: lines.values },
      weights: app.weights, mode: app.mode, tool: app.tool, live: app.live, hasFilled: app.hasFilled,
      history: doc.history(HISTORY_BYTES), alone: app.alone, texture: app.texture, inpainter: app.inpainter,
    });
  } catch (error) {
    app.say(`This browser does not keep the page's state over a reload (${error.name}).`, "error");
  }
  document.body.dataset.saved = String(doc.state);
}

export async function restore(app) {
  const state = await store.load().catch(() => undefined);
  if (!state) return;
  for (const what of ["weights", "inpainter"]) {
    if ([...document.querySelectorAll(`#${what} option`)].some((option) => option.value === state[what])) app[what] = state[what];
  }
  const doc = new Doc(state.photoBlob, state.name, await decode(state.shownBlob));
  doc.shownBlob = state.shownBlob;
  Object.assign(doc, state.history);
  paste(doc.mask, doc.width, state.hole, state.mask);
  paste(doc.edits, doc.width, state.hole, state.edits);
  doc.repaint("mask", state.hole);
  const { live, alone = false, texture = app.texture } = state;
  Object.assign(app, { live, alone, texture });
  if (state.lines) doc.setLines(doc.linesKey(app), state.lines.box, state.lines.values);
  if (state.result) doc.setResult(doc.resultKey(app), { ...state.result, bitmap: await decode(state.result.blob) });
  await app.setDoc(doc);
  app.hasFilled = state.hasFilled;
  app.setTool(state.tool);
  app.setMode(state.mode);
  app.say(`${doc.name}: as you left it.`, "done");
}
