// The page: buttons, keys and what follows from them.

import { Actions } from "./actions.js";
import * as api from "./api.js";
import { KEEP, NETWORKS } from "./doc.js";
import { wireFiles } from "./files.js";
import { hasMore, showFills, wireFills } from "./fills.js";
import { covered } from "./layout.js";
import { SMALL_PX, onTheme, painter } from "./painting.js";
import { freeze, newest, restore, saveNow, saveSoon, thaw } from "./session.js";
import { wireTips } from "./tips.js";
import { Hand, TOOLS } from "./tools.js";
import { View } from "./view.js";
import { Waiting } from "./waiting.js";

const element = (id) => document.getElementById(id);
const KEYS = {
  o: "select", b: "brush", x: "box", l: "lasso", e: "erase", w: "extend", d: "pencil", s: "straight", r: "rub", h: "hand",
};
const SIDES = ["left", "top", "right", "bottom"];
const NO_SIDES = { left: 0, top: 0, right: 0, bottom: 0 };
const QUICK_SECONDS = 8; // a fill that took longer is not followed by others unless they are asked for
const EXTEND_MARGIN = 0.66; // of what is not covered, that the photo takes while its border is dragged
const EXTENDED_MARGIN = 0.86; // and what it is extended to

const app = {
  doc: null, tool: "brush", mode: "photo", weights: "", inpainter: NETWORKS, small: null,
  size: 36, live: true, hasFilled: false, alone: false, texture: 1, subtracts: false, sides: { ...NO_SIDES },
  compares: false, share: 0.5, isBefore: false,
  past: [], future: [], chain: 0, // photos that undo and redo go to, frozen, and a number of their state

  say(text, kind) {
    element("status").textContent = text;
    element("status").dataset.kind = kind;
    element("cancel").hidden = kind !== "busy";
  },

  async setDoc(doc, staysInView = false) {
    const longest = Math.max(doc.width, doc.height), share = SMALL_PX / longest;
    const size = { resizeWidth: Math.round(doc.width * share), resizeHeight: Math.round(doc.height * share), resizeQuality: "medium" };
    app.small = share < 0.9 ? await createImageBitmap(doc.photo, size) : null;
    app.doc = doc;
    doc.onRecord = forgetFuture;
    app.hasFilled = Boolean(doc.results.size);
    app.view.size = doc;
    app.view.cursor = null;
    app.sides = { ...NO_SIDES };
    app.setMode("photo");
    if (!staysInView) app.view.fit();
    app.saved();
  },

  // Another photo, as a step that can be undone.
  async goOn(doc, why) {
    const old = app.doc, isSame = old && old.width === doc.width && old.height === doc.height && why === "Accept";
    if (old) app.past = newest([...app.past, { ...freeze(app), why }]);
    app.future = [];
    app.chain++;
    await app.setDoc(doc, isSame);
  },

  saved() {
    saveSoon(app);
  },

  // How to fill from now on: the first of the fills it gives. What was filled is filled again so.
  fillAs(how) {
    const isFilled = Boolean(app.doc && actions.result());
    Object.assign(app, how);
    if (app.doc) app.doc.choice = 0;
    if (isFilled && !actions.result()) app.fill();
    app.saved();
    app.show();
  },

  setMode(mode) {
    app.mode = mode;
    const layer = mode === "edges" ? "edits" : "mask", own = TOOLS[app.tool].layer ?? (app.tool === "extend" ? "mask" : layer);
    if (own !== layer) app.setTool(layer === "mask" ? "brush" : "pencil");
    if (mode === "edges") app.needLines();
    if (mode === "edges" && app.doc && !app.doc.hole().w) app.say("There is no hole to draw lines in yet: mark in the photo what should go.", "done");
    app.show();
  },

  // A tool taken by a person, who is told what it does: fingers see no tooltips.
  takeTool(tool) {
    app.setTool(tool);
    if (app.doc && !actions.running && app.state() !== "filled" && (app.mode === "photo" || app.doc.hole().w)) app.say(`${document.querySelector(`button[data-tool=${tool}]`).dataset.tip}.`, "done");
  },

  setTool(tool) {
    const wasFrame = app.tool === "extend";
    app.tool = tool;
    const mode = { mask: "photo", edits: "edges" }[TOOLS[tool].layer] ?? (tool === "extend" ? "photo" : app.mode);
    if (mode !== app.mode) app.setMode(mode);
    if (app.doc && wasFrame !== (tool === "extend")) {
      app.sides = { ...NO_SIDES };
      if (tool === "extend") app.view.fit(undefined, EXTEND_MARGIN);
      else app.view.fit();
    }
    app.show();
  },

  // Something has come to its end: what waited for it is done now.
  idle() {
    if (app.mode === "edges") app.needLines();
  },

  needLines() {
    if (app.doc?.hole().w && !actions.lines() && !actions.running) actions.complete();
  },

  // After a step on a layer: where lines were changed after a fill, fill again, if that is wanted.
  changed(hasChanged, layer) {
    if (hasChanged) {
      actions.cancelMore();
      if (layer === "edits" && app.live && app.hasFilled && !app.alone && app.inpainter === NETWORKS && !actions.result()) app.fill();
      else if (app.mode === "edges") app.needLines();
      else if (layer === "mask" && !actions.running) app.say(app.doc.hole().w ? "Fill, or paint on." : "Nothing is marked now.", "done");
    }
    app.saved();
    app.show();
  },

  scribbled(points, radius, subtracts) {
    actions.select(points, radius, subtracts);
  },

  async fill() {
    if (app.doc && app.tool === "extend") return app.extend();
    if (app.doc?.choice) app.doc.choose(0);
    const { doc } = app, began = performance.now();
    if (!(await actions.fill())) return;
    const isQuick = performance.now() - began < 1000 * QUICK_SECONDS;
    app.filled();
    if (isQuick && doc === app.doc && hasMore(app) && app.mode === "photo" && app.doc.fills(app).length < 2 && actions.result()) await actions.more();
  },

  async more() {
    if (actions.result() && hasMore(app)) await actions.more();
  },

  async accept() {
    if (await actions.accept()) app.view.draw();
  },

  async extend() {
    const { sides } = app;
    if (!SIDES.some((side) => sides[side])) {
      app.say("Drag the photo's border outwards first, or give a number of pixels.", "error");
      return;
    }
    if (actions.result() && !(await actions.accept())) return;
    if (!(await actions.extend({ ...sides }))) return;
    app.tool = "brush";
    app.view.fit();
    app.show();
    await app.fill();
  },

  setSides(sides) {
    app.sides = Object.fromEntries(SIDES.map((side) => [side, Math.max(0, Math.round(sides[side]) || 0)]));
    app.showSides();
    const { left, top, right, bottom } = app.sides;
    if (app.doc) app.view.fit({ x: -left, y: -top, w: app.doc.width + left + right, h: app.doc.height + top + bottom }, EXTENDED_MARGIN);
    app.show();
  },

  showSides() {
    for (const side of SIDES) if (document.activeElement !== element(`side-${side}`)) element(`side-${side}`).value = app.sides[side];
    const { left, top, right, bottom } = app.sides;
    if (app.doc && left + top + right + bottom) app.say(`${app.doc.width + left + right} × ${app.doc.height + top + bottom} pixels`, "done");
    app.view.draw();
  },

  filled() {
    app.hasFilled = true;
    if (app.mode === "edges") app.needLines();
    app.saved();
    app.show();
  },

  hasBefore() {
    return Boolean(app.doc?.before || (app.doc && actions.shown()));
  },

  // What there is on the screen: nothing, a photo, one with a hole, one whose hole is filled.
  state() {
    if (!app.doc) return "empty";
    if (!app.doc.hole().w) return "photo";
    return actions.result() ? "filled" : "hole";
  },

  show() {
    const { doc } = app, state = app.state(), isExtending = app.tool === "extend" && doc;
    Object.assign(document.body.dataset, { tool: app.tool, view: app.mode, state, busy: String(Boolean(actions.running)) });
    for (const button of document.querySelectorAll("button[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === app.tool);
    for (const button of document.querySelectorAll("button[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === app.mode);
    for (const part of document.querySelectorAll("#options [data-for]")) part.hidden = !part.dataset.for.split(" ").includes(app.tool);
    element("empty").hidden = Boolean(doc);
    element("tools").disabled = element("options").disabled = !doc;
    const undoes = doc?.done.length ? "" : app.past.at(-1)?.why, redoes = doc?.undone.length ? "" : app.future.at(-1)?.why;
    element("undo").disabled = !doc?.done.length && !app.past.length;
    element("redo").disabled = !doc?.undone.length && !app.future.length;
    element("undo").dataset.tip = undoes ? `Undo: ${undoes.toLowerCase()}` : "Undo";
    element("redo").dataset.tip = redoes ? `Redo: ${redoes.toLowerCase()}` : "Redo";
    element("before").disabled = element("compare").disabled = !app.hasBefore();
    element("compare").setAttribute("aria-pressed", app.compares);
    element("clear").disabled = element("grow").disabled = element("shrink").disabled = !doc?.hole().w;
    element("add").setAttribute("aria-pressed", !app.subtracts);
    element("subtract").setAttribute("aria-pressed", app.subtracts);
    showPrimary(state, isExtending);
    for (const [id, isThere] of [["save-result", state !== "hole"], ["save-mask", state !== "photo"], ["save-edges", state !== "photo"]]) element(id).disabled = !doc || !isThere || Boolean(actions.preview);
    const missing = { photo: "Photo: paint over what should go", hole: doc?.results.size ? "Photo: the fill is out of date, fill again" : "Photo with its hole, not filled yet" };
    const label = app.mode === "edges" ? "Edge map to draw on" : actions.preview ? "The fill so far" : state === "filled" ? "Result" : missing[state] ?? "Photo";
    element("picture").setAttribute("aria-label", label);
    showFills(app, actions);
    app.waiting.show();
    app.view.draw();
  },
};

// One thing to do next stands out: fill what is marked, accept what is filled.
function showPrimary(state, isExtending) {
  const fill = element("fill"), accept = element("accept"), isFilled = state === "filled" && !isExtending;
  fill.textContent = isExtending ? "Extend" : "Fill";
  fill.dataset.tip = isExtending ? "Make the photo larger and fill its new border" : "Fill what is marked";
  fill.hidden = isFilled;
  fill.disabled = isExtending ? !SIDES.some((side) => app.sides[side]) : state === "photo";
  accept.hidden = !isFilled;
  accept.disabled = Boolean(actions.preview);
  fill.classList.toggle("primary", !isFilled);
  accept.classList.toggle("primary", isFilled);
}

const actions = new Actions(app), hand = new Hand(app);
app.waiting = new Waiting(actions);
app.view = new View(element("picture"), painter(app, actions, hand), hand, { onDraw: placeSplit, onSize: resize, covered });

// The handle between before and after, where it stands on the picture.
function placeSplit() {
  const { doc, view } = app, split = element("split");
  split.hidden = !app.compares || !app.hasBefore();
  if (split.hidden) return;
  const x = view.x + app.share * doc.width * view.scale;
  split.style.left = `${Math.min(view.canvas.clientWidth - 10, Math.max(10, x))}px`;
  split.style.top = `${Math.max(0, view.y)}px`;
  split.style.height = `${Math.min(view.canvas.clientHeight, view.y + doc.height * view.scale) - Math.max(0, view.y)}px`;
  split.setAttribute("aria-valuenow", Math.round(100 * app.share));
  split.setAttribute("aria-valuetext", `${Math.round(100 * app.share)} percent before`);
}

function setShare(share) {
  app.share = Math.min(1, Math.max(0, share));
  app.view.draw();
}

async function step(which) {
  if (!app.doc || app.isTravelling) return;
  const isUndo = which === "undo", steps = isUndo ? app.doc.done : app.doc.undone;
  if (!steps.length) return travel(isUndo);
  const { layer } = steps.at(-1);
  actions.cancel();
  app.doc[which]();
  app.say(isUndo ? "Undone." : "Done again.", "done");
  if (layer === "edits") app.changed(true, layer);
  if (app.mode === "edges") app.needLines();
  app.saved();
  app.show();
}

// After a new step there is nothing to do again, neither on this photo nor on those that came after it.
function forgetFuture() {
  if (!app.future.length) return;
  app.future = [];
  app.chain++;
}

// To the photo before an accepted fill, an extension or another photo, or forth again.
async function travel(isUndo) {
  const [from, to] = isUndo ? [app.past, app.future] : [app.future, app.past];
  if (!from.length) return;
  actions.cancel();
  app.isTravelling = true;
  try {
    const { why, ...state } = from.at(-1), isSame = why === "Accept", doc = await thaw(state);
    to.push({ ...freeze(app), why });
    from.pop();
    app.chain++;
    await app.setDoc(doc, isSame);
    app.say(isUndo ? `Undone: ${why.toLowerCase()}. ${doc.name}, ${doc.width} × ${doc.height} pixels.` : `Done again: ${why.toLowerCase()}.`, "done");
  } finally {
    app.isTravelling = false;
    app.show();
  }
}

function clear(layer) {
  const { doc } = app, hole = doc?.hole();
  if (!hole?.w) return;
  const hasChanged = doc.apply(layer, () => {
    for (let y = hole.y; y < hole.y + hole.h; y++) doc[layer].fill(KEEP, y * doc.width + hole.x, y * doc.width + hole.x + hole.w);
    return hole;
  });
  app.changed(hasChanged, layer);
}

function resizeHole(sign) {
  const { doc } = app;
  if (doc?.hole().w) app.changed(doc.resizeHole(sign * Math.max(1, Math.round(Math.max(doc.width, doc.height) / 300))), "mask");
}

const zoom = (factor) => app.doc && app.view.zoom(factor);
const fit = () => app.doc && app.view.fit(undefined, app.tool === "extend" ? EXTEND_MARGIN : undefined);
const toHole = () => app.doc?.hole().w && app.view.fit(app.doc.hole(), 0.6);

function resize(factor) {
  element("size").value = Number(element("size").value) * factor;
  app.size = Number(element("size").value);
  app.show();
}

function showBefore(isBefore) {
  app.isBefore = isBefore && app.hasBefore();
  element("before").toggleAttribute("data-held", app.isBefore);
  app.view.draw();
}

function toggleCompare() {
  if (!app.hasBefore()) return;
  app.compares = !app.compares;
  app.show();
}

// Escape: the innermost thing that is going on.
function escape() {
  const menus = document.querySelectorAll(".menu[open]");
  if (menus.length) for (const menu of menus) menu.open = false;
  else if (hand.stroke) hand.cancel();
  else if (actions.running) actions.cancel();
  else if (app.tool === "extend") app.setTool("brush");
}

const SHORTCUTS = {
  enter: () => (app.state() === "filled" && app.tool !== "extend" ? app.accept() : app.fill()), escape, z: toHole, m: () => app.more(), a: () => actions.result() && app.accept(), t: () => actions.takePreview(),
  1: () => app.setMode("photo"), 2: () => app.setMode("edges"), c: () => showBefore(true), v: toggleCompare,
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit, "[": () => resize(0.8), "]": () => resize(1.25),
};
const NEEDS_PHOTO = new Set(["enter", "z", "m", "a", "t", "1", "2", "c", "v", ...Object.keys(KEYS)]);
const WITH_CONTROL = {
  z: (event) => step(event.shiftKey ? "redo" : "undo"), y: () => step("redo"), s: () => app.doc && actions.saveResult(),
  c: () => app.doc && actions.copy(), o: () => element("open").click(),
};

function key(event) {
  const name = event.key.toLowerCase(), isTyping = event.target.closest("select, input:not([type=range]):not([type=checkbox]):not([type=file])");
  if (element("question").open) return;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && WITH_CONTROL[name]) {
    if (isTyping || (name === "c" && String(getSelection()))) return;
    event.preventDefault();
    WITH_CONTROL[name](event);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
  const isControl = event.target.closest("button, summary, label, input, [role=slider]");
  if (name === "enter" && isControl) return;
  if (name === " " && !isControl) {
    event.preventDefault();
    if (app.doc && !event.repeat) app.view.setPanning(true);
    return;
  }
  if (event.target.tagName === "CANVAS" && movePen(event)) return;
  const does = SHORTCUTS[name] ?? (KEYS[name] && (() => app.takeTool(KEYS[name])));
  if (!does || (!app.doc && NEEDS_PHOTO.has(name))) return;
  event.preventDefault();
  if (!event.repeat || "[]+-=".includes(name)) does();
}

function keyUp(event) {
  if (event.key === "c" || event.key === "C") showBefore(false);
  if (event.key !== " " || !app.view.panning) return;
  app.view.setPanning(false);
  if (!app.view.panned && event.target === app.view.canvas) dropPen();
}

// Arrow keys move a pen over the focused picture; the space bar puts it down and lifts it.
function movePen(event) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [];
  if (!app.doc || dx === undefined) return false;
  event.preventDefault();
  const { view, doc } = app, length = event.shiftKey ? 10 : 1, pen = penAt();
  const within = (value, most) => Math.min(most - 1, Math.max(0, value));
  view.cursor = { x: within(pen.x + dx * length, doc.width), y: within(pen.y + dy * length, doc.height) };
  if (hand.stroke) hand.move(view.cursor);
  sayPen();
  return true;
}

const penAt = () => app.view.cursor ?? app.view.at(app.view.canvas.clientWidth / 2, app.view.canvas.clientHeight / 2);

function dropPen() {
  app.view.cursor = penAt();
  if (hand.stroke) {
    hand.up();
    return;
  }
  hand.down(app.view.cursor);
  sayPen();
}

function sayPen() {
  const { x, y } = app.view.cursor;
  app.say(`${hand.stroke ? "Drawing" : "Pen"} at ${x}, ${y}`, "done");
  app.view.draw();
}

function onFile(id, use) {
  element(id).addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // so that the same file can be chosen again
    if (file) use(file);
  });
}

function wire() {
  const click = (id, does) => element(id).addEventListener("click", does);
  for (const id of ["open", "first-open"]) onFile(id, (file) => actions.open(file, file.name));
  onFile("mask", (file) => actions.openMask(file));
  onFile("structure", (file) => { app.setMode("edges"); actions.structure(file, element("merge").checked); });
  for (const button of document.querySelectorAll("button[data-tool]")) button.addEventListener("click", () => app.takeTool(button.dataset.tool));
  for (const button of document.querySelectorAll("button[data-view]")) button.addEventListener("click", () => app.setMode(button.dataset.view));
  click("fill", () => app.fill());
  click("accept", () => app.accept());
  click("cancel", () => actions.cancel());
  click("take", () => actions.takePreview());
  click("undo", () => step("undo"));
  click("redo", () => step("redo"));
  click("clear", () => clear("mask"));
  click("reset", () => clear("edits"));
  click("grow", () => resizeHole(1));
  click("shrink", () => resizeHole(-1));
  click("add", () => { app.subtracts = false; app.show(); });
  click("subtract", () => { app.subtracts = true; app.show(); });
  click("save-result", () => actions.saveResult());
  click("save-mask", () => actions.saveMask());
  click("save-edges", () => actions.saveEdges());
  click("zoom-in", () => zoom(1.25));
  click("zoom-out", () => zoom(0.8));
  click("zoom-fit", fit);
  click("compare", toggleCompare);
  for (const side of SIDES) element(`side-${side}`).addEventListener("input", ({ target }) => app.setSides({ ...app.sides, [side]: Math.min(Number(target.value) || 0, 2 * Math.max(app.doc.width, app.doc.height)) }));
  element("size").addEventListener("input", () => resize(1));
  element("live").addEventListener("change", (event) => { app.live = event.target.checked; app.saved(); });
  document.addEventListener("keydown", key);
  document.addEventListener("keyup", keyUp);
  addEventListener("blur", () => { app.view.setPanning(false); showBefore(false); });
  addEventListener("pagehide", () => saveNow(app));
  document.addEventListener("visibilitychange", () => document.hidden && saveNow(app));
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target) || (event.target.tagName === "BUTTON" && menu.id === "save-menu")) menu.open = false;
  });
  // after a click, the space bar and Enter belong to the picture; who comes by keyboard stays where they are
  document.addEventListener("click", (event) => {
    if (event.detail && app.doc && event.target.closest("main button, header button")) app.view.canvas.focus({ preventScroll: true, focusVisible: false });
  });
  onTheme(() => app.view.draw());
  wireBefore();
  wireFiles(app, actions);
  wireTips();
}

