// Files that are dropped or pasted: what they are is asked where a photo is open.

const element = (id) => document.getElementById(id);

export function wireFiles(app, actions) {
  const stage = element("stage"), question = element("question");
  let waiting = null;

  function take(file) {
    if (!file || question.open) return;
    if (!file.type.startsWith("image/") && !/\.(tiff?|jp2|avif|hei[cf])$/i.test(file.name)) {
      app.say(`${file.name || "That"} is no picture; drop a photo, a mask or an edge map.`, "error");
      return;
    }
    if (!app.doc) {
      actions.open(file, file.name || "pasted.png");
      return;
    }
    waiting = file;
    element("question-name").textContent = file.name || "The picture from the clipboard";
    question.showModal();
  }

  function use(answer) {
    const file = waiting;
    question.close();
    waiting = null;
    if (answer === "photo") actions.open(file, file.name && file.name !== "image.png" ? file.name : "pasted.png");
    else if (answer === "mask") actions.openMask(file);
    else if (answer === "lines") {
      app.setMode("edges");
      actions.openLines(file, element("merge").checked);
    }
  }

  for (const button of question.querySelectorAll("button")) button.addEventListener("click", () => use(button.value));
  document.addEventListener("dragover", (event) => { event.preventDefault(); stage.classList.add("dropping"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) stage.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    stage.classList.remove("dropping");
    take(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData?.files ?? [];
    if (file) take(file);
    else if (!event.target.closest("input, select")) app.say("There is no picture on the clipboard.", "done");
  });
}
