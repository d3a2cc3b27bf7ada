// Colors of segments over an image.

const FADED = 0.25; // of the opacity, where other segments are looked at
const OUTLINE = 0.85; // opacity of outlines at full opacity of the colors

/** Returns a color as one number, in the order of bytes that canvases have. */
function packed(red, green, blue, alpha) {
  return ((Math.round(alpha * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/**
 * Paints segments on a canvas that has the size of their map.
 * @param canvas receives the colors; it is cleared first
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
  const table = new Uint32Array(largest + 2); // the last is for ids that are not shown
  const outlines = new Uint32Array(largest + 2);
  for (const {id, color} of segments) {
    const isFaded = lit.size > 0 && !lit.has(id);
    const share = isFaded ? FADED : 1;
    table[id] = packed(...color, opacity * share);
    outlines[id] = packed(255, 255, 255, Math.min(1, 1.5 * opacity) * OUTLINE * share);
  }
  const {ids} = map;
  for (let place = 0; place < ids.length; place++) {
    pixels[place] = table[Math.min(ids[place], largest + 1)];
  }
  const width = Math.max(1, Math.round(Math.min(map.width, map.height) / 500));
  for (const place of map.borders) {
    const beyond = Math.min(ids[place], largest + 1);
    // Of two segments the one that is looked at has the outline.
    const other = Math.min(ids[Math.min(place + 1, ids.length - 1)], largest + 1);
    const color = Math.max(outlines[beyond], outlines[other]);
    if (!color) continue;
    for (let step = 0; step < width; step++) {
      if (place + step < ids.length) pixels[place + step] = color;
      const below = place + step * map.width;
      if (below < ids.length) pixels[below] = color;
    }
  }
  context.putImageData(image, 0, 0);
}
