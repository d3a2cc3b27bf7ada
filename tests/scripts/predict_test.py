"""Images of any kind in; PNGs, overlays and JSON out, which agree with each other."""

import errno
import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image
from pycocotools import mask as mask_tools

from tests.serving import videos
from tf_maskformer import cli
from tf_maskformer.configs import overrides
from tf_maskformer.configs.datasets import catalog
from tf_maskformer.configs.experiments import registry
from tf_maskformer.dataloaders.images import MAX_PIXELS
from tf_maskformer.dataloaders.images import allow
from tf_maskformer.errors import UserError
from tf_maskformer.modeling.factory import build_model
from tf_maskformer.scripts import predict
from tf_maskformer.serving import image_files
from tf_maskformer.serving import saving
from tf_maskformer.serving import video
from tf_maskformer.serving.result import Result

NAME = 'maskformer_shapes_panoptic'
SMALL = ('task.model.pixel_decoder.width=32,task.model.pixel_decoder.mask_width=32,'
         'task.model.transformer_decoder.layers=1,task.evaluation.object_mask_threshold=0,'
         'task.evaluation.overlap_threshold=0')


def save_run(folder, class_bias):
  """Writes a run's folder: a checkpoint and its params.yaml."""
  experiment = registry.get(NAME)
  overrides.apply(experiment, SMALL)
  experiment.task.resolve()
  model = build_model(experiment.task.model, seed=1)
  model.predictor.class_embed.bias.assign(class_bias)
  tf.train.Checkpoint(model=model).save(str(folder / 'ckpt'))
  text = yaml.safe_dump({'experiment': NAME, **experiment.as_dict()})
  (folder / 'params.yaml').write_text(text)
  return folder


@pytest.fixture(scope='module', name='run')
def make_run(tmp_path_factory):
  # Nothing is no-object, so that there is something to draw.
  return save_run(tmp_path_factory.mktemp('run'), [0.0] * 7 + [-20.0])


@pytest.fixture(name='folders')
def draw_folder(tmp_path):
  (tmp_path / 'in').mkdir()
  draw(tmp_path / 'in')
  return tmp_path / 'in', tmp_path / 'out'


def flags(run, images, output, *more):
  return [f'--checkpoint={run}', f'--input={images}', f'--output={output}', *more]


def draw(folder):
  rng = np.random.default_rng(0)
  shapes = {'color.jpg': (50, 71, 3), 'gray.png': (64, 40), 'alpha.png': (33, 33, 4)}
  for name, shape in shapes.items():
    Image.fromarray(rng.integers(0, 255, shape, np.uint8)).save(folder / name)


def read(path):
  return np.asarray(Image.open(path)).astype(int)


def ids_of(path):
  return read(path) @ [1, 256, 65536]


def rows_of(output):
  return json.loads((output / 'predictions.json').read_text())['annotations']


def test_a_run_folder_and_a_folder_of_images(run, folders):
  images, output = folders
  assert predict.main(flags(run, images, output)) == 0
  rows = {row['image_id']: row for row in rows_of(output)}
  assert sorted(rows) == ['alpha', 'color', 'gray']
  classes = {c.id: c for c in catalog.get('shapes_panoptic').classes}
  number_of = {c: i for i, c in enumerate(classes)}
  for name, size in (('color', (50, 71)), ('gray', (64, 40)), ('alpha', (33, 33))):
    ids = ids_of(output / rows[name]['file_name'])
    labels = read(output / f'{name}_labels.png')
    assert ids.shape == labels.shape == size
    segments = rows[name]['segments_info']
    assert segments and {s['id'] for s in segments} == set(np.unique(ids)) - {0}
    for segment in segments:
      category = classes[segment['category_id']]
      assert segment['area'] == (ids == segment['id']).sum()
      assert (labels[ids == segment['id']] == number_of[category.id]).all()
      assert segment['category_name'] == category.name
      assert segment['isthing'] == category.isthing and 0 < segment['score'] <= 1
    assert (labels[ids == 0] == 255).all()
    assert (output / f'{name}_overlay.png').exists()
  assert not list(output.glob('.part*')) and not list(output.glob('*.part'))


