// The single-image mode's switches, and how far a fill has come.

const element = (id) => document.getElementById(id);

export function wireAlone(app, actions) {
  const set = (id, event, change) => element(id).addEventListener(event, ({ target }) => {
    change(target);
    app.saved();
    app.show();
  });
  set("alone", "change", ({ checked }) => { app.alone = checked; });
  set("from-edges", "change", ({ checked }) => { app.fromEdges = checked; });
  set("seconds", "change", ({ value }) => { app.seconds = Number(value); });
  element("take").addEventListener("click", () => actions.takePreview());
}

export function showAlone(app, actions) {
  const { preview } = actions;
  document.body.dataset.alone = app.alone;
  element("alone").checked = app.alone;
  element("from-edges").checked = app.fromEdges;
  element("seconds").value = app.seconds;
  element("watching").hidden = !preview;
  for (const id of ["save-result", "save-mask", "save-edges"]) element(id).disabled = Boolean(preview);
  if (!preview) return;
  element("progress").max = preview.of;
  element("progress").value = preview.seconds;
  element("so-far").textContent = `${Math.round(preview.seconds)} of ${preview.of} s`;
  element("take").disabled = !preview.bitmap;
}
