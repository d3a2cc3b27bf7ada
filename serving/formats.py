"""The formats in which `predict` writes results, and the endings of their files.

Imports no TensorFlow, so that a mistake is answered at once.
"""

from collections.abc import Iterable, Sequence

from tf_maskformer import errors

# The endings of the files that each writes for one image, after its name.
FORMATS = {
    'png': ('.png',),
    'labels': ('_labels.png',),
    'overlay': ('_overlay.png',),
    'color': ('_color.png',),
    'coco_panoptic': ('.png',),
    'coco': (),
    'labelme': ('.json',),
    'supervision': (),
    'fiftyone': (),
}
DEFAULTS = {
    'panoptic': ('png', 'labels', 'overlay', 'coco_panoptic', 'coco'),
    'instance': ('png', 'overlay', 'coco_panoptic', 'coco'),
    'semantic': ('png', 'overlay', 'coco_panoptic'),
}
OF_VIDEOS = ('overlay',)  # where no format is named
# These name an image file; where there is none (a frame, standard input), it is written.
NAME_AN_IMAGE = ('labelme', 'supervision', 'fiftyone')
IMAGE_ENDING = '_image.jpg'
VIDEO_ENDING = '_overlay.mp4'


def parse(texts: Sequence[str]) -> tuple[str, ...]:
  """Returns the formats that the values of --format name, each once.

  Args:
    texts: names, or several with commas between them.

  Raises:
    UserError: a name is unknown.
  """
  names = [name.strip() for text in texts for name in text.split(',')]
  for name in names:
    if name not in FORMATS:
      raise errors.unknown('--format', errors.quoted(name), FORMATS)
  return tuple(dict.fromkeys(names))


def of_task(names: tuple[str, ...], task: str) -> tuple[str, ...]:
  """Returns the formats of images: those named, else the task's usual ones.

  Args:
    names: see `parse`.
    task: 'panoptic', 'instance' or 'semantic'.

  Raises:
    UserError: a format has nothing to hold in this task.
  """
  if task == 'semantic' and 'coco' in names:
    raise errors.UserError(
        '--format coco holds things, which a semantic experiment does not tell apart; choose from '
        f'{", ".join(name for name in FORMATS if name != "coco")}')
  return names or DEFAULTS[task]


def endings(names: Iterable[str]) -> tuple[str, ...]:
  """Returns the endings of the files that these formats write for one image."""
  found = dict.fromkeys(ending for name in names for ending in FORMATS[name])
  return tuple(found)