function wireBefore() {
  const before = element("before"), split = element("split");
  before.addEventListener("pointerdown", (event) => { before.setPointerCapture(event.pointerId); showBefore(true); });
  for (const name of ["pointerup", "pointercancel", "blur", "keyup"]) before.addEventListener(name, () => showBefore(false));
  before.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") showBefore(true); });
  before.addEventListener("contextmenu", (event) => event.preventDefault());
  const at = (event) => (event.clientX - app.view.canvas.getBoundingClientRect().left - app.view.x) / app.view.scale / app.doc.width;
  split.addEventListener("pointerdown", (event) => split.setPointerCapture(event.pointerId));
  split.addEventListener("pointermove", (event) => { if (split.hasPointerCapture(event.pointerId)) setShare(at(event)); });
  split.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    setShare(app.share + by);
  });
}

async function fillChoices() {
  const [samples, weights, inpainters] = await Promise.all(["samples", "weights", "inpainters"].map((what) => api.names(`/api/${what}`, what)));
  for (const name of samples) {
    const button = document.createElement("button"), picture = document.createElement("img");
    button.type = "button";
    button.dataset.sample = name;
    Object.assign(picture, { src: `/api/samples/${encodeURIComponent(name)}`, alt: "", loading: "lazy" });
    button.append(picture, name);
    button.addEventListener("click", () => actions.openSample(name));
    element("samples").append(button);
  }
  element("weights").append(...weights.map((name) => new Option(name, name)));
  app.weights = weights[0];
  wireFills(app, actions, inpainters);
  app.inpainter = inpainters[0];
}

async function start() {
  wire();
  app.show();
  try {
    await fillChoices();
    await restore(app);
    element("live").checked = app.live;
  } catch (error) {
    app.say(error.message, "error");
  }
  app.show();
  document.body.dataset.ready = "true";
}

start();
