// How to fill, and the fills of a hole to choose from.

import { NETWORKS } from "./doc.js";
import { canvasOf } from "./pictures.js";
import { clip } from "./raster.js";

const element = (id) => document.getElementById(id);
const THUMB = { w: 96, h: 64 }; // at most, on the screen
const ALONE = "alone"; // the method that uses no networks
const LABELS = {
  [NETWORKS]: "lines, then texture (EdgeConnect)", [ALONE]: "this photo alone", telea: "Telea (classical)",
  ns: "Navier-Stokes (classical)", biharmonic: "biharmonic (classical)",
};
const shown = new Map(); // by choice: {result, button}

export const hasMore = ({ alone, inpainter }) => alone || inpainter === NETWORKS;

export function wireFills(app, actions, inpainters) {
  const names = [inpainters[0], ALONE, ...inpainters.slice(1)];
  element("inpainter").append(...names.map((name) => new Option(LABELS[name] ?? name, name)));
  element("inpainter").addEventListener("change", ({ target: { value } }) => app.fillAs({ alone: value === ALONE, inpainter: value === ALONE ? NETWORKS : value }));
  element("weights").addEventListener("change", ({ target }) => app.fillAs({ weights: target.value }));
  element("texture").addEventListener("change", ({ target }) => app.fillAs({ texture: Number(target.value) }));
  element("more").addEventListener("click", () => app.more());
}

export function showFills(app, actions) {
  const isNetworks = !app.alone && app.inpainter === NETWORKS;
  element("inpainter").value = app.alone ? ALONE : app.inpainter;
  element("weights").value = app.weights;
  element("texture").value = app.texture;
  element("texture").disabled = element("weights").disabled = !isNetworks;
  const fills = app.doc && hasMore(app) ? app.doc.fills(app) : [], upTo = actions.upTo();
  const isChoice = upTo > 0 || fills.some(([choice]) => choice);
  element("more").hidden = !actions.result() || !hasMore(app);
  element("more").disabled = upTo > 0;
  element("fills").hidden = !isChoice;
  const wanted = new Map(isChoice ? fills : []);
  for (let choice = 0; choice <= upTo; choice++) if (!wanted.has(choice)) wanted.set(choice, null);
  for (const [choice, { button }] of shown) {
    if (wanted.has(choice)) continue;
    button.remove();
    shown.delete(choice);
  }
  for (const [choice, result] of wanted) {
    const { button, result: old } = shown.get(choice) ?? { button: buttonOf(app, choice, actions) };
    if (old !== result) button.firstChild.replaceWith(result ? thumbnail(app.doc, result) : document.createElement("i"));
    shown.set(choice, { button, result });
    button.disabled = !result;
    button.setAttribute("aria-pressed", choice === app.doc.choice);
    nameIt(button, app, choice);
  }
  const inOrder = [...shown.keys()].sort((a, b) => a - b).map((choice) => shown.get(choice).button);
  inOrder.forEach((button, i) => { if (element("fills").children[i] !== button) element("fills").insertBefore(button, element("fills").children[i] ?? null); });
}

// What is special about a fill, as `Actions` asks for it.
function wordsOf({ alone, texture }, choice) {
  if (alone) return choice ? `another ${choice}` : "this photo";
  if (choice === 2) return texture ? "smooth" : "textured";
  const other = choice > 2 ? choice - 1 : choice, number = Math.floor(other / 2);
  return `${other % 2 ? "photo alone" : "along lines"}${number ? ` ${number + 1}` : ""}`;
}

function nameIt(button, app, choice) {
  const words = wordsOf(app, choice);
  button.lastChild.textContent = words;
  button.setAttribute("aria-label", `Fill ${choice + 1}: ${words}`);
}

function buttonOf(app, choice, actions) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(document.createElement("i"), document.createElement("span"));
  button.addEventListener("click", () => actions.choose(choice));
  return button;
}

// The hole with some of its surroundings.
function thumbnail(doc, { box, bitmap }) {
  const margin = Math.ceil(0.3 * Math.max(box.w, box.h));
  const part = clip({ x: box.x - margin, y: box.y - margin, w: box.w + 2 * margin, h: box.h + 2 * margin }, doc.width, doc.height);
  const scale = Math.min(THUMB.w / part.w, THUMB.h / part.h), [w, h] = [part.w * scale, part.h * scale];
  const [canvas, context] = canvasOf(Math.max(1, Math.round(w * devicePixelRatio)), Math.max(1, Math.round(h * devicePixelRatio)));
  context.scale(canvas.width / part.w, canvas.height / part.h);
  context.imageSmoothingQuality = "high";
  context.drawImage(doc.photo, -part.x, -part.y);
  context.clearRect(box.x - part.x, box.y - part.y, box.w, box.h); // it may be transparent
  context.drawImage(bitmap, box.x - part.x, box.y - part.y);
  canvas.style.width = `${Math.round(w)}px`;
  canvas.style.height = `${Math.round(h)}px`;
  canvas.ariaHidden = "true";
  return canvas;
}
