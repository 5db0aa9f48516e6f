// What is drawn on the canvas: the photo with its hole, the fill, the edge map over it.

import { canvasOf } from "./pictures.js";
import { clip } from "./raster.js";

export const SMALL_PX = 2048; // a photo shown smaller than this is drawn from a copy of this size

const THICK_PX = 1.6; // of lines on the screen, at least
const VEIL = { light: "rgb(255 255 255 / 72%)", dark: "rgb(18 18 20 / 66%)" }; // over the photo, under its lines
const HOLE_SHARE = 0.35; // of the hole's tint under the lines
const SPARE_PX = 256; // around what is shown, painted ahead of moving there
const papers = {};
const scheme = matchMedia("(prefers-color-scheme: dark)");

export const theme = () => (scheme.matches ? "dark" : "light");
export const onTheme = (does) => scheme.addEventListener("change", does);

// For a View: paint(context, scale), in image coordinates.
export function painter(app, actions, hand) {
  const backdrop = new Backdrop();
  return (context, scale) => {
    const { doc, small } = app;
    if (!doc) return;
    const photo = small && scale * devicePixelRatio * Math.max(doc.width, doc.height) <= SMALL_PX ? small : doc.photo;
    const shown = actions.shown(), share = app.isBefore ? 1 : app.compares && app.hasBefore() ? app.share : 0;
    backdrop.paint(context, doc, photo, scale);
    if (shown && hand.layer !== "mask") drawFill(context, shown);
    else if (!app.isBefore) drawTint(context, doc);
    if (share) paintBefore(context, doc, photo, share);
    if (app.mode === "edges" && !app.isBefore) paintEdges(context, doc, actions.lines(), scale);
    hand.paint(context, scale, app.view.cursor);
  };
}

// The photo as large as it is shown, painted once as soon as it stays so large: to move it, or what is over it, is
// to copy it then.
class Backdrop {
  constructor() {
    [this.canvas, this.context] = canvasOf(1, 1);
    this.wanted = this.painted = [];
  }

  paint(context, doc, photo, scale) {
    const { a: ratio, e: left, f: top } = context.getTransform(), { width, height } = context.canvas;
    const size = [Math.ceil(doc.width * ratio), Math.ceil(doc.height * ratio)];
    const part = clip({ x: -left, y: -top, w: width, h: height }, ...size);
    if (!part.w) return;
    const key = [doc, photo, ratio, theme()], isFirst = !isSame(key, this.wanted);
    this.wanted = key;
    if (isFirst) {
      paintPhoto(context, doc, photo, scale);
      return;
    }
    if (!isSame(key, this.painted) || !contains(this.rect, part)) {
      const { x, y, w, h } = (this.rect = clip({ x: part.x - SPARE_PX, y: part.y - SPARE_PX, w: part.w + 2 * SPARE_PX, h: part.h + 2 * SPARE_PX }, ...size));
      Object.assign(this.canvas, { width: w, height: h });
      this.context.setTransform(ratio, 0, 0, ratio, -x, -y);
      this.context.imageSmoothingEnabled = context.imageSmoothingEnabled;
      paintPhoto(this.context, doc, photo, scale);
      this.painted = key;
    }
    context.save();
    context.setTransform(1, 0, 0, 1, left, top);
    context.drawImage(this.canvas, this.rect.x, this.rect.y);
    context.restore();
  }
}

const isSame = (a, b) => a.every((value, i) => value === b[i]);
const contains = (a, b) => a.x <= b.x && a.y <= b.y && a.x + a.w >= b.x + b.w && a.y + a.h >= b.y + b.h;

// Of the hole's tint, as large as the photo, the part that has something on it.
function drawTint(context, { tint, tinted: { x, y, w, h } }) {
  if (w) context.drawImage(tint, x, y, w, h, x, y, w, h);
}

function paintPhoto(context, doc, photo, scale) {
  paperUnder(context, doc, scale);
  context.drawImage(photo, 0, 0, doc.width, doc.height);
}

// Squares that show through where the photo is transparent.
function paperUnder(context, doc, scale) {
  const pattern = context.createPattern(squares(theme()), "repeat");
  pattern.setTransform(new DOMMatrix().scale(1 / scale));
  context.fillStyle = pattern;
  context.fillRect(0, 0, doc.width, doc.height);
}

function squares(name) {
  if (papers[name]) return papers[name];
  const [canvas, context] = canvasOf(24, 24), [a, b] = { light: ["#e3e3e0", "#f2f2f0"], dark: ["#2f2f33", "#27272a"] }[name];
  for (let i = 0; i < 4; i++) {
    context.fillStyle = i === 0 || i === 3 ? a : b;
    context.fillRect(12 * (i % 2), 12 * (i >> 1), 12, 12);
  }
  return (papers[name] = canvas);
}

function drawFill(context, { box, bitmap }) {
  context.clearRect(box.x, box.y, box.w, box.h); // it may be transparent
  context.drawImage(bitmap, box.x, box.y);
}

// The photo as it was opened, on the left `share` of the width.
function paintBefore(context, doc, photo, share) {
  context.save();
  context.beginPath();
  context.rect(0, 0, share * doc.width, doc.height);
  context.clip();
  context.clearRect(0, 0, doc.width, doc.height);
  if (doc.before) context.drawImage(doc.before.bitmap, doc.before.x, doc.before.y);
  else context.drawImage(photo, 0, 0, doc.width, doc.height);
  context.restore();
}

function paintEdges(context, doc, lines, scale) {
  context.fillStyle = VEIL[theme()];
  context.fillRect(0, 0, doc.width, doc.height);
  if (!lines) {
    drawTint(context, doc);
    return;
  }
  const { x, y, w, h } = lines.box;
  context.globalAlpha = HOLE_SHARE;
  drawTint(context, doc);
  context.globalAlpha = 1;
  // lines of one pixel would vanish where the picture is shown smaller than it is
  const ratio = scale * devicePixelRatio, level = Math.max(0, Math.floor(Math.log2(1 / ratio)));
  const picture = doc.linesAt(lines, level, theme()), shown = ratio * 2 ** level;
  const extra = Math.max(0, (THICK_PX * devicePixelRatio - shown) / 2 / ratio);
  const steps = extra ? [[0, 0], [-extra, 0], [extra, 0], [0, -extra], [0, extra]] : [[0, 0]];
  for (const [dx, dy] of steps) context.drawImage(picture, x + dx, y + dy, Math.ceil(w / 2 ** level) * 2 ** level, Math.ceil(h / 2 ** level) * 2 ** level);
}
