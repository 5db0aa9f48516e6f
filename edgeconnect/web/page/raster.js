// Shapes as whole pixels in a Uint8Array (row by row, `width` wide): no soft edges, so that lines are one
// pixel wide and masks are masks. Everything returns the rectangle {x, y, w, h} it touched.

export const EMPTY = { x: 0, y: 0, w: 0, h: 0 };

export function union(a, b) {
  if (!a.w || !a.h) return b;
  if (!b.w || !b.h) return a;
  const x = Math.min(a.x, b.x), y = Math.min(a.y, b.y);
  return { x, y, w: Math.max(a.x + a.w, b.x + b.w) - x, h: Math.max(a.y + a.h, b.y + b.h) - y };
}

export function clip(rect, width, height) {
  const x = Math.max(0, rect.x), y = Math.max(0, rect.y);
  const w = Math.min(width, rect.x + rect.w) - x, h = Math.min(height, rect.y + rect.h) - y;
  return w > 0 && h > 0 ? { x, y, w, h } : EMPTY;
}

// A grid: {data, width, height, only}; pixels where `only` (as long as data) is 0 stay as they are.
function fillRow(grid, y, from, to, value) {
  if (y < 0 || y >= grid.height) return;
  const start = y * grid.width + Math.max(0, from), end = y * grid.width + Math.min(grid.width - 1, to);
  if (!grid.only) {
    if (end >= start) grid.data.fill(value, start, end + 1);
    return;
  }
  for (let i = start; i <= end; i++) if (grid.only[i]) grid.data[i] = value;
}

export function disc(grid, x, y, radius, value) {
  const reach = Math.floor(radius);
  for (let dy = -reach; dy <= reach; dy++) {
    const half = Math.floor(Math.sqrt(radius * radius - dy * dy));
    fillRow(grid, y + dy, x - half, x + half, value);
  }
  return clip({ x: x - reach, y: y - reach, w: 2 * reach + 1, h: 2 * reach + 1 }, grid.width, grid.height);
}

// Bresenham's line, with a disc at its pixels; radius 0 is a line of single pixels.
export function line(grid, from, to, radius, value) {
  let { x, y } = from;
  const dx = Math.abs(to.x - x), dy = -Math.abs(to.y - y);
  const stepX = x < to.x ? 1 : -1, stepY = y < to.y ? 1 : -1;
  const every = Math.max(1, Math.floor(radius / 3));
  let error = dx + dy, touched = disc(grid, x, y, radius, value);
  for (let count = 1; x !== to.x || y !== to.y; count++) {
    const twice = 2 * error;
    if (twice >= dy) { error += dy; x += stepX; }
    if (twice <= dx) { error += dx; y += stepY; }
    const isLast = x === to.x && y === to.y;
    if (count % every === 0 || isLast) touched = union(touched, disc(grid, x, y, radius, value));
  }
  return touched;
}

export function box(grid, a, b, value) {
  const x = Math.min(a.x, b.x), y = Math.min(a.y, b.y);
  const rect = { x, y, w: Math.abs(a.x - b.x) + 1, h: Math.abs(a.y - b.y) + 1 };
  for (let row = y; row < y + rect.h; row++) fillRow(grid, row, x, x + rect.w - 1, value);
  return clip(rect, grid.width, grid.height);
}

// The inside of a closed path, by the even-odd rule at pixel centres.
export function polygon(grid, points, value) {
  const ys = points.map((p) => p.y), xs = points.map((p) => p.x);
  const top = Math.max(0, Math.min(...ys)), bottom = Math.min(grid.height - 1, Math.max(...ys));
  for (let y = top; y <= bottom; y++) {
    const cuts = [];
    points.forEach((p, i) => {
      const q = points[(i + 1) % points.length];
      if ((p.y <= y) !== (q.y <= y)) cuts.push(p.x + ((y - p.y) * (q.x - p.x)) / (q.y - p.y));
    });
    cuts.sort((a, b) => a - b);
    for (let i = 0; i + 1 < cuts.length; i += 2) fillRow(grid, y, Math.ceil(cuts[i]), Math.floor(cuts[i + 1]), value);
  }
  const left = Math.min(...xs);
  return clip({ x: left, y: top, w: Math.max(...xs) - left + 1, h: bottom - top + 1 }, grid.width, grid.height);
}

// The pixels of 1 in `rect` that have a 0 beside them.
export function rim(data, width, height, rect) {
  const found = [];
  for (let y = rect.y; y < rect.y + rect.h; y++) {
    for (let x = rect.x; x < rect.x + rect.w; x++) {
      const i = y * width + x;
      if (!data[i]) continue;
      if ((x > 0 && !data[i - 1]) || (x + 1 < width && !data[i + 1]) || (y > 0 && !data[i - width]) || (y + 1 < height && !data[i + width])) found.push({ x, y });
    }
  }
  return found;
}

// The bounds of all pixels that equal `value`.
export function bounds(data, width, height, value) {
  let left = width, right = -1, top = height, bottom = -1;
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width, (y + 1) * width), first = row.indexOf(value);
    if (first < 0) continue;
    top = Math.min(top, y);
    bottom = y;
    left = Math.min(left, first);
    right = Math.max(right, row.lastIndexOf(value));
  }
  return bottom < 0 ? EMPTY : { x: left, y: top, w: right - left + 1, h: bottom - top + 1 };
}

export function cut(data, width, rect) {
  const part = new Uint8Array(rect.w * rect.h);
  for (let y = 0; y < rect.h; y++) {
    const start = (rect.y + y) * width + rect.x;
    part.set(data.subarray(start, start + rect.w), y * rect.w);
  }
  return part;
}

export function paste(data, width, rect, part) {
  for (let y = 0; y < rect.h; y++) {
    data.set(part.subarray(y * rect.w, (y + 1) * rect.w), (rect.y + y) * width + rect.x);
  }
}
