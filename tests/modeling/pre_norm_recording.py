"""Records `tests/data/pre_norm.npz`: the pre-norm transformers of PyTorch's own parts, in float64.

    python -m tests.modeling.pre_norm_recording    # needs torch, no requirement of the project

What PRE_NORM changes officially: MaskFormer's transformer.py (`forward_pre`, and the encoder's last
norm, which the decoder's encoder of no layers has too) and pixel_decoder.py, and Mask2Former's
mask2former_transformer_decoder.py.
"""

import math
import pathlib

import numpy as np

PATH = pathlib.Path(__file__).resolve().parent.parent / 'data/pre_norm.npz'
CLASSES, QUERIES, HEADS = 7, 6, 4
TOP = 16  # channels of res5
WIDTH = 32  # of the pixel decoder
HIDDEN, FEEDFORWARD, MASK_WIDTH = 16, 24, 8
ENCODER_LAYERS = DECODER_LAYERS = 2
MASKED_LAYERS = 4  # the first level again in the last
SIZES = ((2, 3), (3, 4), (5, 8))  # of strides 32, 16 and 8
MASK_SIZE = (10, 15)
_PIXEL, _PREDICTOR = 'sem_seg_head.pixel_decoder.', 'sem_seg_head.predictor.'


def _linear(name: str, outputs: int, inputs: int) -> dict[str, tuple]:
  return {f'{name}.weight': (outputs, inputs), f'{name}.bias': (outputs,)}


def _norm(name: str, features: int) -> dict[str, tuple]:
  return {f'{name}.weight': (features,), f'{name}.bias': (features,)}


def _attention(name: str, features: int) -> dict[str, tuple]:
  return {f'{name}.in_proj_weight': (3 * features, features),
          f'{name}.in_proj_bias': (3 * features,),
          **_linear(f'{name}.out_proj', features, features)}


def _feedforward(name: str, features: int) -> dict[str, tuple]:
  return {**_linear(f'{name}.linear1', FEEDFORWARD, features),
          **_linear(f'{name}.linear2', features, FEEDFORWARD)}


def _heads() -> dict[str, tuple]:
  shapes = _linear(_PREDICTOR + 'class_embed', CLASSES + 1, HIDDEN)
  for i, outputs in enumerate((HIDDEN, HIDDEN, MASK_WIDTH)):
    shapes |= _linear(f'{_PREDICTOR}mask_embed.layers.{i}', outputs, HIDDEN)
  return {**shapes, _PREDICTOR + 'query_embed.weight': (QUERIES, HIDDEN)}


def standard_shapes() -> dict[str, tuple]:
  """Returns the shapes by official name of the encoder on res5 and of MaskFormer's predictor."""
  shapes = {_PIXEL + 'input_proj.weight': (WIDTH, TOP, 1, 1), _PIXEL + 'input_proj.bias': (WIDTH,)}
  for i in range(ENCODER_LAYERS):
    layer = f'{_PIXEL}transformer.encoder.layers.{i}'
    shapes |= _attention(f'{layer}.self_attn', WIDTH) | _feedforward(layer, WIDTH)
    shapes |= _norm(f'{layer}.norm1', WIDTH) | _norm(f'{layer}.norm2', WIDTH)
  shapes |= _norm(_PIXEL + 'transformer.encoder.norm', WIDTH)
  shapes |= {_PREDICTOR + 'input_proj.weight': (HIDDEN, WIDTH, 1, 1),
             _PREDICTOR + 'input_proj.bias': (HIDDEN,)}
  shapes |= _norm(_PREDICTOR + 'transformer.encoder.norm', HIDDEN)
  for i in range(DECODER_LAYERS):
    layer = f'{_PREDICTOR}transformer.decoder.layers.{i}'
    shapes |= _attention(f'{layer}.self_attn', HIDDEN)
    shapes |= _attention(f'{layer}.multihead_attn', HIDDEN)
    shapes |= _feedforward(layer, HIDDEN)
    for norm in ('norm1', 'norm2', 'norm3'):
      shapes |= _norm(f'{layer}.{norm}', HIDDEN)
  return {**shapes, **_norm(_PREDICTOR + 'transformer.decoder.norm', HIDDEN), **_heads()}


def _masked_parts(i: int) -> list[str]:
  """Names of cross-attention, self-attention and feed-forward part of layer i."""
  return [f'{_PREDICTOR}transformer_{kind}_layers.{i}'
          for kind in ('cross_attention', 'self_attention', 'ffn')]


