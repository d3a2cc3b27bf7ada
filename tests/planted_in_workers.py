"""Mistakes in what several workers agree on; `tests.mutations` plants them."""

from tests.planted import Mutation

MUTATIONS = (
    Mutation('pipelines_take_turns', 'dataloaders/reader.py',
             'position // size % share.pipelines == share.index',
             'position % share.pipelines == share.index',
             'tests/dataloaders/road_test.py -k pipelines'),
    Mutation('index_beyond_the_last', 'training/cluster.py', 'if index >= len(hosts):',
             'if index > len(hosts):', 'tests/training/cluster_test.py'),
    Mutation('sources_of_one_size_agree', 'training/cluster.py', 'by_flags != by_variable:',
             'by_flags[0] != by_variable[0]:', 'tests/training/cluster_test.py'),
    Mutation('chief_is_forgotten', 'training/cluster.py', 'else len(chiefs) + index', 'else index',
             'tests/training/cluster_test.py'),
    Mutation('settings_are_not_compared', 'training/rendezvous.py',
             'own.get(key) != theirs.get(key)', 'False', 'tests/training/rendezvous_test.py'),
    Mutation('none_waits_for_the_last', 'training/rendezvous.py', '    if not missing:\n',
             '    if True:\n', 'tests/training/rendezvous_test.py'),
    Mutation('a_lost_worker_is_a_full_disk', 'training/coordination.py',
             'error = error.__cause__', 'error = None', 'tests/training/coordination_test.py'),
    Mutation('every_worker_prints', 'training/worker_output.py', 'line.startswith(self._own)',
             'True', 'tests/training/worker_output_test.py'),
    Mutation('memory_of_all_workers', 'training/memory.py',
             'data.global_batch_size // num_workers', 'data.global_batch_size',
             'tests/training/memory_test.py'),
    Mutation('every_worker_writes', 'training/run.py',
             '    if not self._workers.is_chief:\n      return tf.summary.create_noop_writer()\n',
             '', 'tests/cluster/workers_test.py -m slow -k one_writes'),
    Mutation('only_the_chief_stops', 'training/trainer.py',
             'context.all_reduce(tf.distribute.ReduceOp.SUM, own)', 'own',
             'tests/cluster/workers_test.py -m slow -k sigterm'),
)
