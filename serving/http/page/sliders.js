// Sliders with their values.

const AREA = {name: 'area', text: 'Area at least (on this page only)', maximum: 0.1, step: 0.001};
const OF_SERVER = {
  score: {text: 'Score above', maximum: 1, step: 0.01},
  overlap: {text: 'Visible share of the mask at least', maximum: 1, step: 0.01},
};

/** Shows the value of a slider next to its name, and calls a function with it. */
export function bindSlider(input, format, onChange) {
  const output = document.querySelector(`output[for="${input.id}"]`);
  const update = () => {
    const value = Number(input.value);
    output.textContent = format(value);
    input.setAttribute('aria-valuetext', format(value));
    onChange(value);
  };
  input.addEventListener('input', update);
  update();
  return update;
}

/** The thresholds that act on a task: those of the server, and the area here. */
export class Thresholds {
  #defaults;
  #inputs = new Map();
  #updates = [];
  #isReady = false;

  /**
   * @param parent receives the sliders
   * @param defaults of the server, by name
   * @param onServer called when one of those changed
   * @param onPage called when the area changed
   */
  constructor(parent, defaults, onServer, onPage) {
    this.#defaults = {...defaults, [AREA.name]: 0};
    for (const [name, value] of Object.entries(defaults)) {
      this.#add(parent, {name, ...OF_SERVER[name]}, value, (v) => v.toFixed(2), onServer);
    }
    this.#add(parent, AREA, 0, (v) => `${(100 * v).toFixed(1)} %`, onPage);
    this.#isReady = true;
  }

  /** The thresholds of the server. */
  get ofServer() {
    const values = {};
    for (const [name, input] of this.#inputs) if (name !== AREA.name) values[name] = input.value;
    return values;
  }

  /** Whether those are as at the start. */
  get areDefaults() {
    return Object.entries(this.ofServer).every(
      ([name, value]) => Number(value) === this.#defaults[name]);
  }

  /** The smallest share of the image that is shown. */
  get area() {
    return Number(this.#inputs.get(AREA.name).value);
  }

  reset() {
    for (const [name, input] of this.#inputs) input.value = this.#defaults[name];
    for (const update of this.#updates) update();
  }

  #add(parent, {name, text, maximum, step}, value, format, onChange) {
    const id = `threshold-${name}`;
    const label = document.createElement('label');
    label.htmlFor = id;
    const output = document.createElement('output');
    output.setAttribute('for', id);
    label.append(text, ' ', output);
    const input = document.createElement('input');
    Object.assign(input, {id, type: 'range', min: 0, max: maximum, step, value});
    parent.append(label, input);
    this.#inputs.set(name, input);
    this.#updates.push(bindSlider(input, format, () => {
      if (this.#isReady) onChange();
    }));
  }
}
