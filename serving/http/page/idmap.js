// The id of each pixel's segment, at the size in which it is shown.

const SMALLEST = 1024; // pixels of the longer side; smaller images are enlarged, for thin outlines
const LARGEST = 2048;

/** Returns the size in which an image is shown: a multiple or a part of its own. */
export function shownSize(width, height) {
  const longer = Math.max(width, height);
  let factor = 1;
  if (longer < SMALLEST) factor = Math.ceil(SMALLEST / longer);
  if (longer > LARGEST) factor = LARGEST / longer;
  const scaled = (side) => Math.max(1, Math.round(side * factor));
  return {width: scaled(width), height: scaled(height)};
}

/** Returns the ids of an image, row after row, from runs of equal ids. */
function expand(runs, count) {
  const ids = new Uint32Array(count);
  let place = 0;
  runs.ids.forEach((id, number) => {
    ids.fill(id, place, place + runs.lengths[number]);
    place += runs.lengths[number];
  });
  return ids;
}

/** Ids of a grid of pixels. */
export class IdMap {
  /**
   * @param answer of the server: width, height, runs
   * @param size width and height of the grid
   */
  constructor(answer, size) {
    this.width = size.width;
    this.height = size.height;
    const own = expand(answer.runs, answer.width * answer.height);
    const isSame = size.width === answer.width && size.height === answer.height;
    this.ids = isSame ? own : this.#sampled(own, answer);
    this.borders = this.#findBorders();
  }

  /** Returns the id at a place, fractions of width and height from 0 to 1; 0 where none is. */
  at(across, down) {
    const column = Math.min(this.width - 1, Math.max(0, Math.floor(across * this.width)));
    const row = Math.min(this.height - 1, Math.max(0, Math.floor(down * this.height)));
    return this.ids[row * this.width + column];
  }

  /** Returns the nearest ids of an image of another size. */
  #sampled(own, answer) {
    const ids = new Uint32Array(this.width * this.height);
    const columns = new Uint32Array(this.width);
    for (let x = 0; x < this.width; x++) {
      columns[x] = Math.floor((x + 0.5) * answer.width / this.width);
    }
    for (let y = 0; y < this.height; y++) {
      const from = Math.floor((y + 0.5) * answer.height / this.height) * answer.width;
      const to = y * this.width;
      for (let x = 0; x < this.width; x++) ids[to + x] = own[from + columns[x]];
    }
    return ids;
  }

  /** Returns the places of pixels that have another id to the right or below. */
  #findBorders() {
    const found = [];
    const {ids, width, height} = this;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const place = y * width + x;
        const right = x + 1 < width && ids[place] !== ids[place + 1];
        const below = y + 1 < height && ids[place] !== ids[place + width];
        if (right || below) found.push(place);
      }
    }
    return Uint32Array.from(found);
  }
}
