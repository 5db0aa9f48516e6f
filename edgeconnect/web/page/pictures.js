// PNG files <-> pixels in the browser.

export async function decode(blob) {
  return createImageBitmap(blob, { colorSpaceConversion: "default", imageOrientation: "from-image" });
}

export function canvasOf(width, height, options) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return [canvas, canvas.getContext("2d", options)];
}

// A grey PNG's values, 0 to 255.
export async function decodeGray(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const [, context] = canvasOf(bitmap.width, bitmap.height, { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, bitmap.width, bitmap.height).data;
  const values = new Uint8Array(bitmap.width * bitmap.height);
  for (let i = 0; i < values.length; i++) values[i] = rgba[4 * i];
  bitmap.close();
  return values;
}

// An edge map's lines (255 on 0) where a file is one: of this size, grey, of two values but for their fringe.
// White on black or black on white. Null for other pictures.
export async function readLines(blob, width, height) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  if (bitmap.width !== width || bitmap.height !== height) return null;
  const [, context] = canvasOf(width, height, { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data, values = new Uint8Array(width * height);
  let between = 0, white = 0;
  for (let i = 0; i < values.length; i++) {
    const r = rgba[4 * i], g = rgba[4 * i + 1], b = rgba[4 * i + 2];
    values[i] = g;
    if (g > 48 && g < 208) between++;
    if (g > 127) white++;
    if (Math.max(r, g, b) - Math.min(r, g, b) > 40) return null;
  }
  if (between > 0.1 * values.length) return null;
  return white > 0.5 * values.length ? values.map((value) => 255 - value) : values;
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function chunk(type, data) {
  const bytes = new Uint8Array(12 + data.length), view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  let crc = ~0;
  for (let i = 4; i < 8 + data.length; i++) crc = CRC[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  view.setUint32(8 + data.length, ~crc);
  return bytes;
}

// Values 0 to 255 as a grey PNG file. Written here because a canvas only writes colour with alpha, and when
// Chromium finds an idle moment, up to a second later.
export async function encodeGray(values, width, height) {
  const rows = new Uint8Array(height * (width + 1)); // each begins with its filter: none
  for (let y = 0; y < height; y++) rows.set(values.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = new Uint8Array(13), view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8; // bits, and 0 for grey
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  const parts = [signature, chunk("IHDR", header), chunk("IDAT", data), chunk("IEND", new Uint8Array())];
  return new Blob(parts, { type: "image/png" });
}

export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
