// How much texture a fill has, and the fills of a hole to choose from.

import { NETWORKS } from "./doc.js";
import { canvasOf } from "./pictures.js";
import { clip } from "./raster.js";

const element = (id) => document.getElementById(id);
const THUMB = { w: 128, h: 64 }; // at most, on the screen
const shown = new Map(); // by choice: {result, button}

export const hasMore = ({ alone, inpainter }) => alone || inpainter === NETWORKS;

export function wireFills(app) {
  element("texture").addEventListener("change", ({ target }) => {
    app.set({ texture: Number(target.value) });
    app.changed(true, {});
  });
  element("more").addEventListener("click", () => app.more());
}

export function showFills(app, actions) {
  element("texture").value = app.texture;
  element("texture").disabled = app.alone || app.inpainter !== NETWORKS;
  element("inpainter").disabled = app.alone;
  element("more").disabled = !actions.result() || !hasMore(app);
  const fills = app.doc && hasMore(app) ? app.doc.fills(app) : [], isChoice = fills.some(([choice]) => choice);
  element("fills").hidden = !isChoice;
  for (const [choice, { button }] of shown) {
    if (isChoice && fills.some(([each]) => each === choice)) continue;
    button.remove();
    shown.delete(choice);
  }
  if (!isChoice) return;
  for (const [choice, result] of fills) {
    const { button, result: old } = shown.get(choice) ?? { button: buttonOf(choice, actions) };
    if (old !== result) button.firstChild.replaceWith(thumbnail(app.doc, result));
    shown.set(choice, { button, result });
    button.setAttribute("aria-pressed", choice === app.doc.choice);
  }
  const inOrder = [...shown.keys()].sort((a, b) => a - b).map((choice) => shown.get(choice).button);
  inOrder.forEach((button, i) => { if (element("fills").children[i] !== button) element("fills").insertBefore(button, element("fills").children[i] ?? null); });
}

function buttonOf(choice, actions) {
  const button = document.createElement("button"), number = document.createElement("span");
  button.type = "button";
  button.setAttribute("aria-label", `Fill ${choice + 1}`);
  number.textContent = choice + 1;
  button.append(document.createElement("i"), number);
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
