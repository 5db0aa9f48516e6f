// Panes that show the same part of the picture, and fingers, mice and keys on them.

const MOST_SCALE = 40;

export class View {
  // `paint(context, pane, scale)` draws in image coordinates; `hand` gets down/move/up/cancel in them.
  constructor(canvases, paint, hand) {
    this.canvases = canvases;
    this.paint = paint;
    this.hand = hand;
    this.size = { width: 1, height: 1 };
    this.scale = 1;
    this.x = this.y = 0;
    this.fitted = true;
    this.pointers = new Map();
    this.cursor = null; // image coordinates of a hovering pointer or the keyboard's pen
    this.panning = false; // space or the hand tool
    for (const canvas of canvases) this.#listen(canvas);
    const observer = new ResizeObserver(() => (this.fitted ? this.fit() : this.draw()));
    canvases.forEach((canvas) => observer.observe(canvas));
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      for (const canvas of this.canvases) this.#drawPane(canvas);
    });
  }

  fit(rect = { x: 0, y: 0, w: this.size.width, h: this.size.height }, margin = 0.96) {
    const pane = this.#pane();
    this.scale = Math.min(MOST_SCALE, margin * Math.min(pane.clientWidth / rect.w, pane.clientHeight / rect.h));
    this.x = pane.clientWidth / 2 - this.scale * (rect.x + rect.w / 2);
    this.y = pane.clientHeight / 2 - this.scale * (rect.y + rect.h / 2);
    this.fitted = rect.w === this.size.width;
    this.draw();
  }

  zoom(factor, at) {
    const pane = this.#pane(), px = at?.x ?? pane.clientWidth / 2, py = at?.y ?? pane.clientHeight / 2;
    const least = 0.5 * Math.min(pane.clientWidth / this.size.width, pane.clientHeight / this.size.height, 2);
    const scale = Math.min(MOST_SCALE, Math.max(least, this.scale * factor));
    this.x = px - ((px - this.x) * scale) / this.scale;
    this.y = py - ((py - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.draw();
  }

  #pane() {
    return this.canvases.find((canvas) => canvas.clientWidth) ?? this.canvases[0];
  }

  #drawPane(canvas) {
    const ratio = devicePixelRatio, width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d"), scale = this.scale * ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(scale, 0, 0, scale, this.x * ratio, this.y * ratio);
    context.imageSmoothingEnabled = scale < 2;
    this.paint(context, canvas, this.scale);
  }

  #listen(canvas) {
    canvas.addEventListener("pointerdown", (event) => this.#down(canvas, event));
    canvas.addEventListener("pointermove", (event) => this.#move(canvas, event));
    canvas.addEventListener("pointerup", (event) => this.#up(event, "up"));
    canvas.addEventListener("pointercancel", (event) => this.#up(event, "cancel"));
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.draw(); });
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      this.zoom(Math.exp(-event.deltaY * lines * 0.002), { x: event.offsetX, y: event.offsetY });
    }, { passive: false });
  }

  at(x, y) {
    return { x: Math.floor((x - this.x) / this.scale), y: Math.floor((y - this.y) / this.scale) };
  }

  #down(canvas, event) {
    if (event.button === 2) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true, focusVisible: false });
    canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (this.pointers.size === 2 && this.drawing) {
      this.drawing = false;
      this.hand.cancel();
    } else if (this.pointers.size === 1 && event.button === 0 && !this.panning) {
      this.drawing = this.hand.down(this.at(event.offsetX, event.offsetY), canvas);
    }
  }

  #move(canvas, event) {
    const last = this.pointers.get(event.pointerId);
    this.cursor = event.pointerType === "touch" ? null : this.at(event.offsetX, event.offsetY);
    if (last && this.drawing) {
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.hand.move(this.at(each.offsetX, each.offsetY));
    } else if (last) {
      const now = { x: event.offsetX, y: event.offsetY };
      const other = [...this.pointers.entries()].find(([id]) => id !== event.pointerId)?.[1];
      if (other) this.#pinch(last, now, other);
      else this.pan(now.x - last.x, now.y - last.y);
      Object.assign(last, now);
    }
    this.draw();
  }

  #pinch(last, now, other) {
    const distance = (p) => Math.max(10, Math.hypot(p.x - other.x, p.y - other.y));
    this.pan((now.x - last.x) / 2, (now.y - last.y) / 2);
    this.zoom(distance(now) / distance(last), { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
  }

  #up(event, how) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.drawing && !this.pointers.size) {
      this.drawing = false;
      this.hand[how]();
    }
    this.draw();
  }
}
