// The server's verbs. A busy server is asked again; a photo it has forgotten is sent again.

const BUSY_TRIES = 20;

export class ServerError extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

async function ask(path, options, onBusy) {
  for (let attempt = 1; ; attempt++) {
    let answer;
    try {
      answer = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError(0, "the server does not answer; is `edgeconnect serve` running?");
    }
    if (answer.ok) return answer;
    const sentence = await answer.json().then((body) => body.error, () => `the server answered ${answer.status}`);
    if (answer.status !== 503 || attempt === BUSY_TRIES) throw new ServerError(answer.status, sentence);
    onBusy?.();
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    options.signal?.throwIfAborted();
  }
}

function form(fields) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null) body.append(name, value);
  }
  return body;
}

export async function names(path, key) {
  return (await (await ask(path, {})).json())[key];
}

export async function file(path) {
  return (await ask(path, {})).blob();
}

export async function sendPhoto(blob, signal) {
  const answer = await ask("/api/photos", { method: "POST", body: form({ photo: blob }), signal });
  return answer.json();
}

// Post `fields` about `doc`'s photo: {blob, box: {x, y, w, h}, notes}.
export async function ofPhoto(path, doc, fields, { signal, onBusy } = {}) {
  const post = () => ask(path, { method: "POST", body: form({ photo_id: doc.photoId, ...fields }), signal }, onBusy);
  if (!doc.photoId) doc.photoId = (await sendPhoto(doc.photoBlob, signal)).id;
  let answer;
  try {
    answer = await post();
  } catch (error) {
    if (error.status !== 404) throw error;
    doc.photoId = (await sendPhoto(doc.photoBlob, signal)).id;
    answer = await post();
  }
  const [x, y, w, h] = answer.headers.get("Edgeconnect-Box").split(",").map(Number);
  return { blob: await answer.blob(), box: { x, y, w, h }, notes: JSON.parse(answer.headers.get("Edgeconnect-Notes")) };
}