def test_coco_results(tmp_path, folders):
  images, output = folders
  (tmp_path / 'run').mkdir()
  run = save_run(tmp_path / 'run', [20.0] + [0.0] * 7)  # every query is sure of the first class
  predict.main(flags(run, images, output))
  results = json.loads((output / 'coco_results.json').read_text())
  things = [
      (row['image_id'], segment) for row in rows_of(output) for segment in row['segments_info']
      if segment['isthing']]
  assert results and len(results) == len(things)
  for found, (image_id, segment) in zip(results, things):
    mask = mask_tools.decode(found['segmentation'])
    np.testing.assert_array_equal(mask, ids_of(output / f'{image_id}.png') == segment['id'])
    assert (found['image_id'], found['category_id']) == (image_id, segment['category_id'])
    assert found['bbox'] == segment['bbox'] and abs(found['score'] - segment['score']) < 1e-4


def test_several_inputs(run, tmp_path):
  for name in ('a', 'b', 'b/deep'):
    (tmp_path / 'in' / name).mkdir(parents=True)
    draw(tmp_path / 'in' / name)
  output = tmp_path / 'in/out'
  predict.main([
      f'--checkpoint={run}', '--input', f'{tmp_path}/in/a/color.jpg', f'{tmp_path}/in/b/*.jpg',
      f'--output={output}', '--batch_size=2'])
  assert [row['file_name'] for row in rows_of(output)] == ['a/color.png', 'b/color.png']
  assert (output / 'b/color_overlay.png').exists()
  predict.main(flags(run, tmp_path / 'in', output, '--recursive'))  # not the earlier results
  names = [
      f'{folder}/{name}' for folder in ('a', 'b', 'b/deep') for name in ('alpha', 'color', 'gray')]
  assert sorted(row['image_id'] for row in rows_of(output)) == sorted(names)
  np.testing.assert_array_equal(ids_of(output / 'a/gray.png'), ids_of(output / 'b/deep/gray.png'))


def test_names_that_differ_in_their_suffix(run, folders):
  images, output = folders
  (images / 'gray.jpg').write_bytes((images / 'color.jpg').read_bytes())
  predict.main(flags(run, images, output))
  assert {row['file_name'] for row in rows_of(output)} == {
      'alpha.png', 'color.png', 'gray.jpg.png', 'gray.png.png'}
  np.testing.assert_array_equal(ids_of(output / 'gray.jpg.png'), ids_of(output / 'color.png'))


@pytest.mark.parametrize('batch_size', [1, 3])
def test_an_image_that_does_not_decode_spoils_no_other(run, folders, batch_size):
  images, output = folders
  (images / 'broken.jpg').write_bytes(b'not an image')
  message = '1 of 4 images could not be decoded, the others are done; .*broken.jpg'
  with pytest.raises(UserError, match=message):
    predict.main(flags(run, images, output, f'--batch_size={batch_size}'))
  assert [row['image_id'] for row in rows_of(output)] == ['alpha', 'color', 'gray']
  for row in rows_of(output):
    height, width = read(output / f'{row["image_id"]}_labels.png').shape
    assert Image.open(next(images.glob(f'{row["image_id"]}.*'))).size == (width, height)


def test_exit_code(run, folders):
  images, output = folders
  (images / 'broken.jpg').write_bytes(b'not an image')
  with pytest.raises(SystemExit) as stop:
    cli.run(predict.main, flags(run, images, output))
  assert stop.value.code == cli.EXIT_USER


def test_a_run_that_is_killed_keeps_what_is_done(run, folders, monkeypatch):
  images, output = folders
  save = Result.save_images
  def killed(self, folder, name, *more):
    if name == 'color':
      raise KeyboardInterrupt
    save(self, folder, name, *more)
  monkeypatch.setattr(os, 'cpu_count', lambda: 1)  # one thread writes
  monkeypatch.setattr(Result, 'save_images', killed)
  with pytest.raises(KeyboardInterrupt):
    predict.main(flags(run, images, output))
  assert sorted(path.name for path in output.iterdir()) == [
      'alpha.png', 'alpha_labels.png', 'alpha_overlay.png', 'coco_results.json', 'predictions.json']
  assert [row['image_id'] for row in rows_of(output)] == ['alpha']


def test_a_full_disk(run, folders, monkeypatch):
  images, output = folders
  output.mkdir()
  (output / 'predictions.json').write_text('of an earlier run')
  (output / '.part-gray.png').write_bytes(b'of a killed run')
  write_bytes = pathlib.Path.write_bytes

  def refuse(path, data):
    if path.name == '.part-gray_overlay.png':
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return write_bytes(path, data)

  monkeypatch.setattr(pathlib.Path, 'write_bytes', refuse)
  message = 'cannot be written .No space left on device.; 2 images are complete'
  with pytest.raises(UserError, match=message):
    predict.main(flags(run, images, output))
  assert [row['image_id'] for row in rows_of(output)] == ['alpha', 'color']
  assert not list(output.glob('*gray*')) and not list(output.glob('.*'))


