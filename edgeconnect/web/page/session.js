// The page's state: frozen into plain data for the browser's database and for photos that undo goes back to.

import { Doc } from "./doc.js";
import { decode } from "./pictures.js";
import { cut, paste } from "./raster.js";
import * as store from "./store.js";

const WAIT_MS = 400;
const HISTORY_BYTES = 16e6; // of strokes, written with each change
const PHOTOS = 20, PHOTO_BYTES = 400e6; // that undo can go back to
let timer = null, chainSaved = null;

export function saveSoon(app) {
  clearTimeout(timer);
  document.body.dataset.saving = true;
  timer = setTimeout(() => save(app), WAIT_MS);
}

// What is not written yet, when the page goes away.
export function saveNow(app) {
  if (timer) save(app);
}

async function save(app) {
  clearTimeout(timer);
  timer = null;
  if (app.doc) await write(app);
  document.body.dataset.saving = timer !== null; // more was done meanwhile
}

async function write(app) {
  const { weights, mode, tool, live, hasFilled, alone, texture, inpainter, past, future } = app;
  const last = { ...freeze(app), weights, mode, tool, live, hasFilled, alone, texture, inpainter };
  const isNew = chainSaved !== app.chain;
  try {
    await store.save({ last, ...(isNew && { past, future }) });
    chainSaved = app.chain;
  } catch (error) {
    app.say(`This browser does not keep the page's state over a reload (${error.name}).`, "error");
  }
}

// A photo with all that was done on it, as plain data.
export function freeze(app) {
  const { doc } = app, hole = doc.hole(), lines = doc.lines.get(doc.linesKey(app));
  const results = doc.fills(app).map(([choice, { box, blob, seconds }]) => ({ key: doc.resultKey(app, choice), box, blob, seconds }));
  return {
    photoBlob: doc.photoBlob, shownBlob: doc.shownBlob, name: doc.name, photoId: doc.photoId, hole,
    mask: cut(doc.mask, doc.width, hole), edits: cut(doc.edits, doc.width, hole), results,
    lines: lines && { key: doc.linesKey(app), box: lines.box, values: lines.values },
    before: doc.before && { blob: doc.before.blob, x: doc.before.x, y: doc.before.y },
    history: doc.history(HISTORY_BYTES),
  };
}

export async function thaw(state) {
  const doc = new Doc(state.photoBlob, state.name, await decode(state.shownBlob));
  doc.shownBlob = state.shownBlob;
  doc.photoId = state.photoId;
  Object.assign(doc, structuredClone(state.history));
  paste(doc.mask, doc.width, state.hole, state.mask);
  paste(doc.edits, doc.width, state.hole, state.edits);
  doc.repaint("mask", state.hole);
  if (state.before) doc.before = { ...state.before, bitmap: await decode(state.before.blob) };
  if (state.lines) doc.setLines(state.lines.key, state.lines.box, state.lines.values);
  for (const { key, ...result } of state.results) doc.setResult(key, { ...result, bitmap: await decode(result.blob) });
  return doc;
}

// The newest photos to go back to, up to a number and a size.
export function newest(states) {
  let bytes = 0;
  const first = states.findLastIndex((state, i) => (bytes += state.photoBlob.size) > PHOTO_BYTES || states.length - i > PHOTOS);
  return states.slice(first + 1);
}

export async function restore(app) {
  const [state, past, future] = await Promise.all(["last", "past", "future"].map((key) => store.load(key))).catch(() => []);
  if (!state?.results) return; // none, or of an older version of this page
  for (const what of ["weights", "inpainter"]) {
    if ([...document.querySelectorAll(`#${what} option`)].some((option) => option.value === state[what])) app[what] = state[what];
  }
  const { live, alone, texture, hasFilled } = state;
  Object.assign(app, { live, alone, texture, past: past ?? [], future: future ?? [] });
  await app.setDoc(await thaw(state));
  app.hasFilled = hasFilled;
  app.setTool(state.tool);
  app.setMode(state.mode);
  app.say(`${app.doc.name}: as you left it.`, "done");
}
