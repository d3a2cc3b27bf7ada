"""What the images of a conversion hold: sizes, segments and pixels per class, void."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_maskformer.dataloaders.schema import Segment

_SIZE = re.compile('[0-9]+x[0-9]+')


@dataclasses.dataclass
class OfClass:
  """What a class has: images, segments (crowds included) and pixels."""
  images: int = 0
  segments: int = 0
  pixels: int = 0


@dataclasses.dataclass
class Counts:
  """Sums over images; JSON.

  Attributes:
    images: that were counted.
    empty: of them, without a segment.
    crowds: segments that stand for a group.
    pixels: of all images.
    void: of them, in no segment.
    most_segments: of one image, without crowds.
    most_planes: id maps of one image.
    sizes: images by size, 'heightxwidth'.
    classes: by the class's contiguous index as text.
  """
  images: int = 0
  empty: int = 0
  crowds: int = 0
  pixels: int = 0
  void: int = 0
  most_segments: int = 0
  most_planes: int = 0
  sizes: dict[str, int] = dataclasses.field(default_factory=dict)
  classes: dict[str, OfClass] = dataclasses.field(default_factory=dict)

  def add(self, other: 'Counts') -> None:
    """Adds the images of another count."""
    for name in ('images', 'empty', 'crowds', 'pixels', 'void'):
      setattr(self, name, getattr(self, name) + getattr(other, name))
    self.most_segments = max(self.most_segments, other.most_segments)
    self.most_planes = max(self.most_planes, other.most_planes)
    for size, images in other.sizes.items():
      self.sizes[size] = self.sizes.get(size, 0) + images
    for name, one in other.classes.items():
      own = self.classes.setdefault(name, OfClass())
      own.images += one.images
      own.segments += one.segments
      own.pixels += one.pixels


def of_image(id_maps: Sequence[np.ndarray], segments: Sequence[Segment]) -> Counts:
  """Returns the counts of one image.

  Args:
    id_maps: integers [height, width] each; value k is the k-th of `segments`, counted from 1; 0 is
      void.
    segments: of the image.
  """
  height, width = id_maps[0].shape
  pixels = np.zeros(len(segments) + 1, np.int64)
  covered = np.zeros([height, width], bool)
  for id_map in id_maps:
    pixels += np.bincount(id_map.ravel(), minlength=len(pixels))
    covered |= id_map > 0
  classes: dict[str, OfClass] = {}
  for segment, count in zip(segments, pixels[1:].tolist()):
    own = classes.setdefault(str(segment.class_id), OfClass(images=1))
    own.segments += 1
    own.pixels += count
  crowds = sum(segment.is_crowd for segment in segments)
  return Counts(
      images=1,
      empty=int(not segments),
      crowds=crowds,
      pixels=height * width,
      void=height * width - int(covered.sum()),
      most_segments=len(segments) - crowds,
      most_planes=len(id_maps),
      sizes={f'{height}x{width}': 1},
      classes=classes)


def parse(content: Mapping[str, Any]) -> Counts:
  """Returns counts as JSON has them; raises ValueError or TypeError where they are not counts."""
  fields = dict(content)
  for name in ('sizes', 'classes'):
    if not isinstance(fields.get(name, {}), dict):
      raise TypeError(f'{name} that are not an object')
  classes = {name: OfClass(**one) for name, one in fields.pop('classes', {}).items()}
  counts = Counts(**fields, classes=classes)
  numbers = [value for value in vars(counts).values() if not isinstance(value, dict)]
  numbers += counts.sizes.values()
  for one in classes.values():
    numbers += vars(one).values()
  if not all(type(number) is int and number >= 0 for number in numbers):
    raise ValueError('a count that is not one')
  if not all(name.isdecimal() for name in classes):
    raise ValueError('counts of a class that is not one')
  if not all(_SIZE.fullmatch(size) for size in counts.sizes):
    raise ValueError('a size that is not one')
  return counts
