"""Mistakes in preparation on a runner of Apache Beam; `tests.mutations` plants them."""

from tests.planted import Mutation

MUTATIONS = (
    Mutation('ended_job_goes_on', 'dataloaders/preparation/exchange.py',
             '    if k % every == 0:\n      _require_wanted(folder)\n    yield row\n'
             '  _require_wanted(folder)\n',
             '    yield row\n', 'tests/dataloaders/preparation/exchange_test.py -k overtaken'),
    Mutation('mistakes_stay_with_the_worker', 'dataloaders/preparation/exchange.py',
             "if 'error' in outcome:", 'if False:',
             'tests/dataloaders/preparation/exchange_test.py -k mistakes'),
    Mutation('pixels_are_not_bounded_there', 'dataloaders/preparation/exchange.py',
             '  images.allow(max_pixels)\n', '',
             'tests/dataloaders/preparation/exchange_test.py -k limit_of_pixels'),
    Mutation('a_finished_shard_is_made_again', 'dataloaders/preparation/exchange.py',
             'self._done() & set(names)):', 'set()):',
             'tests/dataloaders/preparation/exchange_test.py -k takes_over'),
    Mutation('every_conversion_is_the_same', 'dataloaders/preparation/exchange.py',
             'json.dumps(identity, sort_keys=True)', "''",
             'tests/dataloaders/preparation/exchange_test.py -k another_conversion'),
)
