"""Plants small mistakes one by one and shows that a test fails for each.

    python -m tests.mutations                     # all of them: twenty minutes on two cores
    python -m tests.mutations 'decay*' fast_dct   # those whose names match

Every mistake replaces text that occurs exactly once in its file, in a copy of the tree; the tests
named next to it must fail there. Reference data next to the checkout is used if it exists; some of
the tests need it.
"""

import argparse
import concurrent.futures
import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tests import planted_in_beam
from tests import planted_in_export
from tests import planted_in_formats
from tests import planted_in_http
from tests import planted_in_input_service
from tests import planted_in_own_data
from tests import planted_in_predictions
from tests import planted_in_scores
from tests import planted_in_workers
from tests.planted import ROOT
from tests.planted import Mutation

# Exit codes of pytest.
_PASSED = 0
_FAILED = 1

MUTATIONS = (
    # The update.
    Mutation('decay_missing', 'training/optimizers.py', '1 - own_rate * c.weight_decay', '1.0',
             'tests/tasks/golden_mask2former_test.py'),
    Mutation('decay_doubled', 'training/optimizers.py', '1 - own_rate * c.weight_decay',
             '1 - 2 * own_rate * c.weight_decay', 'tests/tasks/golden_mask2former_test.py'),
    Mutation('norms_decay', 'modeling/mask_classification.py', "'UNDECAYED', ()", "'DECAYED', ()",
             'tests/tasks/golden_mask2former_test.py'),
    Mutation('clip_doubled', 'training/optimizers.py', 'limit / (norm + ', '2 * limit / (norm + ',
             'tests/training/optimizers_test.py'),
    Mutation('epsilon_before_correction', 'training/optimizers.py',
             'c.epsilon * tf.sqrt(1 - power_2)', 'c.epsilon', 'tests/training/optimizers_test.py'),
    Mutation('backbone_rate', 'training/optimizers.py', 'else rate * m', 'else rate',
             'tests/training/optimizers_test.py tests/tasks/golden_training_test.py'),
    Mutation('multiplier_of_a_copy', 'training/optimizers.py', 'self._multipliers.get(key, 1.0)',
             'self._multipliers.get(variable._unique_id, 1.0)',
             'tests/training/optimizers_test.py -k replicas'),
    Mutation('progress_beyond_the_end', 'tasks/segmentation.py',
             'tf.minimum(tf.cast(step, tf.float32) / self._train_steps, 1.0)',
             'tf.cast(step, tf.float32) / 2', 'tests/tasks/progress_test.py'),
    Mutation('one_prediction_short', 'configs/model.py',
             'self.transformer_decoder.layers + 1 if', 'self.transformer_decoder.layers if',
             'tests/modeling/deep_supervision_test.py'),
    Mutation('boundary_one_late', 'training/schedules.py', 'cast(boundaries <= i',
             'cast(boundaries < i', 'tests/training/optimizers_test.py'),
    # The losses.
    Mutation('num_masks_doubled', 'losses/set_loss.py',
             'tf.maximum(normalizers.mean_over_replicas(count), 1.0)',
             'tf.maximum(2 * normalizers.mean_over_replicas(count), 1.0)',
             'tests/losses/set_loss_test.py'),
    Mutation('one_group_of_all', 'losses/normalizers.py', '// images_per_group\n  num',
             '// images_per_group * 0\n  num', 'tests/losses/normalizers_test.py'),
    Mutation('groups_per_replica', 'losses/normalizers.py',
             'context.replica_id_in_sync_group * batch + tf.range(batch)', 'tf.range(batch)',
             'tests/losses/normalizers_test.py'),
    Mutation('padding_counts', 'losses/mask_losses.py',
             'tf.where(image_ops.inside(own_size, size), wrong_logit, _SURE)', 'wrong_logit * 1.0',
             'tests/losses/set_loss_test.py -k padding'),
    Mutation('padded_area', 'losses/pairwise.py', 'tf.reduce_sum(inside, axis=1)[:, None, None]',
             'tf.cast(tf.shape(inside)[1], tf.float32)',
             'tests/losses/set_loss_test.py -k padding'),
    Mutation('focal_alpha_swapped', 'losses/mask_losses.py', 'tf.where(is_target, inside, outside)',
             'tf.where(is_target, outside, inside)', 'tests/losses/set_loss_test.py'),
    Mutation('dice_not_smoothed', 'losses/terms.py', 'DICE_SMOOTHING = 1', 'DICE_SMOOTHING = 1e-6',
             'tests/losses/terms_test.py tests/losses/set_loss_test.py'),
    Mutation('features_of_first_prediction', 'losses/matched.py',
             "name == 'mask_features' and outputs[name].shape.rank == 4", "name == 'mask_features'",
             'tests/losses/mask_features_test.py'),
    Mutation('tie_of_the_solver', 'losses/assignment.py',
             'index = tf.where(last_free >= 0, last_free, first)', 'index = first',
             'tests/losses/assignment_test.py'),
    Mutation('part_without_normalizers', 'tasks/mask_classification.py',
             'normalizers._replace(class_shares=tf.gather(normalizers.class_shares, index))',
             'normalizers._replace(class_shares=2 * tf.gather(normalizers.class_shares, index))',
             'tests/tasks/micro_batches_test.py -m slow -k alone'),
    Mutation('part_not_cut', 'tasks/micro_batches.py', "features['image'][:, :height, :width]",
             "features['image']", 'tests/tasks/micro_batches_test.py -m slow -k alone'),
    Mutation('sum_over_replicas', 'tasks/segmentation.py',
             'total / tf.distribute.get_strategy().num_replicas_in_sync', 'total',
             'tests/training/runner_test.py -m slow -k two_replicas'),
    # The model.
    Mutation('encoder_after_norm', 'modeling/factory.py',
             'pre_norm=config.encoder_pre_norm()', 'pre_norm=False',
             'tests/modeling/pre_norm_test.py'),
    # Which checkpoint, and whether it may be read.
    Mutation('newest_by_name', 'tf_maskformer/checkpoint_files.py',
             'self.number if self.step is None else self.step', 'self.number',
             'tests/tf_maskformer/checkpoint_files_test.py'),
    Mutation('interrupted_save_is_lost', 'tf_maskformer/checkpoint_files.py',
             'is_unfinished=is_saving', 'is_unfinished=False',
             'tests/tf_maskformer/checkpoint_files_test.py'),
    Mutation('any_type', 'tf_maskformer/tensor_index.py', 'require(kind in _BYTES',
             'require(bool(kind)', 'tests/tf_maskformer/tensor_index_test.py'),
    Mutation('blocks_may_overlap', 'tf_maskformer/sorted_tables.py', 'handle[0] >= after',
             'handle[0] >= 0', 'tests/tf_maskformer/sorted_tables_test.py'),
    Mutation('damaged_ones_count_as_kept', 'training/checkpoints.py',
             'c.age <= result.found.age and not c.problem]', 'not c.problem]',
             'tests/training/checkpoints_test.py'),
    Mutation('nan_weights', 'modeling/conversion/sources.py', 'not np.isfinite(array).all()',
             'np.isinf(array).all()', 'tests/modeling/conversion/sources_test.py'),
    # From a checkpoint to a model.
    Mutation('run_without_its_params', 'serving/loading.py', '  if folder:\n', '  if not folder:\n',
             'tests/serving/loading_test.py'),
    Mutation('best_without_its_params', 'configs/experiments/settings.py', "_BEST = 'best'",
             "_BEST = 'worst'", 'tests/serving/loading_test.py'),
    Mutation('environment_forgotten', 'configs/experiments/settings.py',
             '  if environ is not None:\n    environment.apply(experiment, environ)\n', '',
             'tests/configs/experiments/settings_test.py'),
    Mutation('no_upper_bound', 'configs/fields.py', 'if number > self.highest:', 'if False:',
             'tests/configs/fields_test.py'),
    Mutation('aliases_are_free', 'configs/yaml_text.py', 'self._left -= 1', 'self._left -= 0',
             'tests/configs/yaml_text_test.py -k refused'),
    Mutation('bytes_of_floats', 'training/memory.py', '(3.0 + parser.max_layers * value_bytes)',
             '(3.0 + value_bytes)', 'tests/training/memory_test.py'),
    Mutation('links_are_other_files', 'training/preflight.py', 'else os.path.realpath(path)',
             'else path', 'tests/training/preflight_test.py -k splits'),
    Mutation('parts_need_a_checkpoint', 'configs/rules.py', '  _validate_modules(task)\n',
             '  if task.init_checkpoint:\n    _validate_modules(task)\n',
             'tests/configs/rules_test.py'),
    Mutation('one_decoder_layer_more', 'modeling/conversion/hugging_face_config.py',
             'return options[key] - 1', 'return options[key]',
             'tests/modeling/conversion/hugging_face_config_test.py'),
    Mutation('last_shard_only', 'modeling/conversion/tensor_files.py', 'tensors.update(found)',
             'tensors = found', 'tests/modeling/conversion/tensor_files_test.py'),
    Mutation('tensors_cost_nothing', 'modeling/conversion/pickled_arrays.py',
             '    budget.spend(budgets.ARRAYS, count * width)\n', '',
             'tests/modeling/conversion/hostile_pickles_test.py'),
    Mutation('encrypted_entries', 'modeling/conversion/torch_files.py',
             'if entry.flag_bits & _ENCRYPTED:', 'if False:',
             'tests/modeling/conversion/hostile_pickles_test.py'),
    Mutation('links_are_followed', 'modeling/conversion/hdf5_arrays.py',
             '.type != h5py.h5l.TYPE_HARD', '.type == -1',
             'tests/modeling/conversion/hdf5_test.py'),
    Mutation('external_storage_is_read', 'modeling/conversion/hdf5_arrays.py',
             'if dataset.external or dataset.is_virtual:', 'if dataset.is_virtual:',
             'tests/modeling/conversion/hdf5_test.py'),
    Mutation('no_row_for_no_object', 'serving/candidates.py', '== classes + 1', '== classes',
             'tests/serving/candidates_test.py'),
    Mutation('missing_tensors_are_fine', 'modeling/conversion/restore.py', '  if missing:\n',
             '  if False:\n', 'tests/modeling/conversion/restore_test.py'),
    Mutation('rows_by_place', 'modeling/conversion/rows.py', 'filled[row] = given[source_row]',
             'filled[row] = given[row]', 'tests/modeling/conversion/rows_test.py'),
    Mutation('new_row_for_no_object', 'modeling/conversion/rows.py',
             '      rows[len(rules.target)] = len(rules.source)\n', '      pass\n',
             'tests/modeling/conversion/rows_test.py'),
    Mutation('ambiguous_names_fit', 'modeling/conversion/class_names.py', 'if len(found) == 1}',
             'if found}', 'tests/modeling/conversion/class_names_test.py'),
    Mutation('in_part_is_enough', 'training/building.py',
             'initial = [*restored.missing, *restored.partial]', 'initial = [*restored.missing]',
             'tests/training/runner_test.py -m slow -k half'),
    Mutation('params_of_any_experiment', 'configs/experiments/settings.py',
             'if name and given != name:', 'if False:',
             'tests/configs/experiments/settings_test.py'),
    *planted_in_export.MUTATIONS,
    *planted_in_formats.MUTATIONS,
    *planted_in_http.MUTATIONS,
    *planted_in_input_service.MUTATIONS,
    *planted_in_own_data.MUTATIONS,
    *planted_in_predictions.MUTATIONS,
    *planted_in_scores.MUTATIONS,
    *planted_in_beam.MUTATIONS,
    *planted_in_workers.MUTATIONS,
    # The data pipeline.
    Mutation('fast_dct', 'dataloaders/decoder.py', "dct_method='INTEGER_ACCURATE'",
             "dct_method='INTEGER_FAST'", 'tests/dataloaders/decoder_test.py tests/serving'),
    Mutation('no_antialiasing', 'dataloaders/augment.py', 'antialias=True', 'antialias=False',
             'tests/dataloaders/augment_test.py tests/dataloaders/road_test.py'),
    Mutation('flip_without_id_maps', 'dataloaders/augment.py',
             'id_maps=tf.reverse(sample.id_maps, [1])', 'id_maps=sample.id_maps',
             'tests/dataloaders/augment_test.py tests/dataloaders/road_test.py'),
    Mutation('polygons_not_mirrored', 'dataloaders/augment.py', '[-x[0], width - x[1]]',
             '[x[0], x[1]]', 'tests/dataloaders/polygons_test.py'),
    Mutation('legacy_nearest_swapped', 'dataloaders/augment.py', 'if legacy_nearest:',
             'if not legacy_nearest:',
             'tests/dataloaders/augment_test.py tests/dataloaders/road_test.py '
             'tests/dataloaders/semantic_test.py'),
    Mutation('size_rounded_down', 'dataloaders/augment.py', 'tf.cast(exact + 0.5, tf.int32)',
             'tf.cast(exact, tf.int32)',
             'tests/dataloaders/augment_test.py tests/dataloaders/road_test.py'),
    Mutation('crowds_are_targets', 'dataloaders/targets.py', 'keep = ~is_crowd',
             'keep = is_crowd | ~is_crowd', 'tests/dataloaders/road_test.py'),
    Mutation('resumes_one_late', 'dataloaders/reader.py', 'start_example % count, 0)',
             'start_example % count + 1, 0)', 'tests/dataloaders/road_test.py'),
    Mutation('fillers_are_scored', 'dataloaders/reader.py', 'record, position < count,',
             'record, position >= 0,', 'tests/dataloaders/road_test.py'),
    Mutation('source_not_compared', 'dataloaders/preparation/shards.py',
             "'source': fields", "'source': ''",
             'tests/dataloaders/preparation/shards_test.py'),
    Mutation('children_keep_the_lock', 'tf_maskformer/lock.py',
             'os.register_at_fork(after_in_child=_close_inherited)', '',
             'tests/tf_maskformer/lock_test.py'),
    Mutation('workers_outlive_their_parent', 'dataloaders/preparation/local.py',
             '  _end_with_parent(end_of_parent, parent)\n', '',
             'tests/dataloaders/preparation/local_test.py'),
    Mutation('cut_shards_are_kept', 'dataloaders/preparation/manifest.py', 'size == shard.size',
             'True', 'tests/dataloaders/preparation/shards_test.py'),
    Mutation('any_number_of_pixels', 'dataloaders/images.py',
             'image.width * image.height > _max_pixels', 'False',
             'tests/dataloaders/images_test.py'),
    Mutation('results_only_in_the_end', 'serving/collection.py',
             'time.monotonic() >= self._next_update', 'False',
             'tests/serving/collection_test.py'),
    Mutation('validation_in_eights', 'dataloaders/reader.py',
             '(0 if params.is_training else replicas)',
             '(0 if params.is_training else 8 * replicas)',
             'tests/dataloaders/road_test.py tests/serving'),
    # Known data sets.
    Mutation('things_without_an_instance', 'dataloaders/preparation/known/ade20k.py',
             'if c >= 0 and c not in data_set.thing_classes', 'if c >= 0',
             'tests/dataloaders/preparation/known/known_test.py -k ade20k'),
    Mutation('stuff_over_things', 'dataloaders/preparation/known/ade20k.py',
             'id_map[mask] = k + 1', 'id_map[mask & (id_map == 0)] = k + 1',
             'tests/dataloaders/preparation/known/known_test.py -k ade20k'),
    Mutation('instances_of_training_alone', 'dataloaders/preparation/known/ade20k.py',
             "with_instances=split == 'val'", "with_instances=split == 'train'",
             'tests/dataloaders/preparation/known/known_test.py -k ade20k'),
    Mutation('red_rounded', 'dataloaders/preparation/known/ade20k_full.py',
             'pixels[:, :, 0] // 10 * 256', '(pixels[:, :, 0] + 5) // 10 * 256',
             'tests/dataloaders/preparation/known/known_test.py -k ade20k_full'),
    Mutation('nearest_of_the_middle', 'dataloaders/preparation/known/ade20k_full.py',
             'np.arange(new) * (old / new)', '(np.arange(new) + 0.5) * (old / new)',
             'tests/dataloaders/preparation/known/ade20k_full_test.py'),
    Mutation('stuff_1_0_off_by_one', 'dataloaders/preparation/known/coco_stuff10k.py',
             '{i + 2: i for', '{i + 1: i for',
             'tests/dataloaders/preparation/known/known_test.py -k versions'),
    Mutation('borders_are_an_object', 'dataloaders/preparation/known/pascal_voc.py',
             'if number in (0, _VOID):', 'if number == 0:',
             'tests/dataloaders/preparation/known/known_test.py -k pascal_voc'),
    Mutation('void_is_plausible', 'dataloaders/preparation/label_check.py',
             'and void <= _MOST', '',
             'tests/dataloaders/preparation/label_check_test.py'),
    Mutation('any_plane', 'dataloaders/record_checks.py',
             'tf.maximum(tf.cast(num_maps, tf.int64) - 1, 0)', 'tf.int32.max',
             'tests/dataloaders/record_checks_test.py'),
    Mutation('sizes_of_maps', 'dataloaders/record_checks.py',
             'fits = tf.reduce_all(found == size[None], axis=1)', 'fits = found[:, 0] > 0',
             'tests/dataloaders/record_checks_test.py'),
    Mutation('headers_without_checksum', 'dataloaders/record_files.py',
             'if checksum != sorted_tables.masked_crc(header[:8]):', 'if False:',
             'tests/dataloaders/record_files_test.py'),
    Mutation('run_beyond_the_end', 'dataloaders/run_lengths.py', ' or not is_last[-1]', '',
             'tests/dataloaders/run_lengths_test.py'),
    Mutation('image_twice', 'dataloaders/coco_json.py', '    elif key in rows:\n',
             '    elif False:\n', 'tests/dataloaders/annotations_test.py'),
    Mutation('out_of_the_folder', 'dataloaders/preparation/image_index.py',
             " and '..' not in re.split(r'[/\\\\]', name)", '',
             'tests/dataloaders/preparation/image_index_test.py'),
    Mutation('runs_that_end_early', 'dataloaders/run_lengths.py', 'if total != num_pixels:',
             'if total > num_pixels:', 'tests/dataloaders/run_lengths_test.py'),
    Mutation('names_not_compared', 'dataloaders/coco_categories.py',
             'and not is_another and _may_mean(name, of_id)', '',
             'tests/dataloaders/coco_categories_test.py'),
    Mutation('placeholder_areas', 'dataloaders/annotations.py',
             '  _forget_placeholders(rows.values())\n', '',
             'tests/dataloaders/coco_quirks_test.py'),
    Mutation('root_category_is_a_class', 'dataloaders/preparation/custom/coco_classes.py',
             'if category.is_root and not category.uses', 'if False and not category.uses',
             'tests/dataloaders/preparation/custom/coco_test.py'),
    Mutation('width_and_height_of_shares', 'dataloaders/preparation/custom/yolo.py',
             '(width, height)[k % 2]', '(height, width)[k % 2]',
             'tests/dataloaders/preparation/custom/yolo_test.py'),
    Mutation('out_of_the_set', 'dataloaders/preparation/custom/yolo_files.py',
             'for start in range(len(parts)):', 'for start in range(1):',
             'tests/dataloaders/preparation/custom/yolo_test.py'),
    Mutation('groups_of_any_label', 'dataloaders/preparation/custom/labelme_shapes.py',
             'key = (label.strip(), group if', "key = ('', group if",
             'tests/dataloaders/preparation/custom/labelme_test.py'),
    Mutation('last_pixel_of_a_mask', 'dataloaders/preparation/custom/labelme_shapes.py',
             'min(top + crop.shape[0], size[0])', 'min(top + crop.shape[0] - 1, size[0])',
             'tests/dataloaders/preparation/custom/labelme_test.py'),
    Mutation('namesake_of_another_folder', 'dataloaders/preparation/image_index.py',
             'if has_namesake and most[0] == 0:', 'if False:',
             'tests/dataloaders/preparation/image_index_test.py'),
    Mutation('iou_above_one', 'evaluation/panoptic_quality.py', 'common / max(union, common)',
             'common / union', 'tests/evaluation/panoptic_quality_test.py'),
    Mutation('no_side_is_too_small', 'dataloaders/augment.py',
             'tf.maximum(tf.cast(exact + 0.5, tf.int32), 1)', 'tf.cast(exact + 0.5, tf.int32)',
             'tests/dataloaders/augment_test.py'),
    # Label images.
    Mutation('few_bits_are_stretched', 'dataloaders/label_images.py',
             "if mode == 'L' and bits in _STRETCHED_BY:", 'if False:',
             'tests/dataloaders/label_images_test.py'),
    Mutation('alpha_does_not_matter', 'dataloaders/label_images.py',
             'if (channels[..., -1] != _OPAQUE).any():', 'if False:',
             'tests/dataloaders/label_images_test.py'),
    Mutation('any_label_of_an_image', 'dataloaders/preparation/custom/pairs.py',
             'if len(kinds) > 1:', 'if False:',
             'tests/dataloaders/preparation/custom/pairs_test.py'),
    Mutation('names_count_void', 'dataloaders/preparation/custom/label_meaning.py',
             'if value not in void)', 'if value >= 0)',
             'tests/dataloaders/preparation/custom/labels_test.py -k void'),
    Mutation('void_is_guessed', 'dataloaders/preparation/custom/label_meaning.py',
             'if unknown == by_itself:', 'if by_itself:',
             'tests/dataloaders/preparation/custom/labels_test.py -k asked'),
    Mutation('groups_are_instances', 'dataloaders/preparation/custom/instance_ids.py',
             'Kind(class_id, not has_number and class_id in data_set.thing_classes)',
             'Kind(class_id)', 'tests/dataloaders/preparation/custom/instance_ids_test.py'),
    Mutation('class_of_any_pixel', 'dataloaders/preparation/custom/voc.py', 'votes.argmax()',
             'votes.nonzero()[0].max()', 'tests/dataloaders/preparation/custom/voc_test.py'),
    # From images to files.
    Mutation('not_turned_upright', 'serving/inputs.py', 'ImageOps.exif_transpose(image)', 'image',
             'tests/serving/inputs_test.py'),
    Mutation('sure_instances_only', 'serving/result.py', 'for row in self._found]',
             "for row in self._found if row['score'] > 0.5]", 'tests/serving/result_test.py'),
    Mutation('results_as_inputs', 'serving/image_files.py', 'not (is_searched and',
             'not (False and', 'tests/serving/image_files_test.py'),
    Mutation('captions_collide', 'evaluation/captions.py', 'taken.append(box)', 'pass',
             'tests/evaluation/captions_test.py'),
)


