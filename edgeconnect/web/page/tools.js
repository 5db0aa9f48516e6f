// What a pointer (or the keyboard's pen) does with each tool.

import { DRAWN, ERASED, Stroke } from "./doc.js";
import * as raster from "./raster.js";

export const TOOLS = {
  brush: { layer: "mask", value: 1, free: true, sized: true },
  box: { layer: "mask", value: 1 },
  lasso: { layer: "mask", value: 1, path: true },
  erase: { layer: "mask", value: 0, free: true, sized: true },
  remove: { layer: "mask", value: 1, free: true, sized: true },
  pencil: { layer: "edits", value: DRAWN, free: true },
  straight: { layer: "edits", value: DRAWN },
  rub: { layer: "edits", value: ERASED, free: true, sized: true },
  hand: {},
};

export class Hand {
  // `app`: {doc, tool, size, view, changed(tool)}; sizes are on the screen, so that zooming in draws finer.
  constructor(app) {
    this.app = app;
    this.stroke = null;
  }

  get radius() {
    const { sized } = TOOLS[this.app.tool];
    return sized ? Math.max(0.5, this.app.size / 2 / this.app.view.scale) : 0;
  }

  down(point, canvas) {
    const { app } = this, tool = TOOLS[app.tool];
    if (!app.doc || !tool.layer || canvas?.id === "result") return false;
    this.tool = tool;
    this.grid = app.doc.grid(tool.layer, tool.layer === "edits" ? app.doc.mask : undefined);
    this.stroke = new Stroke(app.doc, tool.layer);
    this.first = this.last = point;
    this.points = [point];
    if (tool.free) this.#draw(point);
    app.view.draw();
    return true;
  }

  move(point) {
    if (!this.stroke) return;
    if (this.tool.free) this.#draw(point);
    if (this.tool.path) this.points.push(point);
    this.last = point;
    this.app.view.draw();
  }

  up() {
    if (!this.stroke) return;
    const { grid, first, last, points, tool, stroke } = this;
    if (tool.path) stroke.add(raster.polygon(grid, points, tool.value));
    else if (!tool.free && tool.layer === "mask") stroke.add(raster.box(grid, first, last, tool.value));
    else if (!tool.free) stroke.add(raster.line(grid, first, last, 0, tool.value));
    this.stroke = null;
    const hasChanged = stroke.end();
    this.app.changed(hasChanged, tool);
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

  // Shapes that are still being drawn, and where a brush would paint; in image coordinates.
  paint(context, scale, cursor) {
    const outline = (draw) => {
      for (const [width, colour] of [[3, "#fff"], [1.25, "#111"]]) {
        context.lineWidth = width / scale;
        context.strokeStyle = colour;
        context.beginPath();
        draw();
        context.stroke();
      }
    };
    if (this.stroke && !this.tool.free) {
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
}
