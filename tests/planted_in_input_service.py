"""Mistakes in the input service, the step for TPUs and predicted times.

`tests.mutations` plants them.
"""

from tests.planted import Mutation

_TEST = 'tests/dataloaders/input_service_test.py -m slow'

MUTATIONS = (
    Mutation('every_worker_all_batches', 'dataloaders/input_service.py',
             'number // batch_size % count == worker', 'number // batch_size >= 0', _TEST),
    Mutation('examples_instead_of_batches', 'dataloaders/input_service.py',
             'number // batch_size % count == worker', 'number % count == worker', _TEST),
    Mutation('out_of_turn', 'dataloaders/input_service.py', 'number == expected,\n',
             'number >= 0,\n', f'{_TEST} -k turn'),
    Mutation('too_few_workers', 'dataloaders/input_service.py',
             "'' if len(workers) == count else", "'' if workers else", f'{_TEST} -k not_there'),
    Mutation('polygons_at_the_service', 'dataloaders/input_service.py',
             'if parser.calls_python(config):', 'if False:', f'{_TEST} -k cannot'),
    Mutation('nobody_is_lost', 'dataloaders/service_watch.py',
             '> self._patience and not', '> 1e9 and not', f'{_TEST} -k lost'),
    Mutation('watched_forever', 'dataloaders/service_watch.py',
             '  weakref.finalize(batches, one.end)\n', '', f'{_TEST} -k watched'),
    Mutation('matched_on_the_host', 'tasks/mask_classification.py',
             "self._runtime.jit_compile or self._runtime.distribution_strategy == 'tpu'",
             'self._runtime.jit_compile', 'tests/tasks/tpu_test.py -m slow -k host'),
    Mutation('all_reduce_of_one', 'scripts/step_time.py', '2 * (count - 1) / count * _BYTES',
             '2 * _BYTES', 'tests/scripts/step_time_test.py'),
    Mutation('half_the_products', 'scripts/step_flops.py',
             'return 2 * op.outputs[0].shape.num_elements() * summed',
             'return op.outputs[0].shape.num_elements() * summed',
             'tests/scripts/step_time_test.py'),
)
