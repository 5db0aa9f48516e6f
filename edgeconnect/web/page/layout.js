// What floats on the picture.

const FILLS_PX = { beside: 132, below: 112 }; // kept free for the fills to choose from, so that nothing moves when they come

const element = (id) => document.getElementById(id);
const isPhone = matchMedia("(max-width: 700px)"), isFlat = matchMedia("(max-height: 560px)"), isUpright = matchMedia("(orientation: portrait)");

// How much of each side of the stage is under it, in px: {left, top, right, bottom}.
export function covered() {
  if (isPhone.matches) return { left: 0, top: 0, right: 0, bottom: 0 };
  const [stage, tools, options, bar] = ["stage", "tools", "options", "bar"].map((id) => element(id).getBoundingClientRect());
  const left = tools.right - stage.left, [right, below] = isUpright.matches ? [0, FILLS_PX.below] : [FILLS_PX.beside, 0];
  if (isFlat.matches) return { left, top: 0, right, bottom: 0 };
  return { left, top: options.bottom - stage.top, right, bottom: stage.bottom - bar.top + below };
}
