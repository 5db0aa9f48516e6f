// What a pointer (or the keyboard's pen) does with each tool.

import { DRAWN, ERASED, Stroke } from "./doc.js";
import * as raster from "./raster.js";

export const TOOLS = {
  select: { layer: "mask", scribble: true },
  brush: { layer: "mask", value: 1, free: true, sized: true },
  box: { layer: "mask", value: 1 },
  lasso: { layer: "mask", value: 1, path: true },
  erase: { layer: "mask", value: 0, free: true, sized: true },
  pencil: { layer: "edits", value: DRAWN, free: true },
  straight: { layer: "edits", value: DRAWN },
  rub: { layer: "edits", value: ERASED, free: true, sized: true },
  extend: { frame: true },
  hand: {},
};
const SCRIBBLE_PX = 5; // half its width on the screen
const GRAB_PX = 14; // around the photo's border on the screen, where it can be dragged

export class Hand {
  // `app`: {doc, tool, size, sides, subtracts, view, changed(hasChanged, layer), scribbled(points, radius, subtracts),
  // setSides(sides)}; sizes are on the screen, so that zooming in draws finer.
  constructor(app) {
    this.app = app;
    this.stroke = null;
  }

  get radius() {
    const { sized, scribble } = TOOLS[this.app.tool], { scale } = this.app.view;
    if (scribble) return Math.max(0.5, SCRIBBLE_PX / scale);
    return sized ? Math.max(0.5, this.app.size / 2 / scale) : 0;
  }

  // Which layer is being drawn on.
  get layer() {
    return this.stroke && this.tool.layer;
  }

  down(point, isAlt) {
    const { app } = this, tool = TOOLS[app.tool];
    if (!app.doc || app.isLocked?.()) return false;
    this.tool = tool;
    this.first = this.last = point;
    this.points = [point];
    if (tool.frame) return this.#grab(point);
    if (!tool.layer) return false;
    this.subtracts = app.subtracts !== Boolean(isAlt);
    if (tool.scribble) this.stroke = { add() {}, cancel() {} };
    else {
      this.grid = app.doc.grid(tool.layer, tool.layer === "edits" ? app.doc.mask : undefined);
      this.stroke = new Stroke(app.doc, tool.layer);
    }
    if (tool.free) this.#draw(point);
    app.view.draw();
    return true;
  }

  move(point) {
    if (!this.stroke) return;
    if (this.tool.free) this.#draw(point);
    if (this.tool.path || this.tool.scribble) this.points.push(point);
    if (this.tool.frame) this.#pull(point);
    this.last = point;
    this.app.view.draw();
  }

  up() {
    if (!this.stroke) return;
    const { grid, first, last, points, tool, stroke, app } = this;
    if (tool.frame || tool.scribble) {
      this.stroke = null;
      if (tool.scribble) app.scribbled(points, this.radius, this.subtracts);
      else app.setSides(app.sides);
      return;
    }
    if (tool.path) stroke.add(raster.polygon(grid, points, tool.value));
    else if (!tool.free && tool.layer === "mask") stroke.add(raster.box(grid, first, last, tool.value));
    else if (!tool.free) stroke.add(raster.line(grid, first, last, 0, tool.value));
    this.stroke = null;
    app.changed(stroke.end(), tool.layer);
  }

  cancel() {
    this.stroke?.cancel();
    this.stroke = null;
    this.app.view.draw();
  }

  #draw(point) {
    this.stroke.add(raster.line(this.grid, this.last, point, this.radius, this.tool.value));
    this.last = point;
  }

  // The sides of the frame around the photo that are so near that they are dragged.
  #grab({ x, y }) {
    const { doc, sides, view } = this.app, reach = GRAB_PX / view.scale;
    const [left, top, right, bottom] = [-sides.left, -sides.top, doc.width + sides.right, doc.height + sides.bottom];
    if (x < left - reach || x > right + reach || y < top - reach || y > bottom + reach) return false;
    const near = { left: x - left, top: y - top, right: right - x, bottom: bottom - y };
    this.pulled = Object.keys(near).filter((side) => Math.abs(near[side]) <= reach);
    if (!this.pulled.length) return false;
    const before = { ...sides };
    this.stroke = { add() {}, cancel: () => this.app.setSides(before) };
    return true;
  }

  #pull({ x, y }) {
    const { doc, sides } = this.app, out = { left: -x, top: -y, right: x - doc.width, bottom: y - doc.height };
    const most = { left: doc.width, right: doc.width, top: doc.height, bottom: doc.height };
    for (const side of this.pulled) sides[side] = Math.min(most[side], Math.max(0, Math.round(out[side])));
    this.app.showSides();
  }

  // Shapes that are still being drawn, and where a brush would paint; in image coordinates.
  paint(context, scale, cursor) {
    const outline = (draw, width = 1) => {
      for (const [share, colour] of [[3, "#fff"], [1.25, "#111"]]) {
        context.lineWidth = (share * width) / scale;
        context.strokeStyle = colour;
        context.beginPath();
        draw();
        context.stroke();
      }
    };
    if (this.app.tool === "extend") this.#paintFrame(context, scale, outline);
    if (this.stroke && this.tool.scribble) {
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = 2 * this.radius;
      context.strokeStyle = this.subtracts ? "rgb(255 190 0 / 80%)" : "rgb(230 0 120 / 80%)";
      context.beginPath();
      for (const p of [...this.points, this.last]) context.lineTo(p.x + 0.5, p.y + 0.5);
      context.stroke();
    } else if (this.stroke && !this.tool.free && !this.tool.frame) {
      const { first: a, last: b } = this;
      outline(() => {
        if (this.tool.path) this.points.forEach((p) => context.lineTo(p.x + 0.5, p.y + 0.5));
        else if (this.tool.layer === "mask") context.rect(Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(a.x - b.x) + 1, Math.abs(a.y - b.y) + 1);
        else { context.moveTo(a.x + 0.5, a.y + 0.5); context.lineTo(b.x + 0.5, b.y + 0.5); }
      });
    }
    if (cursor && TOOLS[this.app.tool].layer) {
      const reach = Math.max(this.radius, 3 / scale);
      outline(() => context.arc(cursor.x + 0.5, cursor.y + 0.5, reach, 0, 7));
    }
  }

  // What the photo would be extended to, with a grip at each side.
  #paintFrame(context, scale, outline) {
    const { doc, sides } = this.app, { left, top, right, bottom } = sides;
    const x = -left, y = -top, w = doc.width + left + right, h = doc.height + top + bottom;
    context.fillStyle = "rgb(230 0 120 / 22%)";
    context.fillRect(x, y, w, top);
    context.fillRect(x, doc.height, w, bottom);
    context.fillRect(x, 0, left, doc.height);
    context.fillRect(doc.width, 0, right, doc.height);
    outline(() => context.rect(x, y, w, h));
    const grip = 16 / scale, thick = 3;
    for (const [gx, gy, isLevel] of [[x + w / 2, y, true], [x + w / 2, y + h, true], [x, y + h / 2], [x + w, y + h / 2]]) {
      outline(() => { context.moveTo(gx - (isLevel ? grip : 0), gy - (isLevel ? 0 : grip)); context.lineTo(gx + (isLevel ? grip : 0), gy + (isLevel ? 0 : grip)); }, thick);
    }
  }
}