def copy_of_the_tree(folder: pathlib.Path) -> pathlib.Path:
  """Copies what git tracks or would track into `folder` and links the reference data next to it.

  Returns:
    The root of the copy.
  """
  listed = subprocess.run(
      ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT,
      capture_output=True, text=True, check=True)
  copy = folder / 'copy'
  for name in listed.stdout.split('\0'):
    if name and (ROOT / name).is_file():
      (copy / name).parent.mkdir(parents=True, exist_ok=True)
      shutil.copy2(ROOT / name, copy / name)
  shared = ROOT.parent / 'shared'
  if shared.is_dir():
    (folder / 'shared').symlink_to(shared)
  return copy


def is_noticed(mutation: Mutation) -> bool:
  """Plants a mistake in a copy of the tree and returns whether its tests fail there.

  Raises:
    RuntimeError: the tests did not run.
  """
  with tempfile.TemporaryDirectory() as folder:
    root = copy_of_the_tree(pathlib.Path(folder))
    (root / mutation.file).write_text(mutation.text(root))
    environment = {**os.environ, 'PYTHONPATH': str(root), 'TF_CPP_MIN_LOG_LEVEL': '3'}
    done = subprocess.run(
        f'{sys.executable} -m pytest -n 0 -x {mutation.tests}', shell=True, cwd=root,
        env=environment, capture_output=True, text=True, check=False)
  if done.returncode not in (_PASSED, _FAILED):
    printed = (done.stdout + done.stderr)[-2000:]
    raise RuntimeError(f'{mutation.name}: pytest ended with {done.returncode}: {printed}')
  return done.returncode == _FAILED


def _matches(mutation: Mutation, patterns: list[str]) -> bool:
  return any(fnmatch.fnmatchcase(mutation.name, pattern) for pattern in patterns)


def main() -> int:
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument(
      'names', nargs='*', default=['*'], help='names of mistakes, * and ? as in file names')
  parser.add_argument(
      '--workers', type=int, default=2, help='mistakes that are tried at the same time')
  args = parser.parse_args()
  chosen = [mutation for mutation in MUTATIONS if _matches(mutation, args.names)]
  unnoticed = []
  with concurrent.futures.ThreadPoolExecutor(args.workers) as pool:
    for i, (mutation, noticed) in enumerate(zip(chosen, pool.map(is_noticed, chosen))):
      result = 'noticed' if noticed else 'NOT NOTICED'
      print(f'{i + 1}/{len(chosen)} {mutation.name}: {result}', flush=True)
      if not noticed:
        unnoticed.append(mutation.name)
  print(f'{len(chosen) - len(unnoticed)} of {len(chosen)} mistakes were noticed')
  return 1 if unnoticed or not chosen else 0


if __name__ == '__main__':
  sys.exit(main())
