"""The forms in which `predict` writes results, and the endings of their files.

Imports no TensorFlow, so that a mistake is answered at once.
"""

import dataclasses
from collections.abc import Iterable, Sequence

from tf_maskformer import errors


@dataclasses.dataclass(frozen=True)
class Format:
  """A form of results.

  Attributes:
    endings: of the files of one image, after its name.
    text: what is written, for people.
  """
  endings: tuple[str, ...]
  text: str


FORMATS = {
    'png': Format(('.png',), 'NAME.png: segment ids; of a semantic experiment, classes'),
    'labels': Format(('_labels.png',), 'NAME_labels.png: the class of each pixel'),
    'overlay': Format(('_overlay.png',), 'NAME_overlay.png to look at; of a video, _overlay.mp4'),
    'color': Format(('_color.png',), "NAME_color.png: the segments' colors without the image"),
    'coco_panoptic': Format(('.png',), "predictions.json and NAME.png, COCO's panoptic format"),
    'coco': Format((), "coco_results.json, COCO's results format: things, with boxes"),
    'labelme': Format(('.json',), 'NAME.json: polygons for LabelMe'),
    'supervision': Format((), 'supervision.json, for supervision.DetectionDataset.from_coco'),
    'fiftyone': Format((), 'the folder fiftyone, a COCODetectionDataset of FiftyOne'),
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
  found = dict.fromkeys(ending for name in names for ending in FORMATS[name].endings)
  return tuple(found)


def table() -> str:
  """Returns a line per format, for --help."""
  return '\n'.join(f'  {name:14} {form.text}' for name, form in FORMATS.items())
