// The single-image mode's switch, and how far a fill has come.

const element = (id) => document.getElementById(id);

export function wireAlone(app, actions) {
  element("alone").addEventListener("change", ({ target }) => {
    app.set({ alone: target.checked });
    app.saved();
    app.show();
  });
  element("take").addEventListener("click", () => actions.takePreview());
  setInterval(() => actions.preview && showProgress(actions.preview), 500);
}

export function showAlone(app, actions) {
  const { preview } = actions;
  element("alone").checked = app.alone;
  element("watching").hidden = !preview;
  for (const id of ["save-result", "save-mask", "save-edges"]) element(id).disabled = Boolean(preview);
  element("take").disabled = !preview?.bitmap;
  if (preview) showProgress(preview);
}

// By this machine's clock: the server may say nothing for a while.
function showProgress({ stage, began }) {
  element("so-far").textContent = `${stage ? Math.round((performance.now() - began) / 1000) : 0} s`;
}
