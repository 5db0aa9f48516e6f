// The canvas that shows a part of the picture, and fingers, mice and the wheel on it.

const MOST_SCALE = 40;

export class View {
  // `paint(context, scale)` draws in image coordinates; `hand` gets down/move/up/cancel in them;
  // `onDraw()` is called after each drawing, `onSize(factor)` asks for another brush size, `covered()` says how
  // much of each side is under something else: {left, top, right, bottom}.
  constructor(canvas, paint, hand, { onDraw, onSize, covered }) {
    Object.assign(this, { canvas, paint, hand, onDraw, onSize, covered });
    this.size = { width: 1, height: 1 };
    this.margin = 0.96; // of what is not covered, that the whole photo takes
    this.scale = 1;
    this.x = this.y = 0;
    this.fitted = []; // how the picture was fitted last; null once it is moved
    this.pointers = new Map();
    this.cursor = null; // image coordinates of a hovering pointer or the keyboard's pen
    this.panning = false; // the space bar is held
    this.panned = false; // since it is
    this.#listen(canvas);
    new ResizeObserver(() => (this.fitted ? this.fit(...this.fitted) : this.draw())).observe(canvas);
  }

  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#drawNow();
      this.onDraw();
    });
  }

  // Show all of the picture, or of a part of it, where nothing covers it.
  fit(part, margin = this.margin) {
    const rect = part ?? { x: 0, y: 0, w: this.size.width, h: this.size.height };
    const { clientWidth, clientHeight } = this.canvas, { left, top, right, bottom } = this.covered();
    const width = Math.max(1, clientWidth - left - right), height = Math.max(1, clientHeight - top - bottom);
    this.scale = Math.min(MOST_SCALE, margin * Math.min(width / rect.w, height / rect.h));
    this.x = left + width / 2 - this.scale * (rect.x + rect.w / 2);
    this.y = top + height / 2 - this.scale * (rect.y + rect.h / 2);
    this.fitted = [part, margin];
    this.draw();
  }

  zoom(factor, at) {
    const { clientWidth, clientHeight } = this.canvas, px = at?.x ?? clientWidth / 2, py = at?.y ?? clientHeight / 2;
    const least = 0.5 * Math.min(clientWidth / this.size.width, clientHeight / this.size.height, 2);
    const scale = Math.min(MOST_SCALE, Math.max(least, this.scale * factor));
    this.x = px - ((px - this.x) * scale) / this.scale;
    this.y = py - ((py - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = null;
    this.draw();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = null;
    this.draw();
  }

  // While the space bar is held, a drag moves the picture.
  setPanning(panning) {
    if (panning && !this.panning) this.panned = false;
    this.panning = panning;
    document.body.toggleAttribute("data-panning", panning);
  }

  #drawNow() {
    const { canvas } = this, ratio = devicePixelRatio;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d"), scale = this.scale * ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(scale, 0, 0, scale, Math.round(this.x * ratio), Math.round(this.y * ratio)); // whole pixels can be copied
    context.imageSmoothingEnabled = scale < 2;
    this.paint(context, this.scale);
  }

  #listen(canvas) {
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event, "up"));
    canvas.addEventListener("pointercancel", (event) => this.#up(event, "cancel"));
    canvas.addEventListener("pointerleave", () => { this.cursor = null; this.draw(); });
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  // A wheel zooms, with Alt it sets the brush; two fingers on a trackpad move, and pinched (which comes as
  // a wheel with Ctrl) zoom.
  #wheel(event) {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1, dx = event.deltaX * unit, dy = event.deltaY * unit;
    if (event.altKey) this.onSize(Math.exp(-(dy || dx) * 0.002));
    else if (event.ctrlKey) this.zoom(Math.exp(-dy * 0.01), { x: event.offsetX, y: event.offsetY });
    else if (isWheel(event)) this.zoom(Math.exp(-dy * 0.002), { x: event.offsetX, y: event.offsetY });
    else this.pan(-dx, -dy);
  }

  at(x, y) {
    return { x: Math.floor((x - this.x) / this.scale), y: Math.floor((y - this.y) / this.scale) };
  }

  #down(event) {
    if (event.button === 2) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true, focusVisible: false });
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (this.panning) this.panned = true;
    if (this.pointers.size === 2 && this.drawing) {
      this.drawing = false;
      this.hand.cancel();
    } else if (this.pointers.size === 1 && event.button === 0 && !this.panning) {
      this.drawing = this.hand.down(this.at(event.offsetX, event.offsetY), event.altKey);
    }
  }

  #move(event) {
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

// Mice turn in steps, straight down; trackpads glide. Browsers do not say which it is.
function isWheel({ deltaMode, deltaX, deltaY, wheelDeltaY }) {
  return deltaMode === 1 || (deltaX === 0 && Math.abs(deltaY) >= 40 && (wheelDeltaY ?? 120) % 120 === 0);
}
