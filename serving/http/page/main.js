// The page: from an image to its segments, and what can be done with them.

import * as api from './api.js';
import * as intake from './intake.js';
import {Panel} from './panel.js';
import {bindSlider, Thresholds} from './sliders.js';
import {View} from './view.js';

const PAUSE = 120; // milliseconds after the last move of a threshold
const GONE = 410;
const ENDINGS = {
  overlay: '_overlay.png', ids: '_ids.png', json: '_segments.json', coco: '_coco_results.json',
};
const byId = (id) => document.getElementById(id);

class Page {
  #model;
  #thresholds;
  #view;
  #panel;
  #file = null;
  #answer = null;
  #segments = []; // shown
  #hovered = [];
  #pinned = new Set();
  #running = new AbortController();
  #timer = 0;

  constructor(model) {
    this.#model = model;
    this.#view = new View(
      (id) => this.#hover(id ? [id] : []), (id) => this.#pick(id ? [id] : []),
      (percent) => this.#divide(percent));
    this.#panel = new Panel((ids) => this.#hover(ids), (ids) => this.#pick(ids));
    this.#thresholds = new Thresholds(
      byId('thresholds'), model.thresholds, () => this.#askSoon(), () => this.#showSegments());
    bindSlider(byId('opacity'), (v) => `${v} %`, (v) => this.#view.setOpacity(v / 100));
    bindSlider(byId('before'), (v) => `${v} %`, (v) => this.#view.setBefore(v));
    byId('reset').addEventListener('click', () => this.#thresholds.reset());
    byId('back').addEventListener('click', () => this.#toStart());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#pick([]);
    });
    for (const button of document.querySelectorAll('.downloads button')) {
      const {format} = button.dataset;
      button.hidden = format === 'coco' && model.task === 'semantic';
      button.addEventListener('click', () => this.#download(format));
    }
  }

  /** Shows an image and asks for its segments. */
  async open(file) {
    const signal = this.#start();
    say('');
    try {
      const bitmap = await intake.open(file, this.#model.limits);
      if (signal.aborted) return;
      this.#file = file;
      this.#showImage(bitmap);
      const start = performance.now();
      await this.#predict(signal);
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      byId('status').textContent = `Answered in ${seconds} s.`;
    } catch (error) {
      this.#fail(error, signal);
    } finally {
      this.#finish(signal);
    }
  }

  /** Ends what is running; returns the signal of what starts now. */
  #start() {
    this.#running.abort();
    clearTimeout(this.#timer);
    this.#running = new AbortController();
    return this.#running.signal;
  }

  #finish(signal) {
    if (signal === this.#running.signal) byId('work').classList.remove('busy');
  }

  #fail(error, signal) {
    if (signal.aborted || error.name === 'AbortError') return;
    byId('status').textContent = this.#answer ? '' : 'There is no answer for this image.';
    say(error.message);
  }

  #showImage(bitmap) {
    byId('start').hidden = true;
    byId('work').hidden = false;
    byId('name').textContent = this.#file.name;
    byId('size').textContent = `${bitmap.width} × ${bitmap.height}`;
    this.#answer = null;
    this.#view.setImage(bitmap, this.#file.name);
    this.#showSegments();
    this.#busy('The network is at work …');
  }

  #toStart() {
    this.#start();
    say('');
    byId('work').hidden = true;
    byId('start').hidden = false;
    document.querySelector('.samples button')?.focus();
  }

  #busy(text) {
    byId('work').classList.add('busy');
    byId('status').textContent = text;
  }

  async #predict(signal) {
    let answer = await api.predict(this.#file, signal);
    if (!this.#thresholds.areDefaults) {
      answer = await api.again(answer.token, this.#thresholds.ofServer, signal);
    }
    this.#take(answer);
  }

  #take(answer) {
    this.#answer = answer;
    this.#view.setAnswer(answer);
    this.#showSegments();
  }

  #askSoon() {
    if (!this.#answer) return;
    const signal = this.#start();
    this.#timer = setTimeout(() => this.#ask(signal), PAUSE);
  }