def masked_shapes() -> dict[str, tuple]:
  """Returns the shapes by official name of Mask2Former's predictor."""
  shapes = {}
  for i in range(MASKED_LAYERS):
    cross, own, ffn = _masked_parts(i)
    shapes |= _attention(f'{cross}.multihead_attn', HIDDEN)
    shapes |= _attention(f'{own}.self_attn', HIDDEN)
    shapes |= _feedforward(ffn, HIDDEN)
    for name in (cross, own, ffn):
      shapes |= _norm(f'{name}.norm', HIDDEN)
  for i in range(3):
    shapes |= {f'{_PREDICTOR}input_proj.{i}.weight': (HIDDEN, WIDTH, 1, 1),
               f'{_PREDICTOR}input_proj.{i}.bias': (HIDDEN,)}
  return {**shapes, **_norm(_PREDICTOR + 'decoder_norm', HIDDEN), **_heads(),
          _PREDICTOR + 'query_feat.weight': (QUERIES, HIDDEN),
          _PREDICTOR + 'level_embed.weight': (3, HIDDEN)}


def draw(shapes: dict[str, tuple], seed: int) -> dict[str, np.ndarray]:
  """Returns weights in which nothing is trivial, float32: norms around 1, matrices of unit gain."""
  random = np.random.RandomState(seed)
  weights = {}
  for name, shape in sorted(shapes.items()):
    value = random.normal(size=shape)
    if name.endswith(('norm.weight', 'norm1.weight', 'norm2.weight', 'norm3.weight')):
      value = 1 + 0.3 * value
    elif len(shape) == 1:
      value = 0.3 * value
    elif 'embed.weight' not in name and 'query_feat' not in name:
      value = value / math.sqrt(np.prod(shape[1:]))
    weights[name] = value.astype(np.float32)
  return weights


def inputs() -> dict[str, np.ndarray]:
  """Returns res5, the maps that Mask2Former's decoder reads, and mask features, channels last."""
  random = np.random.RandomState(7)
  arrays = {'res5': random.normal(size=[2, *SIZES[0], TOP]),
            'mask_features': random.normal(size=[2, *MASK_SIZE, MASK_WIDTH])}
  for i, size in enumerate(SIZES):
    arrays[f'map_{i}'] = random.normal(size=[2, *size, WIDTH])
  return {name: value.astype(np.float32) for name, value in arrays.items()}


class _Torch:
  """The parts of an official model in torch.nn's words, float64 [batch, tokens, features]."""

  def __init__(self, weights: dict[str, np.ndarray]):
    import torch
    self.torch = torch
    self.weights = {name: self.tensor(value) for name, value in weights.items()}

  def tensor(self, value):
    return self.torch.tensor(value, dtype=self.torch.float64)

  def _load(self, module, name):
    prefix = name + '.'
    own = {n.removeprefix(prefix): w for n, w in self.weights.items() if n.startswith(prefix)}
    module.double().load_state_dict(own)
    return module.eval()

  def linear(self, name, x):
    weight, bias = self.weights[name + '.weight'], self.weights[name + '.bias']
    return self.torch.nn.functional.linear(x, weight.flatten(1), bias)  # a 1x1 convolution too

  def norm(self, name, x):
    return self._load(self.torch.nn.LayerNorm(x.shape[-1]), name)(x)

  def attend(self, name, query, key, value, mask=None):
    attention = self.torch.nn.MultiheadAttention(query.shape[-1], HEADS, batch_first=True)
    return self._load(attention, name)(query, key, value, attn_mask=mask)[0]

  def feedforward(self, name, x):
    return self.linear(name + '.linear2', self.linear(name + '.linear1', x).relu())

  def mask_embedding(self, x):
    for i in range(3):
      x = self.linear(f'{_PREDICTOR}mask_embed.layers.{i}', x)
      x = x.relu() if i < 2 else x
    return x


