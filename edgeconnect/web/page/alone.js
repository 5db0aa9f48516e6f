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
  setInterval(() => actions.preview && showProgress(actions.preview), 500);
}

export function showAlone(app, actions) {
  const { preview } = actions;
  document.body.dataset.alone = app.alone;
  element("alone").checked = app.alone;
  element("from-edges").checked = app.fromEdges;
  element("seconds").value = app.seconds;
  element("watching").hidden = !preview;
  for (const id of ["save-result", "save-mask", "save-edges"]) element(id).disabled = Boolean(preview);
  element("take").disabled = !preview?.bitmap;
  if (preview) showProgress(preview);
}

// By this machine's clock: the server may say nothing for a while.
function showProgress({ stage, of, began }) {
  const seconds = stage ? (performance.now() - began) / 1000 : 0;
  element("progress").max = of;
  element("progress").value = seconds;
  element("so-far").textContent = `${Math.round(seconds)} of ${of} s`;
}