  /** Asks for the answer at the thresholds as they are. */
  async #ask(signal) {
    this.#busy('');
    try {
      try {
        this.#take(await api.again(this.#answer.token, this.#thresholds.ofServer, signal));
      } catch (error) {
        if (error.status !== GONE) throw error;
        await this.#predict(signal);
      }
      say('');
    } catch (error) {
      this.#fail(error, signal);
    } finally {
      this.#finish(signal);
    }
  }

  #showSegments() {
    const total = this.#answer ? this.#answer.width * this.#answer.height : 1;
    const smallest = this.#thresholds.area * total;
    const all = this.#answer ? this.#answer.segments : [];
    this.#segments = all.filter((segment) => segment.area >= smallest);
    this.#pinned = new Set();
    this.#hovered = [];
    const colors = new Map(this.#model.classes.map(({name, color}) => [name, color]));
    this.#panel.show(this.#segments, total, (name) => colors.get(name));
    this.#view.setSegments(this.#segments);
    this.#mark();
    const isEmpty = !this.#answer;
    for (const button of document.querySelectorAll('.downloads button')) button.disabled = isEmpty;
  }

  #hover(ids) {
    this.#hovered = ids;
    this.#mark();
  }

  /** Pins segments, or sets them free where all of them are pinned; none: sets all free. */
  #pick(ids) {
    const arePinned = ids.length > 0 && ids.every((id) => this.#pinned.has(id));
    if (ids.length === 0) this.#pinned.clear();
    for (const id of ids) {
      if (arePinned) this.#pinned.delete(id);
      else this.#pinned.add(id);
    }
    this.#mark();
    this.#tellPinned();
  }

  #tellPinned() {
    const pinned = this.#segments.filter((segment) => this.#pinned.has(segment.id));
    byId('status').textContent = pinned.map(({category_name: name, score}) => (
      score === null ? name : `${name} ${score.toFixed(2)}`)).join(', ');
  }

  #mark() {
    const lit = new Set([...this.#hovered, ...this.#pinned]);
    this.#view.setLit(lit);
    this.#panel.mark(lit, this.#pinned);
  }

  #divide(percent) {
    const before = byId('before');
    before.value = percent;
    before.dispatchEvent(new Event('input'));
  }

  async #download(format) {
    const {token} = this.#answer;
    const stem = this.#file.name.replace(/\.[^.]*$/, '') || 'image';
    try {
      let blob = format === 'overlay' ? await this.#view.asPng(this.#answer)
        : await api.download(token, this.#thresholds.ofServer, format);
      if (format === 'coco') blob = await withImageId(blob, stem);
      save(blob, stem + ENDINGS[format]);
      say('');
    } catch (error) {
      say(error.status === GONE
        ? 'The server has dropped this image for newer ones; move a threshold to send it again.'
        : error.message);
    }
  }
}

/** Returns rows of COCO's results with the image's id: its name, or the number that it is. */
async function withImageId(blob, stem) {
  const id = /^[0-9]{1,15}$/.test(stem) ? Number(stem) : stem;
  const rows = JSON.parse(await blob.text()).map((row) => ({...row, image_id: id}));
  return new Blob([JSON.stringify(rows)], {type: 'application/json'});
}

function save(blob, name) {
  const link = Object.assign(document.createElement('a'), {
    href: URL.createObjectURL(blob), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Shows a message; '': none. */
function say(text) {
  const message = byId('message');
  message.hidden = !text;
  message.textContent = text;
  if (text) message.scrollIntoView({block: 'nearest'});
}

async function main() {
  let page;
  const open = (file) => page?.open(file);
  intake.listen(open, say);
  try {
    const model = await api.model();
    byId('model').textContent = `${model.model} · ${model.task} · `
      + `${model.classes.length} classes of ${model.data_set}`;
    byId('limits').textContent = `up to ${(model.limits.bytes / 2 ** 20).toFixed(0)} MB and `
      + `${(model.limits.pixels / 1e6).toFixed(0)} megapixels; it goes to this server only`;
    page = new Page(model);
    await intake.showSamples(open, say);
  } catch (error) {
    say(error.message);
  }
}

main();
