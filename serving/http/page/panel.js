// The lists next to the image: classes, and a table of segments that can be sorted.

const COLUMNS = {
  name: (segment) => segment.category_name,
  score: (segment) => segment.score ?? 0,
  area: (segment) => segment.area,
  pixels: (segment) => segment.area,
};

function element(tag, text = '', properties = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  return Object.assign(made, properties);
}

function swatch(color) {
  const made = element('span', '', {className: 'swatch'});
  made.style.backgroundColor = `rgb(${color.join(' ')})`;
  return made;
}

function percent(part, total) {
  const value = 100 * part / total;
  return `${value < 0.1 && value > 0 ? '<0.1' : value.toFixed(1)} %`;
}

export class Panel {
  #legend = document.getElementById('legend');
  #rows = document.querySelector('#segments tbody');
  #heads = document.querySelectorAll('#segments th');
  #summary = document.getElementById('summary');
  #onHover;
  #onPick;
  #sortedBy = 'area';
  #isAscending = false;
  #segments = [];
  #total = 1;

  /**
   * @param onHover called with the ids of the segments that the pointer or the focus is at
   * @param onPick called with the ids of segments that were chosen
   */
  constructor(onHover, onPick) {
    this.#onHover = onHover;
    this.#onPick = onPick;
    for (const head of this.#heads) {
      head.firstElementChild.addEventListener('click', (event) => {
        this.#sort(event.target.dataset.key);
      });
    }
  }

  /**
   * Lists segments.
   * @param segments those that are shown
   * @param total pixels of the image
   * @param colorOf from the name of a class to its color
   */
  show(segments, total, colorOf) {
    this.#segments = segments;
    this.#total = total;
    this.#showLegend(colorOf);
    this.#showTable();
    const covered = segments.reduce((sum, segment) => sum + segment.area, 0);
    const count = segments.length === 1 ? '1 segment' : `${segments.length} segments`;
    this.#summary.textContent = segments.length
      ? `${count}, ${percent(Math.min(covered, total), total)} of the image`
      : 'No segment at these thresholds.';
  }

  /** Marks the segments that are looked at, and those that are pinned. */
  mark(lit, pinned) {
    for (const row of this.#rows.children) {
      const id = Number(row.dataset.id);
      row.classList.toggle('lit', lit.has(id));
      row.querySelector('button').setAttribute('aria-pressed', String(pinned.has(id)));
    }
    for (const item of this.#legend.children) {
      const ids = this.#idsOf(item.dataset.name);
      const isPinned = ids.length > 0 && ids.every((id) => pinned.has(id));
      item.firstElementChild.setAttribute('aria-pressed', String(isPinned));
    }
  }

  #idsOf(name) {
    return this.#segments.filter((one) => one.category_name === name).map((one) => one.id);
  }

  #showLegend(colorOf) {
    const names = [...new Set(this.#segments.map((segment) => segment.category_name))].sort();
    this.#legend.replaceChildren(...names.map((name) => {
      const item = element('li');
      item.dataset.name = name;
      const count = this.#idsOf(name).length;
      const button = element('button', '', {type: 'button'});
      button.append(swatch(colorOf(name)), name);
      if (count > 1) button.append(element('span', ` × ${count}`, {className: 'count'}));
      this.#listen(button, () => this.#idsOf(name));
      item.append(button);
      return item;
    }));
  }

  #showTable() {
    const value = COLUMNS[this.#sortedBy];
    const direction = this.#isAscending ? 1 : -1;
    const sorted = [...this.#segments].sort((one, other) => {
      const [first, second] = [value(one), value(other)];
      return direction * (first < second ? -1 : Number(first > second)) || one.id - other.id;
    });
    this.#rows.replaceChildren(...sorted.map((segment) => this.#row(segment)));
    for (const head of this.#heads) {
      const isOwn = head.firstElementChild.dataset.key === this.#sortedBy;
      const order = this.#isAscending ? 'ascending' : 'descending';
      head.setAttribute('aria-sort', isOwn ? order : 'none');
    }
  }

  #row(segment) {
    const row = element('tr');
    row.dataset.id = segment.id;
    const button = element('button', '', {type: 'button'});
    button.append(swatch(segment.color), segment.category_name);
    this.#listen(button, () => [segment.id]);
    const first = element('td');
    first.append(button);
    row.append(
      first, element('td', segment.score === null ? '–' : segment.score.toFixed(2)),
      element('td', percent(segment.area, this.#total)),
      element('td', segment.area.toLocaleString('en')));
    row.addEventListener('pointerenter', () => this.#onHover([segment.id]));
    row.addEventListener('pointerleave', () => this.#onHover([]));
    return row;
  }

  #listen(button, ids) {
    button.addEventListener('pointerenter', () => this.#onHover(ids()));
    button.addEventListener('pointerleave', () => this.#onHover([]));
    button.addEventListener('focus', () => this.#onHover(ids()));
    button.addEventListener('blur', () => this.#onHover([]));
    button.addEventListener('click', () => this.#onPick(ids()));
  }

  #sort(key) {
    this.#isAscending = key === this.#sortedBy ? !this.#isAscending : key === 'name';
    this.#sortedBy = key;
    this.#showTable();
    this.#onHover([]);
  }
}
