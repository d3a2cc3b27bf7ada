// Where images come from: the file dialog, a drop, the clipboard, the samples.

import * as api from './api.js';

/**
 * Calls `onFile` with each image file that the user gives.
 * @param onError called with a text where what was given is not a file
 */
export function listen(onFile, onError) {
  const input = document.getElementById('file');
  for (const button of document.querySelectorAll('.choose')) {
    button.addEventListener('click', () => input.click());
  }
  input.addEventListener('change', () => {
    if (input.files.length) onFile(input.files[0]);
    input.value = ''; // the same file may be chosen again
  });
  const take = (data) => {
    const [file] = data.files;
    if (file) onFile(file);
    else onError('That is not a file. Drop an image file, or choose one.');
  };
  const {body} = document;
  const mark = (isDragging) => body.classList.toggle('dragging', isDragging);
  body.addEventListener('dragover', (event) => {
    event.preventDefault();
    mark(true);
  });
  body.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) mark(false);
  });
  body.addEventListener('drop', (event) => {
    event.preventDefault();
    mark(false);
    take(event.dataTransfer);
  });
  body.addEventListener('paste', (event) => {
    if (event.clipboardData.files.length) take(event.clipboardData);
  });
}

/** Shows the samples; calls `onFile` with the one that is chosen. */
export async function showSamples(onFile, onError) {
  const found = await api.samples();
  const parent = document.getElementById('samples');
  parent.hidden = found.length === 0;
  document.getElementById('back').hidden = found.length === 0;
  parent.querySelector('ul').replaceChildren(...found.map(({name, url}) => {
    const image = Object.assign(document.createElement('img'), {src: url, alt: name});
    const button = Object.assign(document.createElement('button'), {type: 'button'});
    button.append(image);
    button.addEventListener('click', async () => {
      try {
        const blob = await api.file(url);
        onFile(new File([blob], name, {type: blob.type}));
      } catch (error) {
        onError(error.message);
      }
    });
    const item = document.createElement('li');
    item.append(button);
    return item;
  }));
}

/**
 * Returns an image, upright.
 * @throws Error with a text for people, where it is too large or cannot be shown
 */
export async function open(file, limits) {
  const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
  if (file.size > limits.bytes) {
    throw new Error(`${file.name} has ${megabytes(file.size)}; the server takes images up to `
      + `${megabytes(limits.bytes)}.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, {imageOrientation: 'from-image'});
  } catch {
    throw new Error(`${file.name} is not an image that this browser can show, or it is damaged. `
      + 'Try a PNG, JPEG or WebP file.');
  }
  if (bitmap.width * bitmap.height > limits.pixels) {
    throw new Error(`${file.name} has ${bitmap.width} × ${bitmap.height} pixels; the server takes `
      + `images up to ${(limits.pixels / 1e6).toFixed(1)} megapixels.`);
  }
  return bitmap;
}
