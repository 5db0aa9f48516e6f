// The page: buttons, keys, dropped files, and what is drawn in the two panes.

import { Actions } from "./actions.js";
import { showAlone, wireAlone } from "./alone.js";
import * as api from "./api.js";
import { KEEP, NETWORKS } from "./doc.js";
import { hasMore, showFills, wireFills } from "./fills.js";
import { SMALL_PX, painter } from "./panes.js";
import { restore, saveSoon } from "./session.js";
import { Hand, TOOLS } from "./tools.js";
import { View } from "./view.js";

const element = (id) => document.getElementById(id);
const KEYS = {
  b: "brush", x: "box", l: "lasso", e: "erase", o: "remove", d: "pencil", s: "straight", r: "rub", h: "hand",
};

const app = {
  doc: null, tool: "brush", mode: "photo", editMode: "photo", weights: "", inpainter: NETWORKS, small: null,
  size: 36, live: true, hasFilled: false, alone: false, texture: 1,

  say(text, kind) {
    element("status").textContent = text;
    element("status").dataset.kind = kind;
    element("cancel").hidden = kind !== "busy";
  },

  async setDoc(doc) {
    const longest = Math.max(doc.width, doc.height), share = SMALL_PX / longest;
    const size = { resizeWidth: Math.round(doc.width * share), resizeHeight: Math.round(doc.height * share), resizeQuality: "medium" };
    app.small = share < 0.9 ? await createImageBitmap(doc.photo, size) : null;
    app.doc = doc;
    app.hasFilled = false;
    app.view.size = doc;
    app.view.cursor = null;
    app.setMode("photo");
    app.view.fit();
    app.saved();
  },

  saved() {
    saveSoon(app);
  },

  // How to fill from now on: the first of the fills it gives.
  set(how) {
    Object.assign(app, how);
    if (app.doc) app.doc.choice = 0;
  },

  setMode(mode) {
    app.mode = mode;
    if (mode !== "result") app.editMode = mode;
    const layer = mode === "edges" ? "edits" : "mask";
    if (mode !== "result" && TOOLS[app.tool].layer && TOOLS[app.tool].layer !== layer) app.setTool(layer === "mask" ? "brush" : "pencil");
    if (mode === "edges") app.needLines();
    app.show();
  },

  setTool(tool) {
    app.tool = tool;
    const mode = { mask: "photo", edits: "edges" }[TOOLS[tool].layer];
    if (mode && mode !== app.mode) app.setMode(mode);
    app.show();
  },

  needLines() {
    if (app.doc?.hole().w && !actions.lines() && !actions.running) actions.complete();
  },

  // After a step: fill again where that is wanted, or at least complete the edges that are looked at.
  changed(hasChanged, tool) {
    if (hasChanged) {
      const isWanted = tool === TOOLS.remove || (app.live && app.hasFilled && !actions.result());
      if (app.doc?.hole().w && isWanted) app.fill(tool === TOOLS.remove);
      else if (app.mode === "edges") app.needLines();
    }
    app.saved();
    app.show();
  },

  // `isAsked`: by the button, not by an edit; then a narrow screen turns to the result.
  async fill(isAsked) {
    const turns = isAsked && isNarrow();
    if (turns && app.alone && app.doc?.hole().w) app.setMode("result"); // there is something to watch
    if (isAsked && app.doc?.choice) app.doc.choose(0);
    if (!(await actions.fill())) return;
    if (turns) app.setMode("result");
    app.filled();
  },

  async more() {
    if (!actions.result() || !hasMore(app)) return;
    if (isNarrow()) app.setMode("result");
    await actions.more();
  },

  filled() {
    app.hasFilled = true;
    if (app.mode === "edges") app.needLines();
    app.saved();
    app.show();
  },

  show() {
    const { doc } = app;
    Object.assign(document.body.dataset, { tool: app.tool, view: app.mode });
    for (const button of document.querySelectorAll("button[data-tool]")) button.setAttribute("aria-pressed", button.dataset.tool === app.tool);
    for (const button of document.querySelectorAll("button[data-view]")) button.setAttribute("aria-pressed", button.dataset.view === app.mode);
    element("empty").hidden = Boolean(doc);
    element("undo").disabled = !doc?.done.length;
    element("redo").disabled = !doc?.undone.length;
    element("keep").disabled = !actions.result();
    element("edit").setAttribute("aria-label", app.editMode === "edges" ? "Edge map to draw on" : "Photo to paint the hole on");
    const missing = doc?.results.size ? "Photo: the result is out of date, fill again" : "Photo, not filled yet";
    element("result").setAttribute("aria-label", actions.preview ? "The fill so far" : actions.result() ? "Result" : missing);
    showAlone(app, actions);
    showFills(app, actions);
    app.view.draw();
  },
};

const isNarrow = () => matchMedia("(max-width: 900px)").matches;
const actions = new Actions(app), hand = new Hand(app);
app.view = new View([element("edit"), element("result")], painter(app, actions, hand, element("compare")), hand);

function step(which) {
  if (!app.doc) return;
  const steps = which === "undo" ? app.doc.done : app.doc.undone, { layer } = steps.at(-1) ?? {};
  if (!layer) return;
  actions.cancel();
  app.doc[which]();
  app.say(which === "undo" ? "Undone." : "Done again.", "done");
  if (actions.result()) app.saved();
  else app.changed(true, { layer });
  if (app.mode === "edges") app.needLines();
  app.show();
}

