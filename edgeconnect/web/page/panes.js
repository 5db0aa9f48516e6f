// What is drawn in the two panes: the photo with its hole, the edge map, the result.

export const SMALL_PX = 2048; // a photo shown smaller than this is drawn from a copy of this size

// For a View: paint(context, canvas, scale), in image coordinates.
export function painter(app, actions, hand, compare) {
  return (context, canvas, scale) => {
    const { doc, small } = app;
    if (!doc) return;
    const photo = small && scale * devicePixelRatio * Math.max(doc.width, doc.height) <= SMALL_PX ? small : doc.photo;
    context.drawImage(photo, 0, 0, doc.width, doc.height);
    if (canvas.id === "result") paintResult(context, scale, doc, actions.shown(), Number(compare.value) / 100);
    else if (app.editMode === "edges") paintEdges(context, doc, actions.lines());
    else context.drawImage(doc.tint, 0, 0);
    if (canvas.id === "edit") hand.paint(context, scale, app.view.cursor);
  };
}

function paintEdges(context, doc, lines) {
  context.fillStyle = "rgb(255 255 255 / 85%)";
  context.fillRect(0, 0, doc.width, doc.height);
  if (lines) context.drawImage(lines.canvas, lines.box.x, lines.box.y);
  else context.drawImage(doc.tint, 0, 0);
}

// The result right of `share` of the width, the photo left of it.
function paintResult(context, scale, doc, result, share) {
  if (!result) return;
  const split = share * doc.width;
  context.save();
  context.beginPath();
  context.rect(split, 0, doc.width - split, doc.height);
  context.clip();
  context.clearRect(result.box.x, result.box.y, result.box.w, result.box.h); // it may be transparent
  context.drawImage(result.bitmap, result.box.x, result.box.y);
  context.restore();
  if (split <= 0) return;
  for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
    context.fillStyle = colour;
    context.fillRect(split - width / 2 / scale, 0, width / scale, doc.height);
  }
}
