"""What a user asks for, and what a form of annotations is found to hold."""

import dataclasses
from collections.abc import Callable, Mapping

from tf_maskformer.configs.datasets.descriptor import Class
from tf_maskformer.configs.datasets.descriptor import DataSet
from tf_maskformer.dataloaders.preparation.source import Source

WHOLE = ''  # key of images that the layout itself does not split


@dataclasses.dataclass(frozen=True)
class Request:
  """One lot of images and annotations, and what the user says of them.

  Attributes:
    images: folder; '' where the annotations say where the images are.
    annotations: file or folder.
    classes: in order; empty: what the annotations name.
    void: values of label images that belong to no class.
    ignored: names of categories that are left out.
    binary: name of the class in masks of two values, where 0 is background.
    task: 'instance', 'panoptic' or 'semantic'; '': what the form is made for.
    crowds_are_instances: whether annotations marked as crowds are instances.
    label_suffix: end of the labels' names after the images' stem; '': found out.
    label_form: what label images hold, 'values' or 'colors'.
    workers: processes that read annotations.
  """
  images: str
  annotations: str
  classes: tuple[Class, ...] = ()
  void: tuple[int, ...] = ()
  ignored: tuple[str, ...] = ()
  binary: str = ''
  task: str = ''
  crowds_are_instances: bool = False
  label_suffix: str = ''
  label_form: str = 'values'
  workers: int = 1


@dataclasses.dataclass(frozen=True)
class Found:
  """A form that was recognized.

  Attributes:
    form: its name for people, e.g. 'COCO instances JSON'.
    task: what it is annotated for, 'instance', 'panoptic' or 'semantic'.
    data_set: its classes and how its annotations are read.
    splits: makes the source of a split, of the path of a file that describes the data set. The key
      is 'train', 'val' or 'test' where the layout has splits, else `WHOLE`.
    said: lines for the user: how each thing is taken.
  """
  form: str
  task: str
  data_set: DataSet
  splits: Mapping[str, Callable[[str], Source]]
  said: tuple[str, ...] = ()