def _sine(torch, height: int, width: int, features: int):
  """DETR's position encoding, one number at a time, float64 [height * width, features]."""
  half = features // 2
  table = torch.zeros(height, width, features, dtype=torch.float64)
  for y in range(height):
    for x in range(width):
      for k in range(half):
        wave = math.cos if k % 2 else math.sin
        wavelength = 10000 ** (2 * (k // 2) / half)
        table[y, x, k] = wave((y + 1) / (height + 1e-6) * 2 * math.pi / wavelength)
        table[y, x, half + k] = wave((x + 1) / (width + 1e-6) * 2 * math.pi / wavelength)
  return table.flatten(0, 1)


def standard() -> dict:
  """Returns the encoder's output and MaskFormer's logits of every layer."""
  of, given = _Torch(draw(standard_shapes(), 1)), inputs()
  torch = of.torch
  place = _sine(torch, *SIZES[0], WIDTH)
  x = of.linear(_PIXEL + 'input_proj', of.tensor(given['res5']).flatten(1, 2))
  for i in range(ENCODER_LAYERS):
    name = f'{_PIXEL}transformer.encoder.layers.{i}'
    y = of.norm(f'{name}.norm1', x)
    x = x + of.attend(f'{name}.self_attn', y + place, y + place, y)
    x = x + of.feedforward(name, of.norm(f'{name}.norm2', x))
  encoded = of.norm(_PIXEL + 'transformer.encoder.norm', x)

  place, query = _sine(torch, *SIZES[0], HIDDEN), of.weights[_PREDICTOR + 'query_embed.weight']
  memory = of.linear(_PREDICTOR + 'input_proj', encoded)
  memory = of.norm(_PREDICTOR + 'transformer.encoder.norm', memory)
  x, classes, embeddings = torch.zeros(2, QUERIES, HIDDEN, dtype=torch.float64), [], []
  for i in range(DECODER_LAYERS):
    name = f'{_PREDICTOR}transformer.decoder.layers.{i}'
    y = of.norm(f'{name}.norm1', x)
    x = x + of.attend(f'{name}.self_attn', y + query, y + query, y)
    y = of.norm(f'{name}.norm2', x)
    x = x + of.attend(f'{name}.multihead_attn', y + query, memory + place, memory)
    x = x + of.feedforward(name, of.norm(f'{name}.norm3', x))
    normed = of.norm(_PREDICTOR + 'transformer.decoder.norm', x)
    classes.append(of.linear(_PREDICTOR + 'class_embed', normed))
    embeddings.append(of.mask_embedding(normed))
  features = of.tensor(given['mask_features'])
  masks = torch.einsum('lbqc,bhwc->lbqhw', torch.stack(embeddings), features)
  return {'standard/memory': encoded.unflatten(1, SIZES[0]), 'standard/mask_logits': masks,
          'standard/class_logits': torch.stack(classes)}


def masked() -> dict:
  """Returns Mask2Former's logits before the first layer and after each.

  Also how near a pixel of an attention mask came to its threshold, in logits, of each.
  """
  of, given = _Torch(draw(masked_shapes(), 2)), inputs()
  torch = of.torch
  features = of.tensor(given['mask_features']).permute(0, 3, 1, 2)
  query = of.weights[_PREDICTOR + 'query_embed.weight']
  x = of.weights[_PREDICTOR + 'query_feat.weight'].expand(2, -1, -1)
  classes, masks, nearest = [], [], []

  def predict(x, size):
    normed = of.norm(_PREDICTOR + 'decoder_norm', x)
    classes.append(of.linear(_PREDICTOR + 'class_embed', normed))
    masks.append(torch.einsum('bqc,bchw->bqhw', of.mask_embedding(normed), features))
    logits = torch.nn.functional.interpolate(
        masks[-1], size=size, mode='bilinear', align_corners=False).flatten(2)
    nearest.append(logits.abs().min().item())
    blocked = logits.sigmoid() < 0.5
    blocked[blocked.all(-1)] = False
    return blocked.repeat_interleave(HEADS, dim=0)

  blocked = predict(x, SIZES[0])
  for i in range(MASKED_LAYERS):
    level = i % 3
    value = of.linear(
        f'{_PREDICTOR}input_proj.{level}', of.tensor(given[f'map_{level}']).flatten(1, 2))
    value = value + of.weights[_PREDICTOR + 'level_embed.weight'][level]
    key = value + _sine(torch, *SIZES[level], HIDDEN)
    cross, own, ffn = _masked_parts(i)
    y = of.norm(f'{cross}.norm', x)
    x = x + of.attend(f'{cross}.multihead_attn', y + query, key, value, blocked)
    y = of.norm(f'{own}.norm', x)
    x = x + of.attend(f'{own}.self_attn', y + query, y + query, y)
    x = x + of.feedforward(ffn, of.norm(f'{ffn}.norm', x))
    blocked = predict(x, SIZES[(i + 1) % 3])
  return {'masked/class_logits': torch.stack(classes), 'masked/mask_logits': torch.stack(masks),
          'masked/distance_to_threshold': of.tensor(nearest)}


if __name__ == '__main__':
  recorded = {**standard(), **masked()}
  np.savez_compressed(
      PATH, **{name: value.detach().numpy().astype(np.float32) for name, value in recorded.items()})
