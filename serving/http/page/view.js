// The image with its segments: opacity, before / after, what the pointer is at.

import {IdMap, shownSize} from './idmap.js';
import {paint} from './paint.js';

const MARGIN = 14; // pixels between the pointer and its label

export class View {
  #photo = document.getElementById('photo');
  #overlay = document.getElementById('overlay');
  #frame = document.getElementById('frame');
  #divider = document.getElementById('divider');
  #tip = document.getElementById('tip');
  #bitmap = null;
  #map = null;
  #segments = [];
  #opacity = 0.55;
  #lit = new Set();
  #isDue = false;

  /**
   * @param onHover called with the id of the segment under the pointer, 0 where none is
   * @param onPick called with the id of a segment that was clicked, 0 where none is
   * @param onDivide called with percents, when the divider is dragged
   */
  constructor(onHover, onPick, onDivide) {
    const idAt = (event) => {
      const box = this.#overlay.getBoundingClientRect();
      const across = (event.clientX - box.left) / box.width;
      const down = (event.clientY - box.top) / box.height;
      return this.#map ? this.#map.at(across, down) : 0;
    };
    const shownAt = (event) => {
      const id = idAt(event);
      return this.#segments.some((segment) => segment.id === id) ? id : 0;
    };
    this.#overlay.addEventListener('pointermove', (event) => {
      if (event.pointerType !== 'mouse') return;
      const id = shownAt(event);
      this.#label(id, event);
      onHover(id);
    });
    this.#overlay.addEventListener('pointerleave', () => {
      this.#tip.hidden = true;
      onHover(0);
    });
    this.#overlay.addEventListener('click', (event) => onPick(shownAt(event)));
    this.#divider.addEventListener('pointerdown', (event) => {
      this.#divider.setPointerCapture(event.pointerId);
    });
    this.#divider.addEventListener('pointermove', (event) => {
      if (!this.#divider.hasPointerCapture(event.pointerId)) return;
      const box = this.#frame.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      onDivide(Math.round(100 * Math.min(1, Math.max(0, share))));
    });
  }

  /** Shows an image without segments. */
  setImage(bitmap, name) {
    this.#bitmap = bitmap;
    this.#map = null;
    this.#segments = [];
    const {width, height} = shownSize(bitmap.width, bitmap.height);
    for (const canvas of [this.#photo, this.#overlay]) {
      canvas.width = width;
      canvas.height = height;
    }
    this.#frame.style.aspectRatio = `${width} / ${height}`;
    this.#frame.style.maxWidth = `calc(70vh * ${width / height})`;
    this.#photo.setAttribute('aria-label', `The image ${name}`);
    this.#photo.getContext('2d').drawImage(bitmap, 0, 0, width, height);
  }

  /** Takes the segments of the image from an answer of the server. */
  setAnswer(answer) {
    this.#map = new IdMap(answer, {width: this.#overlay.width, height: this.#overlay.height});
  }

  /** Shows these of the segments. */
  setSegments(segments) {
    this.#segments = segments;
    this.#tip.hidden = true;
    this.#paintSoon();
  }

  setOpacity(opacity) {
    this.#opacity = opacity;
    this.#paintSoon();
  }

  /** Emphasizes segments by their ids; none: all alike. */
  setLit(ids) {
    this.#lit = ids;
    this.#paintSoon();
  }

  /** Leaves the segments out in so many percent of the image, from the left. */
  setBefore(percent) {
    this.#overlay.style.clipPath = `inset(0 0 0 ${percent}%)`;
    this.#divider.style.left = `${percent}%`;
    this.#divider.hidden = percent === 0;
  }

  /** Returns the image as it is shown, not divided, as a PNG of at least its own size. */
  async asPng(answer) {
    const own = {width: this.#bitmap.width, height: this.#bitmap.height};
    const size = own.width > this.#photo.width ? own
      : {width: this.#photo.width, height: this.#photo.height};
    const canvas = Object.assign(document.createElement('canvas'), size);
    const colors = Object.assign(document.createElement('canvas'), size);
    const context = canvas.getContext('2d');
    context.drawImage(this.#bitmap, 0, 0, size.width, size.height);
    paint(colors, new IdMap(answer, size), this.#segments, this.#opacity, this.#lit);
    context.drawImage(colors, 0, 0);
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => {
        if (blob) resolve(blob);
        else reject(new Error('The browser cannot make an image of that size.'));
      }, 'image/png');
    });
  }

  #paintSoon() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      if (this.#map) paint(this.#overlay, this.#map, this.#segments, this.#opacity, this.#lit);
    });
  }

  /** Puts the label of a segment next to the pointer. */
  #label(id, event) {
    const segment = this.#segments.find((one) => one.id === id);
    this.#tip.hidden = !segment;
    if (!segment) return;
    const score = segment.score === null ? '' : ` · ${segment.score.toFixed(2)}`;
    this.#tip.textContent = `${segment.category_name}${score}`;
    const box = this.#frame.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const isRight = x + MARGIN + this.#tip.offsetWidth > box.width;
    const isLow = y + MARGIN + this.#tip.offsetHeight > box.height;
    const left = isRight ? x - MARGIN - this.#tip.offsetWidth : x + MARGIN;
    const top = isLow ? y - MARGIN - this.#tip.offsetHeight : y + MARGIN;
    this.#tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
  }
}
