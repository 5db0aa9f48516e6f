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

// Values 0 to 255 as a PNG file; opaque, so nothing is lost.
export function encodeGray(values, width, height) {
  const [canvas, context] = canvasOf(width, height);
  const picture = context.createImageData(width, height);
  const words = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < values.length; i++) words[i] = 0xff000000 | (values[i] * 0x010101);
  context.putImageData(picture, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the browser could not write a PNG"))), "image/png");
  });
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
