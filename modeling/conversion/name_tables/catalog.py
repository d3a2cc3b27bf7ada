"""The ways in which files of other libraries name the tensors of the models.

The official files call them `backbone.…`, `sem_seg_head.pixel_decoder.…` and
`sem_seg_head.predictor.…`.
"""

from tf_maskformer.modeling.conversion.name_tables import backbones
from tf_maskformer.modeling.conversion.name_tables import hugging_face
from tf_maskformer.modeling.conversion.name_tables import official
from tf_maskformer.modeling.conversion.name_tables.grammar import NameTable

# The first that fits is taken: the more special one comes first.
NAME_TABLES = (
    hugging_face.MASK2FORMER,
    hugging_face.MASKFORMER,
    official.MODEL,
    official.BACKBONE,
    backbones.SWIN,
    backbones.DETECTRON2_RESNET,
    backbones.TORCHVISION_RESNET,
    backbones.MSRA_RESNET,
)


def recognize(names: list[str]) -> NameTable | None:
  """Returns the table of a file's names; None where they are none of these."""
  return next((table for table in NAME_TABLES if table.fits(names)), None)
