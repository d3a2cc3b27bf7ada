// Colors of segments over an image.

const FADED = 0.25; // of the opacity, where other segments are looked at
const OUTLINE = 0.85; // opacity of outlines at full opacity of the colors

/** Returns a color as one number, in the order of bytes that canvases have. */
function packed(red, green, blue, alpha) {
  return ((Math.round(alpha * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * Paints segments on a canvas that has the size of their map.
 * @param canvas receives the colors in place of what it has
 * @param map an IdMap
 * @param segments those that are shown: id and color
 * @param opacity of the colors, 0 to 1
 * @param lit ids of the segments that are looked at; empty: none more than others
 */
export function paint(canvas, map, segments, opacity, lit) {
  const context = canvas.getContext('2d');
  const image = context.createImageData(map.width, map.height);
  const pixels = new Uint32Array(image.data.buffer);
  const largest = segments.reduce((id, segment) => Math.max(id, segment.id), 0);
  const fills = new Uint32Array(largest + 2); // the last is for ids that are not shown
  const outlines = new Uint32Array(largest + 2);
  for (const {id, color} of segments) {
    const share = lit.size > 0 && !lit.has(id) ? FADED : 1;
    fills[id] = packed(...color, opacity * share);
    outlines[id] = packed(255, 255, 255, Math.min(1, 1.5 * opacity) * OUTLINE * share);
  }
  const {ids} = map;
  for (let place = 0; place < ids.length; place++) {
    pixels[place] = fills[Math.min(ids[place], largest + 1)];
  }
  outline(pixels, map, (place) => outlines[Math.min(ids[place], largest + 1)]);
  context.putImageData(image, 0, 0);
}

/** Draws the borders of segments; where two meet, in the stronger color of both. */
function outline(pixels, map, colorAt) {
  const {width, ids} = map;
  const thickness = Math.max(1, Math.round(Math.min(width, map.height) / 500));
  for (const place of map.borders) {
    const hasRight = (place + 1) % width > 0;
    const hasBelow = place + width < ids.length;
    const color = Math.max(
      colorAt(place), hasRight ? colorAt(place + 1) : 0, hasBelow ? colorAt(place + width) : 0);
    if (!color) continue;
    for (let step = 0; step < thickness; step++) {
      if (place + step < ids.length) pixels[place + step] = color;
      if (place + step * width < ids.length) pixels[place + step * width] = color;
    }
  }
}