function clear(layer) {
  const { doc } = app, hole = doc?.hole();
  if (!hole?.w) return;
  doc.apply(layer, () => {
    for (let y = hole.y; y < hole.y + hole.h; y++) doc[layer].fill(KEEP, y * doc.width + hole.x, y * doc.width + hole.x + hole.w);
    return hole;
  });
  app.changed(true, { layer });
}

const zoom = (factor) => app.doc && app.view.zoom(factor);
const fit = () => app.doc && app.view.fit();
const toHole = () => app.doc?.hole().w && app.view.fit(app.doc.hole(), 0.6);

function resize(factor) {
  element("size").value = Number(element("size").value) * factor;
  app.size = Number(element("size").value);
  app.show();
}

const SHORTCUTS = {
  enter: () => app.fill(true), escape: () => (hand.stroke ? hand.cancel() : actions.cancel()), z: toHole,
  m: () => app.more(), a: () => element("alone").click(), t: () => actions.takePreview(),
  1: () => app.setMode("photo"), 2: () => app.setMode("edges"), 3: () => app.setMode("result"),
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit, "[": () => resize(0.8), "]": () => resize(1.25),
};

function key(event) {
  const name = event.key.toLowerCase(), isTyping = event.target.closest("select, input:not([type=range]):not([type=checkbox]):not([type=file])");
  if ((event.ctrlKey || event.metaKey) && (name === "z" || name === "y")) {
    event.preventDefault();
    step(name === "y" || event.shiftKey ? "redo" : "undo");
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
  if (name === "enter" && event.target.closest("button, summary, label, input")) return;
  if (event.target.tagName === "CANVAS" && movePen(event)) return;
  const does = SHORTCUTS[name] ?? (KEYS[name] && (() => app.setTool(KEYS[name])));
  if (!does) return;
  event.preventDefault();
  does();
}

// Arrow keys move a pen over the focused picture; the space bar puts it down and lifts it.
function movePen(event) {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  if (!app.doc || (!dx && !dy && event.key !== " ")) return false;
  event.preventDefault();
  const { view, doc } = app, length = event.shiftKey ? 10 : 1;
  const pen = view.cursor ?? view.at(event.target.clientWidth / 2, event.target.clientHeight / 2);
  const within = (value, most) => Math.min(most - 1, Math.max(0, value));
  view.cursor = { x: within(pen.x + dx * length, doc.width), y: within(pen.y + dy * length, doc.height) };
  if (event.key === " ") hand.stroke ? hand.up() : hand.down(view.cursor, event.target);
  else if (hand.stroke) hand.move(view.cursor);
  app.say(`${hand.stroke ? "Drawing" : "Pen"} at ${view.cursor.x}, ${view.cursor.y}`, "done");
  view.draw();
  return true;
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
  onFile("open", (file) => actions.open(file, file.name));
  onFile("mask", (file) => actions.openMask(file));
  onFile("structure", (file) => { app.setMode("edges"); actions.structure(file, element("merge").checked); });
  for (const button of document.querySelectorAll("button[data-tool]")) button.addEventListener("click", () => app.setTool(button.dataset.tool));
  for (const button of document.querySelectorAll("button[data-view]")) button.addEventListener("click", () => app.setMode(button.dataset.view));
  click("fill", () => app.fill(true));
  click("cancel", () => actions.cancel());
  click("undo", () => step("undo"));
  click("redo", () => step("redo"));
  click("clear", () => clear("mask"));
  click("reset", () => clear("edits"));
  click("keep", () => actions.keepResult());
  click("save-result", () => actions.saveResult());
  click("save-mask", () => actions.saveMask());
  click("save-edges", () => actions.saveEdges());
  click("zoom-in", () => zoom(1.25));
  click("zoom-out", () => zoom(0.8));
  click("zoom-fit", fit);
  click("zoom-hole", toHole);
  click("first-sample", () => actions.openSample(element("sample").options[1].value));
  element("size").addEventListener("input", () => resize(1));
  element("compare").addEventListener("input", () => app.view.draw());
  element("live").addEventListener("change", (event) => { app.live = event.target.checked; app.saved(); });
  element("sample").addEventListener("change", (event) => event.target.value && actions.openSample(event.target.value));
  element("weights").addEventListener("change", (event) => { app.set({ weights: event.target.value }); app.changed(true, {}); });
  element("inpainter").addEventListener("change", (event) => { app.set({ inpainter: event.target.value }); app.changed(true, {}); });
  wireAlone(app, actions);
  wireFills(app, actions);
  document.addEventListener("keydown", key);
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(".menu[open]")) if (!menu.contains(event.target) || event.target.tagName === "BUTTON") menu.open = false;
  });
  wireDrops();
}

function wireDrops() {
  const panes = element("panes");
  document.addEventListener("dragover", (event) => { event.preventDefault(); panes.classList.add("dropping"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) panes.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    panes.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) actions.open(file, file.name);
  });
}

async function fillChoices() {
  const [samples, weights, inpainters] = await Promise.all(["samples", "weights", "inpainters"].map((what) => api.names(`/api/${what}`, what)));
  element("sample").append(...samples.map((name) => new Option(name, name)));
  element("weights").append(...weights.map((name) => new Option(name, name)));
  app.weights = weights[0];
  element("inpainter").append(...inpainters.map((name) => new Option(name, name)));
  app.inpainter = inpainters[0];
}

async function start() {
  wire();
  app.show();
  try {
    await fillChoices();
    await restore(app);
    element("weights").value = app.weights;
    element("inpainter").value = app.inpainter;
    element("live").checked = app.live;
  } catch (error) {
    app.say(error.message, "error");
  }
  app.show();
  document.body.dataset.ready = "true";
}

start();
