"""Names in the files of ImageNet backbones."""

import numpy as np

from tf_maskformer.modeling.conversion.name_tables.grammar import NORM
from tf_maskformer.modeling.conversion.name_tables.grammar import NameTable
from tf_maskformer.modeling.conversion.name_tables.grammar import Rules
from tf_maskformer.modeling.layers.norms import EPSILON
from tf_maskformer.ops.image import PIXEL_STD

_TORCHVISION: Rules = [
    (r'conv1\.weight', 'backbone.stem.conv1.weight'),
    (rf'bn1\.{NORM}', 'backbone.stem.conv1.norm.{0}'),
    (r'layer(\d)\.(\d+)\.conv(\d)\.weight', 'backbone.res{0+1}.{1}.conv{2}.weight'),
    (rf'layer(\d)\.(\d+)\.bn(\d)\.{NORM}', 'backbone.res{0+1}.{1}.conv{2}.norm.{3}'),
    (r'layer(\d)\.(\d+)\.downsample\.0\.weight', 'backbone.res{0+1}.{1}.shortcut.weight'),
    (rf'layer(\d)\.(\d+)\.downsample\.1\.{NORM}', 'backbone.res{0+1}.{1}.shortcut.norm.{2}'),
]

_CAFFE2_LEAVES = {
    'bn_gamma': 'norm.weight', 'bn_beta': 'norm.bias', 'bn_s': 'norm.weight', 'bn_b': 'norm.bias',
    'bn_running_mean': 'norm.running_mean', 'bn_running_var': 'norm.running_var', 'w': 'weight'}
_CAFFE2_BRANCHES = {
    'branch1': 'shortcut', 'branch2a': 'conv1', 'branch2b': 'conv2', 'branch2c': 'conv3'}
_CAFFE2: Rules = [
    ('conv1_w', 'backbone.stem.conv1.weight'),
    *[(f'res_conv1_{theirs}', f'backbone.stem.conv1.{ours}')
      for theirs, ours in _CAFFE2_LEAVES.items()],
    *[(rf'res(\d)_(\d+)_{branch}_{theirs}', f'backbone.res{{0}}.{{1}}.{part}.{ours}')
      for branch, part in _CAFFE2_BRANCHES.items() for theirs, ours in _CAFFE2_LEAVES.items()],
]


def _from_caffe2(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """From BGR bytes without a division to normalized RGB.

  A norm without statistics has mean 0 and variance 1.
  """
  arrays = dict(arrays)
  stem = arrays['backbone.stem.conv1.weight']  # [out, in, height, width]
  scale = np.asarray(PIXEL_STD, np.float64)[None, :, None, None]
  arrays['backbone.stem.conv1.weight'] = (stem[:, ::-1] * scale).astype(np.float32)
  for name, value in list(arrays.items()):
    if name.endswith('.norm.weight'):
      mean = name.replace('norm.weight', 'norm.running_mean')
      variance = name.replace('norm.weight', 'norm.running_var')
      arrays.setdefault(mean, np.zeros_like(value))
      arrays.setdefault(variance, np.full_like(value, 1 - EPSILON))
  return arrays


SWIN = NameTable(
    'Swin release', (r'patch_embed\.proj\.weight', r'layers\.0\.blocks\.0\..*'),
    [(r'((?:patch_embed|layers)\..*)', 'backbone.{0}')],
    ignored=(r'norm\..*', r'head\..*'),
    absent=(r'backbone\.norm[0-3]\..*',))  # a classifier has no norm after its stages
DETECTRON2_RESNET = NameTable(
    'detectron2 ResNet', (r'stem\.conv1\.weight', r'res2\..*'),
    [(r'((?:stem\.conv|res[2-5]\.).*)', 'backbone.{0}')],
    ignored=(r'stem\.fc\..*', r'fc\..*', r'linear\..*'))
TORCHVISION_RESNET = NameTable(
    'torchvision ResNet', (r'conv1\.weight', r'layer1\.0\.conv1\.weight'), _TORCHVISION,
    ignored=(r'fc\..*',))
MSRA_RESNET = NameTable(
    'MSRA ResNet', ('conv1_w', r'res2_0_branch2a_w'), _CAFFE2,
    ignored=(r'conv1_b', r'fc1000_.*', r'pred_.*'), finish=_from_caffe2)
