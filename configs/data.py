"""Input pipelines: which records, and what is done to images and id maps."""

import dataclasses

from official.core import config_definitions as cfg
from official.modeling import hyperparams

from tf_maskformer.configs import addresses
from tf_maskformer.configs import limits
from tf_maskformer.configs.fields import checked
from tf_maskformer.configs.fields import share
from tf_maskformer.configs.fields import within


@dataclasses.dataclass
class Augmentation(hyperparams.Config):
  """Flip, DETR's crop, shortest-edge resize, crop, color; sizes in pixels."""
  flip_probability: float = share(0.5)
  # DETR crop: with crop_probability the short side is resized to one of crop_pre_short_edges and a
  # rectangle with random sides in crop_side_range is cut out, before the last resize.
  crop_probability: float = share(0.0)
  crop_pre_short_edges: list[int] = within(1, limits.SIDE, [])
  crop_side_range: list[int] = within(1, limits.SIDE, [])
  # A random one of these; empty: no resize.
  short_edges: list[int] = within(1, limits.SIDE, [])
  long_edge_limit: int = within(0, 2 * limits.SIDE, 0)  # 0: none
  # Large-scale jitter instead of short_edges: the image is fitted into a share of output_size,
  # sampled from this range.
  scale_jitter: list[float] = within(0, limits.WEIGHT, [])
  color_jitter: bool = False  # SSD's brightness, contrast, saturation and hue (COLOR_AUG_SSD)
  # Id maps are resized by PyTorch's older rule, source floor(i * in / out), as the official mapper
  # does with semantic labels; else by the pixel under the half-pixel center.
  legacy_nearest: bool = False
  crop_to_output: bool = False  # cut a random output_size window where the image is larger


@dataclasses.dataclass
class ParserConfig(hyperparams.Config):
  """From a record to a padded example."""
  # [height, width]; empty: largest of the batch.
  output_size: list[int] = within(1, limits.SIDE, [])
  # What fills an image up to output_size: a byte (0 .. 255, before normalization), or -1: zeros
  # after it.
  padding_byte: int = within(-1, 255, -1)
  # Slots for target segments; the smallest that do not fit are dropped and counted.
  max_segments: int = within(1, limits.SEGMENTS, 128)
  # Id maps per image, 1 where segments never overlap; the segments of further ones are dropped and
  # counted.
  max_layers: int = within(1, limits.PLANES, 1)
  # All segments of a class are one, crowds too: what a semantic task learns.
  merge_classes: bool = False
  # Where max_layers has room for overlaps: masks of segments whose polygons the records hold are
  # rasterized at the final size, officially so too; false: id maps are resized, for an input
  # pipeline without Python (a remote TPU worker).
  redraw_polygons: bool = True
  # Officially a segment that the crop removed stays as an empty mask.
  drop_vanished_segments: bool = False
  augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)


@dataclasses.dataclass
class DataConfig(cfg.DataConfig):
  """Records and how they are read; see the base class for the fields that are not named here."""
  input_path: str = ''  # file, glob, or several separated by commas
  # Images of all replicas; of validation 0: one per replica, so that nothing is padded.
  global_batch_size: int = within(0, limits.IMAGES, 0)
  # True where it is trained on, False where it is scored; nothing else works.
  is_training: bool | None = None
  drop_remainder: bool = True  # training only; validation never drops an image
  shuffle_buffer_size: int = within(1, limits.INT32, 1000)  # records
  block_length: int = within(1, limits.INT32, 1)  # records of a file before the next one's turn
  # Batches that are prepared ahead; None or 0: chosen by TensorFlow.
  prefetch_buffer_size: int | None = within(0, limits.LIST, None)
  # grpc://HOST:PORT of the dispatcher of an input service (tf-maskformer input_service), whose
  # workers prepare the batches; training only. Empty: this process prepares them.
  service: str = checked('', addresses.of_service)
  parser: ParserConfig = dataclasses.field(default_factory=ParserConfig)