def test_formats_classes_and_threshold(run, folders):
  images, output = folders
  names = ['labelme', 'coco_panoptic,supervision', 'fiftyone', 'color']
  predict.main(flags(run, images, output, '--format', *names, '--classes', 'disc', '2', 'Sky',
                     '--threshold=0.1', '--boxes', '--device=cpu'))
  assert sorted(p.name for p in output.iterdir()) == sorted(
      ['predictions.json', 'supervision.json', 'fiftyone', *(
          f'{name}{ending}' for name in ('alpha', 'color', 'gray')
          for ending in ('.png', '.json', '_color.png'))])
  for row in rows_of(output):
    for segment in row['segments_info']:
      assert segment['category_id'] in (1, 2, 5) and segment['score'] > 0.1
    assert set(np.unique(ids_of(output / row['file_name']))) - {0} == {
        s['id'] for s in row['segments_info']}


def test_a_video(run, folders):
  pytest.importorskip('av')
  images, output = folders
  path = videos.write(images / 'clip.mp4', videos.colors(5))
  predict.main(flags(run, path, output))
  assert [p.name for p in output.iterdir()] == ['clip_overlay.mp4']
  found, _, rate = videos.read(output / 'clip_overlay.mp4')
  assert found.shape == (5, 48, 64, 3) and rate == 25


def test_images_and_videos_some_of_them_damaged(run, folders):
  pytest.importorskip('av')
  images, output = folders
  videos.write(images / 'clip.mp4', videos.colors(3))
  (images / 'empty.mov').touch()
  message = r'1 of 5 images and videos could not be decoded, .*empty.mov cannot be opened'
  with pytest.raises(UserError, match=message):
    predict.main(flags(run, images / '*', output, '--max_frames=2'))
  assert len(videos.read(output / 'clip_overlay.mp4')[0]) == 2
  assert [row['image_id'] for row in rows_of(output)] == ['alpha', 'color', 'gray']
  assert not (output / 'empty_overlay.mp4').exists()


def test_what_cannot_be_opened_is_said_before_the_model_is_loaded(folders):
  pytest.importorskip('av')
  images, output = folders
  (images / 'a.mp4').write_bytes(b'no video')
  for given, message in ((images / 'a.mp4', 'a.mp4 cannot be opened'),
                         ('webcam:987', 'webcam /dev/video987 is not there')):
    with pytest.raises(UserError, match=message):
      predict.main(flags(images, given, output))
  assert not output.exists()


def test_a_webcam_ends_with_ctrl_c(run, folders, monkeypatch):
  pytest.importorskip('av')
  images, output = folders
  videos.write(images / 'camera.mp4', videos.colors(30))
  device = image_files.ImageFile(images / 'camera.mp4', 'webcam_0', 'webcam')
  monkeypatch.setattr(video, '_WEBCAM_FORMAT', 'mp4')  # a file stands in for the device
  monkeypatch.setattr(image_files, 'find', lambda *_: [device])
  finish = saving.Saver.finish

  def pressed(self, predicted, prepared):
    finish(self, predicted, prepared)
    if predicted.item.name.endswith('3'):
      raise KeyboardInterrupt

  monkeypatch.setattr(saving.Saver, 'finish', pressed)
  assert predict.main(flags(run, '0', output)) == 0
  assert len(videos.read(output / 'webcam_0_overlay.mp4')[0]) == 4
  assert [p.name for p in output.iterdir()] == ['webcam_0_overlay.mp4']


@pytest.mark.parametrize('more, message', [
    (['--format=gif'], "--format 'gif' is unknown"), (['--threshold=1.5'], 'is not a score'),
    (['--threshold=nan'], 'is not a score'), (['--threshold=high'], "invalid float value: 'high'"),
    (['--max_frames=0'], '--max_frames 0 is below 1'), (['--classes', 'dics'], 'did you mean disc'),
    (['--device=gpu:7'], '--device gpu:7 is not there'), (['--classes'], '--classes has no value'),
    (['--params_override=task.evaluation.panoptic=False,task.evaluation.semantic=True',
      '--threshold=0.5'], 'a semantic prediction has no scores'),
    (['--params_override=task.evaluation.panoptic=False,task.evaluation.semantic=True',
      '--format=coco'], 'does not tell apart')])
