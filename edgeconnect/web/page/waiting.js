// What runs: its bar, how long it has taken and may take, and a way to end it.

const element = (id) => document.getElementById(id);
const SHOWN_AFTER_MS = 700;

export class Waiting {
  // `perUnit`: seconds that work of each kind took the last time, by its size.
  constructor(actions) {
    this.actions = actions;
    this.perUnit = new Map();
    this.now = null;
    setInterval(() => this.show(), 250);
  }

  begin(label, units) {
    this.now = { label, units, began: performance.now(), expected: (this.perUnit.get(label) ?? 0) * units };
  }

  end(isDone) {
    if (!this.now) return;
    const { label, units, began } = this.now;
    if (isDone && units) this.perUnit.set(label, (performance.now() - began) / 1000 / units);
    this.now = null;
    this.show();
  }

  // By this machine's clock: the server may say nothing for a while.
  show() {
    const { preview } = this.actions, began = preview?.began ?? this.now?.began, past = performance.now() - began;
    element("watching").hidden = !this.now || (past < SHOWN_AFTER_MS && !preview);
    element("take").hidden = !preview;
    element("take").disabled = !preview?.bitmap;
    if (!this.now) return;
    const seconds = past / 1000, { expected } = this.now, left = Math.ceil(expected - seconds);
    if (expected > 1 && !preview) element("progress").value = Math.min(0.97, seconds / expected);
    else element("progress").removeAttribute("value");
    element("so-far").textContent = left > 0 && expected > 1 && !preview ? `about ${left} s left` : `${Math.round(seconds)} s`;
  }
}
