"""Mistakes that can be planted in prediction and in exports."""

from tests.planted import Mutation

_COMPARE = 'tests/serving/export/compare_test.py'
_FITTING = 'tests/serving/export/fitting_test.py'
_PLACE = 'tests/serving/export/place_test.py'

MUTATIONS = (
    Mutation('sigmoid_of_the_runtime', 'ops/sigmoid.py', 'return 1 / (1 + tf.exp(-logits))',
             'return tf.sigmoid(logits)', 'tests/serving/export/onnx_graph_test.py -k digits'),
    Mutation('any_jump_is_excused', 'serving/export/compare.py',
             'min(_NEAR * own.largest, JUMPS.largest)', '_NEAR * own.largest',
             'tests/serving/export/compare_test.py'),
    Mutation('folded_convolutions_in_float', 'serving/export/calibration.py',
             ' | (after & before)', '', 'tests/serving/export/openvino_ir_test.py'),
    Mutation('layers_lose_their_names', 'serving/export/openvino_ir.py',
             'names.get(short, short)', 'short',
             'tests/serving/export/openvino_ir_test.py -k float'),
    Mutation('constants_of_one_type_are_one', 'serving/export/small_graph.py',
             "node.attr['value'].tensor.Ser", "node.attr['dtype'].Ser",
             'tests/serving/export/small_graph_test.py'),
    Mutation('pixels_one_by_one', 'ops/group_norm.py', 'tf.reduce_sum(tf.reduce_sum(x, 2), 1)',
             'tf.reduce_sum(x, [1, 2])', 'tests/ops/group_norm_test.py -k exports'),
    Mutation('first_of_the_batch', 'serving/predictor.py', '{name: value[place] for',
             '{name: value[0] for', 'tests/serving/predictor_test.py'),
    Mutation('segments_are_matched_twice', 'serving/export/compare.py',
             'if a in used or -b - 1 in used or', 'if', _COMPARE),
    Mutation('nan_is_within', 'serving/export/compare.py', 'if not found <= allowed:',
             'if found > allowed:', _COMPARE),
    Mutation('image_overflows', 'serving/export/fitting.py', 'scale = min(', 'scale = max(',
             _FITTING),
    Mutation('maps_are_shifted', 'serving/export/fitting.py',
             '(np.arange(target) + 0.5) * (size / target)',
             'np.arange(target) * (size / target) + 1', _FITTING),
    Mutation('half_an_export_stays', 'serving/export/place.py',
             '    shutil.rmtree(temporary, ignore_errors=True)\n    if has', '    if has', _PLACE),
    Mutation('two_write_at_once', 'serving/export/place.py',
             "lock.held(path.parent, f'.{path.name}.lock'), _placed", '_placed', _PLACE),
    Mutation('mistakes_become_faults', 'serving/export/child.py',
             "  except UserError as error:\n    pipe.send(('mistake', str(error)))\n", '',
             'tests/serving/export/child_test.py'),
    Mutation('axes_of_triton', 'serving/export/triton.py', '[*own, *[-1] * _RANKS[name]]',
             '[*axes, *[-1] * (_RANKS[name] - 1)]', 'tests/serving/export/triton_test.py'),
    Mutation('int8_without_images', 'serving/export/plan.py', 'if self.needs_calibration and not',
             'if False and not', 'tests/serving/export/plan_test.py'),
    Mutation('thresholds_are_ignored', 'serving/export/saved_model.py',
             'Thresholds(object_mask_threshold, overlap_threshold)', 'road.thresholds',
             'tests/serving/export/saved_model_test.py -k thresholds'),
    Mutation('fixed_sizes_need_xla', 'serving/export/saved_model.py', 'portable=True',
             'portable=False', 'tests/serving/export/saved_model_test.py -k one_size'),
    Mutation('checksums_are_not_looked_at', 'serving/export/metadata.py',
             'if found != expected:', 'if False:', 'tests/serving/exported_test.py -k flipped'),
)