def test_mistakes_in_what_is_wanted(run, folders, more, message):
  with pytest.raises(UserError, match=message):
    predict.main(flags(run, *folders, *more))
  assert not folders[1].exists()


@pytest.mark.parametrize('more, message', [
    (['--max_pixels=0'], '--max_pixels 0 is below 1'), (['--output=a\0b'], 'is not possible'),
    (['--output=' + 'x' * 300], 'File name too long'), (['--input=a\0b'], 'is not possible')])
def test_impossible_values(run, folders, more, message):
  with pytest.raises(UserError, match=message):
    predict.main(flags(run, *folders, *more))


def test_a_large_image_is_left_out(run, folders):
  try:
    with pytest.raises(UserError, match=r'1 of 3 .*color.jpg has too many pixels \(71 x 50'):
      predict.main(flags(run, *folders, '--max_pixels=3000'))
  finally:
    allow(MAX_PIXELS)
  assert [row['image_id'] for row in rows_of(folders[1])] == ['alpha', 'gray']


def test_an_experiment_that_is_named(run, tmp_path, folders):
  images, output = folders
  (run / 'params.yaml').rename(tmp_path / 'params.yaml')
  try:
    with pytest.raises(UserError, match='does not say of which model it is'):
      predict.main(flags(run, images, output))
    predict.main(flags(run, images, output, f'--experiment={NAME}', f'--params_override={SMALL}'))
  finally:
    (tmp_path / 'params.yaml').rename(run / 'params.yaml')
  assert len(rows_of(output)) == 3


def test_mistakes(run, tmp_path):
  images = tmp_path / 'in'
  images.mkdir()
  with pytest.raises(UserError, match='is not an image and not a folder with images'):
    predict.main(flags(run, images, tmp_path / 'out'))
  draw(images)
  with pytest.raises(UserError, match='/nowhere'):
    predict.main(flags('/nowhere', images, tmp_path / 'out'))
  with pytest.raises(UserError, match=f'did you mean {NAME}'):
    predict.main(flags(run, images, tmp_path / 'out', '--experiment=maskformer_shapes_panoptc'))
  with pytest.raises(UserError, match='is the folder of the images'):
    predict.main(flags(run, images, images))
  with pytest.raises(UserError, match='--batch_size 0 is below 1'):
    predict.main(flags(run, images, tmp_path / 'out', '--batch_size=0'))
  assert not (tmp_path / 'out').exists()


def test_instances(tmp_path, folders):
  images, output = folders
  (tmp_path / 'run').mkdir()
  run = save_run(tmp_path / 'run', [20.0] + [0.0] * 7)
  instance = 'task.evaluation.panoptic=False,task.evaluation.instance=True'
  predict.main(flags(run, images, output, f'--params_override={instance}'))
  for row in rows_of(output):
    assert any(s['area'] for s in row['segments_info'])
    ids = ids_of(output / row['file_name'])
    assert {s['id'] for s in row['segments_info']} >= set(np.unique(ids)) - {0}
    for segment in row['segments_info']:  # complete masks, of which others may hide a part
      mask = mask_tools.decode(segment['segmentation'])
      assert mask.shape == ids.shape and mask[ids == segment['id']].all()
      assert mask.sum() == segment['area']
    top = max(row['segments_info'], key=lambda s: s['score'])
    assert (ids == top['id']).sum() == top['area']
  results = json.loads((output / 'coco_results.json').read_text())
  assert len(results) >= sum(len(row['segments_info']) for row in rows_of(output))


def test_semantic_maps(run, folders):
  images, output = folders
  semantic = 'task.evaluation.panoptic=False,task.evaluation.semantic=True'
  predict.main(flags(run, images, output, f'--params_override={semantic}'))
  classes = catalog.get('shapes_panoptic').classes
  assert len(rows_of(output)) == 3
  for row in rows_of(output):
    labels = read(output / row['file_name'])
    assert labels.ndim == 2 and labels.max() < len(classes)
    assert [(s['id'], s['category_id'], s['area']) for s in row['segments_info']] == [
        (c, classes[c].id, int((labels == c).sum())) for c in np.unique(labels)]
    assert (output / f'{row["image_id"]}_overlay.png').exists()
  assert not (output / 'coco_results.json').exists()
