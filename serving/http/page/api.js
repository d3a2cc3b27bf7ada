// What the page asks the server for. Errors carry a text that people can read.

/** A request that was refused: `status` of HTTP, 0 where there was no answer. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'The server does not answer. Is it still running?');
  }
  if (response.ok) return response;
  let text = `The server answered with status ${response.status}.`;
  try {
    text = (await response.json()).error;
  } catch {
    // Not an answer of this server; the status has to do.
  }
  throw new Refused(response.status, text);
}

const query = (format, thresholds) => new URLSearchParams({format, ...thresholds});

export const model = async () => (await ask('model')).json();

export const samples = async () => (await ask('samples')).json();

export const file = async (path) => (await ask(path)).blob();

/** Sends an image file; returns its segments and id map. */
export async function predict(blob, signal) {
  const body = {method: 'POST', body: blob, signal};
  return (await ask('predict?format=page', body)).json();
}

/** Returns the answer of an image that was sent, at other thresholds. */
export async function again(token, thresholds, signal) {
  return (await ask(`kept/${token}?${query('page', thresholds)}`, {signal})).json();
}

/** Returns a file of that answer. */
export async function download(token, thresholds, format) {
  return (await ask(`kept/${token}?${query(format, thresholds)}`)).blob();
}
