"""Predictions in the form of a COCO data set: images, categories and annotations in one JSON.

supervision (`DetectionDataset.from_coco`) and FiftyOne (`COCODetectionDataset`) read it. Unlike
COCO's results format it names the images and the classes, and holds stuff as well as things.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.serving import encoding
from tf_maskformer.serving.segment import Segment


def categories(classes: Iterable[Class]) -> list[dict[str, Any]]:
  """Returns a dict of id, name and supercategory ('thing' or 'stuff') per class."""
  return [
      {'id': c.id, 'name': c.name, 'supercategory': 'thing' if c.isthing else 'stuff'}
      for c in classes]


def annotations(segments: Iterable[Segment], image_id: int, first_id: int
                ) -> list[dict[str, Any]]:
  """Returns a dict per segment that is not empty: its class, box, area, mask and, if known, score.

  Args:
    segments: of one image.
    image_id: of the image.
    first_id: of the first annotation; the others count on.
  """
  rows: list[dict[str, Any]] = []
  for segment in segments:
    if not segment.area:
      continue
    row = {
        'id': first_id + len(rows),
        'image_id': image_id,
        'category_id': segment.category_id,
        'bbox': list(segment.box),
        'area': segment.area,
        'iscrowd': 0,
        'segmentation': encoding.runs_as_text(segment.runs),
    }
    if segment.score is not None:
      row['score'] = segment.score
    rows.append(row)
  return rows


def document(classes: Sequence[Class], images: Sequence[dict], rows: Sequence[dict],
             folder: str) -> dict[str, Any]:
  """Returns the content of the JSON.

  Args:
    classes: by contiguous number.
    images: dicts of id, file_name, height and width.
    rows: see `annotations`.
    folder: that the images' names are relative to.
  """
  return {
      'info': {'description': 'predictions', 'images_folder': folder},
      'licenses': [],
      'images': list(images),
      'categories': categories(classes),
      'annotations': list(rows),
  }
