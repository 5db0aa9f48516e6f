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

// Post `fields` about `doc`'s photo, which is sent again where the server has forgotten it.
async function post(path, doc, fields, { signal, onBusy, headers } = {}) {
  const once = () => ask(path, { method: "POST", body: form({ photo_id: doc.photoId, ...fields }), headers, signal }, onBusy);
  if (!doc.photoId) doc.photoId = (await sendPhoto(doc.photoBlob, signal)).id;
  try {
    return await once();
  } catch (error) {
    if (error.status !== 404) throw error;
    doc.photoId = (await sendPhoto(doc.photoBlob, signal)).id;
    return once();
  }
}

const boxOf = ([x, y, w, h]) => ({ x, y, w, h });

// {blob, box: {x, y, w, h}, notes}.
export async function ofPhoto(path, doc, fields, options) {
  const answer = await post(path, doc, fields, options);
  const box = boxOf(answer.headers.get("Edgeconnect-Box").split(",").map(Number));
  return { blob: await answer.blob(), box, notes: JSON.parse(answer.headers.get("Edgeconnect-Notes")) };
}

// The same for an answer in lines: `onEvent` gets {stage, seconds, box, blob} of each one before the last,
// without box and blob where the picture has not changed.
export async function watched(path, doc, fields, onEvent, options) {
  const answer = await post(path, doc, fields, { ...options, headers: { Accept: "application/x-ndjson" } });
  for await (const line of lines(answer.body)) {
    const { error, picture, box, ...event } = JSON.parse(line);
    if (error) throw new ServerError(answer.status, error);
    if (picture) {
      event.blob = new Blob([Uint8Array.from(atob(picture), (byte) => byte.charCodeAt(0))], { type: "image/png" });
      event.box = boxOf(box);
    }
    if (event.stage === "done") return event;
    await onEvent(event);
  }
  throw new ServerError(0, "the server broke off.");
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let begun = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (begun + value).split("\n");
      begun = parts.pop();
      yield* parts;
    }
  } catch (error) {
    throw error.name === "AbortError" ? error : new ServerError(0, "the server broke off.");
  } finally {
    reader.cancel().catch(() => {}); // where nobody reads on, the server need not go on
  }
}
