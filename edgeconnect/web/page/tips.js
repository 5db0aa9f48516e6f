// What a control does, in words beside it, when a mouse rests on it or the keyboard comes to it.

const WAIT_MS = 450;

export function wireTips() {
  const tip = document.getElementById("tip");
  let timer = null, owner = null;

  function hide() {
    clearTimeout(timer);
    tip.hidden = true;
    owner = null;
  }

  function show(control) {
    const { tip: words, key } = control.dataset, name = control.getAttribute("aria-label") ?? control.querySelector("[aria-label]")?.getAttribute("aria-label");
    tip.replaceChildren();
    if (name && control.matches(".icon")) tip.append(Object.assign(document.createElement("b"), { textContent: name }));
    tip.append(words);
    if (key) tip.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    tip.hidden = false;
    const box = control.getBoundingClientRect(), own = tip.getBoundingClientRect(), isBeside = control.closest("#tools") && box.left < 90;
    const x = isBeside ? box.right + 10 : box.left + box.width / 2 - own.width / 2;
    const below = box.bottom + 8 + own.height < innerHeight, y = isBeside ? box.top + box.height / 2 - own.height / 2 : below ? box.bottom + 8 : box.top - own.height - 8;
    tip.style.left = `${Math.max(6, Math.min(innerWidth - own.width - 6, x))}px`;
    tip.style.top = `${Math.max(6, y)}px`;
  }

  function wait(control, ms) {
    if (control === owner) return;
    hide();
    owner = control;
    timer = setTimeout(() => show(control), ms);
  }

  document.addEventListener("pointermove", (event) => {
    const control = event.pointerType === "touch" ? null : event.target.closest?.("[data-tip]");
    if (control && !control.closest("details[open] > summary")) wait(control, WAIT_MS);
    else hide();
  });
  document.addEventListener("focusin", ({ target }) => {
    const control = target.closest("[data-tip]");
    if (control && target.matches(":focus-visible")) wait(control, 0);
  });
  for (const name of ["pointerdown", "keydown", "focusout", "wheel"]) document.addEventListener(name, hide, { passive: true });
}
